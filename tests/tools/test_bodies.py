import json
import re
import typing
from typing import Any

import msgspec
import pytest

from tools.booking import Booked, SlotTaken, book_appointment
from tools.calendar import Calendar
from tools.catalog import CATALOG, QUEUED, decode_arguments
from tools.database import open_engine
from tools.errand import Errand
from tools.errors import BadArguments, LeaseLost, ToolError, Unavailable
from tools.lookup import Found, NothingFree, Offers, Unclear, find_slots, lookup_appointment

ANN = {
    "service": "cleaning",
    "start": "2026-12-01T09:30-05:00",
    "patient_name": "Ann Lee",
    "phone": "555 010 0122",
}


def asked(tool: str, **arguments: Any) -> Any:
    return decode_arguments(CATALOG[tool], json.dumps(arguments))


async def find(calendar: Calendar, errand: Errand, **arguments: Any) -> Any:
    return await find_slots(asked("find_slots", **arguments), calendar, errand)


async def book(calendar: Calendar, errand: Errand, **changes: Any) -> Any:
    return await book_appointment(asked("book_appointment", **(ANN | changes)), calendar, errand)


async def test_three_times_well_apart_are_offered_and_said(
    calendar: Calendar, errand: Errand
) -> None:
    found = await find(
        calendar, errand, service="cleaning", from_day="2026-12-01", to_day="2026-12-01"
    )

    assert isinstance(found, Offers)
    assert [offer.start for offer in found.offers] == [
        "2026-12-01T08:00-05:00", "2026-12-01T10:00-05:00", "2026-12-01T12:00-05:00",
    ]  # fmt: skip
    assert found.say == (
        "I have Tuesday, December first at eight or ten in the morning, or noon. Which suits you?"
    )
    assert found.offers[0].say == (
        "Tuesday, December first at eight in the morning with Maya Torres"
    )


async def test_without_a_day_the_soonest_times_are_offered(
    calendar: Calendar, errand: Errand
) -> None:
    found = await find(calendar, errand, service="a teeth cleaning, please")

    assert found.offers[0].start == "2026-11-23T08:00-05:00"
    assert found.say.startswith("I have tomorrow, Monday at eight")


async def test_the_afternoon_and_the_provider_one_wants_are_respected(
    calendar: Calendar, errand: Errand
) -> None:
    found = await find(
        calendar, errand, service="filling", part_of_day="afternoon", provider="Dr. Okafor"
    )

    assert {offer.provider for offer in found.offers} == {"Doctor Okafor"}
    assert all(int(offer.start[11:13]) >= 12 for offer in found.offers)


async def test_a_day_that_is_full_or_closed_is_answered_with_the_next_times(
    calendar: Calendar, errand: Errand
) -> None:
    found = await find(
        calendar, errand, service="cleaning", from_day="2026-11-26", to_day="2026-11-26"
    )

    assert isinstance(found, Offers)
    assert found.say.startswith(
        "There is nothing free that day. The next I have is Friday, November twenty-seventh"
    )


async def test_beyond_the_horizon_nothing_is_free(calendar: Calendar, errand: Errand) -> None:
    found = await find(calendar, errand, service="emergency", from_day="2027-12-01")

    assert isinstance(found, NothingFree)
    assert "an emergency visit" in found.say


async def test_an_unknown_service_or_provider_is_a_question_not_an_error(
    calendar: Calendar, errand: Errand
) -> None:
    service = await find(calendar, errand, service="crown")
    provider = await find(calendar, errand, service="filling", provider="Doctor Smith")

    assert isinstance(service, Unclear)
    assert "cleaning" in service.choices
    assert isinstance(provider, Unclear)
    assert provider.choices == ("Doctor Okafor", "Doctor Lindqvist")


@pytest.mark.parametrize(
    "days",
    [
        {"from_day": "2026-02-30"},
        {"to_day": "2026-11-01"},
        {"from_day": "2026-12-02", "to_day": "2026-12-01"},
    ],
)
async def test_days_that_cannot_be_are_given_back_to_the_model(
    calendar: Calendar, errand: Errand, days: dict[str, str]
) -> None:
    with pytest.raises(BadArguments, match="_day"):
        await find(calendar, errand, service="cleaning", **days)


async def test_a_past_first_day_means_from_today_on(calendar: Calendar, errand: Errand) -> None:
    found = await find(calendar, errand, service="cleaning", from_day="2026-11-01")

    assert found.offers[0].start == "2026-11-23T08:00-05:00"


@pytest.mark.parametrize(
    "start", ["2026-12-01T09:30-05:00", "2026-12-01T09:30", "2026-12-01T14:30Z"]
)
async def test_a_booking_is_confirmed_in_words_and_figures(
    calendar: Calendar, errand: Errand, start: str
) -> None:
    booked = await book(calendar, errand, start=start)

    assert isinstance(booked, Booked)
    assert booked.say == (
        "Ann Lee is booked for a cleaning on Tuesday, December first at nine thirty in the "
        "morning with Maya Torres."
    )
    assert booked.start == "2026-12-01T09:30-05:00"
    assert booked.minutes == 30


async def test_asking_twice_in_other_words_gives_the_same_appointment(
    calendar: Calendar, errand: Errand
) -> None:
    first = await book(calendar, errand)
    again = await book(
        calendar, errand, patient_name="ann lee", phone="+15550100122", start="2026-12-01T14:30Z"
    )

    assert again == first


async def test_a_taken_time_is_answered_with_the_nearest_ones(
    calendar: Calendar, errand: Errand
) -> None:
    for n in range(2):
        await book(calendar, errand, patient_name=f"Early Bird {n}")

    taken = await book(calendar, errand)

    assert isinstance(taken, SlotTaken)
    assert [offer.start[11:16] for offer in taken.offers] == ["08:30", "09:00", "10:00"]
    assert taken.say.startswith("That time is not free any more. I could offer Tuesday")


async def test_a_closed_day_is_answered_with_the_soonest_times_after_it(
    calendar: Calendar, errand: Errand
) -> None:
    taken = await book(calendar, errand, start="2026-11-26T09:30")

    assert taken.offers[0].start == "2026-11-27T08:00-05:00"


async def test_far_beyond_the_horizon_there_is_nothing_to_offer(
    calendar: Calendar, errand: Errand
) -> None:
    taken = await book(calendar, errand, start="2028-11-27T09:30")

    assert taken.offers == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"start": "2026-11-02T09:30"},
        {"start": "2026-02-30T09:30"},
        {"phone": "0000"},
        {"phone": "(((((((("},
    ],
)
async def test_what_cannot_be_booked_is_given_back_to_the_model(
    calendar: Calendar, errand: Errand, changes: dict[str, str]
) -> None:
    with pytest.raises(BadArguments):
        await book(calendar, errand, **changes)


async def test_an_unknown_service_books_nothing(calendar: Calendar, errand: Errand) -> None:
    assert isinstance(await book(calendar, errand, service="crown"), Unclear)


async def test_a_worker_that_lost_its_lease_books_nothing(calendar: Calendar) -> None:
    frozen = Errand(practice="hillside", still_mine=lambda: False)

    with pytest.raises(LeaseLost):
        await book(calendar, frozen)


async def test_appointments_are_found_by_number_however_it_is_said(
    calendar: Calendar, errand: Errand
) -> None:
    await book(calendar, errand)

    found = await lookup_appointment(
        asked("lookup_appointment", phone="1-555-010-0122"), calendar, errand
    )

    assert isinstance(found, Found)
    [appointment] = found.appointments
    assert appointment.start == "2026-12-01T09:30-05:00"
    assert found.say == (
        "Ann Lee has a cleaning on Tuesday, December first at nine thirty in the morning "
        "with Maya Torres."
    )


async def test_no_appointment_is_an_answer(calendar: Calendar, errand: Errand) -> None:
    found = await lookup_appointment(
        asked("lookup_appointment", phone="5550109999"), calendar, errand
    )

    assert found.appointments == ()
    assert found.say == "I find no coming appointment under that number."


async def test_practices_do_not_see_each_other(calendar: Calendar) -> None:
    with pytest.raises(ToolError) as refused:
        await find(calendar, Errand(practice="valley"), service="cleaning")

    assert refused.value.code == "internal"


async def test_a_database_without_tables_is_unavailable_and_says_nothing_of_a_patient(
    tmp_path: Any, errand: Errand
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/empty.db")

    with pytest.raises(Unavailable) as refused:
        await book(Calendar(engine), errand)
    await engine.dispose()

    assert "Ann" not in repr(refused.value)
    assert "Ann" not in repr(refused.value.__cause__)


# --- what is written to be spoken --------------------------------------------------------------

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


async def every_result(calendar: Calendar, errand: Errand) -> list[Any]:
    """One of each sort of answer, and of each sort of time."""
    results = [
        await find(calendar, errand, service="cleaning"),
        await find(calendar, errand, service="cleaning", from_day="2026-12-07"),
        await find(calendar, errand, service="filling", part_of_day="afternoon"),
        await find(
            calendar, errand, service="cleaning", from_day="2026-11-26", to_day="2026-11-26"
        ),
        await find(calendar, errand, service="emergency", from_day="2027-12-01"),
        await find(calendar, errand, service="crown"),
        await find(calendar, errand, service="filling", provider="Doctor Smith"),
        await lookup_appointment(asked("lookup_appointment", phone="5550109999"), calendar, errand),
    ]
    for start in ("2026-11-23T08:00", "2026-12-01T09:30", "2026-12-01T13:30", "2027-02-03T12:00"):
        results += [await book(calendar, errand, start=start) for _ in range(2)]
        results += [
            await book(calendar, errand, start=start, patient_name=f"Early Bird {letter}")
            for letter in "ABC"
        ]
    results += [
        await book(calendar, errand, start="2028-11-27T09:30"),
        await lookup_appointment(asked("lookup_appointment", phone=ANN["phone"]), calendar, errand),
    ]
    return results


async def test_no_result_says_what_a_voice_cannot_read(calendar: Calendar, errand: Errand) -> None:
    results = await every_result(calendar, errand)

    sorts = {type(result) for result in results}
    assert sorts == {Booked, SlotTaken, Offers, NothingFree, Unclear, Found}
    said = [text for result in results for text in says(msgspec.to_builtins(result))]
    assert len(said) > 40
    assert [text for text in said if UNSPEAKABLE.search(text)] == []


@pytest.mark.parametrize("text", [tool.fallback for tool in QUEUED.values() if tool.fallback])
def test_no_fallback_says_what_a_voice_cannot_read(text: str) -> None:
    assert not UNSPEAKABLE.search(text)


@pytest.mark.parametrize("body", [book_appointment, find_slots, lookup_appointment])
def test_an_effect_comes_true_by_a_word_its_body_knows_and_every_answer_has_something_to_say(
    body: Any,
) -> None:
    answer = typing.get_type_hints(body)["return"]
    sorts = typing.get_args(answer) or (answer,)
    words = {msgspec.inspect.type_info(sort).tag for sort in sorts}

    assert set(CATALOG[body.__name__].came_true) <= words
    assert all("say" in sort.__struct_fields__ for sort in sorts)
