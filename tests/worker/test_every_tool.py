"""Every tool that a caller may wait for, asked for as a worker asks: JSON in, JSON out."""

import time
from itertools import count
from typing import Any

import msgspec
import pytest
import structlog

from tools.catalog import CATALOG, OFFERED, QUEUED, has_happened
from tools.contract import Done, ToolJob
from worker.resources import open_resources
from worker.run import JobRun
from worker.settings import Settings

ANN = {"patient_name": "Ann Lee", "phone": "555 010 0122"}


class Asking:
    """A caller of the demo practice."""

    def __init__(self, run: JobRun) -> None:
        self._run = run
        self._calls = count()
        self.asked: set[str] = set()

    async def __call__(self, tool: str, **arguments: Any) -> Any:
        self.asked.add(tool)
        job = ToolJob(
            function_call_id=f"call_{next(self._calls)}",
            call_sid="CA1",
            practice="hillside",
            tool=tool,
            arguments=msgspec.json.encode(arguments).decode(),
            budget_s=CATALOG[tool].budget_s,
            effect=CATALOG[tool].effect,
            asked_utc=time.time(),
        )
        outcome = await self._run.outcome(job, tries=1, still_mine=lambda: True)
        assert isinstance(outcome, Done)
        if CATALOG[tool].effect:
            assert has_happened(CATALOG[tool], outcome.content)
        answer = msgspec.json.decode(outcome.content)
        assert answer["say"]
        return answer


@pytest.fixture
def settings(sqlite_url: str, redis_url: str) -> Settings:
    return Settings(database_url=sqlite_url, redis_url=redis_url)


async def test_a_caller_may_ask_for_everything_and_is_answered(settings: Settings) -> None:
    async with open_resources(settings) as resources:
        ask = Asking(JobRun(resources))

        offered = await ask("find_slots", service="cleaning")
        first, second, third = (offer["start"] for offer in offered["offers"])
        booked = await ask("book_appointment", service="cleaning", start=first, **ANN)
        insured = await ask(
            "book_with_insurance", service="cleaning", start=second, insurance="delta", **ANN
        )
        found = await ask("lookup_appointment", phone=ANN["phone"])
        whose = {"appointment_id": booked["appointment_id"], "phone": ANN["phone"]}
        moved = await ask("reschedule_appointment", new_start=third, **whose)
        cancelled = await ask("cancel_appointment", **whose)
        left = await ask("lookup_appointment", phone=ANN["phone"])
        await ask("check_insurance", insurance="Cigna")
        await ask("update_patient_notes", note="Hard of hearing.", **ANN)
        await ask("take_message", message="Please call me back.", phone=ANN["phone"])
        await ask("practice_info", topic="parking")

    assert [each["start"] for each in found["appointments"]] == [first, second]
    assert (moved["start"], cancelled["start"]) == (third, third)
    assert [each["appointment_id"] for each in left["appointments"]] == [insured["appointment_id"]]
    assert ask.asked == set(QUEUED) & set(OFFERED)


async def test_at_its_end_a_worker_tells_how_often_the_facts_were_at_hand(
    settings: Settings,
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_resources(settings) as resources:
            ask = Asking(JobRun(resources))
            for topic in ("hours", "address", "parking"):
                await ask("practice_info", topic=topic)

    [told] = [line for line in logs if line["event"] == "facts_remembered"]
    assert (told["hits"], told["misses"]) == (2, 1)
