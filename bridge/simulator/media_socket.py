"""One media WebSocket held as Twilio holds it: frames out, messages in, what came of its end.

Leaves opening it to ``handshake``, message shapes and the playback clock to ``stream``, and what
follows the end to ``streams``.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Literal

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from bridge.simulator import events
from bridge.simulator.checks import Fault, MarkHere
from bridge.simulator.clock import Clock
from bridge.simulator.diary import Diary
from bridge.simulator.handshake import GOODBYE_S, PROTOCOL
from bridge.simulator.line import Cleared
from bridge.simulator.network import Parcel
from bridge.simulator.person import Deed, Person
from bridge.simulator.report import StreamReport
from bridge.simulator.stream import MediaStream, MediaTaken, Reaction
from bridge.wire import mulaw

__all__ = ["BRIDGE_CLOSED", "Closing", "MediaSocket"]

LOST = 31903
BRIDGE_CLOSED = 31921
TOO_SLOW = 31930

_PROTOCOL_ERROR_CODES = (1002, 1007, 1009)


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """How a socket came to its end."""

    by: Literal["caller", "bridge", "loss", "protocol"]
    close_code: int | None = None
    warning: int | None = None
    why: str = ""


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
        self._dropped_speech_bytes = 0
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
        if self._person.scene.stream_at is None and now >= self.stream.first_media_at:
            self._person.scene.stream_at = now
        if deed.stall_ms is not None:
            self.stream.network.stall(now, deed.stall_ms / 1000)
        if deed.hold_ms is not None:
            self.stream.network.hold(now, deed.hold_ms / 1000)
        if deed.press is not None:
            self._put_all(self.stream.press(deed.press, now), now)
        self._put_all(self.stream.frame(deed.frame, speaking=deed.speaking, now=now), now)

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
            for parcel in self.stream.stop():
                self.put(parcel.text)
        self._outbox.put_nowait(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
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
            undelivered_speech_ms=mulaw.duration_ms(
                self.stream.undelivered_speech_bytes + self._dropped_speech_bytes
            ),
        )

    def _put_all(self, parcels: list[Parcel], now: float) -> None:
        for parcel in parcels:
            if parcel.is_sound:
                self._put_media(parcel, now)
            else:
                self.put(parcel.text)

    def _put_media(self, parcel: Parcel, now: float) -> None:
        waiting = self._outbox_bytes + self._connection.transport.get_write_buffer_size()
        if waiting > self._send_buffer_bytes:
            self.dropped_frames += 1
            self._dropped_speech_bytes += parcel.speech_bytes
            self._fault_once(Fault(code=TOO_SLOW, why="the bridge reads too slowly"))
            return
        self.sent_frames += 1
        self.put(parcel.text)

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
            self._put_all(self.stream.network.arrived(now), now)

    def _take(self, reaction: Reaction, now: float) -> None:
        cleared = isinstance(reaction.did, Cleared)
        match reaction.did:
            case MediaTaken():
                if self.first_media_at is None:
                    self.first_media_at = now
            case MarkHere():
                self.marks_asked += 1
            case Cleared(marks=marks, cut=cut, again=again):
                self._person.scene.cleared_at = now
                self._diary.note(
                    events.QueueCleared,
                    now,
                    cut_ms=mulaw.duration_ms(len(cut)),
                    marks=len(marks),
                    again=again,
                    after_speech_ms=self._person.speaking_since_ms(now),
                )
            case Fault() as fault:
                if not fault.ends_stream:
                    self._fault_once(fault)
                else:
                    self._ended_by = Closing(by="protocol", warning=PROTOCOL, why=fault.why)
        for name in reaction.echoed:
            self._person.scene.marks += not cleared
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
