"""A bridge of sixty lines over real sockets, and calls of the fake Twilio placed at it."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from bridge.simulator import caller
from bridge.simulator.knobs import Knobs, Timings
from bridge.simulator.report import CallReport
from bridge.simulator.scenario import CallerStep, Scenario
from bridge.wire import twilio

PUBLIC_URL = "https://bridge.example.com"
TOKEN = "0123456789abcdef"
SPEED = 8.0
FAST = Timings(handshake_s=0, seam_s=0.05, first_media_s=(0.0, 0.0))

CONNECT = """<Response>
  <Connect action="/next"><Stream url="wss://bridge.example.com/twilio/media"
    statusCallback="/stream-status"><Parameter name="tok" value="t1"/></Stream></Connect>
  <Redirect>/never</Redirect>
</Response>"""
NEXT = "<Response/>"


def tone(milliseconds: int) -> bytes:
    """Loud and not periodic in 20 ms, so that every frame of it is audible."""
    return bytes((0x10 if at % 7 < 4 else 0x90) for at in range(milliseconds * 8))


class StubVoices:
    """Text length is speech length: one character is 10 ms."""

    def render(self, text: str, voice: str) -> bytes:
        return tone(len(text) * 10)


class Peer:
    """The bridge's end of a media socket."""

    def __init__(self, reader, writer, protocol: ServerProtocol) -> None:
        self.reader, self.writer, self.protocol = reader, writer, protocol
        self.stream_sid = ""
        self.start: dict = {}
        self.close_code: int | None = None

    def flush(self) -> None:
        for piece in self.protocol.data_to_send():
            if piece:
                self.writer.write(piece)
            else:
                self.writer.close()

    async def messages(self) -> AsyncIterator[dict]:
        while True:
            for frame in self.protocol.events_received():
                if getattr(frame, "opcode", None) is Opcode.TEXT:
                    message = json.loads(frame.data)
                    if message["event"] == "start":
                        self.stream_sid, self.start = message["streamSid"], message
                    yield message
                if getattr(frame, "opcode", None) is Opcode.CLOSE:
                    self.close_code = self.protocol.close_rcvd.code
            self.flush()
            chunk = await self.reader.read(65536)
            if not chunk:
                return
            self.protocol.receive_data(chunk)

    def text(self, text: str) -> None:
        self.protocol.send_text(text.encode())
        self.flush()

    def binary(self, sound: bytes) -> None:
        self.protocol.send_binary(sound)
        self.flush()

    def play(self, sound: bytes) -> None:
        self.text(twilio.media_text(self.stream_sid, sound))

    def mark(self, name: str) -> None:
        body = twilio.MarkBody(name=name)
        self.text(twilio.encode(twilio.SendMark(stream_sid=self.stream_sid, mark=body)))

    def clear(self) -> None:
        self.text(twilio.encode(twilio.Clear(stream_sid=self.stream_sid)))

    def close(self, code: int = 1000) -> None:
        self.protocol.send_close(code)
        self.flush()

    def abort(self) -> None:
        self.writer.transport.abort()


async def frames_of(
    peer: Peer, seen: list[dict], *, when_started: Callable[[], Awaitable[object]] | None = None
) -> None:
    """Keeps the caller's frames: chunk, timestamp and sound."""
    async for message in peer.messages():
        if message["event"] == "start" and when_started is not None:
            await when_started()
        if message["event"] == "media":
            body = message["media"]
            seen.append(
                {
                    "chunk": int(body["chunk"]),
                    "timestamp": int(body["timestamp"]),
                    "sequence": int(message["sequenceNumber"]),
                    "sound": base64.b64decode(body["payload"]),
                }
            )


async def silent_until_the_end(peer: Peer) -> None:
    async for _ in peer.messages():
        pass


class TinyBridge:
    """Answers posts from a table and gives media sockets to a function."""

    def __init__(self, media: Callable[[Peer], Awaitable[None]]) -> None:
        self.documents = {"/twilio/voice": (200, CONNECT), "/next": (200, NEXT)}
        self.requests: list[tuple[str, dict, list]] = []
        self.handshakes: list[Request] = []
        self.peers: list[Peer] = []
        self.refuse_with: int | None = None
        self.put_status = 204
        self.media = media
        self.url = ""

    async def serve(self, reader, writer) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith((b"POST", b"PUT")):
                await self.answer(head, reader, writer)
            else:
                await self.upgrade(head, reader, writer)
        finally:
            writer.close()

    async def answer(self, head: bytes, reader, writer) -> None:
        lines = head.decode().split("\r\n")
        path = lines[0].split(" ")[1]
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        headers["x-twilio-signature"] = next(
            (line.split(": ")[1] for line in lines if line.startswith("x-twilio-sig")), ""
        )
        body = await reader.readexactly(int(headers["content-length"]))
        put = head.startswith(b"PUT")
        form = body if put else parse_qsl(body.decode(), keep_blank_values=True)
        self.requests.append((path, headers, form))
        status, text = (self.put_status, "") if put else self.documents.get(path, (200, ""))
        payload = text.encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: text/xml; charset=utf-8\r\n"
            f"content-length: {len(payload)}\r\nconnection: close\r\n\r\n".encode()
            + payload
        )
        await writer.drain()

    async def upgrade(self, head: bytes, reader, writer) -> None:
        protocol = ServerProtocol(max_size=None)
        protocol.receive_data(head)
        (request,) = protocol.events_received()
        self.handshakes.append(request)
        refused = self.refuse_with
        response = protocol.reject(refused, "") if refused else protocol.accept(request)
        protocol.send_response(response)
        peer = Peer(reader, writer, protocol)
        peer.flush()
        if not refused:
            self.peers.append(peer)
            await self.media(peer)

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.requests]


@asynccontextmanager
async def bridge_with(media, *, buffer_bytes: int = 65536) -> AsyncIterator[TinyBridge]:
    """``buffer_bytes``: what is taken from a peer before anybody reads it, by the kernel too."""
    bridge = TinyBridge(media)
    running: set[asyncio.Task] = set()

    async def serve(reader, writer) -> None:
        running.add(asyncio.current_task())
        await bridge.serve(reader, writer)

    door = socket.create_server(("127.0.0.1", 0))
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    server = await asyncio.start_server(serve, sock=door, limit=buffer_bytes)
    bridge.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield bridge
    finally:
        server.close()
        for task in running:
            task.cancel()
        results = await asyncio.gather(*running, return_exceptions=True)
    problems = [one for one in results if isinstance(one, Exception)]
    assert not [one for one in problems if not isinstance(one, ConnectionError)]


async def call(
    bridge: TinyBridge, *steps: CallerStep, knobs: Knobs | None = None, **more
) -> CallReport:
    return await caller.place_call(
        bridge.url,
        PUBLIC_URL,
        TOKEN,
        "AC" + "0" * 32,
        Scenario(name="test", summary="", caller=list(steps)),
        voices=StubVoices(),
        knobs=knobs or Knobs(timings=FAST),
        speed=SPEED,
        **more,
    )
