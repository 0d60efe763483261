"""What reaches the bridge from outside: forged, stale, foreign, repeated, or plain junk."""

import asyncio
import contextlib
import json
import re
import secrets
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.simulator.scenario import CallerStep, Scenario
from bridge.wire import mulaw

pytestmark = pytest.mark.usefixtures("no_fault_of_ours")

LISTENS = Scenario(
    name="listens",
    summary="Hears the greeting and hangs up.",
    caller=[CallerStep(hangup=True, after_agent_ms=300)],
)


def sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


class Twilio:
    """Twilio as its own library signs; nothing of ours helps."""

    def __init__(self, house) -> None:
        self.origin = house.environ["PUBLIC_URL"]
        self.token = house.environ["TWILIO_AUTH_TOKEN"]
        self.account_sid = house.environ["TWILIO_ACCOUNT_SID"]
        self.media_url = self.origin.replace("http", "ws", 1) + "/twilio/media"

    def sign(self, url: str, form: dict[str, str], token: str | None = None) -> str:
        return RequestValidator(token or self.token).compute_signature(url, form)

    def form(self, call_sid: str) -> dict[str, str]:
        return {
            "CallSid": call_sid,
            "AccountSid": self.account_sid,
            "From": "+12125550142",
            "To": "+15550100200",
            "CallStatus": "ringing",
            "Direction": "inbound",
        }

    async def post(
        self, path: str, form: dict[str, str], headers: dict[str, Any] | None = None
    ) -> httpx.Response:
        url = f"{self.origin}{path}"
        if headers is None:
            headers = {"X-Twilio-Signature": self.sign(url, form)}
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.post(url, data=form, headers=headers)

    async def ticket(self, call_sid: str) -> dict[str, str]:
        """The parameters of the stream that a call is told to open."""
        answer = await self.post("/twilio/voice", self.form(call_sid))
        assert answer.status_code == 200, answer.text
        return dict(re.findall(r'<Parameter name="(\w+)" value="([^"]*)"', answer.text))

    def media(self, signature: str | None = None) -> connect:
        given = self.sign(self.media_url, {}) if signature is None else signature
        headers = {"X-Twilio-Signature": given} if given else {}
        return connect(self.media_url, additional_headers=headers, compression=None, proxy=None)

    def start(self, call_sid: str, parameters: dict[str, str], stream_sid: str = "") -> str:
        return json.dumps(
            {
                "event": "start",
                "sequenceNumber": "1",
                "streamSid": stream_sid or sid("MZ"),
                "start": {
                    "accountSid": self.account_sid,
                    "streamSid": stream_sid or sid("MZ"),
                    "callSid": call_sid,
                    "tracks": ["inbound"],
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                    "customParameters": parameters,
                },
            }
        )


@pytest.fixture
def twilio(house) -> Twilio:
    return Twilio(house)


async def until_closed(socket: ClientConnection) -> int | None:
    """The close code; the socket must be closed by the bridge."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionClosed):
            async for _ in socket:
                pass
    return socket.close_code


async def hears_sound(socket: ClientConnection) -> bool:
    """Whether the bridge speaks on this socket before it closes it."""
    async with asyncio.timeout(10):
        try:
            while json.loads(await socket.recv())["event"] != "media":
                pass
        except ConnectionClosed:
            return False
    return True


FORGERIES: dict[str, Callable[[Twilio, str, dict[str, str]], dict[str, Any]]] = {
    "missing": lambda twilio, url, form: {},
    "empty": lambda twilio, url, form: {"X-Twilio-Signature": ""},
    "another account's": lambda twilio, url, form: {
        "X-Twilio-Signature": twilio.sign(url, form, "0" * 32)
    },
    "of another url": lambda twilio, url, form: {
        "X-Twilio-Signature": twilio.sign(url + "x", form)
    },
    "of other fields": lambda twilio, url, form: {
        "X-Twilio-Signature": twilio.sign(url, form | {"From": "+15550000000"})
    },
    "no base64": lambda twilio, url, form: {"X-Twilio-Signature": "\u2026".encode()},
}


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/resume", "/twilio/stream-status"])
async def test_a_request_that_twilio_did_not_sign_is_forbidden(
    twilio: Twilio, path: str, forgery: str
) -> None:
    form = twilio.form(sid("CA"))
    headers = FORGERIES[forgery](twilio, f"{twilio.origin}{path}", form)

    answer = await twilio.post(path, form, headers)

    assert answer.status_code == 403


async def test_a_signed_request_is_told_to_connect_with_a_token_that_is_in_no_url(
    twilio: Twilio,
) -> None:
    answer = await twilio.post("/twilio/voice", twilio.form(sid("CA")))

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(("text/xml", "application/xml"))
    token = re.search(r'name="token" value="([^"]+)"', answer.text)
    assert token is not None
    assert not [url for url in re.findall(r'(?:url|action|statusCallback)="([^"]*)"', answer.text)
                if token[1] in url]  # fmt: skip


@pytest.mark.parametrize("signature", ["", "bm90IHRoZSByaWdodCBvbmU="])
async def test_a_handshake_that_twilio_did_not_sign_is_forbidden(
    twilio: Twilio, signature: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with twilio.media(signature):
            pass

    assert refused.value.response.status_code == 403


async def test_a_token_opens_one_stream_and_no_second(twilio: Twilio) -> None:
    call_sid = sid("CA")
    parameters = await twilio.ticket(call_sid)

    async with twilio.media() as first, twilio.media() as second:
        await first.send(twilio.start(call_sid, parameters))
        assert await hears_sound(first)
        await second.send(twilio.start(call_sid, parameters))

        assert await until_closed(second) == 1000
        assert await hears_sound(first)


async def test_a_token_of_an_earlier_document_is_stale(twilio: Twilio) -> None:
    call_sid = sid("CA")
    stale = await twilio.ticket(call_sid)
    await twilio.ticket(call_sid)

    async with twilio.media() as socket:
        await socket.send(twilio.start(call_sid, stale))

        assert await until_closed(socket) == 1000


@pytest.mark.parametrize("change", ["foreign call", "made up", "no generation", "nothing"])
async def test_a_token_that_is_not_this_calls_opens_nothing(twilio: Twilio, change: str) -> None:
    call_sid, other = sid("CA"), sid("CA")
    parameters = await twilio.ticket(call_sid)
    match change:
        case "foreign call":
            parameters = await twilio.ticket(other)
        case "made up":
            parameters |= {"token": secrets.token_urlsafe(24)}
        case "no generation":
            parameters |= {"generation": "first"}
        case _:
            parameters = {}

    async with twilio.media() as socket:
        await socket.send(twilio.start(call_sid, parameters))

        assert await until_closed(socket) == 1000


async def test_a_socket_that_never_starts_is_closed(twilio: Twilio) -> None:
    async with twilio.media() as socket:
        await socket.send(
            json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        )

        assert await until_closed(socket) == 1000


def media(payload: Any, stream_sid: str = "MZ1") -> str:
    return json.dumps(
        {
            "event": "media",
            "sequenceNumber": "2",
            "streamSid": stream_sid,
            "media": {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": payload},
        }
    )


SILENCE = b64encode(mulaw.silence(20)).decode()
JUNK: dict[str, list[str | bytes]] = {
    "no json": ["{", "", "\x00\x00", "null", "[]", "42", '"start"', "NaN"],
    "binary": [b"", b"\xff" * 160, bytes(range(256))],
    "unknown events": ['{"event": "surprise"}', '{"event": 7}', "{}", '{"event": null}'],
    "deep json": ["[" * 20_000, '{"event":' * 5_000],
    "not utf-8 in spirit": ['{"event": "\\ud800"}', "\ufffe"],
    "media of wrong shape": [
        media("!!! no base64 !!!"),
        media(None),
        media([SILENCE]),
        media(""),
        media("AAAA" * 12_000),
        '{"event": "media"}',
        '{"event": "media", "media": []}',
    ],
    "another stream's media": [media(SILENCE, "MZ_another")],
    "marks nobody asked for": [
        '{"event": "mark", "streamSid": "MZ1", "mark": {"name": "x"}}',
        '{"event": "mark", "streamSid": "MZ1"}',
    ],
    "keys that are none": ['{"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": "\\u0000"}}'],
    "numbers out of range": [
        '{"event": "media", "sequenceNumber": "99999999999999999999999", "streamSid": "MZ1", '
        '"media": {"track": "inbound", "chunk": "-1", "timestamp": "1e400", "payload": ""}}'
    ],
    "a second start": ['{"event": "start", "streamSid": "MZ2", "start": {}}'],
}


async def speak_junk(twilio: Twilio, junk: list[str | bytes], *, started: bool) -> None:
    """Junk on a socket, before or after a good start; whatever it does to that one call."""
    call_sid = sid("CA")
    parameters = await twilio.ticket(call_sid)
    async with twilio.media() as socket:
        try:
            if started:
                await socket.send(twilio.start(call_sid, parameters, "MZ1"))
            for each in junk * 3:
                await socket.send(each)
            if started:
                await socket.send('{"event": "stop", "streamSid": "MZ1"}')
        except ConnectionClosed:
            return


async def too_much(twilio: Twilio) -> int | None:
    """A frame larger than any of Twilio's."""
    async with twilio.media() as socket:
        await socket.send("x" * 70_000)
        return await until_closed(socket)


async def vanish(twilio: Twilio) -> None:
    """A socket that dies without a word, after a good start."""
    call_sid = sid("CA")
    parameters = await twilio.ticket(call_sid)
    async with twilio.media() as socket:
        await socket.send(twilio.start(call_sid, parameters, "MZ1"))
        await socket.send(media(SILENCE))
        socket.transport.abort()


async def test_junk_of_every_kind_ends_no_call_but_its_own(house, twilio: Twilio) -> None:
    good = asyncio.create_task(house.call(LISTENS))
    junk = [
        speak_junk(twilio, each, started=started)
        for each in JUNK.values()
        for started in (False, True)
    ]

    *_, code = await asyncio.gather(*junk, vanish(twilio), too_much(twilio))
    report = await good

    assert code == 1009
    assert report.ok
    assert len(report.streams) == 1
    assert report.outcome == "caller_hung_up"
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{house.run.web_url}/readyz")).json() == {"status": "ready"}
