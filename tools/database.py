"""The SQL database: its address, its engine on SQLite or Postgres, and how its failures are told.

Leaves tables to ``tables``, their history to ``migrations``, what they mean to ``calendar``.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import DateTime, Dialect, MetaData, Row, Select, Table, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, TimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator

from tools import steady
from tools.errors import Unavailable, Unsure

DEFAULT_URL: Final = "sqlite:///.holdfast/holdfast.db"
"""Used where ``DATABASE_URL`` is not set: a file below the working directory, for local runs."""
LOCK_WAIT_MS: Final = 3000
"""How long a SQLite writer waits for another; shorter than any budget, so that it can be told."""
IDLE_IN_TRANSACTION_MS: Final = 4000
"""After that Postgres ends a transaction whose process was frozen, and its locks with it."""
POOL_SIZE: Final = 5
CONNECT_TIMEOUT_S: Final = 3.0
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""libpq's words."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of ours; the names of constraints are fixed so that a migration can find them."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware on our side, UTC in the database (SQLite keeps no offset)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; a naive value is a mistake of ours."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs its offset")
        instant = value.astimezone(UTC)
        return instant.replace(tzinfo=None) if dialect.name == "sqlite" else instant

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Back with UTC as its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def database_url(text: str) -> URL:
    """``postgres://``, ``postgresql://`` or ``sqlite://`` as SQLAlchemy's address of our drivers.

    Raises:
        ValueError: another database, or no address. The message repeats nothing of it.
    """
    try:
        url = make_url(text)
        match url.get_backend_name():
            case "sqlite" if url.database and not url.host:
                return url.set(drivername="sqlite+aiosqlite")
            case "postgres" | "postgresql":
                return _asyncpg(url)
    except (ArgumentError, ValueError):
        pass
    raise ValueError("expected postgresql://USER:PASSWORD@HOST/NAME or sqlite:///FILE") from None


def check_url(text: str) -> None:
    """Whether ``open_engine`` can do with this address; asks nobody.

    Raises:
        ValueError: it cannot; the message repeats nothing of the address.
    """
    database_url(text)
    try:
        open_engine(text)
    except (ArgumentError, TypeError, ValueError):
        raise ValueError("holds an option that its driver does not know") from None


def _asyncpg(url: URL) -> URL:
    """Asyncpg calls libpq's ``sslmode`` ``ssl``, with the same words."""
    url = url.set(drivername="postgresql+asyncpg")
    mode = url.query.get("sslmode")
    if mode is None:
        return url
    if mode not in SSL_MODES:
        raise ValueError("no such sslmode")
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})


def open_engine(address: str) -> AsyncEngine:
    """An engine; it connects when first used. ``dispose()`` it at the end.

    Values never appear in its errors or logs: they are patients' names and numbers.
    """
    url = database_url(address)
    if url.get_backend_name() == "sqlite":
        path, options = url.get_dialect()().create_connect_args(url)
        engine = create_async_engine(
            url,
            hide_parameters=True,
            pool_size=POOL_SIZE,
            async_creator=lambda: steady.connect(*path, **options),
        )
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    return create_async_engine(
        url,
        hide_parameters=True,
        pool_size=POOL_SIZE,
        pool_pre_ping=True,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={"timeout": CONNECT_TIMEOUT_S},
    )


def reading(engine: AsyncEngine) -> AsyncEngine:
    """The same engine for transactions that only read: on SQLite they wait for no writer."""
    return engine.execution_options(reading=True)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, below
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={LOCK_WAIT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a booking told to a caller survives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at the start: upgrading a read lock later fails instead of waiting."""
    reads = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


async def fetch(engine: AsyncEngine, query: Select[Any]) -> Sequence[Row[Any]]:
    """Every row of a query, in a transaction of its own.

    Raises:
        Unavailable: the database cannot be reached.
    """
    with reaching_database():
        async with engine.begin() as connection:
            return list(await connection.execute(query))


@asynccontextmanager
async def changing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that writes: committed at the end of the block, undone if it raises.

    On SQLite it has the only write lock from its start; on Postgres it locks what it asks for, and
    neither waits for a lock for long nor keeps one when its process hangs.

    Raises:
        Unavailable: the database cannot be reached; nothing was written.
        Unsure: the answer to the commit was lost: it was written, or not.
    """
    with reaching_database():
        async with _turn(engine), engine.connect() as connection:
            await connection.begin()
            if connection.dialect.name == "postgresql":
                await connection.execute(_LOCK_LIMITS)
            yield connection
            try:
                await connection.commit()
            except (DBAPIError, TimeoutError, OSError) as error:
                reason = f"commit: {type(getattr(error, 'orig', None) or error).__name__}"
                raise Unsure("I'm still confirming that.", reason=reason) from error


_turns: Final[WeakKeyDictionary[Engine, asyncio.Lock]] = WeakKeyDictionary()


@asynccontextmanager
async def _turn(engine: AsyncEngine) -> AsyncIterator[None]:
    """SQLite's writers of one process, one after the other, in the order they came.

    Left to the file's own lock they would look again every few milliseconds, and of many some
    would never be the one who looks in time.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    turn = _turns.setdefault(engine.sync_engine, asyncio.Lock())
    async with asyncio.timeout(LOCK_WAIT_MS / 1000):
        await turn.acquire()
    try:
        yield
    finally:
        turn.release()


_LOCK_LIMITS: Final = select(
    func.set_config("lock_timeout", str(LOCK_WAIT_MS), True),
    func.set_config("idle_in_transaction_session_timeout", str(IDLE_IN_TRANSACTION_MS), True),
)
"""Of one transaction, so that a pooler between us and the server need not know them."""


async def insert_new(connection: AsyncConnection, table: Table, **values: Any) -> bool:
    """Insert a row unless one with the same key is there; whether it was."""
    return await insert_all(connection, table, [values]) == 1


async def insert_all(connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> int:
    """Insert those rows whose keys are not there yet; how many they were."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(rows).on_conflict_do_nothing()
    return (await connection.execute(statement)).rowcount


@contextmanager
def reaching_database() -> Iterator[None]:
    """Maps what the drivers raise to ``Unavailable``; a broken rule of the schema passes through.

    Raises:
        Unavailable: away, locked for too long, or restarted in the middle.
    """
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, TimeoutError, OSError) as error:
        reason = f"database: {type(getattr(error, 'orig', None) or error).__name__}"
        raise Unavailable("The calendar cannot be reached just now.", reason=reason) from error
