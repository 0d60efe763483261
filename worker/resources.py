"""What the bodies of the tools need: opened when a worker starts, closed when it stops."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from tools.calendar import Calendar
from tools.database import open_engine
from worker.settings import Settings


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's resources."""

    calendar: Calendar


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """The resources; the database is connected to when it is first asked something."""
    engine = open_engine(settings.database_url)
    try:
        yield Resources(calendar=Calendar(engine))
    finally:
        await engine.dispose()
