"""Sends the texts of the outbox, each once, however many send and whatever is lost on the way.

A row is ``waiting``; claimed by one sender it is ``sending``, which is committed before Twilio is
asked; then ``sent`` or ``failed``. Whoever finds a row still ``sending`` after its time does not
know whether it went out: the answer was lost, or its sender died. It is looked up among the texts
that Twilio has, and sent again only when it is certain not to be there. Every step is a conditional
update on ``tries``, which each claim raises, so that one of two wins.

Leaves what is asked of Twilio to ``texts`` and writing the rows to ``outbox``.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import uniform
from typing import Any, Final

import structlog
from sqlalchemy import Row, and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools import tables
from tools.database import changing, fetch, reading
from tools.errors import Unavailable
from tools.follow_ups import ask_a_person
from tools.outbox import ABOUT
from tools.texts import NotTaken, Refused, Sent, SentBefore, Texts, Unanswered

MOST: Final = 20
"""Rows taken in hand in one round."""
AT_ONCE: Final = 4
"""Requests to Twilio at a time: it answers 429 to too many from one account."""
WORTH_SENDING: Final = timedelta(hours=2)
"""A confirmation later than that is worth nothing; a person hears of it instead."""
BEGINS_WITHIN_S: Final = 5.0
"""From the claim to the request. A sender that was frozen for longer sends no more."""
LOOKS_FIRST_AFTER: Final = timedelta(seconds=5)
CERTAIN_AFTER: Final = timedelta(seconds=60)
"""From the claim. By then the request is over (``BEGINS_WITHIN_S`` + ``SEND_WITHIN_S``) and has
stood in Twilio's list for longer than a list may lag; what is not there then never was."""
CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""Between Twilio's clock and ours, at most."""
FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 300.0

_row = tables.outbox.c

log = structlog.get_logger()


class Sender:
    """One of those who send. ``texts`` None: no account is set up; rows wait, then are given up."""

    def __init__(
        self,
        engine: AsyncEngine,
        texts: Texts | None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._texts = texts
        self._now = now
        self._clock = clock

    async def round(self) -> int:
        """Take in hand what is due, as much as a round takes; how many rows that were.

        Raises:
            Unavailable, Unsure: the database cannot be reached, or did not answer to the end; the
                next round, or another sender's, goes on from what it holds.
        """
        due = await fetch(self._reading, self._due())
        at_once = asyncio.Semaphore(AT_ONCE)

        async def one(row: Row[Any]) -> None:
            async with at_once:
                await self._take_in_hand(row)

        for ended in await asyncio.gather(*map(one, due), return_exceptions=True):
            if ended is not None:
                raise ended
        return len(due)

    def _due(self) -> Any:
        """What is due, but nothing that is to be read after a text which may be under way."""
        earlier = tables.outbox.alias().c
        waits_for_another = exists().where(
            _about(earlier) == _about(_row),
            earlier.id != _row.id,
            earlier.state == "sending",
        )
        return (
            select(tables.outbox)
            .where(
                _row.next_utc <= self._now(),
                or_(_row.state == "sending", and_(_row.state == "waiting", ~waits_for_another)),
            )
            .order_by(_row.next_utc)
            .limit(MOST)
        )

    async def _take_in_hand(self, row: Row[Any]) -> None:
        too_late = self._now() - row.created_utc > WORTH_SENDING
        if row.state == "sending":
            await self._look(row, too_late=too_late)
        elif too_late:
            await self._give_up(row, row.tries, "too late")
        else:
            await self._send(row)

    async def _send(self, row: Row[Any]) -> None:
        claimed_at, now = self._clock(), self._now()
        claimed = await self._change(
            row.id,
            row.tries,
            state="sending",
            tries=row.tries + 1,
            next_utc=now + CERTAIN_AFTER,
            changed_utc=now,
        )
        if not claimed or self._clock() - claimed_at > BEGINS_WITHIN_S:
            return
        match await self._ask(row):
            case Sent(message_sid=message_sid):
                await self._sent(row, message_sid)
            case Refused(reason=reason):
                await self._end(row, row.tries + 1, "failed", reason=reason)
            case NotTaken(reason=reason, after_s=after_s):
                pause = timedelta(seconds=_pause_s(row.tries) if after_s is None else after_s)
                log.warning("text_not_taken", reason=reason, tries=row.tries + 1)
                await self._change(
                    row.id,
                    row.tries + 1,
                    state="waiting",
                    reason=reason,
                    next_utc=self._now() + pause,
                    changed_utc=self._now(),
                )
            case Unanswered(reason=reason):
                log.warning("text_unanswered", reason=reason)
                later = self._now() + LOOKS_FIRST_AFTER
                await self._change(row.id, row.tries + 1, reason=reason, next_utc=later)

    async def _ask(self, row: Row[Any]) -> Sent | Refused | NotTaken | Unanswered:
        if self._texts is None:
            return NotTaken(reason="no account", after_s=LONGEST_PAUSE_S)
        return await self._texts.send(
            from_number=row.from_number, to_number=row.to_number, body=row.body
        )

    async def _look(self, row: Row[Any], *, too_late: bool) -> None:
        """Find out whether a text went out whose answer nobody has."""
        now = self._now()
        if not await self._change(
            row.id, row.tries, tries=row.tries + 1, next_utc=now + CERTAIN_AFTER
        ):
            return
        try:
            message_sid = await self._find(row)
        except Unavailable as error:
            log.warning("text_not_looked_up", reason=error.reason)
            if too_late:
                await self._give_up(row, row.tries + 1, "unknown")
                return
            later = self._now() + timedelta(seconds=_pause_s(row.tries))
            await self._change(row.id, row.tries + 1, next_utc=later)
            return
        certain_at = row.changed_utc + CERTAIN_AFTER
        if message_sid:
            await self._sent(row, message_sid)
        elif now < certain_at:
            await self._change(row.id, row.tries + 1, next_utc=certain_at)
        elif await self._is_superseded(row):
            await self._end(row, row.tries + 1, "failed", reason="superseded")
        else:
            log.info("text_was_not_sent", tries=row.tries + 1)
            await self._change(
                row.id, row.tries + 1, state="waiting", next_utc=now, changed_utc=now
            )

    async def _find(self, row: Row[Any]) -> str:
        """The sid of this very text, if Twilio has it; empty if it has not.

        Raises:
            Unavailable: that cannot be said now.
        """
        if self._texts is None:
            raise Unavailable("It is not known yet.", reason="texts: no account")
        known = select(_row.message_sid).where(
            _row.to_number == row.to_number, _row.id != row.id, _row.message_sid != ""
        )
        others = {other.message_sid for other in await fetch(self._reading, known)}
        for text in await self._texts.sent(from_number=row.from_number, to_number=row.to_number):
            new = text.created_utc >= row.created_utc - CLOCKS_DIFFER
            if new and text.message_sid not in others and _may_be(text, row.body):
                return text.message_sid
        return ""

    async def _is_superseded(self, row: Row[Any]) -> bool:
        newer = select(_row.id).where(
            _about(_row) == row.key[:ABOUT], _row.created_utc > row.created_utc
        )
        return bool(await fetch(self._reading, newer.limit(1)))

    async def _sent(self, row: Row[Any], message_sid: str) -> None:
        await self._end(row, row.tries + 1, "sent", message_sid=message_sid, reason="")

    async def _give_up(self, row: Row[Any], tries: int, reason: str) -> None:
        await self._end(row, tries, "failed", reason=reason, follow_up=True)

    async def _end(
        self, row: Row[Any], tries: int, state: str, *, follow_up: bool = False, **values: Any
    ) -> None:
        now = self._now()
        async with changing(self._engine) as connection:
            ended = await _change(
                connection, row.id, tries, state=state, next_utc=None, changed_utc=now, **values
            )
            if ended and follow_up:
                await _ask_a_person(connection, row, now)
        if ended:
            log.info("text_ended", state=state, tries=tries, reason=values.get("reason", ""))

    async def _change(self, id: str, seen_tries: int, /, **values: Any) -> bool:
        async with changing(self._engine) as connection:
            return await _change(connection, id, seen_tries, **values)


async def _change(connection: AsyncConnection, id: str, seen_tries: int, /, **values: Any) -> bool:
    """Change a row that nobody has taken in hand since it was read; whether it was so."""
    statement = (
        update(tables.outbox)
        .where(_row.id == id, _row.tries == seen_tries, _row.state.in_(("waiting", "sending")))
        .values(**values)
    )
    return (await connection.execute(statement)).rowcount == 1


async def _ask_a_person(connection: AsyncConnection, row: Row[Any], now: datetime) -> None:
    await ask_a_person(
        connection,
        practice_id=row.practice_id,
        key=f"text:{row.id}",
        call_sid=row.call_sid,
        phone=row.to_number,
        text=f"We could not make sure that this text message arrives, please call: {row.body}",
        urgent=False,
        now=now,
    )


def _about(columns: Any) -> Any:
    return func.substr(columns.key, 1, ABOUT)


def _may_be(text: SentBefore, body: str) -> bool:
    """Whether a text that Twilio has is this one.

    A trial account puts a sentence of its own in front. Where an account has bodies redacted,
    whatever went to that number since may be it: better no second text than two.
    """
    said = " ".join(text.body.split())
    return not said or said.endswith(body)


def _pause_s(tries: int) -> float:
    doubled: float = FIRST_PAUSE_S * 2 ** min(tries, 10)
    return min(doubled, LONGEST_PAUSE_S) * uniform(0.8, 1.2)
