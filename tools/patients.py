"""Who is known here: by a phone number, and a name as far as it is given.

Owns what makes two spellings the same person. Leaves entering somebody new to the calendar.
"""

from typing import Any

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools import tables
from tools.database import fetch, reading
from tools.names import folded, is_part
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
    same = [each for each in people if folded(each.name) == folded(name)]
    alike = same or [each for each in people if is_part(name, each.name)]
    return alike[0] if len(alike) == 1 else None
