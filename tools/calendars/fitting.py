"""Which of our own free times are free in a calendar elsewhere too. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tools.calendars.remote import RemoteTimes
from tools.openings import Span, cells_of
from tools.schedule import Slot
from tools.tables import CELL

_EPOCH = datetime.fromtimestamp(0, UTC)


def window(slots: Sequence[Slot], lasts: timedelta) -> Span:
    """From the first start to the last end."""
    starts = [slot.start.astimezone(UTC) for slot in slots]
    return Span(start=min(starts), end=max(starts) + lasts)


def fitting(
    slots: Sequence[Slot],
    lasts: timedelta,
    times: Mapping[str, RemoteTimes],
    *,
    besides: Span | None = None,
) -> list[Slot]:
    """Those whose provider is kept there and not busy.

    Time is counted in whole cells: one that is busy for a minute is not free. ``besides`` is an
    appointment that is to go from where it is; what is busy for just as long is taken for it.
    """
    if not slots:
        return []
    seen = window(slots, lasts)
    busy = {
        provider: set(_cells((span for span in each.busy if span != besides), seen))
        for provider, each in times.items()
    }
    starts = {
        provider: {start.astimezone(UTC) for start in each.starts}
        for provider, each in times.items()
        if each.starts is not None
    }
    return [slot for slot in slots if _fits(slot, lasts, busy, starts)]


def _fits(
    slot: Slot,
    lasts: timedelta,
    busy: Mapping[str, set[datetime]],
    starts: Mapping[str, set[datetime]],
) -> bool:
    provider, start = slot.provider.id, slot.start.astimezone(UTC)
    if provider not in busy or (provider in starts and start not in starts[provider]):
        return False
    return busy[provider].isdisjoint(cells_of(start, lasts))


def _cells(spans: Iterable[Span], seen: Span) -> Iterable[datetime]:
    for span in spans:
        start, end = max(span.start, seen.start), min(span.end, seen.end)
        if start < end:
            first = start - (start - _EPOCH) % CELL
            yield from cells_of(first, end - first)
