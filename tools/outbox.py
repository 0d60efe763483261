"""Text messages on their way out: written with what they tell, sent once each.

Owns the table ``outbox``: what a confirmation says, and that no key is ever written twice. Leaves
sending to ``texts``.
"""

import re
from datetime import date, datetime, time
from typing import Final, Literal
from uuid import uuid4

import msgspec
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tools import tables
from tools.database import insert_new
from tools.practices import Practice
from tools.schedule import Appointment

LONGEST: Final = 320
"""Characters of a text: two parts at most; some lines charge and deliver each by itself."""
LONGEST_NAME: Final = 20
LONGEST_PRACTICE: Final = 60
ABOUT: Final = 32
"""Characters at the front of a key that say what it is about: the id of an appointment, or of a
row of the ledger."""
ENTRY: Final = 16
"""Characters of an entry's id that tell it from the others about the same appointment."""
SAID_WITHOUT_YEAR: Final = 300
"""Days; a date farther off than that is written with its year."""

Result = Literal["booked", "moved", "cancelled", "requested"]

_SAYS: Final = {
    "booked": "your appointment is booked for {when}. To change it, please call us.",
    "moved": "your appointment is moved to {when}. To change it, please call us.",
    "cancelled": "your appointment on {when} is cancelled.",
    "requested": "your appointment on {when} is requested. We will tell you when it is confirmed.",
}


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A text message to be sent once."""

    key: str
    """What it tells, and by which effect it became so:
    ``{appointment_id}:{result}:{start}:{entry_id}``."""
    to: str
    """E.164."""
    body: str
    call_sid: str = ""


def confirmation(
    practice: Practice,
    appointment: Appointment,
    result: Result,
    today: date,
    *,
    entry_id: str = "",
) -> Text | None:
    """What a patient is texted about an appointment; None where the practice sends no texts.

    A text lies open on a telephone that others may read: it holds the practice, a first name, and
    a time; not what the visit is for, nor with whom. ``entry_id`` is the ledger's row for the
    effect: what was moved to and fro comes to the same time twice, and is told twice.
    """
    if not practice.texts_from:
        return None
    start = appointment.start.astimezone(practice.zone)
    says = _SAYS[result].format(when=_moment(start, today))
    name = _first_name(appointment.patient_name)
    words = f"{name}, {says}" if name else f"{says[:1].upper()}{says[1:]}"
    return Text(
        key=f"{appointment.id}:{result}:{start:%Y%m%dT%H%M}:{entry_id[:ENTRY]}".rstrip(":"),
        to=appointment.phone,
        body=f"{_plain(practice.name)[:LONGEST_PRACTICE].rstrip()}: {words}"[:LONGEST],
        call_sid=appointment.call_sid,
    )


async def put(
    connection: AsyncConnection, practice: Practice, text: Text, *, now: datetime
) -> bool:
    """Write a text into the transaction of what it tells; False if its key was written before.

    An earlier text about the same thing that nobody has begun to send is not sent any more: what it
    says is no longer so.
    """
    written = await insert_new(
        connection,
        tables.outbox,
        id=uuid4().hex,
        practice_id=practice.id,
        key=text.key,
        call_sid=text.call_sid,
        from_number=practice.texts_from,
        to_number=text.to,
        body=text.body,
        state="waiting",
        tries=0,
        next_utc=now,
        message_sid="",
        reason="",
        created_utc=now,
        changed_utc=now,
    )
    if not written:
        return False
    of = tables.outbox.c
    await connection.execute(
        update(tables.outbox)
        .where(
            func.substr(of.key, 1, ABOUT) == text.key[:ABOUT],
            of.key != text.key,
            of.state == "waiting",
        )
        .values(state="failed", reason="superseded", next_utc=None, changed_utc=now)
    )
    return True


def _moment(start: datetime, today: date) -> str:
    day = f"{start:%A}, {start:%B} {start.day}"
    if abs((start.date() - today).days) >= SAID_WITHOUT_YEAR:
        day = f"{day}, {start.year}"
    return f"{day} at {_clock(start.time())}"


def _clock(value: time) -> str:
    half = "AM" if value.hour < 12 else "PM"
    return f"{(value.hour - 1) % 12 + 1}:{value.minute:02} {half}"


def _first_name(name: str) -> str:
    """A first name made of letters; what else a caller gave as one is not sent to anybody."""
    first = _plain(name).partition(" ")[0]
    is_name = re.fullmatch(r"[^\W\d_]+(['\-][^\W\d_]+)*\.?", first)
    return first if is_name and len(first) <= LONGEST_NAME else ""


def _plain(text: str) -> str:
    """One line, with the typewriter's apostrophe: it costs no second part of a message."""
    return " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
