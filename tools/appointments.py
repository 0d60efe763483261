"""Appointments as they are read: by number, by call, by id, by what was wanted.

Leaves making and changing them to the calendars.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools.database import fetch, reading
from tools.names import called, folded
from tools.practices import Practice
from tools.schedule import Appointment, Made, Wanted
from tools.tables import appointments, patients, providers, services

STANDING: Final = ("booked", "requested")
"""What an appointment's status is while somebody is to come."""


class Appointments:
    """The appointments of one database. Every method raises ``Unavailable`` when it is away."""

    def __init__(
        self, engine: AsyncEngine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._reading = reading(engine)
        self._now = now

    async def coming(
        self, practice: Practice, phone: str, name: str | None = None
    ) -> list[Appointment]:
        """Those of a phone number that are not over, the soonest first."""
        found = _standing(practice).where(
            patients.c.phone == phone, appointments.c.end_utc > self._now()
        )
        coming = [as_appointment(practice, row) for row in await fetch(self._reading, found)]
        return coming if name is None else called(name, coming, lambda each: each.patient_name)

    async def all(self, practice: Practice, *, call_sid: str | None = None) -> list[Appointment]:
        """Every one that stands, by start; of one call, if it is named."""
        found = _standing(practice)
        if call_sid is not None:
            found = found.where(appointments.c.call_sid == call_sid)
        return [as_appointment(practice, row) for row in await fetch(self._reading, found)]

    async def one(self, practice: Practice, appointment_id: str) -> Appointment | None:
        """One of them, whatever its status."""
        found = _of(practice).where(appointments.c.id == appointment_id)
        for row in await fetch(self._reading, found):
            return as_appointment(practice, row)
        return None

    async def made_of(self, practice: Practice, wanted: Wanted) -> Appointment | None:
        """The one that is already there for what is wanted: see ``made_of``."""
        for row in await fetch(self._reading, _made_of(practice, wanted)):
            return as_appointment(practice, row)
        return None


async def made_of(
    connection: AsyncConnection, practice: Practice, wanted: Wanted
) -> Appointment | None:
    """The appointment that is already there for this key, or for this very meaning.

    The second question is for a key that was made from another spelling of the same start.
    """
    for row in await connection.execute(_made_of(practice, wanted)):
        return as_appointment(practice, row)
    return None


async def read(
    connection: AsyncConnection, practice: Practice, appointment_id: str
) -> Appointment | None:
    """An appointment, whatever its status, in a transaction that writes."""
    found = _of(practice).where(appointments.c.id == appointment_id)
    for row in await connection.execute(found):
        return as_appointment(practice, row)
    return None


def _made_of(practice: Practice, wanted: Wanted) -> Select[Any]:
    of = appointments.c
    same = and_(
        of.start_utc == wanted.start,
        of.service_id == wanted.service.id,
        patients.c.phone == wanted.phone,
        patients.c.folded_name == folded(wanted.patient_name),
    )
    return _standing(practice).where(or_(of.idempotency_key == wanted.key, same))


def _standing(practice: Practice) -> Select[Any]:
    return _of(practice).where(appointments.c.status.in_(STANDING))


def _of(practice: Practice) -> Select[Any]:
    of = appointments.c
    return (
        select(
            of.id,
            of.start_utc,
            of.end_utc,
            of.status,
            of.call_sid,
            of.booked_utc,
            of.provider_id,
            of.service_id,
            patients.c.name.label("patient_name"),
            patients.c.phone,
            providers.c.name.label("provider"),
            services.c.name.label("service"),
        )
        .join(patients, patients.c.id == of.patient_id)
        .join(providers, providers.c.id == of.provider_id)
        .join(services, services.c.id == of.service_id)
        .where(of.practice_id == practice.id)
        .order_by(of.start_utc, of.id)
    )


async def the_made(connection: AsyncConnection, practice: Practice, appointment_id: str) -> Made:
    """What was made, by the id that the ledger has of it."""
    made = await read(connection, practice, appointment_id)
    if made is None:
        raise LookupError("an appointment that was never made")
    return Made(appointment=made)


def as_appointment(practice: Practice, row: Row[Any]) -> Appointment:
    """A row as it is told."""
    return Appointment(
        id=row.id,
        practice=practice.id,
        patient_name=row.patient_name,
        phone=row.phone,
        provider=row.provider,
        service=row.service,
        start=row.start_utc.astimezone(practice.zone),
        end=row.end_utc.astimezone(practice.zone),
        status=row.status,
        call_sid=row.call_sid,
        booked_utc=row.booked_utc,
        provider_id=row.provider_id,
        service_id=row.service_id,
    )
