"""What a call came to: the report, its figures, and how to print such things (F30).

Leaves working the figures out to ``figures``, a narrative to whoever placed the call, and the sound
file to ``wav``.
"""

import math
from collections.abc import Sequence

import msgspec

from bridge.simulator.events import CallEvent, WarningNoted
from bridge.simulator.floor import Overlap, Silence
from bridge.wire import mulaw

__all__ = [
    "BargeIn",
    "CallReport",
    "Figures",
    "StreamReport",
    "Stretch",
    "TurnGap",
    "percentile",
    "table",
]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not exceeded by this share of them; not a number for none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns: the first flush left, the others flush right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


class TurnGap(msgspec.Struct, frozen=True, kw_only=True):
    """From the end of what the caller said to the first sound of an answer."""

    said: str
    ended_at_s: float
    gap_ms: float


class BargeIn(msgspec.Struct, frozen=True, kw_only=True):
    """The caller broke into what she was hearing."""

    said: str
    at_s: float
    heard_ms: float
    """How long the other side had been audible."""
    stop_ms: float
    """From her first loud sample to the last sound of what she broke into."""
    cut_ms: float
    """Queued speech that was thrown away and never heard; 0: nobody sent a ``clear``."""
    clears: int
    """How many ``clear``s came until she spoke again; one is right."""
    again_ms: float | None
    """From her first loud sample to the next thing she heard after it had stopped."""
    audible_after_ms: float
    """Speech that began after it had stopped and before she had finished: she was talked over, or
    heard more of what she had interrupted."""


class StreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """One media stream of the call."""

    stream_sid: str
    parameters: dict[str, str]
    opened_at_s: float
    closed_at_s: float
    closed_by: str
    close_code: int | None
    first_media_ms: float | None
    """From ``start`` to the first agent sound on the socket."""
    sent_frames: int
    dropped_frames: int
    """Thrown away because the bridge read too slowly (31930)."""
    received_messages: int
    marks_asked: int
    marks_left: int
    """Never reached and never returned: the stream ended before."""
    undelivered_speech_ms: float
    """What the caller said and this stream did not carry: stalled, lost, thrown away."""


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody was audible."""

    at_s: float
    until_s: float
    text: str = ""
    """What the caller said; what she heard is not known here."""
    has_words: bool = True
    """False for a cough, a door, ..."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """F30, in milliseconds."""

    answer_ms: float | None
    """From the voice webhook to the first sound the caller heard."""
    first_media_ms: float | None
    """From ``start`` to the first agent sound on the socket."""
    turn_gaps: list[TurnGap]
    """For everything with words that was answered."""
    barge_ins: list[BargeIn]
    """Coughs and the like too: ``said`` tells."""
    unanswered: list[str]
    """Lines after which nothing was heard before the caller spoke again or the call ended."""
    longest_silence: Silence | None
    """Between the first sound of the agent and the end of the call; None: it never spoke."""
    overlaps: list[Overlap]
    """Every time that both were audible at once."""
    overlap_ms: float
    """All of them together."""
    longest_overlap_ms: float
    clears: int
    empty_clears: int
    """Those that found nothing: no sound to cut, no mark to return."""
    double_clears: int
    """Those before which nothing had been sent since the last one."""
    marks_reached: int
    marks_returned: int
    """By a ``clear``, unreached."""
    marks_left: int
    """Never echoed at all: their stream ended before."""
    pick_up_gaps_ms: list[float]
    """From a stream's end to the first sound of the next one."""
    lost_speech_ms: float
    """What the caller said while no stream was up."""
    undelivered_speech_ms: float
    """What she said while one was up that did not carry it."""
    requests: int


class CallReport(msgspec.Struct, frozen=True, kw_only=True):
    """One call from the first ring to the last word."""

    call_sid: str
    account_sid: str
    scenario: str
    from_number: str
    to_number: str
    outcome: str
    """``caller_hung_up``, ``bridge_hung_up``, ``refused``, ``lost``, ``failed``, ``gave_up``."""
    why: str
    duration_s: float
    figures: Figures
    said: list[Stretch]
    """Everything the caller said, in order."""
    heard: list[Stretch]
    """Everything that was audible to her, split by pauses of 0.3 s."""
    streams: list[StreamReport]
    events: list[CallEvent]
    warnings: list[WarningNoted]
    replay_close_code: int | None
    """How the bridge closed a socket that repeated a token; None: it did not, or none tried."""
    caller_track: bytes
    """µ-law from the moment of dialling: what the caller's microphone gave."""
    heard_track: bytes
    """The same timeline: what was played into her ear."""

    def heard_between(self, from_s: float, until_s: float) -> bytes:
        """What she heard in a part of the call, seconds since she dialled, as µ-law."""
        start, end = (round(at_s * mulaw.SAMPLE_RATE_HZ) for at_s in (from_s, until_s))
        return self.heard_track[max(0, start) : max(0, end)]

    @property
    def unexpected_warnings(self) -> list[WarningNoted]:
        """Warnings the run did not ask for."""
        return [warning for warning in self.warnings if not warning.expected]

    @property
    def ok(self) -> bool:
        """Whether the call ran as it should: ended by either side, nothing to complain of."""
        ended_well = self.outcome in ("caller_hung_up", "bridge_hung_up")
        return ended_well and not self.unexpected_warnings
