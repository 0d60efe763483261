"""A practice as it is written down: one TOML file, checked before anything of it is entered.

Leaves entering it to ``seed``.
"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from tools import phone
from tools.calendars.opening import read_config

Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)]
Minutes = Annotated[int, Meta(ge=15, multiple_of=15)]
OtherName = Annotated[str, Meta(pattern="^[^,]+$")]
MOST_OTHER_NAMES = 300
"""Characters of them all with commas between: what the column takes."""


class HoursEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Open at these hours on these days."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...]
    opens: time
    closes: time

    def __post_init__(self) -> None:
        if self.opens >= self.closes:
            raise ValueError("opens must lie before closes")


class ClosedEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Closed on a day."""

    day: date
    reason: Annotated[str, Meta(max_length=120)]


class ServiceEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one may come for."""

    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=60)]
    minutes: Minutes
    also_called: tuple[OtherName, ...] = ()

    def __post_init__(self) -> None:
        _must_fit(self.also_called)


class ProviderEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may be come to; without hours of their own, whenever the practice is open."""

    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    services: tuple[Id, ...]
    hours: tuple[HoursEntry, ...] = ()


class InsurerEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An insurance that callers ask about, accepted or not."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    also_called: tuple[OtherName, ...] = ()
    accepted: bool = True
    note: Annotated[str, Meta(max_length=300)] = ""
    """A whole sentence, written to be said."""

    def __post_init__(self) -> None:
        _must_fit(self.also_called)


class FactEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is told when somebody asks about a topic."""

    topic: Annotated[str, Meta(min_length=1, max_length=60)]
    also_called: tuple[OtherName, ...] = ()
    say: Annotated[str, Meta(min_length=1, max_length=600)]
    """Whole sentences, written to be said."""

    def __post_init__(self) -> None:
        _must_fit(self.also_called)


class PatientEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody known from the start, perhaps with an appointment (for demonstrations)."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    phone: str
    coming_for: Id | None = None

    def __post_init__(self) -> None:
        phone.normalise(self.phone)


class PracticeFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole practice."""

    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=120)]
    time_zone: Annotated[str, Meta(max_length=64)]
    lead_minutes: Annotated[int, Meta(ge=0)] = 60
    horizon_days: Annotated[int, Meta(ge=1, le=730)] = 90
    texts_from: Annotated[str, Meta(pattern=r"^(\+[1-9][0-9]{6,14})?$")] = ""
    """The number that text messages come from, E.164; empty: none are sent."""
    calendar: dict[str, Any] = {}
    """The calendar that is kept elsewhere: its ``kind``, where it is, and the name of the
    environment variable that holds its secret. Empty: the built-in one."""
    hours: tuple[HoursEntry, ...]
    closed: tuple[ClosedEntry, ...] = ()
    services: tuple[ServiceEntry, ...]
    providers: tuple[ProviderEntry, ...]
    insurers: tuple[InsurerEntry, ...] = ()
    facts: tuple[FactEntry, ...] = ()
    patients: tuple[PatientEntry, ...] = ()

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{self.time_zone} is no time zone") from None
        if self.calendar:
            read_config(self.calendar_json)
            self._check_names()
        _must_differ("services", (each.id for each in self.services))
        _must_differ("services", (each.name for each in self.services))
        _must_differ("providers", (each.id for each in self.providers))
        _must_differ("providers", (each.name for each in self.providers))
        _must_differ("insurers", (each.name for each in self.insurers))
        _must_differ("facts", (each.topic for each in self.facts))
        _must_differ("closed", (each.day.isoformat() for each in self.closed))
        known = {service.id for service in self.services}
        used = {name for provider in self.providers for name in provider.services}
        used |= {patient.coming_for for patient in self.patients if patient.coming_for}
        if unknown := sorted(used - known):
            raise ValueError(f"no such service: {', '.join(unknown)}")

    def _check_names(self) -> None:
        """Whom and what the calendar elsewhere is told to be must be here."""
        people = {each.id for each in self.providers}
        offered = {each.id for each in self.services}
        for key, known in (
            ("calendars", people),
            ("providers", people),
            ("event_types", offered),
            ("appointment_types", offered),
        ):
            named = self.calendar.get(key, {})
            inner = [each for each in named.values() if isinstance(each, dict)]
            unknown = {*named} - known | {name for each in inner for name in each} - people
            if unknown:
                raise ValueError(f"calendar.{key}: no such name: {', '.join(sorted(unknown))}")
        if urlsplit(str(self.calendar.get("url", ""))).username is not None:
            raise ValueError("calendar.url: no password here; it would lie in the database")
        for key, name in self.calendar.items():
            if key.endswith("_env") and not re.fullmatch("[A-Z_][A-Z0-9_]*", str(name)):
                raise ValueError(f"calendar.{key}: the name of a variable, not what it holds")

    @property
    def calendar_json(self) -> str:
        """``calendar`` as the database keeps it."""
        return msgspec.json.encode(self.calendar, order="sorted").decode() if self.calendar else ""


def read_practice(path: Path) -> PracticeFile:
    """The practice in a file.

    Raises:
        ValueError: it cannot be read as one; the message names file and field.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=PracticeFile)
    except (msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _must_fit(names: Iterable[str]) -> None:
    if len(",".join(names)) > MOST_OTHER_NAMES:
        raise ValueError(f"also_called has more than {MOST_OTHER_NAMES} characters")


def _must_differ(what: str, names: Iterable[str]) -> None:
    if twice := sorted(name for name, times in Counter(names).items() if times > 1):
        raise ValueError(f"{what}: {', '.join(twice)} is there twice")
