"""The tool that tells facts: the ones that were entered, and what the tables know by themselves.

A fact that was entered under a name goes before what we would say under it. Nothing is guessed:
what nobody entered is answered with what there is to ask for.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Final

import msgspec

from tools import figures, insurance, names, spoken
from tools.arguments import PracticeInfo
from tools.errand import Errand
from tools.office import Office, Unclear
from tools.openings import Hours
from tools.practices import Fact, Facts, Service

MOST: Final = 2
"""Facts told at once; nobody keeps more in mind on the phone."""
CLOSED_SOON: Final = timedelta(days=30)
"""Closed days so far ahead are told with the hours."""


class Told(msgspec.Struct, frozen=True, kw_only=True, tag="told", tag_field="result"):
    """What there is to say about a topic."""

    say: str
    topics: tuple[str, ...]


async def practice_info(asked: PracticeInfo, office: Office, errand: Errand) -> Told | Unclear:
    """What is known about the topic, or what there is to ask about."""
    topics = _topics(office.facts, office.today())
    meant = names.meant(asked.topic, topics)
    if not meant:
        meant = [
            _about(office.facts, service)
            for service in names.meant(asked.topic, office.facts.services)
        ]
    if meant:
        told = meant[:MOST]
        say = " ".join(each.say for each in told)
        return Told(say=say, topics=tuple(each.name for each in told))
    choices = tuple(each.name for each in topics)
    say = f"I can tell you about {spoken.all_of(choices)}. Which of them would you like to know?"
    return Unclear(say=say, choices=choices)


def _topics(facts: Facts, today: date) -> list[Fact]:
    entered = {names.plain(each.name) for each in facts.told}
    ours = (
        Fact(
            name="opening hours",
            also_called=(
                *("hours", "open", "opening", "opening times", "opening hours", "close"),
                *("closed", "closing time", "business hours", "holidays", "days off"),
            ),
            say=_hours(facts, today),
        ),
        Fact(
            name="services",
            also_called=("service", "what you offer", "what you do", "what do you do", "offer"),
            say=_sentence("We offer", spoken.all_of([each.name for each in facts.services])),
        ),
        Fact(
            name="people",
            also_called=("staff", "team", "who works there", "who works here", "providers"),
            say=_sentence("You can see", spoken.one_of([each.name for each in facts.providers])),
        ),
        Fact(
            name="insurance",
            also_called=("insurances", "insurers", "insurance list", "insurance plans"),
            say=insurance.listed(facts),
        ),
    )
    return [
        *facts.told,
        *(each for each in ours if each.say and names.plain(each.name) not in entered),
    ]


def _hours(facts: Facts, today: date) -> str:
    if not facts.hours:
        return ""
    said = [f"We're open {'; and '.join(_weekly(facts.hours))}."]
    closed = [day for day in sorted(facts.closed) if today <= day < today + CLOSED_SOON]
    for day in closed[:MOST]:
        why = facts.closed[day]
        on = spoken.day(day, today)
        on = on if day - today <= timedelta(days=1) else f"on {on}"
        said.append(f"We're closed {on}{f' for {why}' if why else ''}.")
    return " ".join(said)


def _weekly(hours: Sequence[Hours]) -> list[str]:
    """The week, days of the same hours together where they follow one another."""
    days = [
        (day, sorted((each.opens, each.closes) for each in hours if each.weekday == day))
        for day in range(7)
    ]
    said = []
    for spans, of_days in groupby(days, key=lambda day: day[1]):
        same = [weekday for weekday, _ in of_days]
        if not spans:
            continue
        times = [f"from {spoken.clock(opens)} to {spoken.clock(closes)}" for opens, closes in spans]
        said.append(f"{spoken.weekdays(same[0], same[-1])} {spoken.all_of(times)}")
    return said


def _about(facts: Facts, service: Service) -> Fact:
    people = [each.name for each in facts.who_does(service)]
    with_whom = f", with {spoken.one_of(people)}" if people else ""
    takes = f"{spoken.a(service.name).capitalize()} takes {figures.duration(service.lasts)}"
    return Fact(name=service.name, also_called=(), say=f"{takes}{with_whom}.")


def _sentence(begins: str, words: str) -> str:
    return f"{begins} {words}." if words else ""
