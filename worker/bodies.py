"""Which body does which tool.

Leaves running them to ``run``, and what they need to ``resources``.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from tools.arguments import Summarise
from tools.booking import book_appointment
from tools.calendar import Calendar
from tools.catalog import QUEUED
from tools.errand import Errand
from tools.errors import Unavailable
from tools.lookup import find_slots, lookup_appointment
from tools.summary import Summary, summarise
from worker.resources import Resources

Body = Callable[[Any, Resources, Errand], Awaitable[msgspec.Struct]]
OnCalendar = Callable[[Any, Calendar, Errand], Awaitable[msgspec.Struct]]


def _on_calendar(body: OnCalendar) -> Body:
    return lambda asked, resources, errand: body(asked, resources.calendar, errand)


async def _summarise(asked: Summarise, resources: Resources, errand: Errand) -> Summary:
    return await summarise(asked, resources.endpoint, errand)


_WRITTEN: Mapping[str, Body] = {
    "find_slots": _on_calendar(find_slots),
    "book_appointment": _on_calendar(book_appointment),
    "lookup_appointment": _on_calendar(lookup_appointment),
    "summarise": _summarise,
}
"""Tool → what does it."""


async def _not_yet(asked: Any, resources: Resources, errand: Errand) -> Any:
    raise Unavailable("I can't do that just now.")


BODIES: Final[Mapping[str, Body]] = {name: _WRITTEN.get(name, _not_yet) for name in QUEUED}
