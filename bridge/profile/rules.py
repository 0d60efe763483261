"""What must hold between the keys of a profile, beyond the bounds of each.

Each rule yields where it is broken and what was expected there.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridge.profile.lines import Path
from bridge.profile.practice import CONTEXTS, Profile
from bridge.profile.tables import (
    LONGEST_SPOKEN,
    VOICE,
    VOICE_EXAMPLE,
    Speaking,
    SpeakingFallback,
    Thinking,
)
from bridge.pronunciation import guidance, pronounced, understands

Complaint = tuple[Path, str]

LONGEST_TOLD: Final = 21_000
"""Characters of prompt and dictionary; 25,000 are the agent's limit, what is left is for the day,
for how to speak, and for what a resumed call is told of its past."""
AURA_SPEED: Final = (0.7, 1.5)
SLOWEST_SPANISH: Final = 0.9
"""Deepgram's own advice for Spanish Aura-2 voices (deepgram-voice-agent.md section 7)."""
FLUX_STEP: Final = 0.05

_VOICE_FIELDS: Final = {
    # provider → what it needs, what it may have beside its model (deepgram-voice-agent.md 4.5)
    "deepgram": (frozenset[str](), frozenset({"speed"})),
    "eleven_labs": (frozenset({"endpoint"}), frozenset({"language"})),
    "cartesia": (frozenset({"voice"}), frozenset({"language", "volume", "endpoint"})),
    "open_ai": (frozenset({"voice", "endpoint"}), frozenset[str]()),
}


def complaints(profile: Profile, known_tools: Iterable[str]) -> Iterator[Complaint]:
    """Every rule that this profile breaks."""
    yield from _zone(profile)
    yield from _tools(profile, frozenset(known_tools))
    yield from _patience(profile)
    yield from _listening(profile)
    for place, model in enumerate(profile.thinking):
        for key, expected in _thinking(model):
            yield ("thinking", place, key), expected
    yield from _voices(profile)
    yield from _fallback_voices(profile)
    yield from _pronunciation(profile)
    yield from _lengths(profile)
    if profile.memory.window_tokens > profile.memory.token_budget:
        yield ("memory", "window_tokens"), "expected ≤ memory.token_budget"


def _zone(profile: Profile) -> Iterator[Complaint]:
    try:
        ZoneInfo(profile.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield ("time_zone",), "no such time zone"


def _tools(profile: Profile, known: frozenset[str]) -> Iterator[Complaint]:
    for place, name in enumerate(profile.tools):
        if name not in known:
            yield ("tools", place), f"unknown {name}"
        elif name in profile.tools[:place]:
            yield ("tools", place), f"{name} is named twice"
    if "remember_details" in profile.tools and not profile.details:
        yield ("tools",), "remember_details needs a table [details] of what to remember"
    if profile.details and "remember_details" in known - set(profile.tools):
        yield ("details",), "without remember_details among the tools nothing is remembered"


def _patience(profile: Profile) -> Iterator[Complaint]:
    waits = profile.patience
    if waits.second_filler_after_s < waits.filler_after_s:
        yield ("patience", "second_filler_after_s"), "expected ≥ patience.filler_after_s"
    if waits.stall_after_s <= waits.agent_filler_after_s:
        yield ("patience", "stall_after_s"), "expected > patience.agent_filler_after_s"
    if waits.idle_after_s <= waits.stall_after_s:
        yield ("patience", "idle_after_s"), "expected > patience.stall_after_s"
    if waits.reconnect_within_s < waits.agent_patience_s:
        yield ("patience", "reconnect_within_s"), "expected ≥ patience.agent_patience_s"
    if waits.cover_after_s >= waits.reconnect_within_s:
        yield ("patience", "cover_after_s"), "expected < patience.reconnect_within_s"


def _listening(profile: Profile) -> Iterator[Complaint]:
    usual, spelling = profile.listening, profile.spelling
    eager = usual.eager_eot_threshold
    if eager is not None and eager > usual.eot_threshold:
        yield ("listening", "eager_eot_threshold"), "expected ≤ listening.eot_threshold"
    if eager is not None and spelling is not None and eager > spelling.eot_threshold:
        # An update keeps the eager threshold: it cannot be left out again (section 2.3).
        yield ("spelling", "eot_threshold"), "expected ≥ listening.eager_eot_threshold"
    if usual.language_hints and usual.model != "flux-general-multi":
        yield ("listening", "language_hints"), "only with the model flux-general-multi"


def _thinking(model: Thinking) -> Iterator[tuple[str, str]]:
    own_address = model.endpoint is not None
    if model.provider == "groq" and not own_address:
        yield "provider", "groq needs an endpoint"
    if model.endpoint is not None and not model.endpoint.url.startswith("https://"):
        yield "endpoint", "expected an address with https://"
    if model.provider == "google" and own_address:
        if model.model:
            yield "model", "the endpoint's address names it: leave it out"
    elif not model.model:
        yield "model", "missing"
    if model.provider == "anthropic" and model.temperature is not None and model.temperature > 1:
        yield "temperature", "expected ≤ 1.0 for anthropic"
    if model.reasoning_mode is not None and model.provider not in ("open_ai", "groq"):
        yield "reasoning_mode", f"not for {model.provider}"
    if model.version is not None and model.provider != "google":
        yield "version", f"not for {model.provider}"
    if model.context_length is not None and not own_address:
        yield "context_length", "only with an endpoint"


def _voices(profile: Profile) -> Iterator[Complaint]:
    yield from _voice(profile.speaking, ("speaking",))
    for context in CONTEXTS:
        own = getattr(profile.voices, context)
        if own is not None:
            yield from _voice(profile.voice(context), ("voices", context))
            if own.expressivity is not None and not profile.voice(context).flux:
                yield ("voices", context, "expressivity"), "only for Flux voices"
    if profile.voices.serious_cues and profile.voices.serious is None:
        yield ("voices", "serious_cues"), "without [voices.serious] they change nothing"


def _voice(voice: Speaking, path: Path) -> Iterator[Complaint]:
    if expected := _wrong_speed(voice.model, voice.speed):
        yield (*path, "speed"), expected
    if voice.expressivity is not None and not voice.flux:
        yield (*path, "expressivity"), "only for Flux voices"


def _wrong_speed(model: str, speed: float) -> str:
    if model.startswith("flux-"):
        steps = speed / FLUX_STEP
        return "" if abs(steps - round(steps)) < 1e-6 else "expected steps of 0.05 for Flux voices"
    slowest, fastest = AURA_SPEED
    if model.endswith("-es"):
        slowest = SLOWEST_SPANISH
    return "" if slowest <= speed <= fastest else f"expected {slowest} to {fastest} for {model}"


def _fallback_voices(profile: Profile) -> Iterator[Complaint]:
    for place, voice in enumerate(profile.speaking_fallback):
        for key, expected in _fallback_voice(voice):
            yield ("speaking_fallback", place, key), expected


def _fallback_voice(voice: SpeakingFallback) -> Iterator[tuple[str, str]]:
    needs, may = _VOICE_FIELDS[voice.provider]
    for key in ("voice", "speed", "language", "volume", "endpoint"):
        given = getattr(voice, key) is not None
        if given and key not in needs | may:
            yield key, f"not for {voice.provider}"
        if not given and key in needs:
            yield key, f"missing: {voice.provider} needs it"
    if voice.provider == "deepgram":
        if not re.search(VOICE, voice.model):
            yield "model", f"expected {VOICE_EXAMPLE}"
        elif voice.speed is not None and (expected := _wrong_speed(voice.model, voice.speed)):
            yield "speed", expected


def _pronunciation(profile: Profile) -> Iterator[Complaint]:
    words = profile.pronunciation
    seen: dict[str, str] = {}
    for word in words:
        plain = " ".join(word.casefold().split())
        if plain in seen:
            yield ("pronunciation", word), f"the same word as {seen[plain]}"
        seen[plain] = word
    if not words:
        return
    # Another voice would read the overrides out (section 7), so none may come to say our text.
    expected = "with a table [pronunciation], an English or Spanish Aura-2 voice"
    if not understands(profile.speaking.model):
        yield ("speaking", "model"), f"expected, {expected}"
    for context in CONTEXTS:
        own = getattr(profile.voices, context)
        if own is not None and own.model is not None and not understands(own.model):
            yield ("voices", context, "model"), f"expected, {expected}"
    for place, voice in enumerate(profile.speaking_fallback):
        if voice.provider != "deepgram" or not understands(voice.model):
            yield ("speaking_fallback", place), f"expected, {expected}"


def _lengths(profile: Profile) -> Iterator[Complaint]:
    """What the dictionary adds to a text counts too."""
    words = profile.pronunciation
    for one in profile.spoken_phrases:
        text = pronounced(one.text, words, model=profile.voice(one.context).model)
        if len(text) > LONGEST_SPOKEN:
            yield (
                ("pronunciation",),
                f"with it “{one.text[:20]}…” has {len(text)} characters; at most {LONGEST_SPOKEN}",
            )
    told = len(profile.prompt) + len(guidance(words, model=profile.speaking.model))
    if told > LONGEST_TOLD:
        yield (
            ("pronunciation",),
            f"with the prompt the dictionary has {told} characters; at most {LONGEST_TOLD}",
        )
