"""The lines of a call without sound: what the bridge's own driver is given in place of sockets.

The agent asks for tools as it is told by ``people`` and says what it is given to say; it keeps
every answer with the moment it came.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final

import msgspec

from bridge.call.commands import NextStep
from bridge.call.events import PhraseKind
from bridge.call.manners import VoiceContext
from bridge.errors import PhraseUnavailable
from bridge.ports import Agent, AgentEar
from bridge.wire import deepgram, mulaw, twilio

_WORD: Final = mulaw.silence(mulaw.FRAME_MS)
"""What a sentence sounds like here: a frame."""
_REFUSES_INJECTIONS: Final = 0.1
"""As often as an agent that is just about to speak refuses to say something else."""


class SilentCaller:
    """A caller who hears everything at once."""

    def __init__(self, hear: Callable[[twilio.FromTwilio], None]) -> None:
        self.dropped_texts = 0
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[int] = self._loop.create_future()

    def play(self, audio: bytes) -> None:
        """Heard."""

    def send(self, message: twilio.SendMark | twilio.Clear) -> None:
        """A mark comes back as soon as it can."""
        if isinstance(message, twilio.SendMark):
            back = twilio.Mark(stream_sid=message.stream_sid, mark=message.mark)
            self._loop.call_soon(self._hear, back)

    def hang_up(self) -> None:
        """The line is gone."""
        if not self._gone.done():
            self._gone.set_result(1000)

    async def closed(self) -> int:
        """Wait for that; the close code."""
        return await asyncio.shield(self._gone)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one function call, as the agent got it."""

    content: str
    asked_at: float
    answered_at: float
    """Both on the loop's clock."""
    answered_utc: float


class ScriptedAgent:
    """The agent's side of one call: ``open`` is the driver's ``open_agent``."""

    def __init__(self, random: Random, wall_clock: Callable[[], float]) -> None:
        self.dropped_bytes = 0
        self.answers: dict[str, Said] = {}
        self.injected: list[str] = []
        """What it said on the bridge's word, without having asked."""
        self.heard_more = asyncio.Event()
        """Set with each of them."""
        self.ready = asyncio.Event()
        self._random = random
        self._wall_clock = wall_clock
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, tuple[float, asyncio.Future[Said]]] = {}
        self._ear: AgentEar | None = None

    async def open(self, ear: AgentEar) -> None:
        """Connected at once."""
        self._ear = ear
        agent: Agent = self
        ear.agent_opened(agent)
        self._hears(deepgram.Welcome(request_id="chaos"))

    def send_voice(self, audio: bytes) -> None:
        """Nobody speaks."""

    def send_message(self, message: deepgram.ToAgent) -> None:
        """From the bridge."""
        match message:
            case deepgram.Settings():
                self._loop.call_soon(self._hears, deepgram.SettingsApplied())
                self._loop.call_soon(self.ready.set)
            case deepgram.FunctionCallResponse():
                self._answered(str(message.id), message.content)
            case deepgram.InjectAgentMessage():
                self._loop.call_soon(self._inject, str(message.message or ""))
            case _:
                pass

    async def close(self) -> None:
        """Gone."""
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.agent_closed(1000)

    # --- as the script wants it --------------------------------------------------------------

    def ask(self, name: str, arguments: str, *, id: str) -> "asyncio.Future[Said]":
        """Request a function call; asking again under the same id waits for the same answer."""
        if id not in self._waiting:
            self._waiting[id] = self._loop.time(), self._loop.create_future()
        call = deepgram.FunctionCall(id=id, name=name, arguments=arguments)
        self._hears(deepgram.FunctionCallRequest(functions=[call]))
        return self._waiting[id][1]

    def cancel(self, name: str, *, id: str) -> None:
        """Withdraw a function call, as the agent does when it is interrupted."""
        self._hears(
            deepgram.FunctionCallCancelled(functions=[deepgram.CancelledFunction(id=id, name=name)])
        )

    # --- what it does by itself --------------------------------------------------------------

    def _hears(self, message: deepgram.FromAgent) -> None:
        if self._ear is not None:
            self._ear.agent_message(message)

    def _answered(self, id: str, content: str) -> None:
        asked_at, waiting = self._waiting.get(id, (self._loop.time(), None))
        said = Said(
            content=content,
            asked_at=asked_at,
            answered_at=self._loop.time(),
            answered_utc=self._wall_clock(),
        )
        self.answers[id] = said
        if waiting is not None and not waiting.done():
            waiting.set_result(said)
        self._loop.call_soon(self._speak, say_of(content))

    def _inject(self, text: str) -> None:
        if self._random.random() < _REFUSES_INJECTIONS:
            self._hears(deepgram.InjectionRefused(message="busy"))
            return
        self.injected.append(text)
        self.heard_more.set()
        self._speak(text)

    def _speak(self, text: str) -> None:
        if self._ear is None or not text:
            return
        self._hears(deepgram.ConversationText(role="assistant", content=text))
        self._ear.agent_audio(_WORD)
        self._hears(deepgram.AgentAudioDone())


class SilentKeeper:
    """Keeps nothing: here only bookings are under fire."""

    def encode(self) -> bytes:
        """Nothing."""
        return b""

    async def save(self, stored: bytes, ended: str) -> None:
        """Kept."""

    async def plan(self, next_step: NextStep) -> None:
        """Kept."""


class OnePhrase:
    """A cache that has the greeting."""

    def __init__(self, greeting: str) -> None:
        self._greeting = greeting

    def at_hand(self, text: str, context: VoiceContext) -> bytes | None:
        """The greeting's sound."""
        return _WORD if text == self._greeting else None

    async def get(self, kind: PhraseKind, text: str, context: VoiceContext) -> bytes:
        """Nothing else can be had."""
        raise PhraseUnavailable("there is no speech here")


class PlainPersona:
    """An agent without a character."""

    def settings(self, *, greet: bool) -> deepgram.Settings:
        """The least there is."""
        return deepgram.Settings(audio=deepgram.Audio(), agent=deepgram.Agent())

    def spoken(self, text: str) -> str:
        """As it is."""
        return text

    def plain(self, text: str) -> str:
        """As it is."""
        return text


class _Words(msgspec.Struct):
    say: str = ""


def say_of(content: str) -> str:
    """What of an answer is written to be spoken."""
    try:
        return msgspec.json.decode(content, type=_Words).say
    except msgspec.DecodeError:
        return ""
