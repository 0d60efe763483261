"""Summaries against a real server on this machine that behaves as endpoints do."""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import msgspec
import pytest
import structlog

from bridge.call import window
from tests.call.talks import a_talk, agent, caller
from tests.tools.chat_endpoint import Reply, Server, answers, hangs, hangs_up, never_ends, says
from tools.arguments import Said, Summarise
from tools.catalog import CATALOG, decode_arguments
from tools.contract import Done
from tools.errand import Errand
from tools.errors import ToolError, Unavailable
from tools.summary import LONGEST, Endpoint, Summary, summarise

ASKED = Summarise(
    earlier="She is new here.",
    said=(
        Said(by="caller", text="I'd like a cleaning on Tuesday, my name is Ines Moreau."),
        Said(by="agent", text="Tuesday at ten is free."),
    ),
)
BY_CHOICE = (
    "She is new here.\n"
    "Caller: I'd like a cleaning on Tuesday, my name is Ines Moreau.\n"
    "Agent: Tuesday at ten is free."
)
Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers; what hangs in them ends with the test."""
    async with AsyncExitStack() as running:

        async def start(*replies: Reply) -> Server:
            return await running.enter_async_context(Server(*replies))

        yield start


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


def endpoint(client: httpx.AsyncClient, url: str, api_key: str = "sk-1") -> Endpoint:
    return Endpoint(client, url=url, model="small", api_key=api_key)


async def summary(client: httpx.AsyncClient, url: str, *, attempt_s: float = 20.0) -> Summary:
    errand = Errand(practice="hillside", attempt_s=attempt_s)
    return await summarise(ASKED, endpoint(client, url), errand)


async def test_the_model_is_asked_as_every_such_endpoint_wants_it(
    client: httpx.AsyncClient, serve: Serve
) -> None:
    server = await serve(says("Ines Moreau wants a cleaning on Tuesday."))

    made = await summary(client, server.url)

    assert made == Summary(summary="Ines Moreau wants a cleaning on Tuesday.", by="model")
    (request,) = server.requests
    assert request.line == "POST /v1/chat/completions HTTP/1.1"
    assert request.headers["authorization"] == "Bearer sk-1"
    assert request.headers["content-type"] == "application/json"
    assert request.body.keys() == {"model", "messages"}
    assert request.body["model"] == "small"
    assert [message["role"] for message in request.body["messages"]] == ["system", "user"]
    record = request.body["messages"][1]["content"]
    assert record.endswith(
        "Since then:\n"
        "Caller: I'd like a cleaning on Tuesday, my name is Ines Moreau.\n"
        "Agent: Tuesday at ten is free."
    )
    assert "She is new here." in record


@pytest.mark.parametrize("end", ["", "/", "/chat/completions", "/chat/completions/"])
async def test_the_address_may_be_the_base_or_the_whole(
    client: httpx.AsyncClient, serve: Serve, end: str
) -> None:
    server = await serve(says("Yes."))

    await summary(client, server.url + end)

    assert server.requests[0].line.split()[1] == "/v1/chat/completions"


async def test_an_endpoint_without_a_key_is_sent_none(
    client: httpx.AsyncClient, serve: Serve
) -> None:
    server = await serve(says("Yes."))

    await endpoint(client, server.url, api_key="").ask(ASKED)

    assert "authorization" not in server.requests[0].headers


async def test_thinking_aloud_is_no_part_of_a_summary(
    client: httpx.AsyncClient, serve: Serve
) -> None:
    server = await serve(says("<think>Hm.\nWell.</think>\n\nShe wants a cleaning. "))

    assert (await summary(client, server.url)).summary == "She wants a cleaning."


async def test_a_model_that_talks_too_much_is_cut_at_a_word(
    client: httpx.AsyncClient, serve: Serve
) -> None:
    server = await serve(says("word " * 5000))

    made = await summary(client, server.url)

    assert len(made.summary) <= LONGEST
    assert made.summary.endswith("word")


@pytest.mark.parametrize(
    "trouble",
    [answers(429), answers(500), answers(503, b"busy"), answers(408), hangs_up],
    ids=["429", "500", "503", "408", "cut"],
)
async def test_what_may_pass_is_tried_again(
    client: httpx.AsyncClient, serve: Serve, trouble: Reply
) -> None:
    server = await serve(trouble, trouble, says("Yes."))

    assert await summary(client, server.url) == Summary(summary="Yes.", by="model")
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("trouble", "tries"),
    [
        (answers(429), 3),
        (answers(500), 3),
        (hangs_up, 3),
        (answers(200, b"", length=99), 3),
        (answers(200, b"no gzip", headers="Content-Encoding: gzip\r\n"), 3),
        (answers(400, b'{"error":{"message":"no such model"}}'), 1),
        (answers(401), 1),
        (answers(404), 1),
        (answers(302, headers="Location: https://example.com/\r\n"), 1),
        (answers(200, b"<html>"), 1),
        (answers(200, b"\xff\xfe"), 1),
        (answers(200, b'{"choices":[]}'), 1),
        (answers(200, b'{"choices":[{"message":{}}]}'), 1),
        (says(None), 1),
        (says([{"type": "text"}]), 1),
        (says("  "), 1),
        (says("<think>Hm.</think>"), 1),
        (never_ends, 1),
        (answers(200, gzip.compress(b"x" * 9_000_000), headers="Content-Encoding: gzip\r\n"), 1),
    ],
    ids=[
        "429", "500", "cut", "half an answer", "no gzip", "400", "401", "404", "elsewhere", "HTML",
        "no text", "no choice", "no content", "null", "parts", "blank", "only thoughts",
        "without end", "blown up",
    ],
)  # fmt: skip
async def test_whatever_the_endpoint_does_there_is_a_summary(
    client: httpx.AsyncClient, serve: Serve, trouble: Reply, tries: int
) -> None:
    server = await serve(trouble)

    assert await summary(client, server.url) == Summary(summary=BY_CHOICE, by="choice")
    assert len(server.requests) == tries


async def test_an_endpoint_that_hangs_is_left_within_the_attempts_time(
    client: httpx.AsyncClient, serve: Serve
) -> None:
    server = await serve(hangs)

    assert (await summary(client, server.url, attempt_s=0.4)).by == "choice"


async def test_an_address_where_nobody_is_at_home_is_away(client: httpx.AsyncClient) -> None:
    with pytest.raises(Unavailable):
        await endpoint(client, "http://127.0.0.1:1/v1").ask(ASKED)


async def test_without_an_endpoint_sentences_are_chosen() -> None:
    made = await summarise(ASKED, None, Errand(practice="hillside"))

    assert made == Summary(summary=BY_CHOICE, by="choice")


@pytest.mark.parametrize("trouble", [answers(401, b"sk-1 Ines"), hangs_up, says("")])
async def test_no_word_and_no_key_reaches_a_log(
    client: httpx.AsyncClient, serve: Serve, trouble: Reply
) -> None:
    server = await serve(trouble)

    with structlog.testing.capture_logs() as logs:
        await summary(client, server.url)
    with pytest.raises(ToolError) as refused:
        await endpoint(client, server.url).ask(ASKED)

    (line,) = logs
    assert line["event"] == "summary_not_by_model"
    assert line["code"] == refused.value.code
    for told in (repr(logs), repr(refused.value), str(refused.value.__cause__)):
        assert "Ines" not in told
        assert "sk-1" not in told
        assert "127.0.0.1" not in told


async def test_a_call_takes_what_the_worker_made_of_its_words() -> None:
    talk = a_talk(
        *(side("On Tuesday, please.", float(n)) for n, side in enumerate([caller, agent] * 8))
    )
    wanted = window.due(talk, turns=15, tokens=2000, budget=8000)
    assert wanted is not None
    job = window.job(talk, wanted)
    arguments = decode_arguments(CATALOG[job.tool], job.arguments)
    assert isinstance(arguments, Summarise)

    made = await summarise(arguments, None, Errand(practice="hillside"))

    content = msgspec.json.encode(made).decode()
    outcome = Done(function_call_id=job.function_call_id, tool=job.tool, content=content)
    assert window.take(talk, outcome)
    assert window.kept(talk).summary == made.summary != ""
