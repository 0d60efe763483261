"""Days, times and lists as they are said aloud, in American English.

A voice reads "12/01" and "9:30" in surprising ways; words leave it nothing to guess. Leaves
numbers, money and phone numbers to ``figures``.
"""

from collections.abc import Sequence
from datetime import date, datetime, time
from itertools import groupby
from typing import Final

from tools.figures import number, ordinal

_WEEKDAYS: Final = (
    *("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
    *("Saturday", "Sunday"),
)
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_NAMED: Final = {(0, 0): "midnight", (12, 0): "noon"}
_SAID_WITHOUT_YEAR: Final = 300
"""Days; a date farther off than that is said with its year."""


def day(value: date, today: date) -> str:
    """``today``, ``tomorrow, Monday``, or ``Tuesday, December first``."""
    away = (value - today).days
    weekday = _WEEKDAYS[value.weekday()]
    if away == 0:
        return "today"
    if away == 1:
        return f"tomorrow, {weekday}"
    said = f"{weekday}, {_MONTHS[value.month - 1]} {ordinal(value.day)}"
    return said if abs(away) < _SAID_WITHOUT_YEAR else f"{said}, {year(value.year)}"


def weekdays(first: int, last: int) -> str:
    """``Monday``, ``Monday and Tuesday``, ``Monday to Friday``; zero is Monday."""
    if first == last:
        return _WEEKDAYS[first]
    joint = "and" if last - first == 1 else "to"
    return f"{_WEEKDAYS[first]} {joint} {_WEEKDAYS[last]}"


def year(value: int) -> str:
    """``twenty twenty-six``, ``nineteen oh five``, ``nineteen hundred``, ``two thousand five``."""
    century, rest = divmod(value, 100)
    if century % 10 == 0 and rest < 10:
        return number(value)
    if rest == 0:
        return f"{number(century)} hundred"
    return f"{number(century)} {'oh ' if rest < 10 else ''}{number(rest)}"


def clock(value: time) -> str:
    """``nine thirty in the morning``, ``four oh five in the afternoon``, ``noon``."""
    return f"{_hands(value)} {_part_of_day(value)}".strip()


def one_of_clocks(values: Sequence[time]) -> str:
    """``eight or ten in the morning, or noon``: the part of the day once for all its times.

    Never a bare comma between two times: "eight, ten" is heard as ten past eight.
    """
    groups = []
    for part, of_part in groupby(values, key=_part_of_day):
        hands = " or ".join(_hands(value) for value in of_part)
        groups.append(f"{hands} {part}".strip())
    return ", or ".join(groups)


def moment(value: datetime, today: date) -> str:
    """``Tuesday, December first at nine thirty in the morning``."""
    return f"{day(value.date(), today)} at {clock(value.time())}"


def on_moment(value: datetime, today: date) -> str:
    """The same inside a sentence: ``on Tuesday, December first at …``, but ``tomorrow, … at …``."""
    near = 0 <= (value.date() - today).days <= 1
    return moment(value, today) if near else f"on {moment(value, today)}"


def a(noun: str) -> str:
    """``a cleaning``, ``an emergency visit``."""
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"


def one_of(words: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b, or c``."""
    return _joined(words, "or")


def all_of(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b, and c``."""
    return _joined(words, "and")


def _hands(value: time) -> str:
    if (value.hour, value.minute) in _NAMED:
        return _NAMED[value.hour, value.minute]
    hour = number((value.hour - 1) % 12 + 1)
    if value.minute == 0:
        return hour
    if value.minute < 10:
        return f"{hour} oh {number(value.minute)}"
    return f"{hour} {number(value.minute)}"


def _part_of_day(value: time) -> str:
    if (value.hour, value.minute) in _NAMED:
        return ""
    if value.hour < 12:
        return "in the morning"
    return "in the afternoon" if value.hour < 17 else "in the evening"


def _joined(words: Sequence[str], last: str) -> str:
    if len(words) < 3:
        return f" {last} ".join(words)
    return f"{', '.join(words[:-1])}, {last} {words[-1]}"
