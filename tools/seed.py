"""Enters a practice from a TOML file: its hours, services, people; the demo's two if none.

Safe to repeat: what is there is brought up to date, nobody's appointment is touched.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta
from sqlalchemy import Table, and_, delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tools import phone, tables
from tools.calendar import Calendar, insert_new
from tools.database import open_engine, reaching_database
from tools.practices import folded
from tools.schedule import Wanted

DEMO: Final = Path(__file__).parent / "demo" / "hillside.toml"
DEMOS: Final = (DEMO, DEMO.with_name("copperline.toml"))
"""One for each profile that comes with the bridge."""
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PATIENTS_COME_AFTER: Final = timedelta(days=4)
"""Demo appointments stay out of the days that a first caller is likely to ask for."""

Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)]
Minutes = Annotated[int, Meta(ge=15, multiple_of=15)]


class HoursEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Open at these hours on these days."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...]
    opens: time
    closes: time


class ClosedEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Closed on a day."""

    day: date
    reason: str


class ServiceEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one may come for."""

    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=60)]
    minutes: Minutes
    also_called: tuple[Annotated[str, Meta(pattern="^[^,]+$")], ...] = ()


class ProviderEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may be come to; without hours of their own, whenever the practice is open."""

    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    services: tuple[Id, ...]
    hours: tuple[HoursEntry, ...] = ()


class PatientEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody known from the start, perhaps with an appointment (for demonstrations)."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    phone: str
    coming_for: Id | None = None


class PracticeFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole practice."""

    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=120)]
    time_zone: str
    lead_minutes: Annotated[int, Meta(ge=0)] = 60
    horizon_days: Annotated[int, Meta(ge=1, le=730)] = 90
    hours: tuple[HoursEntry, ...]
    closed: tuple[ClosedEntry, ...] = ()
    services: tuple[ServiceEntry, ...]
    providers: tuple[ProviderEntry, ...]
    patients: tuple[PatientEntry, ...] = ()

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{self.time_zone} is no time zone") from None
        known = {service.id for service in self.services}
        used = {name for provider in self.providers for name in provider.services}
        used |= {patient.coming_for for patient in self.patients if patient.coming_for}
        if unknown := sorted(used - known):
            raise ValueError(f"no such service: {', '.join(unknown)}")


def read_practice(path: Path) -> PracticeFile:
    """The practice in a file.

    Raises:
        ValueError: it cannot be read as one; the message names file and field.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=PracticeFile)
    except (msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


async def seed(
    database_url: str, path: Path = DEMO, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> PracticeFile:
    """Enter the practice of a file into a migrated database, or bring it up to date.

    ``now`` is what appointments for demo patients are counted from.

    Raises:
        ValueError: the file is no practice.
        Unavailable: the database cannot be reached, or is not migrated.
    """
    practice = read_practice(path)
    engine = open_engine(database_url)
    try:
        with reaching_database():
            async with engine.begin() as connection:
                await _enter(connection, practice)
        await _book_patients(Calendar(engine, now=now), practice)
    finally:
        await engine.dispose()
    return practice


async def _enter(connection: AsyncConnection, practice: PracticeFile) -> None:
    await _put(
        connection,
        tables.practices,
        practice.id,
        name=practice.name,
        time_zone=practice.time_zone,
        lead_minutes=practice.lead_minutes,
        horizon_days=practice.horizon_days,
    )
    of = tables.opening_hours.c.practice_id == practice.id
    await _replace(
        connection, tables.opening_hours, of, _hours_rows(practice.hours, practice_id=practice.id)
    )
    of = tables.closed_days.c.practice_id == practice.id
    closed = [
        {"practice_id": practice.id, "day": each.day, "reason": each.reason}
        for each in practice.closed
    ]
    await _replace(connection, tables.closed_days, of, closed)
    for service in practice.services:
        await _put(
            connection,
            tables.services,
            _full_id(practice, service.id),
            practice_id=practice.id,
            name=service.name,
            also_called=",".join(service.also_called),
            minutes=service.minutes,
        )
    for rank, provider in enumerate(practice.providers):
        await _enter_provider(connection, practice, provider, rank)
    for patient in practice.patients:
        await insert_new(
            connection,
            tables.patients,
            id=uuid4().hex,
            practice_id=practice.id,
            name=patient.name,
            folded_name=folded(patient.name),
            phone=phone.normalise(patient.phone),
            created_utc=datetime.now(UTC),
        )


async def _enter_provider(
    connection: AsyncConnection, practice: PracticeFile, provider: ProviderEntry, rank: int
) -> None:
    id = _full_id(practice, provider.id)
    await _put(
        connection, tables.providers, id, practice_id=practice.id, name=provider.name, rank=rank
    )
    of = tables.provider_hours.c.provider_id == id
    await _replace(
        connection, tables.provider_hours, of, _hours_rows(provider.hours, provider_id=id)
    )
    of = tables.provider_services.c.provider_id == id
    services = [
        {"provider_id": id, "service_id": _full_id(practice, service)}
        for service in provider.services
    ]
    await _replace(connection, tables.provider_services, of, services)


async def _book_patients(calendar: Calendar, entered: PracticeFile) -> None:
    """Give patients their appointments, each once and for all."""
    practice = await calendar.practices.practice(entered.id)
    if practice is None:
        return
    services = {each.id: each for each in await calendar.practices.services(practice)}
    for patient in entered.patients:
        if patient.coming_for is None:
            continue
        service = services[_full_id(entered, patient.coming_for)]
        providers = await calendar.practices.providers(practice, service)
        first_day = (calendar.now(practice) + PATIENTS_COME_AFTER).date()
        slots = await calendar.free(
            practice,
            service,
            providers,
            first_day=first_day,
            last_day=first_day + timedelta(days=practice.horizon_days),
        )
        number = phone.normalise(patient.phone)
        for slot in slots[:1]:
            wanted = Wanted(
                service=service,
                start=slot.start,
                patient_name=patient.name,
                phone=number,
                key=f"seed:{practice.id}:{number}",
                providers=(slot.provider,),
            )
            await calendar.book(practice, wanted)


def _full_id(practice: PracticeFile, id: str) -> str:
    return f"{practice.id}:{id}"


def _hours_rows(entries: Sequence[HoursEntry], **owner: str) -> list[dict[str, Any]]:
    return [
        {**owner, "weekday": WEEKDAYS.index(day), "opens": entry.opens, "closes": entry.closes}
        for entry in entries
        for day in entry.days
    ]


async def _put(connection: AsyncConnection, table: Table, id: str, **values: Any) -> None:
    """Insert the row, or bring it up to date."""
    await insert_new(connection, table, id=id, **values)
    await connection.execute(update(table).where(table.c.id == id).values(**values))


async def _replace(
    connection: AsyncConnection, table: Table, of: Any, rows: list[dict[str, Any]]
) -> None:
    """These rows in place of the ones that were there."""
    await connection.execute(delete(table).where(and_(of)))
    if rows:
        await connection.execute(insert(table), rows)
