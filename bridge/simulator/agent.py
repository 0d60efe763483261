"""The Voice Agent emulator: a server that speaks Deepgram's protocol and ``/v1/speak``.

Owns sockets: who is let in, and how a session's socket ends. Leaves the conversation to
``session`` and plain HTTP to ``routes``.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from bridge.simulator.board import Board, CallNotes
from bridge.simulator.doors import Doorway, HttpDoor
from bridge.simulator.ears import Ears
from bridge.simulator.endings import ClientLeft, Closed, Cut, Dropped, Hung
from bridge.simulator.faults import Faults, struck
from bridge.simulator.messages import Messages
from bridge.simulator.options import Options
from bridge.simulator.routes import Routes, authorised
from bridge.simulator.sayings import known_sounds
from bridge.simulator.scenario import Scenario, load
from bridge.simulator.session import Session
from bridge.simulator.speech import SpeechRoute
from bridge.simulator.strict.shapes import Refused
from bridge.simulator.voices import Voices
from bridge.wire.deepgram import Error, encode

AGENT_PATH = "/v1/agent/converse"
SESSION_HEADER = "x-deepgram-session-id"
DEFAULT_PORT = 8082
CLOSE_TIMEOUT_S = 1.0
NO_STATUS, NO_CLOSE_FRAME = 1005, 1006

_REASONS = {
    401: "Invalid credentials.",
    402: "Insufficient funds.",
    404: "Not found.",
    429: "Too many requests.",
    503: "Service unavailable.",
}


class _Connection(ServerConnection):
    """A client's connection, and the call it belongs to."""

    notes: CallNotes


class Emulator:
    """The server, while ``running`` lasts."""

    def __init__(self, options: Options, voices: Voices) -> None:
        self.options = options
        self.voices = voices
        self.board = Board(load(options.scenario))
        self.messages = Messages(options)
        self.port = 0
        self._connections: set[_Connection] = set()
        self._ears: dict[bytes, Ears] = {}

    @property
    def agent_url(self) -> str:
        """For ``DEEPGRAM_AGENT_URL``."""
        return f"ws://127.0.0.1:{self.port}{AGENT_PATH}"

    @property
    def http_url(self) -> str:
        """For ``DEEPGRAM_API_URL``, and where calls are announced."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_sessions(self) -> int:
        """Sockets that count against the limit, from the handshake until they are gone."""
        return len(self._connections)

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuses a handshake with a status, never with a JSON frame (1.3)."""
        if request.path.partition("?")[0] != AGENT_PATH:
            return _refuse(404)
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        if not _let_in(headers, self.options.api_key):
            return _refuse(401)
        if 0 < self.options.max_sessions <= self.open_sessions:
            return _refuse(429)
        call_sid = headers.get(SESSION_HEADER) or f"session-{id(connection):x}"
        notes = self.board.call(call_sid)
        faults = notes.scenario.faults
        assert isinstance(connection, _Connection)
        connection.notes = notes
        self._connections.add(connection)
        connection.connection_lost_waiter.add_done_callback(
            lambda _: self._connections.discard(connection)
        )
        if faults.handshake_delay_ms and struck(faults.slow_sessions, notes.sessions + 1):
            delay_s = faults.handshake_delay_ms / 1000 / self.options.pace
            await asyncio.wait([connection.connection_lost_waiter], timeout=delay_s)
        if _refused(faults, notes):
            notes.refusals += 1
            notes.add("refused", code=str(faults.refuse_status), name="handshake")
            self._connections.discard(connection)
            return _refuse(faults.refuse_status, faults.retry_after_s)
        return None

    async def converse(self, connection: ServerConnection) -> None:
        """One session, from the accepted handshake to the end of its socket."""
        assert isinstance(connection, _Connection)
        notes = connection.notes
        notes.sessions += 1
        notes.reopen()
        notes.add("session", name=notes.scenario.name, code=str(notes.sessions))
        session = Session(
            _Frames(connection),
            notes=notes,
            options=self.options,
            voices=self.voices,
            ears=await self._ears_for(notes.scenario),
        )
        await _end(connection, await session.run(), notes, self.options.pace)

    async def _ears_for(self, scenario: Scenario) -> Ears:
        said = msgspec.json.encode((scenario.caller, scenario.line, scenario.seed))
        known = self._ears.get(said)
        if known is None:
            known = await asyncio.to_thread(lambda: Ears(known_sounds(scenario, self.voices)))
            self._ears[said] = known
        return known


class _Frames:
    """A connection whose end is ``ClientLeft`` for whoever sends."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        with contextlib.suppress(ConnectionClosed):
            while True:
                yield await self._connection.recv()

    async def send(self, message: str | bytes) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed:
            raise ClientLeft from None


async def _end(
    connection: ServerConnection, ending: Exception, notes: CallNotes, pace: float
) -> None:
    match ending:
        case Refused():
            await _end_with_error(connection, ending, notes, pace)
        case Dropped():
            _reset(connection)
        case Cut():
            await _end_tcp(connection)
        case Closed(code=code):
            await connection.close(code)
        case Hung():
            await _ignore(connection)
    notes.add("ended", name=type(ending).__name__, code=str(connection.close_code or ""))
    if isinstance(ending, ClientLeft | Hung):
        notes.close()


async def _end_with_error(
    connection: ServerConnection, refused: Refused, notes: CallNotes, pace: float
) -> None:
    faults = notes.scenario.faults
    notes.add("error", code=refused.code, content=refused.description)
    with contextlib.suppress(ConnectionClosed):
        await connection.send(encode(Error(code=refused.code, description=refused.description)))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(faults.close_delay_ms / 1000 / pace):
            await _ignore(connection)
    close_code = refused.close_code or faults.close_code
    if close_code == NO_STATUS:
        _close_without_status(connection)
    elif close_code == NO_CLOSE_FRAME:
        await _end_tcp(connection)
    else:
        await connection.close(close_code)


def _reset(connection: ServerConnection) -> None:
    """Closing with no time to linger sends a reset instead of the end of the stream."""
    sock = connection.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.transport.abort()


def _close_without_status(connection: ServerConnection) -> None:
    """Close code 1005 was seen behind an ``Error`` (1.4); the library's own has one."""
    if connection.state is State.OPEN:
        connection.protocol.send_close()
        connection.send_data()


async def _end_tcp(connection: ServerConnection) -> None:
    """Ends our half of TCP and waits for the client's, so that no reset follows."""
    if connection.transport.can_write_eof() and not connection.transport.is_closing():
        connection.transport.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await _ignore(connection)
    connection.transport.close()


async def _ignore(connection: ServerConnection) -> None:
    """Whatever comes until the client is gone."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await connection.recv()


def _let_in(headers: dict[str, str], api_key: str) -> bool:
    if authorised(headers, api_key):
        return True
    offered = [part.strip() for part in headers.get("sec-websocket-protocol", "").split(",")]
    return len(offered) == 2 and authorised({"authorization": " ".join(offered)}, api_key)


def _refused(faults: Faults, notes: CallNotes) -> bool:
    if not faults.refuse_status or notes.sessions + 1 < faults.refuse_from_session:
        return False
    return faults.refuse_times == 0 or notes.refusals < faults.refuse_times


def _refuse(status: int, retry_after_s: int | None = None) -> Response:
    reason = _REASONS.get(status, "Refused.")
    body = reason.encode()
    headers = Headers({"content-type": "text/plain", "content-length": str(len(body))})
    if retry_after_s is not None:
        headers["retry-after"] = str(retry_after_s)
    return Response(status, reason.rstrip("."), headers, body)


@asynccontextmanager
async def running(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    options: Options | None = None,
    voices: Voices | None = None,
) -> AsyncIterator[Emulator]:
    """The emulator, listening; port 0 takes a free one."""
    emulator = Emulator(options or Options(), voices or Voices())
    speech = SpeechRoute(emulator.voices, emulator.options)
    routes = Routes(
        board=emulator.board,
        options=emulator.options,
        speech=speech,
        messages=emulator.messages,
    )
    http = HttpDoor(routes.respond)

    def doorway(*arguments: Any, **keywords: Any) -> Any:
        return Doorway(lambda: _Connection(*arguments, **keywords), http.protocol)

    server = await serve_websockets(
        emulator.converse,
        host,
        port,
        process_request=emulator.admit,
        create_connection=doorway,  # type: ignore[arg-type]  # any protocol does
        compression=None,
        ping_interval=None,
        max_size=2**20,
        close_timeout=CLOSE_TIMEOUT_S,
        logger=logging.getLogger("holdfast.simulator"),
    )
    try:
        emulator.port = next(iter(server.sockets)).getsockname()[1]
        yield emulator
    finally:
        http.close()
        server.close(close_connections=True)
        await server.wait_closed()


async def serve(
    host: str = "127.0.0.1", port: int = DEFAULT_PORT, *, options: Options | None = None
) -> None:
    """Runs the emulator until SIGTERM, SIGINT or cancellation."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(host, port, options=options) as emulator:
            print(f"voice agent emulator: {emulator.agent_url} and {emulator.http_url}", flush=True)
            await stop.wait()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
