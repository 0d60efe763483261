"""The ledger: one row for every effect that anybody wanted, and what became of it.

::

    intent ──► claimed ──► done ──► told
       └──────────┴──► void

A row is found by the function call that asked for it, and by the effect's meaning (``key``), so
that a request repeated under another id meets the first one. The built-in calendar writes ``done``
in the transaction of the booking itself, under the row's lock; for one kept elsewhere the row is
``claimed`` before anything is sent, and what was sent is looked up, never repeated by guess.

A key lives until its effect ends: void, cancelled, moved away. So in one call a time may be booked,
cancelled, and booked again. ``void`` has two kinds: withdrawn, which is final for its function
calls, and answered otherwise ("that time is taken"), after which the same may be asked again.

Every change takes the row's lock first (on SQLite the only write lock there is) and is made only
from the states it may be made from. Leaves running to ``worker.run``, doing to the calendars, and
finding out what became of an effect to ``settle``.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools.arguments import ToldOf
from tools.database import changing, fetch, insert_new, reading
from tools.entries import (
    TOLD_WITHIN_S,
    WITHDRAWN,
    Claim,
    Entry,
    as_entry,
    end_keys,
    entries,
    first_locked,
    locked,
)
from tools.tables import ledger, ledger_calls

__all__ = ["WITHDRAWN", "Claim", "Entry", "Ledger", "end_keys"]

REQUESTED: Final = "requested"
"""``result`` of what a calendar elsewhere was asked for and has not confirmed."""
REQUEST_LOOK_S: Final = 600.0
LOOK_TAKES_S: Final = 20.0
"""How long ``due`` gives one who looks, before it gives the same row to another."""


class Ledger:
    """The ledger of one database.

    Every method raises ``Unavailable`` when the database cannot be reached and nothing was
    written, and those that write ``Unsure`` when the answer to their commit was lost. All of
    them may be repeated.
    """

    def __init__(
        self, engine: AsyncEngine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._now = now

    async def intend(
        self,
        *,
        job_id: str,
        key: str,
        practice: str,
        call_sid: str,
        tool: str,
        arguments: str,
        phone: str = "",
        give_up_s: float,
        asked_utc: datetime | None = None,
    ) -> Entry:
        """The row of this function call, or of the same effect, or a new one.

        Write it before anything is begun. After ``give_up_s`` somebody may look what became of
        it, and withdraw it if nothing did. A void row comes back only if it was withdrawn, or if
        it ended after this was asked (``asked_utc``): whoever asked since has had an answer, and
        what was asked before that is not wanted any more, however late a worker comes to it.
        """
        row = {
            "key": key or None,
            "practice_id": practice,
            "call_sid": call_sid,
            "tool": tool,
            "arguments": arguments,
            "phone": phone,
            "meaning": key,
        }
        while True:
            async with changing(self._engine) as connection:
                bound = await self._bound(connection, job_id)
                if bound and not _may_be_asked_again(bound):
                    return bound
                entry_id = await self._joined_or_new(connection, row, give_up_s, asked_utc)
                if bound:
                    await connection.execute(
                        update(ledger_calls)
                        .where(ledger_calls.c.job_id == job_id)
                        .values(ledger_id=entry_id)
                    )
                elif not await insert_new(
                    connection, ledger_calls, job_id=job_id, ledger_id=entry_id
                ):
                    await connection.rollback()
                    continue  # another worker with the same job was quicker; theirs is the row
                return await locked(connection, ledger.c.id == entry_id)

    async def _bound(self, connection: AsyncConnection, job_id: str) -> Entry | None:
        theirs = select(ledger_calls.c.ledger_id).where(ledger_calls.c.job_id == job_id)
        return await first_locked(connection, ledger.c.id == theirs.scalar_subquery())

    async def _joined_or_new(
        self,
        connection: AsyncConnection,
        row: dict[str, Any],
        give_up_s: float,
        asked_utc: datetime | None,
    ) -> str:
        """The id of the live row with that key, kept open for longer, or of a new one."""
        now = self._now()
        look_utc = now + timedelta(seconds=give_up_s)
        while True:
            if row["key"] is not None:
                live = await first_locked(connection, ledger.c.key == row["key"])
                if live:
                    await connection.execute(
                        update(ledger)
                        .where(
                            ledger.c.id == live.id,
                            ledger.c.state == "intent",
                            ledger.c.look_utc < look_utc,
                        )
                        .values(look_utc=look_utc)
                    )
                    return live.id
                ended = await self._ended(connection, row, asked_utc) if asked_utc else None
                if ended:
                    return ended
            entry_id = uuid4().hex
            is_new = await insert_new(
                connection,
                ledger,
                **row,
                id=entry_id,
                state="intent",
                fence=0,
                result="",
                made_id="",
                told_as="",
                looks=0,
                look_utc=look_utc,
                asked_utc=now,
                changed_utc=now,
            )
            if is_new:
                return entry_id

    async def _ended(
        self, connection: AsyncConnection, row: dict[str, Any], asked_utc: datetime
    ) -> str | None:
        """The row of the same meaning that ended last, if it did since this was asked.

        One that only was not to be had ("that time is taken") ends nobody else's wish.
        """
        final = ledger.c.state.in_(("done", "told")) | (ledger.c.result == WITHDRAWN)
        same = (ledger.c.meaning == row["meaning"]) & (ledger.c.ended_utc > asked_utc) & final
        found = select(ledger.c.id).where(same).order_by(ledger.c.ended_utc.desc()).limit(1)
        ended: str | None = (await connection.execute(found)).scalar_one_or_none()
        return ended

    @asynccontextmanager
    async def claimed(self, entry_id: str) -> AsyncIterator[Claim]:
        """One transaction under the row's lock; committed at the end of the block.

        Raises:
            IntegrityError: what the block wrote breaks a rule of the schema.
        """
        async with changing(self._engine) as connection:
            entry = await locked(connection, ledger.c.id == entry_id)
            yield Claim(connection, entry, self._now())

    async def claim(self, entry_id: str, *, lasts_s: float) -> Entry | None:
        """Take the row before something is sent elsewhere; None while another's claim is fresh.

        A row that is done or void comes back as it is: there is nothing to claim. Afterwards
        ``done``, ``let_go`` or ``void`` with the ``fence`` of what this returned; without any of
        them the row is looked after once the claim has lapsed.
        """
        async with changing(self._engine) as connection:
            entry = await locked(connection, ledger.c.id == entry_id)
            now = self._now()
            if entry.state not in ("intent", "claimed"):
                return entry
            if entry.state == "claimed" and entry.claim_utc and entry.claim_utc > now:
                return None
            lapses = now + timedelta(seconds=lasts_s)
            look_utc = max(lapses, entry.look_utc or lapses)
            await self._change(
                connection,
                entry,
                state="claimed",
                fence=entry.fence + 1,
                claim_utc=lapses,
                look_utc=look_utc,
            )
            return await locked(connection, ledger.c.id == entry_id)

    async def let_go(self, entry_id: str, fence: int) -> bool:
        """Undo a claim after which certainly nothing was done; False if it is another's by now."""
        async with changing(self._engine) as connection:
            entry = await locked(connection, ledger.c.id == entry_id)
            if entry.state != "claimed" or entry.fence != fence:
                return False
            await self._change(connection, entry, state="intent", claim_utc=None)
            return True

    async def done(self, entry_id: str, fence: int, result: str, made_id: str) -> bool:
        """Note that it happened elsewhere; False if it was claimed anew, or void, by now."""
        async with self.claimed(entry_id) as claim:
            if claim.entry.has_happened:
                return claim.entry.made_id == made_id
            if claim.entry.state == "void" or claim.entry.fence != fence:
                return False
            await claim.done(result, made_id)
            return True

    async def void(
        self,
        entry_id: str,
        *,
        result: str = WITHDRAWN,
        fence: int | None = None,
        job_id: str | None = None,
    ) -> Entry:
        """Give it up unless something was begun; what the row says then.

        It never happens from then on if it comes back void. A claimed row is given up only with
        its ``fence``, by who knows that nothing was done. With ``job_id`` only if no other
        function call wants it too.
        """
        async with changing(self._engine) as connection:
            entry = await locked(connection, ledger.c.id == entry_id)
            ours = entry.state == "intent" or (
                entry.state == "claimed" and fence is not None and entry.fence == fence
            )
            if not ours or (job_id is not None and set(entry.job_ids) - {job_id}):
                return entry
            await self._change(
                connection,
                entry,
                state="void",
                key=None,
                ended_utc=self._now(),
                result=result,
                claim_utc=None,
                look_utc=self._now() + timedelta(seconds=TOLD_WITHIN_S),
            )
            return await locked(connection, ledger.c.id == entry_id)

    async def told(self, call_sid: str, told: Sequence[ToldOf]) -> list[ToldOf]:
        """Note what callers were told; returns what of it there is no row for.

        "Done" and "refused" are last words: a doubt that is noted after them changes nothing.
        """
        without: list[ToldOf] = []
        for each in told:
            async with changing(self._engine) as connection:
                entry = await self._bound(connection, f"{call_sid}:{each.function_call_id}")
                if entry is None:
                    without.append(each)
                    continue
                if each.as_ == "doubt" and entry.told_as in ("done", "refused"):
                    continue
                values: dict[str, Any] = {"told_as": each.as_}
                if each.as_ == "done" and entry.has_happened:
                    values |= {"state": "told", "look_utc": self._look_after(entry)}
                elif each.as_ == "refused" and entry.state == "void":
                    values["look_utc"] = None
                await self._change(connection, entry, **values)
        return without

    def _look_after(self, entry: Entry) -> datetime | None:
        """A request is not at its end when its caller knows of it: somebody has still to agree."""
        if entry.result != REQUESTED:
            return None
        return self._now() + timedelta(seconds=REQUEST_LOOK_S)

    async def entry(self, entry_id: str) -> Entry | None:
        """A row as it is."""
        return await self._one(ledger.c.id == entry_id)

    async def of_job(self, job_id: str) -> Entry | None:
        """The row of a function call."""
        theirs = select(ledger_calls.c.ledger_id).where(ledger_calls.c.job_id == job_id)
        return await self._one(ledger.c.id == theirs.scalar_subquery())

    async def due(self, limit: int) -> list[Entry]:
        """Rows of which somebody is to find out what became, the longest due first.

        Nobody else is given them for ``LOOK_TAKES_S``.
        """
        is_due = ledger.c.look_utc <= self._now()
        if not await fetch(self._reading, select(ledger.c.id).where(is_due).limit(1)):
            return []  # a look that finds nothing keeps no writer waiting
        async with changing(self._engine) as connection:
            query = (
                entries(is_due)
                .order_by(ledger.c.look_utc)
                .limit(limit)
                .with_for_update(of=ledger, skip_locked=True)
            )
            due = [as_entry(row) for row in await connection.execute(query)]
            await connection.execute(
                update(ledger)
                .where(ledger.c.id.in_([entry.id for entry in due]))
                .values(look_utc=self._now() + timedelta(seconds=LOOK_TAKES_S))
            )
            return due

    async def look_again(self, entry_id: str, at: datetime) -> None:
        """Nobody could find out; somebody looks again then."""
        async with changing(self._engine) as connection:
            entry = await locked(connection, ledger.c.id == entry_id)
            if entry.look_utc is not None:
                await self._change(connection, entry, look_utc=at, looks=entry.looks + 1)

    async def nothing_left(self, entry_id: str) -> None:
        """There is nothing more to find out or to tell."""
        async with changing(self._engine) as connection:
            entry = await locked(connection, ledger.c.id == entry_id)
            await self._change(connection, entry, look_utc=None)

    async def _one(self, condition: ColumnElement[bool]) -> Entry | None:
        for row in await fetch(self._reading, entries(condition)):
            return as_entry(row)
        return None

    async def _change(self, connection: AsyncConnection, entry: Entry, **values: Any) -> None:
        """Change the row, from the state in which it was locked."""
        await connection.execute(
            update(ledger)
            .where(ledger.c.id == entry.id, ledger.c.state == entry.state)
            .values(**values, changed_utc=self._now())
        )


def _may_be_asked_again(entry: Entry) -> bool:
    return entry.state == "void" and entry.result != WITHDRAWN
