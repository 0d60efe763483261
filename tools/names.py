"""What things are called, and which of them somebody means by words of their own."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeVar


class Named(Protocol):
    """Anything that has a name and perhaps others."""

    @property
    def name(self) -> str:
        """Its name, written to be spoken."""
        ...

    @property
    def also_called(self) -> tuple[str, ...]:
        """What callers say for it."""
        ...


LONGEST: Final = 80
"""Characters of a name that are kept and compared."""

Thing = TypeVar("Thing", bound=Named)
Somebody = TypeVar("Somebody")


def meant(words: str, things: Iterable[Thing]) -> list[Thing]:
    """The things that are called so, or else those whose name stands among the words.

    ``a teeth cleaning, please`` means what is called ``teeth cleaning``; two that fit are both
    given, for the caller to choose.
    """
    there = tuple(things)
    said = plain(words)
    return [thing for thing in there if said in _names(thing)] or [
        thing for thing in there if any(f" {name} " in f" {said} " for name in _names(thing))
    ]


def plain(words: str) -> str:
    """Words as they are compared: case, spacing, and signs do not tell two apart."""
    return " ".join(re.findall(r"[^\W_]+", words.casefold()))


def folded(name: str) -> str:
    """A person's name as it is compared: case, spacing, accents and signs do not tell two apart.

    A model writes ``O'Neil`` with one apostrophe now and with another later, and means one person.
    """
    letters = unicodedata.normalize("NFKD", name.casefold())
    without = "".join(sign for sign in letters if not unicodedata.combining(sign))
    words = re.sub(r"[^\w\s]|_", "", re.sub(r"[-\u2010-\u2015]", " ", without)).split()
    return " ".join(words or name.casefold().split())[:LONGEST]


def is_part(words: str, name: str) -> bool:
    """Whether all of these words are in a person's name: ``Ann`` of ``Ann Lee``."""
    return set(folded(words).split()) <= set(folded(name).split())


def called(
    words: str, people: Iterable[Somebody], name_of: Callable[[Somebody], str]
) -> list[Somebody]:
    """Who has that name, or else everybody of whose name it is a part: ``Ann``."""
    there = tuple(people)
    same = [each for each in there if folded(name_of(each)) == folded(words)]
    return same or [each for each in there if is_part(words, name_of(each))]


def parted(also_called: str) -> tuple[str, ...]:
    """Other names as a column keeps them, with commas between."""
    return tuple(word for word in also_called.split(",") if word)


def _names(thing: Named) -> set[str]:
    return {plain(name) for name in (thing.name, *thing.also_called)} - {""}
