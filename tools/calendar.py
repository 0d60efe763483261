"""The built-in calendar: free times, bookings, moves and cancellations.

An effect happens at most once for its row of the ledger, and at most one appointment or call has a
provider's time: the first by the row's lock, in whose transaction the effect is written together
with its confirmation; the second by a constraint that this transaction must satisfy. Neither is
ever a matter of looking first. Leaves what is free to ``freetimes``, held times to ``holds``, and
what is said about an answer to the bodies.

Every method raises ``Unavailable`` when the database cannot be reached and nothing was done, and
those with an effect ``Unsure`` when the answer to their commit was lost, and ``Withdrawn`` when
the effect was given up meanwhile.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Final, Literal
from uuid import uuid4

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools import outbox, tables
from tools.appointments import Appointments, made_of, read, the_made
from tools.database import changing, reading
from tools.freetimes import FreeTimes
from tools.holds import CellTaken, Holds, lock_practice, make_room, owned, take
from tools.ledger import Claim, Ledger, end_keys
from tools.openings import cells_of
from tools.patients import entered
from tools.practices import Practice, Practices, Provider, Service
from tools.schedule import Appointment, Change, Grade, Made, NotFound, Slot, Taken, Wanted

BOOKED: Final = "booked"
CANCELLED: Final = "cancelled"


def _yes() -> None:
    """Nobody minds the writing."""


class Calendar:
    """The calendar of every practice in one database; a ``Schedule``."""

    grade = Grade.TRANSACTION

    def __init__(
        self, engine: AsyncEngine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._now = now
        self._holds = Holds(engine, now=now)
        self._ledger = Ledger(engine, now=now)
        self._appointments = Appointments(engine, now=now)
        self.practices = Practices(reading(engine))
        self._times = FreeTimes(self.practices, self._holds, now=now)

    def now(self, practice: Practice) -> datetime:
        """The instant, on the practice's clock."""
        return self._now().astimezone(practice.zone)

    async def free(
        self,
        practice: Practice,
        service: Service,
        providers: Sequence[Provider],
        *,
        first_day: date,
        last_day: date,
        call_sid: str = "",
        though_held: bool = False,
    ) -> list[Slot]:
        """Every free start of those days with any of these providers, in order of time.

        Days are the practice's own. Nothing before the lead time, nothing beyond the horizon. What
        is held for another call is not free, unless ``though_held``.
        """
        return await self._times.free(
            practice,
            service.lasts,
            providers,
            first_day,
            last_day,
            call_sid=call_sid,
            though_held=though_held,
        )

    async def hold(
        self, practice: Practice, service: Service, slots: Sequence[Slot], *, call_sid: str
    ) -> list[Slot]:
        """Hold these times for a call, in place of what was held for it; those that could be."""
        return await self._holds.hold(practice, service, slots, call_sid=call_sid)

    async def book(
        self, practice: Practice, wanted: Wanted, *, may_write: Callable[[], None] = _yes
    ) -> Made | Taken:
        """Make the booking, or find that it was made.

        Safe to repeat and to race: one key gives one appointment, whoever asks and however often.
        ``may_write`` is called last before anything is written and may raise instead.
        """
        was_asked = False
        for provider in await self._times.who_is_free(
            practice, wanted.start, wanted.service.lasts, wanted.providers, wanted.call_sid
        ):
            try:
                return await self._book(practice, wanted, provider, may_write)
            except CellTaken:
                was_asked = True  # under the lock: it was not made before
        if was_asked or not await self._was_made(practice, wanted):
            return Taken()
        return await self._book(practice, wanted, None, may_write)

    async def move(
        self, practice: Practice, change: Change, *, may_write: Callable[[], None] = _yes
    ) -> Made | Taken | NotFound:
        """Move an appointment, or find that it was moved; the old time stays until then."""
        if change.start is None:
            raise ValueError("move it to when?")
        standing = await self._appointments.one(practice, change.appointment_id)
        if standing is None or standing.phone != change.phone:
            return NotFound()
        lasts = standing.end.astimezone(UTC) - standing.start.astimezone(UTC)
        own = Provider(id=standing.provider_id, name=standing.provider)
        for provider in await self._times.who_is_free(
            practice,
            change.start,
            lasts,
            change.providers or (own,),
            change.call_sid,
            but_for=standing.id,
        ):
            try:
                return await self._move(practice, change, provider, may_write)
            except CellTaken:
                continue
        return await self._move(practice, change, None, may_write)

    async def cancel(
        self, practice: Practice, change: Change, *, may_write: Callable[[], None] = _yes
    ) -> Made | NotFound:
        """Cancel an appointment, or find that it was cancelled."""
        async with self._writing(practice, change.entry_id) as (connection, claim):
            if claim and claim.entry.has_happened:
                return await the_made(connection, practice, claim.entry.made_id)
            standing = await self._standing(connection, practice, change)
            if standing is None:
                return NotFound()
            if standing.status == CANCELLED:
                return await self._done(connection, practice, claim, CANCELLED, standing.id)
            may_write()
            await connection.execute(
                delete(tables.cells).where(tables.cells.c.appointment_id == standing.id)
            )
            await self._change(connection, standing.id, change, status=CANCELLED)
            return await self._done(connection, practice, claim, CANCELLED, standing.id, tell=True)

    async def coming(
        self, practice: Practice, phone: str, name: str | None = None
    ) -> list[Appointment]:
        """The coming appointments of a phone number, the soonest first."""
        return await self._appointments.coming(practice, phone, name)

    async def appointment(self, practice: Practice, appointment_id: str) -> Appointment | None:
        """One appointment, whatever its status."""
        return await self._appointments.one(practice, appointment_id)

    async def appointments(
        self, practice: Practice, *, call_sid: str | None = None
    ) -> list[Appointment]:
        """Every appointment that stands, by start; of one call, if it is named."""
        return await self._appointments.all(practice, call_sid=call_sid)

    async def _was_made(self, practice: Practice, wanted: Wanted) -> bool:
        if wanted.entry_id:
            entry = await self._ledger.entry(wanted.entry_id)
            if entry and entry.state != "intent":
                return True
        return await self._appointments.made_of(practice, wanted) is not None

    async def _book(
        self,
        practice: Practice,
        wanted: Wanted,
        provider: Provider | None,
        may_write: Callable[[], None],
    ) -> Made | Taken:
        """Book with this provider, unless it was booked before; with None only find out.

        Raises:
            CellTaken: the provider's time is somebody else's.
        """
        async with self._writing(practice, wanted.entry_id) as (connection, claim):
            if claim and claim.entry.has_happened:
                made = await the_made(connection, practice, claim.entry.made_id)
                return Taken() if made.appointment.status == CANCELLED else made
            if first := await made_of(connection, practice, wanted):
                return await self._done(connection, practice, claim, BOOKED, first.id)
            if provider is None:
                return Taken()
            may_write()
            start, appointment_id = wanted.start.astimezone(UTC), uuid4().hex
            over = (provider, start, start + wanted.service.lasts)
            await make_room(
                connection, practice, call_sid=wanted.call_sid, now=self._now(), over=over
            )
            instants = cells_of(start, wanted.service.lasts)
            if await owned(connection, {(provider.id, at) for at in instants}):
                raise CellTaken  # sooner and cheaper than by the constraint, which still decides
            await connection.execute(
                insert(tables.appointments).values(
                    id=appointment_id,
                    practice_id=practice.id,
                    patient_id=await entered(
                        connection,
                        practice.id,
                        wanted.patient_name,
                        wanted.phone,
                        now=self._now(),
                    ),
                    provider_id=provider.id,
                    service_id=wanted.service.id,
                    start_utc=start,
                    end_utc=start + wanted.service.lasts,
                    status=BOOKED,
                    idempotency_key=wanted.key or None,
                    call_sid=wanted.call_sid,
                    booked_utc=self._now(),
                )
            )
            await take(connection, appointment_id, provider, instants)
            return await self._done(connection, practice, claim, BOOKED, appointment_id, tell=True)

    async def _move(
        self,
        practice: Practice,
        change: Change,
        provider: Provider | None,
        may_write: Callable[[], None],
    ) -> Made | Taken | NotFound:
        """Move it to this provider, unless it was moved before; with None only find out.

        Raises:
            CellTaken: the provider's time is somebody else's.
        """
        assert change.start is not None
        start = change.start.astimezone(UTC)
        async with self._writing(practice, change.entry_id) as (connection, claim):
            if claim and claim.entry.has_happened:
                made = await the_made(connection, practice, claim.entry.made_id)
                return NotFound() if made.appointment.status == CANCELLED else made
            standing = await self._standing(connection, practice, change)
            if standing is None or standing.status == CANCELLED:
                return NotFound()
            wanted = {each.id for each in change.providers} or {standing.provider_id}
            if standing.start.astimezone(UTC) == start and standing.provider_id in wanted:
                return await self._done(connection, practice, claim, "moved", standing.id)
            if provider is None:
                return Taken()
            may_write()
            lasts = standing.end.astimezone(UTC) - standing.start.astimezone(UTC)
            over = (provider, start, start + lasts)
            await make_room(
                connection, practice, call_sid=change.call_sid, now=self._now(), over=over
            )
            await connection.execute(
                delete(tables.cells).where(tables.cells.c.appointment_id == standing.id)
            )
            await take(connection, standing.id, provider, cells_of(start, lasts))
            await self._change(
                connection,
                standing.id,
                change,
                start_utc=start,
                end_utc=start + lasts,
                provider_id=provider.id,
            )
            return await self._done(connection, practice, claim, "moved", standing.id, tell=True)

    @asynccontextmanager
    async def _writing(
        self, practice: Practice, entry_id: str
    ) -> AsyncIterator[tuple[AsyncConnection, Claim | None]]:
        """One transaction, under the lock of the ledger's row and then of the practice's hours.

        Raises:
            Withdrawn: the effect was given up.
        """
        if not entry_id:
            async with changing(self._engine) as connection:
                await lock_practice(connection, practice)
                yield connection, None
            return
        async with self._ledger.claimed(entry_id) as claim:
            claim.must_be_wanted()
            if not claim.entry.has_happened:
                # Of one that has, nothing is changed; and whoever changes what it made has the
                # practice's hours already and waits for this row.
                await lock_practice(claim.connection, practice)
            yield claim.connection, claim

    async def _standing(
        self, connection: AsyncConnection, practice: Practice, change: Change
    ) -> Appointment | None:
        """The appointment to be changed; None if there is none of that number, or it is over."""
        standing = await read(connection, practice, change.appointment_id)
        if standing is None or standing.phone != change.phone:
            return None
        is_over = standing.end.astimezone(UTC) <= self._now()
        return None if is_over and standing.status != CANCELLED else standing

    async def _change(
        self, connection: AsyncConnection, appointment_id: str, change: Change, **values: object
    ) -> None:
        """It is not what was booked any more: the same may be booked again."""
        await connection.execute(
            update(tables.appointments)
            .where(tables.appointments.c.id == appointment_id)
            .values(**values, idempotency_key=None)
        )
        await end_keys(connection, appointment_id, but=change.entry_id, now=self._now())

    async def _done(
        self,
        connection: AsyncConnection,
        practice: Practice,
        claim: Claim | None,
        result: Literal["booked", "moved", "cancelled"],
        appointment_id: str,
        *,
        tell: bool = False,
    ) -> Made:
        """It is so: note it in the ledger, and confirm it once if this made it so."""
        made = await the_made(connection, practice, appointment_id)
        if claim:
            await claim.done(result, appointment_id)
            today = self.now(practice).date()
            text = outbox.confirmation(
                practice, made.appointment, result, today, entry_id=claim.entry.id
            )
            if tell and text:
                await outbox.put(connection, practice, text, now=self._now())
        return made
