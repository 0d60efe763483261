import pytest

from bridge.simulator.ears import Ears
from bridge.simulator.listening import Sign, TurnDetector
from bridge.simulator.scenario import Listening
from bridge.simulator.synthesis import Placeholder
from bridge.wire.mulaw import FRAME_BYTES, silence

SPEECH = Placeholder().speak("hello", "caller")[: 16 * FRAME_BYTES]
FRAMES = 16


@pytest.fixture
def detector():
    listening = Listening(start_ms=60, eager_ms=200, end_of_turn_ms=400)
    return TurnDetector(listening, Ears({"hello": SPEECH}).open())


def signs(detector, *sounds, piece=FRAME_BYTES):
    """What is noticed, and at which millisecond of the stream."""
    noticed = []
    sound = b"".join(sounds)
    for at in range(0, len(sound), piece):
        noticed += [
            (sign, detector.heard_bytes // 8) for sign in detector.feed(sound[at : at + piece])
        ]
    return noticed  # fmt: skip


def test_a_turn_starts_is_suspected_to_end_and_ends(detector):
    assert signs(detector, silence(100), SPEECH, silence(600)) == [
        (Sign.STARTED, 160),
        (Sign.EAGER, 620),
        (Sign.ENDED, 820),
    ]
    assert not detector.speaking


@pytest.mark.parametrize("piece", [320, 800])
def test_larger_pieces_tell_the_same(detector, piece):
    noticed = signs(detector, silence(100), SPEECH, silence(1000), piece=piece)

    assert [sign for sign, _ in noticed] == [Sign.STARTED, Sign.EAGER, Sign.ENDED]


def test_a_click_is_no_utterance(detector):
    click = SPEECH[: 2 * FRAME_BYTES]

    assert signs(detector, click, silence(100), click, silence(1000)) == []
    assert detector.ear.text() == ""


def test_going_on_after_a_pause_is_the_same_turn(detector):
    noticed = signs(detector, SPEECH, silence(300), SPEECH, silence(600))

    assert [sign for sign, _ in noticed] == [
        Sign.STARTED,
        Sign.EAGER,
        Sign.RESUMED,
        Sign.EAGER,
        Sign.ENDED,
    ]


def test_a_short_pause_is_not_noticed(detector):
    noticed = signs(detector, SPEECH, silence(150), SPEECH, silence(600))

    assert [sign for sign, _ in noticed] == [Sign.STARTED, Sign.EAGER, Sign.ENDED]


def test_a_turn_can_be_ended_from_outside(detector):
    signs(detector, SPEECH)

    assert detector.end()
    assert not detector.end()
    assert signs(detector, silence(1000)) == []
