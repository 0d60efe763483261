"""How loud µ-law is, and µ-law to and from linear: the only place that knows ``audioop``.

It left the standard library with 3.13; ``audioop-lts`` is the same module from the index.
"""

import math
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

FULL_SCALE = 32768

SILENT_DBFS = -120.0
"""What digital silence measures here instead of minus infinity."""


def rms(ulaw: bytes) -> int:
    """Root mean square of the samples, linear, 0–32 768."""
    return audioop.rms(audioop.ulaw2lin(ulaw, 2), 2)


def dbfs(ulaw: bytes) -> float:
    """The level in decibels below full scale."""
    level = rms(ulaw)
    return 20 * math.log10(level / FULL_SCALE) if level else SILENT_DBFS


def rms_of_dbfs(level_dbfs: float) -> int:
    """The linear level that so many decibels are, to compare ``rms`` with cheaply."""
    return round(FULL_SCALE * 10 ** (level_dbfs / 20))


def to_linear(ulaw: bytes) -> bytes:
    """16-bit samples, native byte order."""
    return audioop.ulaw2lin(ulaw, 2)


def from_linear(samples: bytes) -> bytes:
    """16-bit samples as µ-law."""
    return audioop.lin2ulaw(samples, 2)


def linear_rms(samples: bytes) -> int:
    """Root mean square of 16-bit samples."""
    return audioop.rms(samples, 2)


def louder(samples: bytes, factor: float) -> bytes:
    """16-bit samples times a factor, clipped at full scale."""
    return audioop.mul(samples, 2, factor)


def resampled(samples: bytes, from_hz: int, to_hz: int) -> bytes:
    """16-bit samples at another rate; filter first, this one aliases."""
    return audioop.ratecv(samples, 2, 1, from_hz, to_hz, None)[0]
