"""Which body does which tool.

Leaves running them to ``run``, and what they need to ``resources``.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from tools.arguments import FreeHolds, NoteTold, Summarise
from tools.booking import book_appointment
from tools.changes import cancel_appointment, reschedule_appointment
from tools.errand import Errand
from tools.info import practice_info
from tools.insurance import check_insurance
from tools.insured import book_with_insurance
from tools.ledger import Ledger
from tools.lookup import find_slots, lookup_appointment
from tools.messages import take_message
from tools.notes import update_patient_notes
from tools.office import Office, the_facts
from tools.practices import Practice
from tools.summary import Summary, summarise
from tools.told import Freed, ToldNoted, free_holds, note_told
from worker.resources import Resources

Body = Callable[[Any, Resources, Errand], Awaitable[msgspec.Struct]]
InOffice = Callable[[Any, Office, Errand], Awaitable[msgspec.Struct]]
Written = Callable[[Any, Practice, Ledger, Errand], Awaitable[msgspec.Struct]]


def _in_office(body: InOffice) -> Body:
    """A body that needs a practice, its calendar, and who is known there."""

    async def run(asked: Any, resources: Resources, errand: Errand) -> msgspec.Struct:
        facts = await the_facts(resources.calendar.practices, errand.practice)
        schedule = resources.schedules.of(facts.practice)
        office = Office(facts=facts, schedule=schedule, patients=resources.patients)
        return await body(asked, office, errand)

    return run


def _written(body: Written) -> Body:
    """A body that writes a row of its own in the ledger's transaction."""

    async def run(asked: Any, resources: Resources, errand: Errand) -> msgspec.Struct:
        facts = await the_facts(resources.calendar.practices, errand.practice)
        return await body(asked, facts.practice, resources.ledger, errand)

    return run


async def _note_told(asked: NoteTold, resources: Resources, errand: Errand) -> ToldNoted:
    return await note_told(asked, resources.ledger, errand)


async def _free_holds(asked: FreeHolds, resources: Resources, errand: Errand) -> Freed:
    return await free_holds(asked, resources.holds, errand)


async def _summarise(asked: Summarise, resources: Resources, errand: Errand) -> Summary:
    return await summarise(asked, resources.endpoint, errand)


BODIES: Final[Mapping[str, Body]] = {
    "find_slots": _in_office(find_slots),
    "book_appointment": _in_office(book_appointment),
    "book_with_insurance": _in_office(book_with_insurance),
    "lookup_appointment": _in_office(lookup_appointment),
    "reschedule_appointment": _in_office(reschedule_appointment),
    "cancel_appointment": _in_office(cancel_appointment),
    "check_insurance": _in_office(check_insurance),
    "update_patient_notes": _written(update_patient_notes),
    "take_message": _written(take_message),
    "practice_info": _in_office(practice_info),
    "note_told": _note_told,
    "free_holds": _free_holds,
    "summarise": _summarise,
}
"""Tool → what does it."""
