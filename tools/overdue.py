"""A message or a note whose job was lost: taken by the settler, because it is wanted at any time.

Under the same row of the ledger as the job's own, so that it is written once, whoever is first.
"""

import msgspec
import structlog

from tools.arguments import TakeMessage, UpdatePatientNotes
from tools.catalog import Tool, decode_arguments, has_happened
from tools.entries import Entry
from tools.errand import Errand
from tools.errors import BadArguments, Withdrawn
from tools.ledger import Ledger
from tools.messages import take_message
from tools.notes import update_patient_notes
from tools.practices import Practice

log = structlog.get_logger()


async def take(practice: Practice, tool: Tool, ledger: Ledger, entry: Entry) -> str | None:
    """What the tool answers now that it is done; None where it cannot be done.

    Raises:
        Unavailable, Unsure: the database cannot be reached, or did not answer to the end.
    """
    errand = Errand(practice=practice.id, call_sid=entry.call_sid, entry_id=entry.id)
    try:
        match decode_arguments(tool, entry.arguments):
            case TakeMessage() as asked:
                answer: msgspec.Struct = await take_message(asked, practice, ledger, errand)
            case UpdatePatientNotes() as asked:
                answer = await update_patient_notes(asked, practice, ledger, errand)
            case _:
                raise BadArguments("", reason="no message and no note")
    except (BadArguments, Withdrawn) as error:
        log.warning("word_not_taken", entry_id=entry.id, code=error.code)
        return None
    content = msgspec.json.encode(answer).decode()
    return content if has_happened(tool, content) else None
