"""What became of an effect that nobody answered, and whether its caller knows: settled here.

Works on what the ledger says is due: an effect whose time is over before it was done, and one that
was decided while its caller was told nothing, or that nobody knows yet. An effect in our own
tables that was not begun by then is withdrawn for good; one that a calendar elsewhere was asked for
is looked up there. Then the caller is told: in the call if it is still up, else by text, else by a
person. So every row comes to an end: told, texted, or in the hands of a person.

Every step may be repeated and be done by two at once. Leaves the ways of telling to ``telling``.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, cast

import msgspec
import structlog

from tools import answers, overdue
from tools.answers import REQUESTED
from tools.calendars.became import Settles
from tools.catalog import CATALOG, Tool
from tools.contract import Done, Failed, ToolOutcome
from tools.entries import WITHDRAWN, Entry
from tools.errors import Unavailable, Unsure
from tools.ledger import Ledger
from tools.outbox import Result, Text, confirmation
from tools.practices import Practice, Practices
from tools.schedule import Appointment, Grade, Schedule
from tools.telling import Telling, Why

MOST: Final = 8
"""Rows taken in one round, all at once; each may wait ten seconds for a calendar elsewhere."""
SAY_WITHIN: Final = timedelta(seconds=20)
"""So long a call that is up has to tell its caller what was announced to it."""
CALL_FOR: Final = timedelta(minutes=2)
"""From the request: afterwards a caller who was told nothing is texted, on the line or not."""
TEXT_TAKES: Final = timedelta(minutes=1)
"""Until somebody looks whether a text has gone out."""
LOOKS: Final = tuple(timedelta(seconds=each) for each in (10, 20, 40, 60, 120, 300, 600, 1200))
"""Between looks into a calendar elsewhere; then it is for a person."""
REQUEST_EVERY: Final = timedelta(minutes=10)
"""Between looks after a request that a calendar elsewhere has not confirmed."""

log = structlog.get_logger()


class Schedules(Protocol):
    """Which calendar a practice keeps."""

    def of(self, practice: Practice) -> Schedule:
        """The practice's calendar."""
        ...


class Settler:
    """One of those who settle."""

    def __init__(
        self,
        ledger: Ledger,
        practices: Practices,
        schedules: Schedules,
        telling: Telling,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._practices = practices
        self._schedules = schedules
        self._telling = telling
        self._now = now

    async def round(self) -> int:
        """Settle what is due, as much as a round takes; how many rows that were.

        Raises:
            Unavailable, Unsure: the database cannot be reached, or did not answer to the end; what
                was not settled falls due again.
        """
        due = await self._ledger.due(MOST)
        ended = await asyncio.gather(*map(self._settle, due), return_exceptions=True)
        for entry, error in zip(due, ended, strict=True):
            if isinstance(error, Unavailable | Unsure) or not isinstance(error, Exception | None):
                raise error
            if error is not None:
                log.error("not_settled", entry_id=entry.id, tool=entry.tool, exc_info=error)
        return len(due)

    async def _settle(self, entry: Entry) -> None:
        tool = CATALOG.get(entry.tool)
        practice = await self._practices.practice(entry.practice)
        if tool is None or practice is None:
            log.error("not_settled", entry_id=entry.id, tool=entry.tool)
            await self._ledger.nothing_left(entry.id)
        elif tool.late == "do":
            await self._settle_word(practice, tool, entry)
        elif entry.state in ("intent", "claimed"):
            await self._find_out(practice, tool, entry)
        elif entry.has_happened:
            await self._settle_done(practice, tool, entry)
        else:
            await self._settle_void(practice, tool, entry)

    # -- what became of it ---------------------------------------------------------------------

    async def _find_out(self, practice: Practice, tool: Tool, entry: Entry) -> None:
        schedule = self._schedules.of(practice)
        if schedule.grade is Grade.TRANSACTION:
            became = await self._ledger.void(entry.id)
            if became.state == "claimed":  # by a calendar that the practice has left since
                await self._to_a_person(entry, "unknown")
                return
            await self._decided(practice, tool, became)
            return
        found = await cast(Settles, schedule).what_became_of(practice, entry)
        match found.state:
            case "person":
                await self._to_a_person(entry, "unknown")
            case "open" if entry.looks >= len(LOOKS):
                await self._to_a_person(entry, "unknown")
            case "open":
                await self._ledger.look_again(entry.id, self._now() + LOOKS[entry.looks])
            case "happened" | "never":
                became_entry = await self._ledger.entry(entry.id)
                if became_entry is not None:
                    await self._decided(practice, tool, became_entry)

    async def _decided(self, practice: Practice, tool: Tool, entry: Entry) -> None:
        """It is known since just now: whoever holds the call, or picks it up, may say so first."""
        log.info("settled", entry_id=entry.id, tool=tool.name, state=entry.state)
        outcome = await self._outcome(practice, tool, entry)
        if outcome is None or _knows(entry):
            await self._settle(entry)
            return
        await self._telling.in_call(entry, outcome)
        await self._ledger.look_again(entry.id, self._now() + SAY_WITHIN)

    async def _settle_word(self, practice: Practice, tool: Tool, entry: Entry) -> None:
        """A message or a note: wanted at any time, so it is taken now if it was not.

        Once it is written nobody has to be told: people read it.
        """
        if entry.has_happened or (entry.state == "void" and _owes_nothing(entry)):
            await self._ledger.nothing_left(entry.id)
            return
        if entry.state != "void":
            content = await overdue.take(practice, tool, self._ledger, entry)
            if content:
                done = Done(function_call_id="", tool=tool.name, content=content)
                await self._telling.in_call(entry, done)
                await self._ledger.nothing_left(entry.id)
                return
            await self._ledger.void(entry.id)
        await self._to_a_person(entry, "not_done")

    # -- whether its caller knows --------------------------------------------------------------

    async def _settle_done(self, practice: Practice, tool: Tool, entry: Entry) -> None:
        if not entry.key:  # it was moved or cancelled since: what came of it tells of itself
            await self._ledger.nothing_left(entry.id)
            return
        if entry.result == REQUESTED:
            await self._settle_request(practice, tool, entry)
            return
        if entry.told_as == "done":
            await self._ledger.nothing_left(entry.id)
            return
        await self._tell_done(practice, tool, entry)

    async def _tell_done(
        self, practice: Practice, tool: Tool, entry: Entry, *, then: timedelta | None = None
    ) -> None:
        if await self._may_be_said(practice, tool, entry):
            return
        if entry.told_as == "refused":
            await self._telling.by_a_person(entry, "done_though_refused", now=self._now())
        appointment = await self._appointment(practice, entry)
        text = self._confirmation(practice, appointment, entry.result, entry)
        await self._text_or_person(practice, entry, text, "done", then=then)

    async def _settle_void(self, practice: Practice, tool: Tool, entry: Entry) -> None:
        if _owes_nothing(entry):
            await self._ledger.nothing_left(entry.id)
            return
        if await self._may_be_said(practice, tool, entry):
            return
        await self._telling.by_a_person(entry, "not_done", now=self._now())
        await self._text_or_person(practice, entry, _not_done(practice, entry), "not_done")

    async def _settle_request(self, practice: Practice, tool: Tool, entry: Entry) -> None:
        """Somebody elsewhere has still to agree; the caller hears of the request and the answer."""
        schedule = self._schedules.of(practice)
        if schedule.grade is Grade.TRANSACTION:
            await self._to_a_person(entry, "unknown")
            return
        found = await cast(Settles, schedule).what_became_of(practice, entry)
        if found.state == "never":
            await self._telling.by_a_person(entry, "refused", now=self._now())
            await self._text_or_person(practice, entry, _not_done(practice, entry), "refused")
        elif found.state == "happened" and found.result != REQUESTED and found.appointment:
            text = self._confirmation(practice, found.appointment, found.result, entry)
            await self._text_or_person(practice, entry, text, "confirmed")
        elif found.state == "person" or _is_over(found.appointment, self._now()):
            await self._to_a_person(entry, "unknown")
        elif entry.told_as == "done":
            await self._ledger.look_again(entry.id, self._now() + REQUEST_EVERY)
        else:
            await self._tell_done(practice, tool, entry, then=REQUEST_EVERY)

    async def _may_be_said(self, practice: Practice, tool: Tool, entry: Entry) -> bool:
        """Whether the call that asked is up and has time to tell its caller; then it is told to."""
        if self._now() - entry.asked_utc >= CALL_FOR:
            return False
        outcome = await self._outcome(practice, tool, entry)
        if outcome is None or await self._telling.in_call(entry, outcome) == 0:
            return False
        await self._ledger.look_again(entry.id, self._now() + SAY_WITHIN)
        return True

    async def _text_or_person(
        self,
        practice: Practice,
        entry: Entry,
        text: Text | None,
        why: Why,
        *,
        then: timedelta | None = None,
    ) -> None:
        """The caller is texted; where that cannot be, a person calls. ``then`` a look, or none."""
        became = "failed"
        if text is not None:
            became = await self._telling.by_text(practice, text, now=self._now())
        if became == "failed":
            await self._telling.by_a_person(entry, why, now=self._now())
        await self._look_after(entry, TEXT_TAKES if became == "under_way" else then)

    async def _to_a_person(self, entry: Entry, why: Why) -> None:
        await self._telling.by_a_person(entry, why, now=self._now())
        await self._look_after(entry, None)

    async def _look_after(self, entry: Entry, time: timedelta | None) -> None:
        if time is None:
            await self._ledger.nothing_left(entry.id)
        else:
            await self._ledger.look_again(entry.id, self._now() + time)

    # -- in which words ------------------------------------------------------------------------

    async def _outcome(self, practice: Practice, tool: Tool, entry: Entry) -> ToolOutcome | None:
        """What the tool would have answered; None where its appointment is not to be found."""
        if not entry.has_happened:
            return Failed(function_call_id="", tool=tool.name, code=WITHDRAWN, say=tool.not_done)
        appointment = await self._appointment(practice, entry)
        if appointment is None:
            return None
        today = self._now().astimezone(practice.zone).date()
        answer = answers.of_effect(tool.name, appointment, today)
        content = msgspec.json.encode(answer).decode()
        return Done(function_call_id="", tool=tool.name, content=content)

    async def _appointment(self, practice: Practice, entry: Entry) -> Appointment | None:
        return await self._schedules.of(practice).appointment(practice, entry.made_id)

    def _confirmation(
        self, practice: Practice, appointment: Appointment | None, result: str, entry: Entry
    ) -> Text | None:
        if appointment is None:
            return None
        today = self._now().astimezone(practice.zone).date()
        return confirmation(practice, appointment, cast(Result, result), today, entry_id=entry.id)


def _knows(entry: Entry) -> bool:
    """Whether the caller was told what is true."""
    return entry.told_as == ("done" if entry.has_happened else "refused")


def _owes_nothing(entry: Entry) -> bool:
    """Whether the caller of what is void knows that, or was only answered otherwise in the call."""
    return entry.told_as == "refused" or (entry.told_as == "" and entry.result != WITHDRAWN)


def _is_over(appointment: Appointment | None, now: datetime) -> bool:
    return appointment is not None and appointment.start <= now


def _not_done(practice: Practice, entry: Entry) -> Text | None:
    if not practice.texts_from or not entry.phone:
        return None
    return Text(
        key=f"{entry.id}:not_done",
        to=entry.phone,
        body=f"{practice.name[:60]}: we could not do what you asked for on the phone, and nothing "
        "is changed. We will call you.",
        call_sid=entry.call_sid,
    )
