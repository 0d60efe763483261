"""The tables of a profile file: every key, its unit, its bounds and its default.

What must hold between two keys is ``rules``' business. What the core has a default for is not
given another one here.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from bridge.call.manners import Manners
from bridge.wire import mulaw

LONGEST_SPOKEN: Final = 1000
"""Characters the speech API takes at a time (deepgram-voice-agent.md section 7)."""
VOICE: Final = r"^(aura|aura-2|flux)-[a-z]+-[a-z]{2}\Z"
VOICE_EXAMPLE: Final = "a Deepgram voice like aura-2-thalia-en"

Spoken = Annotated[str, Meta(min_length=1, max_length=LONGEST_SPOKEN, pattern=r"\S")]
Told = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
"""Text for the model."""
Word = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"\S")]
Cues = Annotated[tuple[Word, ...], Meta(max_length=40)]
Keyterms = Annotated[tuple[Word, ...], Meta(max_length=100)]
VoiceModel = Annotated[str, Meta(pattern=VOICE, description=VOICE_EXAMPLE)]
Ipa = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=60,
        pattern=r'^[^\\{}"\x00-\x1f]+\Z',
        description="the word's sounds in the letters of the IPA",
    ),
]
PronouncedWord = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        pattern=r'^\w[^\\{}"\x00-\x1f]*\Z',
        description="a word, or a few",
    ),
]
DetailName = Annotated[
    str,
    Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z", description="small letters, digits and underscores"),
]
Language = Annotated[
    str, Meta(pattern=r"^[a-z]{2}(-[A-Z]{2})?\Z", description="a language like en or en-US")
]
Url = Annotated[
    str,
    Meta(
        pattern=r"^(https|wss)://[^\s/]+\S*\Z", max_length=500, description="https://… or wss://…"
    ),
]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,60}\Z", description="a header's name")]
HeaderText = Annotated[str, Meta(pattern=r"^[^\r\n]*\Z", max_length=2000, description="one line")]


def usual(name: str) -> Any:
    """The core's own default of one of a call's manners."""
    (field,) = (field for field in msgspec.structs.fields(Manners) if field.name == name)
    return field.default


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class Phrases(Table, frozen=True, kw_only=True):
    """What we say ourselves: from cache, but for the last three, which the agent speaks."""

    greeting: Spoken
    notice: Annotated[str, Meta(max_length=LONGEST_SPOKEN)] = usual("notice")
    """Said after the greeting, to its end whoever speaks: a legal line. Empty: none."""
    fillers: Annotated[tuple[Spoken, ...], Meta(max_length=12)] = ()
    """Said in turn while the caller waits, never one twice running."""
    cover: Spoken = usual("cover")
    """Said while the agent's line is opened anew."""
    apology: Spoken
    """Said when the call cannot go on."""
    unheard: Spoken = usual("unheard")
    """Said to a caller who answered no prompt, before hanging up."""
    time_is_up: Spoken = usual("time_is_up")
    """Said at the end of the longest call."""
    goodbye: Spoken = usual("goodbye")
    """Said when the agent ends the call: by it, or from cache where it says nothing."""
    put_through: Spoken = usual("put_through")
    """Said when the caller is put through to ``transfer_number``, in the same way."""
    nobody_there: Spoken = usual("nobody_there")
    """Said by the agent to a caller who wants a person, where there is no such number."""
    resumed: Spoken = usual("resumed")
    """Said by the agent when another stream continues the call."""
    still_there: Annotated[tuple[Spoken, ...], Meta(min_length=1, max_length=5)] = usual(
        "still_there"
    )
    """Said by the agent to a silent caller, one after the other."""


class Patience(Table, frozen=True, kw_only=True):
    """Who waits how long for whom, in seconds."""

    filler_after_s: Annotated[float, Meta(gt=0, le=10)] = usual("filler_after_s")
    """Silence after a function call before a filler."""
    second_filler_after_s: Annotated[float, Meta(gt=0, le=30)] = usual("second_filler_after_s")
    """Silence after the first filler before another."""
    agent_filler_after_s: Annotated[float, Meta(gt=0, le=30)] = usual("agent_filler_after_s")
    """Silence of the agent after the caller's turn before a filler."""
    stall_after_s: Annotated[float, Meta(ge=2, le=60)] = usual("stall_after_s")
    """No sign of the agent for so long after the caller's turn: its line is opened anew."""
    idle_after_s: Annotated[float, Meta(ge=3, le=120)] = usual("idle_after_s")
    """Silence of both before the caller is asked whether she is still there."""
    cover_after_s: Annotated[float, Meta(ge=0, le=10)] = usual("cover_after_s")
    """Silence after the agent's line was lost before ``phrases.cover``."""
    greeting_patience_s: Annotated[float, Meta(ge=0, le=5)] = usual("greeting_patience_s")
    """For the greeting's audio, before the agent is to greet by itself."""
    agent_patience_s: Annotated[float, Meta(ge=1, le=60)] = usual("agent_patience_s")
    """For one attempt to reach the agent."""
    reconnect_within_s: Annotated[float, Meta(ge=1, le=120)] = usual("reconnect_within_s")
    """From the loss of the agent's line until the call is given up."""
    roll_over_after_s: Annotated[float, Meta(ge=60, le=6900)] = usual("roll_over_after_s")
    """Age of an agent's session at which it is replaced; Deepgram ends it at 7200."""


class BargeIn(Table, frozen=True, kw_only=True):
    """How the caller takes the floor."""

    mode: Literal["hard", "soft"] = usual("barge_in")
    """``soft``: a sound shorter than ``shortest_ms`` does not stop the agent."""
    shortest_ms: Annotated[int, Meta(ge=40, le=1000)] = usual("soft_ms")
    protect_confirmations: bool = usual("protect_confirmations")
    """What the agent says after something was done is finished whoever speaks."""


class Listening(Table, frozen=True, kw_only=True):
    """How the agent hears: Flux (deepgram-voice-agent.md 4.3)."""

    model: Literal["flux-general-en", "flux-general-multi"] = "flux-general-en"
    eot_threshold: Annotated[float, Meta(ge=0.5, le=1.0)] = 0.75
    """Confidence that ends the caller's turn."""
    eager_eot_threshold: Annotated[float, Meta(ge=0.3, le=0.9)] | None = None
    """Confidence at which the agent begins to think ahead; dearer by half or more (G-8)."""
    eot_timeout_ms: Annotated[int, Meta(ge=500, le=10_000)] = 5000
    """After speech, ends the turn whatever the confidence."""
    keyterms: Keyterms = ()
    """Words that are likely to come."""
    language_hints: Annotated[tuple[Language, ...], Meta(max_length=10)] = ()
    """Only for ``flux-general-multi``."""


class Spelling(Table, frozen=True, kw_only=True):
    """How the agent hears while the caller spells a name or says a number."""

    cues: Annotated[tuple[Word, ...], Meta(min_length=1, max_length=40)]
    """Words of the agent after which the caller is expected to spell."""
    eot_threshold: Annotated[float, Meta(ge=0.5, le=1.0)] = 0.85
    eot_timeout_ms: Annotated[int, Meta(ge=500, le=10_000)] = 7000
    keyterms: Keyterms = ()
    """In place of the usual ones; none: the usual ones stay."""


class Endpoint(Table, frozen=True, kw_only=True):
    """An address of the practice's own for a model or a voice, reached by Deepgram."""

    url: Url
    headers: Annotated[dict[HeaderName, HeaderText], Meta(max_length=10)] = {}
    """``${NAME}`` in a value is taken from the environment, so that no key stands in a file."""


class Thinking(Table, frozen=True, kw_only=True):
    """One model of the fall-back chain (deepgram-voice-agent.md 4.4)."""

    provider: Literal["open_ai", "anthropic", "google", "groq"]
    model: Annotated[str, Meta(max_length=100)] = ""
    """Left out only for google with an endpoint, whose address names it."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    """0 to 2, for anthropic to 1. Left out: 0.3, or the model's own with ``reasoning_mode``."""
    reasoning_mode: Literal["none", "minimal", "low", "medium", "high"] | None = None
    """open_ai and groq only."""
    version: Literal["ai-studio-v1beta", "v1beta", "gemini-enterprise-agent-v1"] | None = None
    """google only."""
    endpoint: Endpoint | None = None
    """Required for groq; with open_ai anything that speaks its API."""
    context_length: Annotated[int, Meta(ge=2000, le=10_000_000)] | None = None
    """Characters of talk the model is given; only with an endpoint."""


class Speaking(Table, frozen=True, kw_only=True):
    """The usual voice, the same for the agent and for cached phrases."""

    model: VoiceModel = "aura-2-thalia-en"
    speed: Annotated[float, Meta(ge=0.5, le=1.5)] = 1.0
    """Aura 0.7 to 1.5, Spanish from 0.9; Flux 0.5 to 1.5 in steps of 0.05."""
    expressivity: Annotated[int, Meta(ge=-2, le=2)] | None = None
    """Flux only."""

    @property
    def flux(self) -> bool:
        """A Flux voice, not an Aura one; the API calls them version 2 and 1."""
        return self.model.startswith("flux-")


class SpeakingFallback(Table, frozen=True, kw_only=True):
    """A voice for when the ones before it fail (deepgram-voice-agent.md 4.5)."""

    provider: Literal["deepgram", "eleven_labs", "cartesia", "open_ai"] = "deepgram"
    model: Annotated[str, Meta(min_length=1, max_length=100)]
    voice: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    """cartesia and open_ai only; eleven_labs has it in its endpoint's address."""
    speed: Annotated[float, Meta(ge=0.5, le=1.5)] | None = None
    """deepgram only, as in ``[speaking]``."""
    language: Language | None = None
    """eleven_labs and cartesia only."""
    volume: Annotated[float, Meta(ge=0.5, le=2.0)] | None = None
    """cartesia only."""
    endpoint: Endpoint | None = None
    """Required for eleven_labs and open_ai."""


class Voice(Table, frozen=True, kw_only=True):
    """The voice of one context; what is left out is as in ``[speaking]``."""

    model: VoiceModel | None = None
    speed: Annotated[float, Meta(ge=0.5, le=1.5)] | None = None
    expressivity: Annotated[int, Meta(ge=-2, le=2)] | None = None


class Voices(Table, frozen=True, kw_only=True):
    """Voices by what is said; a context without one has the usual voice."""

    greeting: Voice | None = None
    information: Voice | None = None
    confirmation: Voice | None = None
    serious: Voice | None = None
    serious_cues: Cues = usual("serious_cues")
    """Words of the caller that make the talk a serious one."""


class Memory(Table, frozen=True, kw_only=True):
    """Beyond which length the talk is summarised."""

    window_turns: Annotated[int, Meta(ge=2, le=200)] = usual("window_turns")
    window_tokens: Annotated[int, Meta(ge=200, le=100_000)] = usual("window_tokens")
    token_budget: Annotated[int, Meta(ge=500, le=1_000_000)] = usual("token_budget")
    """Summarised when 85 % of it are used."""


class Sound(Table, frozen=True, kw_only=True):
    """The caller's sound on its way to the agent."""

    wideband: bool = False
    """Linear 16 kHz instead of the telephone's µ-law, on the agent's line."""
    noise_gate: bool = usual("noise_gate")
    even_volume: bool = usual("even_volume")
    group_ms: Annotated[int, Meta(ge=20, le=100, multiple_of=20)] = round(
        mulaw.duration_ms(usual("group_bytes"))
    )
    """Sent in pieces of this length; 20 adds no delay."""
    kept_s: Annotated[float, Meta(ge=1, le=30)] = mulaw.duration_s(usual("kept_bytes"))
    """Kept until the agent is first ready, oldest dropped first."""
    replay_s: Annotated[float, Meta(ge=0, le=2)] = mulaw.duration_s(usual("replay_bytes"))
    """Given to a new session of the agent after a lost one, at most."""


class Quality(Table, frozen=True, kw_only=True):
    """What is done about a poor line."""

    poor_line: Told = usual("poor_line")
    """Told to the agent, once."""
