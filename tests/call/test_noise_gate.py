"""What the gate lets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.noise_gate import HOLD_MS, NoiseGate
from bridge.call.quality import LineQuality
from bridge.wire import mulaw
from tests.call.sounds import FRAME, mixed, noise, on_the_line, talk

SOUND = bytes(range(64)) * 10
FRAME_OF_NOISE = b"\x60\xe0" * 80


def open_gate() -> NoiseGate:
    gate = NoiseGate()
    gate.pass_(FRAME_OF_NOISE, speech=True)
    return gate


def test_a_gate_is_shut_until_there_is_a_voice() -> None:
    assert NoiseGate().pass_(FRAME_OF_NOISE, speech=False) == mulaw.silence(20)


def test_a_voice_goes_through_untouched() -> None:
    assert open_gate().pass_(SOUND, speech=True) == SOUND


def test_the_first_five_milliseconds_of_a_voice_are_faded_in() -> None:
    audio = NoiseGate().pass_(FRAME_OF_NOISE, speech=True)

    levels = [mulaw.level_dbfs(audio[at : at + 8]) for at in range(0, 48, 8)]
    assert levels == sorted(levels)
    assert levels[0] == pytest.approx(mulaw.level_dbfs(FRAME_OF_NOISE) - 24, abs=2.5)
    assert audio[32:] == FRAME_OF_NOISE[32:]


def test_after_the_voice_it_stays_open_for_a_while_and_then_fades_out() -> None:
    gate = open_gate()

    passed = [gate.pass_(FRAME_OF_NOISE, speech=False) for _ in range(HOLD_MS // 20 + 3)]

    held, fading, shut = passed[: HOLD_MS // 20], passed[HOLD_MS // 20 : -1], passed[-1]
    assert held == [FRAME_OF_NOISE] * len(held)
    levels = [mulaw.level_dbfs(each) for each in fading]
    assert mulaw.level_dbfs(FRAME_OF_NOISE) > levels[0] > levels[1] > mulaw.NOTHING_DBFS
    assert shut == mulaw.silence(20)


def test_a_voice_in_the_hold_begins_it_anew() -> None:
    gate = open_gate()
    gate.pass_(b"\x60" * 2000, speech=False)
    gate.pass_(FRAME_OF_NOISE, speech=True)

    assert gate.pass_(b"\x60" * 2000, speech=False) == b"\x60" * 2000


def test_a_voice_shorter_than_the_fade_goes_on_opening_in_the_hold() -> None:
    gate = NoiseGate()
    gate.pass_(b"\x20" * 16, speech=True)

    audio = gate.pass_(b"\x20" * 160, speech=False)

    assert audio[:8] != b"\x20" * 8
    assert audio[40:] == b"\x20" * 120


def test_a_long_piece_is_faded_and_then_shut() -> None:
    gate = open_gate()
    gate.pass_(bytes(HOLD_MS * 8), speech=False)

    audio = gate.pass_(b"\x20" * 8000, speech=False)

    assert audio[400:] == mulaw.silent(7600)
    assert audio[:8] != mulaw.silent(8)


@given(st.lists(st.tuples(st.binary(max_size=400), st.booleans()), max_size=30))
def test_as_much_comes_out_as_went_in(pieces: list[tuple[bytes, bool]]) -> None:
    gate = NoiseGate()

    assert [len(gate.pass_(audio, speech=speech)) for audio, speech in pieces] == [
        len(audio) for audio, _ in pieces
    ]


def test_of_talk_in_noise_only_the_noise_between_is_silenced() -> None:
    meter, gate = LineQuality(), NoiseGate()
    line = on_the_line(noise(2, -45) + mixed(talk(4, -24), noise(4, -45)) + noise(2, -45))
    passed = b""
    for at in range(0, len(line), FRAME):
        frame = line[at : at + FRAME]
        meter.hear(frame, at / 8000)
        passed += gate.pass_(frame, speech=meter.speech)

    assert passed[8000:16000] == mulaw.silent(8000)
    assert passed[-8000:] == mulaw.silent(8000)
    kept = sum(a == b for a, b in zip(passed[16000:48000], line[16000:48000], strict=True))
    assert kept > 0.9 * 32000
