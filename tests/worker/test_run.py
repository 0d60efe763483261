import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bridge.call.local import LOCAL, check_local
from tools.catalog import CATALOG, QUEUED
from tools.contract import VERSION, Done, Failed, ToolJob
from tools.errand import Errand
from tools.errors import BadArguments, LeaseLost, Unavailable
from tools.retries import ATTEMPT_SHARE
from worker.resources import open_resources
from worker.run import BODIES, JobRun, check_bodies
from worker.settings import Settings

NOW = 1000.0


class Answer(msgspec.Struct):
    say: str


def a_job(**changes: Any) -> ToolJob:
    values: dict[str, Any] = {
        "function_call_id": "f1",
        "call_sid": "CA1",
        "practice": "hillside",
        "tool": "find_slots",
        "arguments": '{"service": "cleaning"}',
        "budget_s": 3.0,
        "asked_utc": NOW,
    }
    return ToolJob(**(values | changes))


async def outcome_of(
    job: ToolJob,
    body: Callable[..., Any] | None = None,
    *,
    tries: int = 1,
    now: float = NOW,
) -> Any:
    async def answer(*_: Any) -> Answer:
        return Answer(say="Yes.")

    # A tool that reads asks nobody before its body does: this database is never connected to.
    async with open_resources(Settings(database_url="sqlite:///nowhere.db")) as resources:
        run = JobRun(
            resources, bodies=dict.fromkeys(QUEUED, body or answer), wall_clock=lambda: now
        )
        return await run.outcome(job, tries=tries, still_mine=lambda: True)


def failing(error: BaseException) -> Callable[..., Any]:
    async def fail(*_: Any) -> Answer:
        raise error

    return fail


def test_every_tool_has_one_body_and_no_body_is_without_a_tool() -> None:
    check_bodies()
    check_local()
    assert BODIES.keys() | LOCAL.keys() == CATALOG.keys()
    assert not BODIES.keys() & LOCAL.keys()
    assert BODIES.keys() == QUEUED.keys()


@pytest.mark.parametrize(
    "bodies",
    [
        {},
        {**BODIES, "make_tea": BODIES["find_slots"]},
        {**BODIES, "start_over": BODIES["summarise"]},
    ],
    ids=["missing", "unknown", "the call's own"],
)
def test_a_start_fails_when_catalogue_and_bodies_differ(bodies: Any) -> None:
    with pytest.raises(RuntimeError, match="differ"):
        check_bodies(CATALOG, bodies)


async def test_an_answer_is_json_for_the_agent() -> None:
    outcome = await outcome_of(a_job())

    assert outcome == Done(function_call_id="f1", tool="find_slots", content='{"say":"Yes."}')


async def test_the_body_is_told_on_whose_behalf_it_runs() -> None:
    errands: list[Errand] = []

    async def body(_asked: Any, _resources: Any, errand: Errand) -> Answer:
        errands.append(errand)
        return Answer(say="Yes.")

    await outcome_of(a_job(), body)
    await outcome_of(a_job(), body, now=NOW + 1.0)

    fresh, late = errands
    assert (fresh.practice, fresh.call_sid, fresh.job_id) == ("hillside", "CA1", "CA1:f1")
    assert fresh.attempt_s == pytest.approx(CATALOG["find_slots"].tries.attempt_s)
    assert late.attempt_s == pytest.approx(2.0 * ATTEMPT_SHARE)


@pytest.mark.parametrize(
    ("changes", "tries", "code"),
    [
        ({"version": VERSION + 1}, 1, "version"),
        ({"tool": "make_tea"}, 1, "unknown_tool"),
        ({"tool": "start_over"}, 1, "unknown_tool"),
        ({"arguments": "{}"}, 1, "bad_arguments"),
        ({"tool": "book_appointment", "arguments": "{}"}, 1, "bad_arguments"),
        ({"asked_utc": NOW - 3.0}, 1, "budget_spent"),
        ({}, 3, "internal"),
    ],
)
async def test_what_cannot_be_run_is_told_by_its_word(
    changes: dict[str, Any], tries: int, code: str
) -> None:
    outcome = await outcome_of(a_job(**changes), tries=tries)

    assert isinstance(outcome, Failed)
    assert outcome.code == code
    assert outcome.say


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("away"), "unavailable"),
        (BadArguments("phone is no phone number."), "bad_arguments"),
        (ValueError("ours"), "internal"),
    ],
)
async def test_what_a_body_raises_becomes_an_outcome(error: Exception, code: str) -> None:
    outcome = await outcome_of(a_job(), failing(error))

    assert outcome.code == code


async def test_a_read_that_hangs_is_given_up_within_its_budget() -> None:
    async def hang(*_: Any) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    outcome = await outcome_of(a_job(), hang, now=NOW + 2.8)

    assert outcome.code in ("budget_spent", "unavailable")
    assert outcome.say == CATALOG["find_slots"].fallback


async def test_a_lost_lease_is_no_outcome() -> None:
    with pytest.raises(LeaseLost):
        await outcome_of(a_job(), failing(LeaseLost("gone")))


async def test_what_was_wrong_is_not_repeated_to_the_caller() -> None:
    outcome = await outcome_of(a_job(), failing(ValueError("Ann Lee, +15550100122")))

    assert "Ann" not in outcome.say


async def test_what_is_owed_is_left_to_another_try_while_the_database_is_away() -> None:
    told = a_job(tool="note_told", arguments='{"told":[{"function_call_id":"f1","as":"done"}]}')

    with pytest.raises(LeaseLost):
        await outcome_of(told, failing(Unavailable("Not now.")), tries=20)


async def test_what_is_owed_is_done_however_late_it_is() -> None:
    told = a_job(tool="note_told", arguments='{"told":[{"function_call_id":"f1","as":"done"}]}')

    assert isinstance(await outcome_of(told, now=NOW + 3600.0), Done)
    assert (await outcome_of(told, tries=31)).code == "internal"
