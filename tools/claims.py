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
from redis.exceptions import NoScriptError

from tools import keys, scripts
from tools.connections import KeptConnection, KeptConnections, connect, in_time
from tools.contract import Failed, ToolOutcome
from tools.leases import (
    ALIVE_FOR_S,
    GRACE_S,
    LEASE_S,
    SIGN_EVERY_S,
    LeaseKeeper,
    bells_and_queues,
)
from tools.records import ResultRecord, encode_outcome, encode_result

HANGS_AFTER_S: Final = 2.0
"""A blocking wait that overstays by this much is on a dead connection."""

TURN_EVERY_S: Final = 0.2
"""So often the loop notes that it turns, to know by when an answer was there at the latest."""

_ALWAYS: Final = 2**53

SPEAKS_AGAINST: Final = frozenset({"unavailable", "budget_spent", "doubt", "internal"})
"""Failures that may be the backend's; what the agent asked wrongly is not."""


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
    live: bool = True
    """True when a caller waits for it."""


class Claims:
    """One worker's hold on its queues.

    ::

        async with Claims(redis_url, queues) as claims:
            jobs, due_s = await claims.take({"booking": 10}, hold_s=8.0)
            jobs, due_s = await claims.wait({"booking": 10}, hold_s=8.0, timeout_s=2.0)

    Redis errors come through as they are; the worker's loop tries again.
    """

    def __init__(self, redis_url: str, queues: Sequence[str], *, token: str = "") -> None:
        """``token`` is what a parent calls this worker by, who frees what it held when it dies."""
        self.token = token or new_token(os.getpid(), new_nonce())
        self.queues = tuple(queues)
        self._redis = connect(redis_url)
        self._waiting = KeptConnection(redis_url)
        self._quick = KeptConnections(redis_url)
        self._own_bell = keys.bell_key(f"@{self.token}")
        self._clock = (0.0, 0.0)
        """An instant by Redis's clock, in ms, and a little later by ours, in seconds."""
        self._turns = (float("-inf"), float("-inf"))
        self._next_turn: asyncio.TimerHandle | None = None
        self.leases = LeaseKeeper(redis_url, queues, self.token)
        self._command: Callable[..., Awaitable[Any]] = self._redis.execute_command
        self._claim = self._redis.register_script(scripts.CLAIM)
        self._finish = self._redis.register_script(scripts.FINISH)
        self._give_back = self._redis.register_script(scripts.GIVE_BACK)
        self._discard = self._redis.register_script(scripts.DISCARD)
        self._release = self._redis.register_script(scripts.RELEASE)
        self._ring = self._redis.register_script(scripts.RING_BELLS)

    async def __aenter__(self) -> Self:
        """Start to keep leases and to show life."""
        await asyncio.to_thread(self.leases.tick)
        self.leases.start()
        self._turn()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._next_turn:
            self._next_turn.cancel()
        self.leases.end()
        await asyncio.to_thread(self.leases.join)
        await self._waiting.aclose()
        await self._quick.aclose()
        await self._redis.aclose()

    async def take(
        self, free: Mapping[str, int], *, hold_s: float
    ) -> tuple[list[Claim], float | None]:
        """Claim what is due, at most ``free`` jobs of each queue, most urgent queue first.

        Also the seconds until something (more) falls due in a queue that has a slot left: a job
        deferred, or leased to a worker that may have died. Each lease is renewed for ``hold_s``,
        unless ``hold`` says otherwise. To look is to show life.
        """
        asked_at, name = time.monotonic(), self.leases.sign_due()
        try:
            answer = await self._claim(
                keys=bells_and_queues(list(free)), args=self._asks(free, name, _ALWAYS)
            )
        except BaseException:
            self.leases.unsigned()
            raise
        return self._taken(answer, asked_at, hold_s, signed=name != "")

    async def wait(
        self, free: Mapping[str, int], *, hold_s: float, timeout_s: float
    ) -> tuple[list[Claim], float | None]:
        """As ``take``, once something is put on one of these queues, or after that time.

        One token of a bell wakes one worker, the one that has waited longest. Waiting and taking
        are sent together: between the bell and the jobs there is no way to Redis and back. Without
        a bell nothing is taken; what is due then is due in 0 s.
        """
        queues = bells_and_queues(list(free))
        name = self.leases.sign_due(SIGN_EVERY_S - timeout_s)
        asked_at = time.monotonic()
        now_ms = self._clock[0] + (asked_at - self._clock[1]) * 1000
        asks = self._asks(free, name, int(now_ms + timeout_s * 1000))
        try:
            _, answer = await in_time(
                self._waiting.ask(
                    ("BLPOP", *queues[1::2], self._own_bell, max(0.01, timeout_s)),
                    ("EVALSHA", self._claim.sha, len(queues), *queues, *asks),
                ),
                timeout_s + HANGS_AFTER_S,
            )
        except NoScriptError:  # a Redis that is new, or was told to forget them
            return await self.take(free, hold_s=hold_s)
        except BaseException:
            self.leases.unsigned()
            raise
        # The answer was not there yet when the loop had turned the last time but one: however long
        # this process stood still since, the lease was not granted before.
        granted_at = max(asked_at, self._turns[0])
        return self._taken(answer, granted_at, hold_s, signed=name != "")

    def _asks(self, free: Mapping[str, int], name: str, until_ms: int) -> list[Any]:
        lease_ms, alive_ms = int(LEASE_S * 1000), int(ALIVE_FOR_S * 1000)
        return [self.token, lease_ms, keys.TRIES_KEPT_MS, name, alive_ms, until_ms, *free.values()]

    def _taken(
        self, answer: Any, asked_at: float, hold_s: float, *, signed: bool
    ) -> tuple[list[Claim], float | None]:
        rows, next_due_ms, now_ms = answer
        self._clock = (now_ms, time.monotonic())
        if signed:
            self.leases.signed(asked_at)
        claims = [
            Claim(
                job_id=job_id.decode(),
                queue=keys.queue_name(queue.decode()),
                record=record,
                tries=tries,
                live=bool(live),
            )
            for queue, job_id, record, tries, live in rows
        ]
        until = asked_at + hold_s + GRACE_S
        for claim in claims:
            self.leases.hold(
                claim.job_id, claim.queue, asked_at=asked_at, until=until, live=claim.live
            )
        return claims, None if next_due_ms < 0 else next_due_ms / 1000

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        self._turns = (self._turns[1], time.monotonic())
        self._next_turn = loop.call_later(TURN_EVERY_S, self._turn)

    def hold(self, claim: Claim, seconds: float) -> None:
        """Renew this job's lease for so long from now, and a grace."""
        self.leases.hold_until(claim.job_id, time.monotonic() + seconds + GRACE_S)

    async def nudge(self) -> None:
        """End the ``wait`` of this worker, as if something had been put on a queue."""
        await self._ring(keys=[self._own_bell])

    async def leave(self) -> None:
        """Take no more jobs: count as alive no longer, but keep the leases of what still runs."""
        if name := self.leases.leave():
            await self._command("ZREM", keys.ALIVE_KEY, name)

    async def ring(self) -> None:
        """Pass on a token that was caught but will not be used."""
        await self._ring(keys=[keys.bell_key(queue) for queue in self.queues])

    async def finish(
        self,
        claim: Claim,
        call_sid: str,
        outcome: ToolOutcome,
        *,
        queued_ms: int,
        started_ms: int,
        breaker: str = "",
        dead: str = "",
        late: bool = False,
    ) -> bool:
        """Record the outcome, publish it to the call, and enter it in the log, in one step.

        Args:
            claim: The job.
            call_sid: Whose outcome it is.
            outcome: What became of it.
            queued_ms: Epoch milliseconds at which it was asked for.
            started_ms: The same of its beginning.
            breaker: What the outcome speaks for or against; empty: nothing was asked of it.
            dead: Why it is a dead letter, in one word; empty: it is none.
            late: Its budget was over.

        Returns:
            False when it does not count: another worker has the job, or answered it.
        """
        finished_ms = int(time.time() * 1000)
        result = ResultRecord(
            tool=outcome.tool,
            outcome=outcome,
            job_id=claim.job_id,
            queue_key=keys.queue_key(claim.queue),
            tries=claim.tries,
            queued_ms=queued_ms,
            started_ms=started_ms,
            finished_ms=finished_ms,
        )
        code = outcome.code if isinstance(outcome, Failed) else "done"
        counted = await self._quick.run(
            self._finish,
            [keys.queue_key(claim.queue), keys.outcomes_channel(call_sid)],
            [
                claim.job_id,
                self.token,
                encode_result(result),
                keys.RESULT_KEPT_MS,
                encode_outcome(outcome),
                breaker,
                int(code in SPEAKS_AGAINST),
                dead,
                outcome.tool,
                claim.tries,
                code,
                max(0, started_ms - queued_ms),
                max(0, finished_ms - started_ms),
                int(late),
            ],
        )
        return bool(counted)

    async def give_back(self, claim: Claim) -> bool:
        """Let another worker have it at once, as if it had never been taken."""
        given = await self._give_back(
            keys=[keys.queue_key(claim.queue), keys.bell_key(claim.queue)],
            args=[claim.job_id, self.token, keys.TRIES_KEPT_MS],
        )
        return bool(given)

    async def discard(self, claim: Claim) -> None:
        """Put a record that is no job with the dead letters, so that it comes to nobody again."""
        await self._discard(
            keys=[keys.queue_key(claim.queue)], args=[claim.job_id, self.token, claim.tries]
        )

    async def release(self, token: str) -> int:
        """Free the jobs of a worker that is dead for certain; how many there were."""
        freed: int = await self._release(keys=bells_and_queues(self.queues), args=[token, "", 0])
        return freed
