"""The built-in calendar: free times, bookings, and who comes when.

Owns every read and write of its tables. A booking happens at most once for its key, and at most
one appointment holds a provider at a time: both by constraints that the booking's own transaction
must satisfy, never by looking first. Leaves arithmetic on days to ``openings`` and what is said
about an answer to the bodies.

Every method raises ``tools.errors.Unavailable`` when the database cannot be reached.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Select, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools import tables
from tools.database import fetch, reaching_database, reading
from tools.openings import cells_of, free_starts, is_cell
from tools.practices import Practice, Practices, Provider, Service, folded
from tools.schedule import Appointment, Slot, Wanted

BOOKED: Final = "booked"


class Calendar:
    """The calendar of every practice in one database."""

    def __init__(
        self, engine: AsyncEngine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._now = now
        self.practices = Practices(self._reading)

    async def free(
        self,
        practice: Practice,
        service: Service,
        providers: Sequence[Provider],
        *,
        first_day: date,
        last_day: date,
    ) -> list[Slot]:
        """Every free start of those days with any of these providers, in order of time.

        Days are the practice's own. Nothing before the lead time, nothing beyond the horizon.
        """
        earliest = self._now() + practice.lead
        first_day = max(first_day, earliest.astimezone(practice.zone).date())
        last_day = min(last_day, self.now(practice).date() + timedelta(days=practice.horizon_days))
        days = [first_day + timedelta(days=n) for n in range((last_day - first_day).days + 1)]
        if not days or not providers:
            return []
        at_work = await self.practices.at_work(practice, providers, days)
        busy = await self._busy(providers, days, practice.zone)
        slots = [
            Slot(start=start.astimezone(practice.zone), provider=provider)
            for provider in providers
            for start in free_starts(
                at_work[provider.id],
                lasts=service.lasts,
                busy=busy.get(provider.id, ()),
                not_before=earliest,
            )
        ]
        return sorted(slots, key=lambda slot: slot.start)

    def now(self, practice: Practice) -> datetime:
        """The instant, on the practice's clock."""
        return self._now().astimezone(practice.zone)

    async def book(
        self, practice: Practice, wanted: Wanted, *, may_write: Callable[[], None] = lambda: None
    ) -> Appointment | None:
        """Make the booking, or find that it was made; None when the time is taken or closed.

        Safe to repeat and to race: one key gives one appointment, whoever asks and however often.
        ``may_write`` is called last before the appointment is written and may raise instead. A
        patient who is new is written before that, and stays known whether or not a time is free.
        """
        if first := await self._made(practice, wanted):
            return first
        day = wanted.start.astimezone(practice.zone).date()
        slots = await self.free(
            practice, wanted.service, wanted.providers, first_day=day, last_day=day
        )
        free = {slot.provider.id for slot in slots if slot.start == wanted.start}
        if not is_cell(wanted.start) or not free:
            return await self._made(practice, wanted)
        patient_id = await self._patient(practice, wanted.patient_name, wanted.phone)
        for provider in wanted.providers:
            if provider.id not in free:
                continue
            with suppress(IntegrityError):  # its time or its key is used; which, is asked next
                may_write()
                await self._write(practice, wanted, provider, patient_id)
            if made := await self._made(practice, wanted):
                return made
        return None

    async def coming(
        self, practice: Practice, phone: str, name: str | None = None
    ) -> list[Appointment]:
        """The booked appointments of a phone number from now on, the soonest first."""
        of = tables.appointments.c
        found = self._appointments(practice).where(
            tables.patients.c.phone == phone, of.status == BOOKED, of.end_utc > self._now()
        )
        if name is not None:
            found = found.where(tables.patients.c.folded_name == folded(name))
        return [self._appointment(practice, row) for row in await fetch(self._reading, found)]

    async def appointments(
        self, practice: Practice, *, call_sid: str | None = None
    ) -> list[Appointment]:
        """Every booked appointment, by start; of one call, if it is named."""
        found = self._appointments(practice).where(tables.appointments.c.status == BOOKED)
        if call_sid is not None:
            found = found.where(tables.appointments.c.call_sid == call_sid)
        return [self._appointment(practice, row) for row in await fetch(self._reading, found)]

    async def _made(self, practice: Practice, wanted: Wanted) -> Appointment | None:
        """The appointment that is already there for this key, or for this very meaning.

        The second question is for a key that was made from another spelling of the same start.
        """
        of = tables.appointments.c
        found = self._appointments(practice).where(of.status == BOOKED)
        same = found.where(
            of.start_utc == wanted.start,
            of.service_id == wanted.service.id,
            tables.patients.c.phone == wanted.phone,
            tables.patients.c.folded_name == folded(wanted.patient_name),
        )
        for query in (found.where(of.idempotency_key == wanted.key), same):
            for row in await fetch(self._reading, query):
                return self._appointment(practice, row)
        return None

    async def _write(
        self, practice: Practice, wanted: Wanted, provider: Provider, patient_id: str
    ) -> None:
        """The appointment and its cells, all or nothing.

        Raises:
            IntegrityError: the key is used, or a cell is taken.
        """
        appointment_id = uuid4().hex
        with reaching_database():
            async with self._engine.begin() as connection:
                await connection.execute(
                    insert(tables.appointments).values(
                        id=appointment_id,
                        practice_id=practice.id,
                        patient_id=patient_id,
                        provider_id=provider.id,
                        service_id=wanted.service.id,
                        start_utc=wanted.start,
                        end_utc=wanted.start + wanted.service.lasts,
                        status=BOOKED,
                        idempotency_key=wanted.key,
                        call_sid=wanted.call_sid,
                        booked_utc=self._now(),
                    )
                )
                await connection.execute(
                    insert(tables.cells),
                    [
                        {"provider_id": provider.id, "at_utc": at, "appointment_id": appointment_id}
                        for at in cells_of(wanted.start.astimezone(UTC), wanted.service.lasts)
                    ],
                )

    async def _patient(self, practice: Practice, name: str, phone: str) -> str:
        """The patient's id; made on the spot, once, however many ask at the same time."""
        of = tables.patients.c
        known = select(of.id).where(
            of.practice_id == practice.id, of.phone == phone, of.folded_name == folded(name)
        )
        for row in await fetch(self._reading, known):
            return str(row.id)
        with reaching_database():
            async with self._engine.begin() as connection:
                await insert_new(
                    connection,
                    tables.patients,
                    id=uuid4().hex,
                    practice_id=practice.id,
                    name=" ".join(name.split()),
                    folded_name=folded(name),
                    phone=phone,
                    created_utc=self._now(),
                )
                return str((await connection.execute(known)).scalar_one())

    async def _busy(
        self, providers: Iterable[Provider], days: Sequence[date], zone: ZoneInfo
    ) -> dict[str, set[datetime]]:
        of = tables.cells.c
        start = datetime.combine(days[0], time(), tzinfo=zone)
        end = datetime.combine(days[-1] + timedelta(days=1), time(), tzinfo=zone)
        busy: dict[str, set[datetime]] = {}
        for row in await fetch(
            self._reading,
            select(of.provider_id, of.at_utc).where(
                of.provider_id.in_([provider.id for provider in providers]),
                of.at_utc >= start,
                of.at_utc < end,
            ),
        ):
            busy.setdefault(row.provider_id, set()).add(row.at_utc)
        return busy

    def _appointments(self, practice: Practice) -> Select[Any]:
        of = tables.appointments.c
        return (
            select(
                of.id,
                of.start_utc,
                of.end_utc,
                of.call_sid,
                of.booked_utc,
                tables.patients.c.name.label("patient_name"),
                tables.patients.c.phone,
                tables.providers.c.name.label("provider"),
                tables.services.c.name.label("service"),
            )
            .join(tables.patients, tables.patients.c.id == of.patient_id)
            .join(tables.providers, tables.providers.c.id == of.provider_id)
            .join(tables.services, tables.services.c.id == of.service_id)
            .where(of.practice_id == practice.id)
            .order_by(of.start_utc, of.id)
        )

    @staticmethod
    def _appointment(practice: Practice, row: Row[Any]) -> Appointment:
        return Appointment(
            id=row.id,
            practice=practice.id,
            patient_name=row.patient_name,
            phone=row.phone,
            provider=row.provider,
            service=row.service,
            start=row.start_utc.astimezone(practice.zone),
            end=row.end_utc.astimezone(practice.zone),
            status=BOOKED,
            call_sid=row.call_sid,
            booked_utc=row.booked_utc,
        )


async def insert_new(connection: AsyncConnection, table: Any, **values: Any) -> None:
    """Insert a row unless one with the same key is there."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    await connection.execute(dialect.insert(table).values(**values).on_conflict_do_nothing())
