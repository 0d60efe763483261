"""One job in a worker's hands: how long it is held, and what is entered when it ends."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from arq import ArqRedis

from tests.tools.queueing import a_job, an_effect, an_outcome, booked, failed
from tests.tools.served import count_as_served
from tools import keys
from tools.catalog import QUEUES
from tools.claims import Claim, Claims
from tools.connections import connect
from tools.contract import ToolJob, ToolOutcome
from tools.errors import LeaseLost
from tools.leases import GRACE_S
from tools.queue import ToolQueue
from worker.run import TRIES_OF_AN_EFFECT
from worker.service import Service


class Runs:
    """Runs nothing: every job has the outcome it was made with."""

    def __init__(self, outcome: ToolOutcome | None) -> None:
        self._outcome = outcome
        self.jobs: list[ToolJob] = []

    async def outcome(
        self, job: ToolJob, *, tries: int, still_mine: Callable[[], bool]
    ) -> ToolOutcome:
        self.jobs.append(job)
        if self._outcome is None:
            raise LeaseLost("gone")
        return self._outcome


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[ToolQueue]:
    count_as_served(redis_url)
    async with ToolQueue(redis_url) as queue:
        yield queue


@pytest.fixture
async def claims(redis_url: str) -> AsyncIterator[Claims]:
    async with Claims(redis_url, QUEUES) as claims:
        yield claims


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[ArqRedis]:
    client = connect(redis_url)
    yield client
    await client.aclose()


async def take(claims: Claims) -> Claim:
    [claim], _ = await claims.take(dict.fromkeys(QUEUES, 1), hold_s=60.0)
    return claim


def service(claims: Claims, outcome: ToolOutcome | None) -> Service:
    runs: Any = Runs(outcome)
    return Service(claims, runs)


async def test_the_outcome_is_recorded_and_the_lease_let_go(
    queue: ToolQueue, claims: Claims
) -> None:
    await queue.submit(a_job())
    claim = await take(claims)

    assert await service(claims, an_outcome()).serve(claim)

    [ended] = await queue.ended()
    assert (ended.job_id, ended.outcome, ended.late) == ("CA1:f1", "done", False)
    assert not claims.leases.is_ours("CA1:f1")


@pytest.mark.parametrize(
    ("asked_s_ago", "held_s"), [(0.0, 30.0), (20.0, 10.0), (31.0, 30.0), (4000.0, 30.0)]
)
async def test_a_job_is_held_until_its_budget_is_over_a_late_one_as_if_it_were_new(
    queue: ToolQueue, claims: Claims, asked_s_ago: float, held_s: float
) -> None:
    held: list[float] = []

    class Watching(Runs):
        async def outcome(self, job: ToolJob, **_: Any) -> ToolOutcome:
            held.append(claims.leases._held["CA1:f1"].until - time.monotonic())
            return an_outcome()

    await queue.submit(a_job(asked_utc=time.time() - asked_s_ago))
    runs: Any = Watching(None)

    await Service(claims, runs).serve(await take(claims))

    assert held[0] == pytest.approx(held_s + GRACE_S, abs=1.0)


@pytest.mark.parametrize(
    ("asked_s_ago", "code", "open_after"),
    [(0.0, "unavailable", True), (60.0, "budget_spent", False), (0.0, "bad_arguments", False)],
)
async def test_what_waited_here_too_long_says_nothing_about_the_backend(
    queue: ToolQueue, claims: Claims, asked_s_ago: float, code: str, open_after: bool
) -> None:
    for n in range(keys.BAD_ENOUGH):
        await queue.submit(an_effect(f"f{n}", asked_utc=time.time() - asked_s_ago))
        await service(claims, failed(code, f"f{n}")).serve(await take(claims))

    names = [breaker.name for breaker in await queue.breakers()]

    assert names == (["hillside:calendar"] if open_after else [])
    assert {each.late for each in await queue.ended()} == {asked_s_ago > 0}


async def test_our_own_mistake_is_a_dead_letter_and_a_refusal_is_none(
    queue: ToolQueue, claims: Claims
) -> None:
    for code in ("internal", "unavailable", "bad_arguments", "doubt"):
        await queue.submit(an_effect(code))
        await service(claims, failed(code, code)).serve(await take(claims))

    assert [(each.job_id, each.code) for each in await queue.dead()] == [
        ("CA1:internal", "internal")
    ]


async def test_a_job_that_was_claimed_too_often_is_a_dead_letter_whatever_became_of_it(
    queue: ToolQueue, claims: Claims, raw: ArqRedis
) -> None:
    await queue.submit(an_effect())
    await raw.set("arq:retry:CA1:f1", TRIES_OF_AN_EFFECT)

    await service(claims, booked()).serve(await take(claims))

    assert [each.code for each in await queue.dead()] == ["poison"]


async def test_bytes_that_are_no_job_are_a_dead_letter(
    queue: ToolQueue, claims: Claims, raw: ArqRedis
) -> None:
    await raw.set(keys.job_key("junk"), b"\xff")
    await raw.zadd(keys.queue_key("lookup"), {"junk": 1})

    assert not await service(claims, None).serve(await take(claims))

    assert [each.code for each in await queue.dead()] == ["unreadable"]
    assert not claims.leases.is_ours("junk")


async def test_what_is_another_workers_is_not_recorded(
    queue: ToolQueue, claims: Claims, raw: ArqRedis
) -> None:
    await queue.submit(a_job())

    assert not await service(claims, None).serve(await take(claims))

    assert await raw.exists(keys.result_key("CA1:f1")) == 0
    assert not claims.leases.is_ours("CA1:f1")


async def test_cut_short_it_gives_the_job_back_as_begun(queue: ToolQueue, claims: Claims) -> None:
    class Hangs(Runs):
        async def outcome(self, job: ToolJob, **_: Any) -> ToolOutcome:
            self.jobs.append(job)
            await asyncio.Event().wait()
            raise AssertionError

    runs: Any = Hangs(None)
    await queue.submit(an_effect())
    serving = asyncio.create_task(Service(claims, runs).serve(await take(claims)))
    while not runs.jobs:
        await asyncio.sleep(0)

    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving

    assert (await take(claims)).tries == 2
