"""The units of telephone sound, held against ITU-T G.711 written out and against ``audioop``."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.wire import mulaw
from bridge.wire.pcm import audioop

EVERY_BYTE = bytes(range(256))


def g711(code: int) -> int:
    """One µ-law byte as G.711 defines it, on 16-bit scale."""
    inverted = ~code & 0xFF
    exponent, mantissa = inverted >> 4 & 7, inverted & 15
    magnitude = ((mantissa << 3) + 132 << exponent) - 132
    return -magnitude if inverted & 0x80 else magnitude


def linear(samples: list[int]) -> bytes:
    return struct.pack(f"={len(samples)}h", *samples)


def test_a_frame_is_twenty_milliseconds() -> None:
    assert mulaw.duration_ms(mulaw.FRAME_BYTES) == 20.0


def test_eight_thousand_bytes_are_a_second() -> None:
    assert mulaw.duration_s(8000) == 1.0


def test_silence_lasts_as_long_as_asked() -> None:
    assert mulaw.silence(60) == b"\xff" * 480
    assert mulaw.silent(7) == b"\xff" * 7


def test_every_byte_is_the_sample_that_g711_says() -> None:
    assert mulaw.to_linear(EVERY_BYTE) == linear([g711(code) for code in range(256)])


def test_every_sample_is_written_bit_for_bit_as_audioop_writes_it() -> None:
    samples = linear(list(range(-32768, 32768)))

    assert mulaw.from_linear(samples) == audioop.lin2ulaw(samples, 2)


def test_what_is_read_and_written_again_is_the_same() -> None:
    again = mulaw.from_linear(mulaw.to_linear(EVERY_BYTE))

    assert again == EVERY_BYTE.replace(b"\x7f", b"\xff")  # the other zero


@given(st.binary(min_size=1, max_size=400))
def test_the_level_is_the_root_of_the_mean_square(audio: bytes) -> None:
    power = sum(g711(code) ** 2 for code in audio) / len(audio)

    assert mulaw.rms(audio) == int(math.sqrt(power))
    assert mulaw.peak(audio) == max(abs(g711(code)) for code in audio)


@given(st.binary(max_size=400))
def test_clipped_samples_are_those_that_cannot_be_larger(audio: bytes) -> None:
    assert mulaw.clipped(audio) == sum(abs(g711(code)) == mulaw.LOUDEST for code in audio)


@pytest.mark.parametrize("nothing", [b"", b"\xff" * 160, b"\x7f" * 160, b"\x7f\xff" * 80])
def test_no_audio_and_digital_silence_have_no_level(nothing: bytes) -> None:
    assert mulaw.level_dbfs(nothing) == mulaw.NOTHING_DBFS


def test_the_loudest_square_wave_is_near_full_scale() -> None:
    assert mulaw.level_dbfs(b"\x00\x80" * 80) == pytest.approx(-0.172, abs=0.001)


def test_half_as_large_is_six_decibels_softer() -> None:
    tone = linear([round(16000 * math.sin(index * 0.3)) for index in range(8000)])
    audio = mulaw.from_linear(tone)

    softer = audio.translate(mulaw.louder_by(-6.0206))

    assert mulaw.level_dbfs(softer) == pytest.approx(mulaw.level_dbfs(audio) - 6.02, abs=0.2)


def test_no_gain_changes_no_sample() -> None:
    assert mulaw.to_linear(mulaw.louder_by(0.0)) == mulaw.to_linear(EVERY_BYTE)


def test_too_much_gain_ends_at_the_loudest_sample() -> None:
    table = mulaw.louder_by(30.0)

    assert mulaw.to_linear(bytes([table[0x00]])) == linear([-mulaw.LOUDEST])
    assert mulaw.to_linear(bytes([table[0x80]])) == linear([mulaw.LOUDEST])


def test_gain_leaves_silence_silent() -> None:
    assert mulaw.silent(160).translate(mulaw.louder_by(12.0)) == mulaw.silent(160)
