"""Asking the demo practice's calendar for things, with or without a ledger."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import count
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from tools import tables
from tools.calendar import Calendar
from tools.database import fetch
from tools.ledger import Ledger
from tools.openings import cells_of
from tools.practices import Practice, Service
from tools.schedule import Appointment, Change, Made, Slot, Wanted

TUESDAY = date(2026, 12, 1)
PHONE = "+15550100122"

_calls = count()


def at(day: date, clock: str) -> datetime:
    """A winter's wall-clock time at the demo practice."""
    return datetime.fromisoformat(f"{day.isoformat()}T{clock}-05:00")


async def the(calendar: Calendar, service: str) -> tuple[Practice, Service]:
    practice = await calendar.practices.practice("hillside")
    assert practice is not None
    [found] = [s for s in await calendar.practices.services(practice) if s.name == service]
    return practice, found


async def slots_of(
    calendar: Calendar, service: str, first: date, last: date | None = None, **more: Any
) -> list[Slot]:
    practice, found = await the(calendar, service)
    providers = await calendar.practices.providers(practice, found)
    return await calendar.free(
        practice, found, providers, first_day=first, last_day=last or first, **more
    )


def times(slots: Sequence[Slot], provider: str) -> list[str]:
    return [f"{slot.start:%H:%M}" for slot in slots if slot.provider.name == provider]


async def wanting(calendar: Calendar, who: str, start: datetime, **changes: Any) -> Wanted:
    practice, service = await the(calendar, changes.pop("service", "cleaning"))
    providers = await calendar.practices.providers(practice, service)
    only = changes.pop("only", None)
    values = {
        "service": service,
        "start": start,
        "patient_name": who,
        "phone": PHONE,
        "key": f"book:{who}:{start.isoformat()}",
        "providers": tuple(each for each in providers if only in (None, each.name)),
    }
    return Wanted(**(values | changes))


async def intended(ledger: Ledger, key: str, call_sid: str = "CA1", job: str = "") -> str:
    """The ledger's row for an effect, as a function call of its own asks for it."""
    entry = await ledger.intend(
        job_id=job or f"{call_sid}:f{next(_calls)}",
        key=key,
        practice="hillside",
        call_sid=call_sid,
        tool="book_appointment",
        arguments="{}",
        phone=PHONE,
        give_up_s=30.0,
    )
    return entry.id


async def booked(calendar: Calendar, wanted: Wanted) -> Appointment:
    practice, _ = await the(calendar, "cleaning")
    made = await calendar.book(practice, wanted)
    assert isinstance(made, Made)
    return made.appointment


def moving(appointment: Appointment, start: datetime, **more: Any) -> Change:
    key = f"move:{appointment.id}:{start.isoformat()}"
    values = {"appointment_id": appointment.id, "phone": PHONE, "start": start, "key": key}
    return Change(**(values | more))


def cancelling(appointment: Appointment, **more: Any) -> Change:
    values = {"appointment_id": appointment.id, "phone": PHONE, "key": f"cancel:{appointment.id}"}
    return Change(**(values | more))


async def must_agree(engine: AsyncEngine) -> None:
    """Whatever happened: appointments that stand have their own cells, nobody else has any."""
    of = tables.appointments.c
    owned: dict[str, set[Any]] = {}
    for row in await fetch(engine, select(tables.cells)):
        owned.setdefault(row.appointment_id or row.hold_id, set()).add(
            (row.provider_id, row.at_utc)
        )
    standing = await fetch(engine, select(tables.appointments).where(of.status == "booked"))
    for row in standing:
        expected = {
            (row.provider_id, at) for at in cells_of(row.start_utc, row.end_utc - row.start_utc)
        }
        assert owned.pop(row.id) == expected
    held = {row.id for row in await fetch(engine, select(tables.holds))}
    assert owned.keys() <= held
    done = await fetch(
        engine, select(tables.ledger).where(tables.ledger.c.state.in_(("done", "told")))
    )
    known = {row.id: row for row in await fetch(engine, select(tables.appointments))}
    for row in done:
        if row.tool == "book_appointment" and row.key and row.result == "booked":
            assert known[row.made_id].status == "booked"
