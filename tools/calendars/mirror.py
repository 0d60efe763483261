"""What stands in a calendar elsewhere, as our own rows say it: appointments and their cells.

A booking's row is there, ``pending`` and with its time taken, before the other calendar is asked;
its id is the key that calendar is given. A move is asked for by a ``pending`` row of its own, which
has the new time while the appointment keeps the old one. Every method that changes something runs
in a transaction of its caller's, under the lock of the ledger's row and then of the practice.

Leaves what the other calendar says to ``outside``.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import msgspec
from sqlalchemy import Row, Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools.appointments import STANDING
from tools.calendars.remote import RemoteMade
from tools.database import fetch, insert_all, reading
from tools.entries import end_keys
from tools.holds import lock_practice, make_room, take
from tools.openings import cells_of
from tools.patients import entered
from tools.practices import Practice, Provider
from tools.schedule import Wanted
from tools.tables import CELL, appointments, cells, patients

PENDING: Final = "pending"
REFUSED: Final = "refused"
CANCELLED: Final = "cancelled"


class Mirrored(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ours."""

    id: str
    patient_id: str
    provider_id: str
    service_id: str
    start: datetime
    end: datetime
    status: str
    external_ref: str
    asked_utc: datetime
    """When the other calendar was asked last."""


class Mirror:
    """The rows of one database."""

    def __init__(self, engine: AsyncEngine, *, now: Callable[[], datetime]) -> None:
        self._reading = reading(engine)
        self._now = now

    async def pending(self, practice: Practice, key: str) -> Mirrored | None:
        """What was begun for this effect and not ended."""
        found = _rows(practice).where(
            appointments.c.idempotency_key == key, appointments.c.status == PENDING
        )
        for row in await fetch(self._reading, found):
            return _mirrored(row)
        return None

    async def row(self, practice: Practice, appointment_id: str) -> Mirrored | None:
        """One row, whatever its status."""
        for row in await fetch(
            self._reading, _rows(practice).where(appointments.c.id == appointment_id)
        ):
            return _mirrored(row)
        return None

    async def coming(self, practice: Practice, phone: str) -> list[Mirrored] | None:
        """Those of a number that stand and are not over; None while one of them is being made or
        changed, for then nobody can tell what is news."""
        found = (
            _rows(practice)
            .join(patients, patients.c.id == appointments.c.patient_id)
            .where(
                patients.c.phone == phone,
                appointments.c.status.in_((*STANDING, PENDING)),
                appointments.c.end_utc > self._now(),
            )
        )
        rows = [_mirrored(row) for row in await fetch(self._reading, found)]
        return None if any(row.status == PENDING for row in rows) else rows

    async def is_known(self, connection: AsyncConnection, external_ref: str) -> bool:
        """Whether there is or was a row for it."""
        known = select(appointments.c.id).where(appointments.c.external_ref == external_ref)
        return (await connection.execute(known.limit(1))).scalar_one_or_none() is not None

    async def is_as_seen(self, connection: AsyncConnection, row: Mirrored) -> bool:
        """Whether nobody of ours has changed it since."""
        now = select(appointments).where(appointments.c.id == row.id)
        return any(_mirrored(each) == row for each in await connection.execute(now))

    async def begin_booking(
        self,
        connection: AsyncConnection,
        practice: Practice,
        wanted: Wanted,
        provider: Provider,
        *,
        key: str,
    ) -> Mirrored:
        """A pending appointment with its time.

        Raises:
            CellTaken: the time is somebody else's.
        """
        start = wanted.start.astimezone(UTC)
        patient_id = await entered(
            connection, practice.id, wanted.patient_name, wanted.phone, now=self._now()
        )
        return await self._begin(
            connection,
            practice,
            call_sid=wanted.call_sid,
            patient_id=patient_id,
            provider_id=provider.id,
            service_id=wanted.service.id,
            start_utc=start,
            end_utc=start + wanted.service.lasts,
            idempotency_key=key,
        )

    async def begin_move(
        self,
        connection: AsyncConnection,
        practice: Practice,
        standing: Mirrored,
        *,
        to: datetime,
        provider: Provider,
        key: str,
        call_sid: str,
    ) -> Mirrored:
        """A pending row with the new time; where the old time overlaps it, that is left as it is.

        Raises:
            CellTaken: the time is somebody else's.
        """
        start = to.astimezone(UTC)
        return await self._begin(
            connection,
            practice,
            call_sid=call_sid,
            patient_id=standing.patient_id,
            provider_id=provider.id,
            service_id=standing.service_id,
            start_utc=start,
            end_utc=start + (standing.end - standing.start),
            idempotency_key=key,
            besides=standing.id,
        )

    async def asked_again(self, connection: AsyncConnection, begun: Mirrored) -> None:
        """The other calendar is about to be asked once more."""
        await connection.execute(
            update(appointments).where(appointments.c.id == begun.id).values(booked_utc=self._now())
        )

    async def is_pending(self, connection: AsyncConnection, begun: Mirrored) -> bool:
        """Whether it still waits for its end, in the transaction that is to write it."""
        status = select(appointments.c.status).where(appointments.c.id == begun.id)
        return (await connection.execute(status)).scalar_one_or_none() == PENDING

    async def made(self, connection: AsyncConnection, begun: Mirrored, made: RemoteMade) -> None:
        """The booking stands there."""
        await connection.execute(
            update(appointments)
            .where(appointments.c.id == begun.id)
            .values(status=made.status, external_ref=made.external_ref)
        )

    async def moved(
        self,
        connection: AsyncConnection,
        standing: Mirrored,
        begun: Mirrored,
        made: RemoteMade,
        *,
        entry_id: str,
    ) -> None:
        """The appointment stands at the new time, under its old id."""
        await self.forget(connection, begun)
        await connection.execute(
            update(appointments)
            .where(appointments.c.id == standing.id)
            .values(
                start_utc=begun.start,
                end_utc=begun.end,
                provider_id=begun.provider_id,
                status=made.status,
                external_ref=made.external_ref,
                idempotency_key=None,
            )
        )
        await self._give_cells(connection, standing.id, begun.provider_id, begun.start, begun.end)
        await end_keys(connection, standing.id, but=entry_id)

    async def ended(
        self, connection: AsyncConnection, row: Mirrored, status: str, *, entry_id: str = ""
    ) -> None:
        """It stands no more (``cancelled``), or never did (``refused``): its time is free."""
        await connection.execute(delete(cells).where(cells.c.appointment_id == row.id))
        await connection.execute(
            update(appointments)
            .where(appointments.c.id == row.id)
            .values(status=status, idempotency_key=None)
        )
        await end_keys(connection, row.id, but=entry_id)

    async def forget(self, connection: AsyncConnection, begun: Mirrored) -> None:
        """Take back what was begun for a move."""
        await connection.execute(delete(cells).where(cells.c.appointment_id == begun.id))
        await connection.execute(delete(appointments).where(appointments.c.id == begun.id))

    async def follow(self, connection: AsyncConnection, row: Mirrored, made: RemoteMade) -> None:
        """Somebody changed it there: so it stands here."""
        provider_id = made.provider_id or row.provider_id
        await connection.execute(
            update(appointments)
            .where(appointments.c.id == row.id)
            .values(
                status=made.status,
                start_utc=made.start,
                end_utc=made.end,
                provider_id=provider_id,
                external_ref=made.external_ref,
                idempotency_key=(
                    appointments.c.idempotency_key if made.start == row.start else None
                ),
            )
        )
        if (row.start, row.end, row.provider_id) != (made.start, made.end, provider_id):
            await self._give_cells(connection, row.id, provider_id, made.start, made.end)
            await end_keys(connection, row.id)

    async def adopt(
        self, connection: AsyncConnection, practice: Practice, phone: str, made: RemoteMade
    ) -> None:
        """What people there made themselves gets a row of its own."""
        appointment_id, now = uuid4().hex, self._now()
        await connection.execute(
            insert(appointments).values(
                id=appointment_id,
                practice_id=practice.id,
                patient_id=await entered(
                    connection, practice.id, made.patient_name, phone, now=now
                ),
                provider_id=made.provider_id,
                service_id=made.service_id,
                start_utc=made.start,
                end_utc=made.end,
                status=made.status,
                external_ref=made.external_ref,
                call_sid="",
                booked_utc=now,
            )
        )
        await self._give_cells(connection, appointment_id, made.provider_id, made.start, made.end)

    async def _begin(
        self,
        connection: AsyncConnection,
        practice: Practice,
        *,
        besides: str = "",
        **values: Any,
    ) -> Mirrored:
        now, begun_id = self._now(), uuid4().hex
        await lock_practice(connection, practice)
        await make_room(connection, practice, call_sid=values["call_sid"], now=now)
        await connection.execute(
            insert(appointments).values(
                id=begun_id, practice_id=practice.id, status=PENDING, booked_utc=now, **values
            )
        )
        provider_id, start, end = values["provider_id"], values["start_utc"], values["end_utc"]
        wanted = cells_of(start, end - start)
        if besides:
            own = select(cells.c.at_utc).where(
                cells.c.appointment_id == besides, cells.c.provider_id == provider_id
            )
            kept = set((await connection.execute(own)).scalars())
            wanted = [at for at in wanted if at not in kept]
        await take(connection, begun_id, Provider(id=provider_id, name=""), wanted)
        [row] = await connection.execute(_rows(practice).where(appointments.c.id == begun_id))
        return _mirrored(row)

    async def _give_cells(
        self,
        connection: AsyncConnection,
        appointment_id: str,
        provider_id: str,
        start: datetime,
        end: datetime,
    ) -> None:
        """Its time as far as nobody else has it: what stands there stands, whatever we say."""
        first = start - (start - datetime.fromtimestamp(0, UTC)) % CELL
        await connection.execute(delete(cells).where(cells.c.appointment_id == appointment_id))
        await insert_all(
            connection,
            cells,
            [
                {"provider_id": provider_id, "at_utc": at, "appointment_id": appointment_id}
                for at in cells_of(first, end - first)
            ],
        )


def _rows(practice: Practice) -> Select[Any]:
    return select(appointments).where(appointments.c.practice_id == practice.id)


def _mirrored(row: Row[Any]) -> Mirrored:
    return Mirrored(
        id=row.id,
        patient_id=row.patient_id,
        provider_id=row.provider_id,
        service_id=row.service_id,
        start=row.start_utc,
        end=row.end_utc,
        status=row.status,
        external_ref=row.external_ref,
        asked_utc=row.booked_utc,
    )
