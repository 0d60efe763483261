"""The patients a practice has at NexHealth: found by number and name, or entered.

A patient is entered once whatever is lost on the way: with ``return_existing_if_match`` a second
request gets the first one's record ("matching is based on date of birth, name, and phone number").
"""

from typing import Final

from tools.calendars.http import Query
from tools.calendars.nexhealth_api import NexHealthApi
from tools.calendars.nexhealth_messages import (
    NewPatients,
    Patient,
    read_entered,
    read_patients,
)
from tools.calendars.remote import RemoteBooking
from tools.errors import Unavailable, Unsure

PAGE: Final = 200


class Patients:
    """The patients of one location."""

    def __init__(self, api: NexHealthApi, here: Query, new: NewPatients | None) -> None:
        """``here`` says which institution and location, as a query; ``new`` may be entered."""
        self._api = api
        self._here = here
        self._new = new

    async def of_number(self, phone: str) -> list[Patient]:
        """Who can be called at that number, E.164."""
        query: Query = [
            *self._here,
            ("phone_number", _national(phone)),
            ("inactive", "false"),
            ("non_patient", "false"),
            ("per_page", PAGE),
        ]
        answer = await self._api.ask("/patients", query)
        if not answer.ok:
            raise self._api.refused(f"patients: status {answer.status}")
        return self._api.decode(answer, read_patients).data

    async def known(self, booking: RemoteBooking) -> int | None:
        """The number of the record with that name and telephone, None if there is none.

        Raises:
            Refused: and none may be entered.
        """
        for patient in await self.of_number(booking.phone):
            if patient.is_called(booking.patient_name):
                return patient.id
        self._may_enter()
        return None

    async def enter(self, booking: RemoteBooking, provider: int) -> int:
        """The number of a new record, or of the one that an earlier request of the same made.

        Raises:
            Unavailable: whatever came of it, no appointment was asked for yet.
        """
        new = self._may_enter()
        first, _, last = booking.patient_name.strip().partition(" ")
        order = {
            "provider": {"provider_id": provider},
            "patient": {
                "first_name": first,
                "last_name": last or first,
                "email": new.email,
                "bio": {
                    "date_of_birth": new.date_of_birth.isoformat(),
                    "phone_number": _national(booking.phone),
                },
            },
            "return_existing_if_match": True,
        }
        try:
            answer = await self._api.order("POST", "/patients", self._here, order)
            if not answer.ok:
                raise self._api.refused(f"entering a patient: status {answer.status}")
            return self._api.decode(answer, read_entered, otherwise=Unsure).data.user.id
        except Unsure as error:
            raise Unavailable(error.say, reason=error.reason) from None

    def _may_enter(self) -> NewPatients:
        if self._new is None:
            raise self._api.refused("the patient is not known there")
        return self._new


def _national(phone: str) -> str:
    """As its examples have it: ten digits; a number from elsewhere in full, without the plus."""
    return phone.removeprefix("+1") if phone.startswith("+1") else phone.removeprefix("+")
