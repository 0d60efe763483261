"""Whether sound is speech to a person's ear, and where its utterances begin and end.

Plain loudness by a table of 256 entries, nothing cleverer: the line noise of the microphone is
24 dB below the threshold. Leaves recognition of words to ``bridge.simulator.ears``.
"""

import msgspec

from bridge.wire import mulaw

__all__ = ["PAUSE_S", "Ear", "Utterance", "audible_part", "utterances"]

PAUSE_S = 0.3
"""Silence that ends an utterance; pauses between the words of one sentence are shorter."""

_LOUD = 512
"""−36 dBFS: above line noise and codec dither, below the quietest syllable of any voice we ship."""

_LOUD_SAMPLES = 4
"""A frame with fewer loud samples is a click, not speech."""


_LINEAR = memoryview(mulaw.to_linear(bytes(range(256)))).cast("h")
_IS_LOUD = bytes(int(abs(sample) >= _LOUD) for sample in _LINEAR)


class Utterance(msgspec.Struct, frozen=True):
    """From the first to behind the last loud sample of one stretch of speech."""

    start: int
    end: int


def _loud(frame: bytes) -> Utterance | None:
    loud = frame.translate(_IS_LOUD)
    if loud.count(1) < _LOUD_SAMPLES:
        return None
    return Utterance(loud.index(1), loud.rindex(1) + 1)


def utterances(sound: bytes, *, pause_s: float = PAUSE_S) -> list[Utterance]:
    """The stretches of speech in a track, in positions of its bytes."""
    pause = round(pause_s * mulaw.SAMPLE_RATE_HZ)
    found: list[Utterance] = []
    for at in range(0, len(sound), mulaw.FRAME_BYTES):
        loud = _loud(sound[at : at + mulaw.FRAME_BYTES])
        if loud is None:
            continue
        start, end = at + loud.start, at + loud.end
        if found and start - found[-1].end < pause:
            found[-1] = Utterance(found[-1].start, end)
        else:
            found.append(Utterance(start, end))
    return found


def audible_part(sound: bytes) -> Utterance:
    """Where speech begins and ends in a clip; all of it when nothing is loud."""
    found = utterances(sound)
    return Utterance(found[0].start, found[-1].end) if found else Utterance(0, len(sound))


class Ear:
    """Listens to a track as it goes by and knows when the other side began and was last audible."""

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self.pause_s = pause_s
        self.began_at: float | None = None
        """When the present or the last utterance became audible."""
        self.audible_at: float | None = None
        """When anything was last audible."""

    def listen(self, sound: bytes, start_at: float) -> bool:
        """Takes the next piece; true when a new utterance has become audible in it."""
        loud = _loud(sound)
        if loud is None:
            return False
        first_at = start_at + mulaw.duration_s(loud.start)
        began = self.audible_at is None or first_at - self.audible_at >= self.pause_s
        if began:
            self.began_at = first_at
        self.audible_at = start_at + mulaw.duration_s(loud.end)
        return began

    def silent_s(self, now: float) -> float:
        """Seconds since anything was audible; endless when nothing ever was."""
        return float("inf") if self.audible_at is None else now - self.audible_at
