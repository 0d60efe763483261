"""The tool that books for somebody whose insurance is to pay: a chain of three steps.

Who it is and whether the insurance is accepted are found out at once; then it is booked as
``booking`` does it, under the same key. An insurance that is not accepted stops it before anything
is booked. One that cannot be checked does not: the time would be gone, an insurance can be asked
tomorrow.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from tools.answers import Booked, Requested, SlotTaken
from tools.arguments import BookAppointment, BookWithInsurance, CheckInsurance
from tools.booking import book_appointment
from tools.chains import Answers, Chain, Report, Step
from tools.errand import Errand
from tools.insurance import Accepted, Judged, NotAccepted, NotListed, check_insurance
from tools.names import folded
from tools.office import Office, Unclear, as_phone, as_start
from tools.patients import Patient

Check = Callable[[CheckInsurance, Office, Errand], Awaitable[Judged]]
"""Who is asked whether an insurance is accepted."""

BOOKING_WEIGHS = 4
"""Against one for what is looked up before it: the booking may wait for other writers."""
_UNCHECKED = "I could not check your insurance just now, so please bring its details along."
_NOTHING_BOOKED = "Nothing is booked yet, and I can book it all the same if you like."
_BOOKED_BEFORE = "What was booked before still stands."


class InsuredBooked(Booked, frozen=True, kw_only=True, tag="booked", tag_field="result"):
    """The appointment stands."""

    insurance: Literal["accepted", "unchecked"]
    known_here: bool | None
    """Whether that person was known before; None: it could not be found out."""


class InsuredRequested(Requested, frozen=True, kw_only=True, tag="requested", tag_field="result"):
    """The calendar has it, and somebody there must still agree."""

    insurance: Literal["accepted", "unchecked"]
    known_here: bool | None


Insured = InsuredBooked | InsuredRequested | SlotTaken | Unclear | NotAccepted | NotListed


async def book_with_insurance(
    asked: BookWithInsurance, office: Office, errand: Errand, *, check: Check = check_insurance
) -> Insured:
    """Book unless the insurance is not accepted; say what of the insurance is known.

    Raises:
        BadArguments: the start is no instant or past, or the number is none.
        LeaseLost: another worker may have the job by now; nothing was written.
    """
    report = await _chain(asked, office, errand, check).run(errand.attempt_s)
    judged = report.answer("insurance")
    if isinstance(judged, NotAccepted | NotListed):
        stands = await _stands_already(asked, office)
        so_far = _BOOKED_BEFORE if stands else _NOTHING_BOOKED
        return msgspec.structs.replace(judged, say=f"{judged.say} {so_far}")
    became: Booked | Requested | SlotTaken | Unclear = report.must("booking")
    if not isinstance(became, Booked | Requested):
        return became  # other times, or other services
    return _told(became, judged, report)


def _chain(asked: BookWithInsurance, office: Office, errand: Errand, check: Check) -> Chain:
    async def patient(_: Answers) -> Patient | None:
        phone = as_phone(asked.phone)
        return await office.patients.known_as(office.practice, phone, asked.patient_name)

    async def insurance(_: Answers) -> Judged:
        return await check(CheckInsurance(insurance=asked.insurance), office, errand)

    async def booking(answers: Answers) -> msgspec.Struct:
        known = answers.get("patient")
        booking = BookAppointment(
            service=asked.service,
            start=asked.start,
            patient_name=_name(asked.patient_name, known),
            phone=asked.phone,
            provider=asked.provider,
        )
        return await book_appointment(booking, office, errand)

    return Chain(
        Step(name="patient", run=patient, critical=False),
        Step(name="insurance", run=insurance, critical=False, stops=_is_no),
        Step(
            name="booking",
            run=booking,
            depends_on=("patient", "insurance"),
            weight=BOOKING_WEIGHS,
        ),
    )


async def _stands_already(asked: BookWithInsurance, office: Office) -> bool:
    """Whether it was booked before, perhaps under another insurance."""
    start = as_start("start", asked.start, office.practice)
    there = await office.schedule.coming(office.practice, as_phone(asked.phone), asked.patient_name)
    return any(each.start == start for each in there)


def _is_no(judged: Any) -> bool:
    return not isinstance(judged, Accepted)


def _name(given: str, known: Patient | None) -> str:
    """As it stands here already, if it is the same name; else as it was given."""
    return known.name if known and folded(known.name) == folded(given) else given


def _told(became: Booked | Requested, judged: Accepted | None, report: Report) -> Insured:
    found_out = report.steps["patient"].state == "answered"
    fields = msgspec.structs.asdict(became) | {
        "say": f"{became.say} {judged.say if judged else _UNCHECKED}",
        "insurance": "accepted" if judged else "unchecked",
        "known_here": report.answer("patient") is not None if found_out else None,
    }
    return (InsuredBooked if isinstance(became, Booked) else InsuredRequested)(**fields)
