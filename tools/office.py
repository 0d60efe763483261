"""One practice as a tool finds it: what was entered for it, and the calendar it keeps.

Also turns what the model sent into what is meant here: a service, a provider, a day, a start, a
number. Leaves what is done with them to the bodies.
"""

from datetime import date, datetime

import msgspec

from tools import names, phone, spoken
from tools.errors import BadArguments, ToolError
from tools.names import folded
from tools.patients import Patients
from tools.practices import Facts, Practice, Practices, Provider, Service
from tools.schedule import Schedule


class Unclear(msgspec.Struct, frozen=True, kw_only=True, tag="unclear", tag_field="result"):
    """Nothing here, or more than one thing, goes by these words; the caller must choose."""

    say: str
    choices: tuple[str, ...]


class Office(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tool does its work."""

    facts: Facts
    schedule: Schedule
    patients: Patients

    @property
    def practice(self) -> Practice:
        """Whose it is."""
        return self.facts.practice

    def now(self) -> datetime:
        """The instant, on the practice's clock."""
        return self.schedule.now(self.practice)

    def today(self) -> date:
        """The day there."""
        return self.now().date()


async def the_facts(practices: Practices, practice_id: str) -> Facts:
    """What was entered for a practice.

    Raises:
        ToolError: nobody entered it: our mistake, which no retry mends.
        Unavailable: the database cannot be reached.
    """
    facts = await practices.facts_of(practice_id)
    if facts is None:
        raise ToolError("I can't reach our calendar just now.", reason="practice not in database")
    return facts


def choose_service(
    facts: Facts, words: str, provider: str | None
) -> tuple[Service, tuple[Provider, ...]] | Unclear:
    """The service by what it was called, and who does it, or what there is to choose from."""
    meant = names.meant(words, facts.services)
    if len(meant) != 1:
        offered = tuple(service.name for service in meant or facts.services)
        say = f"We offer {spoken.all_of(offered)}. Which of them would you like?"
        return Unclear(say=say, choices=offered)
    providers = choose_providers(facts, meant[0], provider)
    return providers if isinstance(providers, Unclear) else (meant[0], providers)


def choose_providers(
    facts: Facts, service: Service, name: str | None
) -> tuple[Provider, ...] | Unclear:
    """Who does a service, in the practice's own order; only those of a name, if one is wanted."""
    providers = tuple(facts.who_does(service))
    if name is None:
        return providers
    if asked := tuple(each for each in providers if _is_named(each, name)):
        return asked
    people = tuple(each.name for each in providers)
    who = spoken.all_of(people)
    say = f"For {spoken.a(service.name)} there is {who}. Who would you like to see?"
    return Unclear(say=say, choices=people)


def as_phone(text: str) -> str:
    """The number as E.164.

    Raises:
        BadArguments: it is none.
    """
    try:
        return phone.normalise(text)
    except ValueError:
        raise BadArguments(
            "phone is no phone number. Ask the caller to say it again, digit by digit."
        ) from None


def as_day(field: str, text: str | None) -> date | None:
    """A day of the calendar.

    Raises:
        BadArguments: there is none like it.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadArguments(f"{field} is no day of the calendar. Send it as YYYY-MM-DD.") from None


def as_start(field: str, text: str, practice: Practice) -> datetime:
    """An instant, on the practice's clock.

    Raises:
        BadArguments: there is none like it.
    """
    try:
        start = datetime.fromisoformat(text)
        if start.tzinfo is None:
            start = start.replace(tzinfo=practice.zone)
        return start.astimezone(practice.zone)
    except (ValueError, OverflowError):
        raise BadArguments(f"{field} is no day of the calendar. Copy it from the offer.") from None


def must_be_to_come(field: str, start: datetime, now: datetime) -> None:
    """Ask it after the calendar was asked: what was done before may lie in the past by now.

    Raises:
        BadArguments: the start is past.
    """
    if start <= now:
        raise BadArguments(f"{field} is past. It is {now:%A}, {now.isoformat(timespec='minutes')}.")


def _is_named(provider: Provider, words: str) -> bool:
    """By the last name, whatever title stands before it."""
    return folded(words).split()[-1:] == folded(provider.name).split()[-1:]
