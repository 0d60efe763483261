"""A call's figures, worked out from the two tracks and the events (F30).

Pure. Leaves what each figure means to ``report``.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from bridge.simulator.events import CallEvent, MarkEchoed, QueueCleared, Requested
from bridge.simulator.floor import longest_silence, overlaps
from bridge.simulator.hearing import Utterance, utterances
from bridge.simulator.person import Said
from bridge.simulator.report import BargeIn, Figures, StreamReport, Stretch, TurnGap
from bridge.wire import mulaw

__all__ = ["figures", "heard_stretches", "said_stretches"]


def said_stretches(said: Sequence[Said]) -> list[Stretch]:
    """What the caller said, in seconds of the call."""
    return [
        Stretch(
            at_s=mulaw.duration_s(line.start),
            until_s=mulaw.duration_s(line.end),
            text=line.text,
            has_words=line.has_words,
        )
        for line in said
    ]


def heard_stretches(heard_track: bytes) -> list[Stretch]:
    """What was audible to her, in seconds of the call."""
    return [
        Stretch(at_s=mulaw.duration_s(one.start), until_s=mulaw.duration_s(one.end))
        for one in utterances(heard_track)
    ]


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
    clears = [event for event in events if isinstance(event, QueueCleared)]
    worded = [line for line in said if line.has_words]
    gaps = [_turn_gap(line, following, heard) for line, following in _with_next(worded)]
    spoken = [stretch for line in said for stretch in line.stretches]
    both = overlaps(spoken, heard)
    first_media = [stream.first_media_ms for stream in streams]
    return Figures(
        answer_ms=mulaw.duration_ms(heard[0].start) if heard else None,
        first_media_ms=first_media[0] if first_media else None,
        turn_gaps=[gap for gap in gaps if gap is not None],
        barge_ins=_barge_ins(said, heard, clears),
        unanswered=[line.text for line, gap in zip(worded, gaps, strict=True) if gap is None],
        longest_silence=longest_silence(spoken, heard, len(heard_track)),
        overlaps=both,
        overlap_ms=sum(overlap.ms for overlap in both),
        longest_overlap_ms=max((overlap.ms for overlap in both), default=0.0),
        clears=len(clears),
        empty_clears=sum(not clear.cut_ms and not clear.marks for clear in clears),
        double_clears=sum(clear.again for clear in clears),
        marks_reached=sum(echo.reached for echo in echoes),
        marks_returned=sum(not echo.reached for echo in echoes),
        marks_left=sum(stream.marks_left for stream in streams),
        pick_up_gaps_ms=_pick_up_gaps(streams, heard),
        lost_speech_ms=lost_speech_ms,
        undelivered_speech_ms=sum(stream.undelivered_speech_ms for stream in streams),
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
    said: Sequence[Said], heard: Sequence[Utterance], clears: Sequence[QueueCleared]
) -> list[BargeIn]:
    found: list[BargeIn] = []
    for line, following in _with_next(said):
        broken = next((spoken for spoken in heard if spoken.start < line.start < spoken.end), None)
        if broken is None:
            continue
        start_s = mulaw.duration_s(line.start)
        until_s = mulaw.duration_s(following.start) if following else math.inf
        answers = [clear for clear in clears if start_s <= clear.at_s < until_s]
        later = [spoken for spoken in heard if spoken.start >= broken.end]
        over_her = [spoken for spoken in later if spoken.start < line.end]
        found.append(
            BargeIn(
                said=line.text,
                at_s=start_s,
                heard_ms=mulaw.duration_ms(line.start - broken.start),
                stop_ms=mulaw.duration_ms(broken.end - line.start),
                cut_ms=sum(clear.cut_ms for clear in answers),
                clears=len(answers),
                again_ms=mulaw.duration_ms(later[0].start - line.start) if later else None,
                audible_after_ms=sum(mulaw.duration_ms(one.end - one.start) for one in over_her),
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
