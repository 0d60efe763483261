"""What a stream plays into the caller's ear: Twilio's outbound queue on a true clock (F15–F17).

Pure: ``now`` is an argument, so the same code runs in real and in virtual time. Leaves sockets to
``bridge.simulator.caller`` and message shapes to ``bridge.simulator.stream``.
"""

from bisect import bisect_right
from collections import deque

import msgspec

from bridge.wire import mulaw

__all__ = ["Cleared", "Line", "Track"]


class Track:
    """One side's sound on the timeline of a whole call, byte by byte.

    Positions are samples, that is bytes of µ-law, since ``began_at``. What nobody laid is silence.
    """

    def __init__(self, began_at: float) -> None:
        self.began_at = began_at
        self._starts: list[int] = []
        self._sounds: list[bytes] = []

    @property
    def end(self) -> int:
        """The position behind the last sound laid."""
        return self._starts[-1] + len(self._sounds[-1]) if self._starts else 0

    def position(self, at: float) -> int:
        """The sample that is due at this instant."""
        return round((at - self.began_at) * mulaw.SAMPLE_RATE_HZ)

    def instant(self, position: int) -> float:
        """When this sample is due."""
        return self.began_at + position / mulaw.SAMPLE_RATE_HZ

    def lay(self, position: int, sound: bytes) -> None:
        """Puts sound at a position not before the end of the last one."""
        if position < self.end:
            raise ValueError(f"sound at {position} would lie over sound that ends at {self.end}")
        if sound:
            self._starts.append(position)
            self._sounds.append(sound)

    def cut(self, position: int) -> bytes:
        """Takes away everything from a position on; returns what was taken, without gaps."""
        taken: list[bytes] = []
        while self._starts and self.end > position:
            start, sound = self._starts.pop(), self._sounds.pop()
            keep = max(0, position - start)
            taken.append(sound[keep:])
            if keep:
                self._starts.append(start)
                self._sounds.append(sound[:keep])
        return b"".join(reversed(taken))

    def between(self, start: int, end: int) -> bytes:
        """The sound from one position up to another, silence where there is none."""
        pieces: list[bytes] = []
        at = start
        for index in range(max(0, bisect_right(self._starts, start) - 1), len(self._starts)):
            began, sound = self._starts[index], self._sounds[index]
            if began >= end:
                break
            piece = sound[max(0, at - began) : end - began]
            if piece:
                pieces += (_silence(max(0, began - at)), piece)
                at = max(at, began) + len(piece)
        pieces.append(_silence(end - at))
        return b"".join(pieces)


def _silence(byte_count: int) -> bytes:
    return bytes([mulaw.SILENCE]) * byte_count


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """What a ``clear`` did."""

    marks: tuple[str, ...]
    """Marks not reached, in order: Twilio sends them back at once."""
    cut: bytes
    """Sound that was queued and will never be heard."""
    again: bool = False
    """Nothing was sent since the last one."""


class Line:
    """The outbound queue of one stream: ``start = max(now, end)``, 8 bytes a millisecond.

    What is heard is laid on ``track`` the moment it is queued and cut away again by ``clear``, so
    that the track up to the playhead is always what the caller has heard.
    """

    def __init__(self, track: Track, opened_at: float) -> None:
        self._track = track
        self._end = max(track.position(opened_at), track.end)
        self._marks: deque[tuple[int, str]] = deque()

    @property
    def waiting_marks(self) -> tuple[str, ...]:
        """Marks asked for and not reached yet, in order."""
        return tuple(name for _, name in self._marks)

    def queued_bytes(self, now: float) -> int:
        """How much sound waits to be heard."""
        return max(0, self._end - self._track.position(now))

    def play(self, sound: bytes, now: float) -> None:
        """Queues sound behind what was queued before."""
        start = max(self._track.position(now), self._end)
        self._track.lay(start, sound)
        self._end = start + len(sound)

    def mark(self, name: str, now: float) -> list[str]:
        """Puts a mark behind what is queued; returns the marks due, it too on an empty queue."""
        self._marks.append((self._end, name))
        return self.advance(now)

    def advance(self, now: float) -> list[str]:
        """The marks that the playhead has passed since it was last asked, in order."""
        playhead = self._track.position(now)
        reached: list[str] = []
        while self._marks and self._marks[0][0] <= playhead:
            reached.append(self._marks.popleft()[1])
        return reached

    def clear(self, now: float, *, again: bool = False) -> Cleared:
        """Empties the queue: sound not heard is cut, marks not reached come back."""
        marks = self.waiting_marks
        self._marks.clear()
        playhead = self._track.position(now)
        cut = self._track.cut(playhead) if self._end > playhead else b""
        self._end = min(self._end, playhead)
        return Cleared(marks=marks, cut=cut, again=again)
