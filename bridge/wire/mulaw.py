"""The units of telephone sound: µ-law, 8 000 Hz, mono, one byte a sample.

Leaves resampling and level measurement to whoever needs them: the media path passes bytes on.
"""

SAMPLE_RATE_HZ = 8000
BYTES_PER_MS = SAMPLE_RATE_HZ // 1000
FRAME_MS = 20
FRAME_BYTES = FRAME_MS * BYTES_PER_MS
"""What Twilio sends in one ``media`` message: observed, not promised (twilio-voice.md 2.3)."""

SILENCE = 0xFF
"""Digital silence (G.711; 0x7F is the other zero)."""


def duration_ms(byte_count: int) -> float:
    """Milliseconds that so many bytes of µ-law last."""
    return byte_count / BYTES_PER_MS


def duration_s(byte_count: int) -> float:
    """Seconds that so many bytes of µ-law last."""
    return byte_count / SAMPLE_RATE_HZ


def silence(milliseconds: int) -> bytes:
    """So many milliseconds of digital silence."""
    return bytes([SILENCE]) * (milliseconds * BYTES_PER_MS)
