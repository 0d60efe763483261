"""Whether the agent's own voice is recognised when it comes back."""

import pytest

from bridge.call.echo import MOST_AHEAD, Echo
from bridge.wire import mulaw
from tests.call.sounds import FRAME, echoed, mixed, noise, nothing, on_the_line, talk

AGENT = talk(20, -20, seed=7)
ROOM = noise(20, -62)


def hear(echo: Echo, sound: bytes) -> list[bool]:
    line = on_the_line(sound)
    return [echo.hear(mulaw.rms(line[at : at + FRAME])) for at in range(0, len(line), FRAME)]


def seconds(sound: bytes, begin: float, end: float) -> bytes:
    return sound[round(begin * 16000) : round(end * 16000)]


@pytest.mark.parametrize("after_ms", [60, 120, 250, 440, 500])
def test_an_echo_is_found_however_late_it_is(after_ms: int) -> None:
    echo = Echo()
    echo.play(on_the_line(AGENT), now=0.0)

    hear(echo, mixed(ROOM, echoed(AGENT, after_ms=after_ms, softer_db=20)))

    assert echo.comparisons == 5
    assert echo.score > 0.85


def test_an_echo_is_found_under_a_caller_who_speaks_now_and_then() -> None:
    echo = Echo()
    echo.play(on_the_line(AGENT), now=0.0)
    words = nothing(6) + talk(2, -28, seed=9) + nothing(12)

    hear(echo, mixed(ROOM, words, echoed(AGENT, after_ms=150, softer_db=15)))

    assert echo.score > 0.7


def test_a_silent_caller_is_no_echo() -> None:
    echo = Echo()
    echo.play(on_the_line(AGENT), now=0.0)

    hear(echo, ROOM)

    assert (echo.comparisons, echo.score) == (5, 0.0)


def test_a_caller_who_speaks_all_the_while_is_no_echo() -> None:
    echo = Echo()
    echo.play(on_the_line(AGENT), now=0.0)

    hear(echo, mixed(ROOM, talk(20, -26, seed=9)))

    assert abs(echo.score) < 0.4


def test_taking_turns_is_compared_with_nothing() -> None:
    echo = Echo()
    for turn in range(4):
        now = turn * 5.0
        echo.play(on_the_line(seconds(AGENT, now, now + 2.5)), now)
        heard = nothing(2.5) + talk(2.5, -26, seed=turn)
        hear(echo, mixed(seconds(ROOM, now, now + 5), heard))

    assert (echo.comparisons, echo.score) == (4, 0.0)


def test_an_echo_is_found_in_short_replies_too() -> None:
    echo = Echo()
    back = echoed(AGENT, after_ms=150, softer_db=20)
    for turn in range(4):
        now = turn * 5.0
        echo.play(on_the_line(seconds(AGENT, now, now + 2.5)), now)
        heard = seconds(back, now, now + 2.5) + talk(2.5, -26, seed=turn)
        hear(echo, mixed(seconds(ROOM, now, now + 5), heard))

    assert echo.score > 0.7


def test_a_reply_of_a_second_says_too_little() -> None:
    echo = Echo()
    echo.play(on_the_line(seconds(AGENT, 0, 1)), now=0.0)

    hear(echo, mixed(seconds(ROOM, 0, 3), echoed(seconds(AGENT, 0, 3), after_ms=80, softer_db=20)))

    assert echo.comparisons == 0


def test_an_even_tone_of_the_agent_can_leave_no_trace() -> None:
    echo = Echo()
    echo.play(b"\x20\xa0" * 32000, now=0.0)
    hear(echo, seconds(AGENT, 0, 4))  # with the tone's own beginning
    at_first = echo.score

    hear(echo, seconds(AGENT, 4, 8))

    assert echo.comparisons == 2
    assert echo.score == at_first / 2


def test_the_agent_is_audible_while_it_plays_and_a_little_longer() -> None:
    echo = Echo()
    echo.play(on_the_line(seconds(AGENT, 0, 1)), now=0.0)

    audible = hear(echo, nothing(2))

    assert audible.index(True) == 1
    assert audible.count(True) == 50 + 24  # a second and half a second
    assert not echo.audible


def test_audio_in_small_pieces_is_the_same_as_in_one() -> None:
    line = on_the_line(seconds(AGENT, 0, 8))
    whole, pieces = Echo(), Echo()
    whole.play(line, now=0.0)
    for at in range(0, len(line), 70):
        pieces.play(line[at : at + 70], now=0.0)
    back = mixed(seconds(ROOM, 0, 8), echoed(seconds(AGENT, 0, 8), after_ms=120, softer_db=20))

    hear(whole, back)
    hear(pieces, back)

    assert whole.score == pieces.score > 0.8


def test_what_was_cleared_is_not_waited_for() -> None:
    echo = Echo()
    echo.play(on_the_line(AGENT), now=0.0)
    hear(echo, nothing(1))

    echo.hush(now=1.0)

    assert hear(echo, nothing(1))[-1] is False


def test_a_caller_whose_line_stood_still_does_not_delay_the_next_reply() -> None:
    echo = Echo()
    echo.play(on_the_line(talk(3, -20, seed=4)), now=0.0)  # and not one frame of the caller comes

    echo.play(on_the_line(AGENT), now=10.0)
    hear(echo, mixed(ROOM, echoed(AGENT, after_ms=120, softer_db=20)))

    assert echo.score > 0.85


def test_no_more_than_a_minute_is_kept_of_what_was_not_played() -> None:
    echo = Echo()
    for _ in range(100):
        echo.play(b"\x20" * 8000, now=0.0)

    heard = [echo.hear(100) for _ in range(2 * MOST_AHEAD + 40)]

    assert heard.count(True) == 2 * MOST_AHEAD + 24
