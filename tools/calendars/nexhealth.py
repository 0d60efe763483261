"""NexHealth (v3.0.0): the practice's own system (Dentrix, Eaglesoft, Open Dental, …) through it.

What is booked here is a request first: NexHealth takes it and writes it into that system later,
which may fail. "An appointment that has not been written has ``foreign_id`` set to null"
(Troubleshooting appointment writes): until then it is ``requested``, and whoever settles asks
again. A failed write shows only by staying so; past its start it cannot be written any more.

It takes no idempotency key and names no conflict, so our key stands in the ``note`` and is looked
for there, and the time is looked at once more before it is asked for.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import httpx

from tools.addresses import check_key
from tools.calendars.http import Answer, Query, all_of
from tools.calendars.nexhealth_api import NexHealthApi
from tools.calendars.nexhealth_messages import (
    Appointment,
    NexHealthConfig,
    Page,
    read_appointment,
    read_location,
    read_page,
    read_slots,
    read_syncs,
    read_written,
)
from tools.calendars.nexhealth_patients import Patients
from tools.calendars.remote import Gone, RemoteBooking, RemoteMade, RemoteStatus, RemoteTimes
from tools.errors import Unavailable, Unsure
from tools.practices import Practice, Provider, Service
from tools.schedule import Grade, Taken

DAYS_AT_ONCE: Final = 14
"""Of ``available_slots``: "for best performance, this value should not exceed 14 days"."""
GRID_MINUTES: Final = 15
PAGE: Final = 200
MOST_PAGES: Final = 5
MOST_PATIENTS: Final = 25
"""Of ``patient_ids[]``; a number with more belongs to no family."""
AHEAD: Final = timedelta(days=550)
"""How far the coming appointments of a patient are looked for."""
MARK: Final = "Booked by phone, ref "
"""Before our key in a note; together far below its 128 characters."""
KEY_LONG: Final = 32

_TAKEN: Final = ("not available", "unavailable", "already", "conflict", "overlap", "double")


class NexHealth:
    """One practice's calendar behind NexHealth."""

    kind = "nexhealth"
    grade = Grade.LOOKUP

    def __init__(
        self,
        config: NexHealthConfig,
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
        self._now = now
        self._api = NexHealthApi(client, kind=self.kind, url=config.url, secret=secret, now=now)
        self._providers = {f"{practice.id}:{it}": no for it, no in config.providers.items()}
        self._types = {f"{practice.id}:{it}": no for it, no in config.appointment_types.items()}
        self._rooms = {f"{practice.id}:{it}": no for it, no in config.operatories.items()}
        self._scope: Query = [("subdomain", config.subdomain)]
        self._here: Query = [*self._scope, ("location_id", config.location_id)]
        self._patients = Patients(self._api, self._here, config.new_patients)

    async def times(
        self, service: Service, providers: Sequence[Provider], *, start: datetime, end: datetime
    ) -> Mapping[str, RemoteTimes]:
        """The starts it offers itself, of every provider it knows."""
        kept = [each for each in providers if each.id in self._providers]
        # It counts the location's own days; a day of them may begin 14 hours before UTC's.
        first = (start - timedelta(hours=14)).date()
        last = (end + timedelta(hours=14)).date()
        days = (last - first).days + 1 if kept else 0
        answers = await all_of(
            *(
                self._slots(service, kept, first + timedelta(days=on), min(DAYS_AT_ONCE, days - on))
                for on in range(0, days, DAYS_AT_ONCE)
            )
        )
        found: dict[str, set[datetime]] = {each.id: set() for each in kept}
        for provider, at, _room in (slot for slots in answers for slot in slots):
            if provider in found and start <= at < end:
                found[provider].add(at)
        return {each: RemoteTimes(starts=tuple(sorted(found[each]))) for each in found}

    async def create(self, booking: RemoteBooking) -> RemoteMade | Taken:
        """Ask for it: the time is looked at, the patient found or entered, the appointment sent."""
        who, number = self._patients, self._number(booking.provider)
        room, patient = await all_of(self._room(booking), who.known(booking))
        if room is None:
            return await self._ours_or_taken(booking)
        if patient is None:
            patient = await who.enter(booking, number)
        query: Query = [*self._here, ("notify_patient", "false")]
        order = {"appt": self._wanted(booking, room=room, patient=patient)}
        answer = await self._api.order("POST", "/appointments", query, order)
        if answer.ok:
            return self._made(self._written(answer))
        if _says_taken(answer):
            return await self._ours_or_taken(booking)
        raise self._refusal(answer)

    async def look_up(self, booking: RemoteBooking, *, external_ref: str = "") -> RemoteMade | None:
        """By our key among the appointments about its start; a move first by its own number.

        Nothing there prevents two of one key: of those the oldest stays. One that had to be booked
        anew to be moved is two as well until the old one is cancelled. What is too many goes now.
        """
        if external_ref:
            now = await self._appointment(external_ref)
            if now is not None and now.stands and self._is_as(now, booking):
                return self._made(now)
        ours = await self._by_key(booking)
        if not ours:
            return None
        kept = ours[0]
        spare = {str(each.id) for each in ours[1:] if each.stands}
        if external_ref and kept.stands:
            spare |= {external_ref} - {str(kept.id)}
        for each in sorted(spare):
            await self._give_up(each)
        return self._made(kept)

    async def read(self, external_ref: str) -> RemoteMade | None:
        """As NexHealth has it."""
        now = await self._appointment(external_ref)
        return self._made(now) if now is not None and not now.deleted else None

    async def find(
        self, phone: str, *, known: Sequence[str], since: datetime
    ) -> Sequence[RemoteMade]:
        """The appointments of every patient with that number, and those we know of."""
        patients = (await self._patients.of_number(phone))[:MOST_PATIENTS]
        names = {each.id: each.called for each in patients}
        found: dict[str, Appointment] = {}
        if names:
            window = _window(since - timedelta(days=1), since + AHEAD)
            ids = ",".join(str(each) for each in names)
            for each in await self._list([*window, ("patient_ids[]", ids)]):
                found[str(each.id)] = each
        unseen = [name for name in dict.fromkeys(known) if name not in found]
        for one in await all_of(*(self._appointment(name) for name in unseen)):
            if one is not None:
                found[str(one.id)] = one
        return [
            self._made(each, names.get(each.patient_id or 0, ""))
            for each in found.values()
            if each.end_time > since and not each.deleted
        ]

    async def move(self, external_ref: str, to: RemoteBooking) -> RemoteMade | Taken | Gone:
        """Change it where it stands; to another provider, or in a system that cannot, book anew.

        "Updating an existing appointment's ``start_time`` … is only supported for Dentrix, Dentrix
        Enterprise, Eaglesoft, and Open Dental" (Edit Appointment).
        """
        now = await self._appointment(external_ref)
        if now is None or not now.stands:
            return Gone()
        if self._is_as(now, to):
            return self._made(now)
        if now.provider_id != self._number(to.provider):
            return await self._move_over(external_ref, to)
        room: dict[str, int] | None = {}
        if not now.start_time < to.end or not to.start < now.end_time:
            room = await self._room(to)  # a time that it fills itself is never among the free ones
        if room is None:
            return Taken()
        times = {"start_time": _utc(to.start), "end_time": _utc(to.end), "note": _note(to)}
        answer = await self._change(external_ref, {**times, **room})
        if answer.ok:
            moved = self._written(answer)
            if not self._is_as(moved, to):
                raise self._api.unsure("changed, but not as we asked")
            return self._made(moved)
        if answer.status == httpx.codes.NOT_FOUND:
            return Gone()
        if _says_taken(answer):
            return Taken()
        return await self._move_over(external_ref, to)

    async def cancel(self, external_ref: str) -> None:
        """Cancel it, which NexHealth tells the practice's system."""
        answer = await self._change(external_ref, {"cancelled": True})
        if answer.ok:
            if self._written(answer).stands:
                raise self._api.unsure("cancelled, and yet it stands")
            return
        now = await self._appointment(external_ref)
        if now is not None and now.stands:
            raise self._refusal(answer)

    async def health(self) -> None:
        """Whether the key is taken, and what is booked here is written where it should be."""
        place = self._config.location_id
        query: Query = [*self._scope, ("location_ids[]", place)]
        location, syncs = await all_of(
            self._api.ask(f"/locations/{place}"), self._api.ask("/sync_status", query)
        )
        for answer in (location, syncs):
            if not answer.ok:
                raise self._refusal(answer)
        at = self._api.decode(location, read_location).data
        if at.inactive:
            raise self._api.refused("the location is not in use")
        if at.insert_appt_client is False:
            raise self._api.refused("what is booked is not sent on to the practice's system")
        if any(each.write_status == "red" for each in self._api.decode(syncs, read_syncs).data):
            raise self._api.unavailable("nothing can be written to the practice's system now")

    async def _slots(
        self, service: Service, providers: Sequence[Provider], first: date, days: int
    ) -> list[tuple[str, datetime, int | None]]:
        """Provider, start and operatory of whatever is free."""
        length: Query = [("slot_length", int(service.lasts.total_seconds() // 60))]
        if service.id in self._types:
            length = [("appointment_type_id", self._types[service.id])]
        rooms = {self._rooms[each.id] for each in providers if each.id in self._rooms}
        all_have_one = all(each.id in self._rooms for each in providers)
        query: Query = [
            *self._scope,
            ("start_date", first.isoformat()),
            ("days", days),
            ("lids[]", self._config.location_id),
            *(("pids[]", self._providers[each.id]) for each in providers),
            *(("operatory_ids[]", room) for room in sorted(rooms) if all_have_one),
            *length,
            ("slot_interval", GRID_MINUTES),
        ]
        answer = await self._api.ask("/available_slots", query)
        if not answer.ok:
            raise self._refusal(answer)
        whose = {number: provider for provider, number in self._providers.items()}
        return [
            (
                whose.get(slot.provider_id or group.pid or 0, ""),
                slot.time.astimezone(UTC),
                slot.operatory_id or group.operatory_id,
            )
            for group in self._api.decode(answer, read_slots).data
            for slot in group.slots
        ]

    async def _room(self, booking: RemoteBooking) -> dict[str, int] | None:
        """Where it could be, as an order says it; None: the time is not free."""
        self._number(booking.provider)
        day = booking.start.astimezone(booking.zone).date()
        own = self._rooms.get(booking.provider.id)
        for provider, at, room in await self._slots(booking.service, [booking.provider], day, 1):
            if provider == booking.provider.id and at == booking.start:
                return {} if not (own or room) else {"operatory_id": own or room or 0}
        return None

    def _wanted(
        self, booking: RemoteBooking, *, room: Mapping[str, int], patient: int
    ) -> dict[str, Any]:
        kind = self._types.get(booking.service.id)
        return {
            "patient_id": patient,
            "provider_id": self._number(booking.provider),
            "start_time": _utc(booking.start),
            "end_time": _utc(booking.end),
            "note": _note(booking),
            **({} if kind is None else {"appointment_type_id": kind}),
            **room,
        }

    async def _ours_or_taken(self, booking: RemoteBooking) -> RemoteMade | Taken:
        """What fills a time that is not free may be our own earlier request."""
        try:
            ours = await self._by_key(booking)
        except Unavailable:
            raise self._api.unsure("taken, perhaps by ourselves") from None
        return self._made(ours[0]) if ours and ours[0].stands else Taken()

    async def _by_key(self, booking: RemoteBooking) -> list[Appointment]:
        """What carries it: first what stands, the oldest of that first."""
        about = timedelta(minutes=1)
        window = _window(booking.start - about, booking.start + about)
        ours = [each for each in await self._list(window) if _key_in(each.note) == booking.key]
        return sorted(ours, key=lambda each: (not each.stands, each.id))

    async def _list(self, window: Query) -> list[Appointment]:
        """All there is: what was not seen to the end must not pass for not there."""
        found: list[Appointment] = []
        cursor: Query = []
        for _ in range(MOST_PAGES):
            query: Query = [*self._here, *window, ("per_page", PAGE), *cursor]
            answer = await self._api.ask("/appointments", query)
            if not answer.ok:
                raise self._refusal(answer)
            page: Page = self._api.decode(answer, read_page)
            found += page.data
            at = page.page_info
            if at is None or not at.has_next_page or not at.end_cursor:
                return found
            cursor = [("end_cursor", at.end_cursor)]
        raise self._api.unavailable("more appointments than can be looked through")

    async def _appointment(self, external_ref: str) -> Appointment | None:
        if not external_ref.isdecimal():
            return None
        answer = await self._api.ask(f"/appointments/{external_ref}", self._scope)
        if answer.status == httpx.codes.NOT_FOUND:
            return None
        if not answer.ok:
            raise self._refusal(answer)
        return self._api.decode(answer, read_appointment).data

    async def _change(self, external_ref: str, what: Mapping[str, Any]) -> Answer:
        if not external_ref.isdecimal():
            return Answer(httpx.codes.NOT_FOUND, b"")
        path = f"/appointments/{external_ref}"
        return await self._api.order("PATCH", path, self._scope, {"appt": what})

    async def _move_over(self, external_ref: str, to: RemoteBooking) -> RemoteMade | Taken:
        made = await self.create(to)
        if isinstance(made, RemoteMade):
            try:
                await self._give_up(external_ref)
            except Unavailable:
                raise self._api.unsure("moved, but the old one may stand") from None
        return made

    async def _give_up(self, external_ref: str) -> None:
        """Cancel what was moved away.

        Raises:
            Unavailable: it may stand yet; the same may be asked again.
        """
        try:
            await self.cancel(external_ref)
        except Unsure as error:
            raise Unavailable(error.say, reason=error.reason) from None

    def _number(self, provider: Provider) -> int:
        number = self._providers.get(provider.id)
        if number is None:
            raise self._api.refused("no such provider there")
        return number

    def _is_as(self, now: Appointment, wanted: RemoteBooking) -> bool:
        same = now.provider_id == self._number(wanted.provider)
        return same and now.start_time == wanted.start

    def _written(self, answer: Answer) -> Appointment:
        return self._api.decode(answer, read_written, otherwise=Unsure).data.appt

    def _made(self, now: Appointment, patient_name: str = "") -> RemoteMade:
        providers = {number: provider for provider, number in self._providers.items()}
        services = {number: service for service, number in self._types.items()}
        return RemoteMade(
            external_ref=str(now.id),
            status=self._status(now),
            start=now.start_time.astimezone(UTC),
            end=now.end_time.astimezone(UTC),
            key=_key_in(now.note),
            provider_id=providers.get(now.provider_id or 0, ""),
            service_id=services.get(now.appointment_type_id or 0, ""),
            patient_name=patient_name,
        )

    def _status(self, now: Appointment) -> RemoteStatus:
        if not now.stands:
            return "cancelled"
        if now.foreign_id:
            return "booked"
        return "requested" if now.start_time.timestamp() > self._now() else "refused"

    def _refusal(self, answer: Answer) -> Unavailable:
        return self._api.refused(f"status {answer.status}", status=answer.status)


def _says_taken(answer: Answer) -> bool:
    return answer.status == httpx.codes.CONFLICT or (
        answer.status in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)
        and answer.says(*_TAKEN)
    )


def _window(start: datetime, end: datetime) -> Query:
    return [("start", _utc(start)), ("end", _utc(end))]


def _note(booking: RemoteBooking) -> str:
    return f"{MARK}{booking.key}"


def _key_in(note: str | None) -> str:
    """The practice's own system may have put words before and after."""
    return (note or "").partition(MARK)[2][:KEY_LONG]


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
