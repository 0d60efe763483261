"""A calendar elsewhere, in memory: honest about what it did, and able to lose every answer."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count

import msgspec

from tools.calendars.remote import (
    Gone,
    RemoteBooking,
    RemoteMade,
    RemoteStatus,
    RemoteTimes,
)
from tools.errors import Unavailable, Unsure
from tools.openings import Span
from tools.practices import Provider, Service
from tools.schedule import Grade, Taken

AWAY = "away"
"""Nothing is done, and it says so."""
LOST = "lost"
"""It is done; the answer is lost."""
CUT = "cut"
"""It is not done; nobody says so."""
HANGS = "hangs"
"""It is done, and no answer comes."""


class RemoteBook:
    """One practice's calendar."""

    kind = "book"

    def __init__(self, grade: Grade = Grade.LOOKUP) -> None:
        self.grade = grade
        self.made: dict[str, RemoteMade] = {}
        """By ``external_ref``, whatever became of it."""
        self.phones: dict[str, str] = {}
        self.busy: list[tuple[str, Span]] = []
        self.starts: tuple[datetime, ...] | None = None
        self.kept: set[str] | None = None
        """Who has a calendar there; None: everybody."""
        self.confirms: RemoteStatus = "booked"
        self.faults: dict[str, list[str]] = {}
        """Method → what happens to its next calls."""
        self.asked: list[str] = []
        self.meanwhile: asyncio.Event | None = None
        """Where it is set, every effect waits for it before it does anything."""
        self.looking: asyncio.Event | None = None
        """The same for ``times``."""
        self.entered = asyncio.Event()
        self._refs = count()

    @property
    def standing(self) -> list[RemoteMade]:
        """What stands there."""
        return [each for each in self.made.values() if each.status in ("booked", "requested")]

    def set(self, external_ref: str, **changes: object) -> None:
        """What somebody there does to an appointment."""
        self.made[external_ref] = msgspec.structs.replace(self.made[external_ref], **changes)

    async def times(
        self, service: Service, providers: Sequence[Provider], *, start: datetime, end: datetime
    ) -> Mapping[str, RemoteTimes]:
        await self._begin("times")
        if self.looking is not None:
            self.entered.set()
            await self.looking.wait()
        taken = [(each.provider_id, Span(start=each.start, end=each.end)) for each in self.standing]
        return {
            provider.id: RemoteTimes(
                busy=tuple(span for who, span in (*taken, *self.busy) if who == provider.id),
                starts=self.starts,
            )
            for provider in providers
            if self.kept is None or provider.id in self.kept
        }

    async def create(self, booking: RemoteBooking) -> RemoteMade | Taken:
        fault = await self._begin("create")
        await self._wait()
        if fault == CUT:
            raise Unsure("?", reason="book: cut")
        became = self._create(booking)
        await self._end(fault)
        return became

    def _create(self, booking: RemoteBooking, besides: str = "") -> RemoteMade | Taken:
        if self.grade is Grade.KEY and (first := self._of(booking.key)):
            return first
        if any(
            each.provider_id == booking.provider.id
            and each.start < booking.end
            and booking.start < each.end
            and each.external_ref != besides
            for each in self.standing
        ):
            return Taken()
        made = RemoteMade(
            external_ref=f"ref-{next(self._refs)}",
            status=self.confirms,
            start=booking.start,
            end=booking.end,
            key=booking.key,
            provider_id=booking.provider.id,
            service_id=booking.service.id,
            patient_name=booking.patient_name,
        )
        self.made[made.external_ref] = made
        self.phones[made.external_ref] = booking.phone
        return made

    async def look_up(self, booking: RemoteBooking, *, external_ref: str = "") -> RemoteMade | None:
        await self._begin("look_up")
        return self._of(booking.key)

    async def read(self, external_ref: str) -> RemoteMade | None:
        await self._begin("read")
        return self.made.get(external_ref)

    async def find(
        self, phone: str, *, known: Sequence[str], since: datetime
    ) -> Sequence[RemoteMade]:
        await self._begin("find")
        return [
            each
            for each in self.made.values()
            if self.phones[each.external_ref] == phone and each.end > since
        ]

    async def move(self, external_ref: str, to: RemoteBooking) -> RemoteMade | Taken | Gone:
        fault = await self._begin("move")
        await self._wait()
        if fault == CUT:
            raise Unsure("?", reason="book: cut")
        if self.grade is Grade.KEY and (first := self._of(to.key)):
            return first
        if not any(each.external_ref == external_ref for each in self.standing):
            return Gone()
        became = self._create(to, besides=external_ref)
        if isinstance(became, RemoteMade):
            self.set(external_ref, status="cancelled")
        await self._end(fault)
        return became

    async def cancel(self, external_ref: str) -> None:
        fault = await self._begin("cancel")
        await self._wait()
        if fault == CUT:
            raise Unsure("?", reason="book: cut")
        if external_ref in self.made:
            self.set(external_ref, status="cancelled")
        await self._end(fault)

    async def health(self) -> None:
        await self._begin("health")

    async def _wait(self) -> None:
        self.entered.set()
        if self.meanwhile is not None:
            await self.meanwhile.wait()

    def _of(self, key: str) -> RemoteMade | None:
        return next((each for each in self.made.values() if each.key == key), None)

    async def _begin(self, method: str) -> str:
        self.asked.append(method)
        faults = self.faults.get(method, [])
        fault = faults.pop(0) if faults else ""
        if fault == AWAY:
            raise Unavailable("?", reason="book: away")
        return fault

    async def _end(self, fault: str) -> None:
        if fault == LOST:
            raise Unsure("?", reason="book: lost")
        if fault == HANGS:
            await asyncio.Event().wait()
