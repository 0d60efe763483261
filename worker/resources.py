"""What the bodies of the tools need: opened when a worker starts, closed when it stops."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx
import msgspec
import structlog

from tools.calendar import Calendar
from tools.catalog import LONGEST_BUDGET_S
from tools.database import open_engine
from tools.holds import Holds
from tools.ledger import Ledger
from tools.patients import Patients
from tools.summary import Endpoint
from worker.settings import Settings

ENDPOINT_TIMES: Final = httpx.Timeout(LONGEST_BUDGET_S, connect=2.0)
"""The budget of a job ends it sooner; an address where nobody is at home is left quickly."""

log = structlog.get_logger()


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's resources."""

    calendar: Calendar
    ledger: Ledger
    holds: Holds
    patients: Patients
    endpoint: Endpoint | None = None
    """What condenses a talk; None: nobody is asked."""


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """The resources; database and endpoint are connected to when they are first asked something."""
    engine = open_engine(settings.database_url)
    calendar = Calendar(engine)
    try:
        async with httpx.AsyncClient(timeout=ENDPOINT_TIMES) as client:
            yield Resources(
                calendar=calendar,
                ledger=Ledger(engine),
                holds=Holds(engine),
                patients=Patients(engine),
                endpoint=_endpoint(settings, client),
            )
    finally:
        counted = calendar.practices.counted
        log.info("facts_remembered", hits=counted.hits, misses=counted.misses)
        await engine.dispose()


def _endpoint(settings: Settings, client: httpx.AsyncClient) -> Endpoint | None:
    if not settings.summary_url:
        return None
    return Endpoint(
        client,
        url=settings.summary_url,
        model=settings.summary_model,
        api_key=settings.summary_api_key,
    )
