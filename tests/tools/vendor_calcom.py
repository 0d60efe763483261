"""Cal.com v2 as its documents and its published source say it behaves."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from tests.tools.vendor_server import Reply, Request, VendorServer

KEY = "cal_live_0123456789abcdef"
BUSY = "User either already has booking at this time or is not available"
OPENS, CLOSES = 9, 17
"""Hours, UTC; every day."""


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.000Z")


class CalComServer(VendorServer):
    """Two people, an event type for each."""

    def __init__(self) -> None:
        super().__init__()
        self.event_types: dict[int, dict[str, Any]] = {
            number: {"lengthInMinutes": 30, "recurrence": None} for number in (11, 12)
        }
        self.needs_confirmation = False
        self.bookings: dict[str, dict[str, Any]] = {}
        self._numbers = count(1)

    def standing(self) -> list[dict[str, Any]]:
        return [each for each in self.bookings.values() if _stands(each)]

    def act(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _error(401, "UnauthorizedException", "Invalid API Key")
        match request.method, request.path.removeprefix("/v2/").split("/"):
            case "GET", ["me"]:
                return _success(_ME)
            case "GET", ["event-types", number]:
                return self._event_type(int(number))
            case "GET", ["slots"]:
                return self._slots(request)
            case "GET", ["bookings"]:
                return self._list(request)
            case "POST", ["bookings"]:
                return self._create(request.body)
            case "GET", ["bookings", uid]:
                return _success(self.bookings[uid]) if uid in self.bookings else _no_booking(uid)
            case "POST", ["bookings", uid, "reschedule"]:
                return self._reschedule(uid, request.body)
            case "POST", ["bookings", uid, "cancel"]:
                return self._cancel(uid, request.body)
            case _:
                return _error(404, "NotFoundException", f"Cannot {request.method} {request.path}")

    def _event_type(self, number: int) -> Reply:
        if number not in self.event_types:
            return _error(404, "NotFoundException", f"Event type with id {number} not found")
        return _success(_EVENT_TYPE | {"id": number} | self.event_types[number])

    def _slots(self, request: Request) -> Reply:
        if request.headers.get("cal-api-version") != "2024-09-04":
            return _success({"slots": {}})  # the older shape
        event_type = int(request.asked("eventTypeId"))
        if event_type not in self.event_types:
            return _error(404, "NotFoundException", f"Event Type with ID={event_type} not found")
        start, end = _utc(request.asked("start")), _utc(request.asked("end"))
        days: dict[str, list[dict[str, str]]] = {}
        at = start.replace(minute=0, second=0)
        while at < end:
            if at >= start and self._is_free(event_type, at):
                until = at + timedelta(minutes=30)
                slot = {"start": _text(at), "end": _text(until)}
                days.setdefault(at.date().isoformat(), []).append(slot)
            at += timedelta(minutes=30)
        return _success(days)

    def _is_free(self, event_type: int, start: datetime, *, but: str = "") -> bool:
        end = start + timedelta(minutes=30)
        return OPENS <= start.hour < CLOSES and not any(
            each["eventType"]["id"] == event_type
            and each["uid"] != but
            and _utc(each["start"]) < end
            and start < _utc(each["end"])
            for each in self.standing()
        )

    def _list(self, request: Request) -> Reply:
        found = [
            each
            for each in self.bookings.values()
            if request.asked("eventTypeId") in ("", str(each["eventType"]["id"]))
            and each["start"] >= (request.asked("afterStart") or "")
            and each["end"] <= (request.asked("beforeEnd") or "9")
        ]
        found.sort(key=lambda each: each["start"])
        take, skip = int(request.asked("take") or 100), int(request.asked("skip") or 0)
        page = found[skip : skip + take]
        left = max(len(found) - skip - take, 0)
        pagination = {
            "totalItems": len(found),
            "remainingItems": left,
            "returnedItems": len(page),
            "itemsPerPage": take,
            "currentPage": skip // take + 1,
            "totalPages": -(-len(found) // take),
            "hasNextPage": left > 0,
            "hasPreviousPage": skip > 0,
        }
        return Reply(200, {"status": "success", "data": page, "pagination": pagination})

    def _create(self, body: dict[str, Any]) -> Reply:
        event_type, start = body["eventTypeId"], _utc(body["start"])
        if event_type not in self.event_types:
            return _error(404, "NotFoundException", f"Event type with id {event_type} not found.")
        if not self._is_free(event_type, start):
            return _error(400, "BadRequestException", BUSY)
        booking = self._booking(event_type, start, body["attendee"], body.get("metadata", {}))
        return _success(booking, status=201)

    def _booking(
        self, event_type: int, start: datetime, attendee: dict[str, Any], metadata: dict[str, Any]
    ) -> dict[str, Any]:
        number = next(self._numbers)
        length = self.event_types[event_type]["lengthInMinutes"]
        made = _BOOKING | {
            "id": number,
            "uid": f"uid{number}",
            "status": "pending" if self.needs_confirmation else "accepted",
            "start": _text(start),
            "end": _text(start + timedelta(minutes=length)),
            "duration": length,
            "eventTypeId": event_type,
            "eventType": {"id": event_type, "slug": "cleaning"},
            "attendees": [_ATTENDEE | attendee],
            "metadata": metadata,
        }
        self.bookings[made["uid"]] = made
        return made

    def put(self, event_type: int, start: datetime, **attendee: str) -> dict[str, Any]:
        """A booking that somebody else made."""
        return self._booking(event_type, start, attendee, {})

    def _reschedule(self, uid: str, body: dict[str, Any]) -> Reply:
        if uid not in self.bookings:
            return _error(500, "InternalServerErrorException", "Internal server error")
        old = self.bookings[uid]
        if not _stands(old):
            why = f"Can't reschedule booking with uid={uid} because it has been cancelled"
            return _error(400, "BadRequestException", why)
        event_type, start = old["eventType"]["id"], _utc(body["start"])
        if not self._is_free(event_type, start, but=uid):
            return _error(400, "BadRequestException", BUSY)
        attendee = {name: old["attendees"][0][name] for name in ("name", "phoneNumber", "timeZone")}
        new = self._booking(event_type, start, attendee, old["metadata"])
        new |= {"rescheduledFromUid": uid}
        if reason := body.get("reschedulingReason"):
            new["reschedulingReason"] = reason
        old |= {"status": "cancelled", "rescheduledToUid": new["uid"]}
        return _success(new, status=201)

    def _cancel(self, uid: str, body: dict[str, Any]) -> Reply:
        if uid not in self.bookings:
            return _no_booking(uid)
        booking = self.bookings[uid]
        if not _stands(booking):
            why = f"Can't cancel booking with uid={uid} because it has been cancelled already"
            return _error(400, "BadRequestException", why)
        booking |= {"status": "cancelled", "cancellationReason": body["cancellationReason"]}
        return _success(booking)


def _stands(booking: dict[str, Any]) -> bool:
    return booking["status"] in ("accepted", "pending")


def _success(data: Any, *, status: int = 200) -> Reply:
    return Reply(status, {"status": "success", "data": data})


def _error(status: int, code: str, message: str) -> Reply:
    error = {"code": code, "message": message, "details": {"message": message}}
    return Reply(status, {"status": "error", "path": "/v2", "error": error})


def _no_booking(uid: str) -> Reply:
    return _error(404, "NotFoundException", f"Booking with uid={uid} was not found in the database")


_HOST = {
    "id": 1,
    "name": "Dr. Shah",
    "email": "shah@hillside.example",
    "displayEmail": "shah@hillside.example",
    "username": "shah",
    "timeZone": "America/New_York",
}
_ATTENDEE = {
    "name": "",
    "email": "none@hillside.example",
    "displayEmail": "none@hillside.example",
    "timeZone": "America/New_York",
    "absent": False,
}
_BOOKING = {
    "title": "Cleaning",
    "description": "",
    "hosts": [_HOST],
    "location": "12 Hill Street",
    "absentHost": False,
    "createdAt": "2026-11-22T15:00:00.000Z",
    "updatedAt": "2026-11-22T15:00:00.000Z",
    "guests": [],
    "bookingFieldsResponses": {},
}
_ME = {
    "id": 1,
    "username": "hillside",
    "email": "desk@hillside.example",
    "name": "Hillside",
    "avatarUrl": None,
    "bio": None,
    "timeFormat": 12,
    "defaultScheduleId": 1,
    "weekStart": "Sunday",
    "timeZone": "America/New_York",
    "organizationId": None,
}
_EVENT_TYPE = {
    "title": "Cleaning",
    "slug": "cleaning",
    "description": "",
    "locations": [],
    "bookingFields": [],
    "disableGuests": True,
    "metadata": {},
    "price": 0,
    "currency": "usd",
    "lockTimeZoneToggleOnBookingPage": False,
    "forwardParamsSuccessRedirect": None,
    "successRedirectUrl": None,
    "isInstantEvent": False,
    "scheduleId": None,
    "hidden": False,
    "bookingRequiresAuthentication": False,
    "ownerId": 1,
    "users": [],
    "bookingUrl": "https://cal.example/hillside/cleaning",
}
