"""Runs the bodies that do what cannot be taken back: once, whatever fails in between.

Every attempt begins with the effect's row of the ledger and ends with an answer, so that a request
that was repeated, by the agent, by a retry, or by the queue after a crash, is the same request.
When an attempt fails the ledger is asked what is true: it happened (the body answers from what was
made), it never will (the row is given up first, then it is said), or nobody knows yet (``doubt``,
which is followed up by who settles). It is never said to have failed while it may still happen.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, TypeVar

import msgspec
import structlog

from tools.catalog import Tool, has_happened, result_of
from tools.contract import IN_DOUBT, Done, Failed, ToolJob, ToolOutcome
from tools.errand import Errand
from tools.errors import BadArguments, LeaseLost, ToolError
from tools.ledger import WITHDRAWN, Entry
from tools.meaning import effect_key
from tools.retries import attempt_s, within
from tools.told import number_in
from worker.bodies import Body
from worker.resources import Resources

FIND_OUT_S: Final = 0.5
"""Kept back of the budget: to ask the ledger what is true, and to have the body say it."""
LOOK_S: Final = 4.0
"""For finding out when nobody waits any more; longer than a database that is locked."""
GIVE_UP_AFTER_S: Final = 5.0
"""How long after its budget somebody else may look what became of an effect."""

Answer = TypeVar("Answer")

log = structlog.get_logger()


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One claim of a job with an effect."""

    job: ToolJob
    tool: Tool
    arguments: Any
    body: Body
    tries: int
    """How often the job was claimed, this time included."""
    still_mine: Callable[[], bool]

    def failed(self, code: str, say: str = "") -> Failed:
        """It did not happen and never will."""
        return Failed(
            function_call_id=self.job.function_call_id,
            tool=self.tool.name,
            code=code,
            say=say or self.tool.not_done,
        )

    def doubt(self) -> Failed:
        """Nobody knows yet."""
        return self.failed(IN_DOUBT, self.tool.fallback)

    def must_still_be_mine(self) -> None:
        """Raises ``LeaseLost`` once another worker may run the same request."""
        Errand(practice="", still_mine=self.still_mine).must_still_be_mine()


class _GivenUp(ToolError):
    """The row of this function call was withdrawn: no attempt changes that."""

    code: ClassVar[str] = WITHDRAWN


class EffectRun:
    """Runs effects with these resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def do(self, request: Request, left_s: float) -> ToolOutcome:
        """Do it, or find that it was done.

        Raises:
            LeaseLost: the job is another worker's by now; there is nothing to record.
        """
        budget_s = max(left_s - FIND_OUT_S, left_s / 2)
        entry: Entry | None = None

        async def attempt() -> str:
            nonlocal entry
            entry = await self._intend(request, left_s)
            return await self._answer(request, entry, attempt_s(budget_s, request.tool.tries))

        try:
            content = await within(budget_s, attempt, tries=request.tool.tries)
        except LeaseLost:
            raise
        except Exception as error:
            return await self._what_is_true(request, entry, error, left_s - budget_s)
        if entry and not has_happened(request.tool, content):
            await self._end(entry, result_of(content), left_s - budget_s)
        return self._done(request, content)

    async def look(self, request: Request) -> ToolOutcome:
        """Do nothing more; find out what became of it, and that nothing becomes of it later.

        Raises:
            LeaseLost: the job is another worker's by now; there is nothing to record.
        """
        try:
            async with asyncio.timeout(LOOK_S):
                entry = await self._intend(request, 0.0)
        except (ToolError, TimeoutError) as error:
            log.warning("effect_not_looked_up", reason=repr(error))
            return request.failed("budget_spent") if request.tries == 1 else request.doubt()
        code = "budget_spent" if request.tries == 1 else WITHDRAWN
        return await self._ended(request, entry, request.failed(code), LOOK_S)

    async def _intend(self, request: Request, left_s: float) -> Entry:
        job = request.job
        return await self._resources.ledger.intend(
            job_id=job.job_id,
            key=_key(request),
            practice=job.practice,
            call_sid=job.call_sid,
            tool=request.tool.name,
            arguments=job.arguments,
            phone=number_in(request.arguments),
            give_up_s=left_s + GIVE_UP_AFTER_S,
            asked_utc=datetime.fromtimestamp(job.asked_utc, UTC) if job.asked_utc else None,
        )

    async def _answer(self, request: Request, entry: Entry, seconds: float) -> str:
        """The body's words; it finds out by the row whether there is anything left to do."""
        if entry.state == "void":
            raise _GivenUp(request.tool.not_done, reason="withdrawn before it was begun")
        job = request.job
        errand = Errand(
            practice=job.practice,
            call_sid=job.call_sid,
            job_id=job.job_id,
            entry_id=entry.id,
            idempotency_key=_key(request),
            attempt_s=seconds,
            still_mine=request.still_mine,
        )
        answer = await request.body(request.arguments, self._resources, errand)
        return msgspec.json.encode(answer).decode()

    async def _what_is_true(
        self, request: Request, entry: Entry | None, error: Exception, seconds: float
    ) -> ToolOutcome:
        """The outcome after the last attempt failed."""
        request.must_still_be_mine()
        code = "internal"
        if isinstance(error, ToolError):
            code = error.code
            log.warning("effect_unanswered", code=code, reason=error.reason)
        else:
            log.error("job_failed", exc_info=error)
        say = error.say if isinstance(error, BadArguments) else ""
        if entry is None:  # the ledger was never reached, so nothing was begun this time
            return request.failed("unavailable") if request.tries == 1 else request.doubt()
        if code == IN_DOUBT:
            code = "unavailable"  # should it turn out that nothing was done
        return await self._ended(request, entry, request.failed(code, say), seconds)

    async def _ended(
        self, request: Request, entry: Entry, failed: Failed, seconds: float
    ) -> ToolOutcome:
        """Its end, by the ledger: ``failed`` only once it is certain that it never happens."""
        result = failed.code if failed.code == BadArguments.code else WITHDRAWN

        async def find_out() -> ToolOutcome:
            found = await self._resources.ledger.void(
                entry.id, result=result, job_id=request.job.job_id
            )
            if found.state == "void":
                return failed
            if not found.has_happened:
                return request.doubt()
            return self._done(request, await self._answer(request, found, seconds))

        return await _bounded(find_out, seconds) or request.doubt()

    async def _end(self, entry: Entry, result: str, seconds: float) -> None:
        """The answer changed nothing: the same may be asked again, and nobody need look."""
        await _bounded(lambda: self._resources.ledger.void(entry.id, result=result), seconds)

    @staticmethod
    def _done(request: Request, content: str) -> Done:
        return Done(
            function_call_id=request.job.function_call_id, tool=request.tool.name, content=content
        )


async def _bounded(ask: Callable[[], Awaitable[Answer]], seconds: float) -> Answer | None:
    """What the ledger says; None if it does not in that time."""
    try:
        async with asyncio.timeout(seconds):
            return await ask()
    except LeaseLost:
        raise
    except (ToolError, TimeoutError) as error:
        log.warning("effect_not_looked_up", reason=getattr(error, "reason", "") or repr(error))
    except Exception:
        log.exception("effect_not_looked_up")
    return None


def _key(request: Request) -> str:
    job = request.job
    return job.idempotency_key or effect_key(
        request.tool, job.practice, request.arguments, call_sid=job.call_sid
    )
