"""The tool that books. A time that is gone is an answer with other times, not an error.

Leaves "at most once" to the calendar, which keeps it in the booking's own transaction.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from tools import offers, spoken
from tools.arguments import BookAppointment
from tools.calendar import Calendar
from tools.catalog import CATALOG
from tools.errand import Errand
from tools.errors import BadArguments
from tools.lookup import Unclear, as_phone, choose_service, the_practice
from tools.meaning import effect_key
from tools.practices import Practice, Provider, Service
from tools.schedule import Appointment, Slot, Wanted

LOOK_AHEAD: Final = timedelta(days=13)
"""How far other times are looked for when the one asked for is gone."""


class Booked(msgspec.Struct, frozen=True, kw_only=True, tag="booked", tag_field="result"):
    """The appointment stands."""

    say: str
    appointment_id: str
    start: str
    """ISO 8601 on the practice's clock with its offset."""
    minutes: int
    service: str
    provider: str
    patient_name: str


class SlotTaken(msgspec.Struct, frozen=True, kw_only=True, tag="slot_taken", tag_field="result"):
    """The time is not free; nothing was booked."""

    say: str
    offers: tuple[offers.Offer, ...]
    """Three at most, the nearest to what was asked for."""


async def book_appointment(
    asked: BookAppointment, calendar: Calendar, errand: Errand
) -> Booked | SlotTaken | Unclear:
    """Book, or say that it was booked before, or offer other times.

    Raises:
        BadArguments: the start is no instant or past, or the number is none.
        LeaseLost: another worker may have the job by now; nothing was written.
    """
    practice = await the_practice(calendar, errand)
    chosen = await choose_service(calendar, practice, asked.service, asked.provider)
    if isinstance(chosen, Unclear):
        return chosen
    service, providers = chosen
    start = _instant(asked.start, practice)
    wanted = Wanted(
        service=service,
        start=start,
        patient_name=asked.patient_name,
        phone=as_phone(asked.phone),
        key=errand.idempotency_key
        or effect_key(CATALOG["book_appointment"], errand.practice, asked),
        call_sid=errand.call_sid,
        providers=providers,
    )
    made = await calendar.book(practice, wanted, may_write=errand.must_still_be_mine)
    now = calendar.now(practice)
    if made is not None:
        return _booked(made, now)
    if start <= now:
        raise BadArguments(f"start is past. It is {now:%A}, {now.isoformat(timespec='minutes')}.")
    return await _others(calendar, practice, service, providers, start)


def _instant(text: str, practice: Practice) -> datetime:
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise BadArguments("start is no day of the calendar. Copy it from the offer.") from None
    if start.tzinfo is None:
        start = start.replace(tzinfo=practice.zone)
    return start.astimezone(practice.zone)


def _booked(made: Appointment, now: datetime) -> Booked:
    return Booked(
        say=f"{made.patient_name} is booked for {spoken.a(made.service)} "
        f"{spoken.on_moment(made.start, now.date())} with {made.provider}.",
        appointment_id=made.id,
        start=made.start.isoformat(timespec="minutes"),
        minutes=int((made.end - made.start) / timedelta(minutes=1)),
        service=made.service,
        provider=made.provider,
        patient_name=made.patient_name,
    )


async def _others(
    calendar: Calendar,
    practice: Practice,
    service: Service,
    providers: Sequence[Provider],
    start: datetime,
) -> SlotTaken:
    """Other times: of the same day if it has any, else the soonest after it."""
    day, today = start.date(), calendar.now(practice).date()
    slots = await calendar.free(
        practice, service, providers, first_day=day, last_day=day + LOOK_AHEAD
    )
    same_day = [slot for slot in slots if slot.start.date() == day]
    others: list[Slot] = offers.nearest(same_day, start) if same_day else offers.choose(slots)
    if not others:
        say = "That time is not free, and I see no other soon. Shall I look at another week?"
        return SlotTaken(say=say, offers=())
    return SlotTaken(
        say=f"That time is not free any more. I could offer {offers.said(others, today)}.",
        offers=tuple(offers.offer(slot, today) for slot in others),
    )
