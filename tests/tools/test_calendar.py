from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from tests.tools.bookings import TUESDAY, at, booked, slots_of, the, times, wanting
from tools import tables
from tools.calendar import Calendar
from tools.database import fetch, open_engine
from tools.errors import LeaseLost
from tools.schedule import Made, Taken, Wanted


async def book(calendar: Calendar, wanted: Wanted) -> Made | Taken:
    practice, _ = await the(calendar, "cleaning")
    return await calendar.book(practice, wanted)


async def test_free_times_lie_within_the_hours_of_practice_and_provider(calendar: Calendar) -> None:
    slots = await slots_of(calendar, "cleaning", TUESDAY)

    torres = times(slots, "Maya Torres")
    assert torres[0] == "08:00"
    assert torres[-1] == "16:30"
    assert "11:30" in torres
    assert "11:45" not in torres
    assert "12:00" not in torres
    assert times(slots, "Doctor Okafor")[0] == "09:00"
    assert times(slots, "Doctor Lindqvist") == []
    assert [slot.start for slot in slots] == sorted(slot.start for slot in slots)


async def test_nobody_sees_patients_on_a_closed_day_or_out_of_hours(calendar: Calendar) -> None:
    thanksgiving, saturday = date(2026, 11, 26), date(2026, 11, 28)

    assert await slots_of(calendar, "cleaning", thanksgiving) == []
    assert await slots_of(calendar, "cleaning", saturday) == []


async def test_nothing_is_free_in_the_past_within_the_lead_time_or_beyond_the_horizon(
    database_url: str,
) -> None:
    engine = open_engine(database_url)
    at_nine = Calendar(engine, now=lambda: at(TUESDAY, "09:00"))

    today = times(await slots_of(at_nine, "cleaning", TUESDAY), "Maya Torres")
    everything = await slots_of(at_nine, "cleaning", date(2020, 1, 1), date(2040, 1, 1))
    await engine.dispose()

    assert today[0] == "10:00"
    assert everything[0].start == at(TUESDAY, "10:00")
    assert everything[-1].start.date() == TUESDAY + timedelta(days=90)


async def test_a_longer_service_needs_a_longer_gap(calendar: Calendar) -> None:
    await book(calendar, await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30")))
    okafor = [
        slot
        for slot in await slots_of(calendar, "filling", TUESDAY)
        if slot.provider.name == "Doctor Okafor"
    ]

    assert times(okafor, "Doctor Okafor")[0] == "09:00"  # Torres has the cleaning, Okafor is free


async def test_a_booking_is_kept_with_everything_said_about_it(calendar: Calendar) -> None:
    made = await booked(
        calendar, await wanting(calendar, "Ann  Lee", at(TUESDAY, "09:30"), call_sid="CA7")
    )

    practice, _ = await the(calendar, "cleaning")
    assert [made] == await calendar.appointments(practice, call_sid="CA7")
    assert made == await calendar.appointment(practice, made.id)
    assert made.status == "booked"
    assert made.patient_name == "Ann Lee"
    assert made.provider == "Maya Torres"
    assert made.start.isoformat() == "2026-12-01T09:30:00-05:00"
    assert made.end - made.start == timedelta(minutes=30)


async def test_a_repeated_key_finds_the_first_booking(calendar: Calendar) -> None:
    wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"))

    first = await book(calendar, wanted)
    again = await book(calendar, wanted)

    assert isinstance(first, Made)
    assert again == first


async def test_the_same_booking_under_another_key_is_found_too(calendar: Calendar) -> None:
    first = await book(calendar, await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30")))
    wanted = await wanting(calendar, "ann LEE", at(TUESDAY, "09:30").astimezone(), key="book:other")

    assert await book(calendar, wanted) == first


async def test_two_people_at_one_time_get_two_providers_and_a_third_gets_none(
    calendar: Calendar,
) -> None:
    made = [
        await book(calendar, await wanting(calendar, who, at(TUESDAY, "09:30")))
        for who in ("Ann Lee", "Ben Lee", "Cem Lee")
    ]

    with_whom = [each.appointment.provider for each in made if isinstance(each, Made)]
    assert with_whom == ["Maya Torres", "Doctor Okafor"]
    assert made[2] == Taken()


@pytest.mark.parametrize("clock", ["07:00", "09:35", "18:00"])
async def test_a_time_outside_the_hours_or_off_the_grid_is_not_booked(
    calendar: Calendar, clock: str
) -> None:
    wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, clock))

    assert await book(calendar, wanted) == Taken()


async def test_overlapping_but_not_equal_times_exclude_each_other(calendar: Calendar) -> None:
    made = [
        await book(calendar, await wanting(calendar, who, at(TUESDAY, clock), only="Maya Torres"))
        for who, clock in (("A A", "09:30"), ("B B", "09:15"), ("C C", "09:45"), ("D D", "10:00"))
    ]

    assert [isinstance(each, Made) for each in made] == [True, False, False, True]


async def test_one_number_may_belong_to_a_family(calendar: Calendar) -> None:
    for who, clock in (("Ann Lee", "09:30"), ("Ben Lee", "10:30")):
        await book(calendar, await wanting(calendar, who, at(TUESDAY, clock)))
    practice, _ = await the(calendar, "cleaning")

    family = await calendar.coming(practice, "+15550100122")
    ben = await calendar.coming(practice, "+15550100122", "ben lee")

    assert [a.patient_name for a in family] == ["Ann Lee", "Ben Lee"]
    assert [a.patient_name for a in ben] == ["Ben Lee"]


async def test_what_is_over_is_not_coming(database_url: str, calendar: Calendar) -> None:
    await book(calendar, await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30")))
    practice, _ = await the(calendar, "cleaning")
    engine = open_engine(database_url)
    next_day = Calendar(engine, now=lambda: at(TUESDAY, "10:00"))

    assert await next_day.coming(practice, "+15550100122") == []
    await engine.dispose()


async def test_nothing_is_written_once_the_lease_is_lost(calendar: Calendar) -> None:
    practice, _ = await the(calendar, "cleaning")
    wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"), call_sid="CA7")

    def refuse() -> None:
        raise LeaseLost("gone")

    with pytest.raises(LeaseLost):
        await calendar.book(practice, wanted, may_write=refuse)
    assert await calendar.appointments(practice, call_sid="CA7") == []


async def test_an_appointment_has_one_cell_for_each_quarter_of_an_hour(
    database_url: str, calendar: Calendar
) -> None:
    await book(
        calendar, await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"), service="filling")
    )
    engine = open_engine(database_url)
    minutes = await fetch(
        engine,
        select(tables.services.c.minutes, func.count())
        .join(tables.appointments, tables.appointments.c.service_id == tables.services.c.id)
        .join(tables.cells, tables.cells.c.appointment_id == tables.appointments.c.id)
        .where(tables.appointments.c.call_sid == "")
        .group_by(tables.appointments.c.id, tables.services.c.minutes),
    )
    await engine.dispose()

    assert minutes
    assert all(cells * 15 == lasts for lasts, cells in minutes)
