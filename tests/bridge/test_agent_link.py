"""The agent's line over a real socket."""

import asyncio
import http
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from bridge.agent import HELD_BACK_BYTES, AgentLink
from bridge.errors import AgentUnavailable
from bridge.wire import deepgram
from tests.bridge.deepgram_line import agent_server
from tests.bridge.waiting import until

WELCOME = '{"type":"Welcome","request_id":"r"}'
BY_DATE = "Tue, 01 Dec 2026 09:30:00 GMT"
SETTINGS = deepgram.Settings(audio=deepgram.Audio(), agent=deepgram.Agent())


class Ear:
    """Hears everything, in order."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def agent_opened(self, agent: AgentLink) -> None:
        self.heard.append("opened")

    def agent_audio(self, audio: bytes) -> None:
        self.heard.append(audio)

    def agent_message(self, message: deepgram.FromAgent) -> None:
        self.heard.append(message)

    def agent_unreadable(self, what: str) -> None:
        self.heard.append(f"unreadable: {what}")

    def agent_closed(self, code: int | None) -> None:
        self.heard.append(f"closed {code}")


class Server:
    """Does one thing with its connection, then keeps what it is sent."""

    def __init__(self, *sends: Any, close: int | None = None) -> None:
        self.sends = sends
        self.close = close
        self.got: list[Any] = []
        self.headers: Any = None
        self.reads = asyncio.Event()
        self.reads.set()

    async def __call__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.headers = connection.request.headers
        for frame in self.sends:
            await connection.send(frame)
        if self.close is not None:
            await connection.close(self.close)
        await self.reads.wait()
        async for frame in connection:
            self.got.append(frame)


@asynccontextmanager
async def linked(server: Server, **options: Any) -> AsyncIterator[tuple[AgentLink, Ear]]:
    ear = Ear()
    async with agent_server(server) as url:
        link = await AgentLink.open(url, api_key="dg", session_id="CA1", ear=ear, **options)
        yield link, ear
        server.reads.set()
        await link.close()


async def hears(server: Server, count: int) -> list[Any]:
    async with linked(server) as (_, ear):
        await until(lambda: len(ear.heard) >= count)
        return ear.heard[:count]


# --- agent → us ------------------------------------------------------------------------------


async def test_the_line_is_opened_before_anything_is_heard_on_it() -> None:
    heard = await hears(Server(WELCOME), 2)

    assert heard == ["opened", deepgram.Welcome(request_id="r")]


async def test_audio_arrives_byte_for_byte_and_in_order() -> None:
    first, second = bytes(range(256)) * 20, b"\xff" * 160

    heard = await hears(Server(first, WELCOME, second), 4)

    assert heard == ["opened", first, deepgram.Welcome(request_id="r"), second]


async def test_a_message_in_fragments_is_one_message() -> None:
    heard = await hears(Server([WELCOME[:5], WELCOME[5:9], WELCOME[9:]]), 2)

    assert heard[1] == deepgram.Welcome(request_id="r")


async def test_audio_in_fragments_is_one_piece() -> None:
    heard = await hears(Server([b"\x01" * 10, b"\x02" * 10]), 2)

    assert heard[1] == b"\x01" * 10 + b"\x02" * 10


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        ('{"type":"Sigh","depth":3}', "unreadable: unknown kind Sigh"),
        ('{"type":"Welcome"}', "unreadable: Welcome: Object missing required field `request_id`"),
        ("not JSON", "unreadable: not JSON: DecodeError"),
        ("", "unreadable: not JSON: DecodeError"),
        ('["Welcome"]', "unreadable: Expected `object`, got `array`"),
    ],
)
async def test_what_cannot_be_read_is_told_and_the_line_goes_on(frame: str, what: str) -> None:
    heard = await hears(Server(frame, WELCOME), 3)

    assert heard == ["opened", what, deepgram.Welcome(request_id="r")]


async def test_what_cannot_be_read_is_told_without_its_content() -> None:
    heard = await hears(Server('{"type":"ConversationText","role":"Ann Lee"}'), 2)

    assert "Ann" not in heard[1]


async def test_a_line_that_the_agent_closes_is_told_with_its_code() -> None:
    heard = await hears(Server(WELCOME, close=4000), 3)

    assert heard[2] == "closed 4000"


async def test_the_end_of_a_line_that_we_close_is_told_once() -> None:
    async with linked(Server()) as (link, ear):
        await link.close()
        await link.close()

    assert ear.heard == ["opened", "closed 1000"]


# --- us → agent ------------------------------------------------------------------------------


async def test_the_key_is_a_token_and_the_call_is_named() -> None:
    server = Server()

    async with linked(server):
        await until(lambda: server.headers)

    assert server.headers["authorization"] == "Token dg"
    assert server.headers["x-deepgram-session-id"] == "CA1"


async def test_voice_and_messages_are_sent_in_order() -> None:
    server = Server()

    async with linked(server) as (link, _):
        link.send_message(SETTINGS)
        link.send_voice(b"\x01" * 160)
        link.send_message(deepgram.UpdatePrompt(prompt="x"))
        await until(lambda: len(server.got) == 3)

    assert server.got == [
        deepgram.encode(SETTINGS),
        b"\x01" * 160,
        '{"type":"UpdatePrompt","prompt":"x"}',
    ]


async def test_a_silent_line_is_kept_alive_but_not_before_it_is_configured() -> None:
    server = Server()

    async with linked(server, keep_alive_s=0.02) as (link, _):
        await until(lambda: server.headers)
        watched_before = link._keep_alive
        link.send_message(SETTINGS)
        await until(lambda: len(server.got) >= 3)

    assert watched_before is None
    assert server.got[1:3] == ['{"type":"KeepAlive"}'] * 2


async def test_a_line_that_carries_voice_is_not_kept_alive_besides() -> None:
    server = Server()

    async with linked(server, keep_alive_s=3600.0) as (link, _):
        link.send_message(SETTINGS)
        link.send_voice(b"\x01")
        link._watch_idleness()
        link._watch_idleness()
        link._watch_idleness()
        await until(lambda: len(server.got) == 3)

    assert server.got[2] == '{"type":"KeepAlive"}'


async def test_a_line_that_was_closed_takes_everything_and_sends_nothing() -> None:
    async with linked(Server()) as (link, _):
        await link.close()

        link.send_voice(b"\x01")
        link.send_message(deepgram.KeepAlive())
        link._watch_idleness()


async def test_while_the_agent_does_not_read_the_oldest_voice_is_dropped() -> None:
    server = Server()
    server.reads.clear()
    piece = 1000

    async with linked(server) as (link, _):
        link.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
        )
        sent = 0
        while link.dropped_bytes < 20 * piece:
            link.send_voice(sent.to_bytes(4, "big") * (piece // 4))
            sent += 1
            if sent % 100 == 0:
                await asyncio.sleep(0)
        assert link._held_back_bytes <= HELD_BACK_BYTES
        server.reads.set()
        await until(lambda: server.got and int.from_bytes(server.got[-1][:4], "big") == sent - 1)
        dropped = link.dropped_bytes

    numbers = [int.from_bytes(got[:4], "big") for got in server.got]
    assert numbers == sorted(set(numbers))
    assert (sent - len(numbers)) * piece == dropped


# --- no line ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 402, 429, 503])
async def test_a_refused_handshake_is_told_with_its_status(status: int) -> None:
    def refuse(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(http.HTTPStatus(status), "no\n")

    ear = Ear()
    async with agent_server(Server(), process_request=refuse) as url:
        with pytest.raises(AgentUnavailable) as refused:
            await AgentLink.open(url, api_key="dg", session_id="CA1", ear=ear)

    assert refused.value.status == status
    assert ear.heard == []


@pytest.mark.parametrize(
    ("headers", "asked_s"),
    [
        ([], None),
        ([("Retry-After", "7")], 7.0),
        ([("Retry-After", "9" * 5000)], 999_999_999.0),
        ([("Retry-After", "soon")], None),
        ([("Retry-After", "-1")], None),
        ([("Retry-After", "٣")], None),
        ([("Retry-After", "1"), ("Retry-After", "2")], None),
        ([("Retry-After", "Tue, 01 Dec 2026 09:30:12 GMT"), ("Date", BY_DATE)], 12.0),
        ([("Retry-After", "Tue, 01 Dec 2026 09:29:00 GMT"), ("Date", BY_DATE)], 0.0),
        ([("Retry-After", "Tue, 01 Dec 2026 09:30:12 GMT"), ("Date", "today")], None),
        ([("Retry-After", "Tue, 01 Dec 2026 09:30:12 -0000"), ("Date", BY_DATE)], None),
        ([("Retry-After", "Tue, 01 Dec 2026 09:30:12 GMT")], None),
    ],
)
async def test_a_refusal_that_says_how_long_is_told_with_it(
    headers: list[tuple[str, str]], asked_s: float | None
) -> None:
    def refuse(connection: ServerConnection, request: Any) -> Any:
        answer = connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "no\n")
        del answer.headers["Date"]
        for name, value in headers:
            answer.headers[name] = value
        return answer

    async with agent_server(Server(), process_request=refuse) as url:
        with pytest.raises(AgentUnavailable) as refused:
            await AgentLink.open(url, api_key="dg", session_id="CA1", ear=Ear())

    assert refused.value.retry_after_s == asked_s


async def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(AgentUnavailable) as unreachable:
        await AgentLink.open(f"ws://127.0.0.1:{port}", api_key="dg", session_id="CA1", ear=Ear())

    assert unreachable.value.status is None


async def test_somebody_who_speaks_no_websocket_is_told() -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(shout, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(AgentUnavailable):
            await AgentLink.open(
                f"ws://127.0.0.1:{port}", api_key="dg", session_id="CA1", ear=Ear()
            )
