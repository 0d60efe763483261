"""The tool queue as a bridge sees it: jobs out, outcomes back to the call, and how full it is.

Owns the promise that a job is run and its outcome reaches its call, through cut connections and
restarts of Redis, with no polling. Leaves running to the workers (``claims``), atomicity to
``scripts``, and giving up to the call, which knows how long its caller will wait.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import structlog
from redis.exceptions import RedisError

from tools import scripts
from tools.catalog import QUEUED, QUEUES
from tools.connections import WORTH_ANOTHER_TRY, connect, pauses
from tools.contract import ToolJob, ToolOutcome
from tools.errors import BadArguments, Unavailable
from tools.outcomes import OutcomeLine
from tools.records import decode_result, encode_job

PATIENCE_S: Final = 1.0
"""How long ``submit`` tries to reach Redis. Longer, and the fallback line itself comes too late."""
LONGEST_PAUSE_S: Final = 0.1
"""Between two tries of ``submit``: with so little patience they must come quickly."""
FORGET_AFTER_S: Final = 30.0
"""Beyond its budget an unanswered job is not looked for any more; the call has long answered."""

log = structlog.get_logger()

Deliver = Callable[[ToolOutcome], None]


class QueueDepth(msgspec.Struct, frozen=True, kw_only=True):
    """How full one queue is."""

    queue: str
    waiting: int
    """Jobs no worker has, including those of workers that died."""
    running: int
    oldest_waiting_s: float
    """Age of the job that has waited longest; 0 when none waits."""
    workers: int
    """Worker processes that serve it and are alive."""


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    job: ToolJob
    forget_at: float


class _Call(msgspec.Struct, kw_only=True):
    deliver: Deliver
    told: set[str] = msgspec.field(default_factory=set)
    """Function calls whose outcome this call has: a push and a catch-up may both bring it."""


class ToolQueue:
    """Jobs to the workers and outcomes back to the calls, for one process.

    ::

        async with ToolQueue(redis_url) as queue:
            queue.attach(call_sid, deliver)   # deliver(outcome) runs on this loop, must not raise
            await queue.submit(job)           # the outcome comes through deliver
            queue.detach(call_sid, deliver)

    Attach before submitting. A bridge that takes over a call attaches and submits again what is
    still open: a job is known by its id, so it is joined, or its kept result is delivered.
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
        self._to_look_at: set[str] = set()
        self._look = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._enqueue_script = self._redis.register_script(scripts.ENQUEUE)
        self._cancel_script = self._redis.register_script(scripts.CANCEL)
        self._look_script = self._redis.register_script(scripts.LOOK)
        self._depth_script = self._redis.register_script(scripts.DEPTH)

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

        Raises:
            BadArguments: there is no such tool, or it is none for a worker.
            Unavailable: Redis could not be reached in ``patience_s`` (or the job's budget, if
                that is shorter). The job may still have arrived and run: ``say`` is true either
                way, and the outcome, if one comes, is delivered.
        """
        if job.tool not in QUEUED:
            raise BadArguments(f"There are only these tools: {', '.join(QUEUED)}.")
        if not job.asked_utc:
            job = msgspec.structs.replace(job, asked_utc=self._wall_clock())
        self._forget_old()
        if call := self._calls.get(job.call_sid):
            call.told.discard(job.function_call_id)
        forget_at = time.monotonic() + job.budget_s + FORGET_AFTER_S
        self._asked[job.job_id] = _Asked(job=job, forget_at=forget_at)
        try:
            async with asyncio.timeout(min(self._patience_s, job.budget_s)):
                await self._enqueue_at_last(job)
        except (RedisError, OSError) as error:
            if not job.effect:  # of an effect that may come true its call still wants to hear
                self._asked.pop(job.job_id, None)
            raise Unavailable(QUEUED[job.tool].fallback, reason=f"queue: {error!r}") from error

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
        try:
            async with asyncio.timeout(self._patience_s):
                return bool(
                    await self._cancel_script(keys=[scripts.queue_key(known.queue)], args=[job_id])
                )
        except (RedisError, OSError) as error:
            raise Unavailable("That may still run.", reason=f"queue: {error!r}") from error

    async def depth(self, queues: Iterable[str] = QUEUES) -> list[QueueDepth]:
        """How full the queues are.

        Raises:
            Unavailable: Redis does not answer.
        """
        names = list(queues)
        keys = [key for name in names for key in (scripts.queue_key(name), scripts.alive_key(name))]
        try:
            rows = await self._depth_script(keys=keys)
        except (RedisError, OSError) as error:
            raise Unavailable("The queue cannot be reached.", reason=repr(error)) from error
        return [
            QueueDepth(
                queue=name,
                waiting=waiting,
                running=running,
                oldest_waiting_s=oldest_ms / 1000,
                workers=workers,
            )
            for name, (waiting, running, oldest_ms, workers) in zip(names, rows, strict=True)
        ]

    async def _enqueue_at_last(self, job: ToolJob) -> None:
        for pause_s in pauses(longest_s=LONGEST_PAUSE_S):
            try:
                return await self._enqueue(job)
            except WORTH_ANOTHER_TRY:
                await asyncio.sleep(pause_s)

    async def _enqueue(self, job: ToolJob) -> None:
        queue = QUEUED[job.tool].queue
        answer = await self._enqueue_script(
            keys=[scripts.queue_key(queue), scripts.bell_key(queue)],
            args=[job.job_id, encode_job(job), scripts.RECORD_KEPT_MS],
        )
        self._note(job, answer)

    def _note(self, job: ToolJob, answer: list[Any]) -> None:
        """Deliver the result if the answer of a script has one."""
        if answer[0] != b"done":
            return
        try:
            outcome = decode_result(answer[1]).outcome
        except msgspec.DecodeError:
            log.warning("result_unreadable", call_sid=job.call_sid)
            return
        self._tell(job.call_sid, outcome)

    def _tell(self, call_sid: str, outcome: ToolOutcome) -> None:
        self._asked.pop(f"{call_sid}:{outcome.function_call_id}", None)
        call = self._calls.get(call_sid)
        if call is None or outcome.function_call_id in call.told:
            return
        call.told.add(outcome.function_call_id)
        call.deliver(outcome)

    def _look_again(self, call_sids: list[str]) -> None:
        self._to_look_at.update(call_sids)
        self._look.set()

    async def _catch_up(self) -> None:
        """Whenever the line is new: fetch outcomes that were published to nobody.

        A job of which Redis knows neither record nor result was lost with its memory, or never
        arrived: it is sent again, as long as somebody waits for it.
        """
        waits = pauses()
        while True:
            await self._look.wait()
            self._look.clear()
            calls, self._to_look_at = self._to_look_at, set()
            try:
                await self._look_for(
                    [a.job for a in self._asked.values() if a.job.call_sid in calls]
                )
                waits = pauses()
            except (RedisError, OSError) as error:
                log.warning("outcome_catch_up_failed", reason=repr(error))
                self._look_again(list(calls))
                await asyncio.sleep(next(waits))

    async def _look_for(self, jobs: list[ToolJob]) -> None:
        if not jobs:
            return
        answers = await self._look_script(args=[job.job_id for job in jobs])
        for job, answer in zip(jobs, answers, strict=True):
            waited_for = self._wall_clock() < job.asked_utc + job.budget_s
            if answer[0] == b"lost" and job.job_id in self._asked and waited_for:
                await self._enqueue(job)
            else:
                self._note(job, answer)

    def _forget_old(self) -> None:
        now = time.monotonic()
        for job_id in [id for id, asked in self._asked.items() if asked.forget_at < now]:
            del self._asked[job_id]
