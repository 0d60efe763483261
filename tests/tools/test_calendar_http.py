"""How outside calendars are asked over HTTP, whatever the other side does."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime

import httpx
import msgspec
import pytest

from tests.tools.vendor_server import CUT, LOST, Fault, Reply, Request, VendorServer, says
from tools.calendars.http import AT_ONCE, LONGEST_ANSWER, LONGEST_WAIT_S, Api, Refused
from tools.errors import Unavailable, Unsure

SECRET = "+12025550143"
"""A patient's number, as it stands in addresses and answers."""


class Anything(VendorServer):
    def __init__(self) -> None:
        super().__init__()
        self.done = 0

    def act(self, request: Request) -> Reply:
        self.done += request.method != "GET"
        return Reply(200, {"ok": True})


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server() -> AsyncIterator[Anything]:
    async with Anything() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def api(server: Anything, client: httpx.AsyncClient, clock: Clock) -> Api:
    return Api(client, kind="vendor", url=server.url, now=clock)


async def test_what_cannot_be_connected_to_was_not_asked(client: httpx.AsyncClient) -> None:
    async with Anything() as server:
        gone = server.url
    api = Api(client, kind="vendor", url=gone)

    with pytest.raises(Unavailable, match=r"^vendor: ConnectError$"):
        await api.order("POST", "/things")
    with pytest.raises(Unavailable):
        await api.ask("/things")


@pytest.mark.parametrize("fault", [CUT, LOST])
async def test_a_line_that_is_cut_leaves_a_doubt_about_an_order_only(
    server: Anything, api: Api, fault: Fault
) -> None:
    server.fail("POST", "/things", fault)
    server.fail("GET", "/things", fault)

    with pytest.raises(Unsure):
        await api.order("POST", "/things")
    with pytest.raises(Unavailable):
        await api.ask("/things")

    assert server.done == (fault is LOST)


async def test_an_answer_that_does_not_come_is_not_waited_for(
    server: Anything, client: httpx.AsyncClient
) -> None:
    api = Api(client, kind="vendor", url=server.url, answer_s=0.05)
    server.fail("POST", "/things", Fault(acts=True, hangs=True))
    server.fail("GET", "/things", Fault(hangs=True))

    with pytest.raises(Unsure):
        await api.order("POST", "/things")
    with pytest.raises(Unavailable):
        await api.ask("/things")


async def test_a_calendar_that_hangs_takes_its_own_places_and_no_others(
    server: Anything, client: httpx.AsyncClient, api: Api
) -> None:
    for _ in range(AT_ONCE):
        server.fail("POST", "/things", Fault(hangs=True))
    waiting = [asyncio.create_task(api.order("POST", "/things")) for _ in range(AT_ONCE + 1)]
    while len(server.requests) < AT_ONCE:
        await asyncio.sleep(0)

    others = Api(client, kind="vendor", url=server.url)

    assert (await others.ask("/other")).ok
    assert [each.path for each in server.requests] == ["/things"] * AT_ONCE + ["/other"]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_fault_of_theirs(server: Anything, api: Api) -> None:
    server.fail("POST", "/things", says(503))
    server.fail("GET", "/things", says(503))

    with pytest.raises(Unsure, match=r"^vendor: status 503$"):
        await api.order("POST", "/things")
    with pytest.raises(Unavailable, match=r"^vendor: status 503$"):
        await api.ask("/things")


@pytest.mark.parametrize("status", [401, 403, 301, 307])
async def test_what_asking_again_does_not_change(server: Anything, api: Api, status: int) -> None:
    server.fail("POST", "/things", says(status, location="http://127.0.0.1:9/elsewhere"))

    with pytest.raises(Refused, match=f"^vendor: status {status}: ") as refused:
        await api.order("POST", "/things")

    assert (refused.value.status, refused.value.retryable) == (status, False)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [200, 201, 400, 404, 409, 422])
async def test_the_rest_is_for_the_adapter_to_read(server: Anything, api: Api, status: int) -> None:
    server.fail("POST", "/things", says(status, {"error": "TAKEN already"}))

    answer = await api.order("POST", "/things", body={})

    assert answer.status == status
    assert answer.ok == (status < 300)
    assert answer.says("taken")
    assert not answer.says("free")


def _in(seconds: float, clock: Clock) -> str:
    return format_datetime(datetime.fromtimestamp(clock.now + seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry_after": "7"}, 7),
        ({"x_ratelimit_reset": "9"}, 9),
        ({"x_ratelimit_reset_default": "1800000012"}, 12),
        ({"x_ratelimit_reset": "1800000013000"}, 13),
        ({"retry_after": "86400"}, LONGEST_WAIT_S),
        ({"retry_after": "soon"}, 1),
        ({"x_ratelimit_reset": "soon"}, 1),
        ({}, 1),
    ],
)
async def test_a_limit_is_kept_until_it_is_over(
    server: Anything, api: Api, clock: Clock, headers: dict[str, str], wait_s: int
) -> None:
    server.fail("POST", "/things", says(429, **headers))
    with pytest.raises(Unavailable, match=f"^vendor: status 429, wait {wait_s:.0f} s$"):
        await api.order("POST", "/things")

    clock.now += wait_s - 0.5
    with pytest.raises(Unavailable, match=r"^vendor: limited for another"):
        await api.ask("/things")
    assert len(server.requests) == 1

    clock.now += 0.5
    assert (await api.ask("/things")).ok


async def test_a_limit_until_a_date(server: Anything, api: Api, clock: Clock) -> None:
    server.fail("GET", "/things", says(429, retry_after=_in(20, clock)))

    with pytest.raises(Unavailable, match="wait 20 s"):
        await api.ask("/things")


async def test_an_answer_without_an_end_is_not_read_to_it(server: Anything, api: Api) -> None:
    endless = Fault(reply=Reply(200, raw=b" " * (LONGEST_ANSWER + 1)))
    server.fail("POST", "/things", endless)
    server.fail("GET", "/things", endless)

    with pytest.raises(Unsure, match="without end"):
        await api.order("POST", "/things")
    with pytest.raises(Unavailable, match="without end"):
        await api.ask("/things")


async def test_nothing_is_answered_packed(server: Anything, api: Api) -> None:
    await api.ask("/things")

    assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_a_cookie_of_one_practice_is_not_anothers(
    server: Anything, client: httpx.AsyncClient, api: Api
) -> None:
    server.fail("GET", "/things", says(200, {}, set_cookie="session=hillside; Path=/"))

    await api.ask("/things")
    await Api(client, kind="vendor", url=server.url).ask("/things")

    assert "cookie" not in server.requests[1].headers


class Thing(msgspec.Struct):
    name: str


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"name": 7}', r"^vendor: unreadable answer `\$\.name`$"),
        (b"<html>", "^vendor: unreadable answer$"),
        (b"", "^vendor: unreadable answer$"),
        (b'{"name": "' + SECRET.encode(), "^vendor: unreadable answer$"),
        (b'{"other": ' + b"[" * 50_000, "^vendor: unreadable answer$"),
    ],
)
async def test_an_answer_of_another_shape(
    server: Anything, api: Api, body: bytes, why: str
) -> None:
    server.fail("GET", "/things", Fault(reply=Reply(200, raw=body)))
    answer = await api.ask("/things")
    decode = msgspec.json.Decoder(Thing).decode

    with pytest.raises(Unavailable, match=why):
        api.decode(answer, decode)
    with pytest.raises(Unsure, match=why):
        api.decode(answer, decode, otherwise=Unsure)


async def test_no_error_and_no_line_of_a_log_knows_a_patient(
    server: Anything, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    told = []
    answer = {"error": SECRET}
    for fault in (LOST, says(500, answer), says(429, answer), says(401, answer), says(302, answer)):
        server.fail("GET", "/patients", fault)
        try:
            await api.ask("/patients", query=[("phone_number", SECRET)])
        except Unavailable as error:
            told += [str(error), error.reason, error.say]
            told += traceback.format_exception(error)
    ours = [line for line in caplog.records if not line.name.startswith(("httpx", "httpcore"))]

    assert len(told) > 5 * 3
    assert not any(SECRET in each or SECRET[1:] in each for each in told)
    assert not any(SECRET[1:] in line.getMessage() for line in ours)
