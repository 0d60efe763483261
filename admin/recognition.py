"""Which known lines are in a caller's ear, each where it begins, where it was cut, and how whole.

A bridge passes the agent's sound byte for byte, so a line is found again by its frames, at
whatever byte of the track it begins. Leaves what that means for a call to ``verdict``.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from bridge.simulator.hearing import utterances
from bridge.simulator.voices import AGENT, Voices
from bridge.wire import mulaw

_AUDIBLE_RMS = 100
"""Quieter frames are in every line: they prove nothing."""
_FEWEST_FRAMES = 3
"""Fewer frames in common (60 ms) are chance: a clip that two lines share."""
_SOME_FRAMES = 3
"""A line counts as heard from its start, or to its end, when at most so many frames are missing:
the seam between two lines is loud in neither."""
_LONGEST_PAUSE_S = 2.0
"""A line that goes on so soon after it stopped is one line with a gap in it."""
_UNKNOWN_S = 0.25
"""So much sound that no line explains is something, and not the end of a word."""


class HeardLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line, or the part of it that she heard."""

    at_s: float
    until_s: float
    line: str
    """All of it, whatever she heard."""
    words: str
    """The words she heard."""
    from_start: bool
    to_end: bool
    gaps_ms: float = 0.0
    """Silence that was not in the line: its sound came too late."""

    @property
    def whole(self) -> bool:
        """From the first sound to the last, without a gap that one would notice."""
        return self.from_start and self.to_end and self.gaps_ms < 200


class Recognised(msgspec.Struct, frozen=True, kw_only=True):
    """What a track holds."""

    lines: list[HeardLine]
    """In the order she heard them."""
    unknown_at_s: list[float]
    """Where there is sound that no known line explains."""


class _Known:
    """The frames of every line that may occur."""

    def __init__(self, sounds: Iterable[tuple[str, bytes]]) -> None:
        self.texts: list[str] = []
        self.audible: list[list[int]] = []
        self.lengths: list[int] = []
        self.places: defaultdict[bytes, list[tuple[int, int]]] = defaultdict(list)
        for line, (text, sound) in enumerate(sounds):
            frames = list(_frames(sound))
            audible = [number for number, frame in frames if mulaw.rms(frame) > _AUDIBLE_RMS]
            self.texts.append(text)
            self.audible.append(audible)
            self.lengths.append(len(frames))
            loud = set(audible)
            for number, frame in frames:
                if number in loud:
                    self.places[frame].append((line, number))


class _Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Frames of one line that lie in the track as they lie in the line."""

    line: int
    origin: int
    """Byte of the track at which the whole line would begin."""
    first: int
    last: int
    start: int
    """Where in the track its first frame begins, ..."""
    end: int
    """... and its last one ends."""
    gaps: int = 0
    """Bytes between its frames that are not the line's."""


def recognise(track: bytes, lines: Iterable[str], voices: Voices | None = None) -> Recognised:
    """Every known line in a track of µ-law, in order."""
    voices = voices or Voices()
    texts = dict.fromkeys(line for line in lines if line)
    known = _Known((text, voices.render(text, AGENT)) for text in texts)
    pieces = _joined(_pieces(_hits(track, known), known))
    return Recognised(
        lines=[_heard(piece, known) for piece in pieces], unknown_at_s=_unknown(track, pieces)
    )


def _frames(sound: bytes) -> Iterable[tuple[int, bytes]]:
    for number in range(len(sound) // mulaw.FRAME_BYTES):
        yield number, sound[number * mulaw.FRAME_BYTES : (number + 1) * mulaw.FRAME_BYTES]


def _hits(track: bytes, known: _Known) -> dict[tuple[int, int], set[int]]:
    """For each line and place of its beginning, the numbers of the frames that are there."""
    hits: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    size = mulaw.FRAME_BYTES
    find = known.places.get
    for utterance in utterances(track):
        first, end = max(0, utterance.start - size), utterance.end + size
        for at in range(first, min(end, len(track)) - size + 1):
            for line, number in find(track[at : at + size], ()):
                hits[line, at - number * size].add(number)
    return hits


def _pieces(hits: dict[tuple[int, int], set[int]], known: _Known) -> list[_Piece]:
    """The fewest lines that explain the frames: the longest match first, then what it leaves.

    Of two lines that hold about as much of it, it is the one that was heard from its start.
    """
    size = mulaw.FRAME_BYTES
    left = dict(hits)
    found: list[_Piece] = []
    while left:
        (line, origin), numbers = max(
            left.items(), key=lambda item: _likelihood(item[0][0], item[1], known)
        )
        if len(numbers) < _FEWEST_FRAMES:
            break
        first, last = min(numbers), max(numbers)
        start, end = origin + first * size, origin + (last + 1) * size
        found.append(_Piece(line=line, origin=origin, first=first, last=last, start=start, end=end))
        left = {
            (line, origin): rest
            for (line, origin), some in left.items()
            if (rest := {n for n in some if not start < origin + (n + 0.5) * size < end})
        }
    return sorted(found, key=lambda piece: piece.start)


def _likelihood(line: int, numbers: set[int], known: _Known) -> tuple[int, int]:
    from_start = min(numbers) in known.audible[line][: _SOME_FRAMES + 1]
    return len(numbers) + (_SOME_FRAMES + 1) * from_start, -known.lengths[line]


def _joined(pieces: list[_Piece]) -> list[_Piece]:
    """A line whose sound paused is one; a line that skips some of itself is two."""
    joined: list[_Piece] = []
    for piece in pieces:
        before = joined[-1] if joined else None
        if before is not None and _goes_on(before, piece):
            gaps = before.gaps + piece.origin - before.origin
            joined[-1] = msgspec.structs.replace(
                piece, first=before.first, start=before.start, gaps=gaps
            )
        else:
            joined.append(piece)
    return joined


def _goes_on(before: _Piece, piece: _Piece) -> bool:
    late = piece.origin - before.origin
    follows = piece.line == before.line and piece.first > before.last
    return follows and 0 <= late <= _LONGEST_PAUSE_S * mulaw.SAMPLE_RATE_HZ


def _heard(piece: _Piece, known: _Known) -> HeardLine:
    text, audible = known.texts[piece.line], known.audible[piece.line]
    from_start = sum(number < piece.first for number in audible) <= _SOME_FRAMES
    to_end = sum(number > piece.last for number in audible) <= _SOME_FRAMES
    length = known.lengths[piece.line]
    begin = 0.0 if from_start else piece.first / length
    end = 1.0 if to_end else (piece.last + 1) / length
    return HeardLine(
        at_s=round(mulaw.duration_s(piece.start), 3),
        until_s=round(mulaw.duration_s(piece.end), 3),
        line=text,
        words=" ".join(
            word.group()
            for word in re.finditer(r"\S+", text)
            if begin <= (word.start() + word.end()) / 2 / len(text) <= end
        ),
        from_start=from_start,
        to_end=to_end,
        gaps_ms=mulaw.duration_ms(piece.gaps),
    )


def _unknown(track: bytes, pieces: list[_Piece]) -> list[float]:
    """Where more sound than the end of a word lies between the lines."""
    found = []
    for utterance in utterances(track):
        at = utterance.start
        inside = [piece for piece in pieces if piece.end > at and piece.start < utterance.end]
        for start, end in [*((piece.start, piece.end) for piece in inside), (utterance.end,) * 2]:
            if mulaw.duration_s(start - at) > _UNKNOWN_S and _loud(track[at:start]):
                found.append(round(mulaw.duration_s(at), 3))
            at = max(at, end)
    return found


def _loud(sound: bytes) -> bool:
    return any(
        mulaw.duration_s(spoken.end - spoken.start) > _UNKNOWN_S for spoken in utterances(sound)
    )
