import random
import struct

import pytest

from bridge.simulator import levels, scenario
from bridge.simulator.ears import Ears
from bridge.simulator.formats import Format, Reading, doubled
from bridge.simulator.likeness import Likenesses
from bridge.simulator.listening import TurnDetector
from bridge.simulator.scenario import Listening
from bridge.simulator.synthesis import Placeholder
from bridge.simulator.voices import CALLER, Voices
from bridge.wire import mulaw
from bridge.wire.mulaw import FRAME_BYTES, silence

LINES = sorted({line for name in ("cleaning", "lookup", "barge-in-three-times", "second-thoughts")
                for line in scenario.load(name).caller_lines()})  # fmt: skip


@pytest.fixture(scope="module")
def sounds():
    voices = Voices(synthesiser=Placeholder())
    assert all(voices.ships(line, CALLER) for line in LINES)
    return [voices.render(line, CALLER) for line in LINES]


@pytest.fixture(scope="module")
def likenesses(sounds):
    return Likenesses(sounds)


def resampled(sound):
    reading = Reading(Format(encoding="linear16", rate_hz=16000))
    return reading.read(doubled(mulaw.to_linear(silence(60) + sound + silence(60))))


def softer(sound):
    return mulaw.from_linear(levels.louder(mulaw.to_linear(sound), 0.2))


def late(sound):
    return silence(20)[:77] + softer(sound)


def gated(sound):
    frames = [sound[at : at + FRAME_BYTES] for at in range(0, len(sound), FRAME_BYTES)]
    gate = mulaw.linear(-40)
    return b"".join(frame if mulaw.rms(frame) > gate else silence(20) for frame in frames)


def noisy(sound):
    luck = random.Random(1)
    hiss = struct.pack(f"={len(sound)}h", *(round(luck.gauss(0, 150)) for _ in sound))
    return mulaw.from_linear(levels.mixed(mulaw.to_linear(sound), hiss))


@pytest.mark.parametrize("treated", [resampled, softer, late, gated, noisy])
@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_line_is_recognised_whatever_was_done_to_its_bytes(likenesses, sounds, treated, number):
    found = likenesses.matches(treated(sounds[number]))

    assert [match.line for match in found] == [number]


def test_two_lines_are_found_in_the_order_they_were_spoken(likenesses, sounds):
    found = likenesses.matches(resampled(sounds[3] + silence(300) + sounds[1]))

    assert [match.line for match in found] == [3, 1]


def test_a_line_that_was_cut_is_found_as_far_as_it_went(likenesses, sounds):
    frames = len(sounds[0]) // FRAME_BYTES
    found = likenesses.matches(softer(sounds[0][: frames // 2 * FRAME_BYTES]))

    assert [match.line for match in found] == [0]
    assert found[0].first == 0
    assert abs(found[0].last - frames // 2) <= 2


@pytest.mark.parametrize(
    "sound", [b"", silence(20), silence(2000), bytes(range(256)) * 60, b"\x00\xff"]
)
def test_what_is_no_line_resembles_none(likenesses, sound):
    assert likenesses.matches(sound) == []


def test_an_ear_without_lines_guesses_nothing(sounds):
    assert Likenesses([]).matches(sounds[0]) == []


def test_the_detector_falls_back_on_likeness_and_only_then(sounds):
    ears = Ears(dict(zip(LINES, sounds, strict=True)))
    for sound in (sounds[2], softer(sounds[2]), resampled(sounds[2])):
        detector = TurnDetector(Listening(gate_dbfs=-60), ears.open())
        for at in range(0, len(sound), FRAME_BYTES):
            detector.feed(sound[at : at + FRAME_BYTES])
        assert detector.words() == LINES[2]
        assert detector.ear.doubtful == (sound != sounds[2])
        detector.clear()
        assert detector.words() == ""
