"""Greeting, filler and goodbye audio: made once for everybody, at hand for the instant of a call.

A phrase is named by practice, voice and text as it is pronounced, so a changed greeting, voice or
pronunciation is a new phrase. Which voice says a text follows from its context. Leaves Redis to
``shelf`` and making sound to ``speech``.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import structlog

from bridge.call.manners import VoiceContext
from bridge.errors import PhraseUnavailable
from bridge.profile import Profile, Speaking
from bridge.pronunciation import pronounced
from bridge.shelf import KEPT_S, REDIS_AWAY, Phrase, PhraseStats, Shelf
from bridge.speech import Speech

__all__ = ["KEPT_S", "LARGEST_PHRASE_BYTES", "PhraseCache", "PhraseEntry", "PhraseStats",
           "phrase_key"]  # fmt: skip

LOCAL_BYTES: Final = 16 * 1024 * 1024
"""The process's own copy: some 500 phrases of four seconds; the longest unused goes first."""
LARGEST_PHRASE_BYTES: Final = 60 * 8000
REFRESH_S: Final = 2.0
"""How often a process looks whether something was flushed, and writes down its hits."""

log = structlog.get_logger()


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A phrase, and everything that is decided by practice and context."""

    practice: str
    kind: str
    text: str
    aloud: str
    """The text as the voice is given it."""
    voice: Speaking

    @property
    def key(self) -> str:
        """The Redis key: everything that changes the sound is in it."""
        voice = f"{self.voice.model}:{self.voice.speed}"
        if self.voice.expressivity is not None:
            voice += f":{self.voice.expressivity}"
        digest = hashlib.sha256(f"{voice}\n{self.aloud}".encode()).hexdigest()[:32]
        return f"phrase:{self.practice}:{digest}"


class PhraseEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One cached phrase, without its audio."""

    key: str
    practice: str
    kind: str
    voice: str
    text: str
    audio_bytes: int
    made_utc: float


class PhraseCache:
    """Phrases by practice, voice and text.

    ::

        async with PhraseCache(redis_url, speech=speech, wall_clock=time.time) as phrases:
            phrases.warm(profiles)
            audio = phrases.at_hand(profile, text, "greeting")  # no waiting: this process's copy
            audio = await phrases.get(profile, kind, text, "greeting")
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
        self._shelf = Shelf(redis_url)
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
        await self._shelf.aclose()

    # --- for calls ---------------------------------------------------------------------------

    def at_hand(
        self, profile: Profile, text: str, context: VoiceContext = "information"
    ) -> bytes | None:
        """The audio from this process's copy, at once; None if it is not there."""
        key = phrase_key(profile, text, context)
        audio = self._local.get(key)
        if audio is None:
            self._misses += 1
            return None
        self._local.move_to_end(key)
        self._hits += 1
        return audio

    async def get(
        self, profile: Profile, kind: str, text: str, context: VoiceContext = "information"
    ) -> bytes:
        """The audio from wherever it is: this process, Redis, or made now, once for everybody.

        Raises:
            PhraseUnavailable: there is neither cached audio nor speech to be had.
        """
        wanted = _wanted(profile, kind, text, context)
        key = wanted.key
        if key in self._local:
            return self._local[key]
        filling = self._filling.get(key)
        if filling is None:
            filling = self._filling[key] = asyncio.ensure_future(self._find_or_make(key, wanted))
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
        for key, phrase in await self._shelf.stored():
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
        await self._shelf.forget(keys)
        self._forget_local()
        return len(keys)

    async def stats(self) -> PhraseStats:
        """Totals over all instances; raises ``StateUnavailable`` when Redis is away."""
        return await self._shelf.stats()

    # --- inside ------------------------------------------------------------------------------

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _find_or_make(self, key: str, wanted: _Wanted) -> bytes:
        try:
            audio = await self._shelf.find(key)
            while audio is None:
                if await self._shelf.take(key):
                    audio = await self._make(key, wanted)
                else:
                    await asyncio.sleep(0.1)  # another instance is filling it
                    audio = await self._shelf.find(key)
        except REDIS_AWAY as error:
            log.warning("phrase_cache_away", reason=type(error).__name__)
            audio = await self._speak(wanted)
        self._keep_local(key, audio)
        return audio

    async def _make(self, key: str, wanted: _Wanted) -> bytes:
        """While the shelf keeps everybody else from making it."""
        try:
            audio = await self._speak(wanted)
            await self._put(key, wanted, audio)
        finally:
            await self._shelf.let_go(key)
        return audio

    async def _put(self, key: str, wanted: _Wanted, audio: bytes) -> None:
        phrase = Phrase(
            practice=wanted.practice,
            kind=wanted.kind,
            voice=wanted.voice.model,
            text=wanted.text,
            made_utc=self._wall_clock(),
            audio=audio,
        )
        try:
            await self._shelf.put(key, phrase)
        except REDIS_AWAY as error:  # it is there to be heard all the same
            log.warning("phrase_not_kept", reason=type(error).__name__)

    async def _speak(self, wanted: _Wanted) -> bytes:
        if self._speech is None:
            raise PhraseUnavailable("this process makes no speech")
        audio = await self._speech.say(
            wanted.aloud,
            model=wanted.voice.model,
            speed=wanted.voice.speed,
            expressivity=wanted.voice.expressivity,
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
            for one in profile.spoken_phrases:
                try:
                    await self.get(profile, one.kind, one.text, one.context)
                except PhraseUnavailable as error:
                    log.warning(
                        "phrase_not_warmed", practice=profile.id, kind=one.kind, reason=str(error)
                    )

    async def _look_for_flushes(self) -> None:
        while True:
            await self._look_once()
            await asyncio.sleep(self._refresh_s)

    async def _look_once(self) -> None:
        try:
            epoch = await self._shelf.epoch()
            await self._write_down_hits()
        except REDIS_AWAY:
            return
        flushed, self._epoch = self._epoch not in (b"", epoch), epoch
        if flushed:
            self._forget_local()
        if self._warm_profiles and self._cold():
            await self._warm_all()

    def _cold(self) -> bool:
        return any(
            phrase_key(profile, one.text, one.context) not in self._local
            for profile in self._warm_profiles
            for one in profile.spoken_phrases
        )

    async def _write_down_hits(self) -> None:
        hits, misses = self._hits, self._misses
        if not hits and not misses:
            return
        await self._shelf.count(hits, misses)
        self._hits -= hits
        self._misses -= misses


def phrase_key(profile: Profile, text: str, context: VoiceContext = "information") -> str:
    """The Redis key of a phrase in the voice of a context."""
    return _wanted(profile, "", text, context).key


def _wanted(profile: Profile, kind: str, text: str, context: VoiceContext) -> _Wanted:
    voice = profile.voice(context)
    aloud = pronounced(text, profile.pronunciation, model=voice.model)
    return _Wanted(practice=profile.id, kind=kind, text=text, aloud=aloud, voice=voice)


def _entry(key: str, phrase: Phrase) -> PhraseEntry:
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
