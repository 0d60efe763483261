"""Times that are held for a call, and who owns a quarter of an hour.

A time that was offered is the call's own for a while: nobody else is offered it or can book it.
It is held by the same rows of ``cells`` as an appointment, so that the database itself keeps two
owners apart. What is expired holds nothing, whether or not its row is gone.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, Select, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools.database import changing, fetch, insert_all, reading
from tools.openings import cells_of
from tools.practices import Practice, Provider, Service
from tools.schedule import Slot
from tools.tables import cells, holds, practices

HOLD_FOR: Final = timedelta(minutes=10)
"""Longer than a caller takes to choose; the call's next offer renews it, its end frees it."""


Cell = tuple[str, datetime]
"""A provider's id and the instant, UTC, at which a quarter of an hour of theirs begins."""


class CellTaken(Exception):
    """A quarter of an hour has another owner; whatever the transaction did is to be undone."""


class Holds:
    """The held times of one database.

    Every method raises ``Unavailable`` when it cannot be reached and nothing was done, and those
    that write ``Unsure`` when the answer to their commit was lost.
    """

    def __init__(
        self, engine: AsyncEngine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._now = now

    async def hold(
        self, practice: Practice, service: Service, slots: Sequence[Slot], *, call_sid: str
    ) -> list[Slot]:
        """Hold these times for a call, in place of what was held for it; those that could be."""
        if not call_sid:
            raise ValueError("a time is held for a call")
        async with changing(self._engine) as connection:
            await lock_practice(connection, practice)
            await make_room(connection, practice, call_sid=call_sid, now=self._now())
            wanted = {slot: _cells(slot.provider, slot.start, service) for slot in slots}
            taken = await owned(connection, set().union(*wanted.values()))
            held = [slot for slot in slots if not wanted[slot] & taken]
            await self._write(connection, practice, service, held, call_sid)
            return held

    async def release(self, call_sid: str) -> int:
        """Give free what is held for a call; how many times that were."""
        mine = holds.c.call_sid == call_sid
        whose = select(holds.c.practice_id).where(mine)
        async with changing(self._engine) as connection:
            await connection.execute(_locking(practices.c.id.in_(whose)))
            return (await connection.execute(delete(holds).where(mine))).rowcount

    async def busy(
        self,
        providers: Iterable[Provider],
        *,
        start: datetime,
        end: datetime,
        call_sid: str = "",
        but_for: str = "",
        though_held: bool = False,
    ) -> dict[str, set[datetime]]:
        """Provider id → the cells between two instants that are not free for this call.

        ``but_for`` names an appointment that is to go from where it is. With ``though_held`` only
        appointments count, whatever is held for others.
        """
        theirs = (holds.c.call_sid != call_sid) & (holds.c.expires_utc > self._now())
        booked = cells.c.appointment_id.is_not(None) & (cells.c.appointment_id != but_for)
        wanted = (
            select(cells.c.provider_id, cells.c.at_utc)
            .outerjoin(holds, holds.c.id == cells.c.hold_id)
            .where(
                cells.c.provider_id.in_([provider.id for provider in providers]),
                cells.c.at_utc >= start,
                cells.c.at_utc < end,
                booked if though_held else or_(booked, theirs),
            )
        )
        busy: dict[str, set[datetime]] = {}
        for row in await fetch(self._reading, wanted):
            busy.setdefault(row.provider_id, set()).add(row.at_utc)
        return busy

    async def _write(
        self,
        connection: AsyncConnection,
        practice: Practice,
        service: Service,
        slots: Sequence[Slot],
        call_sid: str,
    ) -> None:
        rows, owners = [], {}
        for slot in slots:
            hold_id, start = uuid4().hex, slot.start.astimezone(UTC)
            rows.append(
                {
                    "id": hold_id,
                    "practice_id": practice.id,
                    "provider_id": slot.provider.id,
                    "call_sid": call_sid,
                    "start_utc": start,
                    "end_utc": start + service.lasts,
                    "expires_utc": self._now() + HOLD_FOR,
                }
            )
            for cell in _cells(slot.provider, slot.start, service):
                owners[cell] = hold_id  # two offers of one call may overlap
        if rows:
            await connection.execute(insert(holds), rows)
            await insert_cells(
                connection,
                [
                    {"provider_id": provider_id, "at_utc": instant, "hold_id": hold_id}
                    for (provider_id, instant), hold_id in owners.items()
                ],
            )


async def lock_practice(connection: AsyncConnection, practice: Practice) -> None:
    """Let one at a time change who owns the practice's hours.

    The cells keep owners apart by themselves; this keeps two who want several of them from
    waiting for each other. On SQLite there is one writer anyway.
    """
    await connection.execute(_locking(practices.c.id == practice.id))


def _locking(which: ColumnElement[bool]) -> Select[Any]:
    return (
        select(practices.c.id).where(which).order_by(practices.c.id).with_for_update(key_share=True)
    )


async def make_room(
    connection: AsyncConnection,
    practice: Practice,
    *,
    call_sid: str,
    now: datetime,
    over: tuple[Provider, datetime, datetime] | None = None,
) -> None:
    """Take away what is held for this call, and what is expired.

    With ``over`` only what is held over a provider's time: whoever books one of the times that
    were offered may want another of them as well.
    """
    expired = (holds.c.practice_id == practice.id) & (holds.c.expires_utc <= now)
    mine = (holds.c.practice_id == practice.id) & (holds.c.call_sid == call_sid)
    if over is not None:
        provider, start, end = over
        mine &= (
            (holds.c.provider_id == provider.id)
            & (holds.c.start_utc < end)
            & (holds.c.end_utc > start)
        )
    await connection.execute(delete(holds).where(or_(expired, mine) if call_sid else expired))


async def owned(connection: AsyncConnection, wanted: Collection[Cell]) -> set[Cell]:
    """Which of these cells have an owner, whoever it is."""
    found = await connection.execute(
        select(cells.c.provider_id, cells.c.at_utc).where(
            cells.c.provider_id.in_({provider_id for provider_id, _ in wanted}),
            cells.c.at_utc.in_({instant for _, instant in wanted}),
        )
    )
    return {(row.provider_id, row.at_utc) for row in found} & set(wanted)


async def take(
    connection: AsyncConnection, appointment_id: str, provider: Provider, instants: list[datetime]
) -> None:
    """Give cells to an appointment.

    Raises:
        CellTaken: one of them has an owner.
    """
    await insert_cells(
        connection,
        [
            {"provider_id": provider.id, "at_utc": instant, "appointment_id": appointment_id}
            for instant in instants
        ],
    )


async def insert_cells(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    """Give cells to who is named in the rows, all of them.

    Raises:
        CellTaken: one of them has an owner, whatever was seen before.
    """
    if await insert_all(connection, cells, rows) != len(rows):
        raise CellTaken


def _cells(provider: Provider, start: datetime, service: Service) -> set[Cell]:
    return {(provider.id, at) for at in cells_of(start.astimezone(UTC), service.lasts)}
