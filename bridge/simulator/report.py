"""What a call came to: its figures, computed from the two tracks and the events (F30).

Leaves printing a narrative to whoever placed the call, and the sound file to
``bridge.simulator.wav``.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from bridge.simulator.events import (
    CallEvent,
    MarkEchoed,
    QueueCleared,
    Requested,
    WarningNoted,
)
from bridge.simulator.hearing import Utterance, utterances
from bridge.simulator.person import Said
from bridge.wire import mulaw

__all__ = [
    "BargeIn",
    "CallReport",
    "Figures",
    "StreamReport",
    "TurnGap",
    "figures",
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


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """F30, in milliseconds."""

    answer_ms: float | None
    """From the voice webhook to the first sound the caller heard."""
    first_media_ms: float | None
    """From ``start`` to the first agent sound on the socket."""
    turn_gaps: list[TurnGap]
    barge_ins: list[BargeIn]
    unanswered: list[str]
    """Lines after which nothing was heard before the caller spoke again or the call ended."""
    marks_reached: int
    marks_returned: int
    marks_left: int
    pick_up_gaps_ms: list[float]
    """From a stream's end to the first sound of the next one."""
    lost_speech_ms: float
    """What the caller said while no stream was up."""
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
    streams: list[StreamReport]
    events: list[CallEvent]
    warnings: list[WarningNoted]
    replay_close_code: int | None
    """How the bridge closed a socket that repeated a token; None: it did not, or none tried."""
    caller_track: bytes
    """µ-law from the moment of dialling: what the caller's microphone gave."""
    heard_track: bytes
    """The same timeline: what was played into her ear."""

    @property
    def unexpected_warnings(self) -> list[WarningNoted]:
        """Warnings the run did not ask for."""
        return [warning for warning in self.warnings if not warning.expected]

    @property
    def ok(self) -> bool:
        """Whether the call ran as it should: ended by either side, nothing to complain of."""
        ended_well = self.outcome in ("caller_hung_up", "bridge_hung_up")
        return ended_well and not self.unexpected_warnings


def figures(
    *,
    said: Sequence[Said],
    heard_track: bytes,
    events: Sequence[CallEvent],
    streams: Sequence[StreamReport],
    lost_speech_ms: float,
) -> Figures:
    """The figures of one call."""
    heard = utterances(heard_track)
    echoes = [event for event in events if isinstance(event, MarkEchoed)]
    gaps = [_turn_gap(line, following, heard) for line, following in _with_next(said)]
    first_media = [stream.first_media_ms for stream in streams]
    return Figures(
        answer_ms=mulaw.duration_ms(heard[0].start) if heard else None,
        first_media_ms=first_media[0] if first_media else None,
        turn_gaps=[gap for gap in gaps if gap is not None],
        barge_ins=_barge_ins(said, heard, events),
        unanswered=[line.text for line, gap in zip(said, gaps, strict=True) if gap is None],
        marks_reached=sum(echo.reached for echo in echoes),
        marks_returned=sum(not echo.reached for echo in echoes),
        marks_left=sum(stream.marks_left for stream in streams),
        pick_up_gaps_ms=_pick_up_gaps(streams, heard),
        lost_speech_ms=lost_speech_ms,
        requests=sum(isinstance(event, Requested) for event in events),
    )


def _with_next(said: Sequence[Said]) -> list[tuple[Said, Said | None]]:
    return list(zip(said, [*said[1:], None], strict=False))


def _turn_gap(line: Said, following: Said | None, heard: Sequence[Utterance]) -> TurnGap | None:
    for utterance in heard:
        if utterance.start < line.end:
            continue
        if following is not None and following.start < utterance.start:
            return None
        gap_ms = mulaw.duration_ms(utterance.start - line.end)
        return TurnGap(said=line.text, ended_at_s=mulaw.duration_s(line.end), gap_ms=gap_ms)
    return None


def _barge_ins(
    said: Sequence[Said], heard: Sequence[Utterance], events: Sequence[CallEvent]
) -> list[BargeIn]:
    found: list[BargeIn] = []
    clears = [event for event in events if isinstance(event, QueueCleared)]
    for line, following in _with_next(said):
        broken = next((spoken for spoken in heard if spoken.start < line.start < spoken.end), None)
        if broken is None:
            continue
        start_s = mulaw.duration_s(line.start)
        until_s = mulaw.duration_s(following.start) if following else math.inf
        cut_ms = sum(clear.cut_ms for clear in clears if start_s <= clear.at_s < until_s)
        found.append(
            BargeIn(
                said=line.text,
                at_s=start_s,
                heard_ms=mulaw.duration_ms(line.start - broken.start),
                stop_ms=mulaw.duration_ms(broken.end - line.start),
                cut_ms=cut_ms,
            )
        )
    return found


def _pick_up_gaps(streams: Sequence[StreamReport], heard: Sequence[Utterance]) -> list[float]:
    gaps: list[float] = []
    for before, after in pairwise(streams):
        first = next(
            (spoken for spoken in heard if mulaw.duration_s(spoken.start) >= after.opened_at_s),
            None,
        )
        if first is not None:
            gaps.append(mulaw.duration_ms(first.start) - before.closed_at_s * 1000)
    return gaps
