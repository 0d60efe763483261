"""Keeps what a worker holds its own, from a thread, so that a tool that blocks cannot lose it.

A lease lasts 1.5 s and is renewed every 0.4 s, so two missed renewals are survived; a worker that
died loses its jobs to others within the lease. The thread has a connection of its own.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from redis.exceptions import RedisError

from tools import scripts
from tools.connections import connect_in_thread

LEASE_S: Final = 1.5
RENEW_EVERY_S: Final = 0.4
MARGIN_S: Final = 0.1
"""Before its lease ends a job is not called ours any more: the effect itself takes time."""
ALIVE_FOR_S: Final = 3.0
"""How long after its last sign a worker still counts as alive."""
SIGN_EVERY_S: Final = 1.0
GRACE_S: Final = 2.0
"""Beyond its budget a job is not held: one that hangs must fall to somebody else."""

log = structlog.get_logger()


def free(redis_url: str, queues: Sequence[str], token: str) -> int:
    """Free at once what a worker held that is dead for certain, and ring; how many jobs it were.

    For a parent without a loop. It waits for Redis no longer than a lease, then raises what
    redis-py raises. Doing it again is no harm.
    """
    with connect_in_thread(redis_url, answer_within_s=LEASE_S / 3) as redis:
        release, ring = redis.register_script(scripts.RELEASE), redis.register_script(scripts.RING)
        freed = 0
        for queue in queues:
            bell = scripts.bell_key(queue)
            freed += release(
                keys=[scripts.queue_key(queue), scripts.alive_key(queue), bell], args=[token]
            )
            ring(keys=[bell])  # it may have died with a token in its hand
    return freed


@dataclass
class _Held:
    queue: str
    asked_at: float
    until: float
    lost: bool = False


class LeaseKeeper(threading.Thread):
    """Renews the leases of one worker and shows that it is alive."""

    def __init__(
        self,
        redis_url: str,
        queues: Sequence[str],
        token: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="leases", daemon=True)
        self._redis = connect_in_thread(redis_url, answer_within_s=LEASE_S / 3)
        self._script = self._redis.register_script(scripts.RENEW)
        self._alive_keys = [scripts.alive_key(queue) for queue in queues]
        self._token = token
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._ended = threading.Event()
        self._signed_at = float("-inf")

    def hold(self, job_id: str, queue: str, *, asked_at: float, until: float) -> None:
        """Renew this job's lease, which was asked for at an instant, until another one."""
        with self._lock:
            self._held[job_id] = _Held(queue=queue, asked_at=asked_at, until=until)

    def let_go(self, job_id: str) -> None:
        """The job is finished or given back."""
        with self._lock:
            self._held.pop(job_id, None)

    def is_ours(self, job_id: str) -> bool:
        """False once another worker may have the job. Asks nobody: the lease counts from before
        the last renewal that was granted was sent."""
        with self._lock:
            held = self._held.get(job_id)
        if held is None or held.lost:
            return False
        return self._monotonic() < held.asked_at + LEASE_S - MARGIN_S

    def leave(self) -> None:
        """Show no more life, but go on renewing: the worker takes no new jobs."""
        self._alive_keys = []

    def end(self) -> None:
        """Stop; returns at once."""
        self._ended.set()

    def run(self) -> None:
        """Until ``end``; Redis may come and go."""
        try:
            while not self._ended.wait(RENEW_EVERY_S):
                self.tick()
        finally:
            self._redis.close()

    def tick(self) -> None:
        """Renew what is held and, when it is time, show life."""
        asked_at = self._monotonic()
        with self._lock:
            batch = {key: held for key, held in self._held.items() if held.until > asked_at}
        keys = self._alive_keys if asked_at - self._signed_at >= SIGN_EVERY_S else []
        if not batch and not keys:
            return
        jobs = [word for key, held in batch.items() for word in (_queue(held), key)]
        try:
            lost = self._script(
                keys=keys, args=[self._token, _ms(LEASE_S), _ms(ALIVE_FOR_S), *jobs]
            )
        except (RedisError, OSError) as error:
            log.warning("lease_renewal_failed", jobs=len(batch), reason=repr(error))
            return
        if keys:
            self._signed_at = asked_at
        gone = {job_id.decode() for job_id in lost}
        for job_id, held in batch.items():
            if job_id in gone:
                held.lost = True
            else:
                held.asked_at = asked_at


def _queue(held: _Held) -> str:
    return scripts.queue_key(held.queue)


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
