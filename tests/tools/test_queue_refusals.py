"""A job that nobody will run in time is refused in the step that would have put it on."""

import msgspec
import pytest
from arq import ArqRedis

from tests.tools.queueing import (
    Caller,
    a_job,
    an_effect,
    an_outcome,
    booked,
    codes,
    failed,
    finish,
    take_one,
    until,
)
from tests.tools.served import count_as_served
from tools import keys
from tools.catalog import CATALOG, QUEUED
from tools.claims import Claims
from tools.contract import Failed, ToolJob
from tools.queue import ToolQueue


def in_background(function_call_id: str = "sum:1") -> ToolJob:
    return a_job(function_call_id, tool="summarise", arguments="{}", budget_s=60.0)


async def redis_ms(raw: ArqRedis) -> int:
    seconds, microseconds = await raw.time()
    return int(seconds * 1000 + microseconds // 1000)


async def forget_workers(raw: ArqRedis) -> None:
    await raw.delete(keys.ALIVE_KEY)


async def test_where_nobody_works_a_read_is_answered_at_once_and_leaves_nothing(
    queue: ToolQueue, caller: Caller, raw: ArqRedis
) -> None:
    await forget_workers(raw)

    await queue.submit(a_job())

    [told] = caller.outcomes
    assert told == Failed(
        function_call_id="f1",
        tool="find_slots",
        code="no_worker",
        say=CATALOG["find_slots"].fallback,
    )
    assert await raw.keys("*CA1*") == []
    assert await raw.zcard(keys.queue_key("lookup")) == 0


async def test_of_an_effect_that_is_refused_it_is_said_that_it_was_not_done(
    queue: ToolQueue, caller: Caller, raw: ArqRedis
) -> None:
    await forget_workers(raw)

    await queue.submit(an_effect())

    [told] = caller.outcomes
    assert isinstance(told, Failed)
    assert told.code == "no_worker"
    assert told.say == CATALOG["book_appointment"].not_done


async def test_what_a_caller_was_told_of_an_effect_stays_so_whoever_asks_again(
    redis_url: str, queue: ToolQueue, caller: Caller, raw: ArqRedis
) -> None:
    await forget_workers(raw)
    await queue.submit(an_effect())
    count_as_served(redis_url)
    heir = Caller()
    async with ToolQueue(redis_url) as second:
        second.attach("CA1", heir.deliver)
        await second.submit(an_effect())

    await queue.submit(an_effect())

    assert codes([*caller.outcomes, *heir.outcomes]) == ["no_worker"] * 3
    assert await raw.zcard(keys.queue_key("booking")) == 0
    assert 0 < await raw.pttl(keys.refusal_key("CA1:f1")) <= keys.RESULT_KEPT_MS


async def test_a_read_that_was_refused_may_be_asked_again(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await claims.leave()
    await forget_workers(raw)
    await queue.submit(a_job())
    count_as_served(redis_url)

    await queue.submit(a_job())
    await finish(claims, await take_one(claims), an_outcome())

    assert codes(await caller.heard(2)) == ["no_worker", "done"]


async def test_a_worker_counts_for_the_queues_it_serves_and_as_long_as_it_shows_life(
    redis_url: str, queue: ToolQueue, caller: Caller, raw: ArqRedis
) -> None:
    now = await redis_ms(raw)
    gone, other = keys.alive_name(["lookup"], "gone"), keys.alive_name(["booking", "x"], "other")
    await raw.delete(keys.ALIVE_KEY)
    await raw.zadd(keys.ALIVE_KEY, {gone: now - 1, other: now + 60_000})

    await queue.submit(a_job())
    await queue.submit(an_effect("f2"))

    assert codes(caller.outcomes) == ["no_worker"]
    assert await raw.zcard(keys.queue_key("booking")) == 1


async def test_a_worker_that_left_is_missed_at_once_one_that_is_replaced_is_not(
    redis_url: str, queue: ToolQueue, caller: Caller, raw: ArqRedis
) -> None:
    from tools import leases

    await forget_workers(raw)
    async with Claims(redis_url, ["lookup"]) as worker:
        await queue.submit(a_job("f1"))
        leases.free(redis_url, ["lookup"], worker.token)  # its parent starts another
        await queue.submit(a_job("f2"))
        [depth] = await queue.depth(["lookup"])
    await forget_workers(raw)
    async with Claims(redis_url, ["lookup"]) as worker:
        await worker.leave()
        await queue.submit(a_job("f3"))

    assert codes(caller.outcomes) == ["no_worker"]
    assert (depth.waiting, depth.workers) == (2, 0)


async def test_what_nobody_waits_for_waits_for_a_worker(
    queue: ToolQueue, caller: Caller, raw: ArqRedis
) -> None:
    await forget_workers(raw)

    await queue.submit(in_background())

    assert caller.outcomes == []
    assert await raw.zcard(keys.queue_key("summary")) == 1


async def grow_old(raw: ArqRedis, job_id: str, ms: int) -> None:
    await raw.zincrby(keys.queue_key("lookup"), -ms, job_id)


async def test_behind_a_job_that_waits_for_half_a_budget_nothing_more_is_put_on(
    queue: ToolQueue, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(a_job("f1"))
    await grow_old(raw, "CA1:f1", 10_000)

    await queue.submit(a_job("f2", budget_s=12.0))
    await queue.submit(a_job("f3", budget_s=60.0))

    assert codes(caller.outcomes) == ["full"]
    assert [id async for id, _ in raw.zscan_iter(keys.queue_key("lookup"))] == [
        b"CA1:f1",
        b"CA1:f3",
    ]


async def test_a_queue_with_too_many_jobs_takes_no_more_but_knows_those_it_has(
    queue: ToolQueue, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(a_job("f1"))
    now = await redis_ms(raw)
    others = {f"other{n}": now - keys.PRIORITY_MS for n in range(keys.MOST_WAITING)}
    await raw.zadd(keys.queue_key("lookup"), others)

    await queue.submit(a_job("f1"))
    await queue.submit(a_job("f2"))

    assert codes(caller.outcomes) == ["full"]
    assert caller.outcomes[0].function_call_id == "f2"


async def test_the_background_may_fill_up_further_but_not_for_ever(
    queue: ToolQueue, caller: Caller, raw: ArqRedis
) -> None:
    now = await redis_ms(raw)
    waiting = {f"other{n}": now for n in range(keys.MOST_IN_BACKGROUND - 1)}
    await raw.zadd(keys.queue_key("summary"), waiting)

    await queue.submit(in_background("sum:1"))
    await queue.submit(in_background("sum:2"))

    assert codes(caller.outcomes) == ["full"]
    assert await raw.zcard(keys.queue_key("summary")) == keys.MOST_IN_BACKGROUND


async def test_what_is_owed_is_never_refused(
    queue: ToolQueue, caller: Caller, raw: ArqRedis
) -> None:
    now = await redis_ms(raw)
    waiting = {f"other{n}": now for n in range(keys.MOST_IN_BACKGROUND)}
    await raw.zadd(keys.queue_key("settle"), waiting)

    await queue.submit(a_job("told:1", tool="free_holds", arguments="{}"))

    assert caller.outcomes == []
    assert await raw.zcard(keys.queue_key("settle")) == keys.MOST_IN_BACKGROUND + 1


async def test_jobs_that_run_do_not_count_as_waiting(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(a_job("f1"))
    await grow_old(raw, "CA1:f1", 60_000)
    await take_one(claims)

    await queue.submit(a_job("f2", budget_s=3.0))

    assert caller.outcomes == []
    assert (await queue.depth(["lookup"]))[0].waiting == 1


async def test_a_kept_result_is_told_even_where_nobody_works(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(a_job())
    await finish(claims, await take_one(claims), an_outcome())
    await caller.heard()
    await claims.leave()
    await forget_workers(raw)

    await queue.submit(a_job())

    assert codes(caller.outcomes) == ["done", "done"]


async def test_a_redis_that_has_just_come_back_is_not_asked_who_is_alive(
    queue: ToolQueue, caller: Caller, raw: ArqRedis
) -> None:
    await raw.flushall()
    await raw.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: queue._line.lost_lately(60.0))

    await queue.submit(a_job())

    assert caller.outcomes == []
    assert await raw.zcard(keys.queue_key("lookup")) == 1


async def test_what_was_let_in_once_is_not_refused_when_redis_forgets_it(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(an_effect())
    await claims.leave()
    await raw.flushall()
    await raw.hset(keys.BREAKERS_KEY, "hillside:calendar", f"1 {2**50}")
    await raw.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    await finish(claims, await take_one(claims), booked())

    assert await caller.heard() == [booked()]


@pytest.mark.parametrize("tool", sorted(QUEUED))
async def test_every_tool_has_something_true_to_say_when_it_is_refused(
    queue: ToolQueue, caller: Caller, raw: ArqRedis, tool: str
) -> None:
    await raw.set(keys.refusal_key("CA1:f1"), "full")

    await queue.submit(a_job(tool=tool, arguments="{}"))

    [told] = caller.outcomes
    assert told == msgspec.structs.replace(
        failed("full"), tool=tool, say=QUEUED[tool].not_done or QUEUED[tool].fallback
    )
    assert bool(told.say) is not QUEUED[tool].internal


async def test_callers_come_before_what_nobody_waits_for_and_keep_their_rank(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    now = await redis_ms(raw)
    await raw.set(keys.job_key("old"), b"x")
    await raw.zadd(keys.queue_key("lookup"), {"old": now - 1000})  # as stock arq puts it on
    for n in range(3):
        await queue.submit(a_job(f"f{n}"))

    async def taken(worker: Claims, count: int) -> list[str]:
        return [claim.job_id for claim in (await worker.take({"lookup": count}, hold_s=30.0))[0]]

    first = await claims.take({"lookup": 1}, hold_s=30.0)
    await claims.give_back(first[0][0])
    async with Claims(redis_url, ["lookup"]) as dead:
        killed = await taken(dead, 3)
        for job_id in killed:
            dead.leases.let_go(job_id)
        await claims.release(dead.token)
    order = await taken(claims, 9)

    assert first[0][0].job_id == "CA1:f0"
    assert sorted(killed) == ["CA1:f0", "CA1:f1", "CA1:f2"]
    assert sorted(order[:3]) == ["CA1:f0", "CA1:f1", "CA1:f2"]
    assert order[3] == "old"


async def test_a_job_whose_lease_lapsed_still_has_its_callers_rank_when_it_is_given_back(
    queue: ToolQueue, claims: Claims, raw: ArqRedis
) -> None:
    await queue.submit(a_job())
    claim = await take_one(claims)
    claims.leases.let_go(claim.job_id)
    queue_key = keys.queue_key("lookup")
    score = await raw.zscore(queue_key, "CA1:f1")
    await raw.zadd(queue_key, {"CA1:f1": score - 60_000})  # its lease ended a minute ago
    await raw.delete("arq:in-progress:CA1:f1")
    [again], _ = await claims.take({"lookup": 1}, hold_s=30.0)

    await claims.give_back(again)

    waiting = await raw.zscore(queue_key, "CA1:f1")
    assert (claim.live, again.live, again.tries) == (True, True, 2)
    assert waiting < await redis_ms(raw) - keys.PRIORITY_MS / 2


async def test_depth_and_age_are_right_for_both_kinds(
    queue: ToolQueue, claims: Claims, raw: ArqRedis
) -> None:
    now = await redis_ms(raw)
    await raw.zadd(keys.queue_key("lookup"), {"behind": now - 50_000})
    await queue.submit(a_job("f1"))
    await queue.submit(a_job("f2"))
    await grow_old(raw, "CA1:f1", 7_000)

    [depth] = await queue.depth(["lookup"])
    await take_one(claims)
    [later] = await queue.depth(["lookup"])

    assert (depth.waiting, depth.live, depth.running) == (3, 2, 0)
    assert 7.0 <= depth.oldest_live_s < 50.0 <= depth.oldest_waiting_s
    assert (later.waiting, later.live, later.running) == (2, 1, 1)
    assert later.oldest_live_s < 7.0
