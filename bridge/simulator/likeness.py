"""Which known lines a sound resembles, when no frame of it is the same: recoded, louder, gated.

Compares how loudness and brightness rise and fall, which resampling, gain and a noise gate leave
alone. Dearer and less sure than the frames of ``ears``, which come first.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import mul

import msgspec

from bridge.simulator import levels
from bridge.wire.mulaw import FRAME_BYTES

_DEPTH_DB = 30.0
"""What is so much softer than the loudest is silence: a gate takes it away, or noise hides it."""
_WINDOW_BYTES = 2 * FRAME_BYTES
"""Longer than the step from one to the next, so that half a step of shift changes little."""
_SHORTEST = 25
"""Frames (0.5 s) of a line that was cut: shorter pieces of speech all look alike."""
_ALIKE = 0.8
"""Correlation above which two stretches may be the same."""
_SHARE = 0.6
"""Of all that is audible so much must be explained by lines, or none of it is."""


class Match(msgspec.Struct, frozen=True):
    """A stretch of a line, in frames, and the frame of the sound at which it begins."""

    at: int
    line: int
    first: int
    last: int


class _Curve:
    """One feature over time, with sums that make any stretch's mean and spread cheap."""

    def __init__(self, values: Sequence[float]) -> None:
        self.values = values
        self._sums = [0.0, *accumulate(values)]
        self._squares = [0.0, *accumulate(map(mul, values, values))]

    def stretch(self, start: int, length: int) -> tuple[float, float]:
        """Sum and spread (variance times length) of a stretch."""
        total = self._sums[start + length] - self._sums[start]
        squares = self._squares[start + length] - self._squares[start]
        return total, max(0.0, squares - total * total / length)


Contour = tuple[_Curve, _Curve]


class Likenesses:
    """The lines that are looked for; ``sounds`` are their µ-law, in the order of ``Ears``."""

    def __init__(self, sounds: Sequence[bytes]) -> None:
        self._sounds = sounds
        self._contours: list[Contour] | None = None

    def matches(self, sound: bytes) -> list[Match]:
        """The lines in a sound, in the order they were spoken."""
        if self._contours is None:
            self._contours = [contour(line) for line in self._sounds]
        heard = contour(sound)
        found = list(self._within(heard, 0, len(heard[0].values), edges=True))
        audible = sum(1 for level in heard[0].values if level)
        if sum(match.last + 1 - match.first for match in found) < _SHARE * audible:
            return []
        return sorted(found, key=lambda match: match.at)

    def _within(self, heard: Contour, start: int, end: int, *, edges: bool) -> Iterator[Match]:
        best, found = 0.0, None
        for line, known in enumerate(self._contours or ()):
            for score, match in _placed(heard, start, end, known, line, edges):
                if score > best:
                    best, found = score, match
        if found is None:
            return
        yield found
        yield from self._within(heard, start, found.at, edges=False)
        yield from self._within(heard, found.at + found.last + 1 - found.first, end, edges=False)


def contour(sound: bytes) -> Contour:
    """Loudness and brightness of each frame and the one behind it."""
    pieces = [sound[at : at + _WINDOW_BYTES] for at in range(0, len(sound), FRAME_BYTES)]
    measured = [levels.loudness_and_edge(piece) for piece in pieces if len(piece) > 1]
    loudest_db = max((_db(level) for level, _ in measured), default=0.0)
    loudness, brightness = [], []
    for level, edge in measured:
        over_db = _db(level) - loudest_db + _DEPTH_DB
        loudness.append(max(0.0, over_db))
        brightness.append(_db(edge) - _db(level) if over_db > 0 else 0.0)
    return _Curve(loudness), _Curve(brightness)


def _db(level: int) -> float:
    return 20 * math.log10(max(level, 1))


def _placed(
    heard: Contour, start: int, end: int, known: Contour, line: int, edges: bool
) -> Iterator[tuple[float, Match]]:
    """The line laid over the sound at every place; with ``edges`` also partly outside of it."""
    length = len(known[0].values)
    enough = max(1, min(_SHORTEST, length) if edges else length)
    for at in range(start - length + enough, end - enough + 1):
        first = max(0, start - at)
        overlap = min(length, end - at) - first
        if overlap < enough:
            continue
        alike = _correlation(heard, at + first, known, first, overlap)
        if alike > _ALIKE:
            score = (alike - _ALIKE) * overlap
            yield score, Match(at + first, line, first, first + overlap - 1)


def _correlation(heard: Contour, at: int, known: Contour, first: int, length: int) -> float:
    """The mean of both curves' correlations over a stretch; −1 to 1."""
    whole = 0.0
    for curve, other in zip(heard, known, strict=True):
        total, spread = curve.stretch(at, length)
        other_total, other_spread = other.stretch(first, length)
        if spread <= length or other_spread <= length:  # less than a decibel: nothing to compare
            return -1.0
        products = sum(
            map(mul, curve.values[at : at + length], other.values[first : first + length])
        )
        both = products - total * other_total / length
        whole += both / math.sqrt(spread * other_spread)
    return whole / len(heard)
