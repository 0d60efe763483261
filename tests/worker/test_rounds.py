"""Rounds go on whatever happens in one of them, and end with the worker."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tools.errors import Unavailable
from worker.rounds import Rounds

LONG_S = 3600.0
"""No test waits for it."""
PATIENTLY_S = 10.0
"""Nothing here takes as long; it only ends a test that would hang."""


class Round:
    """Done over and over, each time as it is told; the last for ever."""

    def __init__(self, *ends: int | Exception | Callable[[], Awaitable[int]]) -> None:
        self.ends = list(ends)
        self.begun = 0
        self._begins = asyncio.Condition()

    async def __call__(self) -> int:
        self.begun += 1
        async with self._begins:
            self._begins.notify_all()
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, Exception):
            raise end
        return end if isinstance(end, int) else await end()

    async def until_begun(self, times: int) -> None:
        async with asyncio.timeout(PATIENTLY_S), self._begins:
            await self._begins.wait_for(lambda: self.begun >= times)


async def test_where_something_was_done_the_next_round_follows_at_once() -> None:
    round = Round(3, 1, 0)

    async with Rounds({"a": round}, every_s=LONG_S).going():
        await round.until_begun(3)


async def test_where_nothing_was_done_it_rests_until_its_time() -> None:
    round = Round(0)

    async with Rounds({"a": round}, every_s=0.01).going():
        await round.until_begun(3)


async def test_news_ends_a_rest() -> None:
    round = Round(0)
    rounds = Rounds({"a": round}, every_s=LONG_S)

    async with rounds.going():
        await round.until_begun(1)
        rounds.news()
        await round.until_begun(2)


async def test_news_that_comes_during_a_round_is_not_lost() -> None:
    rounds: Rounds

    async def hears_news() -> int:
        rounds.news()
        return 0

    round = Round(hears_news, 0)
    rounds = Rounds({"a": round}, every_s=LONG_S)

    async with rounds.going():
        await round.until_begun(2)


@pytest.mark.parametrize(
    "error", [Unavailable("", reason="database: gone"), LookupError("our mistake")]
)
async def test_a_round_that_fails_is_followed_by_another(error: Exception) -> None:
    round = Round(error, error, 0)

    async with Rounds({"a": round}, every_s=0.01).going():
        await round.until_begun(3)


async def test_a_round_that_takes_long_holds_up_no_other() -> None:
    slow = Round(asyncio.Event().wait)  # type: ignore[arg-type]
    quick = Round(1, 1, 0)

    async with Rounds({"slow": slow, "quick": quick}, every_s=LONG_S).going():
        await quick.until_begun(3)
        assert slow.begun == 1


async def test_the_round_under_way_is_finished_before_the_end() -> None:
    goes_on, finished = asyncio.Event(), asyncio.Event()

    async def takes_a_moment() -> int:
        await goes_on.wait()
        finished.set()
        return 1

    round = Round(takes_a_moment, 0)
    async with asyncio.timeout(PATIENTLY_S):
        async with Rounds({"a": round}, every_s=LONG_S).going():
            await round.until_begun(1)
            asyncio.get_running_loop().call_soon(goes_on.set)

    assert finished.is_set()
    assert round.begun == 1


async def test_a_round_without_end_is_cut_off() -> None:
    cut_off = asyncio.Event()

    async def hangs() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            cut_off.set()
        return 0

    round = Round(hangs)
    async with asyncio.timeout(PATIENTLY_S):
        async with Rounds({"a": round}, ends_within_s=0.01).going():
            await round.until_begun(1)

    assert cut_off.is_set()


async def test_without_rounds_there_is_nothing_to_go() -> None:
    async with Rounds({}).going():
        pass
