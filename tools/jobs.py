"""Jobs in Redis as whoever asks for them sees them: put on, looked for, given up, taken off.

Owns what the scripts are told and what their answers mean. Remembers nothing, tries nothing twice,
and lets Redis errors through: that is ``queue``'s.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import structlog
from arq import ArqRedis

from tools import keys, scripts
from tools.catalog import QUEUED, Tool
from tools.connections import KeptConnections
from tools.contract import IN_DOUBT, Failed, ToolJob, ToolOutcome
from tools.errors import BadArguments
from tools.records import decode_job, decode_result, encode_job, encode_outcome

log = structlog.get_logger()

Asks = Literal["all", "load", "nothing"]
"""What is asked before a job is let in: all there is to ask; not who is alive; nothing."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What Redis knows of a job."""

    word: str
    """As the scripts say it: ``queued``, ``there``, ``lost``, ``withdrawn``, …"""
    outcome: ToolOutcome | None = None
    """If it has one, or was refused."""
    memory: bytes = b""
    """What Redis's memory is called that has the job."""


class Jobs:
    """The jobs of one Redis."""

    def __init__(self, redis: ArqRedis, quick: KeptConnections) -> None:
        """``quick`` is for what a caller's time is spent on."""
        self._redis = redis
        self._quick = quick
        self._enqueue = redis.register_script(scripts.ENQUEUE)
        self._give_up = redis.register_script(scripts.GIVE_UP)
        self._cancel = redis.register_script(scripts.CANCEL)
        self._look = redis.register_script(scripts.LOOK)

    async def put_on(self, job: ToolJob, asks: Asks) -> Answer:
        """Put it on its queue unless it is there, has an outcome, or is refused."""
        tool = QUEUED[job.tool]
        answer = await self._quick.run(
            self._enqueue,
            [keys.queue_key(tool.queue), keys.bell_key(tool.queue)],
            [
                job.job_id,
                encode_job(job),
                keys.RECORD_KEPT_MS,
                int(not tool.internal),
                int(job.budget_s * 1000),
                keys.breaker_name(job.practice, tool.backend),
                keys.served_mark(tool.queue),
                asks,
                int(tool.effect),
            ],
        )
        return _read(job, answer)

    async def give_up(self, job: ToolJob, memory: bytes) -> Answer:
        """Keep it from beginning, if it has not; ``memory`` is what Redis's was called, if known.

        There is always an outcome to tell. Where it was ``forgotten`` it may be looked for again.
        """
        tool = QUEUED[job.tool]
        answer = _read(
            job,
            await self._give_up(
                keys=[keys.queue_key(tool.queue)],
                args=[job.job_id, memory if tool.effect else b""],
            ),
        )
        if answer.outcome is not None:
            return answer
        never = answer.word in ("withdrawn", "absent")
        outcome = refused(job, "withdrawn") if never else left_open(job)
        return msgspec.structs.replace(answer, outcome=outcome)

    async def cancel(self, queue: str, job_id: str) -> bool:
        """Take it off and leave nothing; True if it never began."""
        return bool(await self._cancel(keys=[keys.queue_key(queue)], args=[job_id]))

    async def look(self, jobs: Sequence[ToolJob]) -> list[Answer]:
        """What is known of each."""
        answers = await self._look(args=[job.job_id for job in jobs])
        return [_read(job, answer) for job, answer in zip(jobs, answers, strict=True)]

    async def drop(self, job_id: str) -> bool:
        """Withdraw a waiting job and tell its call; False if there is none that has not begun."""
        record = await self._redis.get(keys.job_key(job_id))
        try:
            job = decode_job(record or b"").job
            tool_of(job)
        except (msgspec.DecodeError, BadArguments):
            return False
        answer = await self.give_up(job, b"")
        if answer.word != "withdrawn" or answer.outcome is None:
            return False
        channel = keys.outcomes_channel(job.call_sid)
        await self._redis.publish(channel, encode_outcome(answer.outcome))
        return True


def tool_of(job: ToolJob) -> Tool:
    """Its tool.

    Raises:
        BadArguments: there is no such tool, or it is none for a worker.
    """
    tool = QUEUED.get(job.tool)
    if tool is None:
        raise BadArguments(f"There are only these tools: {', '.join(QUEUED)}.")
    return tool


def refused(job: ToolJob, code: str) -> Failed:
    """It has not begun and never will."""
    tool = QUEUED[job.tool]
    return _failed(job, code, tool.not_done or tool.fallback)


def left_open(job: ToolJob) -> Failed:
    """It may have begun."""
    tool = QUEUED[job.tool]
    return _failed(job, IN_DOUBT if tool.effect else "budget_spent", tool.fallback)


def _failed(job: ToolJob, code: str, say: str) -> Failed:
    return Failed(function_call_id=job.function_call_id, tool=job.tool, code=code, say=say)


def _read(job: ToolJob, answer: Sequence[Any]) -> Answer:
    word, more, memory = answer[0].decode(), answer[1], answer[2] if len(answer) > 2 else b""
    outcome: ToolOutcome | None = None
    if word == "refused":
        outcome = refused(job, more.decode())
    elif word == "done":
        try:
            outcome = decode_result(more).outcome
        except msgspec.DecodeError:
            log.warning("result_unreadable", call_sid=job.call_sid)
    return Answer(word=word, outcome=outcome, memory=memory)
