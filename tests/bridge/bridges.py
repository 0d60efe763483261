"""A whole bridge on an ephemeral port, as Twilio sees it."""

import asyncio
import json
import signal
import socket
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from xml.etree import ElementTree

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bridge.app import create_app, serve
from bridge.desk import Live
from bridge.settings import Settings
from bridge.wire import signature
from tests.bridge.deepgram_line import FakeDeepgram, agent_server, speech_server
from tests.bridge.practices import PUBLIC_URL, TOKEN, bridge_settings

NUMBER = "+15550100200"
STREAM_URL = "wss://bridge.example.com/twilio/media"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Bridge:
    """A running bridge, and the ways in."""

    def __init__(self, settings: Settings, live: Live, deepgram: FakeDeepgram) -> None:
        self.settings = settings
        self.live = live
        self.deepgram = deepgram
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.port}", timeout=20.0, trust_env=False
        )
        self.serving: asyncio.Task[None] | None = None

    async def post(
        self, path: str, form: dict[str, str], *, signed: str | None = None
    ) -> httpx.Response:
        """A webhook, signed as Twilio signs unless ``signed`` says otherwise."""
        given = signature.sign(PUBLIC_URL + path, form.items(), TOKEN) if signed is None else signed
        headers = {"x-twilio-signature": given} if given else {}
        return await self.http.post(path, data=form, headers=headers)

    async def voice(self, call_sid: str, **form: str) -> httpx.Response:
        known = {"CallSid": call_sid, "To": NUMBER, "From": "+15550100123", "Digits": ""}
        return await self.post("/twilio/voice", known | form)

    async def resume(self, call_sid: str, **form: str) -> httpx.Response:
        known = {"CallSid": call_sid, "To": NUMBER, "CallStatus": "in-progress"}
        return await self.post("/twilio/resume", known | form)

    @asynccontextmanager
    async def line(self, *, signed: str | None = None, **options: Any) -> AsyncIterator["Line"]:
        """A media socket, nothing sent on it yet."""
        given = signature.sign(STREAM_URL, [], TOKEN) if signed is None else signed
        url = f"ws://127.0.0.1:{self.settings.port}/twilio/media"
        headers = {"x-twilio-signature": given} if given else {}
        async with connect(
            url, additional_headers=headers, compression=None, proxy=None, **options
        ) as socket:
            yield Line(socket)

    @asynccontextmanager
    async def call(self, call_sid: str) -> AsyncIterator["Line"]:
        """A call from the webhook to the ``start`` of its stream."""
        answer = await self.voice(call_sid)
        async with self.line() as line:
            await line.begin(call_sid, **parameters(answer))
            yield line

    def drain(self) -> None:
        """What the platform does to a process that is to go."""
        signal.raise_signal(signal.SIGTERM)


class Line:
    """Twilio's end of a media socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.stream_sid = "MZ1"
        self.sound = bytearray()
        self.messages: list[dict[str, Any]] = []

    async def send(self, event: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"event": event, "streamSid": self.stream_sid} | fields))

    async def begin(self, call_sid: str, **custom_parameters: str) -> None:
        self.stream_sid = f"MZ{call_sid}"
        await self.socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        await self.send(
            "start",
            sequenceNumber="1",
            start={
                "accountSid": "AC1",
                "streamSid": self.stream_sid,
                "callSid": call_sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": custom_parameters,
            },
        )

    async def says(self, audio: bytes) -> None:
        await self.send("media", media={"payload": b64encode(audio).decode(), "chunk": "1"})

    async def stops(self, call_sid: str) -> None:
        await self.send("stop", stop={"accountSid": "AC1", "callSid": call_sid})

    async def hear(self) -> dict[str, Any]:
        """The next message of the bridge."""
        message = json.loads(await asyncio.wait_for(self.socket.recv(), 20))
        self.messages.append(message)
        if message["event"] == "media":
            self.sound += b64decode(message["media"]["payload"])
        return message

    async def hear_bytes(self, count: int) -> bytes:
        while len(self.sound) < count:
            await self.hear()
        return bytes(self.sound)

    async def close_code(self) -> int | None:
        """How the bridge closes the socket; what it says before is kept."""
        try:
            while True:
                await self.hear()
        except ConnectionClosed:
            return self.socket.close_code


def parameters(answer: httpx.Response) -> dict[str, str]:
    """The ``<Parameter>`` elements of an answer."""
    root = ElementTree.fromstring(answer.text)
    return {one.get("name", ""): one.get("value", "") for one in root.iter("Parameter")}


@asynccontextmanager
async def a_bridge(
    redis_url: str, *, speech_status: int = 200, **changes: Any
) -> AsyncIterator[Bridge]:
    """A bridge that answers for the demo practice; at the end it is drained."""
    deepgram, live = FakeDeepgram(), Live()
    async with AsyncExitStack() as stack:
        known = {
            "redis_url": redis_url,
            "port": free_port(),
            "drain_s": 0.1,
            "deepgram_agent_url": await stack.enter_async_context(agent_server(deepgram.play)),
            "deepgram_api_url": await stack.enter_async_context(speech_server(speech_status)),
        }
        settings = bridge_settings(**(known | changes))
        bridge = Bridge(settings, live, deepgram)
        await stack.enter_async_context(bridge.http)
        bridge.serving = asyncio.create_task(serve(create_app(settings, live=live), settings, live))
        await _answers(bridge)
        try:
            yield bridge
        finally:
            if not bridge.serving.done():
                bridge.drain()
            await asyncio.wait_for(bridge.serving, 20)


async def _answers(bridge: Bridge) -> None:
    async with asyncio.timeout(20):
        while True:
            assert bridge.serving is not None
            if bridge.serving.done():
                await bridge.serving
            try:
                await bridge.http.get("/healthz")
                return
            except httpx.TransportError:
                await asyncio.sleep(0.005)
