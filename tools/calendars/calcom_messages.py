"""What Cal.com answers, as far as it is read, and how a practice says which of it is its own.

Names are the vendor's, shapes those of its OpenAPI file; what the file calls optional may be null.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from tools.addresses import check_url
from tools.calendars.http import plausible

MARK: Final = "Moved by phone, ref "
"""Before our key in ``reschedulingReason``: a move takes no metadata."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class CalComConfig(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="kind",
    tag="calcom",
    forbid_unknown_fields=True,
):
    """A practice that keeps its calendar at Cal.com."""

    key_env: Annotated[str, msgspec.Meta(min_length=1)]
    """The variable that holds the API key, ``cal_live_…``."""
    event_types: Annotated[dict[str, dict[str, int]], msgspec.Meta(min_length=1)]
    """Service → provider → the number of the event type. Recurring ones and those with seats are
    not for this."""
    url: str = "https://api.cal.com"
    attendee_email: str = ""
    """Given as the patient's where an event type insists on one: a box of the practice's own."""
    language: str = "en"

    def __post_init__(self) -> None:
        check_url(self.url)
        numbers = [each for of in self.event_types.values() for each in of.values()]
        if not numbers or len(set(numbers)) < len(numbers):
            raise ValueError("event_types: every service needs one for each who does it, its own")


class EventType(msgspec.Struct):
    """Which kind of appointment, and by that with whom."""

    id: int


class Attendee(msgspec.Struct):
    """Who comes."""

    name: str | None = None
    phoneNumber: str | None = None


class Metadata(msgspec.Struct):
    """What API users keep with a booking; only our own entry is read."""

    holdfast: Any = None


class Booking(msgspec.Struct):
    """A booking as it stands."""

    uid: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    status: Literal["accepted", "pending", "cancelled", "rejected"]
    start: Instant
    end: Instant
    eventType: EventType | None = None
    attendees: list[Attendee] = []
    metadata: Metadata | None = None
    reschedulingReason: str | None = None
    rescheduledToUid: str | None = None

    def __post_init__(self) -> None:
        plausible(self.start, self.end)

    @property
    def stands(self) -> bool:
        """Whether anybody is expected."""
        return self.status in ("accepted", "pending")

    @property
    def key(self) -> str:
        """Ours, of its making or of the move that made it."""
        _, moved, key = (self.reschedulingReason or "").partition(MARK)
        if moved:
            return key
        key = self.metadata.holdfast if self.metadata else ""
        return key if isinstance(key, str) else ""


class One(msgspec.Struct):
    """One booking; several at once only if the event type recurs."""

    data: Booking | list[Booking]


class Pagination(msgspec.Struct):
    """Whether there is more."""

    hasNextPage: bool


class Many(msgspec.Struct):
    """A page of bookings."""

    data: list[Booking]
    pagination: Pagination


class Slot(msgspec.Struct):
    """A time that may be booked."""

    start: Instant

    def __post_init__(self) -> None:
        plausible(self.start, self.start)


class Slots(msgspec.Struct):
    """Day → its times."""

    data: dict[str, list[Slot]]


class Switch(msgspec.Struct):
    """A trait of an event type: absent, or there and switched off."""

    disabled: bool = False


class Kind(msgspec.Struct):
    """An event type, as far as we may not be able to keep it."""

    recurrence: Switch | None = None
    seats: Switch | None = None
    seatsPerTimeSlot: Any = None


class KindOf(msgspec.Struct):
    """One event type."""

    data: Kind


read_one: Final = msgspec.json.Decoder(One).decode
read_many: Final = msgspec.json.Decoder(Many).decode
read_slots: Final = msgspec.json.Decoder(Slots).decode
read_kind: Final = msgspec.json.Decoder(KindOf).decode
