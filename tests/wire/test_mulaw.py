"""The units of telephone sound."""

from bridge.wire import mulaw


def test_a_frame_is_twenty_milliseconds() -> None:
    assert mulaw.duration_ms(mulaw.FRAME_BYTES) == 20.0


def test_eight_thousand_bytes_are_a_second() -> None:
    assert mulaw.duration_s(8000) == 1.0


def test_silence_lasts_as_long_as_asked() -> None:
    assert mulaw.silence(60) == b"\xff" * 480
