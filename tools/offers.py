"""Times to offer: which of many, and how they are said.

Three at most: more than that nobody keeps in mind on the phone.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final

import msgspec

from tools import spoken
from tools.openings import OFFER_MINUTES
from tools.schedule import Slot

MOST: Final = 3
APART: Final = timedelta(hours=2)
"""Offers closer together than that are one offer to most callers."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A time the caller may take."""

    start: str
    """ISO 8601 on the practice's clock with its offset; what ``book_appointment`` wants."""
    provider: str
    say: str


def choose(slots: Iterable[Slot], count: int = MOST) -> list[Slot]:
    """A few slots that differ: the soonest, then others well apart, in order of time."""
    round_ones = _one_a_start(slots)
    chosen: list[Slot] = []
    for slot in round_ones:
        if len(chosen) < count and (not chosen or slot.start - chosen[-1].start >= APART):
            chosen.append(slot)
    for slot in round_ones:
        if len(chosen) < count and slot not in chosen:
            chosen.append(slot)
    return sorted(chosen, key=lambda slot: slot.start)


def nearest(slots: Iterable[Slot], start: datetime, count: int = MOST) -> list[Slot]:
    """The slots nearest to a start that is not free, in order of time."""
    near = sorted(_one_a_start(slots), key=lambda slot: (abs(slot.start - start), slot.start))
    return sorted(near[:count], key=lambda slot: slot.start)


def offer(slot: Slot, today: date) -> Offer:
    """A slot as it is offered."""
    return Offer(
        start=slot.start.isoformat(timespec="minutes"),
        provider=slot.provider.name,
        say=f"{spoken.moment(slot.start, today)} with {slot.provider.name}",
    )


def said(slots: Sequence[Slot], today: date) -> str:
    """All of them in one breath: ``Tuesday, December first at nine … or two …``."""
    days = []
    for day, of_day in groupby(slots, key=lambda slot: slot.start.date()):
        times = [slot.start.time() for slot in of_day]
        days.append(f"{spoken.day(day, today)} at {spoken.one_of_clocks(times)}")
    return "; or ".join(days)


def _one_a_start(slots: Iterable[Slot]) -> list[Slot]:
    """One slot for each start (the practice's first choice of provider), the round ones if any."""
    firsts: dict[datetime, Slot] = {}
    for slot in slots:
        firsts.setdefault(slot.start, slot)
    in_order = sorted(firsts.values(), key=lambda slot: slot.start)
    return [slot for slot in in_order if slot.start.minute in OFFER_MINUTES] or in_order
