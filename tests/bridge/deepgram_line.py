"""Deepgram's two doors on ephemeral ports: the agent's WebSocket and the speech API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from bridge.wire import deepgram
from tests.bridge.waiting import until

Play = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def agent_server(play: Play, **options: Any) -> AsyncIterator[str]:
    """Serves ``play`` for every session; gives the URL."""
    async with serve(play, "127.0.0.1", 0, **options) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1/agent/converse"


class Session:
    """One session as the agent sees it: configured by the book, everything kept."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.call_sid = socket.request.headers.get("x-deepgram-session-id", "")
        self.voice = bytearray()
        self.messages: list[deepgram.ToAgent] = []
        self.over = False

    async def run(self) -> None:
        await self.says(deepgram.Welcome(request_id="r"))
        async for frame in self.socket:
            if isinstance(frame, bytes):
                self.voice += frame
                continue
            message = deepgram.to_agent.read(frame)
            assert not isinstance(message, deepgram.Unknown)
            self.messages.append(message)
            if isinstance(message, deepgram.Settings):
                await self.says(deepgram.SettingsApplied())

    async def says(self, message: deepgram.FromAgent) -> None:
        await self.socket.send(deepgram.encode(message))

    async def speaks(self, text: str, audio: bytes) -> None:
        await self.says(deepgram.ConversationText(role="assistant", content=text))
        await self.socket.send(audio)
        await self.says(deepgram.AgentAudioDone())

    @property
    def settings(self) -> deepgram.Settings:
        (settings,) = (one for one in self.messages if isinstance(one, deepgram.Settings))
        return settings


class FakeDeepgram:
    """Keeps the session of every call."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []

    async def play(self, socket: ServerConnection) -> None:
        session = Session(socket)
        self.sessions.append(session)
        try:
            await session.run()
        finally:
            session.over = True

    async def session(self, call_sid: str, nth: int = 0) -> Session:
        """The configured session of a call; the ``nth`` if it has several."""

        def ready() -> Session | None:
            of_call = [one for one in self.sessions if one.call_sid == call_sid]
            return of_call[nth] if len(of_call) > nth and of_call[nth].messages else None

        await until(ready)
        session = ready()
        assert session is not None
        return session


@asynccontextmanager
async def speech_server(status: int = 200) -> AsyncIterator[str]:
    """A speech API that says every text as a tenth of a second of its own; gives its origin."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        body = await reader.readexactly(length)
        sound = bytes([sum(body) % 251]) * 800
        answer_head = f"HTTP/1.1 {status} -\r\ncontent-length: {len(sound)}\r\n"
        writer.write(answer_head.encode() + b"connection: close\r\n\r\n" + sound)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
