"""When what repeats happens: against the rules themselves, and against whatever is written."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.tools.radicale_server import an_object
from tools.calendars import ics
from tools.openings import Span

ZONE = ZoneInfo("America/New_York")
DECEMBER = Span(start=datetime(2026, 12, 1, 5, tzinfo=UTC), end=datetime(2027, 1, 1, 5, tzinfo=UTC))
AT_TEN = (
    "DTSTART;TZID=America/New_York:20261005T100000",
    "DTEND;TZID=America/New_York:20261005T101500",
)


def days(*lines: str, window: Span = DECEMBER) -> list[str]:
    """The days of a window on which it happens, and at what time in UTC."""
    events = ics.within(an_object("UID:x", *lines).encode(), ZONE, window)
    return [f"{event.span.start:%d %H:%M}" for event in sorted(events, key=lambda e: e.span)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=WEEKLY", "7 14 21 28"),
        ("FREQ=WEEKLY;INTERVAL=2", "14 28"),
        ("FREQ=WEEKLY;BYDAY=TU,FR;UNTIL=20261215T150000Z", "1 4 8 11 15"),
        ("FREQ=WEEKLY;BYDAY=TU,FR;UNTIL=20261214", "1 4 8 11"),
        ("FREQ=WEEKLY;COUNT=10", "7"),
        ("FREQ=WEEKLY;COUNT=9", ""),
        ("FREQ=WEEKLY;COUNT=99999", "7 14 21 28"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU", "13 14 27 28"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=MO", "6 14 20 28"),
        ("FREQ=DAILY;INTERVAL=10", "4 14 24"),
        ("FREQ=DAILY;BYDAY=SA", "5 12 19 26"),
        ("FREQ=DAILY;BYMONTH=11", ""),
        ("FREQ=MONTHLY", "5"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1,1", "1 31"),
        ("FREQ=MONTHLY;BYDAY=2TU", "8"),
        ("FREQ=MONTHLY;BYDAY=-1FR,1MO", "7 25"),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13,25", "25"),
        ("FREQ=MONTHLY;INTERVAL=3", ""),
        ("FREQ=YEARLY", ""),
        ("FREQ=YEARLY;BYMONTH=12", "5"),
        ("FREQ=YEARLY;BYMONTH=12;BYDAY=3WE", "16"),
        ("FREQ=YEARLY;BYDAY=-1TH", "31"),
        ("FREQ=YEARLY;BYMONTHDAY=24", "24"),
    ],
)
def test_a_rule_has_these_days_in_december(rule: str, expected: str) -> None:
    assert days(*AT_TEN, f"RRULE:{rule}") == [f"{int(day):02} 15:00" for day in expected.split()]


def test_it_keeps_its_own_clock_when_the_clocks_change() -> None:
    over = Span(start=datetime(2026, 10, 31, tzinfo=UTC), end=datetime(2026, 11, 3, tzinfo=UTC))

    assert days(*AT_TEN, "RRULE:FREQ=DAILY", window=over) == ["31 14:00", "01 15:00", "02 15:00"]


def test_exceptions_are_left_out_and_extra_days_are_added() -> None:
    assert days(
        *AT_TEN,
        "RRULE:FREQ=WEEKLY",
        "EXDATE;TZID=America/New_York:20261207T100000,20261214T100000",
        "EXDATE:20261221T150000Z",
        "RDATE;TZID=America/New_York:20261224T090000",
    ) == ["24 14:00", "28 15:00"]


def test_what_replaces_an_occurrence_stands_in_its_place() -> None:
    series = an_object("UID:x", *AT_TEN, "RRULE:FREQ=WEEKLY;UNTIL=20261215")
    moved = an_object(
        "UID:x",
        "RECURRENCE-ID;TZID=America/New_York:20261207T100000",
        "DTSTART;TZID=America/New_York:20261209T110000",
        "DTEND;TZID=America/New_York:20261209T113000",
    )
    [_, event] = moved.split("BEGIN:VEVENT")
    text = series.replace("END:VCALENDAR", f"BEGIN:VEVENT{event}").encode()

    starts = sorted(f"{each.span.start:%d %H:%M}" for each in ics.within(text, ZONE, DECEMBER))

    assert starts == ["09 16:00", "14 15:00"]


def test_a_whole_day_begins_at_the_practices_midnight() -> None:
    birthdays = ("DTSTART;VALUE=DATE:20200107", "RRULE:FREQ=MONTHLY")

    assert days(*birthdays) == ["07 05:00"]


def test_what_began_before_the_window_and_lasts_into_it_is_seen() -> None:
    night = ("DTSTART:20261130T230000Z", "DTEND:20261201T070000Z", "RRULE:FREQ=DAILY;COUNT=1")

    assert days(*night) == ["30 23:00"]


@pytest.mark.parametrize(
    "lines",
    [
        ("RRULE:FREQ=HOURLY",),
        ("RRULE:FREQ=SECONDLY;INTERVAL=1",),
        ("RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE;BYSETPOS=-1",),
        ("RRULE:FREQ=YEARLY;BYWEEKNO=50",),
        ("RRULE:FREQ=DAILY;BYHOUR=9,17",),
        ("RRULE:FREQ=DAILY;INTERVAL=0",),
        ("RRULE:FREQ=WEEKLY;BYDAY=2MO",),
        ("RRULE:FREQ=GARBAGE",),
        ("RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"),
        ("RDATE;VALUE=PERIOD:20261201T100000Z/PT1H",),
    ],
)
def test_what_is_not_worked_out_is_said_to_be_unreadable(lines: tuple[str, ...]) -> None:
    with pytest.raises(ics.Unreadable):
        days(*AT_TEN, *lines)


def test_a_rule_without_any_day_costs_no_more_than_another() -> None:
    assert days(*AT_TEN, "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=2") == []
    with pytest.raises(ics.Unreadable):
        days("DTSTART:19000101T100000Z", "RRULE:FREQ=DAILY;COUNT=1000000000")


def test_an_event_that_lasts_for_years_does_not_repeat_here() -> None:
    with pytest.raises(ics.Unreadable):
        days("DTSTART:20200101T000000Z", "DTEND:20250101T000000Z", "RRULE:FREQ=DAILY")


def a_zone(name: str, offset: str, rule: str, *, begin: str = "BEGIN:VTIMEZONE") -> str:
    return "\n".join(
        (
            *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", begin, f"TZID:{name}"),
            *("BEGIN:STANDARD", "TZOFFSETFROM:-0400", f"TZOFFSETTO:{offset}"),
            *("DTSTART:19700101T020000", f"RRULE:{rule}", "END:STANDARD"),
            *("BEGIN:DAYLIGHT", "TZOFFSETFROM:-0500", "TZOFFSETTO:-0400"),
            *("DTSTART:19700301T020000", "RRULE:FREQ=YEARLY;BYMONTH=3", "END:DAYLIGHT"),
            *("END:VTIMEZONE", "BEGIN:VEVENT", "UID:x", "TRANSP:OPAQUE"),
            *(f"DTSTART;TZID={name}:20261207T100000", "DURATION:PT15M", "END:VEVENT"),
            *("END:VCALENDAR", ""),
        )
    )


@pytest.mark.parametrize("begin", ["BEGIN:VTIMEZONE", "begin;X=1:vTimezone", "BEGIN:VTIME\n ZONE"])
def test_a_zone_is_known_by_its_name_whatever_is_written_about_it(begin: str) -> None:
    text = a_zone("America/New_York", "+0900", "FREQ=SECONDLY", begin=begin)

    [event] = ics.within(text.encode(), ZONE, DECEMBER)

    assert event.span.start == datetime(2026, 12, 7, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize("rule", ["FREQ=YEARLY;BYMONTH=11;BYDAY=1SU", "FREQ=SECONDLY"])
@pytest.mark.parametrize("begin", ["BEGIN:VTIMEZONE", "begin;X=1:vTimezone", "BEGIN:VTIME\n ZONE"])
def test_a_time_in_a_zone_that_nobody_knows_is_unreadable(rule: str, begin: str) -> None:
    for offset in ("-0500", "+0900"):
        with pytest.raises(ics.Unreadable):
            ics.within(a_zone("Our Own", offset, rule, begin=begin).encode(), ZONE, DECEMBER)
    for line in ("EXDATE", "RDATE", "RECURRENCE-ID"):
        with pytest.raises(ics.Unreadable):
            days(*AT_TEN, "RRULE:FREQ=WEEKLY", f"{line};TZID=Our Own:20261207T100000")


def test_an_office_may_write_its_zone_in_its_own_words() -> None:
    text = a_zone("Eastern Standard Time", "-0500", "FREQ=YEARLY;BYMONTH=11;BYDAY=1SU")

    [event] = ics.within(text.encode(), ZONE, DECEMBER)

    assert event.span.start == datetime(2026, 12, 7, 15, 0, tzinfo=UTC)


_SETS = st.sets(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), max_size=3)
_SOUND = st.one_of(
    st.builds("FREQ=DAILY;INTERVAL={}".format, st.integers(1, 40)),
    st.builds(
        "FREQ=WEEKLY;INTERVAL={};WKST={};BYDAY={}".format,
        st.integers(1, 6),
        st.sampled_from(["MO", "SU", "WE"]),
        _SETS.filter(bool).map(",".join),
    ),
    st.builds(
        "FREQ=MONTHLY;INTERVAL={};BYMONTHDAY={}".format,
        st.integers(1, 4),
        st.integers(-31, 31).filter(bool),
    ),
    st.builds(
        "FREQ=MONTHLY;BYDAY={}{}".format,
        st.integers(-5, 5).filter(bool),
        st.sampled_from(["MO", "WE", "SU"]),
    ),
    st.builds(
        "FREQ=YEARLY;BYMONTH={};BYDAY={}{}".format,
        st.integers(1, 12),
        st.integers(-5, 5).filter(bool),
        st.sampled_from(["MO", "WE", "SU"]),
    ),
    st.builds("FREQ=YEARLY;BYDAY={}FR".format, st.integers(-53, 53).filter(bool)),
)
_ENDINGS = st.one_of(
    st.just(""),
    st.integers(1, 30).map(";COUNT={}".format),
    st.integers(1, 28).map(";UNTIL=202612{:02}T150000Z".format),
)


@given(rule=_SOUND, ending=_ENDINGS, first=st.dates(date(2025, 1, 1), date(2026, 12, 15)))
def test_it_agrees_with_another_reading_of_the_rules(rule: str, ending: str, first: date) -> None:
    start = datetime.combine(first, time(10))
    until_here = re.sub(r"T150000Z", "T100000", ending)  # its clock knows no zones
    theirs = rrulestr(rule + until_here, dtstart=start)
    assume("COUNT" not in ending or start in theirs)  # it does not count a start off the rule
    december = theirs.between(datetime(2026, 12, 1), datetime(2027, 1, 1))
    assume("UNTIL" not in ending or start in theirs)
    is_first = [start] if (start.year, start.month) == (2026, 12) else []
    expected = sorted({f"{each:%d}" for each in (*december, *is_first)})

    ours = days(
        f"DTSTART;TZID=America/New_York:{start:%Y%m%dT%H%M%S}",
        "DURATION:PT15M",
        f"RRULE:{rule}{ending}",
    )

    assert [each.split(" ")[0] for each in ours] == expected


_TIMES = st.sampled_from(
    [
        "DTSTART:20261201T100000Z",
        "DTSTART:20261201T100000",
        "DTSTART;VALUE=DATE:20261201",
        "DTSTART;TZID=Nowhere/Odd:20261201T100000",
        "DTSTART:99991231T235959Z",
        "DTSTART:00010101T000000Z",
        "DTSTART;VALUE=PERIOD:20261201T100000Z/PT1H",
        "DTSTART:tomorrow",
    ]
)
_ENDS = st.sampled_from(
    [
        "DTEND:20261201T110000Z",
        "DTEND;VALUE=DATE:20261202",
        "DTEND:20200101T000000Z",
        "DURATION:PT30M",
        "DURATION:-P1D",
        "DURATION:P99999999D",
        "DURATION:soon",
        "X-NOTHING:1",
    ]
)
_RULES = st.one_of(
    st.just("X-NOTHING:2"),
    st.text("FREQ=DAILYWKMOT;0123456789-,:BYS", max_size=40).map("RRULE:{}".format),
    st.builds(
        "RRULE:FREQ={};{}={}".format,
        st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY", "HOURLY"]),
        st.sampled_from(["BYDAY", "BYMONTH", "BYMONTHDAY", "COUNT", "INTERVAL", "UNTIL", "WKST"]),
        st.one_of(
            st.integers(-(10**12), 10**12).map(str),
            st.sampled_from(["MO", "-9SU", "XX", "", "20261205", "99991231T235959Z"]),
        ),
    ),
    st.text("0123456789TZ/P,", max_size=20).map("EXDATE:{}".format),
    st.text("0123456789TZ/P,", max_size=20).map("RDATE:{}".format),
    st.text("0123456789TZ/P,", max_size=20).map("RECURRENCE-ID:{}".format),
)


@given(start=_TIMES, end=_ENDS, rules=st.lists(_RULES, max_size=3))
def test_whatever_is_written_is_placed_in_time_or_said_to_be_unreadable(
    start: str, end: str, rules: list[str]
) -> None:
    text = an_object(start, end, *rules).encode()
    try:
        events = ics.within(text, ZONE, DECEMBER)
    except ics.Unreadable:
        return

    assert all(event.overlaps(DECEMBER) for event in events)
    assert all(event.span.end - event.span.start >= timedelta(0) for event in events)


@given(st.binary(max_size=300))
def test_what_is_no_calendar_is_said_to_be_unreadable(text: bytes) -> None:
    for read in (
        lambda: ics.within(text, ZONE, DECEMBER),
        lambda: ics.read(b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" + text, ZONE),
        lambda: ics.read_free_busy(b"BEGIN:VCALENDAR\r\nBEGIN:VFREEBUSY\r\n" + text),
    ):
        with pytest.raises(ics.Unreadable):
            read()
