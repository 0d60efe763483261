"""What the queue asks of Redis, counted in commands, those inside the scripts included."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
import redis

from tests.tools.queueing import Caller, a_job, an_outcome, finish, take_one
from tools import keys
from tools.catalog import QUEUES
from tools.claims import Claims
from tools.leases import ALIVE_FOR_S, SIGN_AT_LATEST_S, SIGN_EVERY_S
from tools.queue import ToolQueue
from worker.loop import HEALTH_LINE_EVERY_S, LOOK_ANYWAY_S

MOST_A_SECOND = 5.0
HEALTH_LINE = 3
"""Commands of arq's own line."""


Count = Callable[[], Counter[str]]


@pytest.fixture
def count(redis_url: str) -> Count:
    """Commands since the last count, and since the server knows their scripts."""

    def commands() -> Counter[str]:
        with redis.Redis.from_url(redis_url) as client:
            stats = client.info("commandstats")
            client.config_resetstat()
        counted = Counter({name[8:]: each["calls"] for name, each in stats.items()})
        for ours in ("info", "config|resetstat", "client|setinfo"):  # of whoever counts
            counted.pop(ours, None)
        return counted

    commands()
    return commands


class Still(Claims):
    """A worker whose thread does nothing, so that what is counted is the loop's."""

    async def __aenter__(self) -> "Still":
        self.leases.start()
        self.leases.end()
        self.leases.join()
        self._turn()
        return self


@pytest.mark.parametrize("queues", [QUEUES, ("settle", "summary"), ("booking",)])
async def test_a_worker_at_rest_asks_for_next_to_nothing(
    redis_url: str, queues: tuple[str, ...], count: Count
) -> None:
    free = dict.fromkeys(queues, 10)
    async with Still(redis_url, queues) as worker:
        await asyncio.to_thread(worker.leases.tick)
        await worker.take(free, hold_s=1.0)  # connected, and the scripts are known
        await worker.wait(free, hold_s=1.0, timeout_s=0.01)
        worker.leases.unsigned()
        count()
        await worker.wait(free, hold_s=1.0, timeout_s=0.01)
        look = count()
        worker.leases.unsigned()
        await asyncio.to_thread(worker.leases.tick)
        await asyncio.to_thread(worker.leases.tick)
        sign = count()

    assert look == Counter(blpop=1, evalsha=1, time=1, zadd=1, zrange=len(queues))
    assert sum(look.values()) / LOOK_ANYWAY_S + HEALTH_LINE / HEALTH_LINE_EVERY_S <= MOST_A_SECOND
    assert sign == Counter(evalsha=1, time=1, zadd=1)


async def test_who_looks_for_jobs_need_not_sign_beside(redis_url: str, count: Count) -> None:
    now = 100.0
    async with Still(redis_url, ["lookup"]) as worker:
        worker.leases._monotonic = lambda: now
        worker.leases.signed(now)
        now += LOOK_ANYWAY_S
        signs_when_it_looks = worker.leases.sign_due()
        thread_signs_too = worker.leases.sign_due(SIGN_AT_LATEST_S)

    assert signs_when_it_looks
    assert not thread_signs_too
    assert SIGN_EVERY_S <= LOOK_ANYWAY_S < SIGN_AT_LATEST_S < ALIVE_FOR_S


async def test_a_job_costs_three_scripts_and_one_wait(
    queue: ToolQueue, claims: Claims, caller: Caller, count: Count
) -> None:
    await queue.submit(a_job("f1"))
    await finish(claims, await take_one(claims), an_outcome("f1"))
    await caller.heard()
    claims.leases.signed(float("inf"))  # what it costs to show life is counted elsewhere
    count()

    await queue.submit(a_job("f2"))
    put_on = count()
    [claim], _ = await claims.take({"lookup": 1}, hold_s=30.0)
    claims.leases.let_go(claim.job_id)
    taken = count()
    await finish(claims, claim, an_outcome("f2"), breaker=keys.breaker_name("hillside", "calendar"))
    ended = count()

    assert {put_on["evalsha"], taken["evalsha"], ended["evalsha"]} == {1}
    assert sum(put_on.values()) <= 10
    assert sum(taken.values()) <= 8
    assert sum(ended.values()) <= 11
