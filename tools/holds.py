"""Times that are held for a call, and who owns a quarter of an hour.

A time that was offered is the call's own for a while: nobody else is offered it or can book it.
It is held by the same rows of ``cells`` as an appointment, so that the database itself keeps two
owners apart. What is expired holds nothing, whether or not its row is gone.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools.database import changing, fetch, insert_all, reading
from tools.openings import cells_of
from tools.practices import Practice, Provider, Service
from tools.schedule import Slot
from tools.tables import cells, holds, practices

HOLD_FOR: Final = timedelta(minutes=10)
"""Longer than a caller takes to choose; the call's next offer renews it, its end frees it."""


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
            return [
                slot
                for slot in slots
                if await self._hold(connection, practice, service, slot, call_sid)
            ]

    async def release(self, call_sid: str) -> int:
        """Give free what is held for a call; how many times that were."""
        async with changing(self._engine) as connection:
            freed = await connection.execute(delete(holds).where(holds.c.call_sid == call_sid))
            return freed.rowcount

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

    async def _hold(
        self,
        connection: AsyncConnection,
        practice: Practice,
        service: Service,
        slot: Slot,
        call_sid: str,
    ) -> bool:
        """Hold one time, or leave no trace of it."""
        hold_id, start = uuid4().hex, slot.start.astimezone(UTC)
        wanted = cells_of(start, service.lasts)
        await connection.execute(
            insert(holds).values(
                id=hold_id,
                practice_id=practice.id,
                provider_id=slot.provider.id,
                call_sid=call_sid,
                start_utc=start,
                end_utc=start + service.lasts,
                expires_utc=self._now() + HOLD_FOR,
            )
        )
        await insert_all(
            connection,
            cells,
            [{"provider_id": slot.provider.id, "at_utc": at, "hold_id": hold_id} for at in wanted],
        )
        of_this_call = (
            select(func.count())
            .select_from(cells)
            .join(holds, holds.c.id == cells.c.hold_id)
            .where(
                cells.c.provider_id == slot.provider.id,
                cells.c.at_utc.in_(wanted),
                holds.c.call_sid == call_sid,  # two offers of one call may overlap
            )
        )
        if (await connection.execute(of_this_call)).scalar_one() == len(wanted):
            return True
        await connection.execute(delete(holds).where(holds.c.id == hold_id))
        return False


async def lock_practice(connection: AsyncConnection, practice: Practice) -> None:
    """Let one at a time change who owns the practice's hours.

    The cells keep owners apart by themselves; this keeps two who want several of them from
    waiting for each other. On SQLite there is one writer anyway.
    """
    await connection.execute(
        select(practices.c.id).where(practices.c.id == practice.id).with_for_update(key_share=True)
    )


async def make_room(
    connection: AsyncConnection, practice: Practice, *, call_sid: str, now: datetime
) -> None:
    """Take away what is held for this call, and what is expired."""
    expired = (holds.c.practice_id == practice.id) & (holds.c.expires_utc <= now)
    mine = (holds.c.practice_id == practice.id) & (holds.c.call_sid == call_sid)
    await connection.execute(delete(holds).where(or_(expired, mine) if call_sid else expired))


async def take(
    connection: AsyncConnection, appointment_id: str, provider: Provider, wanted: list[datetime]
) -> None:
    """Give cells to an appointment.

    Raises:
        CellTaken: one of them has an owner.
    """
    rows = [
        {"provider_id": provider.id, "at_utc": at, "appointment_id": appointment_id}
        for at in wanted
    ]
    if await insert_all(connection, cells, rows) != len(wanted):
        raise CellTaken
