"""Enters a practice from its TOML file; the demo's two if none is named.

Safe to repeat: what is there is brought up to date, nobody's appointment is touched. Leaves what
may stand in a file to ``practice_file``.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tools import phone, tables
from tools.calendar import Calendar
from tools.database import insert_new, open_engine, reaching_database
from tools.patients import enter
from tools.practice_file import HoursEntry, PracticeFile, ProviderEntry, read_practice
from tools.schedule import Wanted

DEMO: Final = Path(__file__).parent / "demo" / "hillside.toml"
DEMOS: Final = (DEMO, DEMO.with_name("copperline.toml"))
"""One for each profile that comes with the bridge."""
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PATIENTS_COME_AFTER: Final = timedelta(days=4)
"""Demo appointments stay out of the days that a first caller is likely to ask for."""


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
        calendar=practice.calendar_json,
        texts_from=practice.texts_from,
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
    await _enter_told(connection, practice)
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
        await enter(
            connection,
            practice.id,
            patient.name,
            phone.normalise(patient.phone),
            now=datetime.now(UTC),
        )


async def _enter_told(connection: AsyncConnection, practice: PracticeFile) -> None:
    """What is told when somebody asks: insurers and facts, in the file's order."""
    insurers = [
        {
            "practice_id": practice.id,
            "name": each.name,
            "also_called": ",".join(each.also_called),
            "accepted": each.accepted,
            "note": each.note,
            "rank": rank,
        }
        for rank, each in enumerate(practice.insurers)
    ]
    of = tables.insurers.c.practice_id == practice.id
    await _replace(connection, tables.insurers, of, insurers)
    facts = [
        {
            "practice_id": practice.id,
            "topic": each.topic,
            "also_called": ",".join(each.also_called),
            "say": each.say,
            "rank": rank,
        }
        for rank, each in enumerate(practice.facts)
    ]
    await _replace(connection, tables.facts, tables.facts.c.practice_id == practice.id, facts)


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
    connection: AsyncConnection, table: Table, of: ColumnElement[bool], rows: list[dict[str, Any]]
) -> None:
    """These rows in place of the ones that were there."""
    await connection.execute(delete(table).where(of))
    if rows:
        await connection.execute(insert(table), rows)
