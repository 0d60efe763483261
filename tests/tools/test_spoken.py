from datetime import date, datetime, time

import pytest

from tools import spoken

TODAY = date(2026, 11, 22)


def test_a_moment_is_said_as_a_receptionist_says_it() -> None:
    said = spoken.moment(datetime(2026, 12, 1, 9, 30), TODAY)

    assert said == "Tuesday, December first at nine thirty in the morning"


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (time(0, 0), "midnight"),
        (time(0, 30), "twelve thirty in the morning"),
        (time(8, 5), "eight oh five in the morning"),
        (time(9, 0), "nine in the morning"),
        (time(11, 45), "eleven forty-five in the morning"),
        (time(12, 0), "noon"),
        (time(12, 15), "twelve fifteen in the afternoon"),
        (time(16, 50), "four fifty in the afternoon"),
        (time(17, 0), "five in the evening"),
        (time(23, 59), "eleven fifty-nine in the evening"),
    ],
)
def test_times_are_words(at: time, said: str) -> None:
    assert spoken.clock(at) == said


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (date(2026, 11, 22), "today"),
        (date(2026, 11, 23), "tomorrow, Monday"),
        (date(2026, 11, 24), "Tuesday, November twenty-fourth"),
        (date(2026, 11, 30), "Monday, November thirtieth"),
        (date(2026, 12, 12), "Saturday, December twelfth"),
        (date(2027, 1, 22), "Friday, January twenty-second"),
        (date(2027, 12, 31), "Friday, December thirty-first, twenty twenty-seven"),
        (date(2105, 2, 3), "Tuesday, February third, twenty-one oh five"),
    ],
)
def test_days_are_words_and_far_ones_have_a_year(day: date, said: str) -> None:
    assert spoken.day(day, TODAY) == said


def test_inside_a_sentence_only_a_date_takes_on() -> None:
    assert spoken.on_moment(datetime(2026, 11, 23, 9), TODAY).startswith("tomorrow, Monday at")
    assert spoken.on_moment(datetime(2026, 12, 1, 9), TODAY).startswith("on Tuesday, December")


def test_several_times_name_the_part_of_the_day_once_and_are_never_parted_by_a_bare_comma() -> None:
    said = spoken.one_of_clocks([time(8), time(10), time(12), time(14, 30), time(16)])

    assert said == "eight or ten in the morning, or noon, or two thirty or four in the afternoon"


def test_lists_and_articles() -> None:
    assert spoken.one_of(["a"]) == "a"
    assert spoken.one_of(["a", "b"]) == "a or b"
    assert spoken.all_of(["a", "b", "c"]) == "a, b, and c"
    assert spoken.a("emergency visit") == "an emergency visit"
    assert spoken.a("cleaning") == "a cleaning"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1905, "nineteen oh five"),
        (1985, "nineteen eighty-five"),
        (1900, "nineteen hundred"),
        (2000, "two thousand"),
        (2005, "two thousand five"),
        (2026, "twenty twenty-six"),
        (2100, "twenty-one hundred"),
    ],
)
def test_years_are_words_also_those_of_birth(value: int, said: str) -> None:
    assert spoken.year(value) == said
