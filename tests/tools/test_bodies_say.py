"""Every answer of every tool has something to say, and a voice can read it."""

import re
import typing
from typing import Any

import msgspec
import pytest

from tests.tools.desk import ANN, BODIES, NOW, Desk
from tools import answers, practice_file, seed
from tools.answers import Booked, Cancelled, Moved, NotFound, Requested, SlotTaken
from tools.catalog import CATALOG, QUEUED
from tools.info import Told
from tools.insurance import Accepted, NotAccepted, NotListed
from tools.insured import InsuredBooked, InsuredRequested
from tools.lookup import Found, NothingFree, Offers
from tools.messages import Taken
from tools.notes import Nobody, Noted
from tools.office import Unclear

UNSPEAKABLE = re.compile(r"[0-9*_#`|<>{}\[\]\\/@&%$€~^=+]|\s{2,}|\n|https?:|--")
"""Figures, signs and markup: a voice reads them out, or in a way nobody expects."""


def says(result: Any) -> list[str]:
    """Every ``say`` of a result, however deep."""
    match result:
        case dict():
            own = [text for key, text in result.items() if key == "say"]
            return own + [text for value in result.values() for text in says(value)]
        case list() | tuple():
            return [text for each in result for text in says(each)]
        case _:
            return []


async def every_result(desk: Desk) -> list[Any]:
    """One of each sort of answer, and of each sort of time."""
    asked: list[tuple[str, dict[str, Any]]] = [
        ("find_slots", {"service": "cleaning"}),
        ("find_slots", {"service": "cleaning", "from_day": "2026-12-07"}),
        ("find_slots", {"service": "filling", "part_of_day": "afternoon"}),
        (
            "find_slots",
            {"service": "cleaning", "from_day": "2026-11-26", "to_day": "2026-11-26"},
        ),
        ("find_slots", {"service": "emergency", "from_day": "2027-12-01"}),
        ("find_slots", {"service": "crown"}),
        ("find_slots", {"service": "filling", "provider": "Doctor Smith"}),
        ("lookup_appointment", {"phone": "5550109999"}),
    ]
    for start in ("2026-11-23T08:00", "2026-12-01T09:30", "2026-12-01T13:30", "2027-02-03T12:00"):
        at = ANN | {"start": start}
        asked += 2 * [("book_appointment", at)]
        asked += [
            ("book_appointment", at | {"patient_name": f"Early Bird {letter}"}) for letter in "ABC"
        ]
    insured = ANN | {"start": "2026-12-03T09:30", "insurance": "Cigna"}
    asked += [
        ("book_appointment", ANN | {"start": "2028-11-27T09:30"}),
        ("lookup_appointment", {"phone": ANN["phone"]}),
        *(("book_with_insurance", insured | {"insurance": name}) for name in ("Aetna", "Cigna")),
        *(("check_insurance", {"insurance": name}) for name in ("Cigna", "Medicaid", "Umbrella")),
        *(("practice_info", {"topic": name}) for name in ("address", "hours", "crown", "cleaning")),
        *(("practice_info", {"topic": each.name}) for each in desk.office.facts.told),
        ("take_message", {"message": "Call me!", "phone": ANN["phone"], "urgent": True}),
        ("take_message", {"message": "Call me!"}),
        (
            "update_patient_notes",
            {k: ANN[k] for k in ("phone", "patient_name")} | {"note": "Deaf."},
        ),
        ("update_patient_notes", {"phone": "5550109999", "patient_name": "X", "note": "Deaf."}),
    ]
    results = [await desk.ask(tool, **arguments) for tool, arguments in asked]
    made = next(each for each in results if isinstance(each, Booked))
    whose = {"appointment_id": made.appointment_id, "phone": ANN["phone"]}
    for start in ("2026-12-08T09:30", "2026-11-26T09:30", "2028-11-27T09:30"):
        results.append(await desk.ask("reschedule_appointment", **whose, new_start=start))
    results += [
        await desk.ask("cancel_appointment", **whose),
        await desk.ask("cancel_appointment", **(whose | {"phone": "5550109999"})),
        await desk.ask("reschedule_appointment", **whose, new_start="2026-12-08T09:30"),
    ]
    return results


async def test_no_result_says_what_a_voice_cannot_read(desk: Desk) -> None:
    results = await every_result(desk)

    assert {type(result) for result in results} == {
        *(Booked, SlotTaken, Offers, NothingFree, Unclear, Found, Moved, Cancelled, NotFound),
        *(InsuredBooked, NotAccepted, Accepted, NotListed, Told, Taken, Noted, Nobody),
    }
    said = [text for result in results for text in says(msgspec.to_builtins(result))]
    assert len(said) > 80
    assert [text for text in said if UNSPEAKABLE.search(text)] == []
    assert all(text[0].isupper() or text.startswith(("tomorrow", "today")) for text in said)


@pytest.mark.parametrize(
    "text",
    [text for tool in QUEUED.values() for text in (tool.fallback, tool.not_done) if text],
)
def test_no_fallback_says_what_a_voice_cannot_read(text: str) -> None:
    assert not UNSPEAKABLE.search(text)


@pytest.mark.parametrize("path", seed.DEMOS, ids=lambda path: path.stem)
def test_what_the_demonstrations_want_told_can_be_read_by_a_voice(path: Any) -> None:
    entered = practice_file.read_practice(path)
    said = [each.say for each in entered.facts] + [each.note for each in entered.insurers]

    assert len(entered.facts) >= 4
    assert [text for text in said if UNSPEAKABLE.search(text)] == []
    assert all(text.endswith(".") for text in said if text)


@pytest.mark.parametrize("name", BODIES)
def test_an_effect_comes_true_by_a_word_its_body_knows_and_every_answer_has_something_to_say(
    name: str,
) -> None:
    answer = typing.get_type_hints(BODIES[name])["return"]
    sorts = typing.get_args(answer) or (answer,)
    words = {msgspec.inspect.type_info(sort).tag for sort in sorts}

    assert set(CATALOG[name].came_true) <= words
    assert all("say" in sort.__struct_fields__ for sort in sorts)


async def test_who_learns_of_it_later_says_what_the_body_would_have_said(desk: Desk) -> None:
    booked = await desk.ask("book_appointment", **ANN)
    office, today = desk.office, NOW.date()

    async def later(tool: str) -> Any:
        made = await office.schedule.appointment(office.practice, booked.appointment_id)
        assert made is not None
        return answers.of_effect(tool, made, today)

    assert await later("book_appointment") == booked
    assert (await later("book_with_insurance")).say == booked.say
    whose = {"appointment_id": booked.appointment_id, "phone": ANN["phone"]}
    moved = await desk.ask("reschedule_appointment", **whose, new_start="2026-12-08T09:30")
    assert await later("reschedule_appointment") == moved
    cancelled = await desk.ask("cancel_appointment", **whose)
    assert await later("cancel_appointment") == cancelled
    with pytest.raises(ValueError, match="makes no appointment"):
        await later("take_message")


async def test_what_is_not_confirmed_yet_is_said_to_be_asked_for(desk: Desk) -> None:
    booked = await desk.ask("book_appointment", **ANN)
    made = await desk.office.schedule.appointment(desk.office.practice, booked.appointment_id)
    assert made is not None
    requested = msgspec.structs.replace(made, status="requested")
    when = "on Tuesday, December first at nine thirty in the morning with Maya Torres"

    booking = answers.of_effect("book_appointment", requested, NOW.date())
    move = answers.of_effect("reschedule_appointment", requested, NOW.date())

    assert isinstance(booking, Requested)
    assert isinstance(move, Requested)
    assert booking.say == (
        f"I've asked for a cleaning {when} for Ann Lee. "
        "We'll confirm it by text message or by phone."
    )
    assert move.say == (
        "I've asked to move a cleaning for Ann Lee to Tuesday, December first at nine thirty in "
        "the morning with Maya Torres. We'll confirm it by text message or by phone."
    )
    assert answers.coming(requested, NOW.date()).say == f"Ann Lee has asked for a cleaning {when}"
    assert msgspec.inspect.type_info(InsuredRequested).tag == "requested"
