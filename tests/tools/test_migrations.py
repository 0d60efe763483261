from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import make_url

from tools import migrations
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


def test_the_folder_of_a_local_database_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/folder/holdfast.db"

    migrations.upgrade(url)

    assert Path(make_url(url).database or "").is_file()


async def test_migrations_from_a_running_loop_go_to_a_thread(tmp_path: Path) -> None:
    import asyncio

    url = f"sqlite:///{tmp_path}/holdfast.db"
    await asyncio.to_thread(migrations.upgrade, url)

    assert (await seed(url)).id == "hillside"
