from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.bookings import (
    PHONE,
    TUESDAY,
    at,
    booked,
    cancelling,
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
from tools.database import fetch, open_engine
from tools.errors import LeaseLost, Withdrawn
from tools.ledger import Entry, Ledger
from tools.practices import Practice
from tools.schedule import Appointment, Change, Made, NotFound, Taken

WEDNESDAY = TUESDAY + timedelta(days=1)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url)
    yield engine
    await must_agree(engine)
    await engine.dispose()


@pytest.fixture
def ledger(engine: AsyncEngine) -> Ledger:
    return Ledger(engine, now=lambda: NOW)


@pytest.fixture
async def practice(calendar: Calendar) -> Practice:
    return (await the(calendar, "cleaning"))[0]


async def ann(calendar: Calendar, clock: str = "09:30", **more: str) -> Appointment:
    return await booked(calendar, await wanting(calendar, "Ann Lee", at(TUESDAY, clock), **more))


async def told_of(engine: AsyncEngine) -> list[str]:
    """What the outbox holds, by result word."""
    rows = await fetch(engine, select(tables.outbox).order_by(tables.outbox.c.created_utc))
    return sorted(row.key.split(":")[1] for row in rows)


async def the_entry(ledger: Ledger, entry_id: str) -> Entry:
    entry = await ledger.entry(entry_id)
    assert entry is not None
    return entry


def refuse() -> None:
    raise LeaseLost("gone")


async def test_a_moved_appointment_keeps_all_but_its_time(
    calendar: Calendar, practice: Practice
) -> None:
    before = await ann(calendar, call_sid="CA7")

    made = await calendar.move(practice, moving(before, at(WEDNESDAY, "10:00")))

    assert isinstance(made, Made)
    after = made.appointment
    assert after.id == before.id
    assert after.start == at(WEDNESDAY, "10:00")
    assert after.end - after.start == before.end - before.start
    assert (after.status, after.provider, after.call_sid) == ("booked", "Maya Torres", "CA7")
    assert [after] == await calendar.coming(practice, PHONE)
    assert "09:30" in times(await slots_of(calendar, "cleaning", TUESDAY), "Maya Torres")
    assert "10:00" not in times(await slots_of(calendar, "cleaning", WEDNESDAY), "Maya Torres")


async def test_an_appointment_may_move_by_less_than_it_lasts(
    calendar: Calendar, practice: Practice, engine: AsyncEngine
) -> None:
    before = await ann(calendar)

    made = await calendar.move(practice, moving(before, at(TUESDAY, "09:45")))

    assert isinstance(made, Made)
    assert made.appointment.start == at(TUESDAY, "09:45")


async def test_what_cannot_be_moved_stays(
    calendar: Calendar, practice: Practice, engine: AsyncEngine
) -> None:
    before = await ann(calendar)
    ben = await wanting(calendar, "Ben Lee", at(TUESDAY, "10:30"), only="Maya Torres")
    await booked(calendar, ben)

    assert await calendar.move(practice, moving(before, at(TUESDAY, "10:15"))) == Taken()
    assert await calendar.move(practice, moving(before, at(TUESDAY, "19:00"))) == Taken()
    assert await calendar.move(practice, moving(before, at(TUESDAY, "10:05"))) == Taken()
    assert await calendar.appointment(practice, before.id) == before


async def test_a_move_may_go_to_somebody_else_if_that_is_wanted(
    calendar: Calendar, practice: Practice
) -> None:
    before = await ann(calendar)
    ben = await wanting(calendar, "Ben Lee", at(TUESDAY, "10:30"), only="Maya Torres")
    await booked(calendar, ben)
    anybody = (await wanting(calendar, "Ann Lee", before.start)).providers

    moved = await calendar.move(
        practice, moving(before, at(TUESDAY, "10:30"), providers=anybody, key="a")
    )
    to_okafor_only = await calendar.move(
        practice, moving(before, at(TUESDAY, "10:30"), providers=anybody[1:], key="b")
    )

    assert isinstance(moved, Made)
    assert moved.appointment.provider == "Doctor Okafor"
    assert to_okafor_only == moved


async def test_only_the_number_it_was_made_with_may_change_an_appointment(
    calendar: Calendar, practice: Practice
) -> None:
    before = await ann(calendar)
    strangers = Change(
        appointment_id=before.id, phone="+15550100999", start=at(WEDNESDAY, "10:00"), key="x"
    )

    assert await calendar.move(practice, strangers) == NotFound()
    assert await calendar.cancel(practice, strangers) == NotFound()
    nobodys = Change(appointment_id="0" * 32, phone=PHONE, start=before.start, key="x")
    assert await calendar.move(practice, nobodys) == NotFound()
    assert await calendar.cancel(practice, nobodys) == NotFound()
    assert await calendar.appointment(practice, before.id) == before


async def test_what_is_over_is_not_changed(
    calendar: Calendar, practice: Practice, engine: AsyncEngine
) -> None:
    before = await ann(calendar)
    next_day = Calendar(engine, now=lambda: at(WEDNESDAY, "08:00"))

    assert await next_day.cancel(practice, cancelling(before)) == NotFound()
    assert await next_day.move(practice, moving(before, at(WEDNESDAY, "15:00"))) == NotFound()


async def test_a_cancelled_appointment_frees_its_time_and_is_not_coming(
    calendar: Calendar, practice: Practice
) -> None:
    before = await ann(calendar)

    made = await calendar.cancel(practice, cancelling(before))
    again = await calendar.cancel(practice, cancelling(before, key="another"))

    assert isinstance(made, Made)
    assert (made.appointment.id, made.appointment.status) == (before.id, "cancelled")
    assert again == made
    assert await calendar.coming(practice, PHONE) == []
    assert await calendar.move(practice, moving(before, at(WEDNESDAY, "10:00"))) == NotFound()
    assert "09:30" in times(await slots_of(calendar, "cleaning", TUESDAY), "Maya Torres")


@pytest.mark.parametrize("change", ["book", "move", "cancel"])
async def test_nothing_is_written_once_the_lease_is_lost(
    calendar: Calendar, practice: Practice, engine: AsyncEngine, ledger: Ledger, change: str
) -> None:
    before = await ann(calendar)
    entry_id = await intended(ledger, change)
    new = await wanting(calendar, "Ben Lee", at(WEDNESDAY, "10:00"), entry_id=entry_id)
    to = moving(before, at(WEDNESDAY, "10:00"), entry_id=entry_id)

    with pytest.raises(LeaseLost):
        await {
            "book": lambda: calendar.book(practice, new, may_write=refuse),
            "move": lambda: calendar.move(practice, to, may_write=refuse),
            "cancel": lambda: calendar.cancel(
                practice, cancelling(before, entry_id=entry_id), may_write=refuse
            ),
        }[change]()

    assert [before] == await calendar.coming(practice, PHONE)
    assert (await the_entry(ledger, entry_id)).state == "intent"


async def test_what_was_withdrawn_is_neither_booked_moved_nor_cancelled(
    calendar: Calendar, practice: Practice, ledger: Ledger
) -> None:
    before = await ann(calendar)
    entry_id = await intended(ledger, "some key")
    await ledger.void(entry_id)
    new = await wanting(calendar, "Ben Lee", at(WEDNESDAY, "10:00"), entry_id=entry_id)
    taken = await wanting(calendar, "Ben Lee", at(WEDNESDAY, "03:00"), entry_id=entry_id)

    with pytest.raises(Withdrawn):
        await calendar.book(practice, new)
    with pytest.raises(Withdrawn):
        await calendar.book(practice, taken)
    with pytest.raises(Withdrawn):
        await calendar.move(practice, moving(before, at(WEDNESDAY, "10:00"), entry_id=entry_id))
    with pytest.raises(Withdrawn):
        await calendar.cancel(practice, cancelling(before, entry_id=entry_id))
    assert [before] == await calendar.coming(practice, PHONE)


async def test_every_effect_is_noted_in_the_ledger_and_found_there(
    calendar: Calendar, practice: Practice, ledger: Ledger
) -> None:
    ids = [await intended(ledger, key) for key in ("book", "move", "cancel")]
    wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"), entry_id=ids[0])
    first = await booked(calendar, wanted)
    to = moving(first, at(WEDNESDAY, "10:00"), entry_id=ids[1])
    moved = await calendar.move(practice, to)
    cancelled = await calendar.cancel(practice, cancelling(first, entry_id=ids[2]))

    entries = [await the_entry(ledger, entry_id) for entry_id in ids]
    assert [(each.state, each.result, each.made_id) for each in entries] == [
        ("done", "booked", first.id),
        ("done", "moved", first.id),
        ("done", "cancelled", first.id),
    ]
    assert [each.key for each in entries] == ["", "", "cancel"]
    # Whoever repeats a request after that is not told that anything stands.
    assert isinstance(moved, Made)
    assert await calendar.book(practice, wanted) == Taken()
    assert await calendar.move(practice, to) == NotFound()
    assert await calendar.cancel(practice, cancelling(first, entry_id=ids[2])) == cancelled


async def test_the_same_time_may_be_booked_again_after_it_was_cancelled(
    calendar: Calendar, practice: Practice, ledger: Ledger
) -> None:
    made = []
    for round_ in range(3):
        booking = await intended(ledger, "book:ann")
        wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"), entry_id=booking)
        made.append(await booked(calendar, wanted))
        cancel = await intended(ledger, f"cancel:{made[-1].id}")
        await calendar.cancel(practice, cancelling(made[-1], entry_id=cancel))
        assert len({each.id for each in made}) == round_ + 1

    assert await calendar.coming(practice, PHONE) == []


async def test_an_appointment_may_go_to_and_fro(
    calendar: Calendar, practice: Practice, ledger: Ledger, engine: AsyncEngine
) -> None:
    there, back = at(WEDNESDAY, "10:00"), at(TUESDAY, "09:30")
    booking = await intended(ledger, "book:ann")
    first = await booked(
        calendar, await wanting(calendar, "Ann Lee", back, entry_id=booking, key="book:ann")
    )
    starts = []
    for start in (there, back, there, back):
        entry_id = await intended(ledger, f"move:{first.id}:{start}")
        made = await calendar.move(practice, moving(first, start, entry_id=entry_id))
        assert isinstance(made, Made)
        starts.append(made.appointment.start)

    again = await intended(ledger, "book:ann")
    wanted = await wanting(calendar, "Ann Lee", back, entry_id=again, key="book:ann")
    found = await booked(calendar, wanted)

    assert starts == [there, back, there, back]
    assert again != booking
    assert found.id == first.id  # it is where it was first: the same wish is fulfilled


async def test_after_a_move_the_old_time_may_be_booked_by_the_same_person(
    calendar: Calendar, practice: Practice, ledger: Ledger
) -> None:
    wanted = await wanting(
        calendar, "Ann Lee", at(TUESDAY, "09:30"), entry_id=await intended(ledger, "book:ann")
    )
    first = await booked(calendar, wanted)
    to = moving(first, at(WEDNESDAY, "10:00"), entry_id=await intended(ledger, "move:ann"))
    await calendar.move(practice, to)

    second = await booked(
        calendar,
        await wanting(
            calendar, "Ann Lee", at(TUESDAY, "09:30"), entry_id=await intended(ledger, "book:ann")
        ),
    )

    assert second.id != first.id
    assert len(await calendar.coming(practice, PHONE)) == 2


async def with_texts(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(tables.practices).values(texts_from="+15550100000"))


async def test_each_effect_is_confirmed_once_by_text(engine: AsyncEngine, ledger: Ledger) -> None:
    await with_texts(engine)
    calendar = Calendar(engine, now=lambda: NOW)
    practice = (await the(calendar, "cleaning"))[0]
    booking, again, move = [await intended(ledger, key) for key in ("a", "b", "c")]
    wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"), entry_id=booking)
    first = await booked(calendar, wanted)
    await booked(calendar, wanted)
    await booked(
        calendar, await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"), entry_id=again, key="b")
    )
    after_booking = await told_of(engine)
    to = moving(first, at(WEDNESDAY, "10:00"), entry_id=move)
    await calendar.move(practice, to)
    await calendar.move(practice, to)
    entry_id = await intended(ledger, "d")
    await calendar.cancel(practice, cancelling(first, entry_id=entry_id))
    await calendar.cancel(practice, cancelling(first, entry_id=entry_id))

    assert after_booking == ["booked"]
    assert await told_of(engine) == ["booked", "cancelled", "moved"]


async def test_no_text_is_written_where_nothing_came_of_it(
    engine: AsyncEngine, ledger: Ledger
) -> None:
    await with_texts(engine)
    calendar = Calendar(engine, now=lambda: NOW)
    practice = (await the(calendar, "cleaning"))[0]
    entry_id = await intended(ledger, "a")
    wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, "03:00"), entry_id=entry_id)

    assert await calendar.book(practice, wanted) == Taken()
    assert await told_of(engine) == []


async def test_a_move_needs_to_know_where_to(calendar: Calendar, practice: Practice) -> None:
    with pytest.raises(ValueError, match="when"):
        await calendar.move(practice, cancelling(await ann(calendar)))


async def test_a_patient_is_known_once_a_booking_stands_and_not_before(
    calendar: Calendar, practice: Practice, engine: AsyncEngine
) -> None:
    of = tables.patients.c
    known = select(of.name).where(of.phone == PHONE)
    await calendar.book(practice, await wanting(calendar, "Ann Lee", at(TUESDAY, "03:00")))
    before = await fetch(engine, known)
    await ann(calendar)
    await ann(calendar, "11:00")

    assert before == []
    assert [row.name for row in await fetch(engine, known)] == ["Ann Lee"]
