"""What the bridge has noted: what a caller was told, and that a call is over."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.bookings import TUESDAY, at, booked, intended, slots_of, the, wanting
from tests.tools.conftest import NOW
from tools.arguments import FreeHolds, NoteTold, ToldOf
from tools.calendar import Calendar
from tools.database import open_engine
from tools.errand import Errand
from tools.holds import Holds
from tools.ledger import Ledger
from tools.told import LOST_AFTER_S, Freed, ToldNoted, free_holds, note_told


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url)
    yield engine
    await engine.dispose()


async def test_what_callers_were_told_is_noted_for_each_function_call(
    engine: AsyncEngine, calendar: Calendar
) -> None:
    ledger = Ledger(engine, now=lambda: NOW)
    made_id = await intended(ledger, "k1", job="CA1:f1")
    open_id = await intended(ledger, "k2", job="CA1:f2")
    await booked(
        calendar, await wanting(calendar, "Ann Lee", at(TUESDAY, "09:00"), entry_id=made_id)
    )
    told = (
        ToldOf(function_call_id="f1", as_="done"),
        ToldOf(function_call_id="f2", as_="doubt"),
        ToldOf(function_call_id="f3", as_="refused"),
    )

    noted = await note_told(
        NoteTold(told=told), ledger, Errand(practice="hillside", call_sid="CA1")
    )

    assert noted == ToldNoted()
    made, left = await ledger.entry(made_id), await ledger.entry(open_id)
    assert made is not None
    assert left is not None
    assert (made.state, made.told_as, made.look_utc) == ("told", "done", None)
    assert (left.state, left.told_as, left.look_utc is None) == ("intent", "doubt", False)


async def test_a_doubt_that_no_worker_knows_of_is_given_to_who_settles(engine: AsyncEngine) -> None:
    ledger = Ledger(engine, now=lambda: NOW)
    asked = (
        '{"service":"cleaning","start":"2026-12-01T09:00","patient_name":"Ann Lee",'
        '"phone":"+12125550142"}'
    )
    lost = ToldOf(function_call_id="f1", as_="doubt", tool="book_appointment", arguments=asked)
    errand = Errand(practice="hillside", call_sid="CA1")

    await note_told(NoteTold(told=(lost,)), ledger, errand)
    await note_told(NoteTold(told=(lost,)), ledger, errand)

    entry = await ledger.of_job("CA1:f1")
    assert entry is not None
    assert (entry.state, entry.told_as, entry.phone) == ("intent", "doubt", "+12125550142")
    assert entry.look_utc == NOW + timedelta(seconds=LOST_AFTER_S)
    assert entry.arguments == asked


async def test_what_was_held_for_a_call_is_anybodys_when_it_is_over(
    engine: AsyncEngine, calendar: Calendar
) -> None:
    practice, service = await the(calendar, "cleaning")
    slots = await slots_of(calendar, "cleaning", TUESDAY)
    await calendar.hold(practice, service, slots[:1], call_sid="CA1")
    await calendar.hold(practice, service, slots[-1:], call_sid="CA2")

    freed = await free_holds(
        FreeHolds(),
        Holds(engine, now=lambda: NOW),
        Errand(practice="hillside", call_sid="CA1"),
    )

    assert freed == Freed(times=1)
    left = await slots_of(calendar, "cleaning", TUESDAY, call_sid="CA3")
    assert slots[0] in left
    assert slots[-1] not in left
