import random

import pytest

from bridge.simulator.ears import INAUDIBLE, Ears
from bridge.simulator.sayings import letter_text
from bridge.simulator.synthesis import Placeholder
from bridge.simulator.voices import CALLER, Voices
from bridge.wire.mulaw import FRAME_BYTES, silence

LINES = [
    "Hi, I'd like to book a cleaning, please.",
    "Sorry, could we make it Wednesday afternoon?",
    "Thank you, bye.",
]


@pytest.fixture(scope="module")
def sounds():
    voices = Voices(synthesiser=Placeholder())
    return {line: voices.render(line, CALLER) for line in LINES}


@pytest.fixture
def ear(sounds):
    return Ears(sounds).open()


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_line_is_recognised_however_its_frames_are_grouped(ear, sounds, line, frames):
    sound = sounds[line]
    for at in range(0, len(sound), frames * FRAME_BYTES):
        ear.feed(sound[at : at + frames * FRAME_BYTES])

    assert ear.text() == line


@pytest.mark.parametrize("length", [100, 161, 333])
def test_pieces_need_not_be_whole_frames(ear, sounds, length):
    sound = sounds[LINES[0]]
    for at in range(0, len(sound), length):
        ear.feed(sound[at : at + length])

    assert ear.text() == LINES[0]


@pytest.mark.parametrize("seed", range(5))
def test_lost_frames_and_inserted_silence_do_not_matter(ear, sounds, seed):
    luck = random.Random(seed)
    sound = sounds[LINES[0]]
    for at in range(0, len(sound), FRAME_BYTES):
        if luck.random() < 0.3:
            continue
        if luck.random() < 0.3:
            ear.feed(silence(20))
        ear.feed(sound[at : at + FRAME_BYTES])

    assert ear.text() == LINES[0]


@pytest.mark.parametrize("length", [160, 800, 100_000])
def test_lost_bytes_cost_a_little_of_the_line_only(ear, sounds, length):
    sound = sounds[LINES[1]][:8000] + sounds[LINES[1]][8057:]
    for at in range(0, len(sound), length):
        ear.feed(sound[at : at + length])

    assert ear.text() == LINES[1]


def test_a_line_that_is_cut_is_heard_as_far_as_it_went(ear, sounds):
    sound = sounds[LINES[0]]
    ear.feed(sound[: len(sound) // 2 // FRAME_BYTES * FRAME_BYTES])

    assert ear.text() == "Hi, I'd like to book"


def test_the_rest_of_a_line_is_heard_alone(ear, sounds):
    sound = sounds[LINES[0]]
    ear.feed(sound[len(sound) // 2 // FRAME_BYTES * FRAME_BYTES :])

    assert ear.text() == "a cleaning, please."


def test_two_lines_in_one_breath_are_heard_in_order(ear, sounds):
    ear.feed(sounds[LINES[2]] + silence(200) + sounds[LINES[0]])

    assert ear.text() == f"{LINES[2]} {LINES[0]}"


def test_unknown_speech_is_inaudible_and_silence_is_nothing(ear):
    assert ear.text() == ""
    ear.feed(bytes(range(256)) * 20)
    assert ear.text() == INAUDIBLE


def test_what_was_heard_can_be_forgotten(ear, sounds):
    ear.feed(sounds[LINES[0]])
    ear.clear()
    ear.feed(sounds[LINES[2]])

    assert ear.text() == LINES[2]


def test_a_line_said_twice_is_heard_twice(ear, sounds):
    ear.feed(sounds[LINES[2]] + silence(200) + sounds[LINES[2]])

    assert ear.text() == f"{LINES[2]} {LINES[2]}"


def test_letters_are_heard_one_by_one_and_doubled(sounds):
    letters = {letter: Voices().render(letter_text(letter), CALLER) for letter in "ANT"}
    ear = Ears({**sounds, **letters}).open()
    for letter in "TANNA":
        ear.feed(letters[letter])
        ear.pause()

    assert ear.text() == "T A N N A"


def test_one_text_may_have_several_sounds(sounds):
    voices = Voices(synthesiser=Placeholder())
    soft = voices.render("softly", CALLER)
    ear = Ears([(LINES[0], sounds[LINES[0]]), (LINES[0], soft)]).open()
    ear.feed(soft)

    assert ear.text() == LINES[0]
