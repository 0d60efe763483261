"""What things are called, and which of them somebody means by words of their own."""

import re
from collections.abc import Iterable
from typing import Protocol, TypeVar


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


Thing = TypeVar("Thing", bound=Named)


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


def parted(also_called: str) -> tuple[str, ...]:
    """Other names as a column keeps them, with commas between."""
    return tuple(word for word in also_called.split(",") if word)


def _names(thing: Named) -> set[str]:
    return {plain(name) for name in (thing.name, *thing.also_called)} - {""}
