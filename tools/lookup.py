"""The tools that only read: free times, and the appointments of a patient.

Results are written to be spoken (``say``), with the same facts for the machine beside it.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from tools import names, offers, phone, spoken
from tools.arguments import FindSlots, LookupAppointment
from tools.calendar import Calendar
from tools.errand import Errand
from tools.errors import BadArguments, ToolError
from tools.practices import Practice, Provider, Service, folded
from tools.schedule import Appointment, Slot

DAYS_AT_ONCE: Final = 14
"""A fortnight nearly always holds three offers, and is one short query."""


class Offers(msgspec.Struct, frozen=True, kw_only=True, tag="offers", tag_field="result"):
    """Times the caller may choose from."""

    say: str
    offers: tuple[offers.Offer, ...]
    """Three at most, the soonest first."""


class NothingFree(msgspec.Struct, frozen=True, kw_only=True, tag="none_free", tag_field="result"):
    """No free time as far ahead as bookings are taken."""

    say: str


class Unclear(msgspec.Struct, frozen=True, kw_only=True, tag="unclear", tag_field="result"):
    """The practice knows no service or provider by these words; the caller must choose."""

    say: str
    choices: tuple[str, ...]


class Found(msgspec.Struct, frozen=True, kw_only=True, tag="found", tag_field="result"):
    """The coming appointments of a phone number; possibly none."""

    say: str
    appointments: tuple["Coming", ...]


class Coming(msgspec.Struct, frozen=True, kw_only=True):
    """One coming appointment."""

    appointment_id: str
    start: str
    """ISO 8601 on the practice's clock with its offset."""
    service: str
    provider: str
    patient_name: str
    say: str


async def find_slots(
    asked: FindSlots, calendar: Calendar, errand: Errand
) -> Offers | NothingFree | Unclear:
    """At most three times for a service; the next ones after it when the days asked for are full.

    Raises:
        BadArguments: the days are no days, or past.
    """
    practice = await the_practice(calendar, errand)
    today = calendar.now(practice).date()
    first_day, last_day = _window(asked, today)
    chosen = await choose_service(calendar, practice, asked.service, asked.provider)
    if isinstance(chosen, Unclear):
        return chosen
    service, providers = chosen
    horizon = today + timedelta(days=practice.horizon_days)
    slots = await _search(
        calendar, practice, service, providers, first_day, min(last_day or horizon, horizon), asked
    )
    if slots:
        return _offers(f"I have {offers.said(slots, today)}. Which suits you?", slots, today)
    later = last_day and await _search(
        calendar, practice, service, providers, last_day + timedelta(days=1), horizon, asked
    )
    if later:
        missed = "that day" if first_day == last_day else "those days"
        say = f"There is nothing free {missed}. The next I have is {offers.said(later, today)}."
        return _offers(f"{say} Would that suit you?", later, today)
    return NothingFree(
        say=f"I'm sorry, I see no free time for {spoken.a(service.name)} at the moment."
    )


async def lookup_appointment(asked: LookupAppointment, calendar: Calendar, errand: Errand) -> Found:
    """The coming appointments of a phone number, three at most.

    Raises:
        BadArguments: it is no phone number.
    """
    practice = await the_practice(calendar, errand)
    found = await calendar.coming(practice, as_phone(asked.phone), asked.patient_name)
    today = calendar.now(practice).date()
    coming = tuple(_coming(appointment, today) for appointment in found[: offers.MOST])
    if not coming:
        return Found(say="I find no coming appointment under that number.", appointments=())
    return Found(say=" ".join(f"{each.say}." for each in coming), appointments=coming)


async def the_practice(calendar: Calendar, errand: Errand) -> Practice:
    """The practice of the errand.

    Raises:
        ToolError: nobody entered it: our mistake, which no retry mends.
    """
    practice = await calendar.practices.practice(errand.practice)
    if practice is None:
        raise ToolError("I can't reach our calendar just now.", reason="practice not in database")
    return practice


async def choose_service(
    calendar: Calendar, practice: Practice, words: str, provider: str | None
) -> tuple[Service, tuple[Provider, ...]] | Unclear:
    """The service by what it was called, and who does it, or what there is to choose from."""
    services = await calendar.practices.services(practice)
    meant = names.meant(words, services)
    if len(meant) != 1:
        offered = tuple(service.name for service in services)
        say = f"We offer {spoken.all_of(offered)}. Which of them would you like?"
        return Unclear(say=say, choices=offered)
    providers = tuple(await calendar.practices.providers(practice, meant[0]))
    if provider is None:
        return meant[0], providers
    asked = tuple(each for each in providers if _is_named(each, provider))
    if asked:
        return meant[0], asked
    people = tuple(each.name for each in providers)
    who = spoken.all_of(people)
    say = f"For {spoken.a(meant[0].name)} there is {who}. Who would you like to see?"
    return Unclear(say=say, choices=people)


def as_phone(text: str) -> str:
    """The number as E.164.

    Raises:
        BadArguments: it is none.
    """
    try:
        return phone.normalise(text)
    except ValueError:
        raise BadArguments(
            "phone is no phone number. Ask the caller to say it again, digit by digit."
        ) from None


def _is_named(provider: Provider, words: str) -> bool:
    """By the last name, whatever title stands before it."""
    return folded(words).split()[-1:] == folded(provider.name).split()[-1:]


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


def as_day(field: str, text: str | None) -> date | None:
    """A day of the calendar.

    Raises:
        BadArguments: there is none like it.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadArguments(f"{field} is no day of the calendar. Send it as YYYY-MM-DD.") from None


async def _search(
    calendar: Calendar,
    practice: Practice,
    service: Service,
    providers: Sequence[Provider],
    first_day: date,
    last_day: date,
    asked: FindSlots,
) -> list[Slot]:
    """A few slots of those days, a fortnight at a time until there are some."""
    while first_day <= last_day:
        until = min(first_day + timedelta(days=DAYS_AT_ONCE - 1), last_day)
        slots = await calendar.free(
            practice, service, providers, first_day=first_day, last_day=until
        )
        if chosen := offers.choose(slot for slot in slots if _suits(slot, asked)):
            return chosen
        first_day = until + timedelta(days=1)
    return []


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


def _coming(appointment: Appointment, today: date) -> Coming:
    return Coming(
        appointment_id=appointment.id,
        start=appointment.start.isoformat(timespec="minutes"),
        service=appointment.service,
        provider=appointment.provider,
        patient_name=appointment.patient_name,
        say=f"{appointment.patient_name} has {spoken.a(appointment.service)} "
        f"{spoken.on_moment(appointment.start, today)} with {appointment.provider}",
    )
