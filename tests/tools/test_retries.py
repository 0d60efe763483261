import asyncio

import pytest

from tools.catalog import Tries
from tools.errors import BadArguments, BudgetSpent, Unavailable
from tools.retries import attempt_s, within


class Backend:
    """Fails as often as it is told, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked = 0

    async def ask(self) -> str:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


async def test_what_is_away_for_a_moment_is_asked_again() -> None:
    backend = Backend(Unavailable("away"), Unavailable("away"))

    assert await within(5.0, backend.ask) == "answer"
    assert backend.asked == 3


async def test_what_stays_away_is_given_up_with_its_own_error() -> None:
    backend = Backend(*[Unavailable("away")] * 9)

    with pytest.raises(Unavailable):
        await within(5.0, backend.ask)
    assert backend.asked == 3


@pytest.mark.parametrize("error", [BadArguments("no"), ValueError("ours")])
async def test_what_another_try_cannot_mend_is_not_tried_again(error: Exception) -> None:
    backend = Backend(error)

    with pytest.raises(type(error)):
        await within(5.0, backend.ask)
    assert backend.asked == 1


async def test_a_tool_says_itself_how_often_it_is_tried() -> None:
    backend = Backend(*[Unavailable("away")] * 9)
    tries = Tries(most=5, attempt_s=1.0, first_wait_s=0.001, longest_wait_s=0.002)

    with pytest.raises(Unavailable):
        await within(5.0, backend.ask, tries=tries)
    assert backend.asked == 5


async def test_a_tool_says_itself_how_long_an_attempt_may_take() -> None:
    tries = Tries(most=1, attempt_s=0.05)

    with pytest.raises(Unavailable):
        await within(60.0, asyncio.Event().wait, tries=tries)


def test_an_attempt_never_takes_so_much_that_there_is_no_second_one() -> None:
    tries = Tries(attempt_s=4.8)

    assert attempt_s(8.0, tries) == pytest.approx(4.8)
    assert attempt_s(2.0, tries) == pytest.approx(1.2)
    assert attempt_s(2.0) == pytest.approx(1.2)


async def test_an_attempt_that_hangs_leaves_time_for_another() -> None:
    asked = 0

    async def hang_once() -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            await asyncio.Event().wait()
        return "answer"

    assert await within(0.5, hang_once) == "answer"


async def test_the_budget_ends_everything() -> None:
    with pytest.raises((BudgetSpent, Unavailable)):  # whichever of the two clocks ends it
        await within(0.1, asyncio.Event().wait)


async def test_a_bodys_own_time_out_is_not_taken_for_ours() -> None:
    with pytest.raises(TimeoutError):
        await within(5.0, Backend(TimeoutError()).ask)
