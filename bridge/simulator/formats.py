"""The sound of a session as its ``Settings`` want it (4.2), to and from the simulator's own µ-law.

Everything in here is µ-law at 8 000 Hz; a client may as well speak and hear 16-bit samples, at
8 000 or 16 000 Hz. Leaves which of them is asked for to ``strict.settings``.
"""

import math
from functools import lru_cache

import msgspec

from bridge.simulator import levels
from bridge.wire import mulaw
from bridge.wire.mulaw import SAMPLE_RATE_HZ

_TAPS = 8


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """How the samples of one direction are written."""

    encoding: str = "mulaw"
    rate_hz: int = SAMPLE_RATE_HZ

    @property
    def bytes_per_ms(self) -> int:
        """How much a millisecond takes."""
        return self.rate_hz // 1000 * (1 if self.encoding == "mulaw" else 2)


TELEPHONE = Format()

KNOWN = (
    TELEPHONE,
    Format(encoding="linear16", rate_hz=8000),
    Format(encoding="linear16", rate_hz=16000),
)
"""The real one resamples and recodes anything; the emulator knows these."""


@lru_cache(maxsize=64)
def written(ulaw: bytes, wanted: Format) -> bytes:
    """A sentence's µ-law as the client wants it."""
    if wanted == TELEPHONE:
        return ulaw
    samples = mulaw.to_linear(ulaw)
    return samples if wanted.rate_hz == SAMPLE_RATE_HZ else doubled(samples)


def doubled(samples: bytes) -> bytes:
    """16-bit samples at twice their rate."""
    around = bytes(2 * (_TAPS - 1)) + samples + bytes(2 * _TAPS)
    return levels.in_turns(samples, levels.midpoints(around, _taps()))


class Reading:
    """A client's stream read as µ-law, piece by piece."""

    def __init__(self, given: Format) -> None:
        self._given = given
        self._rest = b""
        """Bytes of a sample, or of a pair of samples, that is not whole yet."""
        self._even = bytes(2 * (_TAPS - 1))
        self._odd = bytes(2 * (2 * _TAPS - 1))
        """The last samples of even and of odd number, which the next ones' filter needs."""

    def read(self, sound: bytes) -> bytes:
        """Some more of the stream, in whatever grouping it comes."""
        if self._given == TELEPHONE:
            return sound
        sound = self._rest + sound
        whole = 2 if self._given.rate_hz == SAMPLE_RATE_HZ else 4
        end = len(sound) // whole * whole
        samples, self._rest = sound[:end], sound[end:]
        if self._given.rate_hz != SAMPLE_RATE_HZ:
            samples = self._halved(samples)
        return mulaw.from_linear(samples)

    def _halved(self, samples: bytes) -> bytes:
        """At half the rate, and 7 samples late, without what the lower rate cannot hold."""
        even, odd = levels.halves(samples)
        even, odd = self._even + even, self._odd + odd
        self._even, self._odd = even[len(even) - 2 * (_TAPS - 1) :], odd[-2 * (2 * _TAPS - 1) :]
        return levels.between(even[: len(samples) // 2], levels.midpoints(odd, _taps()))


@lru_cache(maxsize=1)
def _taps() -> tuple[float, ...]:
    """Every other tap of a half-band filter, the middle one aside: a windowed sinc."""
    taps = []
    for number in range(_TAPS):
        at = number + 0.5
        window = 0.54 + 0.46 * math.cos(math.pi * at / _TAPS)
        taps.append(math.sin(math.pi * at) / (math.pi * at) * window)
    scale = 0.5 / sum(taps)
    return tuple(tap * scale for tap in taps)
