"""A transaction that nobody waits for any more keeps no lock."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tools.database import changing, open_engine
from tools.errors import Unavailable


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(f"sqlite:///{tmp_path}/steady.db")
    async with changing(engine) as connection:
        await connection.execute(text("CREATE TABLE things (name TEXT)"))
    yield engine
    await engine.dispose()


@pytest.fixture
def other(engine: AsyncEngine, tmp_path: Path) -> sqlite3.Connection:
    """Another process, as far as the file is concerned."""
    return sqlite3.connect(f"{tmp_path}/steady.db", timeout=0, isolation_level=None)


async def write(engine: AsyncEngine, begun: asyncio.Event) -> None:
    async with changing(engine) as connection:
        await connection.execute(text("INSERT INTO things VALUES ('one')"))
        begun.set()
        await asyncio.sleep(3600)


async def test_who_is_cancelled_in_the_middle_leaves_nothing_behind(
    engine: AsyncEngine, other: sqlite3.Connection
) -> None:
    begun = asyncio.Event()
    writing = asyncio.create_task(write(engine, begun))
    await begun.wait()

    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)

    other.execute("BEGIN IMMEDIATE")
    assert other.execute("SELECT count(*) FROM things").fetchone() == (0,)
    other.close()


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_who_is_cancelled_while_waiting_for_the_lock_does_not_take_it_afterwards(
    engine: AsyncEngine, other: sqlite3.Connection, times: int
) -> None:
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(write(engine, asyncio.Event()))
    loop = asyncio.get_running_loop()
    for _ in range(50):  # by then it waits in its thread
        await asyncio.sleep(0.001)

    for _ in range(times):
        waiting.cancel()
        await asyncio.sleep(0)
    loop.call_later(0.05, other.execute, "ROLLBACK")
    (ended,) = await asyncio.gather(waiting, return_exceptions=True)

    assert isinstance(ended, asyncio.CancelledError)
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    other.close()
    async with changing(engine) as connection:
        assert (await connection.execute(text("SELECT count(*) FROM things"))).scalar_one() == 0


async def test_what_the_database_refuses_is_told(engine: AsyncEngine) -> None:
    with pytest.raises(Unavailable, match="OperationalError"):
        async with changing(engine) as connection:
            await connection.execute(text("SELECT * FROM nothing"))
