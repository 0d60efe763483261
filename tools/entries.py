"""A row of the ledger: how it is read, locked, and written in an effect's own transaction.

Leaves what may become of it, and who decides that, to ``ledger``.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tools.errors import ToolError, Withdrawn
from tools.tables import ledger, ledger_calls

WITHDRAWN: Final = "withdrawn"
"""``result`` of a void row whose function calls shall never do it: the caller may have been told
so."""
TOLD_WITHIN_S: Final = 30.0
"""How long after its end an effect's caller has to be told, before somebody looks after it."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One effect that was wanted."""

    id: str
    state: str
    """``intent claimed done told void``."""
    key: str
    """Its meaning; empty once its life has ended."""
    fence: int
    """How often it was claimed; whoever claimed it before the last time writes nothing more."""
    result: str
    """The ``result`` word of what was done, or of the answer that voided it."""
    made_id: str
    """What was made or changed: an appointment, a message, a note."""
    told_as: str
    """What the caller was told: ``done refused doubt``, or empty."""
    looks: int
    """How often somebody tried to find out and could not."""
    look_utc: datetime | None
    claim_utc: datetime | None
    asked_utc: datetime
    practice: str
    call_sid: str
    """The call that wanted it first."""
    tool: str
    arguments: str
    """JSON, as it was asked first."""
    phone: str
    """E.164, or empty."""
    job_ids: tuple[str, ...]
    """The function calls that wanted it, ``call_sid:function_call_id``, in no order."""

    @property
    def has_happened(self) -> bool:
        """True once it is certain that it did."""
        return self.state in ("done", "told")


class Claim:
    """A row under its lock, in the transaction in which the effect is written."""

    def __init__(self, connection: AsyncConnection, entry: Entry, now: datetime) -> None:
        self.connection = connection
        self.entry = entry
        self._now = now

    def must_be_wanted(self) -> None:
        """Call it before anything is changed.

        Raises:
            Withdrawn: the effect was given up meanwhile.
        """
        if self.entry.state == "void":
            raise Withdrawn("I could not do that just now.", reason="entry is void")

    async def done(self, result: str, made_id: str) -> None:
        """Note that it happened; true together with everything else in this transaction.

        What this was made of before ends with it: see ``end_keys``.
        """
        self.must_be_wanted()
        await self.connection.execute(
            update(ledger)
            .where(ledger.c.id == self.entry.id, ledger.c.state.in_(("intent", "claimed")))
            .values(**_as_done(result, made_id, self._now), fence=ledger.c.fence + 1)
        )


async def end_keys(
    connection: AsyncConnection, made_id: str, *, but: str = "", now: datetime | None = None
) -> None:
    """What was made is no more what was asked for: cancelled, or moved away.

    Its rows (except ``but``, which ended it) lose their keys, so that the same may be wanted
    again. They stay done, and their function calls' answers stay what they were.
    """
    await connection.execute(
        update(ledger)
        .where(ledger.c.made_id == made_id, ledger.c.id != but, ledger.c.key.is_not(None))
        .values(key=None, ended_utc=now or datetime.now(UTC))
    )


def _as_done(result: str, made_id: str, now: datetime) -> dict[str, Any]:
    return {
        "state": "done",
        "result": result,
        "made_id": made_id,
        "claim_utc": None,
        "look_utc": now + timedelta(seconds=TOLD_WITHIN_S),
        "changed_utc": now,
    }


def entries(condition: ColumnElement[bool]) -> Select[Any]:
    """What ``as_entry`` reads."""
    calls = (
        select(func.aggregate_strings(ledger_calls.c.job_id, "\n"))
        .where(ledger_calls.c.ledger_id == ledger.c.id)
        .scalar_subquery()
    )
    return select(ledger, calls.label("job_ids")).where(condition)


async def first_locked(connection: AsyncConnection, condition: ColumnElement[bool]) -> Entry | None:
    """The row under its lock, read after the lock was given.

    Two statements on Postgres: one that waited for a lock has read what stands beside the row (its
    function calls) as it was before.
    """
    locks = select(ledger.c.id).where(condition).with_for_update()
    found = (await connection.execute(locks)).scalar_one_or_none()
    if found is None:
        return None
    return as_entry((await connection.execute(entries(ledger.c.id == found))).one())


async def locked(connection: AsyncConnection, condition: ColumnElement[bool]) -> Entry:
    """The row under its lock.

    Raises:
        ToolError: there is none, which is a mistake of ours.
    """
    entry = await first_locked(connection, condition)
    if entry is None:
        raise ToolError("I can't do that just now.", reason="no such entry in the ledger")
    return entry


def as_entry(row: Row[Any]) -> Entry:
    """A row of ``entries``."""
    return Entry(
        id=row.id,
        state=row.state,
        key=row.key or "",
        fence=row.fence,
        result=row.result,
        made_id=row.made_id,
        told_as=row.told_as,
        looks=row.looks,
        look_utc=row.look_utc,
        claim_utc=row.claim_utc,
        asked_utc=row.asked_utc,
        practice=row.practice_id,
        call_sid=row.call_sid,
        tool=row.tool,
        arguments=row.arguments,
        phone=row.phone,
        job_ids=tuple(row.job_ids.split("\n")) if row.job_ids else (),
    )
