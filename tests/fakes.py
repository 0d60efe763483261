"""Stand-ins for everything a ``CallDriver`` touches: small, honest, and able to misbehave.

Each satisfies one Protocol of ``bridge.ports``. Where they take time they take the loop's, so a
loop of virtual time runs them at once.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from bridge.call import recording
from bridge.call.commands import NextStep
from bridge.call.conversation import Conversation
from bridge.call.events import Event, PhraseKind
from bridge.call.manners import VoiceContext
from bridge.errors import (
    AgentUnavailable,
    CallHeldElsewhere,
    PhraseUnavailable,
    StateUnavailable,
)
from bridge.store import encode_conversation
from bridge.wire import deepgram, mulaw, twilio
from tools.contract import ToolJob, ToolOutcome
from tools.errors import ToolError


class FakeCaller:
    """Twilio's side of a call. Plays in real time on the loop's clock and returns marks."""

    def __init__(self) -> None:
        self.dropped_texts = 0
        self.pieces: list[bytes] = []
        self.messages: list[twilio.SendMark | twilio.Clear] = []
        self.hear: Callable[[twilio.FromTwilio], None] = lambda message: None
        self.returns_marks = True
        self.breaks_off = False
        """True: waiting for the socket's end fails, instead of telling a close code."""
        self._loop = asyncio.get_running_loop()
        self._played_at = 0.0
        self._gone: asyncio.Future[int] = self._loop.create_future()
        self._marks: list[tuple[asyncio.TimerHandle, twilio.SendMark]] = []

    @property
    def sound(self) -> bytes:
        return b"".join(self.pieces)

    def play(self, audio: bytes) -> None:
        self.pieces.append(audio)
        begin_at = max(self._played_at, self._loop.time())
        self._played_at = begin_at + len(audio) / mulaw.SAMPLE_RATE_HZ

    def send(self, message: twilio.SendMark | twilio.Clear) -> None:
        self.messages.append(message)
        match message:
            case twilio.SendMark():
                handle = self._loop.call_at(self._played_at, self._return, message)
                self._marks.append((handle, message))
            case twilio.Clear():
                self._played_at = self._loop.time()
                cleared, self._marks = self._marks, []
                for handle, mark in cleared:
                    if not handle.cancelled() and handle.when() > self._loop.time():
                        handle.cancel()
                        self._loop.call_soon(self._return, mark)

    def _return(self, mark: twilio.SendMark) -> None:
        if self.returns_marks:
            self.hear(twilio.Mark(stream_sid=mark.stream_sid, mark=mark.mark))

    def hang_up(self, code: int = 1000) -> None:
        """The socket is gone."""
        if not self._gone.done():
            self._gone.set_result(code)

    async def closed(self) -> int:
        if self.breaks_off:
            raise ConnectionResetError
        return await asyncio.shield(self._gone)


class FakeAgent:
    """Deepgram's side: ``open`` is the driver's ``open_agent``."""

    def __init__(self) -> None:
        self.dropped_bytes = 0
        self.voice = bytearray()
        self.messages: list[deepgram.ToAgent] = []
        self.closed = False
        self.opened = False
        self.sessions = 0
        self.refuses_with: int | None = None
        self.fails_with: Exception | None = None
        self.opens_after_s = 0.0
        self.closes_after_s = 0.0
        self.accepts_settings = True
        self._ear: Any = None

    @property
    def ear(self) -> Any:
        """Who hears the newest session."""
        return self._ear

    async def open(self, ear: Any) -> "FakeAgent":
        await asyncio.sleep(self.opens_after_s)
        if self.fails_with is not None:
            raise self.fails_with
        if self.refuses_with is not None:
            raise AgentUnavailable("handshake refused", status=self.refuses_with)
        self._ear = ear
        self.opened = True
        self.sessions += 1
        ear.agent_opened(self)
        self.says(deepgram.Welcome(request_id="r"))
        return self

    def send_voice(self, audio: bytes) -> None:
        self.voice += audio

    def send_message(self, message: deepgram.ToAgent) -> None:
        self.messages.append(message)
        if isinstance(message, deepgram.Settings) and self.accepts_settings:
            asyncio.get_running_loop().call_soon(self.says, deepgram.SettingsApplied())

    async def close(self) -> None:
        self.closed = True
        ear = self._ear
        await asyncio.sleep(self.closes_after_s)
        ear.agent_closed(1000)

    def says(self, message: deepgram.FromAgent) -> None:
        self._ear.agent_message(message)

    def speaks(self, text: str, audio: bytes) -> None:
        self.says(deepgram.ConversationText(role="assistant", content=text))
        self._ear.agent_audio(audio)
        self.says(deepgram.AgentAudioDone())

    def asks(self, name: str, arguments: str, *, id: str) -> None:
        call = deepgram.FunctionCall(id=id, name=name, arguments=arguments)
        self.says(deepgram.FunctionCallRequest(functions=[call]))

    def mumbles(self) -> None:
        """Says something nobody can read."""
        self._ear.agent_unreadable("unknown kind Sigh")

    def loses_line(self, code: int | None = 1006) -> None:
        self._ear.agent_closed(code)

    def is_lost_for_good(self) -> None:
        """Nor will it let anybody in again."""
        self.refuses_with = 401
        self.loses_line()


class FakeTools:
    """The queue: keeps jobs, and answers when it is told to."""

    def __init__(self) -> None:
        self.jobs: list[ToolJob] = []
        self.cancelled: list[str] = []
        self.given_up: list[str] = []
        self.says_of_what_is_given_up: ToolOutcome | None = None
        """Without it the queue is silent, as if Redis were away."""
        self.takes_s = 0.0
        self.refuses_with: ToolError | None = None
        self.answers_at_once: ToolOutcome | None = None
        self._deliver: dict[str, Callable[[ToolOutcome], None]] = {}

    def attach(self, call_sid: str, deliver: Callable[[ToolOutcome], None]) -> None:
        self._deliver[call_sid] = deliver

    def detach(self, call_sid: str, deliver: Callable[[ToolOutcome], None]) -> None:
        if self._deliver.get(call_sid) == deliver:
            del self._deliver[call_sid]

    @property
    def attached(self) -> bool:
        return bool(self._deliver)

    async def submit(self, job: ToolJob) -> None:
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        if self.refuses_with is not None:
            raise self.refuses_with
        self.jobs.append(job)
        if self.answers_at_once is not None:
            self.answer(self.answers_at_once)

    async def give_up(self, job: ToolJob) -> ToolOutcome:
        self.given_up.append(job.function_call_id)
        if self.says_of_what_is_given_up is None:
            await asyncio.Event().wait()
        assert self.says_of_what_is_given_up is not None
        return self.says_of_what_is_given_up

    async def cancel(self, call_sid: str, function_call_id: str, tool: str) -> bool:
        if self.refuses_with is not None:
            raise self.refuses_with
        self.cancelled.append(function_call_id)
        return True

    def answer(self, outcome: ToolOutcome) -> None:
        for deliver in list(self._deliver.values()):
            deliver(outcome)


class FakeKeeper:
    """The store, for one call."""

    def __init__(self, conversation: Conversation) -> None:
        self.saved: list[bytes] = []
        self.ended: list[str] = []
        self.plans: list[str] = []
        self.tries = 0
        self.away_for = 0
        """So many saves fail from now on."""
        self.held_elsewhere = False
        self.takes_s = 0.0
        self.plan_fails_with: Exception | None = None
        self._conversation = conversation

    def encode(self) -> bytes:
        return encode_conversation(self._conversation)

    async def save(self, stored: bytes, ended: str) -> None:
        self.tries += 1
        await asyncio.sleep(self.takes_s)
        if self.held_elsewhere:
            raise CallHeldElsewhere("generation 1 is over")
        if self.away_for > 0:
            self.away_for -= 1
            raise StateUnavailable("Redis: ConnectionError")
        self.saved.append(stored)
        self.ended.append(ended)

    async def plan(self, next_step: NextStep) -> None:
        if self.plan_fails_with is not None:
            raise self.plan_fails_with
        self.plans.append(next_step)


class FakePhrases:
    """The phrase cache: some at hand, some slow, all others missing."""

    def __init__(self, at_hand: dict[str, bytes] | None = None) -> None:
        self.here = at_hand or {}
        self.slow: dict[str, tuple[float, bytes]] = {}
        self.fails_with: Exception = PhraseUnavailable("no speech")

    def at_hand(self, text: str, context: VoiceContext) -> bytes | None:
        return self.here.get(text)

    async def get(self, kind: PhraseKind, text: str, context: VoiceContext) -> bytes:
        if text not in self.slow:
            raise self.fails_with
        seconds, audio = self.slow[text]
        await asyncio.sleep(seconds)
        return audio


class FakePersona:
    """Settings that are always the same, and a voice that needs to be told how to say *Ines*."""

    def __init__(self, settings: deepgram.Settings) -> None:
        self.greets: list[bool] = []
        self._settings = settings

    def settings(self, *, greet: bool) -> deepgram.Settings:
        self.greets.append(greet)
        return self._settings

    def spoken(self, text: str) -> str:
        return text.replace("Ines", "<Ines>")

    def plain(self, text: str) -> str:
        return text.replace("<Ines>", "Ines")


class MemoryRecorder:
    """Keeps a call's events as the lines they would be stored as."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def record(self, event: Event, now: float) -> None:
        self.lines.append(recording.encode(event, now))
