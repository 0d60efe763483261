"""A calendar as the tools see it, whoever keeps it: what is asked, what may be answered.

The built-in one is ``calendar``; others live in ``calendars``, each with its ``Grade``. A time that
is gone is an answer; ``Unavailable`` means that nothing was done, ``Unsure`` that nobody knows.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from tools.practices import Practice, Provider, Service


class Grade(StrEnum):
    """What a calendar does against a repeated effect."""

    TRANSACTION = "transaction"
    """The ledger is written in the booking's own transaction: once, by construction."""
    KEY = "key"
    """It takes a key, or refuses a second one of the same name: repeating is safe."""
    LOOKUP = "lookup"
    """What was made can be found by our key: looked up before it is ever repeated."""
    NEITHER = "neither"
    """An unanswered effect goes to a person."""


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A free time with somebody."""

    start: datetime
    """An instant in the practice's zone."""
    provider: Provider


class Appointment(msgspec.Struct, frozen=True, kw_only=True):
    """An appointment as it stands."""

    id: str
    practice: str
    patient_name: str
    phone: str
    provider: str
    service: str
    start: datetime
    """In the practice's zone."""
    end: datetime
    status: str
    """``booked``, ``requested`` (an outside calendar has it and did not confirm yet), or
    ``cancelled``."""
    call_sid: str
    booked_utc: datetime
    provider_id: str = ""
    service_id: str = ""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A booking to make."""

    service: Service
    start: datetime
    """An instant."""
    patient_name: str
    phone: str
    """E.164."""
    providers: tuple[Provider, ...]
    """Who will do, the best first."""
    entry_id: str = ""
    """The ledger's row for it; empty where nobody keeps one (demo data)."""
    key: str
    """The effect by its meaning."""
    call_sid: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An appointment to move, or (``start`` is None) to cancel."""

    appointment_id: str
    phone: str
    """E.164; an appointment made with another number is not found."""
    start: datetime | None = None
    providers: tuple[Provider, ...] = ()
    """Who will do, the best first; empty: the one it is with."""
    entry_id: str = ""
    key: str
    call_sid: str = ""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """It was done, now or by an earlier request of the same; ``status`` says how far it is."""

    appointment: Appointment


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The time is not free; nothing was changed."""


class NotFound(msgspec.Struct, frozen=True, kw_only=True):
    """There is no such coming appointment under that number; nothing was changed."""


class Schedule(Protocol):
    """One practice's calendar.

    Every method raises ``Unavailable`` when nothing was done, and those with an effect ``Unsure``
    when it may have been, and ``LeaseLost`` when the job is another worker's (``may_write``).
    """

    grade: Grade

    def now(self, practice: Practice) -> datetime:
        """The instant, on the practice's clock."""
        ...

    async def free(
        self,
        practice: Practice,
        service: Service,
        providers: Sequence[Provider],
        *,
        first_day: date,
        last_day: date,
        call_sid: str = "",
        though_held: bool = False,
    ) -> list[Slot]:
        """Every free start of those days (the practice's own), in order of time.

        What is held for another call is not free, unless nothing else is left to be offered and
        ``though_held`` asks for that too; what is held for this call is.
        """
        ...

    async def hold(
        self, practice: Practice, service: Service, slots: Sequence[Slot], *, call_sid: str
    ) -> list[Slot]:
        """Hold these times for a call, in place of what was held for it; those that could be."""
        ...

    async def book(
        self, practice: Practice, wanted: Wanted, *, may_write: Callable[[], None]
    ) -> Made | Taken:
        """Make the booking, or find that it was made."""
        ...

    async def move(
        self, practice: Practice, change: Change, *, may_write: Callable[[], None]
    ) -> Made | Taken | NotFound:
        """Move an appointment, or find that it was moved; the old time stays until then."""
        ...

    async def cancel(
        self, practice: Practice, change: Change, *, may_write: Callable[[], None]
    ) -> Made | NotFound:
        """Cancel an appointment, or find that it was cancelled."""
        ...

    async def coming(
        self, practice: Practice, phone: str, name: str | None = None
    ) -> list[Appointment]:
        """The coming appointments of a phone number, the soonest first."""
        ...

    async def appointment(self, practice: Practice, appointment_id: str) -> Appointment | None:
        """One appointment, whatever its status."""
        ...
