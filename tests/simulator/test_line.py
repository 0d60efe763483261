"""The outbound queue in virtual time: what is heard when, which marks return, what clear cuts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulator.line import Line, Track


def line_at(began_at: float = 100.0) -> tuple[Line, Track]:
    track = Track(began_at)
    return Line(track, began_at), track


def test_sound_is_heard_from_the_moment_it_arrives() -> None:
    line, track = line_at()

    line.play(b"a" * 80, 100.5)

    assert track.between(4000, 4100) == b"a" * 80 + b"\xff" * 20
    assert track.between(3990, 4001) == b"\xff" * 10 + b"a"


def test_sound_sent_faster_than_real_time_waits_its_turn() -> None:
    line, track = line_at()

    line.play(b"a" * 8000, 100.0)
    line.play(b"b" * 8000, 100.1)

    assert track.between(7999, 8001) == b"ab"
    assert line.queued_bytes(100.5) == 12000


def test_after_an_underrun_playback_starts_again_from_now() -> None:
    line, track = line_at()
    line.play(b"a" * 80, 100.0)

    line.play(b"b" * 80, 101.0)

    assert track.between(0, 8080) == b"a" * 80 + b"\xff" * 7920 + b"b" * 80


def test_a_mark_comes_back_when_what_was_sent_before_it_has_been_heard() -> None:
    line, _ = line_at()
    line.play(b"a" * 800, 100.0)

    assert line.mark("m", 100.0) == []
    assert line.advance(100.0999) == []
    assert line.advance(100.1) == ["m"]
    assert line.advance(100.2) == []


def test_a_mark_on_an_empty_queue_comes_back_at_once() -> None:
    line, _ = line_at()

    assert line.mark("m", 100.0) == ["m"]


def test_marks_keep_their_order_even_when_the_clock_was_not_asked_meanwhile() -> None:
    line, _ = line_at()
    line.play(b"a" * 800, 100.0)
    line.mark("first", 100.0)

    assert line.mark("second", 105.0) == ["first", "second"]


def test_clear_cuts_what_was_not_heard_and_gives_all_marks_back_in_order() -> None:
    line, track = line_at()
    line.play(b"a" * 800, 100.0)
    line.mark("one", 100.0)
    line.play(b"b" * 800, 100.0)
    line.mark("two", 100.0)

    cleared = line.clear(100.15)

    assert cleared.marks == ("one", "two")
    assert cleared.cut == b"b" * 400
    assert track.between(0, 1600) == b"a" * 800 + b"b" * 400 + b"\xff" * 400


def test_clear_on_an_empty_queue_cuts_nothing() -> None:
    line, track = line_at()
    line.play(b"a" * 80, 100.0)

    assert line.clear(101.0).cut == b""
    assert track.end == 80


def test_sound_after_a_clear_plays_at_once() -> None:
    line, track = line_at()
    line.play(b"a" * 8000, 100.0)
    line.clear(100.1)

    line.play(b"b" * 80, 100.2)

    assert track.between(1600, 1680) == b"b" * 80


def test_a_second_stream_goes_on_behind_what_the_first_one_played() -> None:
    first, track = line_at()
    first.play(b"a" * 8000, 100.0)
    first.clear(100.5)

    second = Line(track, 101.0)
    second.play(b"b" * 80, 101.0)

    assert track.between(4000, 8080) == b"\xff" * 4000 + b"b" * 80


def test_a_track_refuses_sound_over_sound() -> None:
    track = Track(0.0)
    track.lay(0, b"a" * 10)

    with pytest.raises(ValueError, match="over sound"):
        track.lay(9, b"b")


def test_a_stretch_before_the_first_sound_is_silence() -> None:
    assert Track(0.0).between(5, 10) == b"\xff" * 5


steps = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(0, 2000)),
        st.tuples(st.just("mark"), st.just(0)),
        st.tuples(st.just("clear"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 4000)),
    ),
    max_size=40,
)


@given(steps)
def test_no_byte_and_no_mark_is_lost_doubled_or_out_of_order(steps) -> None:
    line, track = line_at(0.0)
    at = 0  # samples
    to_hear = bytearray()
    asked: list[str] = []
    returned: list[str] = []
    behind: dict[str, int] = {}
    code = 0

    for kind, amount in steps:
        now = at / 8000
        if kind == "play":
            sound = bytes((code + offset) % 251 for offset in range(amount))  # never silence
            code += amount
            to_hear += sound
            line.play(sound, now)
        elif kind == "mark":
            asked.append(f"m{len(asked)}")
            behind[asked[-1]] = len(to_hear)
            returned += line.mark(asked[-1], now)
        elif kind == "clear":
            cleared = line.clear(now)
            assert to_hear.endswith(cleared.cut)
            del to_hear[len(to_hear) - len(cleared.cut) :]
            returned += cleared.marks
        else:
            at += amount
            reached = line.advance(at / 8000)
            heard = track.between(0, at).replace(b"\xff", b"")
            assert all(len(heard) >= behind[name] for name in reached)
            returned += reached

    at += line.queued_bytes(at / 8000)
    returned += line.advance(at / 8000)
    assert returned == asked
    assert track.between(0, at).replace(b"\xff", b"") == to_hear
