"""When an event that repeats happens (RFC 5545, 3.3.10 and 3.8.5), within a window. Pure.

Worked out here because servers differ: one that is widely used repeats an event at its first
occurrence's offset from UTC, an hour off once the clocks have changed, and forgets its exceptions.

A rule is asked of each day of the window by itself ("is it one of yours?"), on the event's own
clock, so no rule, however written, costs more than the window has days. What is rare (a position
in a set, a week's number, times within a day) is refused and not guessed.
"""

import calendar
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final

from icalendar import Component, vRecur

from tools.openings import Span

LONGEST: Final = timedelta(days=366)
"""Of one occurrence."""
COUNTED_DAYS: Final = 20 * 366
"""How far a rule that ends after so many times is counted."""

_DAYS: Final = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}
_KNOWN: Final = frozenset(
    {"FREQ", "INTERVAL", "UNTIL", "COUNT", "WKST", "BYDAY", "BYMONTHDAY", "BYMONTH"}
)

Day = Callable[[date], bool]


class Unsupported(ValueError):
    """It repeats in a way that is not worked out here."""


def starts(
    component: Component, first: datetime | date, zone: tzinfo, window: Span, lasts: timedelta
) -> list[datetime]:
    """The instants within reach of the window at which it begins, its exceptions left out.

    ``first`` is its ``DTSTART``; ``zone`` that of times which have none.

    Raises:
        Unsupported: see there. Values of the wrong kind raise ``TypeError`` or ``ValueError``.
    """
    if lasts > LONGEST:
        raise Unsupported("too long")
    own = first.tzinfo if isinstance(first, datetime) and first.tzinfo else zone
    clock = first.time() if isinstance(first, datetime) else datetime.min.time()
    begins = first.date() if isinstance(first, datetime) else first

    def instant(value: date) -> datetime:
        if not isinstance(value, datetime):
            value = datetime.combine(value, clock)
        return (value if value.tzinfo else value.replace(tzinfo=own)).astimezone(UTC)

    last = window.end.astimezone(own).date()
    rule, until = _rule(component, begins, last, instant)
    day = max(begins, (window.start - lasts).astimezone(own).date() - timedelta(days=1))
    found = set()
    while day <= last:
        at = instant(day)
        if (day == begins or rule(day)) and (until is None or at <= until):
            found.add(at)
        day += timedelta(days=1)
    found |= {instant(_date(value)) for value in _values(component, "RDATE")}
    found -= {instant(_date(value)) for value in _values(component, "EXDATE")}
    return sorted(at for at in found if at < window.end and window.start < at + lasts)


def _rule(
    component: Component, begins: date, last: date, instant: Callable[[date], datetime]
) -> tuple[Day, datetime | None]:
    """Whether a day after the first is one of its days, and until when."""
    rule = component.get("RRULE")
    if rule is None:
        return (lambda _: False), None
    if not isinstance(rule, vRecur) or not rule.keys() <= _KNOWN:
        raise Unsupported("rule")
    is_hit = _is_hit(rule, begins)
    untils = rule.get("UNTIL", [])
    until = instant(_date(untils[0])) if untils else None
    counts = rule.get("COUNT", [])
    return (_counted(is_hit, begins, int(counts[0]), last) if counts else is_hit), until


def _is_hit(rule: vRecur, begins: date) -> Day:
    """Whether a day fits the rule, wherever it ends."""
    freq, interval = str(rule["FREQ"][0]).upper(), int(rule.get("INTERVAL", [1])[0])
    months = {int(each) for each in rule.get("BYMONTH", [])}
    in_month = {int(each) for each in rule.get("BYMONTHDAY", [])}
    weekdays = [_weekday(each) for each in rule.get("BYDAY", [])]
    week_starts = _DAYS[str(rule.get("WKST", ["MO"])[0]).upper()]
    if interval < 1 or freq not in _EVERY:
        raise Unsupported("frequency")
    if any(nth for nth, _ in weekdays) and freq not in ("MONTHLY", "YEARLY"):
        raise Unsupported("the nth weekday of what?")
    if freq == "WEEKLY" and not weekdays:
        weekdays = [(0, begins.weekday())]
    if freq in ("MONTHLY", "YEARLY") and not weekdays and not in_month:
        in_month = {begins.day}
        months = months or ({begins.month} if freq == "YEARLY" else set())
    of_the_year = freq == "YEARLY" and not months

    def is_hit(day: date) -> bool:
        return (
            _EVERY[freq](begins, day, week_starts) % interval == 0
            and (not months or day.month in months)
            and (not in_month or bool({day.day, day.day - _length(day) - 1} & in_month))
            and (not weekdays or any(_is_the(day, nth, on, of_the_year) for nth, on in weekdays))
        )

    return is_hit


def _counted(is_hit: Day, begins: date, most: int, last: date) -> Day:
    """The same for its first so many days, ``begins`` among them; counted up to ``last``."""
    if (last - begins).days > COUNTED_DAYS:
        raise Unsupported("count")
    ends, seen = begins, 1
    while seen < most and ends < last:
        ends += timedelta(days=1)
        seen += is_hit(ends)
    return lambda each: each <= ends and is_hit(each)


_EVERY: Final[dict[str, Callable[[date, date, int], int]]] = {
    "DAILY": lambda first, day, _: (day - first).days,
    "WEEKLY": lambda first, day, starts: (_week(day, starts) - _week(first, starts)).days // 7,
    "MONTHLY": lambda first, day, _: (day.year - first.year) * 12 + day.month - first.month,
    "YEARLY": lambda first, day, _: day.year - first.year,
}
"""How many days, weeks, months or years a day is after the first."""


def _week(day: date, starts: int) -> date:
    return day - timedelta(days=(day.weekday() - starts) % 7)


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _weekday(value: Any) -> tuple[int, int]:
    """``-1FR`` → (-1, 4); no number is 0."""
    text = str(value).upper()
    number, name = text[:-2], text[-2:]
    return int(number) if number else 0, _DAYS[name]


def _is_the(day: date, nth: int, weekday: int, of_the_year: bool) -> bool:
    if day.weekday() != weekday:
        return False
    if of_the_year:
        number = day.timetuple().tm_yday
        length = 366 if calendar.isleap(day.year) else 365
    else:
        number, length = day.day, _length(day)
    return nth in (0, (number - 1) // 7 + 1, -((length - number) // 7 + 1))


def is_nowhere(value: date, written: Any) -> bool:
    """Whether a time was written with a zone that nobody knows."""
    return isinstance(value, datetime) and value.tzinfo is None and "TZID" in written.params


def _values(component: Component, name: str) -> Iterator[Any]:
    """Every value of a property that may be written in several lines, of several values each."""
    found = component.get(name)
    for line in found if isinstance(found, list) else [found] if found is not None else []:
        for value in line.dts:
            if is_nowhere(value.dt, line):
                raise Unsupported("no such zone")
            yield value.dt


def _date(value: Any) -> date:
    if not isinstance(value, date):
        raise Unsupported("period")
    return value
