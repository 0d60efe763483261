"""How a caller hears of an effect that was decided late: in the call, by text, or from a person.

Each way is safe to repeat: an outcome that a call has already is dropped there, a text and a row
for the people of the practice are written once. Leaves which way, and when, to ``settle``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, Protocol

import msgspec
import structlog
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from tools import tables
from tools.contract import ToolOutcome
from tools.database import changing, fetch, reading
from tools.entries import Entry
from tools.follow_ups import ask_a_person
from tools.outbox import Text, put
from tools.practices import Practice

LONGEST_NAME: Final = 80
LONGEST_TEXT: Final = 1000

Why = Literal["unknown", "not_done", "done", "done_though_refused", "refused", "confirmed"]

WHY: Final[Mapping[Why, str]] = {
    "unknown": "It could not be found out whether this was done: please look, and call.",
    "not_done": "This was not done, and the caller may not know: please call.",
    "done": "This was done, and the caller may not know: please call.",
    "done_though_refused": "This was done, but the caller was told it was not: please call.",
    "refused": "The calendar has refused this request: please call.",
    "confirmed": "The calendar has confirmed this request: please tell the caller.",
}
"""Why a person has to see to it, for that person to read."""

BY_THE_SENDER: Final = ("too late", "unknown", "superseded")
"""Why a text failed of which ``sending`` has told a person, or another text tells better."""

log = structlog.get_logger()


class _Asked(msgspec.Struct):
    """What an effect was asked for, as far as a person wants to know."""

    patient_name: str = ""
    caller_name: str = ""
    phone: str = ""
    service: str = ""
    start: str = ""
    new_start: str = ""
    message: str = ""
    note: str = ""


_read: Final = msgspec.json.Decoder(_Asked, strict=False).decode


class Announces(Protocol):
    """Where calls hear of late outcomes; ``late.LateOutcomes`` is it."""

    async def announce(self, call_sid: str, outcome: ToolOutcome) -> int:
        """Put a final outcome in place of a doubt and publish it; how many bridges listen."""
        ...


class Telling:
    """The ways there are."""

    def __init__(self, engine: AsyncEngine, late: Announces) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._late = late

    async def in_call(self, entry: Entry, outcome: ToolOutcome) -> int | None:
        """Announce an outcome for every function call that asked; how many bridges hear it.

        None: nobody can say, because Redis is away.
        """
        heard = 0
        try:
            for job_id in entry.job_ids:
                call_sid, _, function_call_id = job_id.partition(":")
                of_this = msgspec.structs.replace(outcome, function_call_id=function_call_id)
                heard += await self._late.announce(call_sid, of_this)
        except (RedisError, OSError) as error:
            log.warning("outcome_not_announced", reason=repr(error))
            return None
        return heard

    async def by_text(
        self, practice: Practice, text: Text, *, now: datetime
    ) -> Literal["sent", "under_way", "failed"]:
        """Have a text sent, unless it was written before; how far it is."""
        async with changing(self._engine) as connection:
            await put(connection, practice, text, now=now)
        of = tables.outbox.c
        (row,) = await fetch(self._reading, select(of.state, of.reason).where(of.key == text.key))
        if row.state in ("waiting", "sending"):
            return "under_way"
        return "sent" if row.state == "sent" or row.reason in BY_THE_SENDER else "failed"

    async def by_a_person(self, entry: Entry, why: Why, *, now: datetime) -> None:
        """Ask the people of the practice to see to it; once for each reason."""
        asked = _asked(entry)
        async with changing(self._engine) as connection:
            await ask_a_person(
                connection,
                practice_id=entry.practice,
                key=f"settle:{entry.id}:{why}",
                call_sid=entry.call_sid,
                name=(asked.patient_name or asked.caller_name)[:LONGEST_NAME],
                phone=entry.phone,
                text=f"{WHY[why]} {_wanted(entry, asked)}"[:LONGEST_TEXT],
                urgent=True,
                now=now,
            )
        log.info("person_asked", entry_id=entry.id, why=why)


def _asked(entry: Entry) -> _Asked:
    try:
        return _read(entry.arguments)
    except msgspec.DecodeError:
        return _Asked()


def _wanted(entry: Entry, asked: _Asked) -> str:
    words = (asked.service, asked.start or asked.new_start, asked.message or asked.note)
    return f"Asked for: {entry.tool.replace('_', ' ')}; {'; '.join(filter(None, words))}."
