"""The tool queue as a worker sees it: wait for the bell, claim jobs, record what became of them.

Owns that one result counts for each job: what is claimed is leased, and every step that follows
is fenced by the worker's token. Leaves renewing to ``leases`` and running to the worker.
"""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

import msgspec

from tools import scripts
from tools.connections import connect, in_time
from tools.contract import ToolOutcome
from tools.leases import GRACE_S, LEASE_S, LeaseKeeper
from tools.records import ResultRecord, encode_outcome, encode_result

HANGS_AFTER_S: Final = 2.0
"""A blocking wait that overstays by this much is on a dead connection."""


def new_nonce() -> str:
    """What tells a worker from an earlier one whose process had the same number."""
    return uuid4().hex[:8]


def new_token(pid: int, nonce: str) -> str:
    """The name by which the worker of this process holds its jobs."""
    return f"{socket.gethostname()}:{pid}:{nonce}"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A job that is this worker's for as long as its lease is renewed."""

    job_id: str
    queue: str
    record: bytes
    tries: int
    """How often it was claimed, this time included; more than once means that a worker died."""


class Claims:
    """One worker's hold on its queues.

    ::

        async with Claims(redis_url, queues) as claims:
            jobs, due_s = await claims.take({"booking": 10})
            await claims.bell(["booking"], timeout_s=1.0)

    Redis errors come through as they are; the worker's loop tries again.
    """

    def __init__(self, redis_url: str, queues: Sequence[str], *, token: str = "") -> None:
        """``token`` is what a parent calls this worker by, who frees what it held when it dies."""
        self.token = token or new_token(os.getpid(), new_nonce())
        self.queues = tuple(queues)
        self._redis = connect(redis_url)
        self._bell_redis = connect(redis_url, waits=True)
        self.leases = LeaseKeeper(redis_url, queues, self.token)
        self._command: Callable[..., Awaitable[Any]] = self._redis.execute_command
        self._wait_for_bell: Callable[..., Awaitable[Any]] = self._bell_redis.execute_command
        self._claim = self._redis.register_script(scripts.CLAIM)
        self._finish = self._redis.register_script(scripts.FINISH)
        self._give_back = self._redis.register_script(scripts.GIVE_BACK)
        self._discard = self._redis.register_script(scripts.DISCARD)
        self._release = self._redis.register_script(scripts.RELEASE)
        self._ring = self._redis.register_script(scripts.RING)

    async def __aenter__(self) -> Self:
        """Start to keep leases and to show life."""
        await asyncio.to_thread(self.leases.tick)
        self.leases.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leases.end()
        await asyncio.to_thread(self.leases.join)
        await self._bell_redis.aclose()
        await self._redis.aclose()

    async def take(
        self, free: Mapping[str, int], *, hold_s: float
    ) -> tuple[list[Claim], float | None]:
        """Claim what is due, at most ``free`` jobs of each queue, most urgent queue first.

        Also the seconds until something (more) falls due in a queue that was asked about: a job
        deferred, or leased to a worker that may have died. Each lease is renewed for ``hold_s``.
        """
        asked_at = time.monotonic()
        rows, next_due_ms = await self._claim(
            keys=[scripts.queue_key(queue) for queue in free],
            args=[self.token, int(LEASE_S * 1000), scripts.TRIES_KEPT_MS, *free.values()],
        )
        claims = [
            Claim(
                job_id=job_id.decode(),
                queue=scripts.queue_name(queue.decode()),
                record=record,
                tries=tries,
            )
            for queue, job_id, record, tries in rows
        ]
        until = asked_at + hold_s + GRACE_S
        for claim in claims:
            self.leases.hold(claim.job_id, claim.queue, asked_at=asked_at, until=until)
        return claims, None if next_due_ms < 0 else next_due_ms / 1000

    async def bell(self, queues: Sequence[str], *, timeout_s: float) -> None:
        """Wait until something is put on one of these queues, or for as long.

        One token wakes one worker, the one that has waited longest.
        """
        keys = [scripts.bell_key(queue) for queue in queues]
        waiting = self._wait_for_bell("BLPOP", *keys, max(0.01, timeout_s))
        await in_time(waiting, timeout_s + HANGS_AFTER_S)

    async def leave(self) -> None:
        """Take no more jobs: count as alive no longer, but keep the leases of what still runs."""
        self.leases.leave()
        for queue in self.queues:
            await self._command("ZREM", scripts.alive_key(queue), self.token)

    async def ring(self) -> None:
        """Pass on a token that was caught but will not be used."""
        await self._ring(keys=[scripts.bell_key(queue) for queue in self.queues])

    async def finish(
        self, claim: Claim, call_sid: str, outcome: ToolOutcome, *, queued_ms: int, started_ms: int
    ) -> bool:
        """Record the outcome and publish it to the call, in one step.

        False when it does not count: another worker has the job, or answered it.
        """
        result = ResultRecord(
            tool=outcome.tool,
            outcome=outcome,
            job_id=claim.job_id,
            queue_key=scripts.queue_key(claim.queue),
            tries=claim.tries,
            queued_ms=queued_ms,
            started_ms=started_ms,
            finished_ms=int(time.time() * 1000),
        )
        counted = await self._finish(
            keys=[scripts.queue_key(claim.queue), scripts.outcomes_channel(call_sid)],
            args=[
                claim.job_id,
                self.token,
                encode_result(result),
                scripts.RESULT_KEPT_MS,
                encode_outcome(outcome),
            ],
        )
        return bool(counted)

    async def give_back(self, claim: Claim) -> bool:
        """Let another worker have it at once, as if it had never been taken."""
        given = await self._give_back(
            keys=[scripts.queue_key(claim.queue), scripts.bell_key(claim.queue)],
            args=[claim.job_id, self.token],
        )
        return bool(given)

    async def discard(self, claim: Claim) -> None:
        """Take off a record that is no job, so that it comes to nobody again."""
        await self._discard(keys=[scripts.queue_key(claim.queue)], args=[claim.job_id, self.token])

    async def release(self, token: str) -> int:
        """Free the jobs of a worker that is dead for certain; how many there were."""
        freed = 0
        for queue in self.queues:
            freed += await self._release(
                keys=[
                    scripts.queue_key(queue),
                    scripts.alive_key(queue),
                    scripts.bell_key(queue),
                ],
                args=[token],
            )
        return freed
