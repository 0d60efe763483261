"""Events as text (RFC 5545): written by us, or by anybody's telephone or office.

Pure. What others wrote is read with suspicion: only what says when somebody is busy and which
appointment is ours. An event that cannot be read, or repeats in a way that was not spelt out, is
told apart from one that could, so that nobody takes its time for free.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from icalendar import Calendar, Component, FreeBusy, vText
from icalendar import Event as IcalEvent
from icalendar.parser import Contentlines

from tools.calendars import recurring
from tools.calendars.remote import RemoteBooking
from tools.openings import Span

KEY: Final = "X-HOLDFAST-KEY"
PHONE: Final = "X-HOLDFAST-PHONE"
NAME: Final = "X-HOLDFAST-NAME"
SERVICE: Final = "X-HOLDFAST-SERVICE"
"""Properties of an appointment of ours. The calendar is the practice's own and says who comes; the
number stands in it as it is, so that a person can read it and a server can search for it."""
PRODID: Final = "-//Holdfast//receptionist//EN"

_unfolded: Final[Callable[[str], Iterable[str]]] = Contentlines.from_ical
_REPEATS: Final = ("RRULE", "RDATE", "EXDATE")
_BROKEN: Final = (
    *(AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError),
    RecursionError,
)
"""What the library raises, there or when a value is used, for text that is not as it should be."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event, or one occurrence of it."""

    uid: str
    span: Span
    busy: bool = True
    """False where it is cancelled, or marked as taking no time."""
    cancelled: bool = False
    repeats: bool = False
    """It has other occurrences, of which this says nothing."""
    key: str = ""
    phone: str = ""
    name: str = ""
    service: str = ""

    def overlaps(self, span: Span) -> bool:
        """Whether they share any time."""
        return self.span.start < span.end and span.start < self.span.end


class Unreadable(ValueError):
    """It is no calendar, or one of its events cannot be placed in time."""


def write(booking: RemoteBooking, *, now: datetime) -> bytes:
    """An appointment as an object of its own.

    Instants are UTC: what shows them does so on its reader's clock, and no rules of a time zone
    have to be carried along.
    """
    event, name = IcalEvent(), _plain(booking.patient_name)
    event.add("summary", f"{_plain(booking.service.name)}: {name}")
    event.add("description", f"{name}, {booking.phone}. Booked by telephone.")
    event.add("status", "CONFIRMED")
    event.add("transp", "OPAQUE")
    event.add(NAME, vText(name))
    _place(event, booking, now)
    return _wrapped(event)


def moved(text: bytes, booking: RemoteBooking, *, now: datetime) -> bytes:
    """The same object at another time under another key, with whatever others added to it.

    Raises:
        Unreadable: it is not one event, and one that happens once.
    """
    events = list(_components(text))
    if len(events) != 1 or any(name in events[0] for name in _REPEATS):
        raise Unreadable("not one event that happens once")
    for name in ("DURATION", "RECURRENCE-ID"):
        events[0].pop(name, None)
    _place(events[0], booking, now)
    return _wrapped(events[0])


def read(text: bytes, zone: ZoneInfo) -> list[Event]:
    """The events of an object; a time without a zone, and a whole day, are the practice's.

    Raises:
        Unreadable: see there.
    """
    return [_event(component, zone) for component in _components(text)]


def within(text: bytes, zone: ZoneInfo, window: Span) -> list[Event]:
    """The events that share time with the window, each occurrence by itself.

    Raises:
        Unreadable: see there; or it repeats in a way that is not worked out here.
    """
    components = list(_components(text))
    if not components:
        raise Unreadable("no event")
    events = [(component, _event(component, zone)) for component in components]
    instead = {(event.uid, _instead_of(component, zone)) for component, event in events}
    return [
        each
        for component, event in events
        for each in _occurrences(component, event, zone, window)
        if each.overlaps(window)
        and (not event.repeats or (event.uid, each.span.start) not in instead)
    ]


def read_free_busy(text: bytes) -> list[Span]:
    """The busy spans of an answer to a free-busy query.

    Raises:
        Unreadable: it is none.
    """
    spans = []
    for component in _components(text, "VFREEBUSY"):
        assert isinstance(component, FreeBusy)
        for period in _listed(component.get("FREEBUSY")):
            if str(period.params.get("FBTYPE", "BUSY")).upper() == "FREE":
                continue
            try:
                start, end = _utc(period.start, ZoneInfo("UTC")), _utc(period.end, ZoneInfo("UTC"))
            except _BROKEN as error:
                raise Unreadable("period") from error
            if start < end:
                spans.append(Span(start=start, end=end))
    return spans


def _occurrences(component: Component, event: Event, zone: ZoneInfo, window: Span) -> list[Event]:
    if not event.repeats:
        return [event]
    lasts = event.span.end - event.span.start
    try:
        starts = recurring.starts(component, _moment(component, "DTSTART"), zone, window, lasts)
    except _BROKEN as error:
        raise Unreadable("repeats") from error
    return [
        msgspec.structs.replace(event, span=Span(start=start, end=start + lasts))
        for start in starts
    ]


def _instead_of(component: Component, zone: ZoneInfo) -> datetime | None:
    """Which occurrence of a series this one replaces."""
    if "RECURRENCE-ID" not in component:
        return None
    try:
        return _utc(_moment(component, "RECURRENCE-ID"), zone)
    except _BROKEN as error:
        raise Unreadable("recurrence") from error


def _place(event: Component, booking: RemoteBooking, now: datetime) -> None:
    for name, value in {
        "UID": booking.key,
        "DTSTAMP": now,
        "DTSTART": booking.start.astimezone(UTC),
        "DTEND": booking.end.astimezone(UTC),
        KEY: booking.key,
        PHONE: booking.phone,
        SERVICE: vText(booking.service.id),
    }.items():
        event.pop(name, None)
        event.add(name, value)


def _wrapped(event: Component) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", PRODID)
    calendar.add("version", "2.0")
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _components(text: bytes, name: str = "VEVENT") -> Iterator[Component]:
    try:
        lines = _unfolded(text.decode("utf-8", "replace"))
        calendar = Calendar.from_ical("\r\n".join(_without_zones(lines)))
    except _BROKEN as error:
        raise Unreadable(type(error).__name__) from error
    yield from calendar.walk(name)


def _without_zones(lines: Iterable[str]) -> Iterator[str]:
    """A zone is known by its name, or not at all.

    The library keeps the first definition of a name for everybody who uses that name later, and
    follows its rules to the end, however many there are: anybody who can send an invitation could
    shift another's appointments, or stop us.
    """
    inside = False
    for line in lines:
        name, _, value = line.upper().rpartition(":")
        is_zone = value.strip() == "VTIMEZONE"
        inside |= is_zone and name.startswith("BEGIN")
        if not inside:
            yield line
        inside &= not (is_zone and name.startswith("END"))


def _event(component: Component, zone: ZoneInfo) -> Event:
    cancelled = _word(component, "STATUS").upper() == "CANCELLED"
    return Event(
        uid=_word(component, "UID"),
        span=_span(component, zone),
        busy=not cancelled and _word(component, "TRANSP").upper() != "TRANSPARENT",
        cancelled=cancelled,
        repeats=any(name in component for name in ("RRULE", "RDATE")),
        key=_word(component, KEY),
        phone=_word(component, PHONE),
        name=_unescaped(_word(component, NAME)),
        service=_unescaped(_word(component, SERVICE)),
    )


def _span(component: Component, zone: ZoneInfo) -> Span:
    """From ``DTSTART`` to ``DTEND``, or for ``DURATION``; by section 3.6.1 a whole day without
    either lasts it, and an instant without either lasts no time."""
    try:
        first = _moment(component, "DTSTART")
        start = _utc(first, zone)
        if "DTEND" in component:
            end = _utc(_moment(component, "DTEND"), zone)
        elif "DURATION" in component:
            end = _utc(first + component.decoded("DURATION"), zone)
        elif isinstance(first, datetime):
            end = start
        else:
            end = _utc(first + timedelta(days=1), zone)
    except _BROKEN as error:
        raise Unreadable("time") from error
    return Span(start=start, end=max(start, end))


def _moment(component: Component, name: str) -> date:
    """A day or an instant; one in a zone that nobody knows is none."""
    found: Any = component[name]
    value = found.dt
    if not isinstance(value, date):
        raise TypeError("no date")
    if recurring.is_nowhere(value, found):
        raise ValueError("no such zone")
    return value


def _utc(value: Any, zone: ZoneInfo) -> datetime:
    if not isinstance(value, date):
        raise TypeError("no date")
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    instant: datetime = value if value.tzinfo else value.replace(tzinfo=zone)
    return instant.astimezone(UTC)


def _plain(text: str) -> str:
    """On one line, and nothing but what can be read."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _word(component: Component, name: str) -> str:
    """A property as text; the first of several, empty where there is none."""
    return str(next(iter(_listed(component.get(name))), ""))


def _unescaped(text: str) -> str:
    """Text of a property that the library does not know (3.3.11)."""
    return re.sub(r"\\(.)", lambda sign: " " if sign[1] in "nN" else sign[1], text)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
