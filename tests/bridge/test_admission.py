"""New calls while no agent can be had: a busy line a bounded number of times, then a person."""

import asyncio
import http
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection

from bridge import admission
from bridge.profile import PACKAGED
from tests.bridge.bridges import NUMBER, Bridge, a_bridge
from tests.bridge.deepgram_line import FakeDeepgram, agent_server
from tests.bridge.practices import PUBLIC_URL, hillside
from tests.bridge.waiting import until

VOICE = "/twilio/voice"
FRAME = bytes(range(160))
LONG = "30"


def asked_again(document: str) -> tuple[str, str]:
    """Path and query of the address that is asked next."""
    text = ElementTree.fromstring(document).findtext("Redirect", "")
    assert text.startswith(PUBLIC_URL)
    parts = urlsplit(text)
    return parts.path, parts.query


# --- the words themselves --------------------------------------------------------------------


@given(st.text(max_size=40) | st.from_regex(r"\A(&?round=[0-9-]{0,3}){1,3}\Z"))
def test_any_query_means_some_number_of_rounds(query: str) -> None:
    assert 0 <= admission.rounds_heard(query) <= admission.ROUNDS


@pytest.mark.parametrize("query", ["", "a=b", "Round=1", "rounds=2"])
def test_who_was_not_put_off_has_heard_nothing(query: str) -> None:
    assert admission.rounds_heard(query) == 0


@pytest.mark.parametrize(
    "query", ["round=", "round=-1", "round=4", "round=x", "round=%31%30", "round=0&round=0"]
)
def test_a_query_that_is_not_ours_has_heard_everything(query: str) -> None:
    assert admission.rounds_heard(query) == admission.ROUNDS


@pytest.mark.parametrize("heard", range(admission.ROUNDS))
def test_each_round_is_one_more(heard: int) -> None:
    document = admission.hold("Busy.", voice_url=PUBLIC_URL + VOICE, heard=heard, for_s=1.0)

    path, query = asked_again(document)
    assert (path, admission.rounds_heard(query)) == (VOICE, heard + 1)


@pytest.mark.parametrize(("for_s", "pause_s"), [(0.0, 2), (2.1, 3), (9.0, 9), (30.0, 10)])
def test_the_pause_is_as_long_as_it_is_of_no_use_to_ask_within_bounds(
    for_s: float, pause_s: int
) -> None:
    document = admission.hold("Busy.", voice_url=PUBLIC_URL + VOICE, heard=0, for_s=for_s)

    pause = ElementTree.fromstring(document).find("Pause")
    assert pause is not None
    assert pause.get("length") == str(pause_s)


# --- a whole bridge --------------------------------------------------------------------------


class Crowded(FakeDeepgram):
    """A Deepgram that can be told to refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses = False
        self.asks_for_s = LONG

    def decide(self, connection: ServerConnection, request: Any) -> Any:
        if not self.refuses:
            return None
        answer = connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "no\n")
        answer.headers["Retry-After"] = self.asks_for_s
        return answer


@asynccontextmanager
async def crowded_bridge(redis_url: str, **changes: Any) -> AsyncIterator[tuple[Bridge, Crowded]]:
    deepgram = Crowded()
    async with AsyncExitStack() as stack:
        server = agent_server(deepgram.play, process_request=deepgram.decide)
        url = await stack.enter_async_context(server)
        settings = {"deepgram_agent_url": url} | changes
        yield await stack.enter_async_context(a_bridge(redis_url, **settings)), deepgram


async def agent_line(bridge: Bridge) -> str:
    answer = await bridge.http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    return str(answer.json().get("agent_line", "open"))


async def until_line(bridge: Bridge, state: str) -> None:
    async with asyncio.timeout(20):
        while await agent_line(bridge) != state:
            await asyncio.sleep(0.01)


async def close_line(bridge: Bridge, deepgram: Crowded) -> None:
    """By a call whose handshake is refused."""
    deepgram.refuses = True
    async with bridge.call("CA0"):
        await until_line(bridge, "closed")


@pytest.fixture
async def busy(redis_url: str) -> AsyncIterator[Bridge]:
    """A bridge whose agent's line is closed for longer than any test lasts."""
    async with crowded_bridge(redis_url) as (bridge, deepgram):
        await close_line(bridge, deepgram)
        yield bridge


def verbs(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200
    return [one.tag for one in ElementTree.fromstring(answer.text)]


async def asks_again(bridge: Bridge, answer: httpx.Response, call_sid: str) -> httpx.Response:
    """What Twilio does with such a document."""
    path, query = asked_again(answer.text)
    return await bridge.post(f"{path}?{query}", {"CallSid": call_sid, "To": NUMBER})


async def test_a_new_call_hears_that_all_lines_are_busy_and_asks_again(busy: Bridge) -> None:
    answer = await busy.voice("CA1")

    assert verbs(answer) == ["Say", "Pause", "Redirect"]
    assert admission.BUSY in answer.text


async def test_after_some_rounds_the_caller_reaches_a_person(busy: Bridge) -> None:
    answer, rounds = await busy.voice("CA1"), 0
    while "Redirect" in verbs(answer):
        answer, rounds = await asks_again(busy, answer, "CA1"), rounds + 1

    assert rounds == admission.ROUNDS
    assert verbs(answer) == ["Say", "Dial"]
    assert hillside().transfer_number in answer.text


async def test_a_practice_without_people_says_goodbye_instead(
    tmp_path: Path, redis_url: str
) -> None:
    text = (PACKAGED / "hillside.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("transfer_number")]
    (tmp_path / "hillside.toml").write_text("\n".join(lines))
    async with crowded_bridge(redis_url, profiles_dir=str(tmp_path)) as (bridge, deepgram):
        await close_line(bridge, deepgram)
        answer = await bridge.post(
            f"{VOICE}?round={admission.ROUNDS}", {"CallSid": "CA1", "To": NUMBER}
        )

    assert verbs(answer) == ["Say", "Hangup"]
    assert "call again" in answer.text


async def test_a_round_that_was_tampered_with_is_refused(busy: Bridge) -> None:
    answer = await busy.voice("CA1")
    signed = answer.request.headers["x-twilio-signature"]

    forged = await busy.http.post(
        f"{VOICE}?round=0",
        content=answer.request.content,
        headers={
            "x-twilio-signature": signed,
            "content-type": answer.request.headers["content-type"],
        },
    )

    assert forged.status_code == 403


async def test_calls_that_are_put_off_are_counted_and_told(busy: Bridge) -> None:
    with capture_logs() as logs:
        answer = await busy.voice("CA1")
        for _ in range(admission.ROUNDS):
            answer = await asks_again(busy, answer, "CA1")

    told = [one for one in logs if one["event"] in ("call_put_off", "call_passed_on")]
    assert [(one["event"], one["round"]) for one in told] == [
        ("call_put_off", 0),
        ("call_put_off", 1),
        ("call_put_off", 2),
        ("call_passed_on", 3),
    ]
    assert {one["code"] for one in told} == {"agent_unavailable"}
    assert busy.live.counts == {"put_off": 3, "passed_on": 1}


async def test_a_bridge_whose_agent_is_busy_stays_ready(busy: Bridge) -> None:
    answer = await busy.http.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "agent_line": "closed"}


async def test_calls_that_are_up_are_not_touched(redis_url: str) -> None:
    async with (
        crowded_bridge(redis_url) as (bridge, deepgram),
        bridge.call("CA1") as line,
    ):
        session = await deepgram.session("CA1")
        await close_line(bridge, deepgram)
        await line.says(FRAME)

        await until(lambda: session.voice.endswith(FRAME))
        assert not session.over


async def test_a_lost_stream_is_connected_again_even_then(busy: Bridge) -> None:
    assert verbs(await busy.resume("CA0")) == ["Connect", "Redirect"]


async def test_when_the_line_is_open_again_the_next_question_connects_the_call(
    redis_url: str,
) -> None:
    async with crowded_bridge(redis_url) as (bridge, deepgram):
        deepgram.asks_for_s = "2"
        await close_line(bridge, deepgram)
        put_off = await bridge.voice("CA1")
        deepgram.refuses = False
        await until_line(bridge, "open")

        answer = await asks_again(bridge, put_off, "CA1")

    assert verbs(put_off) == ["Say", "Pause", "Redirect"]
    assert verbs(answer) == ["Connect", "Redirect"]
