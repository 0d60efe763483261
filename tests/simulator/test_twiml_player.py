"""TwiML read and run as Twilio does: strictly, verb after verb, faults by number."""

import pytest

from bridge.simulator import document
from bridge.simulator.twiml_player import Player, StreamEnding
from bridge.simulator.verbs import (
    Connect,
    Dial,
    Fork,
    Gather,
    Hangup,
    Pause,
    Play,
    Record,
    Redirect,
    Reject,
    Say,
)
from bridge.simulator.webhook import Answer, NoAnswer
from bridge.wire import twiml

URL = "https://bridge.example.com/twilio/voice"


def read(body: str, content_type: str = "text/xml; charset=utf-8"):
    return document.read(f"<Response>{body}</Response>", url=URL, content_type=content_type)


def stream_of(body: str):
    (connect,) = read(f"<Connect>{body}</Connect>").verbs
    return connect.stream


def test_every_verb_is_read() -> None:
    verbs = read(
        """<Say>Hello  there</Say><Play digits="12"/><Pause length="3"/>
        <Start><Recording/></Start><Dial action="/d"><Number>+1555</Number></Dial>
        <Record maxLength="7"/><Gather numDigits="1"><Say>press</Say></Gather>
        <Redirect>/r</Redirect><Hangup/><Reject reason="busy"/>"""
    ).verbs

    assert [type(verb) for verb in verbs] == [
        Say, Play, Pause, Fork, Dial, Record, Gather, Redirect, Hangup, Reject,
    ]  # fmt: skip
    assert verbs[0] == Say(text="Hello there")
    assert verbs[4].action_url == "https://bridge.example.com/d"
    assert verbs[7].url == "https://bridge.example.com/r"


def test_the_document_our_bridge_writes_has_no_fault() -> None:
    body = twiml.connect_stream(
        stream_url="wss://bridge.example.com/twilio/media",
        action_url="https://bridge.example.com/twilio/resume",
        parameters={"tok": "a&b", "gen": "1"},
        name="g1",
        status_callback_url="https://bridge.example.com/twilio/stream-status",
    )

    found = document.read(body, url=URL, content_type=twiml.CONTENT_TYPE)

    connect, redirect = found.verbs
    assert isinstance(connect, Connect)
    assert connect.stream.fault is None
    assert connect.stream.parameters == {"tok": "a&b", "gen": "1"}
    assert connect.action_url == redirect.url
    assert "#rc=" in redirect.url
    assert found.notices == ()


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        ("<Response><Say>", "text/xml", 12100),
        ("", "text/xml", 12100),
        ("<Answer/>", "text/xml", 12100),
        ("<Response/>", "text/html", 12300),
        ("<Response/>", "", 12300),
    ],
)
def test_a_document_twilio_cannot_read_is_refused(body, content_type, code) -> None:
    with pytest.raises(document.Unreadable) as refused:
        document.read(body, url=URL, content_type=content_type)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<Shout>x</Shout>", "<Shout> is no verb"),
        ('<Say pitch="9">x</Say>', "<Say> has no attribute pitch"),
        ('<Pause length="long"/>', "length of <Pause> is not a number"),
        ("<Connect/>", "<Connect> without a <Stream>"),
    ],
)
def test_what_twilio_passes_over_is_warned_of(body: str, why: str) -> None:
    (notice,) = read(body).notices

    assert (notice.code, notice.why) == (12200, why)


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        ('<Stream url="https://bridge.example.com/m"/>', 31922),
        ('<Stream url="ws://bridge.example.com/m"/>', 31922),
        ('<Stream url="wss:///m"/>', 31923),
        ('<Stream url="wss://bridge.example.com/m?tok=1"/>', 31920),
        ('<Stream url="wss://bridge.example.com/m" track="both_tracks"/>', 31941),
        (f'<Stream url="/m"><Parameter name="a" value="{"x" * 499}"/></Stream>', 31951),
        ('<Stream url="/m"/><Stream url="/n"/>', 31941),
    ],
)
def test_a_stream_twilio_would_not_open_has_its_number(stream: str, code: int) -> None:
    assert stream_of(stream).fault.code == code


@pytest.mark.parametrize(
    "url", ["wss://bridge.example.com/m", "ws://127.0.0.1:8080/m", "ws://localhost/m", "/m"]
)
def test_a_stream_twilio_would_open_has_no_fault(url: str) -> None:
    assert stream_of(f'<Stream url="{url}"/>').fault is None


def test_a_relative_stream_url_is_a_socket_on_the_documents_host() -> None:
    assert stream_of('<Stream url="/m"/>').url == "wss://bridge.example.com/m"


class FakeStage:
    """Answers from a table; remembers everything."""

    def __init__(self, **documents: str | int | Exception) -> None:
        self.documents = documents
        self.asked: list[tuple[str, str, dict]] = []
        self.noted: list[int] = []
        self.begun: list[str] = []
        self.waited_s = 0.0
        self.spoken: list[str] = []
        self.stream_goes_on = True
        self.digits = ""

    async def ask(self, purpose, url, extra, method):
        self.asked.append((purpose, url, dict(extra)))
        found = self.documents[url.rpartition("/")[2].partition("#")[0]]
        if isinstance(found, Exception):
            raise found
        status, body = (found, "") if isinstance(found, int) else (200, found)
        return Answer(
            url=url.partition("#")[0],
            status=status,
            content_type="text/xml",
            body=body and f"<Response>{body}</Response>",
            took_ms=1,
            tries=1,
        )

    def note(self, code, why) -> None:
        self.noted.append(code)

    def begin(self, verb, detail) -> None:
        self.begun.append(verb)

    async def speak(self, text) -> None:
        self.spoken.append(text)

    async def wait(self, seconds) -> None:
        self.waited_s += seconds

    async def connect(self, stream):
        return StreamEnding(call_goes_on=self.stream_goes_on, why="test")

    async def dial(self, to):
        return {"DialCallStatus": "no-answer"}

    async def record(self, longest_s):
        return {"RecordingSid": "RE1"}

    async def gather(self, timeout_s, most, finish):
        return self.digits


async def run(stage: FakeStage, **more):
    return await Player(stage, **more).run("https://b.example.com/voice")


async def test_verbs_run_in_order_and_the_end_of_the_document_ends_the_call() -> None:
    stage = FakeStage(voice='<Say>one</Say><Pause length="2"/><Say>two</Say>')

    ending = await run(stage)

    assert ending.outcome == "bridge_hung_up"
    assert stage.spoken == ["one", "two"]
    assert stage.waited_s == 2


async def test_behind_a_stream_the_action_is_asked_and_the_next_verb_is_not_reached() -> None:
    stage = FakeStage(
        voice='<Connect action="/then"><Stream url="/m"/></Connect><Redirect>/never</Redirect>',
        then="<Hangup/>",
    )

    await run(stage)

    assert [url for _, url, _ in stage.asked[1:]] == ["https://b.example.com/then"]
    assert stage.begun == ["Connect", "Hangup"]


async def test_without_an_action_the_next_verb_follows_the_stream() -> None:
    stage = FakeStage(
        voice='<Connect><Stream url="/m"/></Connect><Redirect>/then</Redirect>', then="<Hangup/>"
    )

    assert (await run(stage)).why == "<Hangup>"


async def test_a_stream_that_takes_the_call_with_it_ends_everything() -> None:
    stage = FakeStage(voice='<Connect action="/then"><Stream url="/m"/></Connect>')
    stage.stream_goes_on = False

    assert (await run(stage)).outcome == "lost"


async def test_a_stream_with_the_wrong_track_ends_the_call() -> None:
    stage = FakeStage(voice='<Connect><Stream url="/m" track="both_tracks"/></Connect><Say>x</Say>')

    ending = await run(stage)

    assert (ending.outcome, stage.noted, stage.spoken) == ("failed", [31941], [])


async def test_a_document_that_fails_ends_the_call() -> None:
    stage = FakeStage(voice=503)

    ending = await run(stage)

    assert (ending.outcome, stage.noted) == ("failed", [11200])


async def test_a_fallback_is_told_what_failed() -> None:
    stage = FakeStage(
        voice=NoAnswer("u", 11205, "could not connect", took_ms=1, tries=2), saved="<Say>ok</Say>"
    )

    ending = await run(stage, fallback_url="https://b.example.com/saved")

    assert ending.outcome == "bridge_hung_up"
    purpose, _, told = stage.asked[1]
    assert purpose == "fallback"
    assert told == {"ErrorCode": "11205", "ErrorUrl": "https://b.example.com/voice"}


async def test_a_fallback_that_fails_too_is_not_asked_again() -> None:
    stage = FakeStage(voice=500, saved=500)

    ending = await run(stage, fallback_url="https://b.example.com/saved")

    assert (ending.outcome, len(stage.asked)) == ("failed", 2)


async def test_a_dial_tells_its_action_how_it_went() -> None:
    stage = FakeStage(voice='<Dial action="/dialed">+1555</Dial>', dialed="<Hangup/>")

    await run(stage)

    assert stage.asked[1][2] == {"DialCallStatus": "no-answer"}


async def test_a_record_without_an_action_asks_the_same_document_again() -> None:
    stage = FakeStage(voice="<Record/>")

    ending = await run(stage)

    assert ending.why == "the TwiML goes round in circles"
    assert {url for _, url, _ in stage.asked} == {"https://b.example.com/voice"}


async def test_a_gather_with_digits_asks_its_action_and_without_goes_on() -> None:
    voice = '<Gather action="/keys"><Say>press</Say></Gather><Say>nothing</Say>'
    silent = FakeStage(voice=voice)
    pressed = FakeStage(voice=voice, keys="<Hangup/>")
    pressed.digits = "7"

    await run(silent)
    await run(pressed)

    assert silent.spoken == ["press", "nothing"]
    assert pressed.asked[1][2]["Digits"] == "7"


async def test_a_rejected_call_is_refused() -> None:
    assert (await run(FakeStage(voice="<Reject/>"))).outcome == "refused"


async def test_an_empty_answer_ends_the_call() -> None:
    assert (await run(FakeStage(voice=""))).why == "an empty answer"
