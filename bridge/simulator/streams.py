"""The media streams of one call, one after the other: opened, held to their end, reported.

Leaves what follows a stream to the TwiML (``bridge.simulator.twiml_player``): all it says is
whether the call goes on.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Literal

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from bridge.simulator import events
from bridge.simulator.clock import Clock
from bridge.simulator.diary import Diary
from bridge.simulator.handshake import HandshakeFailed, dial
from bridge.simulator.knobs import Knobs
from bridge.simulator.media_socket import Closing, MediaSocket
from bridge.simulator.person import Deed, Person
from bridge.simulator.report import StreamReport
from bridge.simulator.requests import Requests
from bridge.simulator.sids import new_sid
from bridge.simulator.stream import MediaStream
from bridge.simulator.twiml_player import StreamEnding
from bridge.simulator.verbs import StreamNoun
from bridge.simulator.webhook import Route

__all__ = ["Streams"]

_REPLAY_S = 5.0
"""How long a bridge may take to close a socket that repeats a token."""

_NO_CLOSE_FRAME = 1006

StreamEvent = Literal["stream-stopped", "stream-error"]


class Streams:
    """Every ``<Connect><Stream>`` of a call: same call, a new stream sid each time (F24)."""

    def __init__(
        self,
        *,
        account_sid: str,
        call_sid: str,
        auth_token: str,
        seed: int,
        route: Route,
        knobs: Knobs,
        person: Person,
        requests: Requests,
        diary: Diary,
        clock: Clock,
        warn: Callable[[int, str], None],
    ) -> None:
        self.ended: list[StreamReport] = []
        self.replay_close_code: int | None = None
        self._account_sid = account_sid
        self._call_sid = call_sid
        self._auth_token = auth_token
        self._seed = seed
        self._chance = random.Random(f"streams {seed}")
        self._route = route
        self._knobs = knobs
        self._person = person
        self._requests = requests
        self._diary = diary
        self._clock = clock
        self._warn = warn
        self._socket: MediaSocket | None = None
        self._none_is_up = asyncio.Event()
        self._abandoned: list[MediaSocket] = []

    def tick(self, deed: Deed, now: float) -> bool:
        """20 ms of the caller for the stream that is up; false when there is none."""
        if self._socket is None:
            return False
        self._socket.tick(deed, now)
        return True

    async def hang_up(self) -> None:
        """The caller is gone: ``stop``, then the close frame; returns when that is on record."""
        if self._socket is not None:
            await self._socket.hang_up()
            await self._none_is_up.wait()

    def abandon(self) -> None:
        """Drops the sockets that Twilio had left open after an error."""
        for socket in self._abandoned:
            socket.abandon()

    async def run(self, noun: StreamNoun) -> StreamEnding:
        """One stream from its handshake to its end, and the seam behind it."""
        timings = self._knobs.timings
        await self._clock.sleep(timings.handshake_s)
        stream_sid = new_sid("MZ")
        asked_at = self._clock.now()
        try:
            connection = await self._dial(noun)
        except HandshakeFailed as failure:
            self._warn(failure.code, str(failure))
            self._requests.tell_stream(noun, stream_sid, "stream-error", str(failure))
            await self._clock.sleep(timings.seam_s)
            return StreamEnding(call_goes_on=True, why=str(failure))
        opened_at = self._clock.now()
        self._diary.note(
            events.StreamOpened,
            opened_at,
            stream_sid=stream_sid,
            handshake_ms=(opened_at - asked_at) * 1000,
        )
        self._person.scene.marks = 0
        self._none_is_up.clear()
        self._socket = self._new_socket(connection, noun, stream_sid, opened_at)
        closing = await self._hold(self._socket, noun)
        return await self._after(self._socket, noun, closing, opened_at)

    async def _dial(self, noun: StreamNoun) -> ClientConnection:
        if noun.fault is not None:
            raise HandshakeFailed(noun.fault.code, noun.fault.why)
        return await dial(noun.url, self._route, self._auth_token, self._knobs)

    def _new_socket(
        self, connection: ClientConnection, noun: StreamNoun, stream_sid: str, opened_at: float
    ) -> MediaSocket:
        parameters = self._knobs.mischief.parameters
        stream = MediaStream(
            account_sid=self._account_sid,
            call_sid=self._call_sid,
            stream_sid=stream_sid,
            parameters=noun.parameters if parameters is None else parameters,
            heard=self._person.heard,
            opened_at=opened_at,
            first_media_at=opened_at + self._chance.uniform(*self._knobs.timings.first_media_s),
            weather=self._knobs.weather,
            seed=self._seed + len(self.ended),
        )
        return MediaSocket(
            connection,
            stream,
            person=self._person,
            diary=self._diary,
            clock=self._clock,
            warn=self._warn,
            send_buffer_bytes=self._knobs.send_buffer_bytes,
        )

    async def _hold(self, socket: MediaSocket, noun: StreamNoun) -> Closing:
        mischief = self._knobs.mischief
        running = asyncio.create_task(socket.run())
        try:
            if mischief.start_after_s:
                await asyncio.wait({running}, timeout=mischief.start_after_s)
            if running.done():
                return running.result()
            socket.begin()
            self._requests.tell_stream(noun, socket.stream.stream_sid, "stream-started", "")
            for junk in mischief.junk:
                socket.put(junk.replace("{stream_sid}", socket.stream.stream_sid))
            for binary in mischief.binary_junk:
                socket.put(binary)
            if mischief.replay and not self.ended:
                self._requests.errand(self._replay(noun.url, socket.opening))
            return await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _after(
        self, socket: MediaSocket, noun: StreamNoun, closing: Closing, opened_at: float
    ) -> StreamEnding:
        closed_at = self._clock.now()
        self._socket = None
        # Assumed: the queue belongs to the stream and is lost with it (F20).
        marks_left = len(socket.stream.line.clear(closed_at).marks)
        began_at = self._diary.began_at
        self.ended.append(
            socket.report(closing, opened_at - began_at, closed_at - began_at, marks_left)
        )
        self._diary.note(
            events.StreamClosed,
            closed_at,
            stream_sid=socket.stream.stream_sid,
            by=closing.by,
            code=closing.close_code,
        )
        if closing.by == "protocol":
            self._abandoned.append(socket)
        if closing.by == "loss":
            await self._clock.sleep(self._knobs.timings.detection_s)
        if closing.warning is not None:
            self._warn(closing.warning, closing.why)
        sid, event = socket.stream.stream_sid, self._callback_after(closing)
        self._requests.tell_stream(noun, sid, event, closing.why)
        self._none_is_up.set()
        if closing.by == "caller" or (closing.by == "loss" and self._knobs.loss_ends_call):
            return StreamEnding(call_goes_on=False, why=closing.why)
        await self._clock.sleep(self._knobs.timings.seam_s)
        return StreamEnding(call_goes_on=True, why=closing.why)

    def _callback_after(self, closing: Closing) -> StreamEvent:
        match closing.by:
            case "caller":
                return "stream-stopped"
            case "bridge":
                return self._knobs.stream_event_after_close
            case _:
                return "stream-error"

    async def _replay(self, url: str, opening: list[str]) -> None:
        try:
            connection = await dial(url, self._route, self._auth_token, self._knobs)
        except HandshakeFailed as failure:
            self.replay_close_code = failure.code
            return
        async with connection:
            try:
                for text in opening:
                    await connection.send(text)
                async with asyncio.timeout(_REPLAY_S):
                    while True:
                        await connection.recv()
            except ConnectionClosed as closed:
                self.replay_close_code = closed.rcvd.code if closed.rcvd else _NO_CLOSE_FRAME
            except TimeoutError:
                return
