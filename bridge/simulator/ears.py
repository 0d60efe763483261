"""Which known lines a stream of µ-law contains: recognition without a recogniser.

Both sides render a line to the same bytes and the bridge passes µ-law untouched, so the frames of
a known line are found again by their bytes. Survives other groupings, lost frames, inserted
silence and lines that are cut; leaves what was recoded on its way to ``likeness``, and where a
turn begins and ends to ``listening``.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from bridge.simulator.likeness import Likenesses
from bridge.wire import mulaw
from bridge.wire.mulaw import FRAME_BYTES

INAUDIBLE = "(inaudible)"
"""What is heard when somebody spoke and no known line fits."""

_AUDIBLE_RMS = 100
"""Quieter frames are in every line: they prove nothing."""
_FEWEST_FRAMES = 3
"""Fewer frames in common (60 ms) are chance: a clip that two lines share."""
_LOST_AFTER = 8
"""After so many unknown frames in a row the frame boundary is looked for anew."""
_BEGINNING, _END = 0.2, 0.85
"""Shares of a line: heard from before the first, it was heard from its start; heard past the
second, to its end."""


class _Place(msgspec.Struct, frozen=True, gc=False):
    """A frame of a line."""

    line: int
    number: int


class Ears:
    """The lines that can be recognised; ``open`` an ear for each stream.

    ``lines`` has texts and their µ-law, as ``Voices.render`` gives it; one text may have several
    sounds, where a line is said loud and soft.
    """

    def __init__(self, lines: Mapping[str, bytes] | Sequence[tuple[str, bytes]]) -> None:
        pairs = list(lines.items() if isinstance(lines, Mapping) else lines)
        self.texts = [text for text, _ in pairs]
        self.likenesses = Likenesses([sound for _, sound in pairs])
        self.lengths = [len(sound) // FRAME_BYTES for _, sound in pairs]
        self.places: dict[bytes, tuple[_Place, ...]] = {}
        for line, (_, sound) in enumerate(pairs):
            for number in range(self.lengths[line]):
                frame = sound[number * FRAME_BYTES : (number + 1) * FRAME_BYTES]
                if mulaw.rms(frame) > _AUDIBLE_RMS:
                    here = self.places.get(frame, ())
                    self.places[frame] = (*here, _Place(line, number))

    def open(self) -> "Ear":
        """An ear for one stream."""
        return Ear(self)


class Ear:
    """Hears one stream of one speaker; feed it what is loud enough to be speech."""

    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self._rest = b""
        self._skip = 0
        """Bytes still to come that belong to no frame."""
        self._heard: list[tuple[_Place, ...]] = []
        self._unknown = 0
        self._unknown_in_a_row = 0
        self._last_unknown = b""

    def feed(self, sound: bytes) -> None:
        """Some more bytes, in whatever grouping they came."""
        if self._rest:
            sound = self._rest + sound
        find = self._ears.places.get
        at, self._skip = self._skip, 0
        while at + FRAME_BYTES <= len(sound):
            frame = sound[at : at + FRAME_BYTES]
            places = find(frame)
            if places is not None:
                self._heard.append(places)
                self._unknown_in_a_row = 0
            else:
                at += self._miss(frame)
            at += FRAME_BYTES
        self._rest = sound[at:]
        self._skip = max(0, at - len(sound))

    def pause(self) -> None:
        """What comes next is not joined to what came before."""
        self._rest = b""
        self._skip = 0

    def text(self) -> str:
        """What has been said since the last ``clear``; empty when nothing was."""
        lines = self._lines()
        if lines:
            return " ".join(self._words(line, first, last) for line, first, last in lines)
        return INAUDIBLE if self._unknown else ""

    @property
    def doubtful(self) -> bool:
        """Most of what was heard is in no line, byte for byte."""
        return self._unknown > len(self._heard)

    def guess(self, sound: bytes) -> str:
        """The lines that a whole turn's sound resembles; empty when it resembles none."""
        found = self._ears.likenesses.matches(sound)
        return " ".join(self._words(match.line, match.first, match.last) for match in found)

    def clear(self) -> None:
        """Forgets what was heard: a new turn."""
        self._heard.clear()
        self.pause()
        self._unknown = self._unknown_in_a_row = 0

    def _miss(self, frame: bytes) -> int:
        """Counts an unknown frame; returns by how many bytes the next one is to be shifted."""
        self._unknown += 1
        self._unknown_in_a_row += 1
        shift = 0
        if self._unknown_in_a_row % _LOST_AFTER == 0:
            shift = self._shift_in(self._last_unknown + frame)
        self._last_unknown = frame
        return shift

    def _shift_in(self, two_frames: bytes) -> int:
        """Bytes were lost or added: where in two frames a known one begins."""
        for shift in range(1, FRAME_BYTES):
            if two_frames[shift : shift + FRAME_BYTES] in self._ears.places:
                return shift
        return 0

    def _lines(self) -> list[tuple[int, int, int]]:
        """Line, first and last frame of each line heard, in the order they were spoken."""
        left = list(enumerate(self._heard))
        found: list[tuple[int, int, int, int]] = []
        while left:
            votes = Counter(line for _, places in left for line in {place.line for place in places})
            line, count = max(votes.items(), key=lambda vote: (vote[1], -vote[0]))
            if count < _FEWEST_FRAMES:
                break
            numbers = [
                (when, [place.number for place in places if place.line == line])
                for when, places in left
                if any(place.line == line for place in places)
            ]
            for start, first, last in self._sayings(numbers, self._ears.lengths[line]):
                found.append((start, line, first, last))
            taken = {when for when, _ in numbers}
            left = [(when, places) for when, places in left if when not in taken]
        return [(line, first, last) for _, line, first, last in sorted(found)]

    def _sayings(
        self, numbers: Sequence[tuple[int, list[int]]], length: int
    ) -> list[tuple[int, int, int]]:
        """When a line was said, its first and its last frame; again each time it was repeated."""
        runs: list[list[tuple[int, int]]] = []
        for when, candidates in numbers:
            if not runs:
                runs.append([(when, min(candidates))])
                continue
            last_when, last_number = runs[-1][-1]
            expected = last_number + when - last_when
            number = min(candidates, key=lambda each: abs(each - expected))
            # Somebody who has come to the last half and is back in the first says it again.
            if last_number - number > length // 2:
                runs.append([])
            runs[-1].append((when, number))
        whole = [run for run in runs if len(run) >= _FEWEST_FRAMES]
        spans = [(run[0][0], [number for _, number in run]) for run in whole]
        return [(start, min(span), max(span)) for start, span in spans]

    def _words(self, line: int, first: int, last: int) -> str:
        """The part of a line's words that so many of its frames hold, judged by length."""
        text = self._ears.texts[line]
        length = max(1, self._ears.lengths[line])
        begin, end = first / length, (last + 1) / length
        if begin <= _BEGINNING and end >= _END:
            return text
        begin = 0.0 if begin <= _BEGINNING else begin
        end = 1.0 if end >= _END else end
        return " ".join(
            word.group()
            for word in re.finditer(r"\S+", text)
            if begin <= (word.start() + word.end()) / 2 / len(text) <= end
        )
