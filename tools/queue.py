"""The tool queue as a bridge sees it: jobs out, outcomes back to the call, and how full it is.

Owns the promise that a job is run and its outcome reaches its call, through cut connections and
restarts of Redis, with no polling; and that what is said of a job nobody waits for any more is
true. Leaves running to the workers (``claims``), what Redis is told to ``jobs``, and when to give
up to the call, which knows how long its caller will wait.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Self

import msgspec
import structlog
from redis.exceptions import RedisError

from tools import keys
from tools.catalog import QUEUED, QUEUES
from tools.connections import WORTH_ANOTHER_TRY, KeptConnections, connect, pauses, reached
from tools.contract import ToolJob, ToolOutcome, is_final
from tools.dead import DeadLetter, DeadLetters
from tools.errors import Unavailable
from tools.gauges import Breaker, Ended, Gauges
from tools.gauges import QueueDepth as QueueDepth
from tools.jobs import Answer, Asks, Jobs, left_open, tool_of
from tools.leases import ALIVE_FOR_S
from tools.outcomes import OutcomeLine

PATIENCE_S: Final = 1.0
"""How long ``submit`` tries to reach Redis. Longer, and the fallback line itself comes too late."""
LONGEST_PAUSE_S: Final = 0.1
"""Between two tries of ``submit``: with so little patience they must come quickly."""
GIVE_UP_WITHIN_S: Final = 0.25
"""How long ``give_up`` waits for Redis: the caller has waited for the whole budget already."""
FORGET_AFTER_S: Final = 30.0
"""Beyond its budget an unanswered job is not looked for any more; the call has long answered."""

log = structlog.get_logger()

Deliver = Callable[[ToolOutcome], None]


class _Asked(msgspec.Struct, kw_only=True):
    job: ToolJob
    forget_at: float
    memory: bytes = b""
    """What Redis's memory was called when it took the job."""


class _Call(msgspec.Struct, kw_only=True):
    deliver: Deliver
    told: dict[str, ToolOutcome] = msgspec.field(default_factory=dict)
    """What this call has been told last of each function call: a push and a catch-up may both bring
    the same."""


class ToolQueue:
    """Jobs to the workers and outcomes back to the calls, for one process.

    ::

        async with ToolQueue(redis_url) as queue:
            queue.attach(call_sid, deliver)   # deliver(outcome) runs on this loop, must not raise
            await queue.submit(job)           # the outcome comes through deliver
            outcome = await queue.give_up(job)   # ... or the budget is over: what may be said?
            queue.detach(call_sid, deliver)

    Attach before submitting. A bridge that takes over a call attaches and submits again what is
    still open: a job is known by its id, so it is joined, or its kept result is delivered.

    One outcome is delivered for each job, or two: after a ``doubt`` the final one.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        patience_s: float = PATIENCE_S,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = connect(redis_url)
        self._listening_redis = connect(redis_url, waits=True)
        self._patience_s = patience_s
        self._wall_clock = wall_clock
        self._line = OutcomeLine(self._listening_redis, hear=self._tell, listening=self._look_again)
        self._calls: dict[str, _Call] = {}
        self._asked: dict[str, _Asked] = {}
        self._to_withdraw: dict[str, _Asked] = {}
        """Given up while Redis was away: to be kept from beginning as soon as it is back."""
        self._owed: dict[str, _Asked] = {}
        """Asked for on the bridge's own behalf while Redis was away."""
        self._to_look_at: set[str] = set()
        self._look = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._memory = b""
        self._quick = KeptConnections(redis_url)
        self._jobs = Jobs(self._redis, self._quick)
        self._gauges = Gauges(self._redis)
        self._dead = DeadLetters(self._redis)

    async def __aenter__(self) -> Self:
        """Start listening. Redis may be away: what is asked meanwhile is made up for."""
        self._tasks = [
            asyncio.create_task(self._line.run(), name="outcome line"),
            asyncio.create_task(self._catch_up(), name="outcome catch-up"),
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._quick.aclose()
        await self._listening_redis.aclose()
        await self._redis.aclose()

    def attach(self, call_sid: str, deliver: Deliver) -> None:
        """Hand this call's outcomes to ``deliver`` from now on, in place of any earlier one."""
        self._calls[call_sid] = _Call(deliver=deliver)
        self._line.join(call_sid)

    def detach(self, call_sid: str, deliver: Deliver) -> None:
        """The call is over or held elsewhere: its jobs run on, their outcomes are kept.

        Nothing, if a later stream of the call has attached itself meanwhile.
        """
        call = self._calls.get(call_sid)
        if call is None or call.deliver != deliver:
            return
        self._calls.pop(call_sid, None)
        self._line.leave(call_sid)
        for job_id in [id for id, asked in self._asked.items() if asked.job.call_sid == call_sid]:
            del self._asked[job_id]

    async def submit(self, job: ToolJob) -> None:
        """Put a job on its queue, once, however often it is asked; stamped if it is not yet.

        It may be refused at once, in the same step: ``Failed`` is delivered with the code ``full``,
        ``breaker`` or ``no_worker``, or what an earlier refusal or ``give_up`` left behind. Then it
        has not begun and never will.

        Raises:
            BadArguments: there is no such tool, or it is none for a worker.
            Unavailable: Redis could not be reached in ``patience_s`` (or the job's budget, if
                that is shorter). The job may still have arrived and run: ``say`` is true either
                way, and the outcome, if one comes, is delivered. Never for a tool that is
                ``owed``: that is sent as soon as Redis is back, within its budget.
        """
        tool = tool_of(job)
        if not job.asked_utc:
            job = msgspec.structs.replace(job, asked_utc=self._wall_clock())
        self._forget_old()
        if call := self._calls.get(job.call_sid):
            call.told.pop(job.function_call_id, None)
        forget_at = time.monotonic() + job.budget_s + FORGET_AFTER_S
        asked = _Asked(job=job, forget_at=forget_at, memory=self._memory)
        self._asked[job.job_id] = asked
        try:
            async with asyncio.timeout(min(self._patience_s, job.budget_s)):
                await self._enqueue_at_last(asked)
        except (RedisError, OSError) as error:
            if tool.owed:  # nobody waits, but it must not be forgotten either
                self._owed[job.job_id] = self._asked.pop(job.job_id, asked)
                self._look.set()
                return
            if not tool.effect:  # of an effect that may come true its call still wants to hear
                self._asked.pop(job.job_id, None)
            raise Unavailable(tool.fallback, reason=f"queue: {error!r}") from error

    async def give_up(self, job: ToolJob) -> ToolOutcome:
        """Nobody waits for this job any more: what is true of it, and stays so.

        Its outcome, if it has one. ``Failed("withdrawn")`` when it never began and, from now on,
        never will. When it may have begun: of an effect ``Failed("doubt")``, and the final outcome
        is delivered when it is known, as long as the call is attached; of a read
        ``Failed("budget_spent")``. Also when Redis does not answer within ``GIVE_UP_WITHIN_S``; the
        job is then kept from beginning, if it has not, as soon as Redis is back.

        Raises:
            BadArguments: there is no such tool, or it is none for a worker.
        """
        tool_of(job)
        asked = self._asked.get(job.job_id) or _Asked(
            job=job, forget_at=time.monotonic() + FORGET_AFTER_S
        )
        try:
            async with asyncio.timeout(GIVE_UP_WITHIN_S):
                outcome = await self._given_up(asked)
        except (RedisError, OSError) as error:
            log.warning("give_up_unanswered", call_sid=job.call_sid, reason=repr(error))
            asked.forget_at = time.monotonic() + FORGET_AFTER_S
            self._to_withdraw[job.job_id] = asked
            self._look_again([job.call_sid])
            outcome = left_open(job)
        if call := self._calls.get(job.call_sid):
            told = call.told.get(job.function_call_id)
            if told is not None and is_final(told):
                return told  # it came meanwhile
            call.told[job.function_call_id] = outcome
        self._settle(asked, outcome)
        return outcome

    async def cancel(self, call_sid: str, function_call_id: str, tool: str) -> bool:
        """Take a read off its queue that nobody wants any more; True if it never began.

        One that runs already is left to end: its outcome is delivered as ever and means nothing to
        the call. So is one whose ``submit`` is still under way. An effect is never taken off: the
        agent may have dropped it, but the caller asked for it.

        Raises:
            ValueError: the tool has an effect, or is none for a worker: our mistake.
            Unavailable: Redis could not be reached in ``patience_s``.
        """
        known = QUEUED.get(tool)
        if known is None or known.effect:
            raise ValueError(f"{tool} cannot be cancelled")
        job_id = f"{call_sid}:{function_call_id}"
        self._asked.pop(job_id, None)  # what is gone on purpose is not sent again
        with reached("That may still run."):
            async with asyncio.timeout(self._patience_s):
                return await self._jobs.cancel(known.queue, job_id)

    async def depth(self, queues: Iterable[str] = QUEUES) -> list[QueueDepth]:
        """How full the queues are. Raises ``Unavailable`` when Redis does not answer."""
        return await self._gauges.depth(queues)

    async def breakers(self) -> list[Breaker]:
        """Every breaker that is not closed. Raises ``Unavailable``."""
        return await self._gauges.breakers()

    async def ended(self, limit: int = 100) -> list[Ended]:
        """The jobs that ended last, the newest first. Raises ``Unavailable``."""
        return await self._gauges.ended(limit)

    async def dead(self, limit: int = keys.DEAD_LENGTH) -> list[DeadLetter]:
        """The dead letters, the newest first. Raises ``Unavailable``."""
        return await self._dead.newest(limit)

    async def retry(self, job_id: str) -> str | None:
        """Have a dead letter run once more, as another job; its id, or None if it cannot be.

        Raises ``Unavailable``. See ``DeadLetters.retry``.
        """
        return await self._dead.retry(job_id)

    async def purge_dead(self) -> int:
        """Forget every dead letter; how many there were. Raises ``Unavailable``."""
        return await self._dead.purge()

    async def drop(self, job_id: str) -> bool:
        """Take a waiting job off its queue for good, and tell its call; False if it is too late.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reached("The queue cannot be reached."):
            return await self._jobs.drop(job_id)

    async def _enqueue_at_last(self, asked: _Asked) -> None:
        failed = False
        for pause_s in pauses(longest_s=LONGEST_PAUSE_S):
            try:
                memory = await self._enqueue(asked.job)
            except WORTH_ANOTHER_TRY:
                failed = True
                await asyncio.sleep(pause_s)
            else:
                if not (failed and asked.memory):  # else an earlier try may have reached another
                    asked.memory = memory
                return

    async def _enqueue(self, job: ToolJob, *, again: bool = False) -> bytes:
        """What Redis's memory is called that has the job now, if it was not refused."""
        asks: Asks = "all"
        if again or QUEUED[job.tool].owed:
            asks = "nothing"  # it was let in before, or is never refused
        elif self._line.lost_lately(ALIVE_FOR_S):
            asks = "load"  # a Redis that has just come back may not know its workers yet
        answer = await self._jobs.put_on(job, asks)
        self._memory = answer.memory
        self._note(job, answer)
        return self._memory

    async def _given_up(self, asked: _Asked) -> ToolOutcome:
        answer = await self._jobs.give_up(asked.job, asked.memory)
        if answer.word == "forgotten":
            self._look_again([asked.job.call_sid])
        return answer.outcome or left_open(asked.job)

    def _note(self, job: ToolJob, answer: Answer) -> None:
        if answer.outcome is not None:
            self._tell(job.call_sid, answer.outcome)

    def _tell(self, call_sid: str, outcome: ToolOutcome) -> None:
        asked = self._asked.get(f"{call_sid}:{outcome.function_call_id}")
        if asked is not None:
            self._settle(asked, outcome)
        call = self._calls.get(call_sid)
        if call is None:
            return
        told = call.told.get(outcome.function_call_id)
        if told is not None and (is_final(told) or not is_final(outcome)):
            return
        call.told[outcome.function_call_id] = outcome
        call.deliver(outcome)

    def _settle(self, asked: _Asked, outcome: ToolOutcome) -> None:
        """Look for it no more; or, while it is in doubt, as long as the call is there."""
        job_id = asked.job.job_id
        if is_final(outcome):
            self._asked.pop(job_id, None)
        elif asked.job.call_sid in self._calls:
            asked.forget_at = float("inf")
            self._asked[job_id] = asked

    def _look_again(self, call_sids: list[str]) -> None:
        self._to_look_at.update(call_sids)
        self._look.set()

    async def _catch_up(self) -> None:
        """Whenever the line is new: fetch outcomes that were published to nobody.

        A job of which Redis knows neither record nor result was lost with its memory, or never
        arrived: it is sent again, as long as somebody waits for it. So is an effect in doubt: the
        worker that gets it looks what became of it.
        """
        waits = pauses()
        while True:
            await self._look.wait()
            self._look.clear()
            calls, self._to_look_at = self._to_look_at, set()
            try:
                await self._withdraw()
                await self._pay()
                await self._look_for(
                    [a.job for a in self._asked.values() if a.job.call_sid in calls]
                )
                waits = pauses()
            except (RedisError, OSError) as error:
                log.warning("outcome_catch_up_failed", reason=repr(error))
                self._look_again(list(calls))
                await asyncio.sleep(next(waits))

    async def _withdraw(self) -> None:
        for job_id, asked in list(self._to_withdraw.items()):
            if asked.forget_at > time.monotonic():
                outcome = await self._given_up(asked)
                self._tell(asked.job.call_sid, outcome)
            self._to_withdraw.pop(job_id, None)

    async def _pay(self) -> None:
        for job_id, asked in list(self._owed.items()):
            if asked.forget_at > time.monotonic():
                await self._enqueue(asked.job)
            self._owed.pop(job_id, None)

    async def _look_for(self, jobs: list[ToolJob]) -> None:
        if not jobs:
            return
        answers = await self._jobs.look(jobs)
        for job, answer in zip(jobs, answers, strict=True):
            if answer.word == "lost" and self._is_wanted(job):
                await self._enqueue(job, again=True)
            else:
                self._note(job, answer)

    def _is_wanted(self, job: ToolJob) -> bool:
        if job.job_id not in self._asked:
            return False
        call = self._calls.get(job.call_sid)
        told = call.told.get(job.function_call_id) if call else None
        in_doubt = told is not None and not is_final(told)
        return in_doubt or self._wall_clock() < job.asked_utc + job.budget_s

    def _forget_old(self) -> None:
        now = time.monotonic()
        for job_id in [id for id, asked in self._asked.items() if asked.forget_at < now]:
            del self._asked[job_id]
