"""The agent's line: the websockets connection as typed Voice Agent messages.

Owns connecting, keep-alive and back-pressure. Leaves what is said to the call. Frames are handed
over from inside the protocol's own callback: no task and no queue lie between socket and call.
"""

import asyncio
import logging
from collections import deque
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

from bridge.errors import AgentUnavailable
from bridge.wire import deepgram, mulaw

OPEN_TIMEOUT_S: Final = 5.0
KEEP_ALIVE_S: Final = 5.0
"""The idle limit is about ten seconds and not documented (deepgram-voice-agent.md 1.5)."""
LARGEST_MESSAGE_BYTES: Final = 4 * 1024 * 1024
HELD_BACK_BYTES: Final = 2 * mulaw.SAMPLE_RATE_HZ
"""Caller audio held back while the line does not take it, oldest dropped first. What is older
than two seconds would only delay the talk."""
WRITE_BUFFER_BYTES: Final = 16 * 1024

# At DEBUG the library prints the Authorization header (trap G-15).
logging.getLogger("websockets.client").setLevel(logging.INFO)


class AgentEar(Protocol):
    """Who is told what the agent sends. Must not block, must not raise."""

    def agent_opened(self, agent: "AgentLink") -> None:
        """The line is open; said once, before anything else."""

    def agent_audio(self, audio: bytes) -> None:
        """A binary frame."""

    def agent_message(self, message: deepgram.FromAgent) -> None:
        """A text frame that we know."""

    def agent_unreadable(self, what: str) -> None:
        """A text frame of a kind we do not know, or malformed; ``what`` holds no content."""

    def agent_closed(self, code: int | None) -> None:
        """The line is gone; said once, last."""


class AgentLink(ClientConnection):
    """One session with the agent. Sending never waits: what the line does not take is bounded."""

    def __init__(
        self,
        protocol: ClientProtocol,
        *,
        ear: AgentEar,
        keep_alive_s: float,
        held_back_bytes: int,
        **options: Any,
    ) -> None:
        super().__init__(protocol, **options)
        self.dropped_bytes = 0
        """Caller audio that was dropped because the line did not take it."""
        self._ear = ear
        self._look_every_s = keep_alive_s / 2
        self._hold_at_most = held_back_bytes
        self._held_back: deque[bytes] = deque()
        self._held_back_bytes = 0
        self._fragments: list[bytes] = []
        self._open = False
        self._idle = True
        self._keep_alive: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        api_key: str,
        session_id: str,
        ear: AgentEar,
        keep_alive_s: float = KEEP_ALIVE_S,
        held_back_bytes: int = HELD_BACK_BYTES,
    ) -> "AgentLink":
        """Connect; ``Welcome`` arrives at the ear.

        Args:
            url: ``wss://…/v1/agent/converse``; the regional hosts differ.
            api_key: Sent as ``Token``; with ``Bearer`` it would be refused (1.2).
            session_id: The call's sid, for tracing at both ends.
            ear: Told everything that arrives, beginning before this method returns.
            keep_alive_s: At the latest after so long a silence of ours a KeepAlive is sent.
            held_back_bytes: Audio held back at most, in the line's own encoding.

        Raises:
            AgentUnavailable: refused (with its HTTP status), unreachable, or too slow.
        """

        def make(protocol: ClientProtocol, **options: Any) -> AgentLink:
            return cls(
                protocol,
                ear=ear,
                keep_alive_s=keep_alive_s,
                held_back_bytes=held_back_bytes,
                **options,
            )

        loopback = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
        try:
            link: ClientConnection = await connect(
                url,
                create_connection=make,  # type: ignore[arg-type]  # a factory does
                additional_headers={
                    "Authorization": f"Token {api_key}",
                    "x-deepgram-session-id": session_id,
                },
                compression=None,
                open_timeout=OPEN_TIMEOUT_S,
                ping_interval=20,
                ping_timeout=20,
                close_timeout=2,
                max_size=LARGEST_MESSAGE_BYTES,
                write_limit=WRITE_BUFFER_BYTES,
                proxy=None if loopback else True,
            )
        except InvalidStatus as refused:
            status = refused.response.status_code
            raise AgentUnavailable(
                f"handshake refused: {status}",
                status=status,
                retry_after_s=_retry_after_s(refused.response.headers),
            ) from refused
        except (OSError, TimeoutError, InvalidHandshake) as error:
            raise AgentUnavailable(f"{type(error).__name__}") from error
        assert isinstance(link, AgentLink)
        return link

    # --- us → agent --------------------------------------------------------------------------

    def send_voice(self, audio: bytes) -> None:
        """Caller audio, in order; held back, and at last dropped, while the line is full."""
        self._idle = False
        if self.paused:
            self._hold_back(audio)
        elif self.protocol.state is State.OPEN:
            self.protocol.send_binary(audio)
            self.send_data()

    def send_message(self, message: deepgram.ToAgent) -> None:
        """A message; small, so it is never held back."""
        self._idle = False
        if self._keep_alive is None and isinstance(message, deepgram.Settings):
            # Before Settings anything else is an error that ends the session (1.3).
            self._keep_alive = self.loop.call_later(self._look_every_s, self._watch_idleness)
        if self.protocol.state is State.OPEN:
            self.protocol.send_text(deepgram.encode(message).encode())
            self.send_data()

    def _hold_back(self, audio: bytes) -> None:
        self._held_back.append(audio)
        self._held_back_bytes += len(audio)
        while self._held_back_bytes > self._hold_at_most:
            dropped = len(self._held_back.popleft())
            self._held_back_bytes -= dropped
            self.dropped_bytes += dropped

    def resume_writing(self) -> None:
        """The transport takes data again: what was held back goes out in order."""
        super().resume_writing()
        while self._held_back and not self.paused and self.protocol.state is State.OPEN:
            audio = self._held_back.popleft()
            self._held_back_bytes -= len(audio)
            self.protocol.send_binary(audio)
            self.send_data()

    def _watch_idleness(self) -> None:
        """KeepAlive whenever nothing was sent for a while; audio itself keeps the line alive."""
        if self.protocol.state is not State.OPEN:
            return
        if self._idle:
            self.send_message(deepgram.KeepAlive())
        else:
            self._idle = True
        self._keep_alive = self.loop.call_later(self._look_every_s, self._watch_idleness)

    # --- agent → us --------------------------------------------------------------------------

    def process_event(self, event: Event) -> None:
        """Data frames go straight to the ear; everything else is the library's."""
        if self.response is None or not isinstance(event, Frame):
            super().process_event(event)
            if self.protocol.handshake_exc is None:
                self._open = True
                self._ear.agent_opened(self)
            return
        match event.opcode:
            case Opcode.BINARY if event.fin:
                self._ear.agent_audio(bytes(event.data))
            case Opcode.TEXT if event.fin:
                self._read(bytes(event.data))
            case Opcode.BINARY | Opcode.TEXT:
                self._fragments = [bytes(event.data)]
                self._fragments_are_audio = event.opcode is Opcode.BINARY
            case Opcode.CONT:
                self._fragments.append(bytes(event.data))
                if event.fin:
                    whole, self._fragments = b"".join(self._fragments), []
                    if self._fragments_are_audio:
                        self._ear.agent_audio(whole)
                    else:
                        self._read(whole)
            case _:
                super().process_event(event)

    def _read(self, text: bytes) -> None:
        try:
            message = deepgram.from_agent.read(text)
        except deepgram.Malformed as malformed:
            self._ear.agent_unreadable(str(malformed))
            return
        if isinstance(message, deepgram.Unknown):
            self._ear.agent_unreadable(f"unknown kind {message.kind}")
        else:
            self._ear.agent_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone."""
        super().connection_lost(exc)
        if self._keep_alive is not None:
            self._keep_alive.cancel()
        if self._open:
            self._ear.agent_closed(self.close_code)


def _retry_after_s(headers: Headers) -> float | None:
    """Seconds that a refusal asks us to wait, given as such or as an instant (RFC 9110, 10.2.3).

    An instant counts from the answer's own ``Date``: so the two clocks need not agree.
    """
    asked = headers.get_all("Retry-After")
    if len(asked) != 1:
        return None
    if asked[0].isascii() and asked[0].isdigit():
        return float(asked[0][:9])
    try:
        instant, sent = (parsedate_to_datetime(text) for text in (asked[0], headers["Date"]))
        return max(0.0, (instant - sent).total_seconds())
    except (ValueError, TypeError, LookupError):
        return None
