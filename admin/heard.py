"""What the caller really heard, told by the stretch: her side of the recording recognised again."""

from collections.abc import Iterable

import msgspec

from admin.recognition import recognise
from bridge.simulator.hearing import utterances
from bridge.simulator.voices import Voices
from bridge.wire import mulaw


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of speech in her ear."""

    at_s: float
    text: str


def heard(track: bytes, lines: Iterable[str], voices: Voices | None = None) -> list[Heard]:
    """The known ``lines`` that are in a track of µ-law, cut where she heard only a part."""
    recognised = recognise(track, lines, voices).lines
    found = []
    for stretch in utterances(track):
        start_s, end_s = mulaw.duration_s(stretch.start), mulaw.duration_s(stretch.end)
        words = [line.words for line in recognised if line.at_s < end_s and line.until_s > start_s]
        found.append(Heard(at_s=round(start_s, 3), text=" ".join(words)))
    return found
