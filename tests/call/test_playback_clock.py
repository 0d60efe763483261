"""The playback clock against a caller's ear that plays what it is sent, in order, in real time."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.playback import Playback
from bridge.wire import mulaw


def test_a_phrase_without_sound_has_no_place_in_what_is_heard() -> None:
    playback = Playback()
    playback.send(0, 0.0, 1)
    playback.settle(0.0)

    playback.send(8000, 1.0, 2)

    assert [(one.reply, one.heard_bytes) for one in playback.settle(1.5)] == [(2, 4000)]


class Ear:
    """Twilio's queue: knows what was really heard, and returns marks the moment they are due."""

    def __init__(self) -> None:
        self.heard = 0
        self._now = 0.0
        self._queue: deque[int | str] = deque()
        self._credit = 0.0

    def take(self, item: int | str) -> None:
        self._queue.append(item)

    def clear(self) -> None:
        self._queue.clear()
        self._credit = 0.0

    def play_until(self, now: float) -> list[tuple[float, str]]:
        """Plays on; returns the marks that were reached, each with its instant."""
        reached = []
        while self._now < now or (self._queue and isinstance(self._queue[0], str)):
            if not self._queue:
                self._now = now
                break
            first = self._queue[0]
            if isinstance(first, str):
                self._queue.popleft()
                reached.append((self._now, first))
                continue
            step = min(first, round((now - self._now) * mulaw.SAMPLE_RATE_HZ))
            if step == 0:
                self._now = now
                break
            self.heard += step
            self._now += step / mulaw.SAMPLE_RATE_HZ
            if step == first:
                self._queue.popleft()
            else:
                self._queue[0] = first - step
        return reached


steps = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=1500),  # milliseconds until then
        st.sampled_from(["send", "send", "send", "mark", "mark", "clear"]),
        st.integers(min_value=1, max_value=16000),  # bytes
    ),
    max_size=40,
)


@given(steps)
def test_the_heard_position_is_within_40_ms_of_the_truth(steps: list) -> None:
    ear, playback, now = Ear(), Playback(), 0.0
    for wait_ms, what, byte_count in steps:
        now += wait_ms / 1000
        for at, name in ear.play_until(now):
            playback.reached(name, at)
        assert abs(playback.heard_position(now) - ear.heard) <= 0.040 * mulaw.SAMPLE_RATE_HZ
        match what:
            case "send":
                playback.send(byte_count, now, 1)
                ear.take(byte_count)
            case "mark":
                name = playback.mark()
                if name is not None:
                    ear.take(name)
            case "clear":
                playback.clear(now)
                ear.clear()


@given(steps, st.integers(min_value=0, max_value=250))
def test_a_line_with_delay_is_followed_to_within_that_delay(steps: list, delay_ms: int) -> None:
    """Bytes arrive, and marks come back, a constant delay later."""
    ear, playback, now, delay = Ear(), Playback(), 0.0, delay_ms / 1000
    on_the_way: deque = deque()
    coming_back: deque = deque()

    def advance(until: float) -> None:
        while on_the_way and on_the_way[0][0] <= until:
            at, item = on_the_way.popleft()
            coming_back.extend((reached + delay, name) for reached, name in ear.play_until(at))
            ear.take(item)
        coming_back.extend((reached + delay, name) for reached, name in ear.play_until(until))
        while coming_back and coming_back[0][0] <= until:
            at, name = coming_back.popleft()
            playback.reached(name, at)

    for wait_ms, what, byte_count in steps:
        now += wait_ms / 1000
        advance(now)
        error_bytes = playback.heard_position(now) - ear.heard
        assert abs(error_bytes) <= (delay + 0.040) * mulaw.SAMPLE_RATE_HZ
        if what == "send":
            playback.send(byte_count, now, 1)
            on_the_way.append((now + delay, byte_count))
        elif (name := playback.mark()) is not None:
            on_the_way.append((now + delay, name))


def test_nothing_sent_is_nothing_heard() -> None:
    assert Playback().heard_position(5.0) == 0


def test_audio_sent_while_older_audio_plays_is_heard_behind_it() -> None:
    playback = Playback()
    playback.send(8000, 0.0, 1)
    playback.send(8000, 0.5, 2)

    settled = playback.settle(1.5)

    assert [(one.reply, one.heard_bytes) for one in settled] == [(1, 8000), (2, 4000)]


def test_a_reply_heard_in_full_is_let_go_of_unless_more_of_it_comes() -> None:
    playback = Playback()
    playback.send(8000, 0.0, 1)

    assert len(playback.settle(2.0, keep=1)) == 1
    assert len(playback.settle(2.0)) == 1
    assert playback.settle(2.0) == []


def test_a_clear_tells_what_was_thrown_away() -> None:
    playback = Playback()
    playback.send(8000, 0.0, 1)

    cut = playback.clear(0.25)

    assert cut.unheard_ms == pytest.approx(750)
    assert not cut.heard[0].in_full


def test_a_mark_means_that_the_marks_before_it_were_reached_too() -> None:
    playback = Playback()
    names = []
    for _ in range(2):
        playback.send(800, 0.0, 1)
        names.append(playback.mark())
    playback.reached(names[1], 0.3)

    assert not playback.reached(names[0], 0.3)
    assert not playback.audible(0.3)


def test_a_mark_is_not_sent_twice_at_the_same_place() -> None:
    playback = Playback()
    playback.send(800, 0.0, 1)
    playback.mark()

    assert playback.mark() is None


def test_a_reply_without_sound_leaves_the_clock_alone() -> None:
    playback = Playback()
    playback.send(0, 0.0, 1)
    assert [one.reply for one in playback.settle(0.0)] == [1]
    playback.send(800, 1.0, 2)

    assert [(one.reply, one.heard_bytes) for one in playback.settle(2.0)] == [(2, 800)]
