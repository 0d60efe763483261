"""The figures of a call, from tracks and events made by hand."""

import msgspec
import pytest

from bridge.simulator.events import QueueCleared
from bridge.simulator.figures import figures, heard_stretches, said_stretches
from bridge.simulator.floor import Overlap, Silence, longest_silence, overlaps
from bridge.simulator.hearing import Utterance
from bridge.simulator.person import Said
from bridge.simulator.report import Figures, StreamReport
from bridge.wire import mulaw
from tests.simulator.tiny_bridge import tone


def track(*stretches_ms: tuple[int, int], until_ms: int = 6000) -> bytes:
    """What the caller hears: loud in these stretches."""
    sound = bytearray(mulaw.silence(until_ms))
    for start, end in stretches_ms:
        sound[start * 8 : end * 8] = tone(end - start)
    return bytes(sound)


def said(text: str, start_ms: int, end_ms: int, **more) -> Said:
    return Said(text=text, start=start_ms * 8, end=end_ms * 8, **more)


def clear(at_ms: int, *, cut_ms: float = 0.0, marks: int = 0, again: bool = False) -> QueueCleared:
    return QueueCleared(
        at=at_ms / 1000, at_s=at_ms / 1000, call_sid="CA1", cut_ms=cut_ms, marks=marks, again=again
    )


def of(heard: bytes, *lines: Said, **more) -> Figures:
    return figures(
        said=lines,
        heard_track=heard,
        events=more.get("events", []),
        streams=more.get("streams", []),
        lost_speech_ms=0,
    )


def test_the_longest_silence_is_one_in_which_neither_side_is_heard() -> None:
    heard = track((1000, 2000), (5000, 5500))

    assert of(heard).longest_silence == Silence(at_s=2.0, ms=3000)
    assert of(heard, said("so", 3000, 3500)).longest_silence == Silence(at_s=3.5, ms=1500)


def test_silence_counts_from_the_agents_first_sound_to_the_end_of_the_call() -> None:
    assert of(track((4000, 4500))).longest_silence == Silence(at_s=4.5, ms=1500)
    assert of(track(), said("hello", 100, 900)).longest_silence is None
    assert longest_silence([], [Utterance(0, 800)], 800) is None


def test_a_pause_inside_a_line_of_hers_is_silence_too() -> None:
    line = said("one … two", 2000, 5000,
                audible=(Utterance(16000, 17600), Utterance(36800, 40000)))  # fmt: skip

    figure = of(track((1000, 2000), (5100, 6000)), line).longest_silence

    assert figure == Silence(at_s=2.2, ms=2400)


def test_an_overlap_says_who_came_second() -> None:
    found = overlaps(
        [Utterance(0, 8000), Utterance(20000, 24000)],
        [Utterance(4000, 16000), Utterance(16100, 21600)],
    )

    assert found == [
        Overlap(at_s=0.5, ms=500, begun_by="agent"),
        Overlap(at_s=2.5, ms=200, begun_by="caller"),
    ]


def test_overlaps_are_summed_and_the_longest_is_named() -> None:
    figure = of(track((1000, 2000), (3000, 3400)), said("a", 1800, 2500), said("b", 3300, 3600))

    assert (figure.overlap_ms, figure.longest_overlap_ms) == (300, 200)
    assert of(track((1000, 2000))).longest_overlap_ms == 0


def test_a_clean_barge_in_leaves_nothing_audible_behind_it() -> None:
    heard = track((1000, 2200), (4000, 5000))
    line = said("wait", 2000, 2800)

    (cut,) = of(heard, line, events=[clear(2150, cut_ms=900, marks=1)]).barge_ins

    assert (cut.heard_ms, cut.stop_ms, cut.cut_ms, cut.clears) == (1000, 200, 900, 1)
    assert cut.again_ms == 2000
    assert cut.audible_after_ms == 0


def test_speech_that_comes_back_while_she_speaks_is_counted_against_the_barge_in() -> None:
    heard = track((1000, 2200), (2600, 3000))
    line = said("wait, please", 2000, 3500)

    (cut,) = of(heard, line, events=[clear(2150), clear(2400)]).barge_ins

    assert (cut.again_ms, cut.audible_after_ms, cut.clears) == (600, 400, 2)


def test_a_barge_in_that_nobody_answers_has_no_again() -> None:
    (cut,) = of(track((1000, 2200)), said("wait", 2000, 2800)).barge_ins

    assert cut.again_ms is None
    assert (cut.clears, cut.cut_ms) == (0, 0)


def test_clears_are_counted_and_those_that_were_for_nothing() -> None:
    events = [
        clear(100, cut_ms=50, marks=1),
        clear(200, again=True),
        clear(300),
        clear(400, marks=2),
    ]

    figure = of(track((1000, 2000)), events=events)

    assert (figure.clears, figure.empty_clears, figure.double_clears) == (4, 2, 1)


def test_a_cough_is_neither_answered_nor_unanswered_but_may_barge_in() -> None:
    cough = said("(cough)", 1200, 1500, has_words=False)

    figure = of(track((1000, 2000), (4000, 5000)), said("yes", 2500, 3000), cough)

    assert figure.unanswered == []
    assert [(gap.said, gap.gap_ms) for gap in figure.turn_gaps] == [("yes", 1000)]
    assert [cut.said for cut in figure.barge_ins] == ["(cough)"]


def test_speech_that_an_open_stream_did_not_carry_is_summed_over_all_streams() -> None:
    stream = StreamReport(
        stream_sid="MZ1",
        parameters={},
        opened_at_s=0,
        closed_at_s=1,
        closed_by="caller",
        close_code=1000,
        first_media_ms=None,
        sent_frames=0,
        dropped_frames=0,
        received_messages=0,
        marks_asked=0,
        marks_left=3,
        undelivered_speech_ms=120,
    )
    figure = of(track(), streams=[stream, msgspec.structs.replace(stream, marks_left=1)])

    assert figure.undelivered_speech_ms == 240
    assert figure.marks_left == 4


def test_stretches_are_told_in_seconds_of_the_call() -> None:
    (heard,) = heard_stretches(track((1000, 2000)))
    (cough,) = said_stretches([said("(cough)", 500, 900, has_words=False)])

    assert (heard.at_s, heard.until_s) == pytest.approx((1.0, 2.0), abs=0.001)
    assert (cough.at_s, cough.until_s, cough.text, cough.has_words) == (0.5, 0.9, "(cough)", False)
