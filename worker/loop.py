"""The worker's loop: claims jobs as the bell rings, runs them side by side, stops without loss.

An ``arq.Worker`` whose way of getting and finishing jobs is replaced: no polling on a caller's
time, leases in place of long in-progress keys, a fence around every result. What remains arq's is
the table of functions with their timeouts and tries, the health line, and cron jobs. Nothing it
overrides is a documented extension point, so arq is pinned exactly.
"""

import asyncio
import time
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from arq import Worker, func
from redis.exceptions import RedisError

from tools import keys
from tools.catalog import LONGEST_BUDGET_S, QUEUED
from tools.claims import Claim, Claims
from tools.connections import WORTH_ANOTHER_TRY, connect, pauses
from tools.contract import Failed, ToolOutcome
from tools.errors import LeaseLost
from tools.records import JobRecord, decode_job
from worker.run import JobRun, most_tries

LOOK_ANYWAY_S: Final = 1.0
"""A look without a bell this often: for jobs that stock arq enqueued and leases that lapsed."""
HEALTH_LINE_EVERY_S: Final = 30
RECORD_WITHIN_S: Final = 30.0
"""How long a finished job's outcome is offered to a Redis that is away; after that nobody waits."""

log = structlog.get_logger()


class ToolWorker(Worker):
    """Serves the queues of ``claims`` with ``slots`` jobs at once from each, until told to stop."""

    def __init__(
        self, redis_url: str, claims: Claims, run: JobRun, *, slots: int, drain_s: float
    ) -> None:
        super().__init__(
            functions=[
                func(
                    self._never,
                    name=tool.name,
                    timeout=tool.budget_s,
                    max_tries=most_tries(tool),
                )
                for tool in QUEUED.values()
            ],
            queue_name=keys.queue_key(claims.queues[0]),
            redis_pool=connect(redis_url),
            handle_signals=False,
            health_check_interval=HEALTH_LINE_EVERY_S,
            job_serializer=msgspec.msgpack.encode,
            job_deserializer=msgspec.msgpack.decode,
            log_results=False,
        )
        self._claims = claims
        self._run = run
        self._slots = slots
        self._drain_s = drain_s
        self._running = dict.fromkeys(claims.queues, 0)
        self._stopping = False
        self._wake = asyncio.Event()

    def stop(self) -> None:
        """Take no more jobs, finish the running ones, give back the rest. Again is no harm."""
        if not self._stopping:
            log.info("worker_stopping", running=len(self.tasks))
        self._stopping = True
        self._wake.set()

    async def main(self) -> None:
        """Until stopped; Redis may come and go."""
        async with self._claims:
            log.info("worker_ready", queues=self._claims.queues, slots=self._slots)
            waits = pauses()
            while not self._stopping:
                try:
                    await self._until_needed(await self._take())
                    await self.heart_beat()
                    waits = pauses()
                except WORTH_ANOTHER_TRY as error:
                    log.warning("queue_unreachable", reason=repr(error))
                    await self._nap(next(waits))
            await self._drain()
        log.info("worker_stopped", done=self.jobs_complete, failed=self.jobs_failed)

    async def close(self) -> None:
        """Close what ``main`` does not: the connection of health line and cron jobs."""
        await self.pool.aclose()

    async def _take(self) -> float:
        """Claim and start what there is to do; the seconds for which there is nothing more."""
        free = {queue: self._slots - running for queue, running in self._running.items()}
        claims, due_s = await self._claims.take(free, hold_s=LONGEST_BUDGET_S)
        for claim in claims:
            self._running[claim.queue] += 1
            task = asyncio.create_task(self._serve(claim), name=claim.job_id)
            self.tasks[claim.job_id] = task
            task.add_done_callback(partial(self._ended, claim))
        return LOOK_ANYWAY_S if due_s is None else min(due_s, LOOK_ANYWAY_S)

    def _ended(self, claim: Claim, task: asyncio.Task[None]) -> None:
        if self.tasks.get(claim.job_id) is task:
            del self.tasks[claim.job_id]
        if self._running[claim.queue] == self._slots:
            self._wake.set()
        self._running[claim.queue] -= 1
        if not task.cancelled() and (error := task.exception()):
            log.error("job_unrecorded", exc_info=error)

    async def _until_needed(self, seconds: float) -> None:
        """Wait for a bell, a slot that is free again, or the order to stop.

        A worker does not listen to the bell of a queue for which it has no slot: the token is
        another worker's.
        """
        queues = [queue for queue, running in self._running.items() if running < self._slots]
        waits: set[asyncio.Task[Any]] = {asyncio.create_task(self._wake.wait())}
        if queues:
            waits.add(asyncio.create_task(self._claims.bell(queues, timeout_s=seconds)))
        try:
            done, _ = await asyncio.wait(
                waits, timeout=LOOK_ANYWAY_S * 3, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if not self._stopping:
            self._wake.clear()
        for wait in done:
            wait.result()

    async def _nap(self, seconds: float) -> None:
        """Wait, but not longer than until the order to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        if not self._stopping:
            self._wake.clear()

    async def _serve(self, claim: Claim) -> None:
        """One job, from its claim to its recorded outcome."""
        try:
            record = decode_job(claim.record)
        except msgspec.DecodeError:
            log.error("job_unreadable", job_id=claim.job_id, tries=claim.tries)
            await self._discard(claim)
            return
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
            begun_in_time = left_s > 0
            counted = await self._finish(claim, record, outcome, started_ms, begun_in_time)
        except LeaseLost:
            log.warning("job_lost", tries=claim.tries)
            return
        except asyncio.CancelledError:
            await self._give_back(claim)
            raise
        finally:
            self._claims.leases.let_go(claim.job_id)
        self._count(outcome)
        log.info(
            "job_done" if counted else "job_fenced",
            outcome=getattr(outcome, "code", "done"),
            tries=claim.tries,
            waited_ms=max(0, started_ms - record.queued_ms),
            took_ms=round((time.monotonic() - started_at) * 1000, 1),
        )

    async def _finish(
        self,
        claim: Claim,
        record: JobRecord,
        outcome: ToolOutcome,
        started_ms: int,
        begun_in_time: bool,
    ) -> bool:
        job = record.job
        tool = QUEUED.get(job.tool)
        # What waited here for too long says nothing about a backend that was never asked.
        watched = tool.backend if tool and begun_in_time else ""
        async with asyncio.timeout(RECORD_WITHIN_S):
            for pause_s in pauses():
                try:
                    return await self._claims.finish(
                        claim,
                        job.call_sid,
                        outcome,
                        queued_ms=record.queued_ms,
                        started_ms=started_ms,
                        breaker=keys.breaker_name(job.practice, watched),
                        dead=_why_dead(claim, outcome),
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
        self._claims.leases.let_go(claim.job_id)
        await self._claims.discard(claim)
        self.jobs_failed += 1

    def _count(self, outcome: ToolOutcome) -> None:
        if hasattr(outcome, "code"):
            self.jobs_failed += 1
        else:
            self.jobs_complete += 1

    async def _drain(self) -> None:
        """Let running jobs finish, then have the rest given back."""
        try:
            await self._claims.leave()
            await self._claims.ring()
        except (RedisError, OSError) as error:
            log.warning("stop_not_announced", reason=repr(error))
        running = list(self.tasks.values())
        if running:
            _, late = await asyncio.wait(running, timeout=self._drain_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        try:
            await self._claims.release(self._claims.token)
        except (RedisError, OSError) as error:
            log.warning("worker_not_signed_off", reason=repr(error))

    async def _never(self, ctx: dict[Any, Any], *arguments: Any) -> None:
        """Stands in arq's table of functions; jobs are run by ``_serve``."""
        raise NotImplementedError


def _why_dead(claim: Claim, outcome: ToolOutcome) -> str:
    """Why nobody is to run the job again without a look at it; empty: nothing is wrong with it."""
    if claim.tries > most_tries_of(outcome.tool):
        return "poison"
    return "internal" if isinstance(outcome, Failed) and outcome.code == "internal" else ""


def most_tries_of(tool: str) -> int:
    """How often a job of this tool may be claimed, whether or not there is such a tool."""
    return most_tries(QUEUED[tool]) if tool in QUEUED else 1
