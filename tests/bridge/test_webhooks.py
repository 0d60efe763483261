"""What Twilio asks over HTTP, asked of a whole bridge."""

from collections.abc import AsyncIterator
from xml.etree import ElementTree

import httpx
import pytest

from admin import valkey
from bridge.profile import PACKAGED
from bridge.store import ConversationStore
from bridge.wire import signature
from tests.bridge.bridges import NUMBER, STREAM_URL, Bridge, a_bridge, parameters
from tests.bridge.practices import PUBLIC_URL, TOKEN, hillside

HUMAN = hillside().transfer_number


@pytest.fixture
async def bridge(redis_url: str) -> AsyncIterator[Bridge]:
    async with a_bridge(redis_url) as bridge:
        yield bridge


@pytest.fixture
async def lonely(tmp_path) -> AsyncIterator[Bridge]:
    """A bridge whose Redis is away."""
    async with a_bridge(f"unix://{tmp_path}/nobody.sock") as bridge:
        yield bridge


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[ConversationStore]:
    store = ConversationStore(redis_url, wall_clock=lambda: 1.7e9)
    yield store
    await store.aclose()


def verbs(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(("application/xml", "text/xml"))
    return [one.tag for one in ElementTree.fromstring(answer.text)]


# --- a call comes in -------------------------------------------------------------------------


async def test_a_call_is_connected_to_a_stream(bridge: Bridge) -> None:
    answer = await bridge.voice("CA1")

    assert verbs(answer) == ["Connect", "Redirect"]
    stream = ElementTree.fromstring(answer.text).find("Connect/Stream")
    assert stream is not None
    assert stream.get("url") == STREAM_URL
    assert set(parameters(answer)) == {"token", "generation"}


async def test_the_token_is_in_no_address(bridge: Bridge) -> None:
    answer = await bridge.voice("CA1")

    token = parameters(answer)["token"]
    attributes = [
        value
        for one in ElementTree.fromstring(answer.text).iter()
        if one.tag != "Parameter"
        for value in one.attrib.values()
    ]
    assert token not in " ".join(attributes)


async def test_a_request_that_comes_twice_makes_the_first_stream_stale(bridge: Bridge) -> None:
    first, second = await bridge.voice("CA1"), await bridge.voice("CA1")

    assert [parameters(one)["generation"] for one in (first, second)] == ["1", "2"]


async def test_a_number_that_is_nobodys_is_refused_politely(bridge: Bridge) -> None:
    assert verbs(await bridge.voice("CA1", To="+15550109999")) == ["Say", "Hangup"]


async def test_a_call_without_a_sid_is_refused_politely(bridge: Bridge) -> None:
    assert verbs(await bridge.voice("")) == ["Say", "Hangup"]


async def test_without_redis_a_call_reaches_a_human(lonely: Bridge) -> None:
    answer = await lonely.voice("CA1")

    assert "Dial" in verbs(answer)
    assert HUMAN in answer.text


# --- who asked -------------------------------------------------------------------------------


async def test_what_is_not_signed_is_refused(bridge: Bridge) -> None:
    form = {"CallSid": "CA1", "To": NUMBER}
    paths = [f"/twilio/{name}" for name in ("voice", "resume", "status", "stream-status")]

    answers = [
        await bridge.http.post(path, data=form, headers=headers)
        for path in paths
        for headers in ({}, {"x-twilio-signature": "AAAA"}, [(b"x-twilio-signature", b"\xff")])
    ]

    assert {answer.status_code for answer in answers} == {403}


async def test_a_form_that_was_tampered_with_is_refused(bridge: Bridge) -> None:
    form = {"CallSid": "CA1", "To": NUMBER, "From": "+15550100123"}
    signed = signature.sign(PUBLIC_URL + "/twilio/voice", form.items(), TOKEN)

    answer = await bridge.post("/twilio/voice", form | {"From": "+15550100124"}, signed=signed)

    assert answer.status_code == 403


async def test_a_signature_for_another_path_is_refused(bridge: Bridge) -> None:
    form = {"CallSid": "CA1", "To": NUMBER}
    signed = signature.sign(PUBLIC_URL + "/twilio/status", form.items(), TOKEN)

    assert (await bridge.post("/twilio/voice", form, signed=signed)).status_code == 403


async def test_a_query_is_signed_too(bridge: Bridge) -> None:
    form = {"CallSid": "CA1", "To": NUMBER}
    signed = signature.sign(PUBLIC_URL + "/twilio/voice", form.items(), TOKEN)

    assert (await bridge.post("/twilio/voice?a=b", form, signed=signed)).status_code == 403
    assert (await bridge.post("/twilio/voice?a=b", form)).status_code == 200


async def test_what_a_proxy_says_about_the_host_does_not_matter(bridge: Bridge) -> None:
    form = {"CallSid": "CA1", "To": NUMBER}
    signed = signature.sign("https://evil.example.com/twilio/voice", form.items(), TOKEN)
    headers = {
        "x-twilio-signature": signed,
        "host": "evil.example.com",
        "x-forwarded-host": "evil.example.com",
        "x-forwarded-proto": "https",
    }

    answer = await bridge.http.post("/twilio/voice", data=form, headers=headers)

    assert answer.status_code == 403


async def test_while_a_token_is_rotated_both_sign(redis_url: str) -> None:
    async with a_bridge(redis_url, twilio_auth_token=f"newer, {TOKEN}") as bridge:
        assert (await bridge.voice("CA1")).status_code == 200


async def test_a_body_that_is_too_large_is_refused(bridge: Bridge) -> None:
    answer = await bridge.post("/twilio/voice", {"CallSid": "C" * 70_000})

    assert answer.status_code == 413


async def test_a_body_that_is_no_form_is_refused(bridge: Bridge) -> None:
    answer = await bridge.http.post(
        "/twilio/voice", content=b"\xff\x00%zz&&&=", headers={"x-twilio-signature": "x"}
    )

    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/media", "/nowhere"])
async def test_what_is_asked_in_another_way_is_no_error_of_ours(bridge: Bridge, path: str) -> None:
    assert (await bridge.http.get(path)).status_code in (404, 405)


# --- what is next ----------------------------------------------------------------------------


async def test_a_call_whose_stream_was_lost_is_connected_again(bridge: Bridge) -> None:
    await bridge.voice("CA1")

    answer = await bridge.resume("CA1")

    assert verbs(answer) == ["Connect", "Redirect"]
    assert parameters(answer)["generation"] == "2"


@pytest.mark.parametrize(
    ("next_step", "expected"),
    [
        ("goodbye", ["Say", "Hangup"]),
        ("human", ["Say", "Dial"]),
        ("apology", ["Say", "Dial"]),
    ],
)
async def test_a_planned_step_is_taken(
    bridge: Bridge, store: ConversationStore, next_step, expected: list[str]
) -> None:
    await bridge.voice("CA1")
    await store.plan("CA1", 1, next_step)

    assert [verb for verb in verbs(await bridge.resume("CA1")) if verb in expected] == expected


async def test_whoever_knows_that_she_is_put_through_is_not_told_again(
    bridge: Bridge, store: ConversationStore
) -> None:
    await bridge.voice("CA1")
    await store.plan("CA1", 1, "transfer")

    assert verbs(await bridge.resume("CA1")) == ["Dial"]


async def test_a_planned_step_is_the_same_however_often_it_is_asked_for(
    bridge: Bridge, store: ConversationStore
) -> None:
    await bridge.voice("CA1")
    await store.plan("CA1", 1, "goodbye")

    assert (await bridge.resume("CA1")).text == (await bridge.resume("CA1")).text


async def test_a_call_that_ended_without_a_plan_says_goodbye(
    bridge: Bridge, store: ConversationStore
) -> None:
    await bridge.voice("CA1")
    await store.save("CA1", 1, b"", ended="agent_lost")

    assert verbs(await bridge.resume("CA1")) == ["Say", "Hangup"]


async def test_a_stream_that_stopped_in_a_call_that_goes_on_is_followed_by_another(
    bridge: Bridge, store: ConversationStore
) -> None:
    await bridge.voice("CA1")
    await store.save("CA1", 1, b"", ended="caller_hung_up")

    assert "Connect" in verbs(await bridge.resume("CA1", CallStatus="in-progress"))


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
async def test_a_call_that_is_over_at_twilio_has_nothing_next(bridge: Bridge, status: str) -> None:
    await bridge.voice("CA1")

    assert verbs(await bridge.resume("CA1", CallStatus=status)) == []


async def test_a_call_we_never_heard_of_is_ended_politely(bridge: Bridge) -> None:
    assert verbs(await bridge.resume("CA9")) == ["Say", "Hangup"]


async def test_after_too_many_lost_streams_a_human_is_called(redis_url: str) -> None:
    async with a_bridge(redis_url, resume_limit=2) as bridge:
        await bridge.voice("CA1")
        answers = [verbs(await bridge.resume("CA1")) for _ in range(3)]

    assert [verbs[0] for verbs in answers[:2]] == ["Connect", "Connect"]
    assert "Dial" in answers[2]


async def test_without_redis_a_lost_call_reaches_a_human(lonely: Bridge) -> None:
    assert "Dial" in verbs(await lonely.resume("CA1"))


async def test_without_redis_a_lost_call_to_nobody_is_ended_politely(lonely: Bridge) -> None:
    assert verbs(await lonely.resume("CA1", To="")) == ["Say", "Hangup"]


async def test_a_redis_that_goes_away_in_between_is_borne() -> None:
    with valkey.running() as redis_url:
        context = a_bridge(redis_url)
        bridge = await context.__aenter__()
        await bridge.voice("CA1")
    try:
        assert "Dial" in verbs(await bridge.resume("CA1"))
        assert "Dial" in verbs(await bridge.voice("CA2"))
    finally:
        await context.__aexit__(None, None, None)


async def test_a_practice_without_a_human_says_its_apology(tmp_path, redis_url: str) -> None:
    text = (PACKAGED / "hillside.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("transfer_number")]
    (tmp_path / "hillside.toml").write_text("\n".join(lines))
    async with a_bridge(redis_url, profiles_dir=str(tmp_path), resume_limit=0) as bridge:
        await bridge.voice("CA1")
        answer = await bridge.resume("CA1")

    assert verbs(answer) == ["Say", "Hangup"]
    assert "technical problem" in answer.text


# --- told for the log, and health ------------------------------------------------------------


@pytest.mark.parametrize("path", ["/twilio/status", "/twilio/stream-status"])
async def test_a_status_may_come_late_twice_and_for_nobody(bridge: Bridge, path: str) -> None:
    form = {"CallSid": "CA9", "StreamSid": "MZ9", "StreamEvent": "stream-error"}

    answers = [await bridge.post(path, form) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]


async def test_a_bridge_with_its_redis_is_ready(bridge: Bridge) -> None:
    assert (await bridge.http.get("/healthz")).json() == {"status": "ok"}
    assert (await bridge.http.get("/readyz")).json() == {"status": "ready"}


async def test_a_bridge_without_its_redis_lives_but_is_not_ready(lonely: Bridge) -> None:
    answer = await lonely.http.get("/readyz")

    assert (answer.status_code, answer.json()) == (503, {"status": "state_unavailable"})
    assert (await lonely.http.get("/healthz")).status_code == 200
