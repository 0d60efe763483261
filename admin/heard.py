"""What the caller really heard: her side of the recording recognised again, line by line."""

from collections.abc import Iterable

import msgspec

from bridge.simulator.ears import Ears
from bridge.simulator.hearing import Utterance, utterances
from bridge.simulator.voices import AGENT, Voices
from bridge.wire import mulaw

_LOOKED_AT = 25
"""Frames by which the place of the frame boundary is judged: half a second."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of speech in her ear."""

    at_s: float
    text: str


def heard(track: bytes, lines: Iterable[str], voices: Voices | None = None) -> list[Heard]:
    """The known ``lines`` that are in a track of µ-law, cut where she heard only a part."""
    voices = voices or Voices()
    ears = Ears({line: voices.render(line, AGENT) for line in lines if line})
    found = []
    for utterance in utterances(track):
        ear = ears.open()
        start = _first_frame(ears, track, utterance)
        for at in range(start, utterance.end, mulaw.FRAME_BYTES):
            ear.feed(track[at : at + mulaw.FRAME_BYTES])
        at_s = round(mulaw.duration_s(utterance.start), 3)
        found.append(Heard(at_s=at_s, text=ear.text()))
    return found


def _first_frame(ears: Ears, track: bytes, utterance: Utterance) -> int:
    """Where a frame of the rendered line begins, at or before the first loud sample."""
    earliest = max(0, utterance.start - mulaw.FRAME_BYTES + 1)

    def known_frames(start: int) -> int:
        frames = range(start, start + _LOOKED_AT * mulaw.FRAME_BYTES, mulaw.FRAME_BYTES)
        return sum(track[at : at + mulaw.FRAME_BYTES] in ears.places for at in frames)

    return max(range(earliest, utterance.start + 1), key=known_frames)
