"""One job, from its claim to its recorded outcome.

Owns that an outcome is recorded, however long Redis is away, and what is entered beside it: which
backend it speaks against, and whether the job is a dead letter. Leaves claiming to ``loop`` and
what becomes of the job to ``run``.
"""

import asyncio
import time
from typing import Final

import msgspec
import structlog
from redis.exceptions import RedisError

from tools import keys
from tools.catalog import QUEUED
from tools.claims import Claim, Claims
from tools.connections import WORTH_ANOTHER_TRY, pauses
from tools.contract import Failed, ToolOutcome
from tools.errors import LeaseLost
from tools.records import JobRecord, decode_job
from worker.run import JobRun, most_tries

RECORD_WITHIN_S: Final = 30.0
"""How long a finished job's outcome is offered to a Redis that is away; after that nobody waits."""

log = structlog.get_logger()


class Service:
    """Serves the jobs of these claims."""

    def __init__(self, claims: Claims, run: JobRun) -> None:
        self._claims = claims
        self._run = run

    async def serve(self, claim: Claim) -> bool:
        """Have the job run and its outcome recorded; False if it failed or is another's by now.

        Cancelled it gives the job back.
        """
        try:
            record = decode_job(claim.record)
        except msgspec.DecodeError:
            await self._discard(claim)
            return False
        job = record.job
        left_s = job.asked_utc + job.budget_s - time.time()
        # One that is late is held as if it were new: what became of it is still to be found out.
        self._claims.hold(claim, left_s if left_s > 0 else job.budget_s)
        structlog.contextvars.bind_contextvars(
            call_sid=job.call_sid, function_call_id=job.function_call_id, tool=job.tool
        )
        started_at, started_ms = time.monotonic(), int(time.time() * 1000)
        try:
            outcome = await self._run.outcome(
                job,
                tries=claim.tries,
                still_mine=lambda: self._claims.leases.is_ours(claim.job_id),
            )
            counted = await self._record(
                claim, record, outcome, started_ms=started_ms, was_late=left_s <= 0
            )
        except LeaseLost:
            log.warning("job_lost", tries=claim.tries)
            return False
        except asyncio.CancelledError:
            await self._give_back(claim)
            raise
        finally:
            self._claims.leases.let_go(claim.job_id)
        log.info(
            "job_done" if counted else "job_fenced",
            outcome=_code(outcome),
            tries=claim.tries,
            waited_ms=max(0, started_ms - record.queued_ms),
            took_ms=round((time.monotonic() - started_at) * 1000, 1),
        )
        return not isinstance(outcome, Failed)

    async def _record(
        self,
        claim: Claim,
        record: JobRecord,
        outcome: ToolOutcome,
        *,
        started_ms: int,
        was_late: bool,
    ) -> bool:
        job = record.job
        tool = QUEUED.get(job.tool)
        # What waited for us too long says nothing about a backend that was never asked.
        backend = tool.backend if tool and not was_late else ""
        dead = "internal" if _code(outcome) == "internal" else ""
        if claim.tries > (most_tries(tool) if tool else 1):
            dead = "poison"
        async with asyncio.timeout(RECORD_WITHIN_S):
            for pause_s in pauses():
                try:
                    return await self._claims.finish(
                        claim,
                        job.call_sid,
                        outcome,
                        queued_ms=record.queued_ms,
                        started_ms=started_ms,
                        breaker=keys.breaker_name(job.practice, backend),
                        dead=dead,
                        late=time.time() > job.asked_utc + job.budget_s,
                    )
                except WORTH_ANOTHER_TRY as error:
                    log.warning("outcome_unrecorded_yet", reason=repr(error))
                    await asyncio.sleep(pause_s)
        return False

    async def _give_back(self, claim: Claim) -> None:
        try:
            given = await self._claims.give_back(claim)
        except (RedisError, OSError) as error:
            log.warning("job_not_given_back", reason=repr(error))
        else:
            log.info("job_given_back", given=given)

    async def _discard(self, claim: Claim) -> None:
        """Bytes that are no job of ours run nowhere; they are taken off so as not to come again."""
        log.error("job_unreadable", job_id=claim.job_id, tries=claim.tries)
        self._claims.leases.let_go(claim.job_id)
        await self._claims.discard(claim)


def _code(outcome: ToolOutcome) -> str:
    return outcome.code if isinstance(outcome, Failed) else "done"
