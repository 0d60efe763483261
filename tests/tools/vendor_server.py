"""A server on this machine that other people's APIs are played on, with the faults they have."""

import asyncio
import json
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

import msgspec


class Request(msgspec.Struct):
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: Any

    def asked(self, name: str) -> str:
        return dict(self.query).get(name, "")

    def all_asked(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]


class Reply(msgspec.Struct):
    status: int = 200
    body: Any = None
    headers: dict[str, str] = {}
    raw: bytes | None = None
    """In place of ``body``, as it is."""


class Fault(msgspec.Struct):
    """What happens to one request instead of, or besides, what should."""

    acts: bool = False
    """Whether it is done all the same."""
    reply: Reply | None = None
    """None: the line is cut, or (``passes``) nothing is wrong."""
    passes: bool = False
    hangs: bool = False
    """The answer never comes; the line stays."""


LOST = Fault(acts=True)
"""Done, and the answer lost."""
NONE = Fault(acts=True, passes=True)
"""Nothing yet."""
CUT = Fault()
"""The line cut before anything was done."""


def says(status: int, body: Any = None, **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(reply=Reply(status, body, named))


class VendorServer:
    """Keeps the connection open between requests, as they do."""

    content_type = "application/json"

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.url = ""
        self._faults: list[tuple[str, str, Fault]] = []
        self._handling: set[asyncio.Task[None]] = set()

    def act(self, request: Request) -> Reply:
        raise NotImplementedError

    def fail(self, method: str, path: str, *faults: Fault) -> None:
        """The next requests to a path that ends so, one fault each."""
        self._faults += [(method, path, fault) for fault in faults]

    def count(self, method: str, path: str) -> int:
        return sum(each.method == method and each.path == path for each in self.requests)

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        host, port = self._listening.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
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
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._handling.discard(task)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _read(reader)
        self.requests.append(request)
        fault = self._fault(request)
        reply = self.act(request) if fault is None or fault.acts else Reply()
        if fault is not None:
            if fault.hangs:
                await asyncio.Event().wait()
            if fault.reply is None and not fault.passes:
                return False
            reply = fault.reply or reply
        await _write(writer, reply, self.content_type_of(request))
        return True

    def content_type_of(self, request: Request) -> str:
        return self.content_type

    def _fault(self, request: Request) -> Fault | None:
        for place, (method, path, fault) in enumerate(self._faults):
            if request.method == method and request.path.endswith(path):
                del self._faults[place]
                return fault
        return None


async def _read(reader: asyncio.StreamReader) -> Request:
    line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = line.split(" ")
    path, _, query = target.partition("?")
    headers = {
        name.lower(): value for name, _, value in (each.partition(": ") for each in rest if each)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(
        method,
        unquote(path),
        parse_qsl(query, keep_blank_values=True),
        headers,
        json.loads(body) if body else None,
    )


async def _write(writer: asyncio.StreamWriter, reply: Reply, content_type: str) -> None:
    body = json.dumps(reply.body).encode() if reply.raw is None else reply.raw
    headers = {"Content-Length": str(len(body)), "Content-Type": content_type} | reply.headers
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode() + body)
    await writer.drain()
