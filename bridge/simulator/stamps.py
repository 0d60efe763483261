"""Frames of sound that carry when they were sent, and how late they came: the load's ruler.

A stamped frame is 20 ms of µ-law whose first 24 bytes say whose it is, its number and its instant
on CLOCK_MONOTONIC; both ends are on one machine, and a bridge passes µ-law on byte for byte.
"""

import struct
import time
from collections import Counter
from collections.abc import Iterator, Mapping

from bridge.wire import mulaw

__all__ = ["Delays", "Receipts", "Window", "is_stamped", "stamp", "stamped"]

_MAGIC = b"hOLD"
_STAMP = struct.Struct(">4sIQQ")
STAMP_BYTES = _STAMP.size
FILLER = bytes(0x70 + at % 8 for at in range(mulaw.FRAME_BYTES - STAMP_BYTES))
"""Quiet, and never the magic word."""

_EXACT_US = 1000


def stamp(number: int) -> bytes:
    """The first bytes of a frame that goes out now."""
    return _STAMP.pack(_MAGIC, 0, number, time.monotonic_ns())


def stamped(number: int) -> bytes:
    """A whole frame that goes out now."""
    return stamp(number) + FILLER


def is_stamped(sound: bytes) -> bool:
    """Whether a piece of sound holds such a frame, or is something else."""
    return _MAGIC in sound


class Delays:
    """How often each delay was seen; microseconds, three digits of which are kept."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: Counter[int] = Counter(counts or {})

    def add(self, microseconds: int) -> None:
        """One more."""
        unit = 1
        while microseconds >= _EXACT_US * unit:
            unit *= 10
        self.counts[microseconds - microseconds % unit] += 1

    def merge(self, other: "Delays") -> None:
        """Those of another process."""
        self.counts.update(other.counts)

    def percentile_ms(self, share: float) -> float:
        """The delay that this share of them does not exceed; not a number for none."""
        left = share * self.counts.total()
        for delay in sorted(self.counts):
            left -= self.counts[delay]
            if left <= 0:
                return delay / 1000
        return float("nan")


class Window:
    """The stretch of time in which delays count; closed until it is set."""

    def __init__(self) -> None:
        self._from_ns = self._until_ns = 0

    def set(self, from_ns: int, until_ns: int) -> None:
        """Opens and closes it at these instants of CLOCK_MONOTONIC."""
        self._from_ns, self._until_ns = from_ns, until_ns

    def holds(self, at_ns: int) -> bool:
        """Whether something sent then counts."""
        return self._from_ns <= at_ns < self._until_ns


class Receipts:
    """One receiver's ledger: stamped frames that came, how late, and which never did."""

    def __init__(self, delays: Delays, newest: Delays, window: Window) -> None:
        self.received = 0
        self.lost = 0
        """Numbers that were passed over, in the window."""
        self._delays = delays
        self._newest = newest
        self._window = window
        self._expected: int | None = None
        self._rest = b""

    def take(self, sound: bytes) -> None:
        """Any piece of the received sound, whole frames or not."""
        now_ns = time.monotonic_ns()
        latest_ns = 0
        for number, sent_ns in self._stamps(sound):
            if self._window.holds(sent_ns):
                self.received += 1
                self._delays.add((now_ns - sent_ns) // 1000)
                latest_ns = sent_ns
                if self._expected is not None:
                    self.lost += max(0, number - self._expected)
            self._expected = number + 1
        if latest_ns:
            self._newest.add((now_ns - latest_ns) // 1000)

    def _stamps(self, sound: bytes) -> Iterator[tuple[int, int]]:
        sound = self._rest + sound
        at = sound.find(_MAGIC)
        while at >= 0 and at + STAMP_BYTES <= len(sound):
            _, _, number, sent_ns = _STAMP.unpack_from(sound, at)
            yield number, sent_ns
            at = sound.find(_MAGIC, at + mulaw.FRAME_BYTES)
        self._rest = sound[at:] if at >= 0 else sound[-len(_MAGIC) + 1 :]
