from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tools.openings import Hours, Span, both, cells_of, free_starts, is_cell, spans_of

NEW_YORK = ZoneInfo("America/New_York")
SUNDAY = 6
CLOCKS_FORWARD = date(2026, 3, 8)
CLOCKS_BACK = date(2026, 11, 1)


def hours(opens: str, closes: str, weekday: int = SUNDAY) -> list[Hours]:
    return [
        Hours(weekday=weekday, opens=time.fromisoformat(opens), closes=time.fromisoformat(closes))
    ]


def utc(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def starts(spans: list[Span], *, minutes: int = 30, busy: set[datetime] | None = None) -> list[str]:
    found = free_starts(
        spans,
        lasts=timedelta(minutes=minutes),
        busy=busy or set(),
        not_before=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return [f"{start.astimezone(NEW_YORK):%H:%M}" for start in found]


def test_the_day_on_which_an_hour_is_skipped_is_an_hour_shorter() -> None:
    [span] = spans_of(CLOCKS_FORWARD, hours("00:00", "06:00"), NEW_YORK)

    assert span.end - span.start == timedelta(hours=5)
    assert "02:00" not in starts([span])
    assert starts([span])[-1] == "05:30"


def test_the_day_on_which_an_hour_comes_twice_is_an_hour_longer() -> None:
    [span] = spans_of(CLOCKS_BACK, hours("00:00", "06:00"), NEW_YORK)

    assert span.end - span.start == timedelta(hours=7)
    assert starts([span]).count("01:30") == 2


def test_hours_after_the_change_are_those_of_the_wall_clock() -> None:
    [before] = spans_of(date(2026, 3, 7), hours("09:00", "17:00", 5), NEW_YORK)
    [after] = spans_of(date(2026, 3, 9), hours("09:00", "17:00", 0), NEW_YORK)

    assert before.start == utc(date(2026, 3, 7), 14)
    assert after.start == utc(date(2026, 3, 9), 13)


def test_a_door_in_the_skipped_hour_stays_shut_when_in_doubt() -> None:
    [opens_in_it] = spans_of(CLOCKS_FORWARD, hours("02:30", "06:00"), NEW_YORK)
    [closes_in_it] = spans_of(CLOCKS_FORWARD, hours("00:00", "02:30"), NEW_YORK)

    assert f"{opens_in_it.start.astimezone(NEW_YORK):%H:%M}" == "03:30"
    assert f"{closes_in_it.end.astimezone(NEW_YORK):%H:%M}" == "01:30"
    assert spans_of(CLOCKS_FORWARD, hours("02:15", "02:45"), NEW_YORK) == []


def test_a_door_in_the_doubled_hour_stays_shut_when_in_doubt() -> None:
    [opens_in_it] = spans_of(CLOCKS_BACK, hours("01:30", "06:00"), NEW_YORK)
    [closes_in_it] = spans_of(CLOCKS_BACK, hours("00:00", "01:30"), NEW_YORK)

    assert opens_in_it.start == utc(CLOCKS_BACK, 6, 30)
    assert closes_in_it.end == utc(CLOCKS_BACK, 5, 30)


def test_only_the_hours_of_that_weekday_count_and_lunch_is_a_gap() -> None:
    lunch = hours("09:00", "12:00", 0) + hours("13:00", "15:00", 0) + hours("08:00", "20:00", 1)

    spans = spans_of(date(2026, 11, 23), lunch, NEW_YORK)

    assert starts(spans, minutes=120) == [
        "09:00", "09:15", "09:30", "09:45", "10:00", "13:00",
    ]  # fmt: skip


def test_what_does_not_fit_before_closing_or_around_something_busy_is_not_free() -> None:
    [span] = spans_of(date(2026, 11, 23), hours("09:00", "10:00", 0), NEW_YORK)

    assert starts([span], minutes=45) == ["09:00", "09:15"]
    assert starts([span], minutes=30, busy={utc(date(2026, 11, 23), 14, 15)}) == ["09:30"]


def test_nothing_is_free_before_the_lead_time_and_starts_stay_on_cells() -> None:
    [span] = spans_of(date(2026, 11, 23), hours("09:00", "10:00", 0), NEW_YORK)

    found = free_starts(
        [span],
        lasts=timedelta(minutes=15),
        busy=(),
        not_before=utc(date(2026, 11, 23), 14, 20),
    )

    assert list(found) == [utc(date(2026, 11, 23), 14, 30), utc(date(2026, 11, 23), 14, 45)]


def test_time_with_two_conditions_is_what_lies_in_both() -> None:
    day = date(2026, 11, 23)
    ours = [Span(start=utc(day, 8), end=utc(day, 12)), Span(start=utc(day, 13), end=utc(day, 17))]
    theirs = [
        Span(start=utc(day, 11), end=utc(day, 14)),
        Span(start=utc(day, 17), end=utc(day, 18)),
    ]

    assert both(ours, theirs) == [
        Span(start=utc(day, 11), end=utc(day, 12)),
        Span(start=utc(day, 13), end=utc(day, 14)),
    ]


def test_an_appointment_takes_every_cell_it_touches() -> None:
    start = utc(date(2026, 11, 23), 14)

    assert cells_of(start, timedelta(minutes=45)) == [
        start, start + timedelta(minutes=15), start + timedelta(minutes=30),
    ]  # fmt: skip
    assert is_cell(start)
    assert not is_cell(start + timedelta(minutes=5))


def test_a_time_that_comes_twice_or_never_may_be_a_start_too() -> None:
    twice = datetime.combine(CLOCKS_BACK, time(1, 30), NEW_YORK)
    never = datetime.combine(CLOCKS_FORWARD, time(2, 30), NEW_YORK)

    assert is_cell(twice)
    assert is_cell(twice.replace(fold=1))
    assert is_cell(never)
    assert not is_cell(twice + timedelta(minutes=5))
