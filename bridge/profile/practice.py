"""One practice: its name, numbers and tools, and the tables of what its calls are like.

Leaves reading it from a file to ``reading``.
"""

from collections.abc import Iterable
from typing import Annotated, Final, get_args

import msgspec
from msgspec import Meta

from bridge.call.events import PhraseKind
from bridge.call.manners import VoiceContext
from bridge.profile.tables import (
    BargeIn,
    DetailName,
    Ipa,
    Listening,
    Memory,
    Patience,
    Phrases,
    PronouncedWord,
    Quality,
    Sound,
    Speaking,
    SpeakingFallback,
    Spelling,
    Table,
    Thinking,
    Told,
    Voices,
)

Id = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}\Z", description="small letters, digits and dashes"),
]
PhoneNumber = Annotated[
    str, Meta(pattern=r"^\+[1-9][0-9]{6,14}\Z", description="a number like +15550100200")
]
Tag = Annotated[str, Meta(min_length=1, max_length=128)]

CONTEXTS: Final[tuple[VoiceContext, ...]] = get_args(VoiceContext)


class CachedPhrase(msgspec.Struct, frozen=True, kw_only=True):
    """A phrase worth having ready before the first call, in one of its voices."""

    kind: PhraseKind
    text: str
    context: VoiceContext


class Profile(Table, frozen=True, kw_only=True):
    """One practice."""

    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    numbers: Annotated[tuple[PhoneNumber, ...], Meta(min_length=1, max_length=100)]
    """Dialled numbers that reach this practice, E.164."""
    time_zone: str
    prompt: Annotated[str, Meta(min_length=1, max_length=20_000, pattern=r"\S")]
    """25,000 characters are the agent's limit; the rest is for what we add."""
    tools: Annotated[tuple[str, ...], Meta(max_length=50)]
    """Names of the catalogue that this practice's agent may use."""
    phrases: Phrases
    transfer_number: PhoneNumber | None = None
    """A human, for when nothing else works."""
    tags: Annotated[tuple[Tag, ...], Meta(max_length=10)] = ()
    """Label a session for Deepgram's usage reports, beside the practice's id."""
    patience: Patience = Patience()
    barge_in: BargeIn = BargeIn()
    listening: Listening = Listening()
    spelling: Spelling | None = None
    thinking: Annotated[tuple[Thinking, ...], Meta(min_length=1, max_length=5)] = (
        Thinking(provider="open_ai", model="gpt-4.1-mini"),
        Thinking(provider="anthropic", model="claude-haiku-4-5"),
    )
    speaking: Speaking = Speaking()
    speaking_fallback: Annotated[tuple[SpeakingFallback, ...], Meta(max_length=4)] = ()
    voices: Voices = Voices()
    pronunciation: Annotated[dict[PronouncedWord, Ipa], Meta(max_length=100)] = msgspec.field(
        default_factory=dict
    )
    """Word → its sounds, for every text that is spoken."""
    details: Annotated[dict[DetailName, Told], Meta(max_length=20)] = msgspec.field(
        default_factory=dict
    )
    """Name → what it is: what the agent may remember of the caller."""
    memory: Memory = Memory()
    sound: Sound = Sound()
    quality: Quality = Quality()

    def voice(self, context: VoiceContext = "information") -> Speaking:
        """Whose voice says what belongs to this context."""
        usual = self._own_voice("information", self.speaking)
        return usual if context == "information" else self._own_voice(context, usual)

    @property
    def cached_phrases(self) -> tuple[tuple[str, str], ...]:
        """Kind and text of everything worth having ready, the greeting first."""
        return tuple(dict.fromkeys((one.kind, one.text) for one in self.spoken_phrases))

    @property
    def spoken_phrases(self) -> tuple[CachedPhrase, ...]:
        """The same in every voice that may say it.

        Fillers and the cover line are heard beside whatever the agent was saying, so they are
        kept in each voice that it has.
        """
        words = self.phrases
        found = [CachedPhrase(kind="greeting", text=words.greeting, context="greeting")]
        if words.notice:
            found.append(CachedPhrase(kind="notice", text=words.notice, context="greeting"))
        found += [
            CachedPhrase(kind="apology", text=words.apology, context="information"),
            CachedPhrase(kind="goodbye", text=words.unheard, context="information"),
            CachedPhrase(kind="goodbye", text=words.time_is_up, context="information"),
            CachedPhrase(kind="goodbye", text=words.goodbye, context="information"),
            CachedPhrase(kind="goodbye", text=words.put_through, context="information"),
        ]
        for context in self._distinct_voices():
            for text in words.fillers:
                found.append(CachedPhrase(kind="filler", text=text, context=context))
            found.append(CachedPhrase(kind="cover", text=words.cover, context=context))
        return tuple(found)

    def _own_voice(self, context: VoiceContext, usual: Speaking) -> Speaking:
        own = getattr(self.voices, context)
        if own is None:
            return usual
        given = {
            field: value
            for field in ("model", "speed", "expressivity")
            if (value := getattr(own, field)) is not None
        }
        voice = msgspec.structs.replace(usual, **given)
        return voice if voice.flux else msgspec.structs.replace(voice, expressivity=None)

    def _distinct_voices(self) -> list[VoiceContext]:
        found: dict[Speaking, VoiceContext] = {self.voice(): "information"}
        for context in CONTEXTS:
            found.setdefault(self.voice(context), context)
        return list(found.values())


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
