"""Offers times to a caller and holds them, so that nobody else is offered the same.

Leaves which of many times are offered, and how they are said, to ``offers``. A time that cannot be
held is offered all the same: a read never fails because something could not be written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

import structlog

from tools import offers
from tools.errand import Errand
from tools.errors import ToolError
from tools.office import Office
from tools.practices import Provider, Service
from tools.schedule import Slot

DAYS_AT_ONCE: Final = 14
"""A fortnight nearly always holds three offers, and is one short query."""
LOOK_AHEAD: Final = timedelta(days=13)
"""How far other times are looked for when the one asked for is gone."""
HOLD_SHARE: Final = 1 / 3
"""Part of an attempt's time. A caller waits for the offer, not for the hold: whoever writes for
longer than that is not waited for."""

Look = Callable[[], Awaitable[list[Slot]]]

_left: Final[set["asyncio.Task[list[Slot]]"]] = set()
"""Only so that they are not collected before their end."""

log = structlog.get_logger()


async def soonest(
    office: Office,
    service: Service,
    providers: Sequence[Provider],
    *,
    first_day: date,
    last_day: date,
    suits: Callable[[Slot], bool],
    errand: Errand,
    though_held: bool = False,
) -> list[Slot]:
    """A few times of those days that suit, a fortnight at a time until there are some.

    They are held for the call; ``though_held`` asks for what others hold too, which cannot be.
    """

    async def look() -> list[Slot]:
        day = first_day
        while day <= last_day:
            until = min(day + timedelta(days=DAYS_AT_ONCE - 1), last_day)
            slots = await office.schedule.free(
                office.practice,
                service,
                providers,
                first_day=day,
                last_day=until,
                call_sid=errand.call_sid,
                though_held=though_held,
            )
            if chosen := offers.choose(slot for slot in slots if suits(slot)):
                return chosen
            day = until + timedelta(days=1)
        return []

    return await look() if though_held else await _held(office, service, look, errand)


async def instead(
    office: Office, service: Service, providers: Sequence[Provider], start: datetime, errand: Errand
) -> list[Slot]:
    """Times in place of one that is gone: of the same day if it has any, else the soonest; held."""
    day = start.date()

    async def look(*, though_held: bool = False) -> list[Slot]:
        slots = await office.schedule.free(
            office.practice,
            service,
            providers,
            first_day=day,
            last_day=day + LOOK_AHEAD,
            call_sid=errand.call_sid,
            though_held=though_held,
        )
        same_day = [slot for slot in slots if slot.start.date() == day]
        return offers.nearest(same_day, start) if same_day else offers.choose(slots)

    others = await _held(office, service, look, errand)
    return others or await look(though_held=True)


async def _held(office: Office, service: Service, look: Look, errand: Errand) -> list[Slot]:
    """What is to be offered, held as far as it can be.

    Where somebody else was quicker one looks once more: what is theirs is not seen any more then.
    """
    found = await look()
    for _ in range(2):
        held = await _hold(office, service, found, errand)
        if held is None:
            return found
        if len(held) == len(found):
            return held
        again = await look()
        if again == found:  # a calendar that holds nothing
            break
        found = again
    return held or found


async def _hold(
    office: Office, service: Service, slots: list[Slot], errand: Errand
) -> list[Slot] | None:
    """Those that are held now; None where nothing could be written."""
    if not slots or not errand.call_sid:
        return slots
    holding = asyncio.create_task(
        office.schedule.hold(office.practice, service, slots, call_sid=errand.call_sid)
    )
    try:
        done, _ = await asyncio.wait({holding}, timeout=errand.attempt_s * HOLD_SHARE)
        if done:
            return holding.result()
        reason = "took too long"
    except ToolError as error:
        reason = error.reason or error.code
    finally:
        _leave(holding)
    log.warning("offer_not_held", reason=reason)
    return None


def _leave(holding: "asyncio.Task[list[Slot]]") -> None:
    """End it without waiting for its end: a driver that waits for a lock is not to be hurried."""
    if not holding.done():
        holding.cancel()
        _left.add(holding)
        holding.add_done_callback(_forget)


def _forget(holding: "asyncio.Task[list[Slot]]") -> None:
    _left.discard(holding)
    if not holding.cancelled():
        holding.exception()
