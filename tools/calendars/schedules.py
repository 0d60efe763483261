"""Which calendar a practice keeps: the built-in one, or one elsewhere, opened when first asked for.

Each calendar elsewhere has an HTTP client of its own with few connections: one that hangs holds up
nobody else's.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import httpx
import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from tools.calendars.asking import USUAL, Limits
from tools.calendars.opening import open_remote
from tools.calendars.outside import Outside
from tools.calendars.remote import Gone, Remote, RemoteBooking, RemoteMade, RemoteTimes
from tools.errors import Unavailable
from tools.practices import Practice, Provider, Service
from tools.schedule import Grade, Schedule, Taken

CONNECTIONS: Final = httpx.Limits(max_connections=8, max_keepalive_connections=4)
"""As many as a worker has jobs for one practice at the busiest; most servers allow as many."""
TIMES: Final = httpx.Timeout(4.0, connect=1.5, pool=1.0)
"""What is asked is bounded more closely by who asks; this ends what nobody waits for any more."""

log = structlog.get_logger()


class _Opened(msgspec.Struct, frozen=True, kw_only=True):
    calendar: str
    """What it was opened from."""
    schedule: Schedule
    client: httpx.AsyncClient


class Schedules:
    """The calendars of every practice. ``close`` it at the end."""

    def __init__(
        self,
        engine: AsyncEngine,
        own: Schedule,
        environ: Mapping[str, str],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        limits: Limits = USUAL,
    ) -> None:
        """``own`` is the built-in calendar; ``environ`` holds the secrets that the practices'
        calendars name."""
        self._engine = engine
        self._own = own
        self._environ = environ
        self._now = now
        self._limits = limits
        self._opened: dict[str, _Opened] = {}
        self._left: list[httpx.AsyncClient] = []

    def of(self, practice: Practice) -> Schedule:
        """The practice's calendar; one that is set up wrongly answers ``Unavailable``."""
        if not practice.calendar:
            return self._own
        opened = self._opened.get(practice.id)
        if opened is None or opened.calendar != practice.calendar:
            if opened is not None:
                self._left.append(opened.client)  # somebody may be asking through it yet
            opened = self._open(practice)
            self._opened[practice.id] = opened
        return opened.schedule

    async def close(self) -> None:
        """Close every connection."""
        for client in (*self._left, *(each.client for each in self._opened.values())):
            await client.aclose()

    def _open(self, practice: Practice) -> _Opened:
        client = httpx.AsyncClient(limits=CONNECTIONS, timeout=TIMES)
        remote: Remote
        try:
            remote = open_remote(practice, self._environ, client)
        except ValueError as error:
            log.error("calendar_set_up_wrongly", practice=practice.id, reason=str(error))
            remote = SetUpWrongly()
        return _Opened(
            calendar=practice.calendar,
            schedule=Outside(self._engine, remote, now=self._now, limits=self._limits),
            client=client,
        )


class SetUpWrongly:
    """Stands for a calendar that cannot be opened: nothing is ever done there."""

    kind = "none"
    grade = Grade.LOOKUP

    async def times(
        self, service: Service, providers: Sequence[Provider], *, start: datetime, end: datetime
    ) -> Mapping[str, RemoteTimes]:
        """Raises ``Unavailable``, as everything here."""
        raise _set_up_wrongly()

    async def create(self, booking: RemoteBooking) -> RemoteMade | Taken:
        """See ``times``."""
        raise _set_up_wrongly()

    async def look_up(self, booking: RemoteBooking, *, external_ref: str = "") -> RemoteMade | None:
        """See ``times``."""
        raise _set_up_wrongly()

    async def read(self, external_ref: str) -> RemoteMade | None:
        """See ``times``."""
        raise _set_up_wrongly()

    async def find(
        self, phone: str, *, known: Sequence[str], since: datetime
    ) -> Sequence[RemoteMade]:
        """See ``times``."""
        raise _set_up_wrongly()

    async def move(self, external_ref: str, to: RemoteBooking) -> RemoteMade | Taken | Gone:
        """See ``times``."""
        raise _set_up_wrongly()

    async def cancel(self, external_ref: str) -> None:
        """See ``times``."""
        raise _set_up_wrongly()

    async def health(self) -> None:
        """See ``times``."""
        raise _set_up_wrongly()


def _set_up_wrongly() -> Unavailable:
    return Unavailable(
        "The calendar cannot be reached just now.", reason="calendar: set up wrongly"
    )
