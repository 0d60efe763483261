"""A practice's calendar that is kept elsewhere, as a ``Schedule``.

Free is what is within the practice's hours, not taken or held by our own callers (the mirror), and
not busy there. An effect goes through three steps, each of which may be the last:

1. a short transaction: the row of the ledger is ``claimed``, and a ``pending`` row of the mirror
   takes the time, so that of our own callers nobody else is offered it;
2. the other calendar is asked (``asking``), with the pending row's id as key;
3. a short transaction under the ledger's row: the mirror says what stands there, the ledger
   ``done``, the confirmation waits to be sent. Nothing is written for who comes late: if the
   effect was given up or ended by another meanwhile, what was made twice is taken back there.

If nobody knows what became of step 2, ``Unsure`` is raised, and the time stays taken until the
settler has found out by ``what_became_of`` (see ``became.Settles``), or the same effect is asked
for again. ``Unavailable`` is raised only when nothing was done and nothing is left of the try.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools.appointments import Appointments
from tools.calendars.asking import LANDS_WITHIN, USUAL, Asking, Limits, stands
from tools.calendars.became import Became
from tools.calendars.endings import Endings
from tools.calendars.fitting import fitting, window
from tools.calendars.mirror import CANCELLED, REFUSED, Mirror, Mirrored
from tools.calendars.remote import Gone, Remote, RemoteMade
from tools.calendars.settling import Settling
from tools.calendars.trying import Trying
from tools.database import reading
from tools.entries import Entry
from tools.errors import Unavailable
from tools.freetimes import FreeTimes
from tools.holds import Holds
from tools.ledger import Ledger
from tools.openings import Span
from tools.practices import Practice, Practices, Provider, Service
from tools.schedule import Appointment, Change, Made, NotFound, Slot, Taken, Wanted


class Outside:
    """One practice's calendar elsewhere; a ``Schedule`` and a ``became.Settles``."""

    def __init__(
        self,
        engine: AsyncEngine,
        remote: Remote,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        limits: Limits = USUAL,
    ) -> None:
        self.grade = remote.grade
        self._remote = remote
        self._now = now
        self._ask = Asking(remote, limits)
        self._holds = Holds(engine, now=now)
        self._ledger = Ledger(engine, now=now)
        self._mirror = Mirror(engine, now=now)
        self._appointments = Appointments(engine, now=now)
        self._practices = Practices(reading(engine))
        self._times = FreeTimes(self._practices, self._holds, now=now)
        self._endings = Endings(engine, self._ask, now=now)
        self._tries = Trying(engine, remote, self._ask, self._endings, now=now)
        self._settling = Settling(engine, remote, self._ask, self._endings, now=now)

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
        """Every start that is free here and there, in order of time."""
        slots = await self._times.free(
            practice,
            service.lasts,
            providers,
            first_day,
            last_day,
            call_sid=call_sid,
            though_held=though_held,
        )
        return await self._free_there(service, service.lasts, slots)

    async def hold(
        self, practice: Practice, service: Service, slots: Sequence[Slot], *, call_sid: str
    ) -> list[Slot]:
        """Hold these times for a call: against our own callers, for nobody there is told."""
        return await self._holds.hold(practice, service, slots, call_sid=call_sid)

    async def book(
        self, practice: Practice, wanted: Wanted, *, may_write: Callable[[], None]
    ) -> Made | Taken:
        """Make the booking, or find that it was made."""
        if first := await self._appointments.made_of(practice, wanted):
            return await self._already(practice, wanted.entry_id, first)
        effect = await self._tries.claim(practice, wanted.entry_id, may_write)
        entry = effect.entry
        if entry.has_happened:
            return await self._made(practice, entry.made_id)

        async def begin(connection: AsyncConnection, provider: Provider) -> Mirrored:
            return await self._mirror.begin_booking(
                connection, practice, wanted, provider, key=entry.key
            )

        def candidates() -> Awaitable[list[Provider]]:
            return self._who_is_free(
                practice,
                wanted.service,
                wanted.start,
                wanted.service.lasts,
                wanted.providers,
                wanted.call_sid,
            )

        async with self._tries.ending(effect):
            begun, became = await self._tries.carry_out(
                effect, wanted.service, candidates, begin, wanted.patient_name, wanted.phone
            )
            if begun is not None and isinstance(became, RemoteMade):
                return await self._endings.booked(practice, entry.id, begun, became)
            await self._tries.let_go(effect)
            return Taken()

    async def move(
        self, practice: Practice, change: Change, *, may_write: Callable[[], None]
    ) -> Made | Taken | NotFound:
        """Move an appointment, or find that it was moved; the old time stays until then."""
        if change.start is None:
            raise ValueError("move it to when?")
        start = change.start
        appointment = await self._changeable(practice, change)
        if appointment is None:
            return NotFound()
        effect = await self._tries.claim(practice, change.entry_id, may_write)
        entry = effect.entry
        if entry.has_happened:
            return await self._made(practice, entry.made_id)
        async with self._tries.ending(effect):
            standing = await self._mirror.row(practice, appointment.id)
            if standing is None or not stands(standing.status) or standing.end <= self._now():
                await self._tries.let_go(effect)
                return NotFound()
            own = Provider(id=standing.provider_id, name=appointment.provider)
            providers = change.providers or (own,)
            if standing.start == start and own.id in {each.id for each in providers}:
                return await self._already(practice, entry.id, appointment, result="moved")
            if not standing.external_ref:
                raise self._away("an appointment that was never there")
            effect.standing = standing
            service = await self._service(practice, standing.service_id)

            async def begin(connection: AsyncConnection, provider: Provider) -> Mirrored:
                return await self._mirror.begin_move(
                    connection,
                    practice,
                    standing,
                    to=start,
                    provider=provider,
                    key=entry.key,
                    call_sid=change.call_sid,
                )

            def candidates() -> Awaitable[list[Provider]]:
                return self._who_is_free(
                    practice,
                    service,
                    start,
                    standing.end - standing.start,
                    providers,
                    change.call_sid,
                    besides=standing,
                )

            begun, became = await self._tries.carry_out(
                effect, service, candidates, begin, appointment.patient_name, change.phone
            )
            if begun is not None and isinstance(became, RemoteMade):
                return await self._endings.moved(practice, entry.id, standing, begun, became)
            if isinstance(became, Gone):
                await self._endings.gone(practice, standing)
            await self._tries.let_go(effect)
            return NotFound() if isinstance(became, Gone) else Taken()

    async def cancel(
        self, practice: Practice, change: Change, *, may_write: Callable[[], None]
    ) -> Made | NotFound:
        """Cancel an appointment, or find that it was cancelled."""
        appointment = await self._changeable(practice, change)
        if appointment is None:
            return NotFound()
        effect = await self._tries.claim(practice, change.entry_id, may_write)
        entry = effect.entry
        if entry.has_happened:
            return await self._made(practice, entry.made_id)
        async with self._tries.ending(effect):
            standing = await self._mirror.row(practice, appointment.id)
            if standing is not None and standing.status == CANCELLED:
                return await self._already(practice, entry.id, appointment, result="cancelled")
            if standing is None or not stands(standing.status) or standing.end <= self._now():
                await self._tries.let_go(effect)
                return NotFound()
            may_write()
            effect.in_doubt = True
            try:
                if standing.external_ref:
                    await self._ask.cancel(standing.external_ref, until=effect.until)
            except Unavailable:
                effect.in_doubt = effect.resumed
                raise
            return await self._endings.cancelled(practice, entry.id, standing)

    async def coming(
        self, practice: Practice, phone: str, name: str | None = None
    ) -> list[Appointment]:
        """The coming appointments of a phone number, as they stand there now."""
        await self._follow(practice, phone)
        return await self._appointments.coming(practice, phone, name)

    async def appointment(self, practice: Practice, appointment_id: str) -> Appointment | None:
        """One appointment, whatever its status, as it was seen last."""
        return await self._appointments.one(practice, appointment_id)

    async def what_became_of(self, practice: Practice, entry: Entry) -> Became:
        """See ``became.Settles``."""
        return await self._settling.what_became_of(practice, entry)

    async def _already(
        self,
        practice: Practice,
        entry_id: str,
        appointment: Appointment,
        *,
        result: Literal["booked", "moved", "cancelled"] = "booked",
    ) -> Made:
        """It is so already: the ledger is to say so too."""
        is_requested = appointment.status == "requested" and result != "cancelled"
        async with self._ledger.claimed(entry_id) as claim:
            if not claim.entry.has_happened:
                await claim.done("requested" if is_requested else result, appointment.id)
        return await self._made(practice, appointment.id)

    async def _made(self, practice: Practice, appointment_id: str) -> Made:
        made = await self._appointments.one(practice, appointment_id)
        if made is None:
            raise LookupError("an appointment that was never made")
        return Made(appointment=made)

    async def _changeable(self, practice: Practice, change: Change) -> Appointment | None:
        appointment = await self._appointments.one(practice, change.appointment_id)
        if appointment is None or appointment.phone != change.phone:
            return None
        return appointment

    async def _service(self, practice: Practice, service_id: str) -> Service:
        for service in await self._practices.services(practice):
            if service.id == service_id:
                return service
        raise LookupError("an appointment for no service of ours")

    async def _free_there(
        self,
        service: Service,
        lasts: timedelta,
        slots: Sequence[Slot],
        *,
        besides: Span | None = None,
    ) -> list[Slot]:
        if not slots:
            return []
        span = window(slots, lasts)
        providers = list({slot.provider.id: slot.provider for slot in slots}.values())
        times = await self._ask.question(
            self._remote.times(service, providers, start=span.start, end=span.end)
        )
        return fitting(slots, lasts, times, besides=besides)

    async def _who_is_free(
        self,
        practice: Practice,
        service: Service,
        start: datetime,
        lasts: timedelta,
        providers: Sequence[Provider],
        call_sid: str,
        *,
        besides: Mirrored | None = None,
    ) -> list[Provider]:
        """Who could be come to at that instant, here and there, in their order."""
        here = await self._times.who_is_free(
            practice, start, lasts, providers, call_sid, but_for=besides.id if besides else ""
        )
        slots = [Slot(start=start, provider=provider) for provider in here]
        old = Span(start=besides.start, end=besides.end) if besides else None
        return [
            slot.provider for slot in await self._free_there(service, lasts, slots, besides=old)
        ]

    async def _follow(self, practice: Practice, phone: str) -> None:
        """What people there changed or made since: so it stands here."""
        rows = await self._mirror.coming(practice, phone)
        if rows is None:
            return
        known = {row.external_ref: row for row in rows if row.external_ref}
        there = await self._ask.question(
            self._remote.find(phone, known=list(known), since=self._now())
        )
        stands_at = {made.external_ref: made for made in there}
        for ref, row in known.items():
            made = stands_at.get(ref)
            if made is not None and stands(made.status):
                await self._endings.followed(practice, row, made)
            elif made is not None:
                status = REFUSED if made.status == "refused" else CANCELLED
                await self._endings.gone(practice, row, status)
            elif self._now() >= row.asked_utc + LANDS_WITHIN:
                await self._endings.gone(practice, row)
        for made in there:
            if made.external_ref not in known and await self._is_ours_to_tell(practice, made):
                await self._endings.adopted(practice, phone, made)

    async def _is_ours_to_tell(self, practice: Practice, made: RemoteMade) -> bool:
        """Whether what others made says all that is told: whose, what for, with whom."""
        if not (stands(made.status) and made.patient_name and made.start < made.end):
            return False
        for service in await self._practices.services(practice):
            if service.id == made.service_id:
                providers = await self._practices.providers(practice, service)
                return made.provider_id in {each.id for each in providers}
        return False

    def _away(self, why: str) -> Unavailable:
        return Unavailable(
            "The calendar cannot be reached just now.", reason=f"{self._remote.kind}: {why}"
        )
