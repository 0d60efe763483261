import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.tools.desk import ANN, NOW, Desk
from tools.answers import Booked, SlotTaken
from tools.calendar import Calendar
from tools.catalog import CATALOG, decode_arguments
from tools.database import open_engine
from tools.errand import Errand
from tools.errors import BadArguments, ToolError, Unavailable
from tools.ledger import Ledger
from tools.lookup import Found, NothingFree, Offers
from tools.office import Office, Unclear, the_facts
from tools.schedule import Slot


def starts(found: Any) -> list[str]:
    return [offer.start[11:16] for offer in found.offers]


async def find(desk: Desk, **arguments: Any) -> Any:
    return await desk.ask("find_slots", **arguments)


async def book(desk: Desk, **changes: Any) -> Any:
    return await desk.ask("book_appointment", **(ANN | changes))


async def test_three_times_well_apart_are_offered_and_said(desk: Desk) -> None:
    found = await find(desk, service="cleaning", from_day="2026-12-01", to_day="2026-12-01")

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


async def test_without_a_day_the_soonest_times_are_offered(desk: Desk) -> None:
    found = await find(desk, service="a teeth cleaning, please")

    assert found.offers[0].start == "2026-11-23T08:00-05:00"
    assert found.say.startswith("I have tomorrow, Monday at eight")


async def test_the_afternoon_and_the_provider_one_wants_are_respected(desk: Desk) -> None:
    found = await find(desk, service="filling", part_of_day="afternoon", provider="Dr. Okafor")

    assert {offer.provider for offer in found.offers} == {"Doctor Okafor"}
    assert all(int(offer.start[11:13]) >= 12 for offer in found.offers)


async def test_a_day_that_is_full_or_closed_is_answered_with_the_next_times(desk: Desk) -> None:
    found = await find(desk, service="cleaning", from_day="2026-11-26", to_day="2026-11-26")

    assert isinstance(found, Offers)
    assert found.say.startswith(
        "There is nothing free that day. The next I have is Friday, November twenty-seventh"
    )


async def test_beyond_the_horizon_nothing_is_free(desk: Desk) -> None:
    found = await find(desk, service="emergency", from_day="2027-12-01")

    assert isinstance(found, NothingFree)
    assert "an emergency visit" in found.say


async def test_an_unknown_service_or_provider_is_a_question_not_an_error(desk: Desk) -> None:
    service = await find(desk, service="crown")
    provider = await find(desk, service="filling", provider="Doctor Smith")

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
    desk: Desk, days: dict[str, str]
) -> None:
    with pytest.raises(BadArguments, match="_day"):
        await find(desk, service="cleaning", **days)


async def test_a_past_first_day_means_from_today_on(desk: Desk) -> None:
    found = await find(desk, service="cleaning", from_day="2026-11-01")

    assert found.offers[0].start == "2026-11-23T08:00-05:00"


@pytest.mark.parametrize(
    "start", ["2026-12-01T09:30-05:00", "2026-12-01T09:30", "2026-12-01T14:30Z"]
)
async def test_a_booking_is_confirmed_in_words_and_figures(desk: Desk, start: str) -> None:
    booked = await book(desk, start=start)

    assert isinstance(booked, Booked)
    assert booked.say == (
        "Ann Lee is booked for a cleaning on Tuesday, December first at nine thirty in the "
        "morning with Maya Torres."
    )
    assert booked.start == "2026-12-01T09:30-05:00"
    assert booked.minutes == 30


async def test_asking_twice_in_other_words_gives_the_same_appointment(desk: Desk) -> None:
    first = await book(desk)
    again = await book(
        desk, patient_name="ann lee", phone="+15550100122", start="2026-12-01T14:30Z"
    )

    assert again == first


async def test_a_taken_time_is_answered_with_the_nearest_ones(desk: Desk) -> None:
    for n in range(2):
        await book(desk, patient_name=f"Early Bird {n}")

    taken = await book(desk)

    assert isinstance(taken, SlotTaken)
    assert [offer.start[11:16] for offer in taken.offers] == ["08:30", "09:00", "10:00"]
    assert taken.say.startswith("That time is not free any more. I could offer Tuesday")


async def test_a_closed_day_is_answered_with_the_soonest_times_after_it(desk: Desk) -> None:
    taken = await book(desk, start="2026-11-26T09:30")

    assert taken.offers[0].start == "2026-11-27T08:00-05:00"


async def test_far_beyond_the_horizon_there_is_nothing_to_offer(desk: Desk) -> None:
    taken = await book(desk, start="2028-11-27T09:30")

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
    desk: Desk, changes: dict[str, str]
) -> None:
    with pytest.raises(BadArguments):
        await book(desk, **changes)


async def test_an_unknown_service_books_nothing(desk: Desk) -> None:
    assert isinstance(await book(desk, service="crown"), Unclear)


async def test_appointments_are_found_by_number_however_it_is_said(desk: Desk) -> None:
    await book(desk)

    found = await desk.ask("lookup_appointment", phone="1-555-010-0122")

    assert isinstance(found, Found)
    [appointment] = found.appointments
    assert appointment.start == "2026-12-01T09:30-05:00"
    assert found.say == (
        "Ann Lee has a cleaning on Tuesday, December first at nine thirty in the morning "
        "with Maya Torres."
    )


async def test_no_appointment_is_an_answer(desk: Desk) -> None:
    found = await desk.ask("lookup_appointment", phone="5550109999")

    assert found.appointments == ()
    assert found.say == "I find no coming appointment under that number."


async def test_what_is_held_for_one_call_is_not_offered_to_another(desk: Desk) -> None:
    day = {"service": "cleaning", "from_day": "2026-12-01", "to_day": "2026-12-01"}

    first = await find(desk, call_sid="CA1", **day)
    again = await find(desk, call_sid="CA1", **day)
    second = await find(desk, call_sid="CA2", **day)

    assert again == first
    assert starts(first) == ["08:00", "10:00", "12:00"]
    assert not {(offer.start, offer.provider) for offer in first.offers} & {
        (offer.start, offer.provider) for offer in second.offers
    }


async def test_a_held_time_is_the_callers_who_was_offered_it(desk: Desk) -> None:
    wanted = {"provider": "Maya Torres", "service": "whitening consultation"}
    day = {"from_day": "2026-12-01", "to_day": "2026-12-01"}
    offered = await find(desk, call_sid="CA1", **wanted, **day)
    start = offered.offers[0].start

    refused = await book(desk, call_sid="CA2", start=start, **wanted)
    made = await book(desk, call_sid="CA1", start=start, **wanted)

    assert isinstance(refused, SlotTaken)
    assert isinstance(made, Booked)


async def test_times_offered_in_place_of_a_taken_one_are_held_too(desk: Desk) -> None:
    for n in range(2):
        await book(desk, patient_name=f"Early Bird {n}")
    taken = await book(desk, call_sid="CA1")
    whoever = {"call_sid": "CA2", "patient_name": "Ben Lee", "start": taken.offers[0].start}

    refused = await book(desk, **whoever, provider=taken.offers[0].provider)

    assert isinstance(refused, SlotTaken)


class Wayward:
    """The calendar, with a way of holding of its own."""

    def __init__(self, calendar: Calendar, hold: Callable[..., Awaitable[list[Slot]]]) -> None:
        self._calendar = calendar
        self.hold = hold

    def __getattr__(self, name: str) -> Any:
        return getattr(self._calendar, name)


async def _unavailable(*_: Any, **__: Any) -> list[Slot]:
    raise Unavailable("The calendar cannot be reached just now.", reason="locked")


async def _never_ends(*_: Any, **__: Any) -> list[Slot]:
    await asyncio.Event().wait()
    return []


async def _holds_nothing(*_: Any, **__: Any) -> list[Slot]:
    return []


@pytest.mark.parametrize("hold", [_unavailable, _never_ends, _holds_nothing])
async def test_times_that_cannot_be_held_are_offered_all_the_same(
    desk: Desk, calendar: Calendar, hold: Callable[..., Awaitable[list[Slot]]]
) -> None:
    wanted = {"service": "cleaning", "from_day": "2026-12-01"}
    wayward = msgspec.structs.replace(desk.office, schedule=Wayward(calendar, hold))

    found = await find(Desk(wayward, desk.ledger), attempt_s=0.3, **wanted)

    assert starts(found) == ["08:00", "10:00", "12:00"]


async def test_a_hold_that_ends_late_keeps_nobody_waiting(desk: Desk, calendar: Calendar) -> None:
    over = asyncio.Event()
    ended = asyncio.Event()

    async def not_to_be_hurried(*_: Any, **__: Any) -> list[Slot]:
        """As a driver whose thread waits for another writer."""
        try:
            await over.wait()
        finally:
            await over.wait()
            ended.set()
        return []

    wanted = {"service": "cleaning", "from_day": "2026-12-01"}
    wayward = msgspec.structs.replace(desk.office, schedule=Wayward(calendar, not_to_be_hurried))

    found = await find(Desk(wayward, desk.ledger), attempt_s=0.3, **wanted)

    assert starts(found) == ["08:00", "10:00", "12:00"]
    over.set()
    await ended.wait()


async def test_who_was_slower_by_a_moment_is_offered_other_times(
    desk: Desk, calendar: Calendar
) -> None:
    async def after_another(practice: Any, service: Any, slots: Any, *, call_sid: str) -> Any:
        """Somebody else holds the same times between the look and the hold, once."""
        if not rivals:
            rivals.append(await calendar.hold(practice, service, slots, call_sid="CA9"))
        return await calendar.hold(practice, service, slots, call_sid=call_sid)

    rivals: list[list[Slot]] = []
    wayward = msgspec.structs.replace(desk.office, schedule=Wayward(calendar, after_another))

    found = await find(Desk(wayward, desk.ledger), service="cleaning", from_day="2026-12-01")

    theirs = {(slot.start.isoformat(timespec="minutes"), slot.provider.name) for slot in rivals[0]}
    assert len(theirs) == 3
    assert len(found.offers) == 3
    assert not theirs & {(offer.start, offer.provider) for offer in found.offers}


async def test_who_is_always_slower_is_offered_what_there_is(
    desk: Desk, calendar: Calendar
) -> None:
    async def after_others(practice: Any, service: Any, slots: Any, *, call_sid: str) -> Any:
        """Every time somebody else holds the same times between the look and the hold."""
        rivals.append(await calendar.hold(practice, service, slots, call_sid=f"CA9{len(rivals)}"))
        return await calendar.hold(practice, service, slots, call_sid=call_sid)

    rivals: list[list[Slot]] = []
    wayward = msgspec.structs.replace(desk.office, schedule=Wayward(calendar, after_others))

    found = await find(Desk(wayward, desk.ledger), service="cleaning", from_day="2026-12-01")

    assert len(rivals) == 2
    assert len(found.offers) == 3


async def test_when_all_that_is_left_is_held_it_is_offered_rather_than_nothing(
    desk: Desk, calendar: Calendar
) -> None:
    office = desk.office
    facts, practice = office.facts, office.practice
    short = msgspec.structs.replace(practice, horizon_days=1)  # until tomorrow
    narrow = msgspec.structs.replace(office, facts=msgspec.structs.replace(facts, practice=short))
    [service] = [each for each in facts.services if each.name == "cleaning"]
    tomorrow = office.today() + timedelta(days=1)
    for provider in facts.who_does(service):
        slots = await calendar.free(
            practice, service, [provider], first_day=tomorrow, last_day=tomorrow
        )
        await calendar.hold(practice, service, slots, call_sid=f"CA-{provider.id}")

    found = await find(Desk(narrow, desk.ledger), service="cleaning")

    assert found.say.startswith("Someone else is just choosing, but I may have tomorrow, Monday at")
    assert len(found.offers) == 3


async def test_a_practice_that_was_never_entered_is_our_mistake(calendar: Calendar) -> None:
    with pytest.raises(ToolError) as refused:
        await the_facts(calendar.practices, "valley")

    assert refused.value.code == "internal"


async def test_a_database_without_tables_is_unavailable_and_says_nothing_of_a_patient(
    tmp_path: Any, office: Office, errand: Errand
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/empty.db")
    elsewhere = msgspec.structs.replace(office, schedule=Calendar(engine, now=lambda: NOW))
    asked = decode_arguments(CATALOG["book_appointment"], json.dumps(ANN))

    with pytest.raises(Unavailable) as refused:
        await Desk(elsewhere, Ledger(engine)).run("book_appointment", asked, errand)
    await engine.dispose()

    assert "Ann" not in repr(refused.value)
    assert "Ann" not in repr(refused.value.__cause__)
