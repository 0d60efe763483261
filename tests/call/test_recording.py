import typing

import pytest

from bridge.call import recording
from bridge.call.events import (
    AgentAudio,
    AgentLost,
    CallerGone,
    InnerEvent,
    OutcomeArrived,
    PhraseMissing,
    PhraseReady,
    Wakeup,
)
from bridge.call.recording import UnreadableRecord
from bridge.wire import deepgram
from tests.call.calls import BOOK, GREETING, asks, mark, media, start, stop, user_text
from tools.contract import Done, Failed

EVENTS = [
    start(token="t", generation="1"),
    media(bytes(range(256))),
    mark("0:1"),
    stop(),
    user_text("Grüezi \n “zwei” \u2028"),
    asks("book_appointment", BOOK, thought_signature="s"),
    asks("book_appointment", {"service": ["a", 1, 2.5, None]}),
    deepgram.LatencyReport(total_latency=0.1 + 0.2),
    deepgram.CustomFromThinkProvider(content={"a": [1]}),
    AgentAudio(b"\xff\x00\n"),
    AgentLost(code="refused", status=429),
    CallerGone(code=1006),
    OutcomeArrived(outcome=Done(function_call_id="1", tool="t", content="{}")),
    OutcomeArrived(outcome=Failed(function_call_id="1", tool="t", code="doubt", say="x")),
    PhraseReady(kind="greeting", text=GREETING, audio=b"\x7f" * 10),
    PhraseMissing(kind="filler", text="One moment."),
    Wakeup(),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_was(event) -> None:
    line = recording.encode(event, 12.345678901234567)

    assert recording.decode(line) == (event, 12.345678901234567)


def test_a_record_is_one_line() -> None:
    assert not any(b"\n" in recording.encode(event, 1.0) for event in EVENTS)


def test_every_event_of_our_own_is_among_those_tried() -> None:
    assert set(typing.get_args(InnerEvent)) <= {type(event) for event in EVENTS}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"{}",
        b'{"version":1,"at":1.0}',
        b'{"version":1,"at":1.0,"twilio":{"event":"shout"}}',
        recording.encode(media(b"secret"), 1.0)[:-9],
    ],
)
def test_what_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(UnreadableRecord, match="no record"):
        recording.decode(line)


def test_a_record_of_a_newer_version_is_refused() -> None:
    with pytest.raises(UnreadableRecord, match="version 2"):
        recording.decode(b'{"version":2,"at":1.0,"inner":{"inner":"wakeup"}}')
