"""Who was audible when: silences in which nobody was, overlaps in which both were.

Works on positions of the call's timeline. Leaves what is said in the stretches to others.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from bridge.simulator.hearing import Utterance
from bridge.wire import mulaw

__all__ = ["Overlap", "Silence", "longest_silence", "overlaps"]


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody was audible to the caller, not even she herself."""

    at_s: float
    ms: float


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """Both were audible at once."""

    at_s: float
    ms: float
    begun_by: Literal["caller", "agent"]
    """Who came second: ``agent`` talked over the caller, ``caller`` broke in on the agent."""


def longest_silence(
    spoken: Iterable[Utterance], heard: Sequence[Utterance], end: int
) -> Silence | None:
    """The longest one between the first sound of the agent and the end of the call.

    None when the agent was never heard, or somebody is audible all the time.
    """
    if not heard:
        return None
    longest, silent_from = Utterance(0, 0), heard[0].start
    everybody = sorted([*spoken, *heard], key=lambda stretch: stretch.start)
    for stretch in [*everybody, Utterance(end, end)]:
        if stretch.start - silent_from > longest.end - longest.start:
            longest = Utterance(silent_from, stretch.start)
        silent_from = max(silent_from, stretch.end)
    length = longest.end - longest.start
    if not length:
        return None
    return Silence(at_s=mulaw.duration_s(longest.start), ms=mulaw.duration_ms(length))


def overlaps(spoken: Sequence[Utterance], heard: Sequence[Utterance]) -> list[Overlap]:
    """Every stretch of hers against every one of the agent's, in order."""
    found = []
    for hers in spoken:
        for agents in heard:
            start, end = max(hers.start, agents.start), min(hers.end, agents.end)
            if start < end:
                found.append(
                    Overlap(
                        at_s=mulaw.duration_s(start),
                        ms=mulaw.duration_ms(end - start),
                        begun_by="agent" if agents.start > hers.start else "caller",
                    )
                )
    return found
