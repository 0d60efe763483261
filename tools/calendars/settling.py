"""What became of an effect that a calendar elsewhere did not answer: looked up, and written down.

Nothing is asked for again here, and nobody is told: see ``became.Settles``.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from tools.appointments import Appointments
from tools.calendars.asking import LANDS_WITHIN, Asking, stands
from tools.calendars.became import Became
from tools.calendars.endings import Endings
from tools.calendars.mirror import REFUSED, Mirror, Mirrored
from tools.calendars.remote import Remote, RemoteBooking, RemoteMade
from tools.database import reading
from tools.entries import Entry
from tools.errors import Unavailable, Unsure, Withdrawn
from tools.ledger import Ledger
from tools.practices import Practice, Practices, Provider
from tools.schedule import Appointment, Grade, Made

LOOK_S: Final = 5.0
"""For one look: nobody waits."""
CANCELS: Final = "cancel_appointment"
MOVES: Final = "reschedule_appointment"
REQUESTED: Final = "requested"

log = structlog.get_logger()

OPEN: Final = Became(state="open")
NEVER: Final = Became(state="never")


class _Named(msgspec.Struct):
    """What a change says about its appointment; the rest of its arguments is left."""

    appointment_id: str = ""


_named: Final = msgspec.json.Decoder(_Named).decode


class Away(Exception):
    """The other calendar did not say."""


class Settling:
    """Finds out for one calendar."""

    def __init__(
        self,
        engine: AsyncEngine,
        remote: Remote,
        asking: Asking,
        endings: Endings,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._remote = remote
        self._ask = asking
        self._endings = endings
        self._now = now
        self._ledger = Ledger(engine, now=now)
        self._mirror = Mirror(engine, now=now)
        self._appointments = Appointments(engine, now=now)
        self._practices = Practices(reading(engine))

    async def what_became_of(self, practice: Practice, entry: Entry) -> Became:
        """See ``became.Settles``."""
        if entry.has_happened:
            return await self._confirmed(practice, entry)
        if entry.state == "void":
            return NEVER
        if entry.claim_utc and entry.claim_utc > self._now():
            return OPEN  # somebody is at it
        try:
            return await self._found_out(practice, entry)
        except Withdrawn:
            return NEVER
        except (Away, Unsure):
            return OPEN

    async def _found_out(self, practice: Practice, entry: Entry) -> Became:
        begun = await self._mirror.pending(practice, entry.key)
        named = _named(entry.arguments).appointment_id
        standing = await self._mirror.row(practice, named) if named else None
        if begun is not None:
            return await self._begun(practice, entry, begun, standing)
        if standing is not None and entry.tool == CANCELS and entry.state == "claimed":
            return await self._cancelled(practice, entry, standing)
        return await self._never(practice, entry)  # nothing was asked for, or it was refused

    async def _begun(
        self, practice: Practice, entry: Entry, begun: Mirrored, standing: Mirrored | None
    ) -> Became:
        """A booking, or (of what is ``standing``) a move."""
        if self._remote.grade == Grade.NEITHER:
            return Became(state="person")
        booking = await self._booking(practice, begun)
        ref = standing.external_ref if standing else ""
        made = await self._asked(self._remote.look_up(booking, external_ref=ref))
        if made is not None and stands(made.status):
            ended = (
                await self._endings.moved(practice, entry.id, standing, begun, made)
                if standing
                else await self._endings.booked(practice, entry.id, begun, made)
            )
            return await self._happened(entry, ended)
        if made is None and self._now() < begun.asked_utc + LANDS_WITHIN:
            return OPEN
        return await self._never(practice, entry, begun, moves=standing is not None)

    async def _cancelled(self, practice: Practice, entry: Entry, standing: Mirrored) -> Became:
        there = await self._asked(self._remote.read(standing.external_ref))
        if there is None or not stands(there.status):
            ended = await self._endings.cancelled(practice, entry.id, standing)
            return await self._happened(entry, ended)
        if entry.claim_utc and self._now() < entry.claim_utc + LANDS_WITHIN:
            return OPEN
        return await self._never(practice, entry)

    async def _confirmed(self, practice: Practice, entry: Entry) -> Became:
        """Of a request that was taken: whether it was agreed to since."""
        appointment = await self._appointments.one(practice, entry.made_id)
        row = await self._mirror.row(practice, entry.made_id)
        if appointment is None or row is None:
            return NEVER
        if entry.result != REQUESTED or row.status != REQUESTED:
            return _as_it_stands(entry, appointment)
        try:
            there = await self._asked(self._remote.read(row.external_ref))
        except Away:
            return Became(state="happened", result=REQUESTED, appointment=appointment)
        if there is None or not stands(there.status):
            await self._endings.gone(practice, row, REFUSED)
            return Became(state="never", appointment=appointment)
        await self._endings.followed(practice, row, there)
        now_it_is = await self._appointments.one(practice, entry.made_id)
        return _as_it_stands(entry, now_it_is or appointment)

    async def _happened(self, entry: Entry, ended: Made) -> Became:
        now_it_is = await self._ledger.entry(entry.id)
        return _as_it_stands(now_it_is or entry, ended.appointment)

    async def _never(
        self,
        practice: Practice,
        entry: Entry,
        begun: Mirrored | None = None,
        *,
        moves: bool = False,
    ) -> Became:
        if not await self._endings.never(practice, entry, begun, moves=moves):
            return OPEN  # somebody took it up just now
        return NEVER

    async def _asked(self, asked: Awaitable[RemoteMade | None]) -> RemoteMade | None:
        """Raises ``Away``, which the database's silence is not."""
        try:
            return await self._ask.question(asked, within_s=LOOK_S)
        except Unavailable as error:
            log.info("calendar_not_asked", kind=self._remote.kind, reason=error.reason)
            raise Away from error

    async def _booking(self, practice: Practice, begun: Mirrored) -> RemoteBooking:
        appointment = await self._appointments.one(practice, begun.id)
        services = {each.id: each for each in await self._practices.services(practice)}
        if appointment is None or begun.service_id not in services:
            raise LookupError("a row without its patient or service")
        return RemoteBooking(
            key=begun.id,
            patient_name=appointment.patient_name,
            phone=appointment.phone,
            service=services[begun.service_id],
            provider=Provider(id=begun.provider_id, name=appointment.provider),
            start=begun.start,
            end=begun.end,
            zone=practice.zone,
        )


def _as_it_stands(entry: Entry, appointment: Appointment) -> Became:
    """Happened, as far as it is by now: what was requested may be booked, or be off again."""
    if entry.result != REQUESTED:
        return Became(state="happened", result=entry.result, appointment=appointment)
    if not stands(appointment.status):
        return Became(state="never", appointment=appointment)
    result = appointment.status
    if result == "booked" and entry.tool == MOVES:
        result = "moved"
    return Became(state="happened", result=result, appointment=appointment)
