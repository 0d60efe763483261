"""Cal.com (API v2): one event type for each service of each provider.

It takes no idempotency key, so ours stands in a booking's ``metadata`` and is looked for there. A
moved booking is another booking there, with another name; the old one says which. Facts are from
its OpenAPI file; the wording of refusals is from its published source.

Its reservations (``/v2/slots/reservations``) are left alone: they say not whose they are, and who
asks for free times is not shown his own. One that outlives a worker would hide from the next the
very time that it is to book.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from tools.addresses import check_key
from tools.calendars.calcom_messages import (
    MARK,
    Booking,
    CalComConfig,
    read_kind,
    read_many,
    read_one,
    read_slots,
)
from tools.calendars.http import Answer, Api, Query, all_of
from tools.calendars.remote import (
    Gone,
    RemoteBooking,
    RemoteMade,
    RemoteStatus,
    RemoteTimes,
)
from tools.errors import Unavailable, Unsure
from tools.practices import Practice, Provider, Service
from tools.schedule import Grade, Taken

SLOTS: Final = "2024-09-04"
BOOKINGS: Final = "2024-08-13"
EVENT_TYPES: Final = "2024-06-14"
"""``cal-api-version`` of each group: without it an older shape is answered."""

PAGE: Final = 100
MOST_PAGES: Final = 5
"""Of coming bookings; a calendar with more finds a caller by what we know ourselves."""
MOST_MOVES: Final = 10
"""Bookings in a chain of moves that are followed from an old name to the newest."""

_STATUS: Final[Mapping[str, RemoteStatus]] = {
    "accepted": "booked",
    "pending": "requested",
    "cancelled": "cancelled",
    "rejected": "refused",
}
_TAKEN: Final = (
    "already has booking at this time",
    "is not available",
    "no_available_users_found",
    "hosts_unavailable",
    "can't be booked at the",
    "booking_time_out_of_bounds",
    "a meeting in the past",
    "already booked",
    "already reserved",
)
_FIELD_MISSING: Final = ("required", "missing")


class CalCom:
    """One practice's calendar at Cal.com."""

    kind = "calcom"
    grade = Grade.LOOKUP

    def __init__(
        self,
        config: CalComConfig,
        client: httpx.AsyncClient,
        practice: Practice,
        *,
        secret: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``secret`` is the API key.

        Raises:
            ValueError: it cannot be one.
        """
        check_key(secret)
        self._config = config
        self._api = Api(client, kind=self.kind, url=config.url, now=now)
        self._authorization = {"Authorization": f"Bearer {secret}"}
        self._event_types = {
            (f"{practice.id}:{service}", f"{practice.id}:{provider}"): event_type
            for service, of in config.event_types.items()
            for provider, event_type in of.items()
        }
        self._whose = {event_type: pair for pair, event_type in self._event_types.items()}

    async def times(
        self, service: Service, providers: Sequence[Provider], *, start: datetime, end: datetime
    ) -> Mapping[str, RemoteTimes]:
        """The starts it offers itself, of every provider with an event type for the service."""
        kept = {
            provider.id: event_type
            for provider in providers
            if (event_type := self._event_types.get((service.id, provider.id))) is not None
        }
        found = await all_of(*(self._starts(each, start, end) for each in kept.values()))
        return {
            provider: RemoteTimes(starts=starts)
            for provider, starts in zip(kept, found, strict=True)
        }

    async def create(self, booking: RemoteBooking) -> RemoteMade | Taken:
        """Book. A time that is not free is looked at: it may be ours that is in the way."""
        answer = await self._order("/v2/bookings", self._wanted(booking))
        if answer.ok:
            return self._made(self._single(answer, otherwise=Unsure))
        if not _says_taken(answer):
            raise self._refusal(answer)
        try:
            ours = await self._by_key(booking)
        except Unavailable:
            raise self._api.unsure("taken, perhaps by ourselves") from None
        return self._made(ours) if ours is not None and ours.stands else Taken()

    async def look_up(self, booking: RemoteBooking, *, external_ref: str = "") -> RemoteMade | None:
        """By our key among the bookings of that day; a move by following the old one's name.

        One that was moved to another provider is two bookings: if the old one still stands when
        the new one is found, it is cancelled now.
        """
        if external_ref:
            newest = await self._newest(external_ref)
            if newest is not None and newest.stands and self._is_as(newest, booking):
                return self._made(newest)
        ours = await self._by_key(booking)
        if ours is not None and external_ref and ours.stands:
            await self._give_up(external_ref)
        return self._made(ours) if ours is not None else None

    async def read(self, external_ref: str) -> RemoteMade | None:
        """As it stands, under its newest name if it was moved."""
        newest = await self._newest(external_ref)
        return self._made(newest) if newest is not None else None

    async def find(
        self, phone: str, *, known: Sequence[str], since: datetime
    ) -> Sequence[RemoteMade]:
        """It cannot search by number: the coming bookings are gone through, the known ones read.

        What was moved there is told under the name it is known by.
        """
        coming: Query = [("afterStart", _utc(since - timedelta(days=1)))]
        listed = await self._list(coming, all_there_is=False)
        found = {
            each.uid: each
            for each in listed
            if each.uid in known or any(of.phoneNumber == phone for of in each.attendees)
        }
        ours = {}
        for name in dict.fromkeys(known):
            if name not in found or found[name].rescheduledToUid:
                ours[name] = self._newest(name)
        for name, newest in zip(ours, await all_of(*ours.values()), strict=True):
            if newest is not None:  # known by that name here, whatever it is called there by now
                found.pop(newest.uid, None)
                found[name] = newest
        return [
            msgspec.structs.replace(self._made(each), external_ref=name)
            for name, each in found.items()
            if each.end > since
        ]

    async def move(self, external_ref: str, to: RemoteBooking) -> RemoteMade | Taken | Gone:
        """Reschedule; to another provider, book there first and then cancel here."""
        now = await self._newest(external_ref)
        if now is None or not now.stands:
            return Gone()
        if self._is_as(now, to):
            return self._made(now)
        if now.eventType is None or now.eventType.id != self._must_have(to):
            return await self._move_over(now, to)
        order = {"start": _utc(to.start), "reschedulingReason": f"{MARK}{to.key}"}
        answer = await self._order(f"{_path(now.uid)}/reschedule", order)
        if answer.ok:
            return self._made(self._single(answer, otherwise=Unsure))
        try:
            newest = await self._newest(now.uid)
        except Unavailable:
            raise self._api.unsure("refused, perhaps for what we did ourselves") from None
        if newest is None or not newest.stands:
            return Gone()
        if self._is_as(newest, to):
            return self._made(newest)
        if _says_taken(answer):
            return Taken()
        raise self._refusal(answer)

    async def cancel(self, external_ref: str) -> None:
        """Cancel it, under whatever name it goes by now."""
        answer = await self._cancel(external_ref)
        if answer.ok:
            return
        newest = await self._newest(external_ref)
        if newest is None or not newest.stands:
            return
        if newest.uid != external_ref:
            answer = await self._cancel(newest.uid)
        if not answer.ok:
            raise self._refusal(answer)

    async def health(self) -> None:
        """Whether the key is taken, and every event type is there and of a sort we can keep."""
        me = await self._api.ask("/v2/me", headers=self._authorization)
        if not me.ok:
            raise self._api.refused(f"status {me.status}")
        await all_of(*(self._check_event_type(each) for each in self._whose))

    async def _check_event_type(self, event_type: int) -> None:
        answer = await self._ask(f"/v2/event-types/{event_type}", version=EVENT_TYPES)
        if not answer.ok:
            raise self._api.refused(f"event type {event_type}: status {answer.status}")
        kind = self._api.decode(answer, read_kind).data
        if kind.recurrence is not None and not kind.recurrence.disabled:
            raise self._api.refused(f"event type {event_type} recurs")
        if kind.seatsPerTimeSlot or (kind.seats is not None and not kind.seats.disabled):
            raise self._api.refused(f"event type {event_type} has seats")

    async def _starts(
        self, event_type: int, start: datetime, end: datetime
    ) -> tuple[datetime, ...]:
        window: Query = [
            ("eventTypeId", event_type),
            ("start", _utc(start)),
            ("end", _utc(end)),
            ("timeZone", "UTC"),
            ("format", "range"),
        ]
        answer = await self._ask("/v2/slots", window, version=SLOTS)
        if not answer.ok:
            raise self._refusal(answer)
        days = self._api.decode(answer, read_slots).data
        starts = {slot.start.astimezone(UTC) for slots in days.values() for slot in slots}
        return tuple(sorted(each for each in starts if start <= each < end))

    async def _newest(self, uid: str) -> Booking | None:
        for _ in range(MOST_MOVES):
            answer = await self._ask(_path(uid))
            if answer.status == httpx.codes.NOT_FOUND:
                return None
            if not answer.ok:
                raise self._refusal(answer)
            booking = self._single(answer)
            if not booking.rescheduledToUid or booking.stands:
                return booking
            uid = booking.rescheduledToUid
        raise self._api.unavailable("a chain of moves without an end")

    async def _by_key(self, booking: RemoteBooking) -> Booking | None:
        window: Query = [
            ("eventTypeId", self._must_have(booking)),
            ("afterStart", _utc(booking.start - timedelta(minutes=1))),
            ("beforeEnd", _utc(booking.start + timedelta(days=1))),
        ]
        ours = [each for each in await self._list(window) if each.key == booking.key]
        return next((each for each in ours if each.stands), ours[0] if ours else None)

    async def _list(self, window: Query, *, all_there_is: bool = True) -> list[Booking]:
        """In order of start. What was not seen to the end must not pass for not there."""
        found: list[Booking] = []
        for page in range(MOST_PAGES):
            turn: Query = [("sortStart", "asc"), ("take", PAGE), ("skip", page * PAGE)]
            answer = await self._ask("/v2/bookings", [*window, *turn])
            if not answer.ok:
                raise self._refusal(answer)
            read = self._api.decode(answer, read_many)
            found += read.data
            if not read.pagination.hasNextPage:
                return found
        if all_there_is:
            raise self._api.unavailable("more bookings than can be looked through")
        return found

    async def _move_over(self, now: Booking, to: RemoteBooking) -> RemoteMade | Taken:
        made = await self.create(to)
        if isinstance(made, RemoteMade):
            try:
                await self._give_up(now.uid)
            except Unavailable:
                raise self._api.unsure("moved, but the old one may stand") from None
        return made

    async def _give_up(self, uid: str) -> None:
        """Cancel what was moved away.

        Raises:
            Unavailable: it may stand yet; the same may be asked again.
        """
        try:
            await self.cancel(uid)
        except Unsure as error:
            raise self._api.unavailable("the old one may stand") from error

    async def _cancel(self, uid: str) -> Answer:
        order = {"cancellationReason": "Cancelled by phone"}
        answer = await self._order(f"{_path(uid)}/cancel", order)
        if answer.ok and self._single(answer, otherwise=Unsure).stands:
            raise self._api.unsure("cancelled, and yet it stands")
        return answer

    async def _ask(self, path: str, query: Query = (), *, version: str = BOOKINGS) -> Answer:
        headers = self._authorization | {"cal-api-version": version}
        return await self._api.ask(path, query=query, headers=headers)

    async def _order(self, path: str, body: object) -> Answer:
        headers = self._authorization | {"cal-api-version": BOOKINGS}
        return await self._api.order("POST", path, body=body, headers=headers)

    def _wanted(self, booking: RemoteBooking) -> dict[str, Any]:
        attendee = {
            "name": booking.patient_name,
            "timeZone": booking.zone.key,
            "phoneNumber": booking.phone,
            "language": self._config.language,
        }
        if self._config.attendee_email:
            attendee["email"] = self._config.attendee_email
        return {
            "start": _utc(booking.start),
            "eventTypeId": self._must_have(booking),
            "attendee": attendee,
            "metadata": {"holdfast": booking.key},
        }

    def _must_have(self, booking: RemoteBooking) -> int:
        event_type = self._event_types.get((booking.service.id, booking.provider.id))
        if event_type is None:
            raise self._api.refused("no event type for that service with that provider")
        return event_type

    def _is_as(self, booking: Booking, wanted: RemoteBooking) -> bool:
        kind = booking.eventType
        same = kind is not None and kind.id == self._must_have(wanted)
        return same and booking.start == wanted.start

    def _single(
        self, answer: Answer, *, otherwise: type[Unavailable] | type[Unsure] = Unavailable
    ) -> Booking:
        booking = self._api.decode(answer, read_one, otherwise=otherwise).data
        if isinstance(booking, list):
            why = "the event type recurs"
            unsure = otherwise is Unsure
            raise self._api.unsure(why) if unsure else self._api.unavailable(why)
        return booking

    def _made(self, booking: Booking) -> RemoteMade:
        event_type = booking.eventType.id if booking.eventType else 0
        service, provider = self._whose.get(event_type, ("", ""))
        return RemoteMade(
            external_ref=booking.uid,
            status=_STATUS[booking.status],
            start=booking.start.astimezone(UTC),
            end=booking.end.astimezone(UTC),
            key=booking.key,
            provider_id=provider,
            service_id=service,
            patient_name=next((of.name for of in booking.attendees if of.name), ""),
        )

    def _refusal(self, answer: Answer) -> Unavailable:
        missing = answer.status == httpx.codes.BAD_REQUEST and answer.says(*_FIELD_MISSING)
        why = ": something it requires was not sent" if missing else ""
        return self._api.refused(f"status {answer.status}{why}", status=answer.status)


def _says_taken(answer: Answer) -> bool:
    return answer.status == httpx.codes.CONFLICT or (
        answer.status in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)
        and answer.says(*_TAKEN)
    )


def _path(uid: str) -> str:
    return f"/v2/bookings/{quote(uid, safe='')}"


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
