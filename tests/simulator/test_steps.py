"""What a caller's step may say, and what is no step."""

import wave

import msgspec
import pytest

from bridge.simulator import scenario
from bridge.simulator.sayings import recording
from bridge.simulator.scenario import CallerStep, ScenarioError
from bridge.simulator.steps import DEFAULT_AFTER_AGENT_MS


@pytest.mark.parametrize(
    "fields",
    [
        {"say": "Hello.", "gain_db": -20.0},
        {"say": "I'd like … a cleaning", "pause_ms": 900},
        {"spell": "M O R E A U", "letter_gap_ms": 700},
        {"spell": "q7"},
        {"sound": "cough", "barge_in_ms": 400, "utterance": 2},
        {"sound": "babble", "lasting_ms": 4000, "call_utterance": 1, "barge_in_ms": 0},
        {"wav": "her.wav", "words": "Hello."},
        {"say": "Hello.", "stall_ms": 1000, "from_ms": 300},
        {"say": "Hello.", "hold_ms": 200, "yield_ms": 500, "cut_ms": 0},
        {"stall_ms": 4000, "after_step_ms": 0},
        {"hold_ms": 233},
        {"noise_dbfs": -40.0, "at_ms": 5000},
    ],
)
def test_a_step_is_read_and_written_as_it_was_meant(fields: dict) -> None:
    step = msgspec.convert(fields, CallerStep)

    assert step == CallerStep(**fields)
    assert msgspec.json.decode(msgspec.json.encode(step), type=CallerStep) == step


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "exactly one of"),
        ({"say": "a", "spell": "A"}, "exactly one of"),
        ({"sound": "cough", "hangup": True}, "exactly one of"),
        ({"stall_ms": 1, "hold_ms": 1}, "exactly one of"),
        ({"say": "a", "stall_ms": 1, "hold_ms": 1}, "not both"),
        ({"press": "1", "stall_ms": 1}, "beside something audible"),
        ({"wait_ms": 0, "hold_ms": 1}, "beside something audible"),
        ({"say": "a", "noise_dbfs": -40.0}, "stands alone"),
        ({"say": "a", "at_ms": 1, "after_step_ms": 0}, "at most one trigger"),
        ({"say": "a", "barge_in_ms": 1, "utterance": 1, "call_utterance": 1}, "two ways"),
        ({"say": "a", "utterance": 1}, "goes with barge_in_ms"),
        ({"say": "a", "letter_gap_ms": 1}, "goes with spell"),
        ({"spell": "A", "pause_ms": 1}, "goes with say"),
        ({"say": "a", "lasting_ms": 1}, "goes with sound"),
        ({"say": "a", "words": "a"}, "goes with wav"),
        ({"hangup": True, "cut_ms": 1}, "goes with say or"),
        ({"press": "1", "gain_db": 3.0}, "goes with say or"),
        ({"stall_ms": 9, "from_ms": 1}, "goes with say or"),
        ({"spell": "A-B"}, "spell"),
        ({"sound": "silence"}, "sound"),
        ({"say": "a", "barge_in_ms": 1, "utterance": 0}, "utterance"),
    ],
)
def test_what_is_no_step_is_refused_with_the_reason(fields: dict, why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        msgspec.convert(fields, CallerStep)


def test_the_trigger_is_the_one_given_or_a_polite_pause() -> None:
    assert CallerStep(sound="door", after_step_ms=0).trigger == ("after_step_ms", 0)
    assert CallerStep(hold_ms=1).trigger == ("after_agent_ms", DEFAULT_AFTER_AGENT_MS)


def test_a_line_with_pauses_is_spoken_in_parts_and_without_them_whole() -> None:
    text = "I'd like … a cleaning ... on Tuesday…"

    assert CallerStep(say=text).spoken == [text]
    assert CallerStep(say=text, pause_ms=0).spoken == ["I'd like", "a cleaning", "on Tuesday"]
    assert CallerStep(spell="mo reau").spoken == []
    assert CallerStep(spell="mo reau").letters == ["M", "O", "R", "E", "A", "U"]


def test_a_recording_lies_beside_the_scenario_that_plays_it(tmp_path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\nsummary = "mine"\n[[caller]]\nwav = "her.wav"\nwords = "Hi."\n')

    (step,) = scenario.load(path).caller

    assert step.wav == str(tmp_path / "her.wav")


def test_a_scenario_names_the_texts_that_need_a_voice(tmp_path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\nsummary = "mine"\n'
        '[[caller]]\nsay = "Hello … there"\npause_ms = 300\n'
        '[[caller]]\nspell = "AB"\n[[caller]]\nsound = "mhm"\n'
    )

    assert scenario.load(path).caller_lines() == ["Hello", "there"]


def test_a_recording_that_cannot_be_read_is_named(tmp_path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.wav"):
        recording(tmp_path / "none.wav")
    path = tmp_path / "wide.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 3, 8000, 0, "NONE", ""))
        file.writeframes(bytes(30))
    with pytest.raises(ScenarioError, match="24 bits"):
        recording(path)
