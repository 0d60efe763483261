"""The tool that takes a message: a row for the people here to read, in the ledger's transaction."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from tools import figures, tables
from tools.arguments import TakeMessage
from tools.database import insert_new
from tools.errand import Errand
from tools.ledger import Ledger
from tools.office import as_phone
from tools.practices import Practice


class Taken(msgspec.Struct, frozen=True, kw_only=True, tag="taken", tag_field="result"):
    """It will be read."""

    say: str


async def take_message(
    asked: TakeMessage, practice: Practice, ledger: Ledger, errand: Errand
) -> Taken:
    """Take it, or say that it was taken before.

    Raises:
        BadArguments: the number is none.
        LeaseLost: another worker may have the job by now; nothing was written.
    """
    phone = as_phone(asked.phone) if asked.phone else ""
    async with ledger.claimed(errand.entry_id) as claim:
        if not claim.entry.has_happened:
            errand.must_still_be_mine()
            id = uuid4().hex
            await claim.done("taken", id)
            await insert_new(
                claim.connection,
                tables.messages,
                id=id,
                practice_id=practice.id,
                key=f"message:{errand.entry_id}",
                kind="message",
                call_sid=errand.call_sid,
                name=asked.caller_name or "",
                phone=phone,
                text=asked.message,
                urgent=asked.urgent,
                created_utc=datetime.now(UTC),
                handled_utc=None,
            )
    return Taken(say=_said(phone, urgent=asked.urgent))


def _said(phone: str, *, urgent: bool) -> str:
    taken = (
        "I've taken your message and marked it urgent." if urgent else "I've taken your message."
    )
    if not phone:
        return f"{taken} Someone here will read it."
    return f"{taken} Someone here will call you back at {figures.phone_number(phone)}."
