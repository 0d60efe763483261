"""The tools that only read the calendar: free times, and the appointments of a phone number.

Results are written to be spoken (``say``), with the same facts for the machine beside it.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

from tools import answers, offering, offers, spoken
from tools.answers import Coming
from tools.arguments import FindSlots, LookupAppointment
from tools.errand import Errand
from tools.errors import BadArguments
from tools.office import Office, Unclear, as_day, as_phone, choose_service
from tools.schedule import Slot


class Offers(msgspec.Struct, frozen=True, kw_only=True, tag="offers", tag_field="result"):
    """Times the caller may choose from."""

    say: str
    offers: tuple[offers.Offer, ...]
    """Three at most, the soonest first."""


class NothingFree(msgspec.Struct, frozen=True, kw_only=True, tag="none_free", tag_field="result"):
    """No free time as far ahead as bookings are taken."""

    say: str


class Found(msgspec.Struct, frozen=True, kw_only=True, tag="found", tag_field="result"):
    """The coming appointments of a phone number; possibly none."""

    say: str
    appointments: tuple[Coming, ...]


async def find_slots(
    asked: FindSlots, office: Office, errand: Errand
) -> Offers | NothingFree | Unclear:
    """At most three times for a service; the next ones after it when the days asked for are full.

    They are held for the call, so that nobody else is offered them meanwhile.

    Raises:
        BadArguments: the days are no days, or past.
    """
    today = office.today()
    first_day, last_day = _window(asked, today)
    chosen = choose_service(office.facts, asked.service, asked.provider)
    if isinstance(chosen, Unclear):
        return chosen
    service, providers = chosen
    horizon = today + timedelta(days=office.practice.horizon_days)

    async def soonest(first: date, last: date, *, though_held: bool = False) -> list[Slot]:
        return await offering.soonest(
            office,
            service,
            providers,
            first_day=first,
            last_day=last,
            suits=lambda slot: _suits(slot, asked),
            errand=errand,
            though_held=though_held,
        )

    slots = await soonest(first_day, min(last_day or horizon, horizon))
    if slots:
        return _offers(f"I have {offers.said(slots, today)}. Which suits you?", slots, today)
    later = last_day and await soonest(last_day + timedelta(days=1), horizon)
    if later:
        missed = "that day" if first_day == last_day else "those days"
        say = f"There is nothing free {missed}. The next I have is {offers.said(later, today)}."
        return _offers(f"{say} Would that suit you?", later, today)
    if others := await soonest(first_day, horizon, though_held=True):
        say = f"Someone else is just choosing, but I may have {offers.said(others, today)}."
        return _offers(f"{say} Shall I try one of them?", others, today)
    return NothingFree(
        say=f"I'm sorry, I see no free time for {spoken.a(service.name)} at the moment."
    )


async def lookup_appointment(asked: LookupAppointment, office: Office, errand: Errand) -> Found:
    """The coming appointments of a phone number, three at most.

    Raises:
        BadArguments: it is no phone number.
    """
    found = await office.schedule.coming(office.practice, as_phone(asked.phone), asked.patient_name)
    today = office.today()
    there = tuple(answers.coming(each, today) for each in found[: offers.MOST])
    if not there:
        of_whom = " for that name" if asked.patient_name else ""
        say = f"I find no coming appointment{of_whom} under that number."
        return Found(say=say, appointments=())
    return Found(say=" ".join(f"{each.say}." for each in there), appointments=there)


def _window(asked: FindSlots, today: date) -> tuple[date, date | None]:
    """The days to look at; the last is None when the caller named none.

    Raises:
        BadArguments: no such day, past, or the wrong way round.
    """
    first_day = as_day("from_day", asked.from_day) or today
    last_day = as_day("to_day", asked.to_day)
    if last_day is not None and last_day < max(first_day, today):
        raise BadArguments(
            f"to_day lies before from_day or is past. Today is {today:%A}, {today.isoformat()}."
        )
    return max(first_day, today), last_day


def _suits(slot: Slot, asked: FindSlots) -> bool:
    noon = 12
    match asked.part_of_day:
        case "morning":
            return slot.start.hour < noon
        case "afternoon":
            return slot.start.hour >= noon
    return True


def _offers(say: str, slots: Sequence[Slot], today: date) -> Offers:
    return Offers(say=say, offers=tuple(offers.offer(slot, today) for slot in slots))
