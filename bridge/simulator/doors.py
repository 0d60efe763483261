"""One port for both protocols: WebSocket upgrades go one way, plain HTTP the other.

``websockets`` serves upgrades only, and the emulator needs its sockets whole, with close frames
left out and connections aborted on demand. So the first bytes of a connection choose. Leaves what
is answered to ``routes`` and ``agent``.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import cast

import h11
import msgspec

_HEAD_LIMIT_BYTES = 32_768
_BODY_LIMIT_BYTES = 1_048_576
_READ_BYTES = 65_536


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request, read whole."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered: a body, or one that comes in pieces."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes | AsyncIterator[bytes] = b""


Respond = Callable[[Request], Awaitable[Answer]]


class Doorway(asyncio.Protocol):
    """Reads a connection's head and hands it to the protocol that it is for."""

    def __init__(
        self, websocket: Callable[[], asyncio.Protocol], http: Callable[[], asyncio.Protocol]
    ) -> None:
        self._websocket = websocket
        self._http = http
        self._seen = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of ``asyncio.Protocol``."""
        # Not checked: uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Part of ``asyncio.Protocol``."""
        self._seen += data
        if b"\r\n\r\n" not in self._seen and len(self._seen) < _HEAD_LIMIT_BYTES:
            return
        assert self._transport is not None
        head = self._seen.partition(b"\r\n\r\n")[0].lower()
        protocol = (self._websocket if b"\r\nupgrade: websocket" in head else self._http)()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._seen)


class HttpDoor:
    """Serves HTTP/1.1 connections, each in its own task."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._writers: set[asyncio.StreamWriter] = set()

    def protocol(self) -> asyncio.Protocol:
        """The protocol of one connection."""
        reader = asyncio.StreamReader()
        return asyncio.StreamReaderProtocol(reader, self._serve)

    def close(self) -> None:
        """Cuts every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        connection = h11.Connection(h11.SERVER)
        try:
            while await self._serve_one(connection, reader, writer):
                connection.start_next_cycle()
        except (ConnectionError, h11.RemoteProtocolError):
            pass  # the client left, or speaks no HTTP: its connection ends
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _serve_one(
        self,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """One request and its answer; False when it was the last."""
        request = await _read_request(connection, reader)
        if request is None:
            return False
        answer = await self._respond(request)
        await _write_answer(connection, writer, answer)
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE


async def _read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _BODY_LIMIT_BYTES:
                raise h11.RemoteProtocolError("body too large")
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _request(head, bytes(body))
        else:
            return None


def _request(head: h11.Request, body: bytes) -> Request:
    path, _, query = head.target.decode("latin-1").partition("?")
    return Request(
        method=head.method.decode("latin-1"),
        path=path,
        query=query,
        headers={
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers
        },
        body=body,
    )


async def _write_answer(
    connection: h11.Connection, writer: asyncio.StreamWriter, answer: Answer
) -> None:
    headers = dict(answer.headers)
    if isinstance(answer.body, bytes):
        headers["content-length"] = str(len(answer.body))
    response = h11.Response(status_code=answer.status, headers=list(headers.items()))
    writer.write(connection.send(response) or b"")
    if isinstance(answer.body, bytes):
        writer.write(connection.send(h11.Data(data=answer.body)) or b"")
    else:
        async for piece in answer.body:
            writer.write(connection.send(h11.Data(data=piece)) or b"")
            await writer.drain()
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()
