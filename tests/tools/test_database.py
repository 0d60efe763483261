import asyncio
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from tools.database import (
    UtcDateTime,
    changing,
    database_url,
    fetch,
    insert_all,
    insert_new,
    open_engine,
    reading,
)
from tools.errors import Unavailable
from tools.tables import closed_days, practices


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p@h:5/d", "postgresql+asyncpg://u:p@h:5/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql+asyncpg://u:p@h/d?ssl=require"),
        ("postgresql+asyncpg://h/d", "postgresql+asyncpg://h/d"),
        ("sqlite:////data/a.db", "sqlite+aiosqlite:////data/a.db"),
        ("sqlite:///a.db", "sqlite+aiosqlite:///a.db"),
    ],
)
def test_addresses_in_the_forms_that_platforms_give(given: str, used: str) -> None:
    assert database_url(given).render_as_string(hide_password=False) == used


def test_another_database_is_refused_without_the_password() -> None:
    with pytest.raises(ValueError, match="expected postgresql") as refused:
        database_url("mysql://user:secret@host/db")
    assert "secret" not in str(refused.value)


async def test_a_sqlite_file_is_set_up_for_many_at_once(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/a.db")
    async with engine.connect() as connection:
        mode = (await connection.execute(text("PRAGMA journal_mode"))).scalar_one()
        keys = (await connection.execute(text("PRAGMA foreign_keys"))).scalar_one()
        wait_ms = (await connection.execute(text("PRAGMA busy_timeout"))).scalar_one()
    await engine.dispose()

    assert (mode, keys, wait_ms) == ("wal", 1, 3000)


async def test_a_locked_or_missing_database_is_unavailable(tmp_path: Path) -> None:
    missing = open_engine(f"sqlite:///{tmp_path}/none/a.db")

    with pytest.raises(Unavailable):
        await fetch(missing, practices.select())
    await missing.dispose()


async def test_reading_waits_for_no_writer(database_url: str) -> None:
    engine = open_engine(database_url)
    async with engine.begin() as writer:
        await writer.execute(practices.update().values(name="Unfinished"))
        [row] = await fetch(reading(engine), practices.select())
        await writer.rollback()
    await engine.dispose()

    assert row.name == "Hillside Dental"


async def test_writers_of_one_process_take_turns_in_the_order_they_came(
    tmp_path: Path, seeded_sqlite: Path
) -> None:
    path = tmp_path / "turns.db"
    path.write_bytes(seeded_sqlite.read_bytes())
    engine = open_engine(f"sqlite:///{path}")
    order: list[int] = []

    async def write(n: int) -> None:
        async with changing(engine) as connection:
            order.append(n)
            await connection.execute(practices.update().values(name=f"Writer {n}"))

    await asyncio.gather(*(write(n) for n in range(12)))
    [row, *_] = await fetch(reading(engine), practices.select())
    await engine.dispose()

    assert order == list(range(12))
    assert row.name == "Writer 11"


async def test_what_a_block_raises_undoes_what_it_wrote(database_url: str) -> None:
    engine = open_engine(database_url)

    async def fail() -> None:
        async with changing(engine) as connection:
            await connection.execute(practices.update().values(name="Unfinished"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    names = {row.name for row in await fetch(engine, practices.select())}
    await engine.dispose()

    assert "Unfinished" not in names


async def test_only_rows_that_are_new_are_inserted(database_url: str) -> None:
    engine = open_engine(database_url)
    day = {"practice_id": "hillside", "reason": "away"}
    rows = [day | {"day": date(2026, 12, n)} for n in (1, 2, 3)]
    async with changing(engine) as connection:
        one = await insert_new(connection, closed_days, **rows[0])
        again = await insert_new(connection, closed_days, **rows[0])
        rest = await insert_all(connection, closed_days, rows)
    await engine.dispose()

    assert (one, again, rest) == (True, False, 2)


def test_an_instant_without_an_offset_is_a_mistake() -> None:
    from sqlalchemy.dialects import sqlite

    with pytest.raises(ValueError, match="offset"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), sqlite.dialect())


def test_instants_are_utc_in_the_file(tmp_path: Path, seeded_sqlite: Path) -> None:
    with sqlite3.connect(seeded_sqlite) as file:
        [(start,)] = file.execute(
            "select start_utc from appointments order by start_utc limit 1"
        ).fetchall()
    file.close()

    assert datetime.fromisoformat(start).replace(tzinfo=UTC) == datetime(
        2026, 11, 27, 13, 0, tzinfo=UTC
    )
