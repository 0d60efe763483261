"""The practice a call is for: name, words, voice, models and tools, read from a TOML file each.

Leaves what the agent is told of it to ``bridge.persona``. Files are checked at start; the error
names the file and the field.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from bridge.errors import BadConfiguration

Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
PhoneNumber = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{6,14}$")]
Spoken = Annotated[str, Meta(min_length=1, max_length=1000)]
"""Text for the speech API: a thousand characters at most (deepgram-voice-agent.md section 7)."""

PACKAGED = Path(__file__).parent / "profiles"
"""The profiles that come with the project, used unless ``PROFILES_DIR`` names a folder."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Listening(_Table, frozen=True, kw_only=True):
    """How the agent hears (Flux)."""

    model: str = "flux-general-en"
    eot_threshold: Annotated[float, Meta(ge=0.5, le=1.0)] = 0.75
    """Confidence that ends the caller's turn."""
    eot_timeout_ms: Annotated[int, Meta(ge=500, le=10_000)] = 5000
    keyterms: tuple[str, ...] = ()


class Thinking(_Table, frozen=True, kw_only=True):
    """One model of the fall-back chain."""

    provider: Literal["open_ai", "anthropic", "google"]
    model: str
    temperature: Annotated[float, Meta(ge=0, le=2)] = 0.3


class Speaking(_Table, frozen=True, kw_only=True):
    """The voice, the same for the agent and for cached phrases."""

    model: str = "aura-2-thalia-en"
    speed: Annotated[float, Meta(ge=0.7, le=1.5)] = 1.0


class Phrases(_Table, frozen=True, kw_only=True):
    """What we say ourselves, from cache."""

    greeting: Spoken
    fillers: tuple[Spoken, ...] = ()
    apology: Spoken
    resumed: Spoken = "Sorry, the line was cut for a moment. Please go on."
    """Said by the agent when another stream continues the call."""


class Profile(_Table, frozen=True, kw_only=True):
    """One practice."""

    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    numbers: Annotated[tuple[PhoneNumber, ...], Meta(min_length=1)]
    """Dialled numbers that reach this practice, E.164."""
    time_zone: str
    prompt: Annotated[str, Meta(min_length=1, max_length=20_000)]
    """25,000 characters are the agent's limit; the rest is for what we add."""
    tools: tuple[str, ...]
    """Names of the catalogue that this practice's agent may use."""
    phrases: Phrases
    transfer_number: PhoneNumber | None = None
    """A human, for when nothing else works."""
    filler_after_s: Annotated[float, Meta(gt=0, le=10)] = 1.2
    listening: Listening = Listening()
    thinking: Annotated[tuple[Thinking, ...], Meta(min_length=1)] = (
        Thinking(provider="open_ai", model="gpt-4.1-mini"),
        Thinking(provider="anthropic", model="claude-haiku-4-5"),
    )
    speaking: Speaking = Speaking()

    @property
    def cached_phrases(self) -> tuple[tuple[str, str], ...]:
        """Kind and text of everything worth having ready before the first call."""
        fillers = tuple(("filler", text) for text in self.phrases.fillers)
        return (
            ("greeting", self.phrases.greeting),
            ("apology", self.phrases.apology),
            *fillers,
        )


class Profiles:
    """All practices of this process, by dialled number and by id."""

    def __init__(self, profiles: Iterable[Profile]) -> None:
        self._by_id: dict[str, Profile] = {}
        self._by_number: dict[str, Profile] = {}
        for profile in profiles:
            self._by_id[profile.id] = profile
            self._by_number |= dict.fromkeys(profile.numbers, profile)

    def of_number(self, number: str) -> Profile | None:
        """The practice that is reached by this number."""
        return self._by_number.get(number)

    def of_id(self, practice: str) -> Profile | None:
        """The practice of this id."""
        return self._by_id.get(practice)

    def all(self) -> list[Profile]:
        """Every practice."""
        return list(self._by_id.values())


def load_profiles(directory: Path, *, known_tools: Iterable[str]) -> Profiles:
    """Every ``*.toml`` of a folder.

    Raises:
        BadConfiguration: no file, a file that is not as it should be, or two that claim the same
            id or number.
    """
    files = sorted(directory.glob("*.toml"))
    if not files:
        raise BadConfiguration(f"{directory}: no profile (*.toml) in this folder")
    profiles = [_load(file, frozenset(known_tools)) for file in files]
    claims: dict[str, Path] = {}
    for file, profile in zip(files, profiles, strict=True):
        for claim in (profile.id, *profile.numbers):
            if claim in claims:
                raise BadConfiguration(
                    f"{file.name}: {claim} is claimed by {claims[claim].name} too"
                )
            claims[claim] = file
    return Profiles(profiles)


def _load(file: Path, known_tools: frozenset[str]) -> Profile:
    try:
        profile = msgspec.toml.decode(file.read_bytes(), type=Profile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{file.name}: {error}") from error
    try:
        ZoneInfo(profile.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadConfiguration(f"{file.name}: time_zone: no such time zone") from error
    unknown = sorted(set(profile.tools) - known_tools)
    if unknown:
        raise BadConfiguration(f"{file.name}: tools: unknown {', '.join(unknown)}")
    return profile
