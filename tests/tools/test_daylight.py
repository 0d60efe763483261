"""The two days a year on which a wall clock lies, in two zones, on both databases."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.bookings import PHONE, booked, moving, must_agree, slots_of, the, times, wanting
from tests.tools.desk import Desk
from tools import tables
from tools.calendar import Calendar
from tools.database import fetch
from tools.ledger import Ledger
from tools.office import Office, the_facts
from tools.patients import Patients
from tools.schedule import Made, Taken

CHANGES = [
    pytest.param("America/New_York", date(2026, 11, 1), 25, id="New York, back"),
    pytest.param("America/New_York", date(2027, 3, 14), 23, id="New York, forward"),
    pytest.param("Europe/Berlin", date(2026, 10, 25), 25, id="Berlin, back"),
    pytest.param("Europe/Berlin", date(2027, 3, 28), 23, id="Berlin, forward"),
]
changes = pytest.mark.parametrize(("zone", "sunday", "hours"), CHANGES)
OPEN_HOURS = 6


def wall(day: date, clock: str, zone: str, fold: int = 0) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), ZoneInfo(zone)).replace(fold=fold)


async def practice_in(engine: AsyncEngine, zone: str, sunday: date) -> Calendar:
    """The demo practice in that zone, a fortnight before the clocks change there."""
    async with engine.begin() as connection:
        await connection.execute(update(tables.practices).values(time_zone=zone))
    now = wall(sunday - timedelta(days=14), "10:00", zone)
    return Calendar(engine, now=lambda: now)


async def practice_open_at_night(engine: AsyncEngine, zone: str, sunday: date) -> Calendar:
    """Open on that Sunday from midnight to six, whoever works there."""
    async with engine.begin() as connection:
        await connection.execute(delete(tables.provider_hours))
        await connection.execute(
            insert(tables.opening_hours).values(
                practice_id="hillside", weekday=6, opens=time(0), closes=time(OPEN_HOURS)
            )
        )
    return await practice_in(engine, zone, sunday)


@changes
async def test_an_appointment_keeps_its_wall_clock_time_on_both_sides(
    engine: AsyncEngine, zone: str, sunday: date, hours: int
) -> None:
    calendar = await practice_in(engine, zone, sunday)
    friday, monday = sunday - timedelta(days=2), sunday + timedelta(days=1)
    for day in (friday, monday):
        await booked(calendar, await wanting(calendar, "Ann Lee", wall(day, "09:00", zone)))

    practice, _ = await the(calendar, "cleaning")
    before, after = await calendar.coming(practice, PHONE)

    assert [f"{each.start:%a %H:%M}" for each in (before, after)] == ["Fri 09:00", "Mon 09:00"]
    assert [f"{each.end:%H:%M}" for each in (before, after)] == ["09:30", "09:30"]
    apart = after.start.astimezone(UTC) - before.start.astimezone(UTC)
    assert apart == timedelta(days=3, hours=hours - 24)


@changes
async def test_the_practice_opens_by_the_wall_clock_before_and_after(
    engine: AsyncEngine, zone: str, sunday: date, hours: int
) -> None:
    calendar = await practice_in(engine, zone, sunday)

    slots = await slots_of(
        calendar, "cleaning", sunday - timedelta(days=6), sunday + timedelta(days=5)
    )

    firsts: dict[date, str] = {}
    for slot in slots:
        firsts.setdefault(slot.start.date(), f"{slot.start:%H:%M}")
    assert set(firsts.values()) == {"08:00"}
    assert len(firsts) == 10
    instants = [slot.start.astimezone(UTC) for slot in slots]
    assert instants == sorted(instants)


@changes
async def test_the_day_itself_has_as_many_times_as_it_has_hours(
    engine: AsyncEngine, zone: str, sunday: date, hours: int
) -> None:
    calendar = await practice_open_at_night(engine, zone, sunday)

    slots = await slots_of(calendar, "cleaning", sunday)

    torres = [slot.start.astimezone(UTC) for slot in slots if slot.provider.name == "Maya Torres"]
    open_hours = OPEN_HOURS + hours - 24
    assert len(torres) == open_hours * 4 - 1  # half an hour has to fit in
    assert {later - sooner for sooner, later in pairwise(torres)} == {timedelta(minutes=15)}
    assert times(slots, "Maya Torres")[0] == "00:00"
    assert times(slots, "Maya Torres")[-1] == "05:30"


@pytest.mark.parametrize(
    ("zone", "sunday", "clock"),
    [
        ("America/New_York", date(2026, 11, 1), "01:30"),
        ("Europe/Berlin", date(2026, 10, 25), "02:30"),
    ],
)
async def test_a_time_that_comes_twice_is_two_times(
    engine: AsyncEngine, zone: str, sunday: date, clock: str
) -> None:
    calendar = await practice_open_at_night(engine, zone, sunday)
    practice, _ = await the(calendar, "cleaning")
    made = [
        await booked(
            calendar,
            await wanting(
                calendar, who, wall(sunday, clock, zone, fold), only="Maya Torres", key=who
            ),
        )
        for fold, who in enumerate(("Ann Lee", "Ben Lee"))
    ]
    again = await calendar.book(
        practice,
        await wanting(calendar, "Cem Lee", wall(sunday, clock, zone, 1), only="Maya Torres"),
    )

    assert [f"{each.start:%H:%M}" for each in made] == [clock, clock]
    first, second = (each.start.astimezone(UTC) for each in made)
    assert second - first == timedelta(hours=1)
    assert [each.start.fold for each in await calendar.coming(practice, PHONE)] == [0, 1]
    assert again == Taken()
    await must_agree(engine)


@pytest.mark.parametrize(
    ("zone", "sunday", "clock"),
    [
        ("America/New_York", date(2027, 3, 14), "02:30"),
        ("Europe/Berlin", date(2027, 3, 28), "02:30"),
    ],
)
async def test_a_time_that_does_not_come_is_never_offered_and_is_the_one_an_hour_later(
    engine: AsyncEngine, zone: str, sunday: date, clock: str
) -> None:
    calendar = await practice_open_at_night(engine, zone, sunday)
    offered = times(await slots_of(calendar, "cleaning", sunday), "Maya Torres")

    made = await booked(calendar, await wanting(calendar, "Ann Lee", wall(sunday, clock, zone)))

    assert not any(each.startswith("02") for each in offered)
    assert f"{made.start:%H:%M}" == "03:30"


@changes
async def test_a_move_across_the_change_keeps_what_it_lasts(
    engine: AsyncEngine, zone: str, sunday: date, hours: int
) -> None:
    calendar = await practice_in(engine, zone, sunday)
    practice, _ = await the(calendar, "cleaning")
    friday, monday = sunday - timedelta(days=2), sunday + timedelta(days=1)
    before = await booked(calendar, await wanting(calendar, "Ann Lee", wall(friday, "09:00", zone)))

    there = await calendar.move(practice, moving(before, wall(monday, "09:00", zone)))
    back = await calendar.move(practice, moving(before, before.start))

    assert isinstance(there, Made)
    assert isinstance(back, Made)
    assert f"{there.appointment.start:%a %H:%M}" == "Mon 09:00"
    assert f"{there.appointment.end:%a %H:%M}" == "Mon 09:30"
    assert back.appointment == before
    await must_agree(engine)


@changes
async def test_an_appointment_over_the_change_lasts_as_long_as_any_other(
    engine: AsyncEngine, zone: str, sunday: date, hours: int
) -> None:
    """Half an hour from a quarter to the change: the clock shows an hour and a half, or less."""
    calendar = await practice_open_at_night(engine, zone, sunday)
    practice, _ = await the(calendar, "cleaning")
    changes_at = 1 if zone == "Europe/Berlin" else 6 + (hours == 23)
    over = datetime.combine(sunday, time(changes_at), UTC) - timedelta(minutes=15)

    made = await booked(calendar, await wanting(calendar, "Ann Lee", over))
    moved = await calendar.move(practice, moving(made, over + timedelta(days=1, hours=11)))

    assert made.start.utcoffset() != made.end.utcoffset()
    assert made.end.astimezone(UTC) - made.start.astimezone(UTC) == timedelta(minutes=30)
    assert isinstance(moved, Made)
    assert moved.appointment.end - moved.appointment.start == timedelta(minutes=30)
    cells = await fetch(
        engine, select(tables.cells).where(tables.cells.c.appointment_id == made.id)
    )
    assert len(cells) == 2


@changes
async def test_what_is_said_is_the_wall_clock_and_what_is_written_has_its_offset(
    engine: AsyncEngine, zone: str, sunday: date, hours: int
) -> None:
    calendar = await practice_in(engine, zone, sunday)
    facts = await the_facts(calendar.practices, "hillside")
    desk = Desk(
        Office(facts=facts, schedule=calendar, patients=Patients(engine)),
        Ledger(engine, now=lambda: calendar.now(facts.practice)),
    )
    friday, monday = sunday - timedelta(days=2), sunday + timedelta(days=1)
    who = {"service": "cleaning", "patient_name": "Ann Lee", "phone": "555 010 0122"}

    answers = [
        await desk.ask("book_appointment", **who, start=f"{day.isoformat()}T09:30")
        for day in (friday, monday)
    ]
    found = await desk.ask("lookup_appointment", phone="555 010 0122")

    for answer, day in zip(answers, (friday, monday), strict=True):
        assert "nine thirty in the morning" in answer.say
        assert answer.start == wall(day, "09:30", zone).isoformat(timespec="minutes")
        assert answer.minutes == 30
    assert found.say.count("nine thirty in the morning") == 2
    before, after = (answer.start[-6:] for answer in answers)
    assert before != after


@changes
async def test_days_are_counted_in_days_not_in_hours(
    engine: AsyncEngine, zone: str, sunday: date, hours: int
) -> None:
    """Eleven at night before the change: tomorrow is Sunday, and Monday is the day after."""
    await practice_in(engine, zone, sunday)
    late = wall(sunday - timedelta(days=1), "23:00", zone)
    calendar = Calendar(engine, now=lambda: late)

    slots = await slots_of(calendar, "cleaning", late.date(), sunday + timedelta(days=1))

    assert {slot.start.date() for slot in slots} == {sunday + timedelta(days=1)}
    assert f"{slots[0].start:%H:%M}" == "08:00"
