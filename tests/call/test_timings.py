from bridge.call.events import AgentAudio
from bridge.call.timings import Stamps
from bridge.wire import deepgram
from tests.call.calls import ready_call, speaking_call


def test_a_wait_is_measured_from_its_beginning_to_its_end() -> None:
    stamps = Stamps()
    stamps.begin("reply", 1.0)

    stamps.end("reply", 2.5, at_s=2.5)

    assert [(one.stage, one.seconds, one.at_s) for one in stamps.latencies] == [("reply", 1.5, 2.5)]


def test_a_wait_that_never_began_is_not_measured() -> None:
    stamps = Stamps()

    stamps.end("reply", 2.5, at_s=2.5)

    assert stamps.latencies == []


def test_a_wait_that_came_to_nothing_is_not_measured() -> None:
    stamps = Stamps()
    stamps.begin("reply", 1.0)
    stamps.drop("reply")

    stamps.end("reply", 2.5, at_s=2.5)

    assert stamps.latencies == []


def test_only_so_many_are_kept() -> None:
    stamps = Stamps(keep=2)

    for seconds in (1.0, 2.0, 3.0):
        stamps.add("total", seconds, at_s=0.0)

    assert [one.seconds for one in stamps.latencies] == [2.0, 3.0]


def test_a_reply_is_measured_from_the_end_of_the_callers_turn_to_its_first_sound() -> None:
    call = ready_call()
    call.at(2.0, deepgram.UserStartedSpeaking())
    call.at(3.0, deepgram.EndOfTurn())
    call.at(3.1, deepgram.ConversationText(role="user", content="Hi."))

    call.at(3.8, AgentAudio(b"\x40"))

    assert [(one.stage, round(one.seconds, 3)) for one in call.session.stamps.latencies] == [
        ("greeting", 0.0),
        ("reply", 0.8),
    ]


def test_what_the_agent_reports_is_kept_but_for_the_flood() -> None:
    call = speaking_call()
    before = len(call.session.stamps.latencies)

    call.at(3.5, deepgram.LatencyReport(stt_latency=0.1, ttt_token_latency=0.4, total_latency=0.9))

    reported = call.session.stamps.latencies[before:]
    assert [(one.stage, one.seconds) for one in reported] == [("thinking", 0.4), ("total", 0.9)]


def test_each_stage_has_its_median_in_milliseconds() -> None:
    stamps = Stamps()
    for seconds in (0.5, 0.1, 0.3):
        stamps.add("reply", seconds, 1.0)
    stamps.add("greeting", 0.0042, 1.0)

    assert stamps.medians_ms() == {"reply": 300.0, "greeting": 4.2}
