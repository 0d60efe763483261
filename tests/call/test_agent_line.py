"""The agent's line by itself: when it is tried again, when it is given up, when it is old."""

import pytest

from bridge.call.agent_line import DELAYS_S, JITTER, PROVEN_S, AgentLine

SEEDS = [f"CA{number}" for number in range(200)]


def a_line(**options) -> AgentLine:
    known = {"patience_s": 8.0, "within_s": 1000.0, "last_s": 6600.0, "seed": "CA1"}
    return AgentLine(**(known | options))


def a_ready_line(at: float = 0.0, **options) -> AgentLine:
    line = a_line(**options)
    line.open(at)
    line.applied(at)
    return line


def waits(line: AgentLine, count: int, *, status: int = 0) -> list[float]:
    """Lost so often in a row at one instant: how long each attempt is put off."""
    found = []
    for _ in range(count):
        line.lost(PROVEN_S, "retry", status=status)
        assert line.again_at is not None
        found.append(line.again_at - PROVEN_S)
    return found


# --- lost ------------------------------------------------------------------------------------


def test_a_line_that_was_lost_is_tried_again_at_once() -> None:
    line = a_ready_line()

    assert line.lost(20.0, "retry")
    assert line.again_at == 20.0


def test_each_further_attempt_waits_about_twice_as_long_as_the_one_before() -> None:
    line = a_ready_line()

    found = waits(line, len(DELAYS_S))

    for wait_s, delay_s in zip(found, DELAYS_S, strict=True):
        assert delay_s * (1 - JITTER) <= wait_s <= delay_s * (1 + JITTER)


def test_beyond_the_last_step_the_wait_grows_no_more() -> None:
    line = a_ready_line()

    *_, last, after = waits(line, len(DELAYS_S) + 2)

    assert last == after == DELAYS_S[-1] * (1 + JITTER)


def test_the_calls_of_a_bridge_do_not_come_back_in_step() -> None:
    seconds = [waits(a_ready_line(seed=seed), 2)[1] for seed in SEEDS]

    assert len(set(seconds)) > len(SEEDS) * 0.9
    assert min(seconds) < 1 - 0.8 * JITTER
    assert max(seconds) > 1 + 0.8 * JITTER


def test_a_call_that_is_played_again_waits_as_long() -> None:
    assert waits(a_ready_line(), 6) == waits(a_ready_line(), 6)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_into_a_crowd_nobody_runs_back_at_once(status: int) -> None:
    (first, _) = waits(a_ready_line(), 2, status=status)

    assert first >= DELAYS_S[1] * (1 - JITTER)


def test_in_a_crowd_the_next_wait_is_the_next_step_not_the_first_again() -> None:
    (_, second) = waits(a_ready_line(), 2, status=429)

    assert second >= DELAYS_S[2] * (1 - JITTER)


def test_a_refusal_that_names_its_own_wait_is_believed() -> None:
    line = a_ready_line()

    line.lost(20.0, "retry", status=503, not_before_s=7.5)

    assert line.again_at == 27.5


def test_a_shorter_wait_than_our_own_is_not_believed() -> None:
    line = a_ready_line()

    line.lost(20.0, "retry", status=429, not_before_s=0.1)

    assert line.again_at is not None
    assert line.again_at >= 20.0 + DELAYS_S[1] * (1 - JITTER)


# --- given up --------------------------------------------------------------------------------


def test_trouble_that_no_new_session_would_mend_is_the_end() -> None:
    line = a_ready_line()

    assert not line.lost(20.0, "end")
    assert line.again_at is None


def test_a_line_that_cannot_be_had_is_given_up_when_its_time_is_over() -> None:
    line = a_ready_line(within_s=10.0)
    line.lost(20.0, "retry")
    line.open(20.0)

    assert line.lost(28.0, "retry")
    assert not line.lost(29.9, "retry")


def test_a_wait_beyond_that_time_is_not_begun() -> None:
    line = a_ready_line(within_s=10.0)

    assert not line.lost(20.0, "retry", status=503, not_before_s=10.5)


def test_the_first_attempt_of_a_call_is_counted_too() -> None:
    line = a_line(within_s=10.0)
    line.open(0.0)

    assert not line.lost(10.5, "retry")


def test_a_line_that_comes_up_and_falls_at_once_is_not_tried_for_ever() -> None:
    line = a_ready_line(within_s=20.0)
    now, falls = 0.0, 0
    while line.lost(now, "retry"):
        assert line.again_at is not None
        now = line.again_at + 0.5
        line.open(line.again_at)
        line.applied(now)
        falls += 1
        now += 0.5

    assert now <= 20.0 + 1.0
    assert falls <= 6


def test_a_session_that_lasted_makes_its_loss_a_new_trouble() -> None:
    line = a_ready_line(within_s=20.0)
    line.lost(15.0, "retry")
    line.open(15.0)
    line.applied(16.0)

    assert line.lost(16.0 + PROVEN_S, "retry")
    assert line.again_at == 16.0 + PROVEN_S


def test_a_session_that_was_replaced_in_its_old_age_was_a_good_one() -> None:
    line = a_ready_line(within_s=20.0)
    line.open(6600.0)

    assert line.lost(6608.0, "retry")
    assert line.again_at == 6608.0


# --- up and down -----------------------------------------------------------------------------


def test_an_attempt_has_its_time() -> None:
    line = a_line(patience_s=8.0)

    line.open(1.0)

    assert line.open_until == 9.0


def test_nobody_listens_from_the_first_attempt_until_the_settings_are_applied() -> None:
    line = a_line()
    line.open(1.0)
    line.lost(2.0, "retry")
    line.open(3.0)
    assert line.down_since == 1.0

    line.applied(4.0)

    assert line.down_since is None


def test_a_new_attempt_begins_from_the_beginning() -> None:
    line = a_ready_line()
    line.welcomed = line.configured = True

    line.lost(20.0, "retry")

    assert [line.welcomed, line.configured, line.ready] == [False, False, False]


def test_a_line_that_is_given_up_wants_nothing_more() -> None:
    line = a_ready_line()

    line.give_up()

    assert (line.again_at, line.open_until, line.old_at(5.0), line.ready) == (
        None,
        None,
        None,
        False,
    )


# --- old -------------------------------------------------------------------------------------


def test_a_session_grows_old() -> None:
    assert a_ready_line(at=100.0, last_s=6600.0).old_at(200.0) == 6700.0


def test_a_session_that_was_told_to_end_soon_is_old_at_once() -> None:
    line = a_ready_line()

    line.age()

    assert line.old_at(200.0) == 200.0


def test_the_session_after_an_old_one_is_young() -> None:
    line = a_ready_line(last_s=6600.0)
    line.age()
    line.open(300.0)
    line.applied(301.0)

    assert line.old_at(302.0) == 301.0 + 6600.0


def test_a_line_that_is_down_is_not_old() -> None:
    line = a_ready_line()
    line.lost(20.0, "retry")

    assert line.old_at(9999.0) is None
