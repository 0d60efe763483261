"""The phrase cache over a real Redis, with a speech API that counts what it is asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
import redis.asyncio

from admin import valkey
from bridge.errors import PhraseUnavailable, StateUnavailable
from bridge.phrases import KEPT_S, LARGEST_PHRASE_BYTES, PhraseCache, phrase_key
from bridge.profile import Profile, Speaking, Voice, Voices
from bridge.speech import Speech
from tests.bridge.practices import hillside, with_greeting
from tests.bridge.waiting import until

PRACTICE = hillside()
TEXT = "Hello."


class SpeechApi:
    """Says every text as its own bytes, at its own pace."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.status = 200
        self.sound: bytes | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        text = httpx.Response(200, content=request.read()).json()["text"]
        self.said.append(text)
        self.asked.append((request.url.path, dict(request.url.params)))
        status = self.status
        await self.go_on.wait()
        return httpx.Response(status, content=self.sound or text.encode())

    @property
    def speech(self) -> Speech:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return Speech(client, api_url="https://api.example.com", api_key="dg")


@pytest.fixture
def api() -> SpeechApi:
    return SpeechApi()


@pytest.fixture
async def open_cache(redis_url: str, api: SpeechApi) -> AsyncIterator:
    async with AsyncExitStack() as stack:

        async def open_one(url: str = redis_url, **options) -> PhraseCache:
            known = {"speech": api.speech, "wall_clock": lambda: 1.7e9, "refresh_s": 0.01}
            return await stack.enter_async_context(PhraseCache(url, **(known | options)))

        yield open_one


@pytest.fixture
async def cache(open_cache) -> PhraseCache:
    return await open_cache()


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(redis_url) as raw:
        yield raw


# --- filling ---------------------------------------------------------------------------------


async def test_a_phrase_is_made_once_and_then_at_hand(cache: PhraseCache, api: SpeechApi) -> None:
    assert await cache.get(PRACTICE, "greeting", TEXT) == b"Hello."
    assert cache.at_hand(PRACTICE, TEXT) == b"Hello."
    assert await cache.get(PRACTICE, "greeting", TEXT) == b"Hello."
    assert api.said == [TEXT]


async def test_a_phrase_that_was_never_asked_for_is_not_at_hand(cache: PhraseCache) -> None:
    assert cache.at_hand(PRACTICE, TEXT) is None


async def test_many_who_ask_at_once_have_it_made_once(cache: PhraseCache, api: SpeechApi) -> None:
    sounds = await asyncio.gather(*(cache.get(PRACTICE, "greeting", TEXT) for _ in range(20)))

    assert set(sounds) == {b"Hello."}
    assert api.said == [TEXT]


async def test_two_processes_that_ask_at_once_have_it_made_once(open_cache, api: SpeechApi) -> None:
    one, other = await open_cache(), await open_cache()
    api.go_on.clear()
    both = [asyncio.create_task(each.get(PRACTICE, "greeting", TEXT)) for each in (one, other)]
    await until(lambda: api.said)
    api.go_on.set()

    assert await asyncio.gather(*both) == [b"Hello.", b"Hello."]
    assert api.said == [TEXT]


async def test_when_one_process_fails_to_make_it_the_other_tries(
    open_cache, api: SpeechApi
) -> None:
    one, other = await open_cache(), await open_cache()
    api.go_on.clear()
    api.status = 401
    failing = asyncio.create_task(one.get(PRACTICE, "greeting", TEXT))
    await until(lambda: api.said)
    waiting = asyncio.create_task(other.get(PRACTICE, "greeting", TEXT))
    api.status = 200
    api.go_on.set()

    with pytest.raises(PhraseUnavailable):
        await failing
    assert await waiting == b"Hello."


async def test_one_who_gives_up_waiting_does_not_take_it_from_the_others(
    cache: PhraseCache, api: SpeechApi
) -> None:
    api.go_on.clear()
    hasty = asyncio.create_task(cache.get(PRACTICE, "greeting", TEXT))
    patient = asyncio.create_task(cache.get(PRACTICE, "greeting", TEXT))
    await until(lambda: api.said)
    hasty.cancel()
    api.go_on.set()

    assert await patient == b"Hello."


async def test_a_cache_that_is_closed_makes_nothing_any_more(
    redis_url: str, api: SpeechApi, raw: redis.asyncio.Redis
) -> None:
    api.go_on.clear()
    async with PhraseCache(redis_url, speech=api.speech, wall_clock=lambda: 1.7e9) as cache:
        making = asyncio.create_task(cache.get(PRACTICE, "greeting", TEXT))
        await until(lambda: api.said)

    with pytest.raises(asyncio.CancelledError):
        await making
    assert await raw.keys("phrases:filling:*") == []


async def test_a_process_that_starts_later_finds_it_in_redis(open_cache, api: SpeechApi) -> None:
    await (await open_cache()).get(PRACTICE, "greeting", TEXT)

    assert await (await open_cache()).get(PRACTICE, "greeting", TEXT) == b"Hello."
    assert api.said == [TEXT]


async def test_another_voice_is_another_phrase() -> None:
    slower = hillside(speaking=Speaking(speed=0.9))
    other = hillside(speaking=Speaking(model="aura-2-orion-en"))

    keys = {phrase_key(one, TEXT) for one in (PRACTICE, slower, other, hillside(id="lakeside"))}

    assert len(keys) == 4


async def test_a_stored_phrase_expires(cache: PhraseCache, raw: redis.asyncio.Redis) -> None:
    await cache.get(PRACTICE, "greeting", TEXT)

    assert 0 < await raw.ttl(phrase_key(PRACTICE, TEXT)) <= KEPT_S


async def test_a_stored_phrase_that_cannot_be_read_is_made_again(
    cache: PhraseCache, raw: redis.asyncio.Redis
) -> None:
    await raw.set(phrase_key(PRACTICE, TEXT), b"\xc1 nonsense")

    assert await cache.get(PRACTICE, "greeting", TEXT) == b"Hello."


async def test_what_cannot_be_read_does_not_hide_the_rest(
    cache: PhraseCache, raw: redis.asyncio.Redis
) -> None:
    await cache.get(PRACTICE, "greeting", TEXT)
    await raw.set("phrase:hillside:broken", b"\xc1 nonsense")
    await raw.sadd("phrases", "phrase:hillside:broken")

    assert [entry.text for entry in await cache.entries()] == [TEXT]


async def test_what_is_longer_than_a_minute_is_no_phrase(
    cache: PhraseCache, api: SpeechApi
) -> None:
    api.sound = bytes(LARGEST_PHRASE_BYTES + 1)

    with pytest.raises(PhraseUnavailable, match="minute"):
        await cache.get(PRACTICE, "greeting", TEXT)


async def test_the_copy_in_the_process_is_bounded_and_the_longest_unused_goes(
    open_cache,
) -> None:
    cache = await open_cache(local_bytes=12)
    await cache.get(PRACTICE, "filler", "aaaaa")
    await cache.get(PRACTICE, "filler", "bbbbb")
    cache.at_hand(PRACTICE, "aaaaa")

    await cache.get(PRACTICE, "filler", "ccccc")

    at_hand = [text for text in ("aaaaa", "bbbbb", "ccccc") if cache.at_hand(PRACTICE, text)]
    assert at_hand == ["aaaaa", "ccccc"]


async def test_a_process_without_speech_can_still_look(open_cache, redis_url: str) -> None:
    await (await open_cache()).get(PRACTICE, "greeting", TEXT)
    silent = await open_cache(speech=None)

    assert await silent.get(PRACTICE, "greeting", TEXT) == b"Hello."
    with pytest.raises(PhraseUnavailable, match="no speech"):
        await silent.get(PRACTICE, "greeting", "Something else.")


# --- warming ---------------------------------------------------------------------------------


async def test_every_phrase_of_a_practice_is_warmed(cache: PhraseCache) -> None:
    cache.warm([PRACTICE])

    phrases = PRACTICE.spoken_phrases
    await until(lambda: all(cache.at_hand(PRACTICE, one.text, one.context) for one in phrases))


async def test_what_cannot_be_warmed_now_is_warmed_later(
    cache: PhraseCache, api: SpeechApi
) -> None:
    api.status = 401
    practice = with_greeting("Hi there.")
    cache.warm([practice])
    await until(lambda: len(api.said) > 2)
    api.status = 200

    await until(lambda: cache.at_hand(practice, "Hi there."))


# --- whose voice -----------------------------------------------------------------------------


def by_context() -> Profile:
    voices = Voices(greeting=Voice(speed=1.1), serious=Voice(model="aura-2-orion-en", speed=0.9))
    return hillside(voices=voices, pronunciation={})


async def test_the_voice_of_its_context_says_a_phrase(cache: PhraseCache, api: SpeechApi) -> None:
    practice = by_context()

    for context in ("information", "greeting", "serious", "confirmation"):
        await cache.get(practice, "filler", TEXT, context)

    voices = [(query["model"], query.get("speed")) for _, query in api.asked]
    assert voices == [
        ("aura-2-thalia-en", None),
        ("aura-2-thalia-en", "1.1"),
        ("aura-2-orion-en", "0.9"),
    ]


async def test_what_one_voice_said_is_not_at_hand_for_another(cache: PhraseCache) -> None:
    practice = by_context()
    await cache.get(practice, "filler", TEXT, "serious")

    assert cache.at_hand(practice, TEXT, "serious") == b"Hello."
    assert cache.at_hand(practice, TEXT) is None
    assert cache.at_hand(practice, TEXT, "greeting") is None


async def test_each_voice_has_its_fillers_warmed_and_only_its_own_has_the_greeting(
    cache: PhraseCache,
) -> None:
    practice = by_context()
    cache.warm([practice])
    filler, words = practice.phrases.fillers[0], practice.phrases

    await until(
        lambda: all(
            cache.at_hand(practice, text, context)
            for text in (filler, words.cover)
            for context in ("information", "greeting", "serious", "confirmation")
        )
    )
    assert cache.at_hand(practice, words.greeting, "greeting")
    assert cache.at_hand(practice, words.apology)
    assert cache.at_hand(practice, words.greeting, "serious") is None


async def test_a_flux_voice_speaks_at_its_own_address(cache: PhraseCache, api: SpeechApi) -> None:
    flux = Speaking(model="flux-kit-en", expressivity=1)

    await cache.get(hillside(speaking=flux, pronunciation={}), "filler", TEXT)

    ((path, query),) = api.asked
    assert path == "/v2/speak"
    assert (query["model"], query["expressivity"]) == ("flux-kit-en", "1")


# --- how it is pronounced ----------------------------------------------------------------------


async def test_a_phrase_is_spoken_with_its_pronunciations_and_listed_without(
    cache: PhraseCache, api: SpeechApi
) -> None:
    practice = hillside(pronunciation={"Okafor": "oʊˈkɑːfɔːr"})

    await cache.get(practice, "filler", "Doctor Okafor is in.")

    assert api.said == [r'Doctor \{"word": "Okafor", "pronounce": "oʊˈkɑːfɔːr"\} is in.']
    assert [entry.text for entry in await cache.entries()] == ["Doctor Okafor is in."]


async def test_another_pronunciation_is_another_phrase() -> None:
    one, other = (hillside(pronunciation={"Hello": ipa}) for ipa in ("həˈloʊ", "hɛˈloʊ"))

    assert phrase_key(one, TEXT) != phrase_key(other, TEXT)
    assert phrase_key(one, "Bye.") == phrase_key(other, "Bye.")


# --- flushing --------------------------------------------------------------------------------


async def filled(cache: PhraseCache) -> None:
    for kind, text in (("greeting", "Hello."), ("filler", "One moment."), ("filler", "Hm.")):
        await cache.get(PRACTICE, kind, text)
    await cache.get(hillside(id="lakeside"), "greeting", "Hello.")


async def test_phrases_are_listed_by_practice_and_kind(cache: PhraseCache) -> None:
    await filled(cache)

    entries = await cache.entries(practice="hillside", kind="filler")

    assert [(entry.text, entry.audio_bytes) for entry in entries] == [
        ("Hm.", 3),
        ("One moment.", 11),
    ]


async def test_a_dry_run_counts_and_forgets_nothing(cache: PhraseCache) -> None:
    await filled(cache)

    assert await cache.flush(dry_run=True) == 4
    assert len(await cache.entries()) == 4
    assert cache.at_hand(PRACTICE, "Hm.")


async def test_a_flush_forgets_what_it_names(cache: PhraseCache) -> None:
    await filled(cache)

    assert await cache.flush(practice="hillside", kind="filler") == 2
    assert {entry.text for entry in await cache.entries()} == {"Hello."}


async def test_one_phrase_is_flushed_by_its_key(cache: PhraseCache) -> None:
    await filled(cache)

    assert await cache.flush(key=phrase_key(PRACTICE, "Hm.")) == 1
    assert len(await cache.entries()) == 3


async def test_a_flush_of_nothing_changes_nothing(cache: PhraseCache) -> None:
    await filled(cache)

    assert await cache.flush(practice="nobody") == 0
    assert len(await cache.entries()) == 4


async def test_a_flush_reaches_the_copy_in_another_process(open_cache) -> None:
    one, other = await open_cache(), await open_cache()
    await filled(other)
    await until(lambda: other._epoch)

    await one.flush()

    await until(lambda: other.at_hand(PRACTICE, "Hm.") is None)


async def test_after_a_flush_a_bridge_has_its_phrases_made_again(
    open_cache, api: SpeechApi
) -> None:
    practice = with_greeting("Hi there.")
    operator, bridge = await open_cache(speech=None), await open_cache()
    bridge.warm([practice])
    await until(lambda: bridge.at_hand(practice, "Hi there.") and bridge._epoch)
    api.said.clear()

    await operator.flush()

    await until(lambda: "Hi there." in api.said and bridge.at_hand(practice, "Hi there."))


async def test_hits_and_misses_of_all_processes_are_counted(open_cache) -> None:
    one, other = await open_cache(), await open_cache()
    await filled(one)
    for cache, text in ((one, "Hm."), (one, "Hm."), (one, "Hello."), (other, "Hm.")):
        cache.at_hand(PRACTICE, text)

    async with asyncio.timeout(20):
        while (stats := await one.stats()).hits + stats.misses < 4:
            await asyncio.sleep(0.002)

    assert (stats.phrases, stats.hits, stats.misses, stats.hit_rate) == (4, 3, 1, 0.75)


async def test_the_hit_rate_of_a_new_cache_is_nought(cache: PhraseCache) -> None:
    assert (await cache.stats()).hit_rate == 0.0


async def test_what_expired_is_no_longer_listed(
    cache: PhraseCache, raw: redis.asyncio.Redis
) -> None:
    await filled(cache)
    await raw.delete(phrase_key(PRACTICE, "Hm."))

    assert len(await cache.entries()) == 3
    assert await raw.scard("phrases") == 3


# --- Redis away ------------------------------------------------------------------------------


@pytest.fixture
def nowhere(tmp_path) -> str:
    return f"unix://{tmp_path}/nobody.sock"


async def test_without_redis_a_phrase_is_spoken_and_kept_here(open_cache, nowhere: str) -> None:
    cache = await open_cache(nowhere)

    assert await cache.get(PRACTICE, "greeting", TEXT) == b"Hello."
    assert cache.at_hand(PRACTICE, TEXT) == b"Hello."


async def test_without_redis_and_without_speech_there_is_no_phrase(
    open_cache, nowhere: str
) -> None:
    cache = await open_cache(nowhere, speech=None)

    with pytest.raises(PhraseUnavailable):
        await cache.get(PRACTICE, "greeting", TEXT)


async def test_what_was_made_is_heard_though_redis_went_away_meanwhile(
    open_cache, api: SpeechApi
) -> None:
    with valkey.running() as redis_url:
        cache = await open_cache(redis_url)
        api.go_on.clear()
        making = asyncio.create_task(cache.get(PRACTICE, "greeting", TEXT))
        await until(lambda: api.said)
    api.go_on.set()

    assert await making == b"Hello."
    assert cache.at_hand(PRACTICE, TEXT) == b"Hello."
    assert api.said == [TEXT]


@pytest.mark.parametrize("ask", ["entries", "flush", "stats"])
async def test_without_redis_an_operator_is_told_so(open_cache, nowhere: str, ask: str) -> None:
    cache = await open_cache(nowhere)

    with pytest.raises(StateUnavailable):
        await getattr(cache, ask)()
