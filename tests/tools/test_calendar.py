import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tools import tables
from tools.calendar import Calendar
from tools.database import fetch, open_engine
from tools.errors import LeaseLost
from tools.practices import Practice, Service
from tools.schedule import Appointment, Slot, Wanted

ROOT = Path(__file__).parents[2]
TUESDAY = date(2026, 12, 1)


async def the(calendar: Calendar, service: str) -> tuple[Practice, Service]:
    practice = await calendar.practices.practice("hillside")
    assert practice is not None
    [found] = [s for s in await calendar.practices.services(practice) if s.name == service]
    return practice, found


async def slots_of(
    calendar: Calendar, service: str, first: date, last: date | None = None
) -> list[Slot]:
    practice, found = await the(calendar, service)
    providers = await calendar.practices.providers(practice, found)
    return await calendar.free(practice, found, providers, first_day=first, last_day=last or first)


def times(slots: Sequence[Slot], provider: str) -> list[str]:
    return [f"{slot.start:%H:%M}" for slot in slots if slot.provider.name == provider]


async def wanting(calendar: Calendar, who: str, start: datetime, **changes: Any) -> Wanted:
    practice, service = await the(calendar, changes.pop("service", "cleaning"))
    values = {
        "service": service,
        "start": start,
        "patient_name": who,
        "phone": "+15550100122",
        "idempotency_key": f"book:{who}:{start.isoformat()}",
        "providers": tuple(await calendar.practices.providers(practice, service)),
    }
    return Wanted(**(values | changes))


async def book(calendar: Calendar, wanted: Wanted) -> Appointment | None:
    practice, _ = await the(calendar, "cleaning")
    return await calendar.book(practice, wanted)


def at(calendar_day: date, clock: str) -> datetime:
    return datetime.fromisoformat(f"{calendar_day.isoformat()}T{clock}-05:00")


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
    made = await book(
        calendar, await wanting(calendar, "Ann  Lee", at(TUESDAY, "09:30"), call_sid="CA7")
    )

    practice, _ = await the(calendar, "cleaning")
    assert made is not None
    assert [made] == await calendar.appointments(practice, call_sid="CA7")
    assert made.patient_name == "Ann Lee"
    assert made.provider == "Maya Torres"
    assert made.start.isoformat() == "2026-12-01T09:30:00-05:00"
    assert made.end - made.start == timedelta(minutes=30)


async def test_a_repeated_key_finds_the_first_booking(calendar: Calendar) -> None:
    wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"))

    first = await book(calendar, wanted)
    again = await book(calendar, wanted)

    assert first is not None
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

    assert [m.provider if m else None for m in made] == ["Maya Torres", "Doctor Okafor", None]


@pytest.mark.parametrize("clock", ["07:00", "09:35", "18:00"])
async def test_a_time_outside_the_hours_or_off_the_grid_is_not_booked(
    calendar: Calendar, clock: str
) -> None:
    assert await book(calendar, await wanting(calendar, "Ann Lee", at(TUESDAY, clock))) is None


async def test_overlapping_but_not_equal_times_exclude_each_other(calendar: Calendar) -> None:
    practice, service = await the(calendar, "cleaning")
    torres = (await calendar.practices.providers(practice, service))[:1]

    made = [
        await book(
            calendar,
            await wanting(calendar, who, at(TUESDAY, clock), providers=tuple(torres)),
        )
        for who, clock in (("A A", "09:30"), ("B B", "09:15"), ("C C", "09:45"), ("D D", "10:00"))
    ]

    assert [bool(m) for m in made] == [True, False, False, True]


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


async def test_many_at_once_for_one_slot_one_wins(calendar: Calendar) -> None:
    practice, service = await the(calendar, "cleaning")
    torres = tuple((await calendar.practices.providers(practice, service))[:1])
    wanted = [
        await wanting(calendar, f"Caller {n}", at(TUESDAY, "09:30"), providers=torres)
        for n in range(30)
    ]

    made = await asyncio.gather(*(book(calendar, each) for each in wanted))

    assert Counter(bool(m) for m in made) == {True: 1, False: 29}


async def test_one_request_repeated_at_once_is_booked_once(calendar: Calendar) -> None:
    wanted = await wanting(calendar, "New Patient", at(TUESDAY, "09:30"), call_sid="CA7")

    made = await asyncio.gather(*(book(calendar, wanted) for _ in range(12)))

    practice, _ = await the(calendar, "cleaning")
    assert len({m.id for m in made if m}) == 1
    assert None not in made
    assert len(await calendar.appointments(practice, call_sid="CA7")) == 1


RACER = """
import asyncio, json, random, sys
from datetime import datetime, timedelta
from tools.calendar import Calendar
from tools.schedule import Wanted
from tools.database import open_engine

async def main(url, process, now):
    engine = open_engine(url)
    calendar = Calendar(engine, now=lambda: datetime.fromisoformat(now))
    practice = await calendar.practices.practice("hillside")
    services = {s.name: s for s in await calendar.practices.services(practice)}
    roll = random.Random(process)
    made = refused = 0
    for n in range(25):
        service = services[roll.choice(["cleaning", "check-up", "filling"])]
        start = datetime.fromisoformat("2026-12-01T09:00:00-05:00")
        start += timedelta(minutes=15 * roll.randrange(12))
        wanted = Wanted(
            service=service, start=start, patient_name=f"Racer {process} {n}",
            phone="+15550100199", key=f"race:{process}:{n}", call_sid="RACE",
            providers=tuple(await calendar.practices.providers(practice, service)),
        )
        if await calendar.book(practice, wanted):
            made += 1
        else:
            refused += 1
    await engine.dispose()
    print(json.dumps([made, refused]))

asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
"""


async def test_several_processes_never_book_one_provider_twice(
    database_url: str, calendar: Calendar
) -> None:
    now = "2026-11-22T15:00:00+00:00"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, database_url, str(n), now],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for n in range(3)
    ]
    counts = [json.loads(racer.communicate()[0]) for racer in racers]

    practice, _ = await the(calendar, "cleaning")
    made = await calendar.appointments(practice, call_sid="RACE")
    assert len(made) == sum(booked for booked, _ in counts)
    assert sum(refused for _, refused in counts) > 0
    for one, other in combinations(made, 2):
        apart = one.end <= other.start or other.end <= one.start
        assert apart or one.provider != other.provider


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
