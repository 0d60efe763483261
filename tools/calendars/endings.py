"""How an effect on a calendar elsewhere is written down once it is known.

Each ending is one transaction under the lock of the ledger's row: mirror, ledger and confirmation
together. It is written only if the effect is still claimed and its row still pending; who comes
later than that takes back what they made twice.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools import outbox
from tools.appointments import Appointments, the_made
from tools.calendars.asking import Asking, clock
from tools.calendars.mirror import CANCELLED, REFUSED, Mirror, Mirrored
from tools.calendars.remote import RemoteMade
from tools.database import changing
from tools.entries import Claim, Entry
from tools.errors import ToolError, Unavailable, Unsure, Withdrawn
from tools.follow_ups import ask_a_person
from tools.holds import lock_practice
from tools.ledger import Ledger
from tools.practices import Practice
from tools.schedule import Made
from tools.telling import WHY

Result = Literal["booked", "moved", "cancelled", "requested"]

_WHY: Final = "done_though_refused"

log = structlog.get_logger()


class Endings:
    """The endings of one practice's effects.

    Every method raises ``Unsure`` where it cannot write: what it was to write is so all the same.
    """

    def __init__(self, engine: AsyncEngine, asking: Asking, *, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._asking = asking
        self._now = now
        self._ledger = Ledger(engine, now=now)
        self._mirror = Mirror(engine, now=now)
        self._appointments = Appointments(engine, now=now)

    async def booked(
        self, practice: Practice, entry_id: str, begun: Mirrored, made: RemoteMade
    ) -> Made:
        """A booking stands there.

        Raises:
            Withdrawn: it was given up meanwhile; it is taken back.
        """
        with _certain():
            async with self._ledger.claimed(entry_id) as claim:
                await lock_practice(claim.connection, practice)
                if await self._is_open(claim, begun):
                    await self._mirror.made(claim.connection, begun, made)
                    result: Result = "requested" if made.status == "requested" else "booked"
                    return await self.done(practice, claim, result, begun.id)
            return await self._too_late(practice, entry_id, made)

    async def moved(
        self,
        practice: Practice,
        entry_id: str,
        standing: Mirrored,
        begun: Mirrored,
        made: RemoteMade,
    ) -> Made:
        """An appointment stands there at its new time.

        Raises:
            Withdrawn: the move was given up meanwhile. It happened all the same, and the mirror
                says so: the old time may be somebody else's by now, so nothing is moved back.
        """
        with _certain():
            async with self._ledger.claimed(entry_id) as claim:
                await lock_practice(claim.connection, practice)
                if await self._is_open(claim, begun):
                    await self._mirror.moved(
                        claim.connection, standing, begun, made, entry_id=entry_id
                    )
                    result: Result = "requested" if made.status == "requested" else "moved"
                    return await self.done(practice, claim, result, standing.id)
                if claim.entry.has_happened:
                    return await the_made(claim.connection, practice, claim.entry.made_id)
                await self._mirror.follow(claim.connection, standing, made)
                await self._ask_a_person(claim.connection, claim.entry)
            raise Withdrawn("I could not do that just now.", reason="moved too late")

    async def cancelled(self, practice: Practice, entry_id: str, standing: Mirrored) -> Made:
        """An appointment does not stand there any more."""
        with _certain():
            async with self._ledger.claimed(entry_id) as claim:
                await lock_practice(claim.connection, practice)
                if claim.entry.has_happened:
                    return await the_made(claim.connection, practice, claim.entry.made_id)
                await self._mirror.ended(claim.connection, standing, CANCELLED, entry_id=entry_id)
                if claim.entry.state == "claimed":
                    return await self.done(practice, claim, "cancelled", standing.id)
                await self._ask_a_person(claim.connection, claim.entry)
            raise Withdrawn("I could not do that just now.", reason="cancelled too late")

    async def refused(self, practice: Practice, begun: Mirrored, *, moves: bool = False) -> None:
        """What was begun does not stand there and will not: its time is free again.

        Raises:
            Unavailable: nothing was written.
        """
        async with changing(self._engine) as connection:
            await lock_practice(connection, practice)
            if not await self._mirror.is_pending(connection, begun):
                return
            if moves:
                await self._mirror.forget(connection, begun)
            else:
                await self._mirror.ended(connection, begun, REFUSED)

    async def never(
        self, practice: Practice, entry: Entry, begun: Mirrored | None, *, moves: bool
    ) -> bool:
        """An effect did not happen and will not: give it up; False if somebody has taken it up
        since ``entry`` was read.

        In two steps: a claim between them finds that nothing was begun, and may begin.
        """
        async with self._ledger.claimed(entry.id) as claim:
            await lock_practice(claim.connection, practice)
            if (claim.entry.state, claim.entry.fence) != (entry.state, entry.fence):
                return False
            if begun is not None and await self._mirror.is_pending(claim.connection, begun):
                if moves:
                    await self._mirror.forget(claim.connection, begun)
                else:
                    await self._mirror.ended(claim.connection, begun, REFUSED)
        voided = await self._ledger.void(entry.id, fence=entry.fence)
        return voided.state == "void"

    async def gone(self, practice: Practice, row: Mirrored, status: str = CANCELLED) -> None:
        """What stood there was taken away there."""
        async with changing(self._engine) as connection:
            await lock_practice(connection, practice)
            if await self._mirror.is_as_seen(connection, row):
                await self._mirror.ended(connection, row, status)

    async def followed(self, practice: Practice, row: Mirrored, made: RemoteMade) -> None:
        """What stands there was perhaps changed there."""
        as_there = (made.status, made.start, made.end, made.provider_id or row.provider_id)
        if as_there == (row.status, row.start, row.end, row.provider_id):
            return
        async with changing(self._engine) as connection:
            await lock_practice(connection, practice)
            if await self._mirror.is_as_seen(connection, row):
                await self._mirror.follow(connection, row, made)

    async def adopted(self, practice: Practice, phone: str, made: RemoteMade) -> None:
        """What stands there was made there."""
        async with changing(self._engine) as connection:
            await lock_practice(connection, practice)
            if not await self._mirror.is_known(connection, made.external_ref):
                await self._mirror.adopt(connection, practice, phone, made)

    async def done(
        self, practice: Practice, claim: Claim, result: Result, appointment_id: str
    ) -> Made:
        """Note it in the ledger, and let it be confirmed once."""
        made = await the_made(claim.connection, practice, appointment_id)
        await claim.done(result, appointment_id)
        today = self._now().astimezone(practice.zone).date()
        text = outbox.confirmation(
            practice, made.appointment, result, today, entry_id=claim.entry.id
        )
        if text:
            await outbox.put(claim.connection, practice, text, now=self._now())
        return made

    async def _is_open(self, claim: Claim, begun: Mirrored) -> bool:
        return claim.entry.state == "claimed" and await self._mirror.is_pending(
            claim.connection, begun
        )

    async def _too_late(self, practice: Practice, entry_id: str, made: RemoteMade) -> Made:
        """It was ended by another: by the same booking, or by giving it up."""
        entry = await self._ledger.entry(entry_id)
        if entry is not None and entry.has_happened:
            row = await self._mirror.row(practice, entry.made_id)
            standing = await self._appointments.one(practice, entry.made_id)
            if row is not None and standing is not None:
                if row.external_ref != made.external_ref:
                    await self._take_back(entry, made)
                return Made(appointment=standing)
        await self._take_back(entry, made)
        raise Withdrawn("I could not do that just now.", reason="made too late, taken back")

    async def _take_back(self, entry: Entry | None, made: RemoteMade) -> None:
        try:
            await self._asking.cancel(
                made.external_ref, until=clock() + 2 * self._asking.limits.again_s
            )
        except ToolError as error:
            if entry is not None:
                async with changing(self._engine) as connection:
                    await self._ask_a_person(connection, entry)
            raise Unsure(
                "I'm still confirming that.", reason="made too late, still there"
            ) from error

    async def _ask_a_person(self, connection: AsyncConnection, entry: Entry) -> None:
        """It stands there and was given up here: only people can make that good."""
        await ask_a_person(
            connection,
            practice_id=entry.practice,
            key=f"settle:{entry.id}:{_WHY}",
            call_sid=entry.call_sid,
            phone=entry.phone,
            text=f"{WHY[_WHY]} Asked for: {entry.tool.replace('_', ' ')}.",
            urgent=True,
            now=self._now(),
        )
        log.error("calendar_done_though_withdrawn", entry_id=entry.id)


@contextmanager
def _certain() -> Iterator[None]:
    """It happened there: that it cannot be written down here does not undo it."""
    try:
        yield
    except Unavailable as error:
        raise Unsure("I'm still confirming that.", reason=error.reason) from error
