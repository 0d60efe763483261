"""What the bodies of the tools need: opened when a worker starts, closed when it stops."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import httpx
import msgspec
import structlog

from tools.calendar import Calendar
from tools.calendars.schedules import Schedules
from tools.catalog import LONGEST_BUDGET_S
from tools.database import open_engine
from tools.holds import Holds
from tools.late import LateOutcomes
from tools.ledger import Ledger
from tools.patients import Patients
from tools.sending import Sender
from tools.settle import Settler
from tools.summary import Endpoint
from tools.telling import Telling
from tools.texts import Texts
from worker.settings import Settings

ENDPOINT_TIMES: Final = httpx.Timeout(LONGEST_BUDGET_S, connect=2.0)
"""The budget of a job ends it sooner; an address where nobody is at home is left quickly."""

log = structlog.get_logger()


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's resources."""

    calendar: Calendar
    """The built-in one; of its practices everybody's."""
    schedules: Schedules
    """Which calendar a practice keeps."""
    ledger: Ledger
    holds: Holds
    patients: Patients
    settler: Settler
    sender: Sender
    endpoint: Endpoint | None = None
    """What condenses a talk; None: nobody is asked."""


@asynccontextmanager
async def open_resources(
    settings: Settings, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Resources]:
    """The resources; each connects when it is first asked something.

    ``environ`` holds the secrets of the practices' calendars, by the names those give.
    """
    async with AsyncExitStack() as stack:
        engine = open_engine(settings.database_url)
        stack.push_async_callback(engine.dispose)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=ENDPOINT_TIMES))
        late = await stack.enter_async_context(LateOutcomes(settings.redis_url))
        calendar = Calendar(engine)
        stack.callback(_tell_what_was_remembered, calendar)
        schedules = Schedules(engine, calendar, environ or {})
        stack.push_async_callback(schedules.close)
        ledger = Ledger(engine)
        yield Resources(
            calendar=calendar,
            schedules=schedules,
            ledger=ledger,
            holds=Holds(engine),
            patients=Patients(engine),
            settler=Settler(ledger, calendar.practices, schedules, Telling(engine, late)),
            sender=Sender(engine, _texts(settings, client)),
            endpoint=_endpoint(settings, client),
        )


def _tell_what_was_remembered(calendar: Calendar) -> None:
    counted = calendar.practices.counted
    log.info("facts_remembered", hits=counted.hits, misses=counted.misses)


def _texts(settings: Settings, client: httpx.AsyncClient) -> Texts | None:
    if settings.twilio_credentials is None:
        return None
    user, password = settings.twilio_credentials
    return Texts(
        client,
        url=settings.twilio_api_url,
        account_sid=settings.twilio_account_sid,
        user=user,
        password=password,
    )


def _endpoint(settings: Settings, client: httpx.AsyncClient) -> Endpoint | None:
    if not settings.summary_url:
        return None
    return Endpoint(
        client,
        url=settings.summary_url,
        model=settings.summary_model,
        api_key=settings.summary_api_key,
    )
