"""Who is known here: by a phone number, and a name as far as it is given.

Owns what makes two spellings the same person, and who is entered.
"""

from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools import tables
from tools.database import fetch, insert_new, reading
from tools.names import called, folded
from tools.practices import Practice


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is known."""

    id: str
    name: str
    """As it was entered."""


class Patients:
    """Everybody who is known in one database; nobody is ever remembered outside it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reading = reading(engine)

    async def known_as(self, practice: Practice, phone: str, name: str) -> Patient | None:
        """Who goes by this number and name.

        Raises:
            Unavailable: the database cannot be reached.
        """
        return _meant(await fetch(self._reading, _of_number(practice.id, phone)), name)


async def find_patient(
    connection: AsyncConnection, practice: Practice, phone: str, name: str
) -> Patient | None:
    """The same inside a transaction."""
    rows = (await connection.execute(_of_number(practice.id, phone))).all()
    return _meant(rows, name)


def _of_number(practice_id: str, phone: str) -> Select[Any]:
    of = tables.patients.c
    return select(of.id, of.name).where(of.practice_id == practice_id, of.phone == phone)


def _meant(rows: Any, name: str) -> Patient | None:
    """Whoever has that name, or else the only one of whose name it is a part: ``Ann``."""
    people = [Patient(id=row.id, name=row.name) for row in rows]
    alike = called(name, people, lambda each: each.name)
    return alike[0] if len(alike) == 1 else None


async def enter(
    connection: AsyncConnection, practice_id: str, name: str, phone: str, *, now: datetime
) -> None:
    """Enter somebody, unless they are known by that number and name."""
    await insert_new(
        connection,
        tables.patients,
        id=uuid4().hex,
        practice_id=practice_id,
        name=" ".join(name.split()),
        folded_name=folded(name),
        phone=phone,
        created_utc=now,
    )


async def entered(
    connection: AsyncConnection, practice_id: str, name: str, phone: str, *, now: datetime
) -> str:
    """The id of somebody; entered on the spot."""
    await enter(connection, practice_id, name, phone, now=now)
    of = tables.patients.c
    known = select(of.id).where(
        of.practice_id == practice_id, of.phone == phone, of.folded_name == folded(name)
    )
    return str((await connection.execute(known)).scalar_one())
