"""One person, however the name is written, and one number, however it is given."""

import msgspec
import pytest

from tests.tools.bookings import PHONE, TUESDAY, at, booked, the, wanting
from tools.arguments import CancelAppointment, RescheduleAppointment
from tools.calendar import Calendar
from tools.catalog import CATALOG, decode_arguments
from tools.errors import BadArguments
from tools.meaning import effect_key
from tools.names import folded, is_part
from tools.phone import normalise

ID = "0" * 32


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Mary O'Neil", "Mary O’Neil"),
        ("Ann Lee", "ann  LEE."),
        ("José Núñez", "Jose Nunez"),
        ("Jose\u0301", "José"),
        ("Anne-Marie Roux", "Anne Marie Roux"),
    ],
)
def test_signs_and_accents_do_not_tell_two_people_apart(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), [("Ann Lee", "Ann Leigh"), ("李", "王"), ("!", "?")])
def test_letters_do(one: str, other: str) -> None:
    assert folded(one) != folded(other)


def test_what_is_compared_fits_where_it_is_kept() -> None:
    assert len(folded("ß" * 80)) == 80


def test_a_part_of_a_name_is_enough_to_ask_by() -> None:
    assert is_part("mary", "Mary O'Neil")
    assert not is_part("Mary Jones", "Mary O'Neil")


@pytest.mark.parametrize("asked", ["Mary O’Neil", "Mary", "ONEIL"])
async def test_an_appointment_is_found_by_any_spelling(calendar: Calendar, asked: str) -> None:
    practice, _ = await the(calendar, "cleaning")
    made = await booked(calendar, await wanting(calendar, "Mary O'Neil", at(TUESDAY, "09:30")))

    assert await calendar.coming(practice, PHONE, asked) == [made]
    assert await calendar.coming(practice, PHONE, "Somebody Else") == []


def test_whoever_has_another_number_wants_another_effect() -> None:
    keys = {
        effect_key(
            CATALOG["cancel_appointment"], "p", CancelAppointment(appointment_id=ID, phone=n)
        )
        for n in ("212 555 0142", "+12125550142", "212 555 0143")
    }
    assert len(keys) == 2


def test_utc_is_another_clock_than_the_practices() -> None:
    keys = {
        effect_key(
            CATALOG["reschedule_appointment"],
            "p",
            RescheduleAppointment(appointment_id=ID, phone="2125550142", new_start=start),
        )
        for start in ("2026-12-08T15:00", "2026-12-08T15:00:00-05:00", "2026-12-08T15:00Z")
    }
    assert len(keys) == 2


@pytest.mark.parametrize("number", ["212 555 014", "555-0142", "+1 212 555 01422"])
def test_an_incomplete_number_is_none(number: str) -> None:
    with pytest.raises(ValueError, match="not a phone number"):
        normalise(number)


@pytest.mark.parametrize("name", ["Ann\x00Lee", "Ann\nLee", "   ", "<b>Ann</b>"])
def test_a_name_is_one_line_with_something_in_it(name: str) -> None:
    asked = {"service": "cleaning", "start": "2026-12-01T09:30", "phone": "2125550142"}
    text = msgspec.json.encode(asked | {"patient_name": name}).decode()
    with pytest.raises(BadArguments, match="patient_name"):
        decode_arguments(CATALOG["book_appointment"], text)
