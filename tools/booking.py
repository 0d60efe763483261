"""The tool that books. A time that is gone is an answer with other times, not an error.

Leaves "at most once" to the calendar and the ledger.
"""

from tools import answers, offering
from tools.answers import Booked, Requested, SlotTaken
from tools.arguments import BookAppointment
from tools.errand import Errand
from tools.office import Office, Unclear, as_phone, as_start, choose_service, must_be_to_come
from tools.schedule import Made, Wanted


async def book_appointment(
    asked: BookAppointment, office: Office, errand: Errand
) -> Booked | Requested | SlotTaken | Unclear:
    """Book, or say that it was booked before, or offer other times.

    Raises:
        BadArguments: the start is no instant or past, or the number is none.
        LeaseLost: another worker may have the job by now; nothing was written.
    """
    chosen = choose_service(office.facts, asked.service, asked.provider)
    if isinstance(chosen, Unclear):
        return chosen
    service, providers = chosen
    start = as_start("start", asked.start, office.practice)
    wanted = Wanted(
        service=service,
        start=start,
        patient_name=asked.patient_name,
        phone=as_phone(asked.phone),
        providers=providers,
        entry_id=errand.entry_id,
        key=errand.idempotency_key,
        call_sid=errand.call_sid,
    )
    became = await office.schedule.book(
        office.practice, wanted, may_write=errand.must_still_be_mine
    )
    if isinstance(became, Made):
        return answers.booked(became.appointment, office.today())
    must_be_to_come("start", start, office.now())
    others = await offering.instead(office, service, providers, start, errand)
    return answers.taken(others, office.today())
