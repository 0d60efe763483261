"""The caller in virtual time: when she begins, what she says, and when she gives way."""

import pytest

from bridge.simulator import events
from bridge.simulator.diary import Diary
from bridge.simulator.person import Deed, Person
from bridge.simulator.room import Room
from bridge.simulator.sayings import sayings
from bridge.simulator.scenario import CallerStep, Scenario
from bridge.wire import mulaw
from tests.simulator.tiny_bridge import StubVoices, tone

SENTENCE = "just a few words of hers"
SENTENCE_MS = 10 * len(SENTENCE)


class Call:
    """A caller and what the agent is made to say to her."""

    def __init__(self, *steps: CallerStep, room: Room | None = None) -> None:
        scenario = Scenario(name="x", summary="", caller=list(steps))
        self.diary = Diary("CA1", 0.0)
        spoken = sayings(scenario, StubVoices())
        self.person = Person(scenario, spoken, self.diary, 0.0, room)
        self.person.scene.stream_at = 0.0
        self.deeds: list[Deed] = []

    def agent_says(self, from_ms: int, until_ms: int) -> None:
        self.person.heard.lay(from_ms * 8, tone(until_ms - from_ms))

    def runs(self, until_ms: int) -> "Call":
        while (now := (len(self.deeds) + 1) * 0.02) * 1000 <= until_ms:
            self.deeds.append(self.person.tick(now))
        return self

    def spoke_at_ms(self) -> list[float]:
        return [event.at_s * 1000 for event in self.diary.of(events.CallerSpoke)]

    def said_ms(self) -> list[tuple[float, float]]:
        return [(line.start / 8, line.end / 8) for line in self.person.said]


def says(**more) -> CallerStep:
    return CallerStep(say=SENTENCE, **more)


def three_utterances(call: Call) -> Call:
    """Greeting, filler, answer: at 0.2, 2 and 4 s, half a second each."""
    for from_ms in (200, 2000, 4000):
        call.agent_says(from_ms, from_ms + 500)
    return call


def test_she_breaks_into_the_utterance_that_is_meant() -> None:
    second = three_utterances(Call(says(barge_in_ms=300, utterance=2))).runs(5000)
    third = three_utterances(Call(says(barge_in_ms=100, call_utterance=3))).runs(5000)
    first = three_utterances(Call(says(barge_in_ms=100))).runs(5000)

    assert second.spoke_at_ms() == [pytest.approx(2300, abs=21)]
    assert third.spoke_at_ms() == [pytest.approx(4100, abs=21)]
    assert first.spoke_at_ms() == [pytest.approx(300, abs=21)]


def test_utterances_are_counted_from_the_step_before_or_from_the_call() -> None:
    waits = CallerStep(wait_ms=1000, at_ms=0)
    since = three_utterances(Call(waits, says(barge_in_ms=100, utterance=1))).runs(5000)
    of_call = three_utterances(Call(waits, says(barge_in_ms=100, call_utterance=2))).runs(5000)
    too_many = three_utterances(Call(says(barge_in_ms=0, utterance=4))).runs(5000)

    assert since.spoke_at_ms() == of_call.spoke_at_ms() == [pytest.approx(2100, abs=21)]
    assert too_many.spoke_at_ms() == []


def test_she_breaks_in_again_and_again() -> None:
    call = Call(*(says(barge_in_ms=100) for _ in range(3)))

    assert three_utterances(call).runs(5000).spoke_at_ms() == [
        pytest.approx(at_ms, abs=21) for at_ms in (300, 2100, 4100)
    ]


def test_a_step_may_follow_the_one_before_whatever_is_heard() -> None:
    call = Call(CallerStep(sound="cough", at_ms=300), says(after_step_ms=400))
    call.agent_says(0, 5000)

    cough, line = call.runs(3000).spoke_at_ms()
    assert line - cough == pytest.approx(360 + 400, abs=21)


def test_overlapping_speech_goes_on_to_its_end() -> None:
    call = Call(says(at_ms=100))
    call.agent_says(200, 3000)

    ((start, end),) = call.runs(2000).said_ms()
    assert end - start == pytest.approx(SENTENCE_MS, abs=1)


def test_a_caller_who_yields_stops_when_she_has_been_talked_over_for_so_long() -> None:
    call = Call(says(at_ms=100, yield_ms=80), CallerStep(press="1", after_step_ms=0))
    call.agent_says(200, 3000)

    ((start, end),) = call.runs(2000).said_ms()
    assert end == pytest.approx(280, abs=21)
    assert start == pytest.approx(100, abs=21)
    loud = [deed.speaking for deed in call.deeds]
    assert sum(loud) * 20 == pytest.approx(end - start, abs=21)
    assert call.diary.of(events.KeyPressed)[0].at_s * 1000 == pytest.approx(end, abs=41)


def test_a_caller_who_yields_does_not_before_the_agent_is_heard_nor_after_it_stopped() -> None:
    call = Call(says(at_ms=500, yield_ms=20))
    call.agent_says(0, 350)

    ((start, end),) = call.runs(2000).said_ms()
    assert end - start == pytest.approx(SENTENCE_MS, abs=1)


def test_a_pause_in_a_line_is_not_speech_and_not_its_end() -> None:
    call = Call(CallerStep(say="one … two", pause_ms=400, at_ms=20), CallerStep(press="1"))
    call.runs(1000)

    speaking = [deed.speaking for deed in call.deeds]
    assert sum(speaking) == 4  # two words of three letters, 30 ms each, in two frames
    (said,) = call.person.said
    assert [(one.end - one.start) / 8 for one in said.audible] == [30, 30]
    assert (said.end - said.start) / 8 == pytest.approx(30 + 410 + 30, abs=1)
    assert len(call.diary.of(events.CallerFinished)) == 1


def test_a_stall_or_a_hold_befalls_the_line_at_its_moment() -> None:
    call = Call(
        CallerStep(stall_ms=700, at_ms=100),
        says(at_ms=300, hold_ms=200, from_ms=100),
        CallerStep(stall_ms=1, after_step_ms=0),
    )
    call.runs(1000)

    stalls = [at for at, deed in enumerate(call.deeds, 1) if deed.stall_ms is not None]
    holds = [at for at, deed in enumerate(call.deeds, 1) if deed.hold_ms is not None]
    assert [call.deeds[at - 1].stall_ms for at in stalls] == [700, 1]
    assert stalls[0] * 20 == pytest.approx(100, abs=20)
    assert [at * 20 for at in holds] == [pytest.approx(400, abs=20)]
    assert [deed.hold_ms for deed in call.deeds if deed.hold_ms is not None] == [200]
    told = [(event.trouble, event.lasting_ms) for event in call.diary.of(events.LineTroubled)]
    assert told == [("stall", 700), ("hold", 200), ("stall", 1)]


def test_the_noise_around_her_grows_with_a_step() -> None:
    call = Call(CallerStep(noise_dbfs=-20.0, at_ms=200)).runs(600)
    before, after = (
        b"".join(deed.frame for deed in call.deeds[part]) for part in (slice(0, 9), slice(11, None))
    )

    assert max(abs(0x7F - (byte & 0x7F)) for byte in before) < 40
    assert max(abs(0x7F - (byte & 0x7F)) for byte in after) > 70
    assert not any(deed.speaking for deed in call.deeds)


def test_nobody_has_to_answer_a_cough() -> None:
    call = Call(CallerStep(sound="cough", at_ms=0))
    call.agent_says(1000, 1500)
    call.runs(2000)

    (audible,) = call.diary.of(events.AgentAudible)
    assert audible.gap_ms is None
    assert not call.person.said[0].has_words
    assert call.diary.of(events.CallerSpoke)[0].text == "(cough)"


def test_her_loudspeaker_is_heard_in_her_frames_after_its_lag() -> None:
    call = Call(room=Room(echo_db=-6.0, echo_lag_ms=200))
    call.agent_says(100, 300)
    call.runs(1000)

    loud = [
        at * 20
        for at, deed in enumerate(call.deeds)
        if min(byte & 0x7F for byte in deed.frame) < 60
    ]
    assert (loud[0], loud[-1]) == (300, 480)
    assert len(call.person.spoken.between(0, 8000)) == 8000
    assert call.deeds[0].frame != mulaw.silence(20)
