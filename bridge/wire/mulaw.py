"""The units of telephone sound: µ-law, 8 000 Hz, mono, one byte a sample; and how loud it is.

Leaves resampling to ``bridge.resampling``, and what a level means to ``bridge.call``.
"""

import math
from functools import cache
from typing import Final

from bridge.wire.pcm import audioop

SAMPLE_RATE_HZ = 8000
BYTES_PER_MS = SAMPLE_RATE_HZ // 1000
FRAME_MS = 20
FRAME_BYTES = FRAME_MS * BYTES_PER_MS
"""What Twilio sends in one ``media`` message: observed, not promised (twilio-voice.md 2.3)."""

SILENCE = 0xFF
"""Digital silence (G.711; 0x7F is the other zero)."""

FULL_SCALE: Final = 32768
"""0 dBFS, as a 16-bit sample."""
LOUDEST: Final = 32124
"""The largest sample that µ-law has. Whatever is louder becomes this: it is clipped."""
_LOUDEST: Final = (0x00, 0x80)

NOTHING_DBFS: Final = -96.0
"""What digital silence measures, instead of minus infinity."""


def duration_ms(byte_count: int) -> float:
    """Milliseconds that so many bytes of µ-law last."""
    return byte_count / BYTES_PER_MS


def duration_s(byte_count: int) -> float:
    """Seconds that so many bytes of µ-law last."""
    return byte_count / SAMPLE_RATE_HZ


def silence(milliseconds: int) -> bytes:
    """So many milliseconds of digital silence."""
    return silent(milliseconds * BYTES_PER_MS)


def silent(byte_count: int) -> bytes:
    """So many bytes of digital silence."""
    return bytes([SILENCE]) * byte_count


# --- how loud ---------------------------------------------------------------------------------


def rms(audio: bytes) -> int:
    """Root mean square of the samples, linear, 0 to ``LOUDEST``; 0 for no audio."""
    return audioop.rms(audioop.ulaw2lin(audio, 2), 2)


def peak(audio: bytes) -> int:
    """The largest sample, whatever its sign; 0 for no audio."""
    return audioop.max(audioop.ulaw2lin(audio, 2), 2)


def dbfs(level: int) -> float:
    """A linear level in decibels below full scale."""
    return 20 * math.log10(level / FULL_SCALE) if level else NOTHING_DBFS


def linear(level_dbfs: float) -> int:
    """A level in decibels below full scale as a linear one, to compare ``rms`` with cheaply."""
    return round(FULL_SCALE * 10 ** (level_dbfs / 20))


def level_dbfs(audio: bytes) -> float:
    """How loud this is, in decibels below full scale; ``NOTHING_DBFS`` for digital silence."""
    return dbfs(rms(audio))


def clipped(audio: bytes) -> int:
    """How many samples are as large as µ-law can say."""
    return audio.count(_LOUDEST[0]) + audio.count(_LOUDEST[1])


# --- other shapes -----------------------------------------------------------------------------


def to_linear(audio: bytes) -> bytes:
    """16-bit samples, native byte order, one for each byte."""
    return audioop.ulaw2lin(audio, 2)


def from_linear(samples: bytes) -> bytes:
    """16-bit samples, native byte order, as µ-law."""
    return audioop.lin2ulaw(samples, 2)


@cache
def louder_by(decibels: float) -> bytes:
    """A table for ``bytes.translate`` that makes µ-law so much louder, or softer if negative.

    What would be louder than full scale becomes ``LOUDEST``. Kept: ask for few different values.
    """
    every = bytes(range(256))
    return from_linear(audioop.mul(to_linear(every), 2, 10 ** (decibels / 20)))
