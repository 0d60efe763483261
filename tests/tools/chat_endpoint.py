"""A server on this machine that behaves as OpenAI-compatible endpoints do, on bad days too."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Self

import msgspec

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Request(msgspec.Struct, frozen=True):
    line: str
    headers: dict[str, str]
    body: Any


class Server:
    """Gives each request the next of its replies, the last for ever."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []
        self.url = ""
        self._handling: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        host, port = self._listening.sockets[0].getsockname()
        self.url = f"http://{host}:{port}/v1"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._listening.close()
        for task in list(self._handling):
            task.cancel()
        await asyncio.gather(*self._handling, return_exceptions=True)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handling.add(task)
        try:
            await self._answer(reader, writer)
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._handling.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value
            for name, _, value in (each.partition(": ") for each in rest if each)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append(Request(line, headers, json.loads(body)))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        await reply(writer)


def answers(
    status: int, body: bytes = b"", *, headers: str = "", length: int | None = None
) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        size = len(body) if length is None else length
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {size}\r\n{headers}\r\n".encode())
        writer.write(body)
        await writer.drain()

    return reply


def says(text: Any) -> Reply:
    completion = {
        "id": "c1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
        "usage": {"total_tokens": 9},
    }
    return answers(200, json.dumps(completion).encode())


async def hangs(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def hangs_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def never_ends(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 1024)
        await writer.drain()
