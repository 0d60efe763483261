"""Free times: who is at work and neither booked nor held for somebody else.

Leaves arithmetic on days to ``openings``, hours to ``practices``, and who owns a quarter of an
hour to ``holds``. What is free is free when it is read; whoever takes it asks the database again.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from tools.holds import Holds
from tools.openings import free_starts, is_cell
from tools.practices import Practice, Practices, Provider
from tools.schedule import Slot


class FreeTimes:
    """The free times of every practice in one database."""

    def __init__(self, practices: Practices, holds: Holds, *, now: Callable[[], datetime]) -> None:
        self._practices = practices
        self._holds = holds
        self._now = now

    async def free(
        self,
        practice: Practice,
        lasts: timedelta,
        providers: Sequence[Provider],
        first_day: date,
        last_day: date,
        *,
        call_sid: str,
        though_held: bool = False,
        but_for: str = "",
    ) -> list[Slot]:
        """Every start of those days at which one of them is free for so long, in order of time.

        Nothing before the lead time, nothing beyond the horizon. ``but_for`` names an appointment
        that is to go from where it is; for the rest see ``Schedule.free``.
        """
        earliest = self._now().astimezone(UTC) + practice.lead
        first_day = max(first_day, earliest.astimezone(practice.zone).date())
        last_day = min(
            last_day,
            self._now().astimezone(practice.zone).date() + timedelta(days=practice.horizon_days),
        )
        days = [first_day + timedelta(days=n) for n in range((last_day - first_day).days + 1)]
        if not days or not providers:
            return []
        at_work = await self._practices.at_work(practice, providers, days)
        busy = await self._holds.busy(
            providers,
            start=datetime.combine(days[0], time(), tzinfo=practice.zone),
            end=datetime.combine(days[-1] + timedelta(days=1), time(), tzinfo=practice.zone),
            call_sid=call_sid,
            though_held=though_held,
            but_for=but_for,
        )
        starts = [
            (start, provider)
            for provider in providers
            for start in free_starts(
                at_work[provider.id],
                lasts=lasts,
                busy=busy.get(provider.id, ()),
                not_before=earliest,
            )
        ]
        starts.sort(key=lambda each: each[0])  # as instants: a zone's clock may show one twice
        return [Slot(start=at.astimezone(practice.zone), provider=who) for at, who in starts]

    async def who_is_free(
        self,
        practice: Practice,
        start: datetime,
        lasts: timedelta,
        providers: Sequence[Provider],
        call_sid: str,
        *,
        but_for: str = "",
    ) -> list[Provider]:
        """Who of them could be come to at that instant, in their order."""
        if not is_cell(start):
            return []
        day = start.astimezone(practice.zone).date()
        slots = await self.free(
            practice, lasts, providers, day, day, call_sid=call_sid, but_for=but_for
        )
        instant = start.astimezone(UTC)
        free = {slot.provider.id for slot in slots if slot.start.astimezone(UTC) == instant}
        return [provider for provider in providers if provider.id in free]
