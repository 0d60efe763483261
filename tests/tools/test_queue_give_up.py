"""What is true of a job that nobody waits for any more, and that it stays true."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from arq import ArqRedis

from tests.tools.queueing import (
    Caller,
    a_job,
    an_effect,
    booked,
    codes,
    failed,
    finish,
    take_one,
    until,
)
from tools import keys
from tools.catalog import CATALOG, QUEUES
from tools.claims import Claims
from tools.contract import Done, Failed
from tools.errors import BadArguments, Unavailable
from tools.late import LateOutcomes
from tools.queue import ToolQueue


async def nothing_to_take(claims: Claims) -> bool:
    return (await claims.take(dict.fromkeys(QUEUES, 9), hold_s=30.0))[0] == []


async def test_what_waits_is_withdrawn_and_never_runs(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(an_effect())

    ending = await queue.give_up(an_effect())

    assert ending == Failed(
        function_call_id="f1",
        tool="book_appointment",
        code="withdrawn",
        say=CATALOG["book_appointment"].not_done,
    )
    assert caller.outcomes == []
    assert await nothing_to_take(claims)


async def test_what_was_withdrawn_is_refused_to_whoever_sends_it_again(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(an_effect())
    await queue.give_up(an_effect())
    heir = Caller()
    async with ToolQueue(redis_url) as second:
        second.attach("CA1", heir.deliver)
        await second.submit(an_effect())
        again = await second.give_up(an_effect())

    assert codes([*heir.outcomes, again]) == ["withdrawn", "withdrawn"]
    assert await nothing_to_take(claims)


async def test_what_never_arrived_is_withdrawn_before_it_does(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    ending = await queue.give_up(an_effect())

    await queue.submit(an_effect())

    assert codes([ending, *caller.outcomes]) == ["withdrawn", "withdrawn"]
    assert await nothing_to_take(claims)


async def test_an_effect_that_runs_is_in_doubt_and_its_end_is_told(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(an_effect())
    claim = await take_one(claims)

    ending = await queue.give_up(an_effect())
    assert await finish(claims, claim, booked())

    assert isinstance(ending, Failed)
    assert (ending.code, ending.say) == ("doubt", CATALOG["book_appointment"].fallback)
    assert await caller.heard() == [booked()]


async def test_a_read_that_runs_is_only_too_late(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(a_job())
    await take_one(claims)

    ending = await queue.give_up(a_job())

    assert isinstance(ending, Failed)
    assert (ending.code, ending.say) == ("budget_spent", CATALOG["find_slots"].fallback)


@pytest.mark.parametrize("how", ["crashed", "gave it back"])
async def test_what_a_worker_had_may_have_been_done_though_nobody_has_it_now(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller, how: str
) -> None:
    await queue.submit(an_effect())
    async with Claims(redis_url, QUEUES) as other:
        claim = await take_one(other)
        if how == "crashed":
            await claims.release(other.token)
        else:
            await other.give_back(claim)

        ending = await queue.give_up(an_effect())

    assert codes([ending]) == ["doubt"]
    assert (await take_one(claims)).tries == 2


async def test_a_result_that_came_in_the_last_moment_is_the_end(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(an_effect())
    await finish(claims, await take_one(claims), booked())
    await caller.heard()
    async with ToolQueue(redis_url) as unaware:
        ending = await unaware.give_up(an_effect())

    assert await queue.give_up(an_effect()) == ending == booked()
    assert caller.outcomes == [booked()]


async def test_a_final_outcome_follows_a_doubt_once(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(an_effect())
    await finish(claims, await take_one(claims), failed("doubt"))
    await caller.heard()

    async with LateOutcomes(redis_url) as late:
        heard_by = [await late.announce("CA1", booked()) for _ in range(3)]
    await queue.submit(an_effect("f2"))
    await finish(claims, await take_one(claims), booked("f2"))

    assert await caller.heard(3) == [failed("doubt"), booked(), booked("f2")]
    assert heard_by == [1, 1, 1]


async def test_no_doubt_follows_a_final_outcome(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    from tools.records import encode_outcome

    await queue.submit(an_effect())
    await finish(claims, await take_one(claims), booked())
    await caller.heard()

    await raw.publish(keys.outcomes_channel("CA1"), encode_outcome(failed("doubt")))
    await queue.submit(an_effect("f2"))
    await finish(claims, await take_one(claims), booked("f2"))

    assert await caller.heard(2) == [booked(), booked("f2")]


async def test_a_bridge_that_takes_over_hears_the_end_of_a_doubt(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(an_effect())
    await finish(claims, await take_one(claims), failed("doubt"))
    heir = Caller()
    async with ToolQueue(redis_url) as second, LateOutcomes(redis_url) as late:
        second.attach("CA1", heir.deliver)
        await second.submit(an_effect())
        await heir.heard()
        await late.announce("CA1", booked())

        assert await heir.heard(2) == [failed("doubt"), booked()]


async def test_what_was_announced_to_nobody_is_found_by_who_comes_later(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(an_effect())
    await finish(claims, await take_one(claims), failed("doubt"))
    await caller.heard()
    queue.detach("CA1", caller.deliver)
    async with LateOutcomes(redis_url) as late:
        await until(lambda: not queue._line._changes.qsize())
        await late.announce("CA1", booked())
    heir = Caller()
    queue.attach("CA1", heir.deliver)

    await queue.submit(an_effect())

    assert await heir.heard() == [booked()]


async def test_while_an_effect_is_in_doubt_it_is_looked_for_whenever_the_line_is_new(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(an_effect(budget_s=0.5))
    await finish(claims, await take_one(claims), failed("doubt"))
    await caller.heard()
    queue._line.leave("CA1")  # the line is gone as far as Redis knows

    async def nobody_listens() -> bool:
        return not (await raw.pubsub_numsub("outcomes:CA1"))[0][1]

    await until(nobody_listens)
    async with LateOutcomes(redis_url) as late:
        assert await late.announce("CA1", booked()) == 0
    queue._line.join("CA1")

    assert await caller.heard(2) == [failed("doubt"), booked()]


async def test_announcing_ends_a_job_that_nobody_runs_and_fences_one_that_runs(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(an_effect("runs"))
    claim = await take_one(claims)
    await queue.submit(an_effect("waits"))
    async with LateOutcomes(redis_url) as late:
        for function_call_id in ("runs", "waits"):
            await late.announce("CA1", booked(function_call_id))

    counted = await finish(claims, claim, failed("internal", "runs"))

    assert not counted
    assert await nothing_to_take(claims)
    assert await caller.heard(2) == [booked("runs"), booked("waits")]
    assert sorted(await raw.keys("arq:*")) == [b"arq:result:CA1:runs", b"arq:result:CA1:waits"]


@pytest.mark.parametrize(
    "outcome", [failed("doubt"), Done(function_call_id="f1", tool="tea", content="{}")]
)
async def test_only_what_is_final_is_announced(redis_url: str, outcome: Any) -> None:
    async with LateOutcomes(redis_url) as late:
        with pytest.raises(ValueError, match="nothing to announce"):
            await late.announce("CA1", outcome)


async def test_a_job_of_no_tool_cannot_be_given_up(queue: ToolQueue) -> None:
    with pytest.raises(BadArguments):
        await queue.give_up(a_job(tool="start_over"))


@pytest.mark.parametrize(("asked", "code"), [(an_effect, "doubt"), (a_job, "budget_spent")])
async def test_while_redis_is_away_an_effect_is_in_doubt_and_a_read_is_late(
    tmp_path: Path, asked: Callable[[], Any], code: str
) -> None:
    async with ToolQueue(f"unix://{tmp_path}/none.sock", patience_s=0.05) as queue:
        with pytest.raises(Unavailable):
            await queue.submit(asked())

        assert codes([await queue.give_up(asked())]) == [code]


async def test_a_redis_that_hangs_does_not_hold_up_who_gives_up(tmp_path: Path) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    path = f"{tmp_path}/hung.sock"
    server = await asyncio.start_unix_server(say_nothing, path)
    async with ToolQueue(f"unix://{path}", patience_s=0.05) as queue:
        assert codes([await queue.give_up(an_effect())]) == ["doubt"]
    server.close()


async def test_a_waiting_job_is_dropped_for_good_and_its_call_is_told(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(an_effect())

    assert await queue.drop("CA1:f1")

    assert codes(await caller.heard()) == ["withdrawn"]
    assert not await queue.drop("CA1:f1")
    assert await nothing_to_take(claims)


async def test_a_job_that_runs_or_is_none_cannot_be_dropped(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(an_effect())
    await take_one(claims)
    await raw.set(keys.job_key("junk"), b"\xff")

    assert [await queue.drop(id) for id in ("CA1:f1", "junk", "CA9:f9")] == [False] * 3
    assert caller.outcomes == []


async def test_a_result_that_cannot_be_read_is_a_doubt_until_somebody_announces_the_end(
    redis_url: str, queue: ToolQueue, caller: Caller, raw: ArqRedis
) -> None:
    await raw.set(keys.result_key("CA1:f1"), b"\xff")

    await queue.submit(an_effect())
    ending = await queue.give_up(an_effect())
    before = list(caller.outcomes)
    async with LateOutcomes(redis_url) as late:
        await late.announce("CA1", booked())
    await caller.heard()
    await queue.submit(an_effect())

    assert (before, codes([ending])) == ([], ["doubt"])
    assert caller.outcomes == [booked(), booked()]
