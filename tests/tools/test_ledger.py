import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from tools import tables
from tools.arguments import ToldOf
from tools.database import changing, fetch, open_engine
from tools.errors import LeaseLost, ToolError, Withdrawn
from tools.ledger import Entry, Ledger, end_keys


class Clock:
    """Stands still until it is told."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.fromisoformat("2026-11-22T15:00:00+00:00"))


@pytest.fixture
async def ledger(database_url: str, clock: Clock) -> AsyncIterator[Ledger]:
    engine = open_engine(database_url)
    yield Ledger(engine, now=clock)
    await engine.dispose()


async def intend(ledger: Ledger, call: str = "f1", key: str = "book:a", **more: Any) -> Entry:
    values: dict[str, Any] = {
        "practice": "hillside",
        "call_sid": "CA1",
        "tool": "book_appointment",
        "arguments": "{}",
        "phone": "+15550100122",
        "give_up_s": 10.0,
    }
    return await ledger.intend(job_id=f"CA1:{call}", key=key, **(values | more))


async def make(ledger: Ledger, entry: Entry, made_id: str = "a1") -> None:
    async with ledger.claimed(entry.id) as claim:
        await claim.done("booked", made_id)


async def test_what_is_wanted_is_written_before_it_is_begun(ledger: Ledger, clock: Clock) -> None:
    entry = await intend(ledger, arguments='{"a":1}')

    assert entry == await ledger.entry(entry.id)
    assert entry == await ledger.of_job("CA1:f1")
    assert (entry.state, entry.key, entry.fence) == ("intent", "book:a", 0)
    assert (entry.arguments, entry.phone, entry.job_ids) == ('{"a":1}', "+15550100122", ("CA1:f1",))
    assert entry.look_utc == clock.now + timedelta(seconds=10)


async def test_the_same_function_call_and_the_same_meaning_lead_to_one_row(ledger: Ledger) -> None:
    first = await intend(ledger)
    again = await intend(ledger)
    other = await intend(ledger, "f2")
    another = await intend(ledger, "f3", key="book:b")

    assert first.id == again.id == other.id != another.id
    assert set(other.job_ids) == {"CA1:f1", "CA1:f2"}


async def test_whoever_asks_last_keeps_it_open_for_as_long(ledger: Ledger, clock: Clock) -> None:
    await intend(ledger)
    longer = await intend(ledger, "f2", give_up_s=20.0)
    shorter = await intend(ledger, "f3", give_up_s=1.0)

    assert longer.look_utc == shorter.look_utc == clock.now + timedelta(seconds=20)


async def test_effects_without_a_meaning_are_told_apart_by_their_function_calls(
    ledger: Ledger,
) -> None:
    one, other = await intend(ledger, key=""), await intend(ledger, "f2", key="")

    assert one.id != other.id


@pytest.mark.parametrize("same", ["job", "key"])
async def test_many_at_once_for_one_effect_meet_in_one_row(ledger: Ledger, same: str) -> None:
    entries = await asyncio.gather(
        *(
            intend(
                ledger, "f1" if same == "job" else f"f{n}", key="" if same == "job" else "book:a"
            )
            for n in range(25)
        )
    )

    assert len({entry.id for entry in entries}) == 1


async def test_done_is_written_with_the_effect_or_not_at_all(ledger: Ledger) -> None:
    entry = await intend(ledger)

    async def fail_after_it() -> None:
        async with ledger.claimed(entry.id) as claim:
            await claim.done("booked", "a1")
            raise LeaseLost("gone")

    with pytest.raises(LeaseLost):
        await fail_after_it()
    undone = await ledger.entry(entry.id)

    await make(ledger, entry)
    done = await intend(ledger, "f2")

    assert undone == entry
    assert (done.id, done.state, done.result, done.made_id) == (entry.id, "done", "booked", "a1")


async def test_only_one_at_a_time_holds_a_row(ledger: Ledger) -> None:
    entry = await intend(ledger)
    states = []

    async def attempt(n: int) -> None:
        async with ledger.claimed(entry.id) as claim:
            states.append(claim.entry.state)
            if not claim.entry.has_happened:
                await claim.done("booked", f"a{n}")

    await asyncio.gather(*(attempt(n) for n in range(20)))

    assert sorted(states) == ["done"] * 19 + ["intent"]


async def test_who_is_cut_off_while_waiting_for_a_row_leaves_nothing_behind(
    ledger: Ledger,
) -> None:
    entry = await intend(ledger)

    async def in_vain() -> None:
        async with asyncio.timeout(0.05), ledger.claimed(entry.id) as claim:
            await claim.done("booked", "the impatient one's")

    async with ledger.claimed(entry.id) as claim:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await in_vain()
        await claim.done("booked", "a1")

    done = await intend(ledger, "f2")
    assert (done.id, done.made_id) == (entry.id, "a1")


async def test_what_was_withdrawn_stays_withdrawn_for_its_function_call(ledger: Ledger) -> None:
    entry = await intend(ledger)
    void = await ledger.void(entry.id)

    again = await intend(ledger)
    asked_anew = await intend(ledger, "f2")

    assert (void.state, void.result, void.key) == ("void", "withdrawn", "")
    assert again == void
    assert asked_anew.id != entry.id
    async with ledger.claimed(entry.id) as claim:
        with pytest.raises(Withdrawn):
            claim.must_be_wanted()
        with pytest.raises(Withdrawn):
            await claim.done("booked", "a1")


async def test_what_was_answered_otherwise_may_be_asked_again_by_anybody(ledger: Ledger) -> None:
    entry = await intend(ledger)
    await ledger.void(entry.id, result="slot_taken")

    again = await intend(ledger)

    assert again.id != entry.id
    assert (again.state, again.job_ids) == ("intent", ("CA1:f1",))


async def test_what_happened_is_never_given_up(ledger: Ledger) -> None:
    entry = await intend(ledger)
    await make(ledger, entry)

    assert (await ledger.void(entry.id)).state == "done"


async def test_what_another_function_call_wants_too_is_not_given_up_for_one(
    ledger: Ledger,
) -> None:
    entry = await intend(ledger)
    await intend(ledger, "f2")

    assert (await ledger.void(entry.id, job_id="CA1:f1")).state == "intent"
    assert (await ledger.void(entry.id)).state == "void"


async def test_a_claim_is_one_workers_until_it_lapses(ledger: Ledger, clock: Clock) -> None:
    entry = await intend(ledger)
    first = await ledger.claim(entry.id, lasts_s=5.0)
    meanwhile = await ledger.claim(entry.id, lasts_s=5.0)
    clock.pass_s(6)
    second = await ledger.claim(entry.id, lasts_s=5.0)

    assert first is not None
    assert second is not None
    assert meanwhile is None
    assert (first.state, first.fence, second.fence) == ("claimed", 1, 2)
    assert not await ledger.done(entry.id, first.fence, "booked", "late")
    assert await ledger.done(entry.id, second.fence, "booked", "a1")
    assert await ledger.done(entry.id, second.fence, "booked", "a1")
    assert not await ledger.done(entry.id, second.fence, "booked", "other")


async def test_a_row_that_is_over_is_not_claimed(ledger: Ledger) -> None:
    done, void = await intend(ledger), await intend(ledger, "f2", "book:b")
    await make(ledger, done)
    await ledger.void(void.id)

    of_done = await ledger.claim(done.id, lasts_s=5.0)
    of_void = await ledger.claim(void.id, lasts_s=5.0)

    assert of_done is not None
    assert of_void is not None
    assert (of_done.state, of_void.state) == ("done", "void")


async def test_a_claimed_row_is_given_up_only_by_who_claimed_it_last(ledger: Ledger) -> None:
    entry = await intend(ledger)
    claim = await ledger.claim(entry.id, lasts_s=5.0)
    assert claim is not None

    assert (await ledger.void(entry.id)).state == "claimed"
    assert (await ledger.void(entry.id, fence=claim.fence - 1)).state == "claimed"
    assert not await ledger.let_go(entry.id, claim.fence - 1)
    assert await ledger.let_go(entry.id, claim.fence)
    assert not await ledger.let_go(entry.id, claim.fence)
    claim = await ledger.claim(entry.id, lasts_s=5.0)
    assert claim is not None
    assert (await ledger.void(entry.id, fence=claim.fence)).state == "void"


async def test_who_was_told_needs_no_looking_after(ledger: Ledger) -> None:
    entry = await intend(ledger)
    await make(ledger, entry)

    await ledger.told("CA1", [ToldOf(function_call_id="f1", as_="doubt")])
    in_doubt = await ledger.entry(entry.id)
    await ledger.told("CA1", [ToldOf(function_call_id="f1", as_="done")])
    await ledger.told("CA1", [ToldOf(function_call_id="f1", as_="doubt")])
    told = await ledger.entry(entry.id)

    assert in_doubt is not None
    assert told is not None
    assert (in_doubt.state, in_doubt.told_as) == ("done", "doubt")
    assert in_doubt.look_utc is not None
    assert (told.state, told.told_as, told.look_utc) == ("told", "done", None)


async def test_a_refusal_told_of_what_is_void_needs_no_looking_after(ledger: Ledger) -> None:
    entry = await intend(ledger)
    await ledger.void(entry.id)
    told = [ToldOf(function_call_id=call, as_="refused") for call in ("f1", "never ran")]
    await ledger.told("CA1", told)

    found = await ledger.entry(entry.id)

    assert found is not None
    assert (found.told_as, found.look_utc) == ("refused", None)


async def test_a_refusal_told_of_what_happened_is_looked_after(ledger: Ledger) -> None:
    entry = await intend(ledger)
    await make(ledger, entry)
    await ledger.told("CA1", [ToldOf(function_call_id="f1", as_="refused")])

    found = await ledger.entry(entry.id)

    assert found is not None
    assert (found.state, found.told_as) == ("done", "refused")
    assert found.look_utc is not None


async def test_what_is_due_is_given_to_one_who_looks(ledger: Ledger, clock: Clock) -> None:
    late = await intend(ledger, "f2", "book:b", give_up_s=20.0)
    early = await intend(ledger)
    before = await ledger.due(10)
    clock.pass_s(21)

    due = await ledger.due(1)
    rest = await ledger.due(10)

    assert before == []
    assert [entry.id for entry in due + rest] == [early.id, late.id]
    assert await ledger.due(10) == []


async def test_several_who_look_at_once_never_look_at_the_same(
    ledger: Ledger, clock: Clock
) -> None:
    for n in range(12):
        await intend(ledger, f"f{n}", f"book:{n}")
    clock.pass_s(11)

    given = await asyncio.gather(*(ledger.due(4) for _ in range(4)))

    ids = [entry.id for due in given for entry in due]
    assert len(ids) == len(set(ids))


async def test_one_who_looks_says_when_to_look_again_or_that_nothing_is_left(
    ledger: Ledger, clock: Clock
) -> None:
    entry = await intend(ledger)
    await ledger.look_again(entry.id, clock.now + timedelta(seconds=60))
    again = await ledger.entry(entry.id)
    await ledger.nothing_left(entry.id)
    await ledger.look_again(entry.id, clock.now)
    left = await ledger.entry(entry.id)

    assert again is not None
    assert left is not None
    assert (again.looks, again.look_utc) == (1, clock.now + timedelta(seconds=60))
    assert (left.looks, left.look_utc) == (1, None)


async def test_what_was_made_and_ended_may_be_wanted_again(
    ledger: Ledger, database_url: str
) -> None:
    booked = await intend(ledger)
    await make(ledger, booked)
    cancelled = await intend(ledger, "f2", "cancel:a1", tool="cancel_appointment")
    async with ledger.claimed(cancelled.id) as claim:
        await claim.done("cancelled", "a1")
        await end_keys(claim.connection, "a1", but=cancelled.id)

    assert (await intend(ledger, "f3", "cancel:a1")).id == cancelled.id
    assert (await intend(ledger)).state == "done"  # the function call's answer stays what it was
    assert (await intend(ledger, "f4")).state == "intent"


async def test_a_row_that_is_not_there_is_our_mistake(ledger: Ledger) -> None:
    with pytest.raises(ToolError):
        async with ledger.claimed("none"):
            pass


async def test_the_answers_of_a_crowd_agree_with_the_table(
    ledger: Ledger, database_url: str
) -> None:
    """Intend, do and give up the same thing at once, many times over: it happens once or never."""
    engine = open_engine(database_url)

    async def want(n: int) -> str:
        entry = await intend(ledger, f"f{n}")
        try:
            async with ledger.claimed(entry.id) as claim:
                claim.must_be_wanted()
                if not claim.entry.has_happened:
                    row = {"id": f"m{n}", "practice_id": "hillside", "key": f"m{n}", "text": ""}
                    row |= {"kind": "message", "call_sid": "CA1", "name": "", "phone": ""}
                    more = {"urgent": False, "created_utc": claim.entry.asked_utc}
                    await claim.connection.execute(insert(tables.messages).values(**row, **more))
                    await claim.done("taken", f"m{n}")
        except Withdrawn:
            return "withdrawn"
        return "done"

    async def give_up(n: int) -> str:
        entry = await ledger.of_job(f"CA1:f{n}")
        return (await ledger.void(entry.id)).state if entry else "absent"

    answers = await asyncio.gather(
        *(want(n) if n % 3 else give_up(n + 1) for n in range(30)), return_exceptions=False
    )
    [[made]] = await fetch(engine, select(func.count()).select_from(tables.messages))
    happened = await fetch(engine, select(tables.ledger).where(tables.ledger.c.state == "done"))
    await engine.dispose()

    assert made == len(happened) == ("done" in answers)


@pytest.mark.parametrize("ended", ["moved away", "withdrawn"])
async def test_what_was_asked_before_the_same_ended_is_not_wanted_any_more(
    ledger: Ledger, clock: Clock, database_url: str, ended: str
) -> None:
    first = await intend(ledger, "f2")
    if ended == "moved away":
        await make(ledger, first)
        engine = open_engine(database_url)
        async with changing(engine) as connection:
            await end_keys(connection, "a1", now=clock.now)
        await engine.dispose()
    else:
        await ledger.void(first.id, result=ended)

    slow = await intend(ledger, "f1", asked_utc=clock.now - timedelta(seconds=5))
    anew = await intend(ledger, "f3", asked_utc=clock.now + timedelta(seconds=5))

    assert slow.id == first.id
    assert anew.id != first.id
    assert anew.state == "intent"
