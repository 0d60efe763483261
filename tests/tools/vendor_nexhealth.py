"""NexHealth v3.0.0 as its documents say it behaves: it takes first, and writes later."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from tests.tools.vendor_server import Reply, Request, VendorServer

KEY = "nex-key-0123456789"
VERSION = "v3.0.0"
ZONE = ZoneInfo("America/New_York")
OPENS, CLOSES = time(9), time(17)
OLD_TYPE = "application/vnd.Nexhealth+json;version=2"
_OLD = ("/authenticates", "/sync_status", "/locations/")


class NexHealthServer(VendorServer):
    """One location with two providers, each in a room of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.rooms: dict[int, int | None] = {83: 54, 84: 55}
        self.patients: list[dict[str, Any]] = []
        self.appointments: dict[int, dict[str, Any]] = {}
        self.location = {"insert_appt_client": True, "inactive": False}
        self.write_status = "green"
        self.moves = True
        """Whether the practice's system can change an appointment where it stands."""
        self.checks_times = False
        """Whether it refuses a time that is not free; not documented, so mostly it does not."""
        self.tokens: set[str] = set()
        self._numbers = count(1000)

    def standing(self) -> list[dict[str, Any]]:
        return [each for each in self.appointments.values() if not each["cancelled"]]

    def expire(self) -> None:
        """The hour is over."""
        self.tokens.clear()

    def write(self) -> None:
        """The practice's system takes everything that waits."""
        for each in self.appointments.values():
            each |= {
                "foreign_id": f"pms-{each['id']}",
                "last_sync_time": "2026-11-22T15:01:00.000Z",
            }

    def known(self, first: str, last: str, phone: str) -> int:
        """A patient who was there before."""
        return int(self._patient(first, last, {"phone_number": phone})["id"])

    def content_type_of(self, request: Request) -> str:
        by_number = request.method == "GET" and request.path.startswith("/appointments/")
        old = by_number or request.path.startswith(_OLD)
        return OLD_TYPE if old else self.content_type

    def act(self, request: Request) -> Reply:
        if request.headers.get("nex-api-version") != VERSION:
            return _error(404, "Not found")
        if request.path == "/authenticates":
            return self._authenticate(request)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _error(401, "Invalid Credentials")
        if not request.path.startswith("/locations/") and request.asked("subdomain") != "hillside":
            return _error(403, "You don't have access to perform this action.")
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["locations", "7"]:
                return _data(_LOCATION | self.location)
            case "GET", ["sync_status"]:
                return _data([_SYNC | {"write_status": self.write_status}])
            case "GET", ["available_slots"]:
                return self._slots(request)
            case "GET", ["patients"]:
                return self._patients(request)
            case "POST", ["patients"]:
                return self._enter(request.body)
            case "GET", ["appointments"]:
                return self._list(request)
            case "POST", ["appointments"]:
                return self._create(request.body["appt"])
            case "GET", ["appointments", number]:
                one = self.appointments.get(int(number))
                return _data(one) if one else _error(404, "Appointment not found")
            case "PATCH", ["appointments", number]:
                return self._change(int(number), request.body["appt"])
            case _:
                return _error(404, "Resource not found")

    def _authenticate(self, request: Request) -> Reply:
        if request.headers.get("authorization") != KEY:
            return _error(401, "Invalid Credentials")
        token = f"token-{next(self._numbers)}"
        self.tokens.add(token)
        return _data({"token": token}, status=201)

    def _slots(self, request: Request) -> Reply:
        first = date.fromisoformat(request.asked("start_date"))
        length = timedelta(minutes=int(request.asked("slot_length") or 30))
        groups = []
        for provider in map(int, request.all_asked("pids[]")):
            room = self.rooms.get(provider)
            slots = []
            for day in range(int(request.asked("days"))):
                at = datetime.combine(first + timedelta(days=day), OPENS, ZONE)
                end = datetime.combine(first + timedelta(days=day), CLOSES, ZONE)
                while at + length <= end:
                    if self._is_free(provider, at, at + length):
                        slots.append(_slot(provider, room, at, at + length))
                    at += timedelta(minutes=15)
            group = {"lid": 7, "pid": provider, "slots": slots, "next_available_date": None}
            groups.append(group | ({} if room is None else {"operatory_id": room}))
        return _data(groups)

    def _is_free(self, provider: int, start: datetime, end: datetime) -> bool:
        return not any(
            each["provider_id"] == provider
            and datetime.fromisoformat(each["start_time"]) < end
            and start < datetime.fromisoformat(each["end_time"])
            for each in self.standing()
        )

    def _patients(self, request: Request) -> Reply:
        wanted = request.asked("phone_number")
        found = [each for each in self.patients if each["bio"]["phone_number"] == wanted]
        return _page(found[: int(request.asked("per_page") or 5)], more=False)

    def _enter(self, body: dict[str, Any]) -> Reply:
        new = body["patient"]
        for each in self.patients:
            if (each["first_name"], each["last_name"], each["bio"]["phone_number"]) == (
                new["first_name"],
                new["last_name"],
                new["bio"]["phone_number"],
            ):
                if body.get("return_existing_if_match"):
                    return _data({"user": each})
                return _error(400, "Patient already exists")
        made = self._patient(new["first_name"], new["last_name"], new["bio"])
        return _data({"user": made}, status=201)

    def _patient(self, first: str, last: str, bio: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        names = {"first_name": first, "last_name": last, "name": f"{first} {last}"}
        self.patients.append({"id": number, "bio": bio, "email": None} | names)
        return self.patients[-1]

    def _list(self, request: Request) -> Reply:
        patients = (
            request.asked("patient_ids[]").split(",") if request.asked("patient_ids[]") else []
        )
        found = [
            each
            for each in self.appointments.values()
            if request.asked("start") <= each["start_time"] <= request.asked("end")
            and (not patients or str(each["patient_id"]) in patients)
        ]
        size, skip = int(request.asked("per_page") or 5), int(request.asked("end_cursor") or 0)
        return _page(found[skip : skip + size], more=len(found) > skip + size, at=skip + size)

    def _create(self, appt: dict[str, Any]) -> Reply:
        start, end = (datetime.fromisoformat(appt[each]) for each in ("start_time", "end_time"))
        if self.checks_times and not self._is_free(appt["provider_id"], start, end):
            return _error(400, "The start_time is not available for this provider")
        if appt["patient_id"] not in [each["id"] for each in self.patients]:
            return _error(404, "Patient not found")
        if self.rooms[appt["provider_id"]] and "operatory_id" not in appt:
            return _error(400, "operatory_id is missing")
        return _data({"appt": self._appointment(appt)}, status=201)

    def _appointment(self, appt: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        times = {name: _utc(appt[name]) for name in ("start_time", "end_time")}
        self.appointments[number] = _APPOINTMENT | {"id": number} | appt | times
        return self.appointments[number]

    def put(self, start: datetime, *, provider: int = 83, **also: Any) -> dict[str, Any]:
        """An appointment that the practice has in its own system."""
        times = {
            "start_time": start.isoformat(),
            "end_time": (start + timedelta(minutes=30)).isoformat(),
        }
        made = self._appointment({"provider_id": provider, "foreign_id": "pms", **times, **also})
        return made

    def _change(self, number: int, appt: dict[str, Any]) -> Reply:
        if number not in self.appointments:
            return _error(404, "Appointment not found")
        if "start_time" in appt and not self.moves:
            return _error(400, "Rescheduling is not supported for this integration")
        times = {name: _utc(appt[name]) for name in ("start_time", "end_time") if name in appt}
        self.appointments[number] |= appt | times
        return _data({"appt": self.appointments[number]})


def _utc(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _slot(provider: int, room: int | None, start: datetime, end: datetime) -> dict[str, Any]:
    slot = {
        "time": start.isoformat(timespec="milliseconds"),
        "end_time": end.isoformat(timespec="milliseconds"),
        "provider_id": provider,
    }
    return slot if room is None else slot | {"operatory_id": room}


def _data(data: Any, *, status: int = 200) -> Reply:
    # Beside these it says ``null``, which its own description does not allow.
    return Reply(status, {"code": True, "data": data})


def _page(data: list[Any], *, more: bool, at: int = 0) -> Reply:
    info = {
        "has_previous_page": False,
        "has_next_page": more,
        "start_cursor": "0",
        "end_cursor": str(at),
    }
    return Reply(200, {"code": True, "data": data, "page_info": info})


def _error(status: int, message: str) -> Reply:
    return Reply(status, {"code": False, "error": [message]})


_APPOINTMENT = {
    "patient_id": 1,
    "provider_id": 83,
    "provider_name": "Dr. Shah",
    "confirmed": False,
    "created_at": "2026-11-22T15:00:00.000Z",
    "updated_at": "2026-11-22T15:00:00.000Z",
    "note": None,
    "unavailable": False,
    "cancelled": False,
    "timezone": "America/New_York",
    "institution_id": 1,
    "appointment_type_id": None,
    "location_id": 7,
    "foreign_id": None,
    "foreign_id_type": "DataSource",
    "misc": {"is_booked_on_nexhealth": True},
    "last_sync_time": None,
    "operatory_id": None,
}
_LOCATION = {"id": 7, "name": "Hillside", "institution_id": 1, "tz": "America/New_York"}
_SYNC = {
    "institution_id": 1,
    "sync_source_type": "DataSource",
    "sync_source_name": "Hillside",
    "read_status": "green",
}
