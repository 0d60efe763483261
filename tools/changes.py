"""The tools that change what was booked: move it, cancel it.

Both find it by its id and the number it was made with; leaves "at most once" to the calendar and
the ledger.
"""

from tools import answers, offering
from tools.answers import Cancelled, Moved, NotFound, Requested, SlotTaken
from tools.arguments import CancelAppointment, RescheduleAppointment
from tools.errand import Errand
from tools.errors import ToolError
from tools.office import Office, Unclear, as_phone, as_start, choose_providers, must_be_to_come
from tools.practices import Provider, Service
from tools.schedule import Appointment, Change, Made, Taken


async def reschedule_appointment(
    asked: RescheduleAppointment, office: Office, errand: Errand
) -> Moved | Requested | SlotTaken | NotFound | Unclear:
    """Move it, or say that it was moved before, or offer other times.

    Raises:
        BadArguments: the new start is no instant or past, or the number is none.
        LeaseLost: another worker may have the job by now; nothing was written.
    """
    phone = as_phone(asked.phone)
    start = as_start("new_start", asked.new_start, office.practice)
    appointment = await office.schedule.appointment(office.practice, asked.appointment_id)
    if appointment is None or appointment.phone != phone:
        return await _not_found(office, phone)
    service = _service_of(office, appointment)
    providers = choose_providers(office.facts, service, asked.provider)
    if isinstance(providers, Unclear):
        return providers
    providers = _the_same_first(providers, appointment)
    change = Change(
        appointment_id=appointment.id,
        phone=phone,
        start=start,
        providers=providers,
        entry_id=errand.entry_id,
        key=errand.idempotency_key,
        call_sid=errand.call_sid,
    )
    became = await office.schedule.move(
        office.practice, change, may_write=errand.must_still_be_mine
    )
    match became:
        case Made(appointment=made):
            return answers.moved(made, office.today())
        case Taken():
            must_be_to_come("new_start", start, office.now())
            others = await offering.instead(office, service, providers, start, errand)
            return answers.taken(others, office.today(), unchanged=True)
    return await _not_found(office, phone)


async def cancel_appointment(
    asked: CancelAppointment, office: Office, errand: Errand
) -> Cancelled | NotFound:
    """Cancel it, or say that it was cancelled before.

    Raises:
        BadArguments: the number is none.
        LeaseLost: another worker may have the job by now; nothing was written.
    """
    phone = as_phone(asked.phone)
    change = Change(
        appointment_id=asked.appointment_id,
        phone=phone,
        entry_id=errand.entry_id,
        key=errand.idempotency_key,
        call_sid=errand.call_sid,
    )
    became = await office.schedule.cancel(
        office.practice, change, may_write=errand.must_still_be_mine
    )
    if isinstance(became, Made):
        return answers.cancelled(became.appointment, office.today())
    return await _not_found(office, phone)


async def _not_found(office: Office, phone: str) -> NotFound:
    there = await office.schedule.coming(office.practice, phone)
    return answers.not_found(there, office.today())


def _service_of(office: Office, appointment: Appointment) -> Service:
    """What it is for.

    Raises:
        ToolError: nothing that is offered any more; a person has to see to it.
    """
    for service in office.facts.services:
        if service.id == appointment.service_id:
            return service
    raise ToolError("I can't move that one myself. I can take a message.", reason="service is gone")


def _the_same_first(
    providers: tuple[Provider, ...], appointment: Appointment
) -> tuple[Provider, ...]:
    """Who has it already comes before the others."""
    return tuple(sorted(providers, key=lambda each: each.id != appointment.provider_id))
