"""The client of a session, as the session speaks to it: messages out, frames in.

Leaves the socket's opening and closing to ``agent``.
"""

from collections.abc import AsyncIterator
from typing import Literal, Protocol

from bridge.simulator.board import CallNotes
from bridge.wire import deepgram


class Socket(Protocol):
    """A WebSocket as a session needs it."""

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Its frames, until it is closed."""
        ...

    async def send(self, message: str | bytes) -> None:
        """Sends one frame."""
        ...


class ClientLeft(Exception):
    """The client closed its socket."""


class Client:
    """Sends what a session has to say."""

    def __init__(self, socket: Socket, notes: CallNotes) -> None:
        self.socket = socket
        self.history = True
        """Whether ``History`` follows what was said, as ``Settings`` wants it."""
        self._notes = notes

    async def send(self, message: deepgram.FromAgent) -> None:
        """One message."""
        await self.socket.send(deepgram.encode(message))

    async def converse(self, role: Literal["user", "assistant"], content: str) -> None:
        """Something that was said."""
        await self.send(deepgram.ConversationText(role=role, content=content))
        if self.history:
            await self.send(deepgram.History(role=role, content=content))

    async def warn(self, code: str, description: str) -> None:
        """A ``Warning``, noted too."""
        self._notes.add("warning", code=code, content=description)
        await self.send(deepgram.Warning(code=code, description=description))
