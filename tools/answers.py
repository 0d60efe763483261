"""What is answered about an appointment: the words, and the same facts for the machine beside them.

Whoever learns that it was made answers with the same words: the body that made it, the one that
found it made, and the settler that looked it up later. Asked twice it reads as asked once.
"""

from collections.abc import Sequence
from datetime import UTC, date, timedelta
from typing import Any, Final

import msgspec

from tools import offers, spoken
from tools.schedule import Appointment, Slot

REQUESTED: Final = "requested"
"""Status of an appointment that an outside calendar took and has not confirmed."""
_CONFIRMED_LATER: Final = "We'll confirm it by text message or by phone."


class _Standing(msgspec.Struct, frozen=True, kw_only=True):
    say: str
    appointment_id: str
    start: str
    """ISO 8601 on the practice's clock with its offset."""
    minutes: int
    service: str
    provider: str
    patient_name: str


class Booked(_Standing, frozen=True, kw_only=True, tag="booked", tag_field="result"):
    """The appointment stands."""


class Requested(_Standing, frozen=True, kw_only=True, tag="requested", tag_field="result"):
    """The calendar has it, and somebody there must still agree."""


class Moved(_Standing, frozen=True, kw_only=True, tag="moved", tag_field="result"):
    """The appointment stands at its new time and no more at the old one."""


class Cancelled(msgspec.Struct, frozen=True, kw_only=True, tag="cancelled", tag_field="result"):
    """The appointment does not stand any more."""

    say: str
    appointment_id: str
    start: str
    """When it would have been."""
    service: str
    patient_name: str


class SlotTaken(msgspec.Struct, frozen=True, kw_only=True, tag="slot_taken", tag_field="result"):
    """The time is not free; nothing was changed."""

    say: str
    offers: tuple[offers.Offer, ...]
    """Three at most, the nearest to what was asked for."""


class Coming(msgspec.Struct, frozen=True, kw_only=True):
    """One coming appointment."""

    appointment_id: str
    start: str
    """ISO 8601 on the practice's clock with its offset."""
    service: str
    provider: str
    patient_name: str
    say: str


class NotFound(msgspec.Struct, frozen=True, kw_only=True, tag="not_found", tag_field="result"):
    """There is no such coming appointment; nothing was changed."""

    say: str
    appointments: tuple[Coming, ...]
    """Those there are under the number, three at most."""


Made = Booked | Requested | Moved | Cancelled


def booked(made: Appointment, today: date) -> Booked | Requested:
    """A booking, asked for or found."""
    what = f"{spoken.a(made.service)} {_when_and_who(made, today)}"
    if made.status == REQUESTED:
        say = f"I've asked for {what} for {made.patient_name}. {_CONFIRMED_LATER}"
        return Requested(say=say, **_facts(made))
    return Booked(say=f"{made.patient_name} is booked for {what}.", **_facts(made))


def moved(made: Appointment, today: date) -> Moved | Requested:
    """An appointment at its new time."""
    whose = f"{spoken.a(made.service)} for {made.patient_name}"
    when = f"{spoken.moment(made.start, today)} with {made.provider}"
    if made.status == REQUESTED:
        say = f"I've asked to move {whose} to {when}. {_CONFIRMED_LATER}"
        return Requested(say=say, **_facts(made))
    return Moved(say=f"The appointment for {made.patient_name} is moved to {when}.", **_facts(made))


def cancelled(made: Appointment, today: date) -> Cancelled:
    """An appointment that is no more."""
    when = spoken.on_moment(made.start, today)
    return Cancelled(
        say=f"The appointment for {made.patient_name} {when} is cancelled.",
        appointment_id=made.id,
        start=made.start.isoformat(timespec="minutes"),
        service=made.service,
        patient_name=made.patient_name,
    )


def taken(others: Sequence[Slot], today: date, *, unchanged: bool = False) -> SlotTaken:
    """Other times in place of one that is gone; ``unchanged`` where an appointment still stands."""
    still = " The appointment is unchanged." if unchanged else ""
    if not others:
        say = f"That time is not free, and I see no other soon.{still}"
        return SlotTaken(say=f"{say} Shall I look at another week?", offers=())
    return SlotTaken(
        say=f"That time is not free any more.{still} I could offer {offers.said(others, today)}.",
        offers=tuple(offers.offer(slot, today) for slot in others),
    )


def not_found(others: Sequence[Appointment], today: date) -> NotFound:
    """What there is under the number in place of what was asked for."""
    there = tuple(coming(each, today) for each in others[: offers.MOST])
    if not there:
        return NotFound(say="I find no coming appointment under that number.", appointments=())
    said = " ".join(f"{each.say}." for each in there)
    return NotFound(say=f"I don't find that appointment. {said}", appointments=there)


def coming(appointment: Appointment, today: date) -> Coming:
    """A coming appointment as it is told."""
    return Coming(
        appointment_id=appointment.id,
        start=appointment.start.isoformat(timespec="minutes"),
        service=appointment.service,
        provider=appointment.provider,
        patient_name=appointment.patient_name,
        say=f"{appointment.patient_name} {_has(appointment)} {spoken.a(appointment.service)} "
        f"{_when_and_who(appointment, today)}",
    )


def of_effect(tool: str, made: Appointment, today: date) -> Made:
    """What the tool with this effect answers once its appointment is known, without running it.

    Raises:
        ValueError: no tool that makes or changes appointments.
    """
    match tool:
        case "book_appointment" | "book_with_insurance":
            return booked(made, today)
        case "reschedule_appointment":
            return moved(made, today)
        case "cancel_appointment":
            return cancelled(made, today)
    raise ValueError(f"{tool} makes no appointment")


def _has(appointment: Appointment) -> str:
    return "has asked for" if appointment.status == REQUESTED else "has"


def _when_and_who(made: Appointment, today: date) -> str:
    return f"{spoken.on_moment(made.start, today)} with {made.provider}"


def _facts(made: Appointment) -> dict[str, Any]:
    return {
        "appointment_id": made.id,
        "start": made.start.isoformat(timespec="minutes"),
        "minutes": int(
            (made.end.astimezone(UTC) - made.start.astimezone(UTC)) / timedelta(minutes=1)
        ),
        "service": made.service,
        "provider": made.provider,
        "patient_name": made.patient_name,
    }
