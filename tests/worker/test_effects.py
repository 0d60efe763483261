import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from tests.tools import conftest as databases
from tools import tables
from tools.catalog import CATALOG, QUEUED
from tools.contract import Done, Failed, ToolJob
from tools.database import fetch, open_engine
from tools.errand import Errand
from tools.errors import BadArguments, LeaseLost, Unavailable, Unsure, Withdrawn
from tools.ledger import Entry, Ledger
from tools.practices import Practice, Service
from worker.resources import Resources, open_resources
from worker.run import BODIES, JobRun
from worker.settings import Settings

seeded_sqlite = databases.seeded_sqlite
seeded_postgres = databases.seeded_postgres
database_url = databases.database_url
_drivers_threads_end_with_their_loop = databases._drivers_threads_end_with_their_loop

BOOK = CATALOG["book_appointment"]
NOW = 1000.0


class Answer(msgspec.Struct):
    result: str
    say: str = ""


Does = Callable[[Ledger, Errand], Awaitable[Answer]]


class Worker:
    """Runs jobs one after the other, with a body that the test gives it."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.ledger = resources.ledger
        self.begun = 0
        self.mine = True

    async def run(
        self, does: Does, *, call: str = "f1", tries: int = 1, left_s: float = 8.0, **changes: Any
    ) -> Any:
        async def body(_asked: Any, resources: Resources, errand: Errand) -> Answer:
            self.begun += 1
            return await does(resources.ledger, errand)

        run = JobRun(self.resources, bodies=dict.fromkeys(QUEUED, body), wall_clock=lambda: NOW)
        job = booking(call, **changes)
        job = msgspec.structs.replace(job, asked_utc=NOW - job.budget_s + left_s)
        return await run.outcome(job, tries=tries, still_mine=lambda: self.mine)

    async def row(self, call: str = "f1") -> Entry:
        entry = await self.ledger.of_job(f"CA1:{call}")
        assert entry is not None
        return entry


def booking(call: str = "f1", **changes: Any) -> ToolJob:
    values: dict[str, Any] = {
        "function_call_id": call,
        "call_sid": "CA1",
        "practice": "hillside",
        "tool": "book_appointment",
        "effect": True,
        "budget_s": 8.0,
        "arguments": '{"service": "cleaning", "start": "2026-12-01T09:30", '
        '"patient_name": "Ann Lee", "phone": "555 010 0122"}',
    }
    return ToolJob(**(values | changes))


@pytest.fixture
async def worker(database_url: str) -> AsyncIterator[Worker]:
    async with open_resources(Settings(database_url=database_url)) as resources:
        yield Worker(resources)


async def books(ledger: Ledger, errand: Errand) -> Answer:
    """Does it once, whoever asks: what every body with an effect does."""
    async with ledger.claimed(errand.entry_id) as claim:
        claim.must_be_wanted()
        if not claim.entry.has_happened:
            errand.must_still_be_mine()
            await claim.done("booked", "a1")
    return Answer(result="booked", say="Booked.")


async def finds_it_taken(ledger: Ledger, errand: Errand) -> Answer:
    return Answer(result="slot_taken")


async def hangs(ledger: Ledger, errand: Errand) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError


def fails(error: Exception) -> Does:
    async def fail(ledger: Ledger, errand: Errand) -> Answer:
        raise error

    return fail


def claims_and(error: Exception) -> Does:
    """As with a calendar elsewhere: claimed, sent, and no answer came."""

    async def fail(ledger: Ledger, errand: Errand) -> Answer:
        await ledger.claim(errand.entry_id, lasts_s=30.0)
        raise error

    return fail


def books_and_then(error: Exception) -> Does:
    async def fail_once(ledger: Ledger, errand: Errand) -> Answer:
        entry = await ledger.entry(errand.entry_id)
        answer = await books(ledger, errand)
        if entry and not entry.has_happened:
            raise error
        return answer

    return fail_once


async def test_an_effect_is_written_down_before_it_is_begun(worker: Worker) -> None:
    seen: list[Entry | None] = []

    async def look(ledger: Ledger, errand: Errand) -> Answer:
        seen.append(await ledger.entry(errand.entry_id))
        assert errand.job_id == "CA1:f1"
        assert errand.idempotency_key.startswith("book:")
        return await books(ledger, errand)

    outcome = await worker.run(look)

    [entry] = seen
    assert entry is not None
    assert (entry.state, entry.phone, entry.tool) == ("intent", "+15550100122", BOOK.name)
    assert entry.arguments == booking().arguments
    assert json.loads(outcome.content) == {"result": "booked", "say": "Booked."}
    assert (await worker.row()).state == "done"


async def test_the_bridges_own_key_counts(worker: Worker) -> None:
    await worker.run(books, idempotency_key="from the bridge")

    assert (await worker.row()).key == "from the bridge"


async def test_the_same_wish_under_another_id_is_answered_by_the_first(worker: Worker) -> None:
    first = await worker.run(books)
    again = await worker.run(books, call="f2")

    assert (first.content, again.function_call_id) == (again.content, "f2")
    assert (await worker.row()).id == (await worker.row("f2")).id


async def test_what_was_not_to_be_had_may_be_asked_for_again(worker: Worker) -> None:
    taken = await worker.run(finds_it_taken)
    refused = await worker.row()
    booked = await worker.run(books, call="f2")
    repeated = await worker.run(books)

    assert isinstance(taken, Done)
    assert (refused.state, refused.result, refused.key) == ("void", "slot_taken", "")
    assert booked.content == repeated.content


async def test_an_attempt_that_hangs_is_repeated_and_is_still_the_same_effect(
    worker: Worker,
) -> None:
    async def hang_once(ledger: Ledger, errand: Errand) -> Answer:
        return await (hangs if worker.begun == 1 else books)(ledger, errand)

    outcome = await worker.run(hang_once, left_s=1.6)

    assert isinstance(outcome, Done)
    assert worker.begun == 2
    assert len((await worker.row()).job_ids) == 1


@pytest.mark.parametrize(
    ("does", "left_s", "codes"),
    [
        (fails(Unavailable("away")), 8.0, {"unavailable"}),
        (fails(Unsure("lost")), 8.0, {"unavailable"}),
        (fails(ValueError("Ann Lee, +15550100122")), 8.0, {"internal"}),
        (hangs, 1.2, {"budget_spent", "unavailable"}),
    ],
    ids=["away", "unsure", "ours", "hangs"],
)
async def test_it_failed_once_it_is_certain_that_it_never_happens(
    worker: Worker, does: Does, left_s: float, codes: set[str]
) -> None:
    outcome = await worker.run(does, left_s=left_s)
    begun = worker.begun
    later = await worker.run(books, tries=2)

    assert isinstance(outcome, Failed)
    assert outcome.code in codes
    assert outcome.say == BOOK.not_done
    assert (later.code, later.say) == ("withdrawn", BOOK.not_done)
    assert worker.begun == begun
    assert (await worker.row()).state == "void"


async def test_the_agents_mistake_is_told_to_the_agent_and_leaves_nothing_behind(
    worker: Worker,
) -> None:
    outcome = await worker.run(fails(BadArguments("start is past.")))

    assert (outcome.code, outcome.say) == ("bad_arguments", "start is past.")
    assert (await worker.row()).state == "void"
    assert isinstance(await worker.run(books), Done)


@pytest.mark.parametrize("error", [Unsure("lost"), ValueError("ours")])
async def test_what_happened_is_told_although_its_answer_was_lost(
    worker: Worker, error: Exception
) -> None:
    outcome = await worker.run(books_and_then(error))

    assert isinstance(outcome, Done)
    assert json.loads(outcome.content)["result"] == "booked"


@pytest.mark.parametrize("error", [Unsure("lost"), ValueError("ours")])
async def test_what_was_sent_elsewhere_and_not_answered_is_in_doubt(
    worker: Worker, error: Exception
) -> None:
    outcome = await worker.run(claims_and(error))

    assert (outcome.code, outcome.say) == ("doubt", BOOK.fallback)
    assert (await worker.row()).state == "claimed"


async def test_it_is_not_said_to_have_failed_while_another_function_call_is_at_it(
    worker: Worker,
) -> None:
    async def asked_again_and_fails(ledger: Ledger, errand: Errand) -> Answer:
        await worker.ledger.intend(
            job_id="CA1:f2",
            key=errand.idempotency_key,
            practice="hillside",
            call_sid="CA1",
            tool=BOOK.name,
            arguments="{}",
            give_up_s=10.0,
        )
        raise Unsure("lost")

    outcome = await worker.run(asked_again_and_fails)

    assert outcome.code == "doubt"
    assert isinstance(await worker.run(books, call="f2"), Done)


class AwayLater(Ledger):
    """A ledger that can be written once and then is away."""

    async def void(self, *_: Any, **__: Any) -> Entry:
        raise Unavailable("away", reason="away")


async def test_with_the_ledger_away_at_the_end_nobody_knows(
    worker: Worker, database_url: str
) -> None:
    engine = open_engine(database_url)
    worker.resources = msgspec.structs.replace(worker.resources, ledger=AwayLater(engine))

    failed = await worker.run(fails(Unsure("lost")))
    taken = await worker.run(finds_it_taken, call="f2")
    await engine.dispose()

    assert failed.code == "doubt"
    assert isinstance(taken, Done)  # an answer is an answer; who settles finds the row


async def test_with_the_ledger_away_from_the_start_nothing_was_begun() -> None:
    nowhere = Settings(database_url="sqlite:////nowhere/at/all.db")
    async with open_resources(nowhere) as resources:
        worker = Worker(resources)
        first = await worker.run(books)
        second = await worker.run(books, tries=2)
        late = await worker.run(books, left_s=-1.0)
        late_again = await worker.run(books, left_s=-1.0, tries=2)

    assert worker.begun == 0
    assert (first.code, first.say) == ("unavailable", BOOK.not_done)
    assert (late.code, late.say) == ("budget_spent", BOOK.not_done)
    assert {second.code, late_again.code} == {"doubt"}  # the worker that died may have done it


async def test_who_takes_a_crashed_workers_job_in_time_finishes_it(worker: Worker) -> None:
    await worker.ledger.intend(
        job_id="CA1:f1",
        key="",
        practice="hillside",
        call_sid="CA1",
        tool=BOOK.name,
        arguments="{}",
        give_up_s=10.0,
    )

    assert isinstance(await worker.run(books, tries=2), Done)


@pytest.mark.parametrize(("tries", "left_s"), [(1, -1.0), (2, -1.0), (4, 5.0)])
async def test_too_late_or_too_often_nothing_is_begun_and_nothing_comes_of_it(
    worker: Worker, tries: int, left_s: float
) -> None:
    outcome = await worker.run(books, tries=tries, left_s=left_s)
    later = await worker.run(books, tries=tries + 1, left_s=left_s)

    assert worker.begun == 0
    assert outcome.code == ("budget_spent" if tries == 1 else "withdrawn")
    assert outcome.say == BOOK.not_done
    assert later.code == "withdrawn"


@pytest.mark.parametrize(("tries", "left_s"), [(2, -1.0), (4, 5.0)])
async def test_too_late_or_too_often_what_was_done_is_still_told(
    worker: Worker, tries: int, left_s: float
) -> None:
    await worker.run(books)

    outcome = await worker.run(books, tries=tries, left_s=left_s)

    assert isinstance(outcome, Done)
    assert json.loads(outcome.content)["say"] == "Booked."


async def test_too_late_what_may_have_been_sent_stays_in_doubt(worker: Worker) -> None:
    await worker.run(claims_and(Unsure("lost")))

    assert (await worker.run(books, tries=2, left_s=-1.0)).code == "doubt"


async def test_what_is_wanted_at_any_time_is_done_late_too(worker: Worker) -> None:
    message = {
        "tool": "take_message",
        "arguments": '{"message": "Please call me."}',
    }

    async def takes(ledger: Ledger, errand: Errand) -> Answer:
        async with ledger.claimed(errand.entry_id) as claim:
            await claim.done("taken", "m1")
        return Answer(result="taken")

    outcome = await worker.run(takes, left_s=-100.0, **message)

    assert isinstance(outcome, Done)
    assert (await worker.row()).state == "done"


async def test_a_lost_lease_is_no_outcome_and_gives_nothing_up(worker: Worker) -> None:
    async def frozen(ledger: Ledger, errand: Errand) -> Answer:
        worker.mine = False
        raise Unavailable("away")

    with pytest.raises(LeaseLost):
        await worker.run(fails(LeaseLost("gone")))
    with pytest.raises(LeaseLost):
        await worker.run(frozen, call="f2")
    assert (await worker.row("f2")).state == "intent"


async def test_what_was_withdrawn_in_the_middle_is_not_done(worker: Worker) -> None:
    async def withdrawn_first(ledger: Ledger, errand: Errand) -> Answer:
        await ledger.void(errand.entry_id)
        return await books(ledger, errand)

    outcome = await worker.run(withdrawn_first)

    assert (outcome.code, outcome.say) == ("withdrawn", BOOK.not_done)
    assert worker.begun == 1


async def test_another_ones_answer_does_not_withdraw_this_wish(worker: Worker) -> None:
    async def answered_elsewhere(ledger: Ledger, errand: Errand) -> Answer:
        if worker.begun == 1:
            await ledger.void(errand.entry_id, result="slot_taken")
        return await books(ledger, errand)

    assert isinstance(await worker.run(answered_elsewhere), Done)
    assert (await worker.row()).state == "done"


async def test_a_body_that_gives_up_by_itself_is_tried_again(worker: Worker) -> None:
    async def hesitates(ledger: Ledger, errand: Errand) -> Answer:
        if worker.begun == 1:
            raise Withdrawn("not now")
        return await books(ledger, errand)

    assert isinstance(await worker.run(hesitates), Done)


async def _a_free_start(resources: Resources) -> tuple[Practice, Service, str]:
    calendar = resources.calendar
    practice = await calendar.practices.practice("hillside")
    assert practice is not None
    [cleaning] = [s for s in await calendar.practices.services(practice) if s.name == "cleaning"]
    today = calendar.now(practice).date()
    providers = await calendar.practices.providers(practice, cleaning)
    slots = await calendar.free(
        practice,
        cleaning,
        providers,
        first_day=today + timedelta(days=20),
        last_day=today + timedelta(days=34),
    )
    return practice, cleaning, slots[0].start.isoformat(timespec="minutes")


async def test_one_wish_under_many_ids_and_from_many_workers_is_one_appointment(
    worker: Worker, database_url: str
) -> None:
    *_, start = await _a_free_start(worker.resources)
    arguments = {
        "service": "cleaning",
        "start": start,
        "patient_name": "Ann Lee",
        "phone": "555 010 0122",
    }
    now = time.time()
    jobs = [
        booking(f"f{n}", arguments=json.dumps(arguments), asked_utc=now, budget_s=30.0)
        for n in (0, 0, 0, 1, 1, 2, 3, 4, 5, 6)
    ]
    run = JobRun(worker.resources, bodies=BODIES)

    outcomes = await asyncio.gather(
        *(run.outcome(job, tries=1, still_mine=lambda: True) for job in jobs)
    )

    engine = open_engine(database_url)
    booked = await fetch(
        engine, select(tables.appointments.c.id).where(tables.appointments.c.call_sid == "CA1")
    )
    await engine.dispose()
    assert {json.loads(each.content)["appointment_id"] for each in outcomes} == {booked[0].id}
    assert len(booked) == 1
