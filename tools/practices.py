"""What a practice is: its hours, its services, who offers them, and what it wants told.

Owns the facts that change with the practice and not with a call, as they were a minute ago at
most; the calendar asks here before it looks at anybody's time. Every method raises
``tools.errors.Unavailable`` when the database cannot be reached.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Row, Select, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools import tables
from tools.database import reaching_database
from tools.names import parted
from tools.openings import Hours, Span, both, spans_of
from tools.static import Counted, Static


class Practice(msgspec.Struct, frozen=True, kw_only=True):
    """A practice as far as time goes."""

    id: str
    name: str
    zone: ZoneInfo
    lead: timedelta
    """How long before an appointment it must be booked at the latest."""
    horizon_days: int
    """How many days ahead bookings are taken."""
    calendar: str = ""
    """JSON that says which outside calendar is kept, never its secret; empty: the built-in one."""
    texts_from: str = ""
    """The number its text messages come from, E.164; empty: it sends none."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What one may come for."""

    id: str
    name: str
    also_called: tuple[str, ...]
    lasts: timedelta


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """Who may be come to; ``name`` is written to be spoken."""

    id: str
    name: str


class Insurer(msgspec.Struct, frozen=True, kw_only=True):
    """An insurance that callers ask about."""

    name: str
    also_called: tuple[str, ...]
    accepted: bool
    note: str
    """What a caller who has it should know, written to be said; possibly nothing."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What is told when somebody asks about a topic."""

    name: str
    also_called: tuple[str, ...]
    say: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was entered for a practice; nothing of anybody who comes to it."""

    practice: Practice
    hours: tuple[Hours, ...]
    closed: dict[date, str]
    """Day → why, written to be said."""
    services: tuple[Service, ...]
    """By name."""
    providers: tuple[Provider, ...]
    """In the practice's own order."""
    does: frozenset[tuple[str, str]]
    """Provider id and service id of whoever does what."""
    own_hours: dict[str, tuple[Hours, ...]]
    """Provider id → hours, of those who have their own."""
    insurers: tuple[Insurer, ...]
    told: tuple[Fact, ...]

    def who_does(self, service: Service) -> list[Provider]:
        """In the practice's own order."""
        return [each for each in self.providers if (each.id, service.id) in self.does]


class Practices:
    """The practices of one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._static: Static[Facts] = Static(self._load)

    @property
    def counted(self) -> Counted:
        """How often the facts were at hand."""
        return self._static.counted

    async def practice(self, practice_id: str) -> Practice | None:
        """The practice, or None if it was never entered."""
        facts = await self.facts_of(practice_id)
        return facts.practice if facts else None

    async def facts_of(self, practice_id: str) -> Facts | None:
        """Everything that was entered for a practice, if anything was."""
        return await self._static.of(practice_id)

    async def facts(self, practice: Practice) -> Facts:
        """The same for one that was."""
        facts = await self.facts_of(practice.id)
        if facts is None:
            raise LookupError("a practice that was never entered")
        return facts

    async def services(self, practice: Practice) -> list[Service]:
        """Every service, by name."""
        return list((await self.facts(practice)).services)

    async def providers(self, practice: Practice, service: Service) -> list[Provider]:
        """Who does the service, in the practice's own order."""
        return (await self.facts(practice)).who_does(service)

    async def at_work(
        self, practice: Practice, providers: Sequence[Provider], days: Sequence[date]
    ) -> dict[str, list[Span]]:
        """Provider id → when they see patients on those days.

        A provider without hours of their own works whenever the practice is open; nobody works
        when it is not.
        """
        facts = await self.facts(practice)
        open_days = [day for day in days if day not in facts.closed]
        opened = _spans(open_days, facts.hours, practice.zone)
        at_work = {}
        for provider in providers:
            at_work[provider.id] = opened
            if hours := facts.own_hours.get(provider.id):
                at_work[provider.id] = both(opened, _spans(days, hours, practice.zone))
        return at_work

    async def _load(self, practice_id: str) -> Facts | None:
        with reaching_database():
            async with self._engine.begin() as connection:
                return await _facts(connection, practice_id)


async def _facts(connection: AsyncConnection, practice_id: str) -> Facts | None:
    async def rows(query: Select[Any]) -> Sequence[Row[Any]]:
        return list(await connection.execute(query))

    def of(table: Table, *order: str) -> Select[Any]:
        mine = select(table).where(table.c.practice_id == practice_id)
        return mine.order_by(*(table.c[name] for name in order))

    practices = tables.practices
    found = await rows(select(practices).where(practices.c.id == practice_id))
    if not found:
        return None
    providers = await rows(of(tables.providers, "rank", "name"))
    ids = [row.id for row in providers]
    does, own = tables.provider_services, tables.provider_hours
    own_hours: dict[str, tuple[Hours, ...]] = {}
    for row in await rows(select(own).where(own.c.provider_id.in_(ids))):
        own_hours[row.provider_id] = (*own_hours.get(row.provider_id, ()), _hours(row))
    return Facts(
        practice=_practice(found[0]),
        hours=tuple(_hours(row) for row in await rows(of(tables.opening_hours))),
        closed={row.day: row.reason for row in await rows(of(tables.closed_days, "day"))},
        services=tuple(
            Service(
                id=row.id,
                name=row.name,
                also_called=parted(row.also_called),
                lasts=timedelta(minutes=row.minutes),
            )
            for row in await rows(of(tables.services, "name"))
        ),
        providers=tuple(Provider(id=row.id, name=row.name) for row in providers),
        does=frozenset(
            (row.provider_id, row.service_id)
            for row in await rows(select(does).where(does.c.provider_id.in_(ids)))
        ),
        own_hours=own_hours,
        insurers=tuple(
            Insurer(
                name=row.name,
                also_called=parted(row.also_called),
                accepted=row.accepted,
                note=row.note,
            )
            for row in await rows(of(tables.insurers, "rank", "name"))
        ),
        told=tuple(
            Fact(name=row.topic, also_called=parted(row.also_called), say=row.say)
            for row in await rows(of(tables.facts, "rank", "topic"))
        ),
    )


def _practice(row: Row[Any]) -> Practice:
    return Practice(
        id=row.id,
        name=row.name,
        zone=ZoneInfo(row.time_zone),
        lead=timedelta(minutes=row.lead_minutes),
        horizon_days=row.horizon_days,
        calendar=row.calendar,
        texts_from=row.texts_from,
    )


def _hours(row: Row[Any]) -> Hours:
    return Hours(weekday=row.weekday, opens=row.opens, closes=row.closes)


def _spans(days: Iterable[date], hours: Sequence[Hours], zone: ZoneInfo) -> list[Span]:
    return [span for day in days for span in spans_of(day, hours, zone)]
