"""Templates of a scenario: words and arguments with answers of tools and days put in.

``{slots.offers[0].start}`` is looked up in what tools answered; ``{today}``, ``{tomorrow}``,
``{next:thursday}`` (never today) and ``{in:3}`` are days at the practice, as ``YYYY-MM-DD``;
``{path|words}`` gives the words when there is nothing at the path. Pure.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

_HOLE = re.compile(r"\{([^{}|]+)(?:\|([^{}]*))?\}")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Missing(LookupError):
    """Nothing is at a template's path; the text is the path."""


def fill(template: Any, memory: Mapping[str, Any], today: date) -> Any:
    """The template with every hole filled.

    Text that is one hole and nothing else becomes the value itself, whatever its type. In an
    object, a field whose template finds nothing is left out.

    Raises:
        Missing: a hole without words of its own finds nothing.
    """
    match template:
        case str():
            return _fill_text(template, memory, today)
        case list():
            return [fill(item, memory, today) for item in template]
        case Mapping():
            return _fill_object(template, memory, today)
        case _:
            return template


def words(template: str, memory: Mapping[str, Any], today: date) -> str:
    """``fill`` for something to be said: always text.

    Raises:
        Missing: a hole without words of its own finds nothing.
    """
    return str(fill(template, memory, today))


def _fill_object(
    template: Mapping[str, Any], memory: Mapping[str, Any], today: date
) -> dict[str, Any]:
    filled = {}
    for name, value in template.items():
        try:
            filled[name] = fill(value, memory, today)
        except Missing:
            continue
    return filled


def _fill_text(template: str, memory: Mapping[str, Any], today: date) -> Any:
    whole = _HOLE.fullmatch(template)
    if whole is not None:
        return _value(whole, memory, today)
    return _HOLE.sub(lambda hole: str(_value(hole, memory, today)), template)


def _value(hole: re.Match[str], memory: Mapping[str, Any], today: date) -> Any:
    path, words_instead = hole.group(1).strip(), hole.group(2)
    day = day_of(path, today)
    if day is not None:
        return day.isoformat()
    try:
        return _look_up(path, memory)
    except Missing:
        if words_instead is None:
            raise
        return words_instead


def _look_up(path: str, memory: Mapping[str, Any]) -> Any:
    value: Any = memory
    for name, number in _STEP.findall(path):
        try:
            value = value[int(number)] if number else value[name]
        except (LookupError, TypeError):
            raise Missing(path) from None
    if value is None or value == "":
        raise Missing(path)
    return value


def day_of(words: str, today: date) -> date | None:
    """The day that a template's words mean; None when they mean none."""
    kind, _, argument = words.partition(":")
    match kind:
        case "today":
            return today
        case "tomorrow":
            return today + timedelta(days=1)
        case "in" if argument.isdigit():
            return today + timedelta(days=int(argument))
        case "next" if argument.lower() in _DAYS:
            ahead = (_DAYS.index(argument.lower()) - today.weekday()) % 7
            return today + timedelta(days=ahead or 7)
        case _:
            return None
