"""The callers of a load test: many calls in one process, every frame at its time and stamped.

``python -m bridge.simulator.load_callers``; obeys ``load_control``. Each call goes the real way:
signed webhook, TwiML, signed handshake, ``start``, 50 frames a second, marks echoed when the
playback clock reaches them, ``clear`` obeyed.
"""

import asyncio
import contextlib
import sys
import time
from binascii import b2a_base64
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import uvloop

from bridge.simulator import document
from bridge.simulator.knobs import Mischief, Weather
from bridge.simulator.lean_socket import LeanSocket, request_of
from bridge.simulator.line import Track
from bridge.simulator.load_control import (
    CallerOrders,
    CallerResult,
    Go,
    OpenWindow,
    Order,
    Ready,
    Up,
    serve,
)
from bridge.simulator.pacer import Pacer
from bridge.simulator.sids import new_sid
from bridge.simulator.stamps import FILLER, Delays, Receipts, Window, is_stamped, stamp
from bridge.simulator.stream import MediaStream
from bridge.simulator.verbs import Connect, StreamNoun
from bridge.simulator.webhook import (
    NoAnswer,
    Route,
    Webhooks,
    handshake_signature,
    voice_parameters,
)
from bridge.wire import mulaw, twilio

__all__ = ["main"]

_OPENED_WITHIN_S = 10.0
_FILLER_TEXT = b2a_base64(FILLER, newline=False)
_FIRST_TIMESTAMP_MS = 160


class CouldNotCall(Exception):
    """A call that did not come up; the text says why."""


class _Callers:
    """What all calls share."""

    def __init__(self, orders: CallerOrders, client: httpx.AsyncClient) -> None:
        self.orders = orders
        self.route = Route(public_url=orders.public_url, bridge_url=orders.bridge_url)
        self.webhooks = Webhooks(client, self.route, orders.auth_token, Mischief())
        self.pacer = Pacer()
        self.window = Window()
        self.delays = Delays()
        self.newest = Delays()
        self.greetings = Delays()
        self.calls: list[_Call] = []
        self.finishing = False
        self.ended_early = 0
        self.malformed = 0

    async def place(self) -> "_Call":
        """One call, up to its first frame."""
        call_sid = new_sid("CA")
        noun = await self._twiml(call_sid)
        call = _Call(self, noun, call_sid)
        await call.open()
        self.calls.append(call)
        self.pacer.join(call)
        return call

    async def _twiml(self, call_sid: str) -> StreamNoun:
        orders = self.orders
        parameters = voice_parameters(
            account_sid=orders.account_sid,
            call_sid=call_sid,
            from_number="+12125550142",
            to_number=orders.to_number,
            call_status="ringing",
        )
        try:
            answer = await self.webhooks.ask(f"{orders.public_url}/twilio/voice", parameters)
            if not answer.good:
                raise CouldNotCall(f"the webhook was answered {answer.status}")
            read = document.read(answer.body, url=answer.url, content_type=answer.content_type)
        except (NoAnswer, document.Unreadable) as failure:
            raise CouldNotCall(str(failure)) from failure
        for verb in read.verbs:
            if isinstance(verb, Connect):
                return verb.stream
        raise CouldNotCall("the TwiML has no <Connect>: is the practice's number right?")

    def result(self) -> CallerResult:
        """What was measured here."""
        return CallerResult(
            delays=dict(self.delays.counts),
            newest=dict(self.newest.counts),
            received=sum(call.receipts.received for call in self.calls),
            lost=sum(call.receipts.lost for call in self.calls),
            lateness=dict(self.pacer.lateness.counts),
            cpu_s=time.process_time(),
            ended_early=self.ended_early,
            malformed=self.malformed,
            greetings=dict(self.greetings.counts),
            cleared={call.call_sid: call.cleared_ns for call in self.calls},
        )


class _Call(LeanSocket):
    """One call's media socket."""

    masks = True

    def __init__(self, callers: _Callers, noun: StreamNoun, call_sid: str) -> None:
        super().__init__()
        self.receipts = Receipts(callers.delays, callers.newest, callers.window)
        self.call_sid = call_sid
        self.cleared_ns: list[int] = []
        self._callers = callers
        self._noun = noun
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._up = False
        self._stream_sid = new_sid("MZ")
        self._started_ns = 0
        """When ``start`` was said, until the first sound."""
        self._sequence = 1
        self._chunk = 0
        self._played_until_ns = 0
        self._marks: deque[tuple[int, str]] = deque()
        middle = f'","streamSid":"{self._stream_sid}","media":{{"track":"inbound","chunk":"'
        self._middle = middle.encode()

    async def open(self) -> None:
        """Dials, and says ``start``."""
        url = self._callers.route.connect_to(self._noun.url)
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or {"ws": 80, "wss": 443}[parts.scheme]
        headers = handshake_signature(
            self._noun.url, self._callers.orders.auth_token, "right"
        )  # fmt: skip
        try:
            async with asyncio.timeout(_OPENED_WITHIN_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: self, host, port, ssl=parts.scheme == "wss" or None
                )
                assert self.transport is not None
                self.transport.write(request_of(url, headers))
                await self._opened
        except TimeoutError as silence:
            raise CouldNotCall("media socket: no answer") from silence
        except OSError as refused:
            raise CouldNotCall(f"media socket: {refused}") from refused
        self._up = True
        opening = MediaStream(
            account_sid=self._callers.orders.account_sid,
            call_sid=self.call_sid,
            stream_sid=self._stream_sid,
            parameters=self._noun.parameters,
            heard=Track(0),
            opened_at=0,
            first_media_at=0,
            weather=Weather(),
            seed=0,
        ).opening()
        for text in opening:
            self._started_ns = time.monotonic_ns()  # "start" is the last of them
            self.send_text(text.encode())

    def on_head(self, head: bytes) -> bool:
        """The answer to the handshake."""
        status = head.split(b"\r\n", 1)[0].decode("latin-1")
        if " 101" in status:
            if not self._opened.done():
                self._opened.set_result(None)
            return True
        if not self._opened.done():
            self._opened.set_exception(CouldNotCall(f"handshake answered {status}"))
        return False

    def on_text(self, text: bytes) -> None:
        """Sound, a mark or a clear."""
        try:
            message = twilio.to_twilio.read(text)
        except twilio.Malformed:
            self._callers.malformed += 1
            return
        match message:
            case twilio.SendMedia(media=media):
                if self._started_ns:
                    self._note_first_sound(media.payload)
                self.receipts.take(media.payload)
                length_ns = len(media.payload) * 1_000_000 // mulaw.BYTES_PER_MS
                self._played_until_ns = max(time.monotonic_ns(), self._played_until_ns) + length_ns
            case twilio.SendMark(mark=mark):
                self._marks.append((self._played_until_ns, mark.name))
            case twilio.Clear():
                self.cleared_ns.append(time.monotonic_ns())
                self._played_until_ns = 0
                self._echo_all(time.monotonic_ns(), cleared=True)
            case _:
                self._callers.malformed += 1

    def on_gone(self) -> None:
        """The socket has ended."""
        self._callers.pacer.leave(self)
        if not self._opened.done():
            self._opened.set_exception(CouldNotCall("the socket closed during the handshake"))
        if self._up and not self._callers.finishing:
            self._callers.ended_early += 1
        self._up = False

    def tick(self) -> None:
        """20 ms: marks whose sound was heard go back, one frame goes out."""
        if self._marks:
            self._echo_all(time.monotonic_ns(), cleared=False)
        self._sequence += 1
        self._chunk += 1
        timestamp = _FIRST_TIMESTAMP_MS + self._chunk * mulaw.FRAME_MS
        self.send_text(
            b'{"event":"media","sequenceNumber":"%d%b%d","timestamp":"%d","payload":"%b%b"}}'
            % (
                self._sequence,
                self._middle,
                self._chunk,
                timestamp,
                b2a_base64(stamp(self._chunk), newline=False),
                _FILLER_TEXT,
            )
        )

    def hang_up(self) -> None:
        """``stop`` and goodbye."""
        self._numbered("stop", {
            "accountSid": self._callers.orders.account_sid, "callSid": self.call_sid
        })  # fmt: skip
        self.close()

    def _note_first_sound(self, sound: bytes) -> None:
        if not is_stamped(sound):  # else it is the agent's: there was no greeting of ours
            waited_ns = time.monotonic_ns() - self._started_ns
            self._callers.greetings.add(waited_ns // 1000)
        self._started_ns = 0

    def _echo_all(self, now_ns: int, *, cleared: bool) -> None:
        while self._marks and (cleared or self._marks[0][0] <= now_ns):
            self._numbered("mark", {"name": self._marks.popleft()[1]})

    def _numbered(self, event: str, body: dict[str, Any]) -> None:
        self._sequence += 1
        message = {
            "event": event,
            "sequenceNumber": str(self._sequence),
            "streamSid": self._stream_sid,
            event: body,
        }
        self.send_text(msgspec.json.encode(message))


async def _place_all(callers: _Callers) -> Up:
    failures: list[str] = []

    async def one(number: int) -> None:
        await asyncio.sleep(number * callers.orders.stagger_s)
        try:
            await callers.place()
        except CouldNotCall as failure:
            failures.append(str(failure))

    await asyncio.gather(*(one(number) for number in range(callers.orders.calls)))
    return Up(calls=len(callers.calls), failures=failures)


async def _warm_up(callers: _Callers) -> None:
    """One call that does not count, so that first-time costs are not taken for calls' costs."""
    with contextlib.suppress(CouldNotCall):  # it will be told when the calls are placed
        call = await callers.place()
        await asyncio.sleep(1.0)
        callers.calls.remove(call)
        callers.pacer.leave(call)
        callers.finishing = True
        call.hang_up()
        await asyncio.sleep(0.2)
        callers.finishing = False
        callers.greetings.counts.clear()


async def _run(orders: CallerOrders) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        callers = _Callers(orders, client)
        callers.pacer.start()
        await _warm_up(callers)

        async def obey(order: Order) -> Up | CallerResult | None:
            match order:
                case Go():
                    return await _place_all(callers)
                case OpenWindow(from_ns=from_ns, until_ns=until_ns):
                    callers.pacer.lateness.counts.clear()
                    callers.window.set(from_ns, until_ns)
                    return None
            callers.finishing = True
            for call in callers.calls:
                call.hang_up()
            return callers.result()

        try:
            await serve(Ready(), obey)
        finally:
            callers.pacer.stop()


def main() -> None:
    """The process: orders from the first line of standard input."""
    uvloop.run(_run(msgspec.json.decode(sys.stdin.buffer.readline(), type=CallerOrders)))


if __name__ == "__main__":
    main()
