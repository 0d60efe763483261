"""What a practice is: its hours, its services, and who offers them.

Owns the facts that change with the practice and not with a call; the calendar asks here before it
looks at anybody's time. Every method raises ``tools.errors.Unavailable`` when the database cannot
be reached.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from tools import tables
from tools.database import fetch
from tools.openings import Hours, Span, both, spans_of


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

    def is_called(self, words: str) -> bool:
        """Whether these words are one of its names."""
        return _plain(words) in self._names()

    def is_named_in(self, words: str) -> bool:
        """Whether one of its names stands among these words: ``a dental cleaning, please``."""
        return any(f" {name} " in f" {_plain(words)} " for name in self._names())

    def _names(self) -> set[str]:
        return {_plain(name) for name in (self.name, *self.also_called)}


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """Who may be come to; ``name`` is written to be spoken."""

    id: str
    name: str


class Practices:
    """The practices of one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def practice(self, practice_id: str) -> Practice | None:
        """The practice, or None if it was never entered."""
        wanted = select(tables.practices).where(tables.practices.c.id == practice_id)
        for row in await fetch(self._engine, wanted):
            return Practice(
                id=row.id,
                name=row.name,
                zone=ZoneInfo(row.time_zone),
                lead=timedelta(minutes=row.lead_minutes),
                horizon_days=row.horizon_days,
                calendar=row.calendar,
                texts_from=row.texts_from,
            )
        return None

    async def services(self, practice: Practice) -> list[Service]:
        """Every service, by name."""
        of = tables.services.c
        wanted = select(tables.services).where(of.practice_id == practice.id).order_by(of.name)
        return [
            Service(
                id=row.id,
                name=row.name,
                also_called=tuple(word for word in row.also_called.split(",") if word),
                lasts=timedelta(minutes=row.minutes),
            )
            for row in await fetch(self._engine, wanted)
        ]

    async def providers(self, practice: Practice, service: Service) -> list[Provider]:
        """Who does the service, in the practice's own order."""
        of, does = tables.providers.c, tables.provider_services.c
        wanted = (
            select(of.id, of.name)
            .join(tables.provider_services, does.provider_id == of.id)
            .where(of.practice_id == practice.id, does.service_id == service.id)
            .order_by(of.rank, of.name)
        )
        return [Provider(id=row.id, name=row.name) for row in await fetch(self._engine, wanted)]

    async def at_work(
        self, practice: Practice, providers: Sequence[Provider], days: Sequence[date]
    ) -> dict[str, list[Span]]:
        """Provider id → when they see patients on those days.

        A provider without hours of their own works whenever the practice is open; nobody works
        when it is not.
        """
        opened = await self._open(practice, days)
        own = await self._own_hours(providers)
        at_work = {}
        for provider in providers:
            at_work[provider.id] = opened
            if hours := own.get(provider.id):
                spans = [span for day in days for span in spans_of(day, hours, practice.zone)]
                at_work[provider.id] = both(opened, spans)
        return at_work

    async def _open(self, practice: Practice, days: Sequence[date]) -> list[Span]:
        of, shut = tables.opening_hours.c, tables.closed_days.c
        hours = _hours(
            await fetch(
                self._engine, select(tables.opening_hours).where(of.practice_id == practice.id)
            )
        )
        closed = await fetch(
            self._engine,
            select(shut.day).where(
                shut.practice_id == practice.id, shut.day.between(days[0], days[-1])
            ),
        )
        without = {row.day for row in closed}
        return [
            span
            for day in days
            if day not in without
            for span in spans_of(day, hours, practice.zone)
        ]

    async def _own_hours(self, providers: Iterable[Provider]) -> dict[str, list[Hours]]:
        of = tables.provider_hours.c
        wanted = select(tables.provider_hours).where(of.provider_id.in_([p.id for p in providers]))
        hours: dict[str, list[Hours]] = {}
        for row in await fetch(self._engine, wanted):
            hours.setdefault(row.provider_id, []).extend(_hours([row]))
        return hours


def folded(name: str) -> str:
    """A name as it is compared: case and spacing do not tell two apart."""
    return " ".join(name.casefold().split())


def _plain(words: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", words.casefold()))


def _hours(rows: Iterable[Row[Any]]) -> list[Hours]:
    return [Hours(weekday=row.weekday, opens=row.opens, closes=row.closes) for row in rows]
