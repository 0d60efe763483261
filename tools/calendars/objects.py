"""The objects in a practice's CalDAV calendars: read, searched, written and deleted one by one.

Leaves to ``caldav`` which of them may stay.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import msgspec

from tools.calendars import dav, ics
from tools.calendars.dav import Dav
from tools.calendars.remote import RemoteMade
from tools.errors import Unavailable
from tools.openings import Span

AROUND: Final = timedelta(days=1)
LONGEST_REF: Final = 200
"""What ``RemoteMade`` allows; ours have fifty."""
TRIES: Final = 5
"""How often an object that changes under our hands is deleted anew."""
MOST: Final = 10_000
"""Events of one provider that are looked at: ten every hour of three months."""


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """An event where it is."""

    provider: str
    name: str
    etag: str
    text: bytes
    event: ics.Event

    def made(self) -> RemoteMade:
        """As the mirror wants it."""
        return RemoteMade(
            external_ref=f"{self.provider.rpartition(':')[2]}/{self.name}",
            status="cancelled" if self.event.cancelled else "booked",
            start=self.event.span.start,
            end=self.event.span.end,
            key=self.event.key,
            provider_id=self.provider,
            service_id=self.event.service,
            patient_name=self.event.name,
        )


class Objects:
    """The objects of one practice; calendars are named by ``Provider.id``."""

    def __init__(self, server: Dav, calendars: Mapping[str, str], zone: ZoneInfo) -> None:
        self._dav = server
        self._calendars = calendars
        self._zone = zone

    async def busy(self, provider: str, window: Span) -> list[Span]:
        """Busy spans; where something cannot be read, the server is asked to add up."""
        objects = await self.around(provider, window)
        events, all_read = await asyncio.to_thread(within, objects, self._zone, window)
        spans = [event.span for event in events if event.busy]
        if not all_read:
            spans += await self._added_up(provider, window)
        return spans

    async def around(self, provider: str, window: Span) -> list[dav.Found]:
        """What may share time with the window: a server may be hours off in what repeats."""
        wide = Span(start=window.start - AROUND, end=window.end + AROUND)
        return await self._report(provider, dav.query(wide))

    async def _added_up(self, provider: str, window: Span) -> list[Span]:
        answer = await self._dav.ask(
            "REPORT", self._calendars[provider], dav.free_busy(window), {**dav.XML, "Depth": "1"}
        )
        if not answer.is_done:
            raise dav.away(f"status {answer.status} to a free-busy query")
        try:
            return ics.read_free_busy(answer.body)
        except ics.Unreadable:
            raise dav.away("no answer to a free-busy query") from None

    async def search(self, provider: str, window: Span, phone: str) -> list[RemoteMade]:
        """What has that number and ends in the window; none where a server cannot search so."""
        objects = await self._report(
            provider, dav.query(window, phone=phone), cannot=httpx.codes.FORBIDDEN
        )
        made = [
            Object(
                provider=provider, name=found.name, etag=found.etag, text=found.text, event=event
            ).made()
            for found in objects
            for event in _events(found, self._zone)
            if event.phone == phone and event.span.end > window.start
        ]
        return [each for each in made if len(each.external_ref) <= LONGEST_REF]

    async def _report(
        self, provider: str, asked: str, *, cannot: int | None = None
    ) -> list[dav.Found]:
        """The objects that fit; none if the server says by ``cannot`` that it knows no such
        filter."""
        answer = await self._dav.ask(
            "REPORT", self._calendars[provider], asked, {**dav.XML, "Depth": "1"}, cannot=cannot
        )
        if answer.status == cannot:
            return []
        if not answer.is_done:
            raise dav.away(f"status {answer.status} to a query")
        return await asyncio.to_thread(dav.objects_in, answer.body)

    async def one(self, provider: str, name: str) -> Object | None:
        """One object as it stands; one that cannot be read takes no part in anything."""
        if provider not in self._calendars or not name:
            return None
        answer = await self._dav.ask(
            "GET", self._calendars[provider] + quote(name, safe=""), longest=dav.LONGEST_OBJECT
        )
        if not answer.is_done:
            return None
        events = _events(dav.Found(name=name, etag=answer.etag, text=answer.body), self._zone)
        if not events:
            raise dav.away("an object that cannot be read")
        return Object(
            provider=provider, name=name, etag=answer.etag, text=answer.body, event=events[0]
        )

    async def delete(self, ours: Object, *, half_done: bool = False) -> None:
        """Delete it as it was seen; if it was changed since, as it is now, as long as it is ours.

        ``half_done``: something was written before, so nobody can say that nothing was done.
        """
        there: Object | None = ours
        try:
            for _ in range(TRIES):
                if there is None or there.event.key != ours.event.key:
                    return
                answer = await self._dav.change(
                    "DELETE",
                    self._calendars[there.provider] + quote(there.name, safe=""),
                    headers=_as_seen(there.etag),
                )
                if answer.status != httpx.codes.PRECONDITION_FAILED:
                    return
                there = await self.one(ours.provider, ours.name)
        except Unavailable as error:
            if half_done:
                raise dav.unsure(f"half done: {error.reason}") from None
            raise
        raise dav.unsure("changed again and again")


def within(
    objects: Sequence[dav.Found], zone: ZoneInfo, window: Span
) -> tuple[list[ics.Event], bool]:
    """The events of a window, and whether every object could be read."""
    events, all_read = list[ics.Event](), True
    for found in objects:
        try:
            events += ics.within(found.text, zone, window)
        except ics.Unreadable:
            all_read = False
        if len(events) > MOST:
            raise dav.away("more events than a practice has")
    return events, all_read


def _events(found: dav.Found, zone: ZoneInfo) -> list[ics.Event]:
    """Its events, none if it cannot be read."""
    try:
        return ics.read(found.text, zone)
    except ics.Unreadable:
        return []


def _as_seen(etag: str) -> dict[str, str]:
    """Only if it is still the same; a weak tag cannot say so (RFC 9110, 13.1.1)."""
    return {"If-Match": etag} if etag and not etag.startswith("W/") else {}
