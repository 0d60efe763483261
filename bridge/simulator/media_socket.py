"""One media WebSocket held as Twilio holds it: signed handshake, frames out, what came of its end.

Leaves message shapes and the playback clock to ``bridge.simulator.stream``, and what follows the
end to ``bridge.simulator.caller``.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Literal

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    NegotiationError,
)
from websockets.typing import Subprotocol

from bridge.simulator import events
from bridge.simulator.checks import Fault, MarkHere
from bridge.simulator.clock import Clock
from bridge.simulator.diary import Diary
from bridge.simulator.knobs import Knobs
from bridge.simulator.line import Cleared
from bridge.simulator.person import Deed, Person
from bridge.simulator.report import StreamReport
from bridge.simulator.stream import MediaStream, MediaTaken, Reaction
from bridge.simulator.webhook import Route, handshake_signature
from bridge.wire import mulaw

__all__ = ["Closing", "HandshakeFailed", "MediaSocket", "dial"]

NO_ANSWER = 31901
REFUSED = 31902
LOST = 31903
TLS = 31910
NOT_SWITCHED = 31920
BRIDGE_CLOSED = 31921
PROTOCOL = 31924
TOO_SLOW = 31930

_SUBPROTOCOL = Subprotocol("audio.twilio.com")
_LARGEST_MESSAGE_BYTES = 16 * 1024 * 1024
"""No limit is documented; a bridge may well queue a minute of speech in one message."""

_GOODBYE_S = 2.0
"""How long the other side has to answer our close frame."""

_PROTOCOL_ERROR_CODES = (1002, 1007, 1009)


class HandshakeFailed(Exception):
    """No media stream came of it; ``code`` is Twilio's number for why (F7, F8)."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """How a socket came to its end."""

    by: Literal["caller", "bridge", "loss", "protocol"]
    close_code: int | None = None
    warning: int | None = None
    why: str = ""


async def dial(url: str, route: Route, auth_token: str, knobs: Knobs) -> ClientConnection:
    """Opens a media WebSocket as Twilio does: signed over the URL of the TwiML, no compression.

    Raises:
        HandshakeFailed: with Twilio's number for the reason.
    """
    kind = knobs.mischief.handshake_signature
    try:
        return await connect(
            route.connect_to(url),
            additional_headers=handshake_signature(url, auth_token, kind),
            user_agent_header="Twilio.TmeWs/1.0",
            subprotocols=[_SUBPROTOCOL] if knobs.subprotocol_offered else None,
            compression=None,
            proxy=None,
            open_timeout=knobs.timings.handshake_timeout_s,
            close_timeout=_GOODBYE_S,
            ping_interval=None,
            max_size=_LARGEST_MESSAGE_BYTES,
            max_queue=None,
            # Sending never waits: whether the bridge reads fast enough is judged by F14.
            write_limit=_LARGEST_MESSAGE_BYTES,
        )
    except TimeoutError as silence:
        raise HandshakeFailed(NO_ANSWER, "no answer to the handshake") from silence
    except ssl.SSLError as fault:
        raise HandshakeFailed(TLS, f"TLS: {fault.reason}") from fault
    except InvalidStatus as answer:
        status = answer.response.status_code
        raise HandshakeFailed(NOT_SWITCHED, f"handshake answered {status}") from answer
    except NegotiationError as answer:
        raise HandshakeFailed(PROTOCOL, f"handshake: {answer}") from answer
    except (InvalidHandshake, InvalidMessage) as answer:
        raise HandshakeFailed(NOT_SWITCHED, f"handshake: {answer}") from answer
    except OSError as refused:
        raise HandshakeFailed(REFUSED, f"connection refused: {refused}") from refused


class MediaSocket:
    """An open socket and the stream that runs over it."""

    def __init__(
        self,
        connection: ClientConnection,
        stream: MediaStream,
        *,
        person: Person,
        diary: Diary,
        clock: Clock,
        warn: Callable[[int, str], None],
        send_buffer_bytes: int,
    ) -> None:
        self.stream = stream
        self.opening: list[str] = []
        self.started_at: float | None = None
        self.first_media_at: float | None = None
        self.sent_frames = 0
        self.dropped_frames = 0
        self.received_messages = 0
        self.marks_asked = 0
        self._connection = connection
        self._person = person
        self._diary = diary
        self._clock = clock
        self._warn = warn
        self._warned: set[int] = set()
        self._send_buffer_bytes = send_buffer_bytes
        self._outbox: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._outbox_bytes = 0
        self._ended_by: Closing | None = None

    async def run(self) -> Closing:
        """Reads until the socket ends, and writes what is put; returns how it ended."""
        writer = asyncio.create_task(self._write())
        try:
            while self._ended_by is None:
                self._receive(await self._connection.recv())
        except ConnectionClosed as closed:
            self._ended_by = self._ended_by or _closing(closed)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return self._ended_by

    def begin(self) -> None:
        """``connected`` and ``start``."""
        self.opening = self.stream.opening()
        for text in self.opening:
            self.put(text)
        self.started_at = self._clock.now()

    def tick(self, deed: Deed, now: float) -> None:
        """20 ms of the caller go out; marks that have been reached come back."""
        if self._ended_by is not None or self.started_at is None:
            return
        for reaction in self.stream.advance(now):
            self._take(reaction, now)
        if deed.press is not None:
            self.put(self.stream.press(deed.press))
        for text in self.stream.frame(deed.frame, speaking=deed.speaking, now=now):
            self._put_media(text, now)

    def put(self, frame: str | bytes) -> None:
        """Queues one message for the socket."""
        self._outbox.put_nowait(frame)
        self._outbox_bytes += len(frame)

    async def hang_up(self) -> None:
        """``stop``, then the close frame: the caller is gone."""
        if self._ended_by is not None:
            return
        self._ended_by = Closing(by="caller")
        if self.started_at is not None:
            self.put(self.stream.stop())
        self._outbox.put_nowait(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self._outbox.join()
        await self._connection.close()

    def abandon(self) -> None:
        """Drops the connection on the floor."""
        self._connection.transport.abort()

    def report(
        self, closing: Closing, opened_at_s: float, closed_at_s: float, marks_left: int
    ) -> StreamReport:
        """What came of the stream, now that it has ended."""
        first_media_ms = None
        if self.first_media_at is not None and self.started_at is not None:
            first_media_ms = (self.first_media_at - self.started_at) * 1000
        return StreamReport(
            stream_sid=self.stream.stream_sid,
            parameters=self.stream.parameters,
            opened_at_s=opened_at_s,
            closed_at_s=closed_at_s,
            closed_by=closing.by,
            close_code=closing.close_code,
            first_media_ms=first_media_ms,
            sent_frames=self.sent_frames,
            dropped_frames=self.dropped_frames,
            received_messages=self.received_messages,
            marks_asked=self.marks_asked,
            marks_left=marks_left,
        )

    def _put_media(self, text: str, now: float) -> None:
        waiting = self._outbox_bytes + self._connection.transport.get_write_buffer_size()
        if waiting > self._send_buffer_bytes:
            self.dropped_frames += 1
            self._fault_once(Fault(code=TOO_SLOW, why="the bridge reads too slowly"))
            return
        self.sent_frames += 1
        if self._person.scene.stream_at is None:
            self._person.scene.stream_at = now
        self.put(text)

    async def _write(self) -> None:
        while True:
            frame = await self._outbox.get()
            if frame is not None:
                self._outbox_bytes -= len(frame)
                with contextlib.suppress(ConnectionClosed):  # the reader tells
                    await self._connection.send(frame)
                    self._diary.message("sent", self._clock.now(), frame)
            self._outbox.task_done()

    def _receive(self, frame: str | bytes) -> None:
        now = self._clock.now()
        self.received_messages += 1
        self._diary.message("received", now, frame)
        if self._ended_by is None and self.started_at is not None:
            self._take(self.stream.receive(frame, now), now)

    def _take(self, reaction: Reaction, now: float) -> None:
        cleared = isinstance(reaction.did, Cleared)
        match reaction.did:
            case MediaTaken():
                if self.first_media_at is None:
                    self.first_media_at = now
            case MarkHere():
                self.marks_asked += 1
            case Cleared(marks=marks, cut=cut):
                self._person.scene.cleared_at = now
                self._diary.note(
                    events.QueueCleared,
                    now,
                    cut_ms=mulaw.duration_ms(len(cut)),
                    marks=len(marks),
                    after_speech_ms=self._person.speaking_since_ms(now),
                )
            case Fault() as fault:
                if not fault.ends_stream:
                    self._fault_once(fault)
                else:
                    self._ended_by = Closing(by="protocol", warning=PROTOCOL, why=fault.why)
        for name, text in zip(reaction.echoed, reaction.replies, strict=True):
            self._person.scene.marks += not cleared
            self.put(text)
            self._diary.note(events.MarkEchoed, now, name=name, reached=not cleared)

    def _fault_once(self, fault: Fault) -> None:
        # "reported once per stream" (1.8) is said of some codes; all are treated alike here.
        if fault.code not in self._warned:
            self._warned.add(fault.code)
            self._warn(fault.code, fault.why)


def _closing(closed: ConnectionClosed) -> Closing:
    if closed.rcvd is not None:
        code = closed.rcvd.code
        return Closing(by="bridge", close_code=code, warning=BRIDGE_CLOSED, why="bridge closed")
    if closed.sent is not None and closed.sent.code in _PROTOCOL_ERROR_CODES:
        return Closing(by="protocol", warning=PROTOCOL, why=closed.sent.reason)
    return Closing(by="loss", warning=LOST, why="the socket died without a close frame")
