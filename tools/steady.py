"""SQLite connections that are never left in the middle of what they were told.

A statement runs in the connection's own thread, and goes on there when whoever waits for it is
cancelled. Left to itself it may take the only write lock there is after everybody has turned away,
and keep it. So whoever is cancelled waits for the thread first; what was begun is then undone in
good order. That takes no longer than a statement may wait for the lock.
"""

import asyncio
import contextlib
import sqlite3
from typing import Any, Final

import aiosqlite

ROWS_AT_ONCE: Final = 64
"""aiosqlite's own."""


ENDS_WITHIN_S: Final = 1.0
"""A thread that has nothing left to do ends at once."""


class SteadyConnection(aiosqlite.Connection):
    """An aiosqlite connection that hears of a cancellation between two statements only."""

    async def _execute(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        told: Any = super()._execute  # aiosqlite says nothing of its types
        work = asyncio.ensure_future(told(fn, *args, **kwargs))
        cancelled: asyncio.CancelledError | None = None
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is None:
            return work.result()
        if not work.cancelled():
            work.exception()  # looked at, so that nobody complains; nobody waits for it
        raise cancelled

    async def close(self) -> None:
        """Close it, and do not wait for ever for a thread that somebody else has ended."""
        if self._connection is None or not self._running:
            return
        try:
            with contextlib.suppress(ValueError):  # stopped meanwhile, which closes it as well
                await self._execute(self._conn.close)
        finally:
            self._connection = None
            ended = self.stop()
            if ended is not None:
                await asyncio.wait([ended], timeout=ENDS_WITHIN_S)


async def connect(path: str, **options: Any) -> SteadyConnection:
    """An open connection to a file; the options are ``sqlite3``'s."""
    connection = SteadyConnection(
        lambda: sqlite3.connect(path, **options), iter_chunk_size=ROWS_AT_ONCE
    )
    connection._thread.daemon = True  # a process that must end does not wait for a statement
    await connection
    return connection
