"""The caller's line: the media WebSocket as typed Twilio messages.

Owns bounds in both directions. Leaves meaning to the call. ``MediaProtocol`` is uvicorn's own
WebSocket protocol with one addition: a handler may have text frames handed over from inside the
protocol's callback, so that no task and no queue lie between socket and call.
"""

from collections import deque
from typing import Any, Final, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

from bridge.wire import twilio

DIRECT: Final = "holdfast.direct"
"""ASGI extension under which a handler finds its connection's ``MediaProtocol``."""

HELD_BACK_BYTES: Final = 2 * 1024 * 1024
"""Messages held back while Twilio reads slowly, oldest dropped first: more than two minutes of
sound, and the agent is never that far ahead."""


class CallerEar(Protocol):
    """Who is told what Twilio sends. Must not block, must not raise."""

    def caller_message(self, message: twilio.FromTwilio) -> None:
        """A message that we know, of our stream."""

    def caller_unreadable(self, what: str) -> None:
        """A frame that is no message of our stream; ``what`` holds no content."""


class MediaProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, which can be diverted to a ``CallerLink``."""

    link: "CallerLink | None" = None

    def handle_connect(self, event: Request) -> None:
        """Offer the diversion to whoever handles this connection."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[DIRECT] = self

    def divert(self, link: "CallerLink") -> None:
        """From now on ``link`` is given every message, those that wait in the queue first.

        The end of the connection still arrives through ASGI's ``receive``.
        """
        kept: list[Any] = []
        while not self.queue.empty():
            message: Any = self.queue.get_nowait()
            if message["type"] == "websocket.receive":
                link.read(message.get("text") or message.get("bytes") or b"")
            else:
                kept.append(message)
        for message in kept:
            self.queue.put_nowait(message)
        self.link = link
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def send_receive_event_to_app(self) -> None:
        """A whole message arrived."""
        link = self.link
        if link is None:
            super().send_receive_event_to_app()
            return
        frames, self.frames = self.frames, []
        if not self.close_sent:
            link.read(frames[0] if len(frames) == 1 else b"".join(frames))

    def resume_writing(self) -> None:
        """The transport takes data again."""
        super().resume_writing()
        if self.link is not None:
            self.link.flush()

    @property
    def full(self) -> bool:
        """True while the transport takes no more."""
        return not self.writable.is_set()

    @property
    def gone(self) -> bool:
        """True once either side has closed: by us, by Twilio, or for a frame beyond bounds."""
        return self.close_sent or self.disconnected or self.transport.is_closing()

    def write_text(self, text: bytes) -> None:
        """One text frame, now."""
        if self.conn.state is State.OPEN and not self.transport.is_closing():
            self.conn.send_text(text)
            self.transport.write(b"".join(self.conn.data_to_send()))


class CallerLink:
    """One media stream. Sending never waits: what Twilio does not take is bounded."""

    def __init__(self, connection: MediaProtocol, *, stream_sid: str, ear: CallerEar) -> None:
        self.dropped_texts = 0
        """Agent audio messages that were dropped because Twilio did not take them."""
        self._connection = connection
        self._stream_sid = stream_sid
        self._ear = ear
        self._held_back: deque[bytes] = deque()
        self._held_back_bytes = 0

    def listen(self) -> None:
        """Hand over what arrives to the ear from now on."""
        self._connection.divert(self)

    def read(self, text: str | bytes) -> None:
        """One frame from Twilio."""
        try:
            message = twilio.from_twilio.read(text)
        except twilio.Malformed as malformed:
            self._ear.caller_unreadable(str(malformed))
            return
        match message:
            case twilio.Unknown():
                self._ear.caller_unreadable(f"unknown kind {message.kind}")
            case twilio.Connected() | twilio.Start():
                self._ear.caller_unreadable("a second beginning")
            case _ if message.stream_sid != self._stream_sid:
                self._ear.caller_unreadable("another stream's message")
            case _:
                self._ear.caller_message(message)

    def play(self, audio: bytes) -> None:
        """µ-law for the caller, behind what was sent before."""
        self._send(twilio.media_text(self._stream_sid, audio).encode())

    def send(self, message: twilio.SendMark | twilio.Clear) -> None:
        """A mark, behind what was sent before; or a clear, ahead of what was held back."""
        if isinstance(message, twilio.Clear):
            self._held_back.clear()
            self._held_back_bytes = 0
        self._send(twilio.encode(message).encode())

    def _send(self, text: bytes) -> None:
        if not self._held_back and not self._connection.full:
            self._connection.write_text(text)
            return
        self._held_back.append(text)
        self._held_back_bytes += len(text)
        while self._held_back_bytes > HELD_BACK_BYTES:
            self._held_back_bytes -= len(self._held_back.popleft())
            self.dropped_texts += 1

    def flush(self) -> None:
        """Twilio reads again: what was held back goes out in order."""
        while self._held_back and not self._connection.full:
            text = self._held_back.popleft()
            self._held_back_bytes -= len(text)
            self._connection.write_text(text)


async def closed(receive: Any) -> int:
    """Wait for the end of a diverted connection; returns the close code."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return int(message.get("code") or 0)
