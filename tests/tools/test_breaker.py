"""A backend that fails too often is left alone, and found out about by one job at a time."""

from typing import Any

import pytest
from arq import ArqRedis

from tests.tools.queueing import Caller, a_job, codes, failed, finish, take_one
from tools import keys
from tools.claims import SPEAKS_AGAINST, Claims
from tools.contract import Done, ToolOutcome
from tools.queue import ToolQueue

NAME = "hillside:calendar"


def good(function_call_id: str) -> Done:
    return Done(function_call_id=function_call_id, tool="find_slots", content="{}")


class House:
    """Jobs asked for and ended by hand."""

    def __init__(self, queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis) -> None:
        self.queue, self.claims, self.caller, self.raw = queue, claims, caller, raw
        self._asked = 0

    async def ask(self, **changes: Any) -> str:
        self._asked += 1
        await self.queue.submit(a_job(f"f{self._asked}", **changes))
        return f"f{self._asked}"

    async def end(self, *codes_of: str, breaker: str = NAME) -> None:
        """So many jobs end so, having been put on while the breaker was closed."""
        for code in codes_of:
            self._asked += 1
            id = f"f{self._asked}"
            outcome: ToolOutcome = good(id) if code == "done" else failed(code, id)
            await self.raw.set(keys.job_key(f"CA1:{id}"), b"x")
            await self.raw.zadd(keys.queue_key("lookup"), {f"CA1:{id}": 1})
            claim = await take_one(self.claims)
            assert await finish(self.claims, claim, outcome, breaker=breaker)

    async def refused(self, **changes: Any) -> bool:
        id = await self.ask(**changes)
        told = [each for each in self.caller.outcomes if each.function_call_id == id]
        return codes(told) == ["breaker"]

    async def let_time_pass(self) -> None:
        """As if the breaker had been open for long enough."""
        since, until = (await self.raw.hget(keys.BREAKERS_KEY, NAME)).split()
        past = int(until) - 2 * keys.OPEN_MS
        await self.raw.hset(keys.BREAKERS_KEY, NAME, f"{int(since)} {past}")


@pytest.fixture
def house(queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis) -> House:
    return House(queue, claims, caller, raw)


async def test_five_failures_open_it_and_who_asks_is_answered_at_once(house: House) -> None:
    await house.end(*["unavailable"] * (keys.BAD_ENOUGH - 1))
    before = await house.refused()
    await house.end("unavailable")

    assert not before
    assert await house.refused()
    [breaker] = await house.queue.breakers()
    assert (breaker.name, breaker.open) == (NAME, True)
    assert 0.0 <= breaker.since_s < 60.0


@pytest.mark.parametrize("code", sorted(SPEAKS_AGAINST))
async def test_whatever_may_be_the_backends_failure_counts(house: House, code: str) -> None:
    await house.end(*[code] * keys.BAD_ENOUGH)

    assert await house.refused()


@pytest.mark.parametrize("code", ["done", "bad_arguments", "withdrawn", "version"])
async def test_what_the_backend_answered_or_was_never_asked_does_not(
    house: House, code: str
) -> None:
    await house.end(*[code] * (2 * keys.BAD_ENOUGH))

    assert not await house.refused()


async def test_failures_among_more_successes_do_not_open_it(house: House) -> None:
    await house.end(*["done"] * (keys.BAD_ENOUGH + 1), *["unavailable"] * keys.BAD_ENOUGH)
    before = await house.refused()
    await house.end("unavailable")

    assert not before
    assert await house.refused()


async def test_failures_are_counted_for_a_while_only(house: House) -> None:
    await house.end(*["unavailable"] * (keys.BAD_ENOUGH - 1))
    assert 0 < await house.raw.pttl(f"tool:tally:{NAME}") <= keys.WINDOW_MS
    await house.raw.delete(f"tool:tally:{NAME}")  # the window is over

    await house.end("unavailable")

    assert not await house.refused()


async def test_it_guards_one_backend_of_one_practice(house: House) -> None:
    await house.end(*["unavailable"] * keys.BAD_ENOUGH)

    assert not await house.refused(practice="lakeside")
    assert not await house.refused(tool="summarise")
    assert await house.refused(tool="book_appointment")


async def test_a_tool_without_a_backend_has_no_breaker(house: House) -> None:
    await house.end(*["internal"] * keys.BAD_ENOUGH, breaker=keys.breaker_name("hillside", ""))

    assert await house.queue.breakers() == []


async def test_after_a_while_one_job_at_a_time_is_let_through(house: House) -> None:
    await house.end(*["unavailable"] * keys.BAD_ENOUGH)
    await house.let_time_pass()

    asked = [await house.refused() for _ in range(3)]

    assert asked == [False, True, True]
    assert [each.open for each in await house.queue.breakers()] == [False]


async def test_the_one_that_is_answered_closes_it(house: House) -> None:
    await house.end(*["unavailable"] * keys.BAD_ENOUGH)
    await house.let_time_pass()
    probe = await house.ask()

    await finish(house.claims, await take_one(house.claims), good(probe), breaker=NAME)

    assert [await house.refused() for _ in range(3)] == [False] * 3
    assert await house.queue.breakers() == []


async def test_the_one_that_fails_keeps_it_shut_since_it_opened(house: House) -> None:
    await house.end(*["unavailable"] * keys.BAD_ENOUGH)
    await house.let_time_pass()
    since = (await house.raw.hget(keys.BREAKERS_KEY, NAME)).split()[0]
    await house.ask()

    await house.end("unavailable")

    assert await house.refused()
    assert (await house.raw.hget(keys.BREAKERS_KEY, NAME)).split()[0] == since


async def test_the_one_that_is_lost_is_followed_by_another(house: House) -> None:
    await house.end(*["unavailable"] * keys.BAD_ENOUGH)
    await house.let_time_pass()
    await house.ask()
    assert 0 < await house.raw.pttl(f"tool:probe:{NAME}") <= keys.PROBE_MS
    await house.raw.delete(f"tool:probe:{NAME}")  # it took too long

    assert not await house.refused()


async def test_what_began_before_it_opened_neither_opens_nor_closes_it(house: House) -> None:
    await house.end(*["unavailable"] * keys.BAD_ENOUGH)
    state = await house.raw.hget(keys.BREAKERS_KEY, NAME)

    await house.end("done", "unavailable")

    assert await house.raw.hget(keys.BREAKERS_KEY, NAME) == state


async def test_another_bridge_and_another_worker_know_it_too(redis_url: str, house: House) -> None:
    await house.end(*["unavailable"] * (keys.BAD_ENOUGH - 1))
    async with Claims(redis_url, ["lookup"]) as other_worker:
        await house.raw.set(keys.job_key("CA1:x"), b"x")
        await house.raw.zadd(keys.queue_key("lookup"), {"CA1:x": 1})
        [claim], _ = await other_worker.take({"lookup": 1}, hold_s=30.0)
        await finish(other_worker, claim, failed("unavailable", "x"), breaker=NAME)
    told = Caller()
    async with ToolQueue(redis_url) as other_bridge:
        other_bridge.attach("CA7", told.deliver)
        await other_bridge.submit(a_job(call_sid="CA7"))

    assert codes(told.outcomes) == ["breaker"]
