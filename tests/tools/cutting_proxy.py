"""A proxy for HTTP that loses answers, breaks off, hangs, or answers in the server's place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

LOSE = "lose"
"""The server gets the request and answers; nobody hears it."""
BREAK_OFF = "break off"
"""Nobody gets the request."""
HANG = "hang"
"""The server does not get it, and no answer comes."""


class CuttingProxy:
    """Stands before one server; every request has a connection of its own."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.url = ""
        self.asked: list[str] = []
        """Methods, in the order in which they came."""
        self.faults: dict[str, list[str | bytes]] = {}
        """Method → what is done to its next requests; bytes are the whole answer."""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["CuttingProxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._one(reader, writer)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        method = lines[0].split(" ")[0]
        headers = {line.partition(":")[0].lower(): line.partition(":")[2] for line in lines[1:]}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked.append(method)
        faults = self.faults.get(method, [])
        fault = faults.pop(0) if faults else None
        if fault == BREAK_OFF:
            return
        if fault == HANG:
            await reader.read()  # until the other side gives up
            return
        answer = fault if isinstance(fault, bytes) else await self._passed_on(head, body)
        if fault != LOSE:
            writer.write(answer)
            await writer.drain()

    async def _passed_on(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._to)
        first, _, rest = head.partition(b"\r\n")
        kept = [line for line in rest.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        writer.write(b"\r\n".join((first, b"Connection: close", *kept)) + body)
        await writer.drain()
        try:
            return await reader.read()
        finally:
            writer.close()


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """A whole answer."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers)
    return "\r\n".join((*lines, "", "")).encode() + body
