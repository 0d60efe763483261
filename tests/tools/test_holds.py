import asyncio
from datetime import timedelta
from itertools import combinations

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.bookings import (
    TUESDAY,
    at,
    booked,
    intended,
    moving,
    must_agree,
    slots_of,
    the,
    times,
    wanting,
)
from tests.tools.conftest import NOW
from tools import tables
from tools.calendar import Calendar
from tools.database import fetch
from tools.errors import LeaseLost
from tools.holds import HOLD_FOR, Holds
from tools.ledger import Ledger
from tools.schedule import Made, Slot, Taken

TORRES = "Maya Torres"


async def hold(
    calendar: Calendar, call_sid: str, *clocks: str, service: str = "cleaning"
) -> list[str]:
    """Hold these times with Torres for a call, as if they had been free a moment ago."""
    practice, found = await the(calendar, service)
    [torres] = [p for p in await calendar.practices.providers(practice, found) if p.name == TORRES]
    slots = [Slot(start=at(TUESDAY, clock), provider=torres) for clock in clocks]
    held = await calendar.hold(practice, found, slots, call_sid=call_sid)
    return [f"{slot.start:%H:%M}" for slot in held]


async def free_for(calendar: Calendar, call_sid: str, **more: bool) -> list[str]:
    slots = await slots_of(calendar, "cleaning", TUESDAY, call_sid=call_sid, **more)
    return times(slots, TORRES)


async def test_what_is_held_is_free_for_its_call_alone(calendar: Calendar) -> None:
    assert await hold(calendar, "CA1", "09:30") == ["09:30"]

    assert "09:30" in await free_for(calendar, "CA1")
    theirs = await free_for(calendar, "CA2")
    assert not {"09:15", "09:30", "09:45"} & set(theirs)
    assert {"09:00", "10:00"} <= set(theirs)
    assert "09:30" not in await free_for(calendar, "")
    assert "09:30" in await free_for(calendar, "CA2", though_held=True)


async def test_another_call_can_neither_hold_nor_book_nor_move_to_it(
    calendar: Calendar, engine: AsyncEngine
) -> None:
    practice, _ = await the(calendar, "cleaning")
    await hold(calendar, "CA1", "09:30")
    standing = await booked(
        calendar, await wanting(calendar, "Ben Lee", at(TUESDAY, "14:00"), only=TORRES)
    )

    assert await hold(calendar, "CA2", "09:15", "10:00") == ["10:00"]
    wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"), only=TORRES, call_sid="CA2")
    assert await calendar.book(practice, wanted) == Taken()
    to = moving(standing, at(TUESDAY, "09:30"), call_sid="CA2")
    assert await calendar.move(practice, to) == Taken()
    await must_agree(engine)


async def test_its_own_call_books_it_and_keeps_the_other_offers(
    calendar: Calendar, engine: AsyncEngine, ledger: Ledger
) -> None:
    practice, _ = await the(calendar, "cleaning")
    await hold(calendar, "CA1", "09:30", "11:00")
    wanted = await wanting(
        calendar,
        "Ann Lee",
        at(TUESDAY, "09:30"),
        only=TORRES,
        call_sid="CA1",
        entry_id=await intended(ledger, "book:ann"),
    )

    assert isinstance(await calendar.book(practice, wanted), Made)
    assert len(await fetch(engine, select(tables.holds))) == 1
    assert "11:00" not in await free_for(calendar, "CA2")
    assert "11:00" in await free_for(calendar, "CA1")
    await must_agree(engine)


async def test_its_own_call_moves_there(calendar: Calendar, engine: AsyncEngine) -> None:
    practice, _ = await the(calendar, "cleaning")
    standing = await booked(
        calendar, await wanting(calendar, "Ann Lee", at(TUESDAY, "14:00"), only=TORRES)
    )
    await hold(calendar, "CA1", "09:30")

    to = moving(standing, at(TUESDAY, "09:30"), call_sid="CA1")
    assert isinstance(await calendar.move(practice, to), Made)
    assert await fetch(engine, select(tables.holds)) == []
    await must_agree(engine)


async def test_what_came_to_nothing_frees_nothing(calendar: Calendar, engine: AsyncEngine) -> None:
    practice, _ = await the(calendar, "cleaning")
    await hold(calendar, "CA1", "09:30")

    def refuse() -> None:
        raise LeaseLost("gone")

    wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"), only=TORRES, call_sid="CA1")
    with pytest.raises(LeaseLost):
        await calendar.book(practice, wanted, may_write=refuse)
    assert "09:30" not in await free_for(calendar, "CA2")
    await must_agree(engine)


async def test_a_calls_next_offer_takes_the_place_of_the_last(
    calendar: Calendar, engine: AsyncEngine
) -> None:
    await hold(calendar, "CA1", "09:30", "11:00")
    assert await hold(calendar, "CA1", "09:45", "14:00") == ["09:45", "14:00"]

    theirs = set(await free_for(calendar, "CA2"))
    assert "11:00" in theirs
    assert not {"09:45", "14:00"} & theirs
    await must_agree(engine)


async def test_two_offers_of_one_call_may_overlap(calendar: Calendar, engine: AsyncEngine) -> None:
    assert await hold(calendar, "CA1", "09:30", "09:45") == ["09:30", "09:45"]

    assert not {"09:15", "09:30", "09:45", "10:00"} & set(await free_for(calendar, "CA2"))
    practice, _ = await the(calendar, "cleaning")
    wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, "09:45"), only=TORRES, call_sid="CA1")
    assert isinstance(await calendar.book(practice, wanted), Made)
    await must_agree(engine)


async def test_a_booked_time_is_not_held(calendar: Calendar) -> None:
    await booked(calendar, await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"), only=TORRES))

    assert await hold(calendar, "CA1", "09:30", "10:00") == ["10:00"]


@pytest.mark.parametrize("taken_by", ["hold", "book", "move"])
async def test_an_expired_hold_holds_nothing(
    calendar: Calendar, engine: AsyncEngine, taken_by: str
) -> None:
    practice, _ = await the(calendar, "cleaning")
    standing = await booked(
        calendar, await wanting(calendar, "Ben Lee", at(TUESDAY, "14:00"), only=TORRES)
    )
    await hold(calendar, "CA1", "09:30")
    later = Calendar(engine, now=lambda: NOW + HOLD_FOR)

    assert "09:30" in await free_for(later, "CA2")
    match taken_by:
        case "hold":
            assert await hold(later, "CA2", "09:30") == ["09:30"]
        case "book":
            wanted = await wanting(later, "Ann Lee", at(TUESDAY, "09:30"), only=TORRES)
            assert isinstance(await later.book(practice, wanted), Made)
        case "move":
            to = moving(standing, at(TUESDAY, "09:30"), call_sid="CA2")
            assert isinstance(await later.move(practice, to), Made)
    left = await fetch(engine, select(tables.holds).where(tables.holds.c.call_sid == "CA1"))
    assert left == []
    await must_agree(engine)


async def test_what_is_held_lasts_until_the_instant_it_expires(
    calendar: Calendar, engine: AsyncEngine
) -> None:
    await hold(calendar, "CA1", "09:30")
    just_before = Calendar(engine, now=lambda: NOW + HOLD_FOR - timedelta(microseconds=1))

    assert "09:30" not in await free_for(just_before, "CA2")
    assert await hold(just_before, "CA2", "09:30") == []


async def test_the_end_of_a_call_frees_what_was_held_for_it(
    calendar: Calendar, engine: AsyncEngine
) -> None:
    holds = Holds(engine, now=lambda: NOW)
    await hold(calendar, "CA1", "09:30", "11:00")
    await hold(calendar, "CA2", "14:00")

    assert await holds.release("CA1") == 2
    assert await holds.release("CA1") == 0
    free = await free_for(calendar, "CA3")
    assert {"09:30", "11:00"} <= set(free)
    assert "14:00" not in free
    await must_agree(engine)


async def test_of_many_calls_at_once_each_time_is_held_for_one(
    calendar: Calendar, engine: AsyncEngine
) -> None:
    clocks = ("09:00", "09:15", "09:30", "10:00", "10:30")

    held = await asyncio.gather(
        *(hold(calendar, f"CA{n}", *clocks[n % 3 : n % 3 + 3]) for n in range(12))
    )

    for one, other in combinations(enumerate(held), 2):
        apart = [abs(a - b) for a in map(_minutes, one[1]) for b in map(_minutes, other[1])]
        assert all(minutes >= 30 for minutes in apart)
    await must_agree(engine)
    assert any(held)


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


async def test_a_time_is_held_for_a_call(calendar: Calendar) -> None:
    with pytest.raises(ValueError, match="call"):
        await hold(calendar, "", "09:30")
