"""The demo practice with its calendar elsewhere, on a clock that is set by hand."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.remote_book import RemoteBook
from tools import tables
from tools.appointments import Appointments
from tools.calendars.asking import Limits
from tools.calendars.became import Became
from tools.calendars.outside import Outside
from tools.database import fetch, reading
from tools.entries import Entry
from tools.ledger import Ledger
from tools.practices import Practice, Practices, Provider, Service
from tools.schedule import Appointment, Change, Grade, Made, NotFound, Slot, Taken, Wanted

PATIENT = Limits(read_s=8.0, attempt_s=9.5, again_s=4.0)
"""So that a busy machine is not taken for a calendar that is away."""
TUESDAY = date(2026, 12, 1)
PHONE = "+15550100122"
NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)

_calls = count()


class Place:
    """The demo practice with its calendar elsewhere, on a clock that is set by hand."""

    def __init__(self, engine: AsyncEngine, remote: RemoteBook) -> None:
        self.engine = engine
        self.remote = remote
        self.instant = NOW
        self.outside = Outside(engine, remote, now=self.now, limits=PATIENT)
        self.ledger = Ledger(engine, now=self.now)
        self.practice: Practice
        self.service: Service
        self.providers: list[Provider]

    def now(self) -> datetime:
        return self.instant

    def later(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)

    async def open(self) -> "Place":
        practices = Practices(reading(self.engine))
        practice = await practices.practice("hillside")
        assert practice is not None
        self.practice = practice
        [self.service] = [
            each for each in await practices.services(practice) if each.name == "cleaning"
        ]
        self.providers = await practices.providers(practice, self.service)
        return self

    async def intend(self, key: str, tool: str = "book_appointment", arguments: str = "{}") -> str:
        entry = await self.ledger.intend(
            job_id=f"CA1:f{next(_calls)}",
            key=key,
            practice="hillside",
            call_sid="CA1",
            tool=tool,
            arguments=arguments,
            phone=PHONE,
            give_up_s=13.0,
        )
        return entry.id

    async def wanted(self, clock: str = "09:30", who: str = "Ann Lee", **more: Any) -> Wanted:
        start = at(clock)
        key = f"book:{who}:{clock}"
        providers = [each for each in self.providers if more.get("only") in (None, each.name)]
        return Wanted(
            service=self.service,
            start=start,
            patient_name=who,
            phone=PHONE,
            providers=tuple(providers),
            entry_id=await self.intend(key),
            key=key,
            call_sid=more.get("call_sid", "CA1"),
        )

    async def book(
        self, wanted: Wanted, may_write: Callable[[], None] = lambda: None
    ) -> Made | Taken:
        return await self.outside.book(self.practice, wanted, may_write=may_write)

    async def booked(self, clock: str = "09:30", who: str = "Ann Lee", **more: Any) -> Appointment:
        made = await self.book(await self.wanted(clock, who, **more))
        assert isinstance(made, Made)
        return made.appointment

    async def change(self, appointment: Appointment, clock: str | None = None) -> Change:
        tool = "cancel_appointment" if clock is None else "reschedule_appointment"
        key = f"{tool}:{appointment.id}:{clock}"
        arguments = f'{{"appointment_id":"{appointment.id}","phone":"{PHONE}"}}'
        return Change(
            appointment_id=appointment.id,
            phone=PHONE,
            start=at(clock) if clock else None,
            entry_id=await self.intend(key, tool, arguments),
            key=key,
            call_sid="CA1",
        )

    async def move(self, change: Change) -> Made | Taken | NotFound:
        return await self.outside.move(self.practice, change, may_write=lambda: None)

    async def cancel(self, change: Change) -> Made | NotFound:
        return await self.outside.cancel(self.practice, change, may_write=lambda: None)

    async def free(self, clock: str, call_sid: str = "") -> list[str]:
        """Who is free at that time on that Tuesday."""
        slots = await self.slots(call_sid)
        return [slot.provider.name for slot in slots if f"{slot.start:%H:%M}" == clock]

    async def slots(self, call_sid: str = "") -> list[Slot]:
        return await self.outside.free(
            self.practice,
            self.service,
            self.providers,
            first_day=TUESDAY,
            last_day=TUESDAY,
            call_sid=call_sid,
        )

    async def coming(self) -> list[tuple[str, str, str]]:
        return [
            (each.patient_name, f"{each.start:%d %H:%M}", each.status)
            for each in await self.outside.coming(self.practice, PHONE)
        ]

    async def entry(self, entry_id: str) -> Entry:
        entry = await self.ledger.entry(entry_id)
        assert entry is not None
        return entry

    async def settle(self, entry_id: str) -> Became:
        return await self.outside.what_became_of(self.practice, await self.entry(entry_id))

    async def standing(self) -> list[Appointment]:
        """Everybody who is to come under the number, as it stands here."""
        return await Appointments(self.engine, now=self.now).coming(self.practice, PHONE)

    async def rows(self, status: str) -> int:
        of = tables.appointments.c
        rows = await fetch(self.engine, select(of.id).where(of.status == status))
        return len(rows)

    async def follow_ups(self) -> list[str]:
        """Whom the practice's people are asked to call."""
        of = tables.messages.c
        rows = await fetch(self.engine, select(of.phone).where(of.kind == "follow_up"))
        return [row.phone for row in rows]

    async def must_agree(self) -> None:
        """What stands here stands there at the same time, has its cells, and nobody else has."""
        of = tables.appointments.c
        here = await fetch(
            self.engine,
            select(tables.appointments).where(
                of.status.in_(("booked", "requested")), of.external_ref != ""
            ),
        )
        assert sorted((row.external_ref, row.start_utc, row.provider_id) for row in here) == sorted(
            (each.external_ref, each.start, each.provider_id) for each in self.remote.standing
        )
        cells = await fetch(self.engine, select(tables.cells))
        for row in here:
            owned = {cell.at_utc for cell in cells if cell.appointment_id == row.id}
            assert owned == {
                row.start_utc + timedelta(minutes=15) * n
                for n in range((row.end_utc - row.start_utc) // timedelta(minutes=15))
            }
        owners = {cell.appointment_id for cell in cells if cell.appointment_id}
        standing = await fetch(
            self.engine, select(of.id).where(of.status.in_(("booked", "requested", "pending")))
        )
        assert owners <= {row.id for row in standing}


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"{TUESDAY.isoformat()}T{clock}-05:00")


async def graded(engine: AsyncEngine, grade: Grade) -> Place:
    """The same with a calendar of that grade."""
    return await Place(engine, RemoteBook(grade)).open()
