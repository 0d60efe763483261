"""Numbers, money, durations and phone numbers as they are said aloud, in American English.

A voice reads "$1,250" and "5550100122" in surprising ways; words leave it nothing to guess. A
comma is where it pauses.
"""

import re
from datetime import timedelta
from typing import Final

_ONES: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS: Final = (
    *("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),
)
_SCALES: Final = ((1_000_000, "million"), (1000, "thousand"), (100, "hundred"))
_BEYOND_WORDS: Final = 1_000_000_000
_IRREGULAR: Final = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_FIGURES: Final = "0123456789"
_NORTH_AMERICAN: Final = 11
"""Digits of such a number with its country code, 1."""
_COUNTRY_CODE: Final = re.compile(
    r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3}"
)
"""One or two digits where they are assigned so, else three (ITU-T E.164)."""


def number(value: int) -> str:
    """``forty-five``, ``one thousand two hundred five``.

    Raises:
        ValueError: negative, or a thousand million and more, which nobody says on the phone.
    """
    if not 0 <= value < _BEYOND_WORDS:
        raise ValueError("no number that is said aloud")
    if value < len(_ONES):
        return _ONES[value]
    for scale, name in _SCALES:
        if value >= scale:
            many, rest = divmod(value, scale)
            said = f"{number(many)} {name}"
            return f"{said} {number(rest)}" if rest else said
    tens, ones = divmod(value, 10)
    return f"{_TENS[tens]}-{_ONES[ones]}" if ones else _TENS[tens]


def ordinal(value: int) -> str:
    """``first``, ``twenty-first``, ``one hundredth``."""
    said = number(value)
    last = max(said.rfind("-"), said.rfind(" ")) + 1
    head, tail = said[:last], said[last:]
    regular = f"{tail[:-1]}ieth" if tail.endswith("y") else f"{tail}th"
    return head + _IRREGULAR.get(tail, regular)


def count(value: int, noun: str, plural: str = "") -> str:
    """``no appointments``, ``one appointment``, ``three appointments``."""
    many = plural or f"{noun}s"
    match value:
        case 0:
            return f"no {many}"
        case 1:
            return f"one {noun}"
        case _:
            return f"{number(value)} {many}"


def duration(value: timedelta) -> str:
    """``forty-five minutes``, ``one hour and thirty minutes``; whole minutes, rounded up."""
    hours, minutes = divmod(-(-value // timedelta(minutes=1)), 60)
    if not hours:
        return count(minutes, "minute")
    if not minutes:
        return count(hours, "hour")
    return f"{count(hours, 'hour')} and {count(minutes, 'minute')}"


def money(cents: int, *, unit: str = "dollar", part: str = "cent") -> str:
    """``one hundred twenty-five dollars``, ``twelve dollars and fifty cents``."""
    whole, rest = divmod(cents, 100)
    if not cents:
        return f"zero {unit}s"
    if not whole:
        return count(rest, part)
    return f"{count(whole, unit)} and {count(rest, part)}" if rest else count(whole, unit)


def phone_number(value: str) -> str:
    """An E.164 number digit by digit: ``five five five, zero one zero, zero one two two``.

    Numbers of the North American plan without their country code, as they are dialled there;
    others begin with ``plus`` and the country code.

    Raises:
        ValueError: it is none.
    """
    figures = value.removeprefix("+")
    if figures.startswith("1") and len(figures) == _NORTH_AMERICAN:
        return ", ".join((digits(figures[1:4]), digits(figures[4:7]), digits(figures[7:])))
    country = _COUNTRY_CODE.match(figures)
    if country is None:
        raise ValueError("no phone number")
    groups = [digits(group) for group in _in_groups(figures[country.end() :])]
    return ", ".join((f"plus {digits(country[0])}", *groups))


def digits(text: str) -> str:
    """Figures and letters one by one, ``four B two``; what is neither is a pause."""
    said = "".join(
        f" {_ONES[int(each)] if each in _FIGURES else each.upper()}" if each.isalnum() else ","
        for each in text
    )
    return ", ".join(part.strip() for part in said.split(",") if part.strip())


def _in_groups(figures: str) -> list[str]:
    """Three and three, and three or four at the end; nobody keeps more in mind at once."""
    groups = [figures[at : at + 3] for at in range(0, len(figures), 3)]
    if len(groups) > 1 and len(groups[-1]) == 1:
        groups[-2:] = [groups[-2] + groups[-1]]
    return groups
