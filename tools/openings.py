"""When a provider could see somebody: opening hours and busy cells in, free starts out.

Pure. Wall-clock hours are turned into instants here and nowhere else, so a day on which the
clocks change has 23 or 25 hours here and nobody else needs to know.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from tools.tables import CELL

OFFER_MINUTES: Final = (0, 30)
"""Offers begin on the hour or the half; a caller may still ask for a quarter and get it."""


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """One span of a weekday on the practice's own clock; a lunch break makes two."""

    weekday: int
    """0 is Monday."""
    opens: time
    closes: time


class Span(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """From one instant up to another, both UTC."""

    start: datetime
    end: datetime


def spans_of(day: date, hours: Iterable[Hours], zone: ZoneInfo) -> list[Span]:
    """The open spans of a day, in order.

    A time that the clocks show twice, or skip, opens at its later reading and closes at its
    earlier one: when in doubt the door is shut.
    """
    spans = [
        Span(
            start=max(_instants(day, each.opens, zone)),
            end=min(_instants(day, each.closes, zone)),
        )
        for each in hours
        if each.weekday == day.weekday()
    ]
    return sorted(span for span in spans if span.start < span.end)


def both(ours: Sequence[Span], theirs: Sequence[Span]) -> list[Span]:
    """The time that lies in both."""
    shared = [
        Span(start=max(one.start, other.start), end=min(one.end, other.end))
        for one in ours
        for other in theirs
    ]
    return sorted(span for span in shared if span.start < span.end)


def free_starts(
    spans: Iterable[Span],
    *,
    lasts: timedelta,
    busy: Collection[datetime],
    not_before: datetime,
) -> Iterator[datetime]:
    """Every cell at which something that ``lasts`` so long could start, in order."""
    for span in spans:
        start = _next_cell(max(span.start, not_before))
        while start + lasts <= span.end:
            if not any(cell in busy for cell in cells_of(start, lasts)):
                yield start
            start += CELL


def cells_of(start: datetime, lasts: timedelta) -> list[datetime]:
    """The cells that an appointment takes, in order."""
    return [start + CELL * n for n in range(-(-lasts // CELL))]


def is_cell(instant: datetime) -> bool:
    """Whether an appointment may start at it.

    Asked in UTC: a time that a zone's clock shows twice equals no instant of another zone.
    """
    return _next_cell(instant) == instant.astimezone(UTC)


def _instants(day: date, at: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The two readings of a wall-clock time: they differ only when the clocks change over it."""
    first, second = (
        datetime.combine(day, at.replace(fold=fold), tzinfo=zone).astimezone(UTC) for fold in (0, 1)
    )
    return first, second


def _next_cell(instant: datetime) -> datetime:
    cell_s = int(CELL.total_seconds())
    whole_s = -(-instant.timestamp() // cell_s) * cell_s
    return datetime.fromtimestamp(whole_s, UTC)
