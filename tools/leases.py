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

from tools import keys, scripts
from tools.connections import connect_in_thread

LEASE_S: Final = 1.5
RENEW_EVERY_S: Final = 0.4
MARGIN_S: Final = 0.1
"""Before its lease ends a job is not called ours any more: the effect itself takes time."""
ALIVE_FOR_S: Final = 5.0
"""How long after its last sign a worker still counts as alive."""
SIGN_EVERY_S: Final = 1.5
"""A look for jobs that comes so long after the last sign is a sign as well."""
SIGN_AT_LATEST_S: Final = 3.0
"""Then the thread signs: the loop is busy, or all its slots are."""
SWEEP_EVERY: Final = 30
"""Signs after which those are swept away that count no longer; to be counted they need not go."""
STARTS_IN_S: Final = 2.0
"""So long a queue counts as served while a parent puts another worker in a dead one's place."""
GRACE_S: Final = 2.0
"""Beyond its budget a job is not held: one that hangs must fall to somebody else."""

log = structlog.get_logger()


def free(redis_url: str, queues: Sequence[str], token: str) -> int:
    """Free at once what a worker held that is dead for certain, and ring; how many jobs it were.

    For a parent without a loop, that starts another in its place: until that one signs, nobody is
    told that there is none. It waits for Redis no longer than a lease, then raises what redis-py
    raises. Doing it again is no harm.
    """
    with connect_in_thread(redis_url, answer_within_s=LEASE_S / 3) as redis:
        freed: int = redis.register_script(scripts.RELEASE)(
            keys=bells_and_queues(queues),
            args=[token, keys.alive_name(queues, ""), _ms(STARTS_IN_S)],
        )
    return freed


def bells_and_queues(queues: Sequence[str]) -> list[str]:
    """Keys of these queues as the scripts want them: each sorted set, then its doorbell."""
    return [key for queue in queues for key in (keys.queue_key(queue), keys.bell_key(queue))]


@dataclass
class _Held:
    queue: str
    live: bool
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
        self._name = keys.alive_name(queues, token)
        self._token = token
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._ended = threading.Event()
        self._signed_at = float("-inf")
        self._signs = 0

    def hold(
        self, job_id: str, queue: str, *, asked_at: float, until: float, live: bool = True
    ) -> None:
        """Renew this job's lease, which was asked for at an instant, until another one."""
        with self._lock:
            self._held[job_id] = _Held(queue=queue, live=live, asked_at=asked_at, until=until)

    def hold_until(self, job_id: str, until: float) -> None:
        """It is known by now how long this job's lease may be renewed."""
        with self._lock:
            if held := self._held.get(job_id):
                held.until = until

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

    def sign_due(self, after_s: float = SIGN_EVERY_S) -> str:
        """The name to sign with, if the last sign is so long ago; else empty."""
        return self._name if self._monotonic() - self._signed_at >= after_s else ""

    def signed(self, at: float) -> None:
        """Redis has had a sign that was sent at this instant."""
        self._signed_at = at

    def unsigned(self) -> None:
        """Redis may have forgotten who is alive: sign again at once."""
        self._signed_at = float("-inf")

    def leave(self) -> str:
        """Show no more life, but go on renewing: the worker takes no new jobs. Its name so far."""
        name, self._name = self._name, ""
        return name

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
        name = self.sign_due(SIGN_AT_LATEST_S)
        if not batch and not name:
            return
        sweeps = int(name != "" and self._signs % SWEEP_EVERY == 0)
        jobs: list[str | int] = []
        for job_id, held in batch.items():
            jobs += [keys.queue_key(held.queue), job_id, int(held.live)]
        try:
            lost = self._script(
                args=[self._token, _ms(LEASE_S), name, _ms(ALIVE_FOR_S), sweeps, *jobs]
            )
        except (RedisError, OSError) as error:
            log.warning("lease_renewal_failed", jobs=len(batch), reason=repr(error))
            self.unsigned()
            return
        if name:
            self._signs += 1
            self.signed(asked_at)
        gone = {job_id.decode() for job_id in lost}
        for job_id, held in batch.items():
            if job_id in gone:
                held.lost = True
            else:
                held.asked_at = asked_at


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
