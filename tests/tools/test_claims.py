"""Leases and the fence: one result counts for each job, whoever dies, freezes or comes back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from arq import ArqRedis

from tests.tools.served import count_as_served
from tools import keys
from tools.catalog import QUEUES
from tools.claims import Claim, Claims
from tools.connections import connect
from tools.contract import Done, ToolJob
from tools.leases import LEASE_S, LeaseKeeper
from tools.queue import ToolQueue

PATIENTLY_S = 20.0


def an_outcome(say: str = "Yes.") -> Done:
    return Done(function_call_id="f1", tool="find_slots", content=f'{{"say": "{say}"}}')


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[ArqRedis]:
    client = connect(redis_url)
    yield client
    await client.aclose()


Submit = Callable[[], Awaitable[None]]


@pytest.fixture
def submit(redis_url: str) -> Submit:
    """Puts a job on the queue."""

    async def put_on() -> None:
        count_as_served(redis_url)
        async with ToolQueue(redis_url) as queue:
            await queue.submit(
                ToolJob(
                    function_call_id="f1",
                    call_sid="CA1",
                    practice="hillside",
                    tool="find_slots",
                    arguments="{}",
                    budget_s=30.0,
                )
            )

    return put_on


@pytest.fixture
async def job(submit: Submit) -> None:
    """One job on the queue."""
    await submit()


async def take(claims: Claims) -> list[Claim]:
    taken, _ = await claims.take({"lookup": 5}, hold_s=30.0)
    return taken


async def take_at_last(claims: Claims) -> Claim:
    async with asyncio.timeout(PATIENTLY_S):
        while True:
            taken, due_s = await claims.take({"lookup": 5}, hold_s=30.0)
            if taken:
                return taken[0]
            await asyncio.sleep(min(due_s or 0.05, 0.05))


async def finish(claims: Claims, claim: Claim, say: str = "Yes.") -> bool:
    return await claims.finish(claim, "CA1", an_outcome(say), queued_ms=1, started_ms=2)


class Frozen(Claims):
    """A worker whose renewing thread does not run, as in a process that was stopped."""

    async def __aenter__(self) -> "Frozen":
        self.leases.start()
        self.leases.end()
        return self


async def test_a_job_that_is_held_goes_to_nobody_else(redis_url: str, job: None) -> None:
    async with Claims(redis_url, QUEUES) as one, Claims(redis_url, QUEUES) as other:
        [claim] = await take(one)
        await asyncio.to_thread(one.leases.tick)

        taken, due_s = await other.take({"lookup": 5}, hold_s=30.0)

        assert taken == []
        assert due_s is not None
        assert 0 < due_s <= LEASE_S
        assert one.leases.is_ours(claim.job_id)


async def test_a_lease_that_is_not_renewed_lapses_and_the_late_result_does_not_count(
    redis_url: str, job: None
) -> None:
    async with Frozen(redis_url, QUEUES) as frozen, Claims(redis_url, QUEUES) as other:
        [first] = await take(frozen)
        second = await take_at_last(other)

        late = await finish(frozen, first, "late")
        counted = await finish(other, second, "in time")

        assert second.tries == 2
        assert not frozen.leases.is_ours(first.job_id)
        assert (late, counted) == (False, True)


async def test_a_worker_that_thaws_before_anybody_took_its_job_may_still_answer(
    redis_url: str, job: None, raw: ArqRedis
) -> None:
    async with Frozen(redis_url, QUEUES) as frozen:
        [claim] = await take(frozen)
        async with asyncio.timeout(PATIENTLY_S):
            while await raw.exists(f"arq:in-progress:{claim.job_id}"):
                await asyncio.sleep(0.02)

        assert await finish(frozen, claim)
        assert await take(frozen) == []


async def test_only_the_first_result_counts(redis_url: str, job: None, raw: ArqRedis) -> None:
    async with Claims(redis_url, QUEUES) as claims:
        [claim] = await take(claims)

        assert await finish(claims, claim, "first")
        assert not await finish(claims, claim, "second")

    assert b"first" in await raw.get("arq:result:CA1:f1")


async def test_what_is_given_back_is_taken_at_once_and_counts_as_begun_but_not_as_a_crash(
    redis_url: str, job: None
) -> None:
    async with Claims(redis_url, QUEUES) as one, Claims(redis_url, QUEUES) as other:
        tries = []
        for _ in range(3):
            [claim] = await take(one)
            tries.append(claim.tries)
            assert await one.give_back(claim)

        [again] = await take(other)

        assert (tries, again.tries) == ([1, 2, 2], 2)
        assert not await one.give_back(claim)


async def test_a_dead_workers_jobs_are_free_as_soon_as_its_death_is_certain(
    redis_url: str, job: None
) -> None:
    async with Claims(redis_url, QUEUES) as dead, Claims(redis_url, QUEUES) as other:
        [claim] = await take(dead)
        dead.leases.let_go(claim.job_id)

        assert await other.release(dead.token) == 1
        [again] = await take(other)
        assert again.tries == 2


async def test_the_renewing_thread_learns_that_a_job_is_lost(
    redis_url: str, job: None, raw: ArqRedis
) -> None:
    async with Claims(redis_url, QUEUES) as claims:
        [claim] = await take(claims)
        await raw.set(f"arq:in-progress:{claim.job_id}", b"somebody else")

        await asyncio.to_thread(claims.leases.tick)

        assert not claims.leases.is_ours(claim.job_id)


async def test_a_job_that_outlives_its_budget_is_not_held_for_ever(
    redis_url: str, job: None
) -> None:
    async with Claims(redis_url, QUEUES) as hung, Claims(redis_url, QUEUES) as other:
        [claim] = (await hung.take({"lookup": 5}, hold_s=-5.0))[0]

        again = await take_at_last(other)

        assert again.job_id == claim.job_id


async def test_a_lease_counts_from_before_it_was_asked_for(redis_url: str) -> None:
    now = 100.0
    keeper = LeaseKeeper(redis_url, ["lookup"], "me", monotonic=lambda: now)
    keeper.hold("j", "lookup", asked_at=now, until=now + 60)

    assert keeper.is_ours("j")
    now += LEASE_S
    assert not keeper.is_ours("j")
    assert not keeper.is_ours("another")


async def test_a_record_that_expired_is_taken_off_the_queue(
    redis_url: str, job: None, raw: ArqRedis
) -> None:
    await raw.delete("arq:job:CA1:f1")
    async with Claims(redis_url, QUEUES) as claims:
        assert await take(claims) == []

    assert await raw.zcard(keys.queue_key("lookup")) == 0


async def test_no_more_jobs_are_taken_than_there_are_slots(redis_url: str, job: None) -> None:
    async with Claims(redis_url, QUEUES) as claims:
        assert await claims.take({"lookup": 0, "booking": 5}, hold_s=1.0) == ([], None)


async def test_a_worker_is_alive_until_it_leaves(redis_url: str, raw: ArqRedis) -> None:
    async with Claims(redis_url, ["lookup"]) as claims, ToolQueue(redis_url) as queue:
        [here] = await queue.depth(["lookup"])
        await claims.release(claims.token)
        [gone] = await queue.depth(["lookup"])

    assert (here.workers, gone.workers) == (1, 0)


async def test_who_waits_has_the_job_with_the_bell_and_nothing_without_one(
    redis_url: str, submit: Submit
) -> None:
    async with Claims(redis_url, ["lookup"]) as claims:
        nothing = await claims.wait({"lookup": 5}, hold_s=30.0, timeout_s=0.05)
        waiting = asyncio.create_task(
            claims.wait({"lookup": 5}, hold_s=30.0, timeout_s=PATIENTLY_S)
        )
        await submit()
        async with asyncio.timeout(PATIENTLY_S):
            [claim], _ = await waiting

        assert nothing == ([], None)
        assert claim.job_id == "CA1:f1"
        assert claims.leases.is_ours(claim.job_id)


async def test_who_waits_for_other_queues_can_be_nudged(redis_url: str, raw: ArqRedis) -> None:
    async with Claims(redis_url, QUEUES) as claims:
        waiting = asyncio.create_task(
            claims.wait({"booking": 1}, hold_s=30.0, timeout_s=PATIENTLY_S)
        )
        await claims.nudge()
        async with asyncio.timeout(PATIENTLY_S):
            assert await waiting == ([], None)

    assert await raw.keys("tool:bell:*") == []


async def test_a_redis_that_forgot_its_scripts_is_taught_them_again(
    redis_url: str, raw: ArqRedis, job: None
) -> None:
    async with Claims(redis_url, ["lookup"]) as claims:
        await raw.script_flush()
        await claims.nudge()

        [claim], _ = await claims.wait({"lookup": 5}, hold_s=30.0, timeout_s=PATIENTLY_S)

        assert claim.job_id == "CA1:f1"


async def test_a_bell_that_nobody_listens_to_stays_short_and_goes_in_the_end(
    redis_url: str,
) -> None:
    async with Claims(redis_url, ["lookup"]) as claims:
        redis = connect(redis_url)
        bell = keys.bell_key("lookup")
        await claims.ring()
        await claims.ring()
        await redis.rpush(bell, *["1"] * (keys.BELLS_KEPT + 5))

        await claims.ring()

        assert await redis.llen(bell) == keys.BELLS_KEPT
        assert 0 < await redis.pttl(bell) <= keys.BELL_KEPT_MS
        await redis.aclose()
