"""The worker's loop: claims jobs as the bell rings, runs them side by side, stops without loss.

An ``arq.Worker`` whose way of getting and finishing jobs is replaced: no polling on a caller's
time, leases in place of long in-progress keys, a fence around every result. What remains arq's is
the table of functions with their timeouts and tries, the health line, and cron jobs. Nothing it
overrides is a documented extension point, so arq is pinned exactly. Leaves what happens to one job
to ``service``.
"""

import asyncio
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
from worker.run import JobRun, most_tries
from worker.service import Service

LOOK_ANYWAY_S: Final = 2.0
"""A look without a bell this often: for jobs that stock arq enqueued and leases that lapsed."""
HEALTH_LINE_EVERY_S: Final = 30
TICK_EVERY_S: Final = 0.5
"""A cron job of arq's must be looked for this often so as not to be missed."""

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
        self._service = Service(claims, run)
        self._slots = slots
        self._drain_s = drain_s
        self._running = dict.fromkeys(claims.queues, 0)
        self._look_in_s = 0.0
        self._next_tick = 0.0
        self._stopping = False
        self._wake = asyncio.Event()
        self._wait: asyncio.Task[tuple[list[Claim], float | None]] | None = None
        self._nudge: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Take no more jobs, finish the running ones, give back the rest. Again is no harm."""
        if not self._stopping:
            log.info("worker_stopping", running=len(self.tasks))
        self._stopping = True
        self._wake.set()
        if self._wait:
            self._wait.cancel()

    async def main(self) -> None:
        """Until stopped; Redis may come and go."""
        async with self._claims:
            log.info("worker_ready", queues=self._claims.queues, slots=self._slots)
            waits = pauses()
            while not self._stopping:
                try:
                    await self._take()
                    await self._tick()
                    waits = pauses()
                except WORTH_ANOTHER_TRY as error:
                    log.warning("queue_unreachable", reason=repr(error))
                    self._look_in_s = 0.0
                    await self._nap(next(waits))
            await self._drain()
        log.info("worker_stopped", done=self.jobs_complete, failed=self.jobs_failed)

    async def close(self) -> None:
        """Close what ``main`` does not: the connection of health line and cron jobs."""
        await self.pool.aclose()

    async def _tick(self) -> None:
        """arq's health line and cron jobs: no job waits for them."""
        now = asyncio.get_running_loop().time()
        if now >= self._next_tick:
            self._next_tick = now + TICK_EVERY_S
            await self.heart_beat()

    async def _take(self) -> None:
        """Wait until there is something to do, and begin it.

        A worker does not listen to the bell of a queue for which it has no slot: the token is
        another worker's.
        """
        free = {
            queue: self._slots - running
            for queue, running in self._running.items()
            if running < self._slots
        }
        if not free:
            return await self._nap(LOOK_ANYWAY_S)
        claims, due_s = await self._claimed(free)
        for claim in claims:
            self._running[claim.queue] += 1
            task = asyncio.create_task(self._service.serve(claim), name=claim.job_id)
            self.tasks[claim.job_id] = task
            task.add_done_callback(partial(self._ended, claim))
        self._look_in_s = LOOK_ANYWAY_S if due_s is None else min(due_s, LOOK_ANYWAY_S)
        if self._wake.is_set():  # a queue that was full is not any more
            self._wake.clear()
            self._look_in_s = 0.0

    async def _claimed(self, free: dict[str, int]) -> tuple[list[Claim], float | None]:
        if self._look_in_s <= 0.0:
            return await self._claims.take(free, hold_s=LONGEST_BUDGET_S)
        self._wait = asyncio.create_task(
            self._claims.wait(free, hold_s=LONGEST_BUDGET_S, timeout_s=self._look_in_s),
            name="wait for a bell",
        )
        try:
            return await self._wait
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if not self._stopping or (me and me.cancelling()):
                raise
            return [], None
        finally:
            self._wait = None

    def _ended(self, claim: Claim, task: "asyncio.Task[bool]") -> None:
        if self.tasks.get(claim.job_id) is task:
            del self.tasks[claim.job_id]
        if self._running[claim.queue] == self._slots:
            self._wake.set()
            if self._wait and not self._nudge:  # it does not listen to this queue's bell
                self._nudge = asyncio.create_task(self._stop_waiting(), name="nudge")
        self._running[claim.queue] -= 1
        if task.cancelled():
            return
        if error := task.exception():
            log.error("job_unrecorded", exc_info=error)
        elif task.result():
            self.jobs_complete += 1
        else:
            self.jobs_failed += 1

    async def _stop_waiting(self) -> None:
        try:
            await self._claims.nudge()
        except (RedisError, OSError) as error:
            log.warning("slot_not_used_yet", reason=repr(error))
        finally:
            self._nudge = None

    async def _nap(self, seconds: float) -> None:
        """Wait, but not longer than until a slot is free or the order to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._look_in_s = 0.0
        if not self._stopping:
            self._wake.clear()

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
        """Stands in arq's table of functions; jobs are run by ``service``."""
        raise NotImplementedError
