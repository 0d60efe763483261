"""What a call's driver needs of the world, as it sees it: the lines, the queue, the phrases.

Small protocols, so that fakes need no base class. Leaves being them to ``caller``, ``agent``,
``phrases``, ``persona``, and ``tools.queue``.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from bridge.call.events import Event, PhraseKind
from bridge.call.manners import VoiceContext
from bridge.wire import deepgram, twilio
from tools.contract import ToolJob, ToolOutcome


class Caller(Protocol):
    """The caller's line."""

    dropped_texts: int

    def play(self, audio: bytes) -> None: ...  # noqa: D102 - see CallerLink
    def send(self, message: twilio.SendMark | twilio.Clear) -> None: ...  # noqa: D102


class Agent(Protocol):
    """The agent's line."""

    dropped_bytes: int

    def send_voice(self, audio: bytes) -> None: ...  # noqa: D102 - see AgentLink
    def send_message(self, message: deepgram.ToAgent) -> None: ...  # noqa: D102
    def close(self) -> Coroutine[Any, Any, None]: ...  # noqa: D102


class Tools(Protocol):
    """The tool queue."""

    def attach(self, call_sid: str, deliver: Callable[[ToolOutcome], None]) -> None: ...  # noqa: D102
    def detach(self, call_sid: str, deliver: Callable[[ToolOutcome], None]) -> None: ...  # noqa: D102
    async def submit(self, job: ToolJob) -> None: ...  # noqa: D102
    async def give_up(self, job: ToolJob) -> ToolOutcome: ...  # noqa: D102 - never for long
    async def cancel(self, call_sid: str, function_call_id: str, tool: str) -> bool: ...  # noqa: D102


class Phrases(Protocol):
    """The phrase cache; bound to this call's practice."""

    def at_hand(self, text: str, context: VoiceContext) -> bytes | None: ...  # noqa: D102
    async def get(self, kind: PhraseKind, text: str, context: VoiceContext) -> bytes: ...  # noqa: D102


class Recorder(Protocol):
    """Keeps the events of a call so that they can be played into a session again."""

    def record(self, event: Event, now: float) -> None: ...  # noqa: D102


class AgentEar(Protocol):
    """Who is told what one line of the agent says."""

    def agent_opened(self, agent: Agent) -> None: ...  # noqa: D102 - see bridge.agent.AgentEar
    def agent_audio(self, audio: bytes) -> None: ...  # noqa: D102
    def agent_message(self, message: deepgram.FromAgent) -> None: ...  # noqa: D102
    def agent_unreadable(self, what: str) -> None: ...  # noqa: D102
    def agent_closed(self, code: int | None) -> None: ...  # noqa: D102


class Persona(Protocol):
    """What the agent is told, and how our words are written for its voice."""

    def settings(self, *, greet: bool) -> deepgram.Settings: ...  # noqa: D102
    def spoken(self, text: str) -> str: ...  # noqa: D102 - with pronunciations
    def plain(self, text: str) -> str: ...  # noqa: D102 - without them


OpenAgent = Callable[[AgentEar], Coroutine[Any, Any, object]]
"""Connects; the ear hears of it before this returns."""
