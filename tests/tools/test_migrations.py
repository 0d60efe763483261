import asyncio
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import text

from tools import migrations
from tools.database import DEFAULT_URL, open_engine
from tools.errors import Unavailable
from tools.seed import seed


@pytest.fixture
def url(database_url: str) -> str:
    """A migrated database, on every engine there is."""
    return database_url


def test_a_migrated_database_is_what_the_code_says(url: str) -> None:
    migrations.check(url)
    assert migrations.is_current(url)


def test_migrating_again_changes_nothing(url: str) -> None:
    migrations.upgrade(url)
    assert migrations.is_current(url)


def test_every_step_can_be_taken_back_and_again(url: str) -> None:
    migrations.downgrade(url, "base")
    assert not migrations.is_current(url)

    migrations.upgrade(url)
    migrations.check(url)


def test_a_table_that_differs_is_found(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        migrations.check(f"sqlite:///{tmp_path}/empty.db")


def test_the_folder_of_the_address_that_nobody_chose_is_made_for_its_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    migrations.upgrade(DEFAULT_URL)

    assert migrations.is_current(DEFAULT_URL)
    assert (tmp_path / ".holdfast").stat().st_mode & 0o777 == 0o700


def test_another_folder_is_not_made_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/holdfast.db"

    with pytest.raises(ValueError, match="folder"):
        migrations.upgrade(url)

    assert not (tmp_path / "new").exists()


def test_a_database_that_does_not_answer_is_away() -> None:
    with pytest.raises(Unavailable):
        migrations.upgrade("postgresql://127.0.0.1:9/x")


async def test_migrations_from_a_running_loop_go_to_a_thread(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/holdfast.db"
    await asyncio.to_thread(migrations.upgrade, url)

    assert (await seed(url)).id == "hillside"


async def _count(url: str, table: str) -> int:
    engine = open_engine(url)
    try:
        async with engine.connect() as connection:
            return (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
    finally:
        await engine.dispose()


@pytest.mark.parametrize("step", ["0001"])
def test_no_row_is_lost_by_a_step_back_and_forth(url: str, step: str) -> None:
    before = {table: asyncio.run(_count(url, table)) for table in ("appointments", "cells")}
    assert all(before.values())

    migrations.downgrade(url, step)
    migrations.upgrade(url)

    assert {table: asyncio.run(_count(url, table)) for table in before} == before
