"""Greeting and filler audio in Redis, with a small copy in the process for the instant of a call.

Keys, all owned here:

* ``phrase:{practice}:{digest}`` one phrase as MessagePack; expires after ``KEPT_S``.
* ``phrases`` set of those keys, so that nothing ever scans.
* ``phrases:filling:{digest}`` lock of the instance that fills a phrase; ``FILL_S``.
* ``phrases:epoch`` counter of flushes; ``phrases:stats`` hash of ``hits`` and ``misses``.

The key names practice, voice and text, so a changed greeting or voice is a new phrase.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import structlog
from redis.exceptions import RedisError

from bridge.errors import PhraseUnavailable, StateUnavailable
from bridge.profile import Profile
from bridge.speech import Speech
from tools.connections import connect

KEPT_S: Final = 7 * 24 * 3600
FILL_S: Final = 20
"""One instance at a time asks the speech API for a phrase; the others wait this long at most."""
LOCAL_BYTES: Final = 16 * 1024 * 1024
"""The process's own copy: some 500 phrases of four seconds; the longest unused goes first."""
LARGEST_PHRASE_BYTES: Final = 60 * 8000
REFRESH_S: Final = 2.0
"""How often a process looks whether something was flushed, and writes down its hits."""

log = structlog.get_logger()


class PhraseEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One cached phrase, without its audio."""

    key: str
    practice: str
    kind: str
    voice: str
    text: str
    audio_bytes: int
    made_utc: float


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


class _Phrase(msgspec.Struct, frozen=True, kw_only=True):
    practice: str
    kind: str
    voice: str
    text: str
    made_utc: float
    audio: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Phrase).decode


class PhraseCache:
    """Phrases by practice, voice and text.

    ::

        async with PhraseCache(redis_url, speech=speech, wall_clock=time.time) as phrases:
            phrases.warm(profiles)
            audio = phrases.at_hand(profile, text)        # no waiting: this process's copy
            audio = await phrases.get(profile, kind, text)
    """

    def __init__(
        self,
        redis_url: str,
        *,
        speech: Speech | None,
        wall_clock: Callable[[], float],
        refresh_s: float = REFRESH_S,
        local_bytes: int = LOCAL_BYTES,
    ) -> None:
        self._redis: Any = connect(redis_url)
        self._speech = speech
        self._wall_clock = wall_clock
        self._refresh_s = refresh_s
        self._most_local_bytes = local_bytes
        self._local: OrderedDict[str, bytes] = OrderedDict()
        self._local_bytes = 0
        self._filling: dict[str, asyncio.Future[bytes]] = {}
        self._epoch = b""
        self._hits = 0
        self._misses = 0
        self._warm_profiles: list[Profile] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> "PhraseCache":
        self._begin(self._look_for_flushes())
        return self

    async def __aexit__(self, *_: object) -> None:
        work = [*self._tasks, *self._filling.values()]
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await self._redis.aclose()

    # --- for calls ---------------------------------------------------------------------------

    def at_hand(self, profile: Profile, text: str) -> bytes | None:
        """The audio from this process's copy, at once; None if it is not there."""
        key = phrase_key(profile, text)
        audio = self._local.get(key)
        if audio is None:
            self._misses += 1
            return None
        self._local.move_to_end(key)
        self._hits += 1
        return audio

    async def get(self, profile: Profile, kind: str, text: str) -> bytes:
        """The audio from wherever it is: this process, Redis, or made now, once for everybody.

        Raises:
            PhraseUnavailable: there is neither cached audio nor speech to be had.
        """
        key = phrase_key(profile, text)
        if key in self._local:
            return self._local[key]
        filling = self._filling.get(key)
        if filling is None:
            filling = self._filling[key] = asyncio.ensure_future(
                self._find_or_make(key, profile, kind, text)
            )
            filling.add_done_callback(lambda _: self._filling.pop(key, None))
            filling.add_done_callback(_look_at_exception)
        return await asyncio.shield(filling)

    def warm(self, profiles: Iterable[Profile]) -> None:
        """Have every phrase of these practices at hand soon, and again after each flush."""
        self._warm_profiles = list(profiles)
        self._begin(self._warm_all())

    # --- for operators -----------------------------------------------------------------------

    async def entries(
        self, practice: str | None = None, voice: str | None = None, kind: str | None = None
    ) -> list[PhraseEntry]:
        """What is cached, filtered; raises ``StateUnavailable`` when Redis is away."""
        entries = []
        for key, phrase in await self._stored():
            if (
                practice in (None, phrase.practice)
                and voice in (None, phrase.voice)
                and kind in (None, phrase.kind)
            ):
                entries.append(_entry(key, phrase))
        return sorted(entries, key=lambda entry: (entry.practice, entry.kind, entry.text))

    async def flush(
        self,
        *,
        practice: str | None = None,
        voice: str | None = None,
        kind: str | None = None,
        key: str | None = None,
        dry_run: bool = False,
    ) -> int:
        """Forget phrases, here and in every process within ``REFRESH_S``; returns how many.

        With ``dry_run`` it only counts. Running bridges fill the gap again by themselves.
        """
        entries = await self.entries(practice, voice, kind)
        keys = [entry.key for entry in entries if key in (None, entry.key)]
        if dry_run or not keys:
            return len(keys)
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.delete(*keys)
                pipe.srem("phrases", *keys)
                pipe.incr("phrases:epoch")
                await pipe.execute()
        except (RedisError, OSError) as error:
            raise StateUnavailable(f"Redis: {type(error).__name__}") from error
        self._forget_local()
        return len(keys)

    async def stats(self) -> PhraseStats:
        """Totals over all instances; raises ``StateUnavailable`` when Redis is away."""
        stored = await self._stored()
        try:
            hits, misses = await self._redis.hmget("phrases:stats", ["hits", "misses"])
        except (RedisError, OSError) as error:
            raise StateUnavailable(f"Redis: {type(error).__name__}") from error
        return PhraseStats(
            phrases=len(stored),
            audio_bytes=sum(len(phrase.audio) for _, phrase in stored),
            hits=int(hits or 0),
            misses=int(misses or 0),
        )

    # --- inside ------------------------------------------------------------------------------

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _find_or_make(self, key: str, profile: Profile, kind: str, text: str) -> bytes:
        digest = key.rsplit(":", 1)[-1]
        try:
            audio = await self._find(key)
            while audio is None:
                lock = f"phrases:filling:{digest}"
                if await self._redis.set(lock, b"1", nx=True, ex=FILL_S):
                    try:
                        audio = await self._make(key, profile, kind, text)
                    except asyncio.CancelledError:
                        # In a task of its own: where redis-py brings its own timeouts (Python
                        # before 3.11.3) a cancelled task does not reach Redis any more.
                        await asyncio.shield(asyncio.ensure_future(self._redis.delete(lock)))
                        raise
                    except PhraseUnavailable:
                        await self._redis.delete(lock)
                        raise
                    await self._redis.delete(lock)
                else:
                    await asyncio.sleep(0.1)  # another instance is filling it
                    audio = await self._find(key)
        except (RedisError, OSError) as error:
            log.warning("phrase_cache_away", reason=type(error).__name__)
            audio = await self._speak(profile, text)
        self._keep_local(key, audio)
        return audio

    async def _find(self, key: str) -> bytes | None:
        stored = await self._redis.get(key)
        phrase = None if stored is None else _readable(key, stored)
        return None if phrase is None else phrase.audio

    async def _make(self, key: str, profile: Profile, kind: str, text: str) -> bytes:
        audio = await self._speak(profile, text)
        phrase = _Phrase(
            practice=profile.id,
            kind=kind,
            voice=profile.speaking.model,
            text=text,
            made_utc=self._wall_clock(),
            audio=audio,
        )
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(key, _encode(phrase), ex=KEPT_S)
            pipe.sadd("phrases", key)
            await pipe.execute()
        return audio

    async def _speak(self, profile: Profile, text: str) -> bytes:
        if self._speech is None:
            raise PhraseUnavailable("this process makes no speech")
        audio = await self._speech.say(
            text, model=profile.speaking.model, speed=profile.speaking.speed
        )
        if len(audio) > LARGEST_PHRASE_BYTES:
            raise PhraseUnavailable("longer than a minute: not a phrase")
        return audio

    def _keep_local(self, key: str, audio: bytes) -> None:
        self._local_bytes += len(audio) - len(self._local.pop(key, b""))
        self._local[key] = audio
        while self._local_bytes > self._most_local_bytes:
            self._local_bytes -= len(self._local.popitem(last=False)[1])

    def _forget_local(self) -> None:
        self._local.clear()
        self._local_bytes = 0

    async def _warm_all(self) -> None:
        for profile in self._warm_profiles:
            for kind, text in profile.cached_phrases:
                try:
                    await self.get(profile, kind, text)
                except PhraseUnavailable as error:
                    log.warning(
                        "phrase_not_warmed", practice=profile.id, kind=kind, reason=str(error)
                    )

    async def _look_for_flushes(self) -> None:
        while True:
            await self._look_once()
            await asyncio.sleep(self._refresh_s)

    async def _look_once(self) -> None:
        try:
            epoch = await self._redis.get("phrases:epoch") or b"0"
            await self._write_down_hits()
        except (RedisError, OSError):
            return
        flushed, self._epoch = self._epoch not in (b"", epoch), epoch
        if flushed:
            self._forget_local()
        if self._warm_profiles and self._cold():
            await self._warm_all()

    def _cold(self) -> bool:
        return any(
            phrase_key(profile, text) not in self._local
            for profile in self._warm_profiles
            for _, text in profile.cached_phrases
        )

    async def _write_down_hits(self) -> None:
        hits, misses = self._hits, self._misses
        if not hits and not misses:
            return
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hincrby("phrases:stats", "hits", hits)
            pipe.hincrby("phrases:stats", "misses", misses)
            await pipe.execute()
        self._hits -= hits
        self._misses -= misses

    async def _stored(self) -> list[tuple[str, _Phrase]]:
        try:
            keys = sorted(await self._redis.smembers("phrases"))
            values = await self._redis.mget(keys) if keys else []
            gone = [key for key, value in zip(keys, values, strict=True) if value is None]
            if gone:
                await self._redis.srem("phrases", *gone)
        except (RedisError, OSError) as error:
            raise StateUnavailable(f"Redis: {type(error).__name__}") from error
        stored = []
        for key, value in zip(keys, values, strict=True):
            phrase = None if value is None else _readable(key, value)
            if phrase is not None:
                stored.append((key.decode(), phrase))
        return stored


def phrase_key(profile: Profile, text: str) -> str:
    """The Redis key of a phrase: everything that changes its sound is in it."""
    voice = f"{profile.speaking.model}:{profile.speaking.speed}"
    digest = hashlib.sha256(f"{voice}\n{text}".encode()).hexdigest()[:32]
    return f"phrase:{profile.id}:{digest}"


def _readable(key: str | bytes, stored: bytes) -> _Phrase | None:
    try:
        return _decode(stored)
    except msgspec.DecodeError:
        log.warning("phrase_unreadable", key=str(key))
        return None


def _entry(key: str, phrase: _Phrase) -> PhraseEntry:
    return PhraseEntry(
        key=key,
        practice=phrase.practice,
        kind=phrase.kind,
        voice=phrase.voice,
        text=phrase.text,
        audio_bytes=len(phrase.audio),
        made_utc=phrase.made_utc,
    )


def _look_at_exception(done: "asyncio.Future[bytes]") -> None:
    if not done.cancelled():
        done.exception()
