"""A calendar on any CalDAV server (RFC 4791): iCloud, Fastmail, Nextcloud, Zoho, Radicale, …

One provider, one calendar. An appointment is an object of its own, named after its start, written
with ``If-None-Match: *``: of all who want the same start the server lets one in, and whoever asks
again with the same key meets their own. Hence the grade ``KEY``.

CalDAV knows no overlaps. So who has written looks at the window once more and gives way to whatever
is there besides. Of two of ours that came at the same time the one with the greater key leaves at
once, the other stays to see it go, and leaves too if it does not: whoever writes second sees the
first, so no two stay.

A move writes the new object before it deletes the old one, for neither ``MOVE`` (the same text at
another name) nor ``PUT`` over the old name (another start at the same name) would keep "one start,
one name" at every instant in between.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import httpx
import msgspec
from msgspec import Meta

from tools.addresses import check_url
from tools.calendars import dav, ics
from tools.calendars.dav import Dav
from tools.calendars.objects import Object, Objects, within
from tools.calendars.remote import Gone, RemoteBooking, RemoteMade, RemoteTimes
from tools.errors import Unavailable, Unsure
from tools.openings import Span
from tools.practices import Practice, Provider, Service
from tools.schedule import Grade, Taken

NAMES_OF_A_START: Final = 3
"""An object that somebody moved to another time keeps its name; then the next name is tried."""
LOOKS: Final = 5
LOOK_WAIT_S: Final = 0.1
"""How long one of ours waits for another of ours to give way: a ``DELETE`` takes some 20 ms."""
FAR: Final = datetime(2199, 1, 1, tzinfo=UTC)


class CalDavConfig(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="caldav",
    tag_field="kind",
    forbid_unknown_fields=True,
):
    """Where the calendars are."""

    url: str
    """What the addresses below are relative to: ``https://cal.example/dav/hillside/``."""
    calendars: Annotated[dict[str, str], Meta(min_length=1)]
    """Provider → address of their calendar; each has one of their own."""
    username: str = ""
    password_env: str = ""
    """Name of the environment variable that holds the (app) password."""

    def __post_init__(self) -> None:
        check_url(self.url)
        if not self.url.endswith("/"):
            raise ValueError("url must end with a slash")
        addresses = [_joined(self, each) for each in self.calendars.values()]
        if any(_origin(each) != _origin(httpx.URL(self.url)) for each in addresses):
            raise ValueError("every calendar must be on the same server as url")
        if len({str(each).rstrip("/") for each in addresses}) < len(addresses):
            raise ValueError("every provider needs a calendar of their own")
        if bool(self.username) != bool(self.password_env):
            raise ValueError("username and password_env go together")


class CalDav:
    """One practice's calendars on one server."""

    kind = "caldav"
    grade = Grade.KEY

    def __init__(
        self, config: CalDavConfig, client: httpx.AsyncClient, practice: Practice, *, password: str
    ) -> None:
        self._dav = Dav(client, username=config.username, password=password)
        self._practice = practice
        self._calendars = {
            f"{practice.id}:{provider}": f"{str(_joined(config, address)).rstrip('/')}/"
            for provider, address in config.calendars.items()
        }
        self._objects = Objects(self._dav, self._calendars, practice.zone)

    async def times(
        self, service: Service, providers: Sequence[Provider], *, start: datetime, end: datetime
    ) -> Mapping[str, RemoteTimes]:
        """The busy spans of each provider's calendar."""
        window = Span(start=start, end=end)
        kept = [each.id for each in providers if each.id in self._calendars]
        busy = await asyncio.gather(*(self._objects.busy(provider, window) for provider in kept))
        return {
            provider: RemoteTimes(busy=tuple(spans))
            for provider, spans in zip(kept, busy, strict=True)
        }

    async def create(self, booking: RemoteBooking) -> RemoteMade | Taken:
        """Write it, and give way if something else is there."""
        return await self._create(booking, ics.write(booking, now=datetime.now(UTC)))

    async def look_up(self, booking: RemoteBooking, *, external_ref: str = "") -> RemoteMade | None:
        """The object under one of its start's names, if it carries the key and may stay.

        Of a move that got half way the old object is deleted too.
        """
        provider = booking.provider.id
        found = await asyncio.gather(
            *(self._objects.one(provider, name) for name in _names(booking.start))
        )
        for ours in found:
            if ours is None or ours.event.key != booking.key:
                continue
            try:
                made = await self._if_it_may_stay(ours, besides=external_ref)
                if isinstance(made, RemoteMade) and external_ref:
                    await self.cancel(external_ref)
            except Unsure as error:
                raise Unavailable(error.say, reason=error.reason) from None
            return made if isinstance(made, RemoteMade) else None
        return None

    async def read(self, external_ref: str) -> RemoteMade | None:
        """The object of that name as it stands."""
        found = await self._objects.one(*self._parts(external_ref))
        return found.made() if found else None

    async def find(
        self, phone: str, *, known: Sequence[str], since: datetime
    ) -> Sequence[RemoteMade]:
        """The objects with that number; those of ``known`` that a search did not show are read."""
        window = Span(start=since, end=FAR)
        each = await asyncio.gather(
            *(self._objects.search(provider, window, phone) for provider in self._calendars)
        )
        made = {one.external_ref: one for found in each for one in found}
        unseen = [ref for ref in known if ref not in made]
        for one in await asyncio.gather(*(self.read(ref) for ref in unseen)):
            if one is not None and one.end > since:
                made[one.external_ref] = one
        return sorted(made.values(), key=lambda one: one.start)

    async def move(self, external_ref: str, to: RemoteBooking) -> RemoteMade | Taken | Gone:
        """Write it anew, then delete the old one."""
        if made := await self.look_up(to, external_ref=external_ref):
            return made
        old = await self._objects.one(*self._parts(external_ref))
        if old is None or old.event.cancelled:
            return Gone()
        try:
            text = ics.moved(old.text, to, now=datetime.now(UTC))
        except ics.Unreadable as error:
            raise dav.away("not one event that happens once") from error
        made_anew = await self._create(to, text, besides=external_ref)
        if isinstance(made_anew, RemoteMade):
            await self._objects.delete(old, half_done=True)
        return made_anew

    async def cancel(self, external_ref: str) -> None:
        """Delete the object; a series that somebody made of it is a person's to undo."""
        found = await self._objects.one(*self._parts(external_ref))
        if found is None:
            return
        if found.event.repeats:
            raise dav.away("not one event that happens once")
        await self._objects.delete(found)

    async def health(self) -> None:
        """Ask each address whether a calendar is there."""
        for provider, url in self._calendars.items():
            answer = await self._dav.ask(
                "PROPFIND", url, dav.RESOURCE_TYPE, {**dav.XML, "Depth": "0"}
            )
            if not answer.is_done or not dav.is_calendar(answer.body):
                raise dav.away(f"no calendar for {provider}")

    async def _create(
        self, booking: RemoteBooking, text: bytes, *, besides: str = ""
    ) -> RemoteMade | Taken:
        provider = booking.provider.id
        if provider not in self._calendars:
            return Taken()
        [event] = ics.read(text, self._practice.zone)
        for name in _names(booking.start):
            answer = await self._dav.change(
                "PUT",
                self._calendars[provider] + name,
                text,
                {"If-None-Match": "*", "Content-Type": "text/calendar; charset=utf-8"},
            )
            if answer.is_done:
                ours = Object(
                    provider=provider, name=name, etag=answer.etag, text=text, event=event
                )
                return await self._if_it_may_stay(ours, besides=besides)
            if answer.status != httpx.codes.PRECONDITION_FAILED:
                raise dav.away(f"status {answer.status}")
            there = await self._objects.one(provider, name)
            if there is None:
                return Taken()  # whoever was in the way has gone just now; nobody waits for it
            if there.event.key == booking.key:
                return await self._if_it_may_stay(there, besides=besides)
            if there.event.busy and there.event.overlaps(event.span):
                return Taken()
        return Taken()

    async def _if_it_may_stay(self, ours: Object, *, besides: str) -> RemoteMade | Taken:
        """Give way to what else is there at its time."""
        for _ in range(LOOKS):
            others = await self._others(ours, besides)
            if not others:
                return ours.made()
            if not all(ours.event.key < event.key for event in others):
                break
            await asyncio.sleep(LOOK_WAIT_S)
        await self._objects.delete(ours, half_done=True)
        return Taken()

    async def _others(self, ours: Object, besides: str) -> list[ics.Event]:
        """What takes time where ours is.

        What cannot be read was asked about before anything was written (``_busy``).
        """
        span = ours.event.span
        own = {(ours.provider, ours.name), self._parts(besides)}
        try:
            objects = [
                found
                for found in await self._objects.around(ours.provider, span)
                if (ours.provider, found.name) not in own
            ]
            events, _ = within(objects, self._practice.zone, span)
        except Unavailable as error:
            raise dav.unsure(f"written, not checked: {error.reason}") from None
        return [event for event in events if event.busy]

    def _parts(self, external_ref: str) -> tuple[str, str]:
        """Provider and name of an object."""
        provider, _, name = external_ref.partition("/")
        return f"{self._practice.id}:{provider}", name


def _names(start: datetime) -> list[str]:
    base = f"holdfast-{dav.stamp(start)}"
    return [f"{base}.ics", *(f"{base}-{n}.ics" for n in range(2, NAMES_OF_A_START + 1))]


def _joined(config: CalDavConfig, address: str) -> httpx.URL:
    return httpx.URL(config.url).join(address)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
