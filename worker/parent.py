"""The parent of the workers: forks them, listens to their hearts, frees what a dead one held.

One thread, no event loop, no connection that stays open: so it may fork at any moment, and a new
worker is there in milliseconds, with everything imported. Whoever has been waited for cannot come
back, so what it held is freed at once; a lease is only for lost hosts and dead parents. Leaves
what a worker does to ``process``.
"""

import gc
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from redis.exceptions import RedisError

from tools import leases
from tools.claims import new_nonce, new_token
from tools.connections import pauses
from worker.post import RETIRES, Post, bond

STARTS_WITHIN_S: Final = 30.0
"""A worker is on its feet in a tenth of a second; a very busy machine is forgiven."""
YOUNG_S: Final = 5.0
"""Whoever dies younger may do so again and again: the next one is waited for a little."""
LONGEST_PAUSE_S: Final = 10.0
SAME_SIGNAL_S: Final = 2.0
"""A platform may tell the group and the process; a second signal later than that means: now."""
GRACE_S: Final = 5.0
"""Beyond the time for running jobs a worker may need to close what it has open."""
OWES_FOR_S: Final = 30.0
"""Leases lapse by themselves long before; after that nobody is served by freeing them."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

log = structlog.get_logger()


@dataclass
class _Seat:
    """A place that is never left empty."""

    queues: tuple[str, ...]
    due_at: float | None
    """When somebody is to be put there; None: somebody is."""
    waits: Iterator[float] = field(default_factory=lambda: _waits())
    holder: int = 0


@dataclass
class _Child:
    pid: int
    seat: _Seat
    token: str
    heart: int
    born_at: float
    beat_at: float
    relieves: int = 0
    """Whom it tells to retire once it is on its feet."""
    started: bool = False
    killed: bool = False


@dataclass
class _Debt:
    """Leases of the dead that are still to be freed."""

    queues: tuple[str, ...]
    token: str
    due_at: float
    until: float
    waits: Iterator[float] = field(default_factory=pauses)


class Parent:
    """Keeps one worker for each group of queues, or several.

    Run it in the main thread of a process without others, before anything starts one.
    """

    def __init__(
        self,
        redis_url: str,
        groups: Sequence[tuple[str, ...]],
        *,
        processes: int,
        drain_s: float,
        hangs_after_s: float,
    ) -> None:
        self._redis_url = redis_url
        self._drain_s = drain_s
        self._hangs_after_s = hangs_after_s
        self._pace_s = min(1.0, hangs_after_s / 4)
        self._seats = [_Seat(queues, due_at=0.0) for queues in groups for _ in range(processes)]
        self._children: dict[int, _Child] = {}
        self._debts: list[_Debt] = []
        self._told_at: float | None = None
        self._woken, self._waker = -1, -1
        self._bind_to = bond()

    def run(self) -> Post | None:
        """Fork the workers and keep them until SIGTERM or SIGINT.

        Returns as a fork does, more than once: in each worker its post, and in the parent, when
        all of them are gone, None.
        """
        self._listen()
        looked_at = time.monotonic()
        while self._told_at is None or self._children:
            for seat in self._seats:
                if (post := self._fill(seat)) is not None:
                    return post
            self._wait()
            self._reap()
            self._free()
            now = time.monotonic()
            self._look_after(now, stood_still_s=now - looked_at - 2 * self._pace_s)
            looked_at = now
        for number in (signal.SIGTERM, signal.SIGINT):  # on its last steps it need not be told
            signal.signal(number, signal.SIG_IGN)
        log.info("workers_gone")
        return None

    # -- birth -------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._woken, self._waker = os.pipe()
        for end in (self._woken, self._waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)  # what comes is read from the pipe
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # what is not written yet would be written once by each
        gc.collect()
        gc.freeze()  # what a collection touches is shared with the parent no longer

    def _fill(self, seat: _Seat) -> Post | None:
        now = time.monotonic()
        if seat.due_at is None or seat.due_at > now or self._told_at is not None:
            return None
        nonce, parent = new_nonce(), os.getpid()
        ends: tuple[int, ...] = ()
        # Until a worker has handlers of its own a signal must not reach those of its parent.
        usual = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            ends = heart, pulse = os.pipe()
            os.set_blocking(heart, False)
            os.set_blocking(pulse, False)
            pid = os.fork()
        except OSError as error:  # out of memory, processes or files: it may pass
            log.error("worker_not_forked", reason=repr(error))
            seat.due_at = now + next(seat.waits)
            for end in ends:
                os.close(end)
            signal.pthread_sigmask(signal.SIG_SETMASK, usual)
            return None
        if pid == 0:
            os.close(heart)
            self._forget_the_parent(parent)
            signal.pthread_sigmask(signal.SIG_SETMASK, usual)
            token = new_token(os.getpid(), nonce)
            return Post(queues=seat.queues, token=token, heart=pulse, beat_every_s=self._pace_s / 2)
        os.close(pulse)
        self._children[pid] = _Child(
            pid, seat, new_token(pid, nonce), heart, born_at=now, beat_at=now, relieves=seat.holder
        )
        seat.holder, seat.due_at = pid, None
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)
        log.info("worker_forked", pid=pid, queues=seat.queues)
        return None

    def _forget_the_parent(self, parent: int) -> None:
        """In the child: its own signals, none of the others' pipes, and an end with its parent."""
        self._bind_to(parent)
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        hearts = [child.heart for child in self._children.values() if child.heart >= 0]
        for end in (self._woken, self._waker, *hearts):
            os.close(end)

    # -- life --------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Until something is heard, or something is due."""
        now = time.monotonic()
        due = [debt.due_at for debt in self._debts]
        if self._told_at is None:
            due += [seat.due_at for seat in self._seats if seat.due_at is not None]
        seconds = max(0.0, min([self._pace_s, *(at - now for at in due)]))
        hearts = {child.heart: child for child in self._children.values() if child.heart >= 0}
        ready, _, _ = select.select([self._woken, *hearts], [], [], seconds)
        for end in ready:
            if end == self._woken:
                self._told(os.read(end, 512))
            else:
                self._hear(hearts[end])

    def _told(self, numbers: bytes) -> None:
        now = time.monotonic()
        if not {signal.SIGTERM, signal.SIGINT} & set(numbers):
            return
        if self._told_at is None:
            self._told_at = now
            log.info("workers_stopping", workers=len(self._children))
            for pid in self._children:
                os.kill(pid, signal.SIGTERM)
        elif now - self._told_at > SAME_SIGNAL_S:
            for child in self._children.values():
                self._kill(child, "worker_cut_off")

    def _hear(self, child: _Child) -> None:
        said = os.read(child.heart, 512)
        if not said:  # it is about to be gone
            os.close(child.heart)
            child.heart = -1
            return
        child.beat_at = time.monotonic()
        if not child.started:
            child.started = True
            if child.relieves in self._children:
                os.kill(child.relieves, signal.SIGTERM)
        if RETIRES in said and child.seat.holder == child.pid and child.seat.due_at is None:
            log.info("worker_retires", pid=child.pid)
            child.seat.due_at = child.beat_at

    def _look_after(self, now: float, *, stood_still_s: float) -> None:
        """Kill whoever hangs, so that a tool that blocks its process holds no queue for ever.

        While we stood still ourselves nobody could be heard: that time is nobody's.
        """
        overdue = self._told_at is not None and now - self._told_at > self._drain_s + GRACE_S
        for child in self._children.values():
            if stood_still_s > 0:
                child.beat_at = min(now, child.beat_at + stood_still_s)
            patience_s = self._hangs_after_s if child.started else STARTS_WITHIN_S
            if overdue or now - child.beat_at > max(patience_s, self._hangs_after_s):
                self._kill(child, "worker_overdue" if overdue else "worker_hung")

    def _kill(self, child: _Child, why: str) -> None:
        if not child.killed:
            child.killed = True
            log.error(why, pid=child.pid, queues=child.seat.queues)
            os.kill(child.pid, signal.SIGKILL)

    # -- death -------------------------------------------------------------------------------------

    def _reap(self) -> None:
        for child in list(self._children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                del self._children[pid]
                if child.heart >= 0:
                    os.close(child.heart)
                self._bury(child, os.waitstatus_to_exitcode(status))

    def _bury(self, child: _Child, code: int) -> None:
        now = time.monotonic()
        seat = child.seat
        lived_s = now - child.born_at
        self._debts.append(_Debt(seat.queues, child.token, due_at=now, until=now + OWES_FOR_S))
        said = log.info if code == 0 or self._told_at is not None else log.warning
        how = f"status {code}" if code >= 0 else signal.Signals(-code).name
        said("worker_ended", pid=child.pid, queues=seat.queues, how=how, lived_s=round(lived_s, 1))
        if seat.holder != child.pid:
            return
        seat.holder = child.relieves if child.relieves in self._children else 0
        if lived_s > YOUNG_S:
            seat.waits = _waits()
        seat.due_at = now + next(seat.waits)
        if self._told_at is None and seat.due_at - now > 1.0:
            log.error("workers_die_young", queues=seat.queues, next_in_s=round(seat.due_at - now))

    def _free(self) -> None:
        """Give others at once what the dead held; while Redis is away, as soon as it is back."""
        now = time.monotonic()
        for debt in [each for each in self._debts if each.due_at <= now]:
            self._debts.remove(debt)
            try:
                freed = leases.free(self._redis_url, debt.queues, debt.token)
            except (RedisError, OSError) as error:
                log.warning("leases_not_freed", reason=repr(error))
                debt.due_at = time.monotonic() + next(debt.waits)
                if debt.due_at < debt.until and (self._told_at is None or self._children):
                    self._debts.append(debt)
                return  # the others would wait as long, and in vain
            log.info("leases_freed", token=debt.token, jobs=freed)


def _waits() -> Iterator[float]:
    """Before each further worker on a seat: the first at once, then later and later."""
    yield 0.0
    yield from pauses(first_s=0.1, longest_s=LONGEST_PAUSE_S)
