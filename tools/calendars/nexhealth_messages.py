"""What NexHealth answers, as far as it is read, and how a practice says which of it is its own.

Names are the vendor's, shapes those of its OpenAPI file (v3.0.0, which is v20240412). That file
calls hardly anything required; what is read here without a default has been in every example.
"""

from datetime import date, datetime
from typing import Annotated, Final, Generic, TypeVar

import msgspec

from tools.addresses import check_url
from tools.calendars.http import plausible

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Some = Annotated[str, msgspec.Meta(min_length=1)]
What = TypeVar("What")


class NewPatients(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is entered for a patient it does not know, of whom we have but name and number."""

    email: Some
    """It insists on one: a box of the practice's own."""
    date_of_birth: date
    """It insists on one: whatever the practice takes for not asked yet."""


class NexHealthConfig(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="kind",
    tag="nexhealth",
    forbid_unknown_fields=True,
):
    """A practice whose own system is reached through NexHealth."""

    key_env: Some
    """The variable that holds the API key."""
    subdomain: Some
    """The institution."""
    location_id: int
    providers: Annotated[dict[str, int], msgspec.Meta(min_length=1)]
    """Provider → its number there."""
    appointment_types: dict[str, int] = {}
    """Service → the number of the appointment type, where they are used; it knows the length."""
    operatories: dict[str, int] = {}
    """Provider → the operatory, where it is always the same one; else whichever is free."""
    new_patients: NewPatients | None = None
    """None: only patients it knows by number and name are booked."""
    url: str = "https://nexhealth.info"

    def __post_init__(self) -> None:
        check_url(self.url)
        if strange := self.operatories.keys() - self.providers.keys():
            raise ValueError(f"operatories: {min(strange)} is not among providers")


class Token(msgspec.Struct):
    """What opens everything else for an hour."""

    token: Some


class Appointment(msgspec.Struct):
    """An appointment as NexHealth has it, which may be before or after the practice has."""

    id: int
    start_time: Instant
    end_time: Instant
    patient_id: int | None = None
    provider_id: int | None = None
    appointment_type_id: int | None = None
    operatory_id: int | None = None
    note: str | None = None
    cancelled: bool | None = None
    deleted: bool | None = None
    foreign_id: str | None = None
    """The practice system's own name for it; none until it was written there."""

    def __post_init__(self) -> None:
        plausible(self.start_time, self.end_time)

    @property
    def stands(self) -> bool:
        """Whether anybody is expected."""
        return not (self.cancelled or self.deleted)


class Written(msgspec.Struct):
    """An appointment that was made or changed."""

    appt: Appointment


class Patient(msgspec.Struct):
    """A patient's record."""

    id: int
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None

    @property
    def called(self) -> str:
        """The whole name."""
        return self.name or self._in_short()

    def is_called(self, name: str) -> bool:
        """Whether that is the name, with or without what stands in the middle."""
        return _folded(name) in (_folded(self.called), _folded(self._in_short()))

    def _in_short(self) -> str:
        return f"{self.first_name or ''} {self.last_name or ''}".strip()


class Entered(msgspec.Struct):
    """A patient that was entered, or was there."""

    user: Patient


class Slot(msgspec.Struct):
    """A time that may be booked."""

    time: Instant
    provider_id: int | None = None
    operatory_id: int | None = None

    def __post_init__(self) -> None:
        plausible(self.time, self.time)


class Slots(msgspec.Struct):
    """The times of one provider, or of one operatory of theirs."""

    pid: int | None = None
    operatory_id: int | None = None
    slots: list[Slot] = []


class Location(msgspec.Struct):
    """A place of the institution."""

    insert_appt_client: bool | None = None
    """False: what is booked here is kept at NexHealth and never sent to the practice."""
    inactive: bool | None = None


class Sync(msgspec.Struct):
    """How one of the practice's systems is being kept up with."""

    write_status: str | None = None


class PageInfo(msgspec.Struct):
    """Whether there is more, and from where."""

    has_next_page: bool = False
    end_cursor: str | None = None


class Page(msgspec.Struct):
    """Some appointments."""

    data: list[Appointment]
    page_info: PageInfo | None = None


class Head(msgspec.Struct):
    """What stands before every answer's data."""

    code: bool | None = None
    """"Treat ``code: false`` as a failure", whatever the status (reference, Errors)."""


class Of(msgspec.Struct, Generic[What]):
    """An answer about one thing, or about several."""

    data: What


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


read_head: Final = msgspec.json.Decoder(Head).decode
read_token: Final = msgspec.json.Decoder(Of[Token]).decode
read_slots: Final = msgspec.json.Decoder(Of[list[Slots]]).decode
read_patients: Final = msgspec.json.Decoder(Of[list[Patient]]).decode
read_entered: Final = msgspec.json.Decoder(Of[Entered]).decode
read_appointment: Final = msgspec.json.Decoder(Of[Appointment]).decode
read_written: Final = msgspec.json.Decoder(Of[Written]).decode
read_page: Final = msgspec.json.Decoder(Page).decode
read_location: Final = msgspec.json.Decoder(Of[Location]).decode
read_syncs: Final = msgspec.json.Decoder(Of[list[Sync]]).decode
