"""A tool asked for as a worker is asked: arguments decoded, the effect intended, the body run."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec

from tools.booking import book_appointment
from tools.catalog import CATALOG, decode_arguments
from tools.changes import cancel_appointment, reschedule_appointment
from tools.errand import Errand
from tools.info import practice_info
from tools.insurance import check_insurance
from tools.insured import book_with_insurance
from tools.ledger import Ledger
from tools.lookup import find_slots, lookup_appointment
from tools.meaning import effect_key
from tools.messages import take_message
from tools.notes import update_patient_notes
from tools.office import Office

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
"""A Sunday, ten in the morning at the demo practice."""
ANN = {
    "service": "cleaning",
    "start": "2026-12-01T09:30-05:00",
    "patient_name": "Ann Lee",
    "phone": "555 010 0122",
}

IN_OFFICE: Mapping[str, Callable[..., Awaitable[Any]]] = {
    body.__name__: body
    for body in (
        *(find_slots, lookup_appointment, check_insurance, practice_info),
        *(book_appointment, book_with_insurance, reschedule_appointment, cancel_appointment),
    )
}
WRITTEN: Mapping[str, Callable[..., Awaitable[Any]]] = {
    body.__name__: body for body in (update_patient_notes, take_message)
}
BODIES = IN_OFFICE | WRITTEN


class Desk:
    """One practice's tools on a database of this test's own."""

    def __init__(self, office: Office, ledger: Ledger) -> None:
        self.office = office
        self.ledger = ledger
        self._calls = count()

    async def ask(
        self,
        name: str,
        *,
        call_sid: str = "CA1",
        still_mine: bool = True,
        attempt_s: float = 60.0,
        **arguments: Any,
    ) -> Any:
        """What the tool answers; an answer that changed nothing voids its entry, as in a worker."""
        tool = CATALOG[name]
        text = json.dumps(arguments)
        asked = decode_arguments(tool, text)
        practice = self.office.practice
        errand = Errand(
            practice=practice.id,
            call_sid=call_sid,
            attempt_s=attempt_s,
            still_mine=lambda: still_mine,
        )
        if tool.effect:
            key = effect_key(tool, practice.id, asked, call_sid=call_sid)
            entry = await self.ledger.intend(
                job_id=f"{call_sid}:call_{next(self._calls)}",
                key=key,
                practice=practice.id,
                call_sid=call_sid,
                tool=name,
                arguments=text,
                give_up_s=tool.budget_s,
            )
            errand = msgspec.structs.replace(errand, entry_id=entry.id, idempotency_key=key)
        answer = await self.run(name, asked, errand)
        if tool.effect and _result(answer) not in tool.came_true:
            await self.ledger.void(errand.entry_id, result=_result(answer))
        return answer

    async def run(self, name: str, asked: msgspec.Struct, errand: Errand) -> Any:
        """The body alone."""
        if name in WRITTEN:
            return await WRITTEN[name](asked, self.office.practice, self.ledger, errand)
        return await IN_OFFICE[name](asked, self.office, errand)


def _result(answer: msgspec.Struct) -> str:
    return str(msgspec.to_builtins(answer)["result"])
