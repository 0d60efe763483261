"""The client of a session, as the session speaks to it: messages and sound out, frames in.

Owns how messages are written, oddities of a scenario included. Leaves the socket's opening and
closing to ``agent``.
"""

from collections.abc import AsyncIterator
from typing import Any, Literal, Protocol

import msgspec

from bridge.simulator.board import CallNotes
from bridge.simulator.faults import Faults
from bridge.wire import deepgram

_TURN_BEGINS = (
    deepgram.ConversationText,
    deepgram.EndOfTurn,
    deepgram.FunctionCallRequest,
    deepgram.AgentThinking,
    deepgram.AgentStartedSpeaking,
)
"""Behind these no sound of an earlier, cut turn comes any more (6)."""

_LATENCIES = (deepgram.LatencyReport, deepgram.AgentStartedSpeaking)


class Socket(Protocol):
    """A WebSocket as a session needs it."""

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Its frames, until it is closed."""
        ...

    async def send(self, message: str | bytes) -> None:
        """Sends one frame."""
        ...


class Client:
    """Sends what a session has to say."""

    def __init__(self, socket: Socket, notes: CallNotes) -> None:
        self.socket = socket
        self.history = True
        """Whether ``History`` follows what was said, as ``Settings`` wants it."""
        self.turns_begun = 0
        """How often a message was sent behind which no sound of an earlier turn comes."""
        self._notes = notes
        self._faults = notes.scenario.faults
        self._latencies: dict[str, float] = {}

    async def send(self, message: deepgram.FromAgent) -> None:
        """One message."""
        if isinstance(message, _TURN_BEGINS):
            self.turns_begun += 1
        for frame in written(message, self._faults):
            await self.socket.send(frame)

    async def send_sound(self, sound: bytes) -> None:
        """One binary frame."""
        await self.socket.send(sound)

    async def converse(self, role: Literal["user", "assistant"], content: str) -> None:
        """Something that was said."""
        await self.send(deepgram.ConversationText(role=role, content=content))
        if self.history:
            await self.send(deepgram.History(role=role, content=content))

    async def report(self, **latencies: float) -> None:
        """Latencies of a reply: one field a message as observed (G-19), or all of them in one."""
        rounded = {name: round(seconds, 4) for name, seconds in latencies.items()}
        if not self._faults.latency_whole:
            for name, seconds in rounded.items():
                await self.send(deepgram.LatencyReport(**{name: seconds}))
            return
        self._latencies |= rounded
        if "total_latency" in rounded:
            whole, self._latencies = self._latencies, {}
            await self.send(deepgram.LatencyReport(**whole))

    async def warn(self, code: str, description: str) -> None:
        """A ``Warning``, noted too."""
        self._notes.add("warning", code=code, content=description)
        await self.send(deepgram.Warning(code=code, description=description))


def written(message: deepgram.FromAgent, faults: Faults) -> list[str]:
    """The frames that carry a message, and perhaps one behind it that nobody knows."""
    as_text = faults.latency_as_text and isinstance(message, _LATENCIES)
    if not (as_text or faults.unknown_messages):
        return [deepgram.encode(message)]
    fields: dict[str, Any] = msgspec.to_builtins(message)
    if as_text:
        fields = {name: value if name == "type" else str(value) for name, value in fields.items()}
    frames = [fields]
    if faults.unknown_messages:
        frames = [_with_novelties(fields), {"type": "TurnForecast", "confidence": 0.5}]
    return [msgspec.json.encode(frame).decode() for frame in frames]


def _with_novelties(fields: dict[str, Any]) -> dict[str, Any]:
    """The message as a later server might write it: new fields, and null where it may stand."""
    nothing: dict[str, Any] = {}
    match fields["type"]:
        case "History" if "function_calls" in fields:
            nothing = {"role": None, "content": None}
        case "History":
            nothing = {"function_calls": None}
        case "ConversationText":
            nothing = {"languages": None, "languages_hinted": None}
        case "FunctionCallRequest":
            fields["functions"] = [call | {"priority": 1} for call in fields["functions"]]
    return fields | nothing | {"emitted_at": 0.25, "trace": {"span": "a1", "tags": [None]}}
