"""Every order in which the steps of a job can meet, and many of them at once.

Each step is one script, so an order of steps is all that can happen between processes.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import permutations
from typing import Any

import pytest
from arq import ArqRedis

from tests.tools.queueing import Caller, an_effect, booked, codes, failed, finish
from tests.tools.served import count_as_served
from tools import keys
from tools.claims import Claim, Claims
from tools.contract import ToolOutcome, is_final
from tools.late import LateOutcomes
from tools.queue import ToolQueue

NEVER = {"withdrawn", "no_worker", "full", "breaker"}


class Meeting:
    """A bridge, its heir, a worker and a settler over the same job."""

    def __init__(self, redis_url: str, raw: ArqRedis) -> None:
        self.bridge, self.heir = ToolQueue(redis_url), ToolQueue(redis_url)
        self.worker, self.settler = Claims(redis_url, ["booking"]), LateOutcomes(redis_url)
        self.raw = raw
        self.told: dict[str, list[ToolOutcome]] = {}
        self.function_call_id = ""
        self.claim: Claim | None = None
        self.claims = 0
        self.given_up: ToolOutcome | None = None

    def begin(self, function_call_id: str) -> None:
        self.function_call_id, self.claim, self.claims, self.given_up = (
            function_call_id, None, 0, None,
        )  # fmt: skip
        self.told = {"bridge": [], "heir": []}
        self.bridge.attach("CA1", lambda outcome: self.hear("bridge", outcome))
        self.heir.attach("CA1", lambda outcome: self.hear("heir", outcome))

    def hear(self, who: str, outcome: ToolOutcome) -> None:
        if outcome.function_call_id == self.function_call_id:
            self.told[who].append(outcome)

    async def step(self, name: str) -> None:
        job = an_effect(self.function_call_id)
        match name:
            case "submit":
                await self.bridge.submit(job)
            case "submit again":
                await self.heir.submit(job)
            case "give up":
                self.given_up = await self.bridge.give_up(job)
            case "drop":
                await self.bridge.drop(job.job_id)
            case "claim":
                taken, _ = await self.worker.take({"booking": 1}, hold_s=30.0)
                if taken:
                    [self.claim] = taken
                    self.claims += 1
            case "give back" if self.claim:
                await self.worker.give_back(self.claim)
                self.worker.leases.let_go(self.claim.job_id)
            case "crash" if self.claim:
                self.worker.leases.let_go(self.claim.job_id)
                await self.worker.release(self.worker.token)
                somebody_else = keys.alive_name(["booking"], "somebody else")
                await self.raw.zadd(keys.ALIVE_KEY, {somebody_else: 2**50})
            case "finish" if self.claim:
                await finish(self.worker, self.claim, booked(self.function_call_id))
            case "finish in doubt" if self.claim:
                await finish(self.worker, self.claim, failed("doubt", self.function_call_id))
            case "announce" if self.claim:
                await self.settler.announce("CA1", booked(self.function_call_id))

    async def settled(self) -> None:
        """What was published has been heard: it is heard in order."""
        for queue, who in ((self.bridge, "bridge"), (self.heir, "heir")):
            heard = asyncio.Event()
            queue.attach("CA2", lambda _outcome, heard=heard: heard.set())
            async with asyncio.timeout(20):
                while not heard.is_set():
                    await self.settler.announce("CA2", booked(f"mark {who}"))
                    await asyncio.sleep(0.001)

    def check(self) -> None:
        """Whatever happened, nobody was told anything that is not so."""
        said = [*self.told["bridge"], *([self.given_up] if self.given_up else [])]
        for heard in (said, self.told["heir"]):
            if NEVER & set(codes(heard)):
                assert self.claims == 0, "told that it never will, and it began"
                assert "done" not in codes(heard)
        for heard in self.told.values():
            finals = [is_final(outcome) for outcome in heard]
            assert finals == sorted(finals), "a doubt after the end"
            assert len(set(codes(heard))) - (False in finals) <= 1, "two ends"
        if self.given_up and is_final(self.given_up) and self.claims == 0:
            assert codes([self.given_up]) == ["withdrawn"]


@pytest.fixture
async def meeting(redis_url: str, raw: ArqRedis) -> AsyncIterator[Meeting]:
    count_as_served(redis_url)
    meeting = Meeting(redis_url, raw)
    async with meeting.bridge, meeting.heir, meeting.worker, meeting.settler:
        yield meeting


STORIES: dict[str, tuple[str, ...]] = {
    "given up": ("submit", "give up", "claim", "finish"),
    "given up and asked again": ("submit", "give up", "submit again", "claim"),
    "given up and given back": ("submit", "claim", "give back", "give up", "claim"),
    "given up over a crash": ("submit", "claim", "crash", "give up", "claim"),
    "in doubt and announced": ("submit", "claim", "finish in doubt", "announce", "submit again"),
    "dropped": ("submit", "drop", "claim", "give up", "submit again"),
}


@pytest.mark.parametrize("story", STORIES)
async def test_in_whatever_order_nobody_is_told_what_is_not_so(
    meeting: Meeting, story: str
) -> None:
    orders = sorted(set(permutations(STORIES[story])))
    for n, order in enumerate(orders):
        meeting.begin(f"f{n}")
        for name in order:
            await meeting.step(name)
        await meeting.settled()

        meeting.check()
        await clear(meeting)


async def clear(meeting: Meeting) -> None:
    if meeting.claim:
        meeting.worker.leases.let_go(meeting.claim.job_id)
    await meeting.raw.delete(keys.queue_key("booking"))


async def test_after_a_doubt_was_announced_everybody_who_asked_has_the_end(
    meeting: Meeting,
) -> None:
    steps = ("submit", "claim", "finish in doubt", "submit again", "announce")
    after_claim = [("submit", "claim", *rest) for rest in sorted(set(permutations(steps[2:])))]
    for n, order in enumerate(after_claim):
        meeting.begin(f"g{n}")
        for name in order:
            await meeting.step(name)
        await meeting.settled()

        assert codes(meeting.told["bridge"])[-1:] == ["done"], order
        assert codes(meeting.told["heir"])[-1:] == ["done"], order
        await clear(meeting)


async def test_who_gives_up_and_who_claims_at_once_never_both_have_a_job(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    ids = [f"f{n}" for n in range(60)]
    for function_call_id in ids:
        await queue.submit(an_effect(function_call_id))

    async def take_all() -> list[str]:
        taken: list[str] = []
        for _ in ids:
            some, _ = await claims.take({"booking": 1}, hold_s=30.0)
            taken += [claim.job_id.removeprefix("CA1:") for claim in some]
        return taken

    async def give_up_all() -> dict[str, str]:
        return {id: codes([await queue.give_up(an_effect(id))])[0] for id in reversed(ids)}

    taken, endings = await asyncio.gather(take_all(), give_up_all())

    withdrawn = [id for id, code in endings.items() if code == "withdrawn"]
    assert sorted(taken + withdrawn) == sorted(ids)
    assert {endings[id] for id in taken} <= {"doubt"}
    assert taken
    assert withdrawn


async def test_what_arrives_while_it_is_given_up_runs_or_was_withdrawn(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    async with ToolQueue(redis_url) as other:
        endings = {}

        async def give_up(id: str) -> None:
            endings[id] = codes([await other.give_up(an_effect(id))])[0]

        both: list[Any] = []
        for n in range(60):
            submitting, giving = queue.submit(an_effect(f"f{n}")), give_up(f"f{n}")
            both += [submitting, giving] if n % 2 else [giving, submitting]
        await asyncio.gather(*both)

    assert set(endings.values()) == {"withdrawn"}
    assert await raw.zcard(keys.queue_key("booking")) == 0
    assert await raw.keys("arq:job:*") == []


async def test_what_ends_while_it_is_given_up_is_told_in_the_end(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    ids = [f"f{n}" for n in range(60)]
    for function_call_id in ids:
        await queue.submit(an_effect(function_call_id))
    taken, _ = await claims.take({"booking": 60}, hold_s=30.0)

    async def finish_all() -> None:
        for claim in taken:
            await finish(claims, claim, booked(claim.job_id.removeprefix("CA1:")))

    async def give_up_all() -> list[ToolOutcome]:
        return [await queue.give_up(an_effect(id)) for id in reversed(ids)]

    _, endings = await asyncio.gather(finish_all(), give_up_all())

    in_doubt = [each.function_call_id for each in endings if not is_final(each)]
    assert {*codes(endings)} <= {"done", "doubt"}
    async with asyncio.timeout(20):
        while not set(in_doubt) <= {each.function_call_id for each in caller.outcomes}:
            await asyncio.sleep(0.005)
    assert {*codes(caller.outcomes)} <= {"done"}
    assert len({each.function_call_id for each in caller.outcomes}) == len(caller.outcomes)
