"""What the caller really heard: her side of the recording recognised again, line by line."""

from collections.abc import Iterable

import msgspec

from bridge.simulator.ears import Ears
from bridge.simulator.hearing import utterances
from bridge.simulator.voices import AGENT, Voices
from bridge.wire import mulaw


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of speech in her ear."""

    at_s: float
    text: str


def heard(track: bytes, lines: Iterable[str], voices: Voices | None = None) -> list[Heard]:
    """The known ``lines`` that are in a track of µ-law, cut where she heard only a part."""
    voices = voices or Voices()
    ear = Ears({line: voices.render(line, AGENT) for line in lines if line}).open()
    found = []
    for utterance in utterances(track):
        ear.clear()
        ear.feed(track[utterance.start : utterance.end])
        text = ear.text()
        found.append(Heard(at_s=round(mulaw.duration_s(utterance.start), 3), text=text))
    return found
