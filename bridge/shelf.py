"""Where cached phrases lie in Redis, for every instance.

Keys, all owned here:

* ``phrase:{practice}:{digest}`` one phrase as MessagePack; expires after ``KEPT_S``.
* ``phrases`` set of those keys, so that nothing ever scans.
* ``phrases:filling:{digest}`` lock of the instance that fills a phrase; ``FILL_S``.
* ``phrases:epoch`` counter of flushes; ``phrases:stats`` hash of ``hits`` and ``misses``.

Leaves making a phrase, and the copy for the instant of a call, to ``phrases``. What its methods
raise is ``REDIS_AWAY``, but for those of operators, who are told ``StateUnavailable``.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog
from redis.exceptions import RedisError

from bridge.errors import StateUnavailable
from tools.connections import connect

KEPT_S: Final = 7 * 24 * 3600
FILL_S: Final = 20
"""One instance at a time asks the speech API for a phrase; the others wait this long at most."""
REDIS_AWAY: Final = (RedisError, OSError)

log = structlog.get_logger()


class Phrase(msgspec.Struct, frozen=True, kw_only=True):
    """One phrase as it lies there."""

    practice: str
    kind: str
    voice: str
    text: str
    made_utc: float
    audio: bytes


class PhraseStats(msgspec.Struct, frozen=True, kw_only=True):
    """How the cache does, over all instances since the counters began."""

    phrases: int
    audio_bytes: int
    hits: int
    misses: int

    @property
    def hit_rate(self) -> float:
        """Share of lookups that found their phrase; 0 when there were none."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Phrase).decode


class Shelf:
    """The phrases in one Redis."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Any = connect(redis_url)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    # --- one phrase --------------------------------------------------------------------------

    async def find(self, key: str) -> bytes | None:
        """Its audio; None if it is not there or cannot be read."""
        stored = await self._redis.get(key)
        phrase = None if stored is None else _readable(key, stored)
        return None if phrase is None else phrase.audio

    async def put(self, key: str, phrase: Phrase) -> None:
        """Lay it there for everybody."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(key, _encode(phrase), ex=KEPT_S)
            pipe.sadd("phrases", key)
            await pipe.execute()

    async def take(self, key: str) -> bool:
        """Whether this instance may make it now; if so it must ``let_go`` of it afterwards."""
        return bool(await self._redis.set(_lock(key), b"1", nx=True, ex=FILL_S))

    async def let_go(self, key: str) -> None:
        """Others may make it again. Whatever fails here, the lock expires by itself."""
        # In a task of its own: where redis-py brings its own timeouts (Python before 3.11.3)
        # a cancelled task does not reach Redis any more.
        with suppress(*REDIS_AWAY):
            await asyncio.shield(asyncio.ensure_future(self._redis.delete(_lock(key))))

    # --- all of them -------------------------------------------------------------------------

    async def epoch(self) -> bytes:
        """Changes with every flush."""
        return await self._redis.get("phrases:epoch") or b"0"

    async def count(self, hits: int, misses: int) -> None:
        """Add to the totals of all instances."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hincrby("phrases:stats", "hits", hits)
            pipe.hincrby("phrases:stats", "misses", misses)
            await pipe.execute()

    # --- for operators -----------------------------------------------------------------------

    async def stored(self) -> list[tuple[str, Phrase]]:
        """Every phrase with its key; raises ``StateUnavailable`` when Redis is away."""
        try:
            keys = sorted(await self._redis.smembers("phrases"))
            values = await self._redis.mget(keys) if keys else []
            gone = [key for key, value in zip(keys, values, strict=True) if value is None]
            if gone:
                await self._redis.srem("phrases", *gone)
        except REDIS_AWAY as error:
            raise _away(error) from error
        found = []
        for key, value in zip(keys, values, strict=True):
            phrase = None if value is None else _readable(key, value)
            if phrase is not None:
                found.append((key.decode(), phrase))
        return found

    async def forget(self, keys: Sequence[str]) -> None:
        """Take these away and tell every process; raises ``StateUnavailable``."""
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.delete(*keys)
                pipe.srem("phrases", *keys)
                pipe.incr("phrases:epoch")
                await pipe.execute()
        except REDIS_AWAY as error:
            raise _away(error) from error

    async def stats(self) -> PhraseStats:
        """Totals over all instances; raises ``StateUnavailable`` when Redis is away."""
        stored = await self.stored()
        try:
            hits, misses = await self._redis.hmget("phrases:stats", ["hits", "misses"])
        except REDIS_AWAY as error:
            raise _away(error) from error
        return PhraseStats(
            phrases=len(stored),
            audio_bytes=sum(len(phrase.audio) for _, phrase in stored),
            hits=int(hits or 0),
            misses=int(misses or 0),
        )


def _lock(key: str) -> str:
    return f"phrases:filling:{key.rsplit(':', 1)[-1]}"


def _readable(key: str | bytes, stored: bytes) -> Phrase | None:
    try:
        return _decode(stored)
    except msgspec.DecodeError:
        log.warning("phrase_unreadable", key=str(key))
        return None


def _away(error: Exception) -> StateUnavailable:
    return StateUnavailable(f"Redis: {type(error).__name__}")
