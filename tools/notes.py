"""The tool that adds a note to what is known of somebody, in the ledger's transaction."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from tools import tables
from tools.arguments import UpdatePatientNotes
from tools.database import insert_new
from tools.errand import Errand
from tools.ledger import Ledger
from tools.office import as_phone
from tools.patients import find_patient
from tools.practices import Practice


class Noted(msgspec.Struct, frozen=True, kw_only=True, tag="noted", tag_field="result"):
    """It stands with what was noted before."""

    say: str


class Nobody(msgspec.Struct, frozen=True, kw_only=True, tag="nobody", tag_field="result"):
    """Nobody is known by that number and name; nothing was noted.

    Who else goes by the number is not told: it may be another's telephone.
    """

    say: str


async def update_patient_notes(
    asked: UpdatePatientNotes, practice: Practice, ledger: Ledger, errand: Errand
) -> Noted | Nobody:
    """Note it, or say that it was noted before.

    Raises:
        BadArguments: the number is none.
        LeaseLost: another worker may have the job by now; nothing was written.
    """
    phone = as_phone(asked.phone)
    async with ledger.claimed(errand.entry_id) as claim:
        patient = await find_patient(claim.connection, practice, phone, asked.patient_name)
        if patient is None:
            return Nobody(
                say="I find nobody by that name under that number. I can take a message instead."
            )
        if not claim.entry.has_happened:
            errand.must_still_be_mine()
            id = uuid4().hex
            await claim.done("noted", id)
            await insert_new(
                claim.connection,
                tables.patient_notes,
                id=id,
                practice_id=practice.id,
                patient_id=patient.id,
                key=f"note:{errand.entry_id}",
                call_sid=errand.call_sid,
                text=asked.note,
                created_utc=datetime.now(UTC),
            )
    return Noted(say=f"I've noted that for {patient.name}.")
