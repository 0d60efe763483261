"""What an operator sees of the queue: how full it is, which breakers are open, what ended lately.

Reads only, and only what is there in one place: no scan over keys.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from arq import ArqRedis

from tools import keys, scripts
from tools.connections import reached

DEPTH: Final = (
    scripts.NOW
    + f"""
-- KEYS queues. ARGV the mark of who serves each. For each {{waiting, of those a caller waits for,
-- running, age of the oldest ms, age of the oldest a caller waits for ms, workers}}.
local serving = redis.call('ZRANGE', '{keys.ALIVE_KEY}', now, '+inf', 'BYSCORE')
local depths = {{}}
for n, queue in ipairs(KEYS) do
  local border = now - {keys.PRIORITY_MS}
  local live = redis.call('ZRANGE', queue, '-inf', border, 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  local other = redis.call('ZRANGE', queue, '(' .. string.format('%.0f', border), now, 'BYSCORE',
    'LIMIT', 0, 1, 'WITHSCORES')
  local oldest_live = live[2] and border - live[2] or 0
  local workers = 0
  for _, name in ipairs(serving) do
    if string.find(name, ARGV[n], 1, true) and not string.find(name, '|$') then
      workers = workers + 1
    end
  end
  depths[n] = {{
    redis.call('ZCOUNT', queue, '-inf', now),
    redis.call('ZCOUNT', queue, '-inf', border),
    redis.call('ZCOUNT', queue, '(' .. string.format('%.0f', now), '+inf'),
    math.max(oldest_live, other[2] and now - other[2] or 0),
    oldest_live,
    workers,
  }}
end
return depths
"""
)

BREAKERS: Final = (
    scripts.NOW
    + f"""
-- Name, ms since it opened, ms until it lets one through (0: it does), for each that is not closed.
local states = redis.call('HGETALL', '{keys.BREAKERS_KEY}')
local seen = {{}}
for n = 1, #states, 2 do
  local since, till = string.match(states[n + 1], '^(%d+) (%d+)$')
  seen[#seen + 1] = {{states[n], now - since, math.max(0, till - now)}}
end
return seen
"""
)


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
    live: int = 0
    """Of those waiting, how many a caller waits for."""
    oldest_live_s: float = 0.0
    """Age of the oldest of them."""


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """One backend of one practice that failed too often."""

    name: str
    """``practice:backend``."""
    since_s: float
    """So long ago it opened."""
    open: bool
    """True while nobody is let through; else one job at a time finds out whether it is back."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """One job that ended, as it is in the log."""

    job_id: str
    tool: str
    outcome: str
    """``done``, or the code of the failure."""
    waited_ms: int
    took_ms: int
    tries: int
    worker: str
    late: bool
    """True when the caller's time was over by then."""
    ended_utc: float


class Gauges:
    """The views of one queue of jobs; raises ``Unavailable`` where Redis does not answer."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        self._depth = redis.register_script(DEPTH)
        self._breakers = redis.register_script(BREAKERS)

    async def depth(self, queues: Iterable[str]) -> list[QueueDepth]:
        """How full these queues are."""
        names = list(queues)
        with reached("The queue cannot be reached."):
            rows = await self._depth(
                keys=[keys.queue_key(name) for name in names],
                args=[keys.served_mark(name) for name in names],
            )
        return [
            QueueDepth(
                queue=name,
                waiting=waiting,
                live=live,
                running=running,
                oldest_waiting_s=oldest_ms / 1000,
                oldest_live_s=oldest_live_ms / 1000,
                workers=workers,
            )
            for name, (waiting, live, running, oldest_ms, oldest_live_ms, workers) in zip(
                names, rows, strict=True
            )
        ]

    async def breakers(self) -> list[Breaker]:
        """Every breaker that is not closed."""
        with reached("The breakers cannot be seen."):
            rows = await self._breakers()
        return sorted(
            (
                Breaker(name=name.decode(), since_s=since_ms / 1000, open=shut_ms > 0)
                for name, since_ms, shut_ms in rows
            ),
            key=lambda breaker: breaker.name,
        )

    async def ended(self, limit: int) -> list[Ended]:
        """The jobs that ended last, the newest first."""
        with reached("The log cannot be read."):
            entries = await self._redis.xrevrange(keys.LOG_KEY, count=limit)
        return [
            Ended(
                job_id=entry[b"id"].decode(),
                tool=entry[b"tool"].decode(),
                outcome=entry[b"outcome"].decode(),
                waited_ms=int(entry[b"waited_ms"]),
                took_ms=int(entry[b"took_ms"]),
                tries=int(entry[b"tries"]),
                worker=entry[b"worker"].decode(),
                late=entry[b"late"] == b"1",
                ended_utc=keys.entry_utc(entry_id),
            )
            for entry_id, entry in entries
        ]
