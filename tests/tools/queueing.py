"""What tests of the queue share: jobs, a call that listens, a worker played by hand."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from tools.catalog import QUEUES
from tools.claims import Claim, Claims
from tools.contract import Done, Failed, ToolJob, ToolOutcome

PATIENTLY_S = 20.0
"""Nothing here takes as long; it only ends a test that would hang."""


def a_job(function_call_id: str = "f1", **changes: Any) -> ToolJob:
    values: dict[str, Any] = {
        "function_call_id": function_call_id,
        "call_sid": "CA1",
        "practice": "hillside",
        "tool": "find_slots",
        "arguments": '{"service": "cleaning"}',
        "budget_s": 30.0,
    }
    return ToolJob(**(values | changes))


def an_outcome(function_call_id: str = "f1") -> Done:
    return Done(function_call_id=function_call_id, tool="find_slots", content='{"say": "Yes."}')


async def until(true: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENTLY_S):
        while True:
            now = true()
            if now if isinstance(now, bool) else await now:
                return
            await asyncio.sleep(0.005)


class Caller:
    """A call that keeps what is delivered to it."""

    def __init__(self) -> None:
        self.outcomes: list[ToolOutcome] = []
        self._news = asyncio.Event()

    def deliver(self, outcome: ToolOutcome) -> None:
        self.outcomes.append(outcome)
        self._news.set()

    async def heard(self, count: int = 1) -> list[ToolOutcome]:
        async with asyncio.timeout(PATIENTLY_S):
            while len(self.outcomes) < count:
                self._news.clear()
                await self._news.wait()
        return self.outcomes


async def take_one(claims: Claims) -> Claim:
    async with asyncio.timeout(PATIENTLY_S):
        while True:
            taken, _ = await claims.take(dict.fromkeys(QUEUES, 1), hold_s=30.0)
            if taken:
                return taken[0]
            await asyncio.sleep(0.005)


async def finish(claims: Claims, claim: Claim, outcome: ToolOutcome, **more: Any) -> bool:
    return await claims.finish(claim, "CA1", outcome, queued_ms=1, started_ms=2, **more)


def an_effect(function_call_id: str = "f1", **changes: Any) -> ToolJob:
    return a_job(function_call_id, tool="book_appointment", effect=True, **changes)


def booked(function_call_id: str = "f1") -> Done:
    content = '{"result": "booked", "say": "Booked."}'
    return Done(function_call_id=function_call_id, tool="book_appointment", content=content)


def failed(code: str, function_call_id: str = "f1") -> Failed:
    return Failed(function_call_id=function_call_id, tool="book_appointment", code=code, say="Hm.")


def codes(outcomes: Iterable[ToolOutcome]) -> list[str]:
    return [each.code if isinstance(each, Failed) else "done" for each in outcomes]
