"""What the handlers have in common, and how a call's driver is put together from it.

Leaves what is answered to whom to ``routes``, and opening and closing what lies here to ``app``.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping

import msgspec

from bridge.agent import HELD_BACK_BYTES, AgentLink
from bridge.call.commands import NextStep
from bridge.call.conversation import Conversation
from bridge.call.events import PhraseKind
from bridge.call.manners import VoiceContext
from bridge.call.session import CallSession
from bridge.driver import CallDriver
from bridge.line_gate import LineGate
from bridge.persona import manners_for, plain, settings_for, spoken
from bridge.phrases import PhraseCache
from bridge.profile import Profile, Profiles
from bridge.resampling import BYTES_PER_MULAW, ear_for
from bridge.settings import Settings
from bridge.store import Admitted, ConversationStore, encode_conversation
from bridge.wire import deepgram
from tools.catalog import CATALOG, Tool
from tools.queue import ToolQueue


class Live:
    """The calls this process drives."""

    def __init__(self) -> None:
        self.draining = False
        self.drivers: set[CallDriver] = set()
        self.counts: Counter[str] = Counter()
        """Of new calls that found no agent: how often one was ``put_off`` or ``passed_on``."""
        self.none_left = asyncio.Event()
        self.none_left.set()

    def add(self, driver: CallDriver) -> None:
        """A call begins here."""
        self.drivers.add(driver)
        self.none_left.clear()

    def remove(self, driver: CallDriver) -> None:
        """A call is over, or goes on elsewhere."""
        self.drivers.discard(driver)
        if not self.drivers:
            self.none_left.set()


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """What the handlers need, made once in ``create_app``."""

    settings: Settings
    profiles: Profiles
    store: ConversationStore
    phrases: PhraseCache
    queue: ToolQueue
    gate: LineGate
    live: Live


def driver_for(desk: Desk, admitted: Admitted) -> CallDriver:
    """Everything one admitted call needs, put together."""
    profile = desk.profiles.of_id(admitted.practice)
    assert profile is not None
    conversation, settings = admitted.conversation, desk.settings
    wideband = profile.sound.wideband
    catalog = {name: CATALOG[name] for name in profile.tools}
    session = CallSession(
        conversation,
        manners=manners_for(profile, longest_call_s=settings.longest_call_s),
        catalog=catalog,
    )
    return CallDriver(
        session,
        open_agent=lambda ear: desk.gate.open(
            lambda: AgentLink.open(
                settings.deepgram_agent_url,
                api_key=settings.deepgram_api_key,
                session_id=conversation.call_sid,
                ear=ear_for(ear, wideband=wideband),
                held_back_bytes=HELD_BACK_BYTES * (BYTES_PER_MULAW if wideband else 1),
            )
        ),
        persona=_Persona(profile, conversation, catalog),
        tools=desk.queue,
        keeper=_Keeper(desk.store, conversation),
        phrases=_Phrases(desk.phrases, profile),
    )


class _Keeper:
    """The store, for one call and generation."""

    def __init__(self, store: ConversationStore, conversation: Conversation) -> None:
        self._store = store
        self._conversation = conversation

    def encode(self) -> bytes:
        return encode_conversation(self._conversation)

    async def save(self, stored: bytes, ended: str) -> None:
        one = self._conversation
        await self._store.save(one.call_sid, one.generation, stored, ended=ended)

    async def plan(self, next_step: NextStep) -> None:
        one = self._conversation
        await self._store.plan(one.call_sid, one.generation, next_step)


class _Phrases:
    """The phrase cache, for one practice."""

    def __init__(self, phrases: PhraseCache, profile: Profile) -> None:
        self._phrases = phrases
        self._profile = profile

    def at_hand(self, text: str, context: VoiceContext) -> bytes | None:
        return self._phrases.at_hand(self._profile, text, context)

    async def get(self, kind: PhraseKind, text: str, context: VoiceContext) -> bytes:
        return await self._phrases.get(self._profile, kind, text, context)


class _Persona:
    """The practice's persona, for one call."""

    def __init__(
        self, profile: Profile, conversation: Conversation, catalog: Mapping[str, Tool]
    ) -> None:
        self._profile = profile
        self._conversation = conversation
        self._catalog = catalog

    def settings(self, *, greet: bool) -> deepgram.Settings:
        return settings_for(
            self._profile,
            self._conversation,
            catalog=self._catalog,
            greet=greet,
            now_utc=time.time(),
        )

    def spoken(self, text: str) -> str:
        return spoken(self._profile, text)

    def plain(self, text: str) -> str:
        return plain(text)
