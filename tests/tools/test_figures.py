from datetime import timedelta

import pytest

from tools import figures


def test_every_day_of_a_month_has_an_ordinal() -> None:
    said = [figures.ordinal(n) for n in range(1, 32)]

    assert len(set(said)) == 31
    assert {word[-2:] for word in said} == {"st", "nd", "rd", "th"}
    assert said[7] == "eighth"
    assert said[8] == "ninth"
    assert said[18:21] == ["nineteenth", "twentieth", "twenty-first"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "zero"),
        (19, "nineteen"),
        (45, "forty-five"),
        (90, "ninety"),
        (100, "one hundred"),
        (999, "nine hundred ninety-nine"),
        (1205, "one thousand two hundred five"),
        (20_000, "twenty thousand"),
        (1_000_001, "one million one"),
    ],
)
def test_numbers_are_words(value: int, said: str) -> None:
    assert figures.number(value) == said


@pytest.mark.parametrize("value", [-1, 10**9])
def test_what_nobody_says_is_no_number(value: int) -> None:
    with pytest.raises(ValueError, match="no number"):
        figures.number(value)


def test_ordinals_go_beyond_a_month() -> None:
    said = [figures.ordinal(n) for n in (40, 52, 100, 103)]

    assert said == ["fortieth", "fifty-second", "one hundredth", "one hundred third"]


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "no appointments"), (1, "one appointment"), (3, "three appointments")],
)
def test_counts_agree_with_what_is_counted(value: int, said: str) -> None:
    assert figures.count(value, "appointment") == said


def test_an_irregular_plural_is_given() -> None:
    assert figures.count(2, "person", "people") == "two people"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (timedelta(minutes=30), "thirty minutes"),
        (timedelta(minutes=1), "one minute"),
        (timedelta(seconds=61), "two minutes"),
        (timedelta(hours=1), "one hour"),
        (timedelta(minutes=90), "one hour and thirty minutes"),
        (timedelta(minutes=121), "two hours and one minute"),
    ],
)
def test_durations_are_words(value: timedelta, said: str) -> None:
    assert figures.duration(value) == said


@pytest.mark.parametrize(
    ("cents", "said"),
    [
        (0, "zero dollars"),
        (1, "one cent"),
        (50, "fifty cents"),
        (100, "one dollar"),
        (1250, "twelve dollars and fifty cents"),
        (12_500, "one hundred twenty-five dollars"),
        (123_456, "one thousand two hundred thirty-four dollars and fifty-six cents"),
    ],
)
def test_money_is_words(cents: int, said: str) -> None:
    assert figures.money(cents) == said


def test_other_money_is_said_by_its_own_name() -> None:
    assert figures.money(201, unit="euro") == "two euros and one cent"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("+15550100122", "five five five, zero one zero, zero one two two"),
        ("+442079460958", "plus four four, two zero seven, nine four six, zero nine five eight"),
        ("+41446681800", "plus four one, four four six, six eight one, eight zero zero"),
        ("+35312345678", "plus three five three, one two three, four five six, seven eight"),
        ("+74951234567", "plus seven, four nine five, one two three, four five six seven"),
        ("+15550100", "plus one, five five five, zero one zero zero"),
    ],
)
def test_a_phone_number_is_said_digit_by_digit_in_groups(number: str, said: str) -> None:
    assert figures.phone_number(number) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("4b2", "four B two"),
        ("12-34", "one two, three four"),
        (" A 1 ", "A, one"),
        ("--", ""),
        ("²", "²"),
    ],
)
def test_a_code_is_said_sign_by_sign(text: str, said: str) -> None:
    assert figures.digits(text) == said


@pytest.mark.parametrize("number", ["", "+", "none", "+2"])
def test_what_is_no_phone_number_is_not_said_as_one(number: str) -> None:
    with pytest.raises(ValueError, match="no phone number"):
        figures.phone_number(number)
