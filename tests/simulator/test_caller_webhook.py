"""Requests and handshakes at their edges: retries, silence, redirects, refusals."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from twilio.request_validator import RequestValidator
from websockets.asyncio.server import serve

from bridge.simulator.handshake import HandshakeFailed, dial
from bridge.simulator.knobs import Knobs, Mischief, Timings
from bridge.simulator.webhook import NoAnswer, Route, Webhooks

PUBLIC_URL = "https://bridge.example.com"
TOKEN = "12345"
FORM = {"CallSid": "CA1", "FromCity": "CAÑON CITY", "ToCity": ""}


class Answerer:
    """Gives one prepared answer after the other; None is silence."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    async def __call__(self, reader, writer) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            method, target, _ = lines[0].split(" ")
            headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
            self.asked.append((method, target, {k.lower(): v for k, v in headers.items()}))
            answer = self.answers.pop(0)
            if answer is None:
                await reader.read()  # until the other side has had enough
            else:
                writer.write(answer)
                await writer.drain()
        finally:
            writer.close()


def answer(status: int, *headers: str, body: str = "<Response/>") -> bytes:
    fields = [f"content-length: {len(body)}", "content-type: text/xml", "connection: close"]
    return "\r\n".join([f"HTTP/1.1 {status} X", *fields, *headers, "", body]).encode()


@asynccontextmanager
async def asking(answerer: Answerer) -> AsyncIterator[Webhooks]:
    server = await asyncio.start_server(answerer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    route = Route(public_url=PUBLIC_URL, bridge_url=f"http://127.0.0.1:{port}")
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            yield Webhooks(client, route, TOKEN, Mischief())
        finally:
            server.close()


async def test_a_failed_request_is_made_again_with_the_same_token_where_the_url_says_so() -> None:
    answerer = Answerer(answer(502), answer(503), answer(200))
    async with asking(answerer) as webhooks:
        found = await webhooks.ask(f"{PUBLIC_URL}/resume#rc=4&rp=all", FORM)

    assert (found.status, found.tries) == (200, 3)
    assert len({headers["i-twilio-idempotency-token"] for _, _, headers in answerer.asked}) == 1
    signature = answerer.asked[0][2]["x-twilio-signature"]
    assert RequestValidator(TOKEN).validate(f"{PUBLIC_URL}/resume", FORM, signature)


async def test_by_default_an_error_status_is_not_asked_again() -> None:
    answerer = Answerer(answer(502))
    async with asking(answerer) as webhooks:
        found = await webhooks.ask(f"{PUBLIC_URL}/voice", FORM)

    assert (found.status, found.good, found.tries) == (502, False, 1)


async def test_the_last_try_counts_whatever_it_is() -> None:
    answerer = Answerer(answer(500), answer(500))
    async with asking(answerer) as webhooks:
        found = await webhooks.ask(f"{PUBLIC_URL}/voice#rc=1&rp=5xx", FORM)

    assert (found.status, found.tries) == (500, 2)


async def test_silence_ends_when_the_url_says_so() -> None:
    answerer = Answerer(None, None)
    async with asking(answerer) as webhooks:
        with pytest.raises(NoAnswer) as silence:
            await webhooks.ask(f"{PUBLIC_URL}/voice#rt=100&rc=1&rp=rt", FORM)

    assert (silence.value.code, silence.value.tries) == (11200, 2)


async def test_a_total_time_leaves_no_room_for_a_second_try() -> None:
    answerer = Answerer(None, None)
    async with asking(answerer) as webhooks:
        with pytest.raises(NoAnswer) as silence:
            await webhooks.ask(f"{PUBLIC_URL}/voice#tt=100&rc=5&rp=all", FORM)

    assert silence.value.tries == 1


async def test_nobody_there_is_tried_twice() -> None:
    async with asking(Answerer()) as webhooks:
        pass
    async with httpx.AsyncClient(trust_env=False) as client:
        gone = Webhooks(client, webhooks._route, TOKEN, Mischief())
        with pytest.raises(NoAnswer) as refused:
            await gone.ask(f"{PUBLIC_URL}/voice", FORM)

    assert (refused.value.code, refused.value.tries) == (11205, 2)


async def test_a_redirect_is_followed_by_a_get_without_the_fields() -> None:
    answerer = Answerer(answer(302, "location: /elsewhere"), answer(200))
    async with asking(answerer) as webhooks:
        await webhooks.ask(f"{PUBLIC_URL}/voice", FORM)

    method, target, headers = answerer.asked[1]
    assert (method, target) == ("GET", "/elsewhere")
    signature = headers["x-twilio-signature"]
    assert RequestValidator(TOKEN).validate(f"{PUBLIC_URL}/elsewhere", {}, signature)


async def test_a_get_carries_its_fields_in_the_signed_url() -> None:
    answerer = Answerer(answer(200))
    async with asking(answerer) as webhooks:
        await webhooks.ask(f"{PUBLIC_URL}/next?a=1", FORM, "GET")

    method, target, headers = answerer.asked[0]
    assert (method, target) == ("GET", "/next?a=1&CallSid=CA1&FromCity=CA%C3%91ON+CITY&ToCity=")
    signature = headers["x-twilio-signature"]
    assert RequestValidator(TOKEN).validate(PUBLIC_URL + target, {}, signature)


# --- handshakes --------------------------------------------------------------------------------


async def dialled(port: int, **more):
    route = Route(public_url=PUBLIC_URL, bridge_url=f"http://127.0.0.1:{port}")
    knobs = Knobs(timings=Timings(handshake_timeout_s=0.2), **more)
    return await dial("wss://bridge.example.com/m", route, TOKEN, knobs)


async def answering(answerer: Answerer) -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(answerer, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (None, 31901),
        (answer(503), 31920),
        (b"what?\r\n\r\n", 31920),
        (b"", 31920),
    ],
)
async def test_a_handshake_that_fails_has_its_number(given: bytes | None, code: int) -> None:
    server, port = await answering(Answerer(given))
    try:
        with pytest.raises(HandshakeFailed) as failure:
            await dialled(port)
    finally:
        server.close()

    assert failure.value.code == code


async def test_a_handshake_nobody_answers_to_is_refused() -> None:
    server, port = await answering(Answerer())
    server.close()
    await server.wait_closed()

    with pytest.raises(HandshakeFailed) as failure:
        await dialled(port)

    assert failure.value.code == 31902


async def test_a_subprotocol_that_was_not_offered_breaks_the_handshake() -> None:
    def impose(connection, request, response):
        response.headers["Sec-WebSocket-Protocol"] = "audio.twilio.com"

    async def media(connection) -> None:
        await connection.wait_closed()

    async with serve(media, "127.0.0.1", 0, process_response=impose) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(HandshakeFailed) as failure:
            await dialled(port)
        connection = await dialled(port, subprotocol_offered=True)
        await connection.close()

    assert failure.value.code == 31924
    assert connection.request.headers["sec-websocket-protocol"] == "audio.twilio.com"
