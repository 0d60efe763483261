"""Moving and cancelling, by id and number."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.desk import ANN, Desk
from tools import tables
from tools.answers import Booked, Cancelled, Moved, NotFound, SlotTaken
from tools.database import fetch
from tools.errors import BadArguments, LeaseLost, ToolError
from tools.office import Unclear

LATER = "2026-12-01T14:00-05:00"


async def booked(desk: Desk, **changes: str) -> Booked:
    made = await desk.ask("book_appointment", **(ANN | changes))
    assert isinstance(made, Booked)
    return made


async def move(desk: Desk, of: Booked, new_start: str = LATER, **changes: Any) -> Any:
    asked = {"appointment_id": of.appointment_id, "phone": ANN["phone"], "new_start": new_start}
    return await desk.ask("reschedule_appointment", **(asked | changes))


async def cancel(desk: Desk, of: Booked, **changes: Any) -> Any:
    asked = {"appointment_id": of.appointment_id, "phone": ANN["phone"]}
    return await desk.ask("cancel_appointment", **(asked | changes))


async def coming(desk: Desk) -> list[str]:
    found = await desk.ask("lookup_appointment", phone=ANN["phone"])
    return [each.start for each in found.appointments]


async def test_an_appointment_is_moved_and_keeps_its_provider(desk: Desk) -> None:
    first = await booked(desk, provider="Doctor Okafor")

    moved = await move(desk, first)

    assert isinstance(moved, Moved)
    assert moved.appointment_id == first.appointment_id
    assert moved.provider == "Doctor Okafor"
    assert moved.say == (
        "The appointment for Ann Lee is moved to Tuesday, December first at two in the afternoon "
        "with Doctor Okafor."
    )
    assert await coming(desk) == [LATER]


async def test_another_provider_is_taken_where_the_own_one_is_not_there(desk: Desk) -> None:
    first = await booked(desk, provider="Doctor Okafor")

    moved = await move(desk, first, "2026-12-02T09:00")  # a Wednesday: not one of the doctor's

    assert moved.provider == "Maya Torres"


async def test_moving_twice_reads_as_moving_once(desk: Desk) -> None:
    first = await booked(desk)

    assert await move(desk, first) == await move(desk, first)


async def test_it_may_be_moved_there_and_back_and_there_again(desk: Desk) -> None:
    first = await booked(desk)

    for start in (LATER, ANN["start"], LATER):
        assert isinstance(await move(desk, first, start), Moved)
        assert await coming(desk) == [start]


async def test_a_new_time_that_is_taken_changes_nothing_and_is_answered_with_others(
    desk: Desk,
) -> None:
    first = await booked(desk)
    for n in range(2):
        await booked(desk, patient_name=f"Early Bird {n}", phone="5550100999", start=LATER)

    taken = await move(desk, first)

    assert isinstance(taken, SlotTaken)
    assert taken.say.startswith(
        "That time is not free any more. The appointment is unchanged. I could offer Tuesday"
    )
    assert [offer.start[11:16] for offer in taken.offers] == ["13:00", "13:30", "14:30"]
    assert await coming(desk) == [ANN["start"]]


async def test_a_provider_nobody_knows_is_a_question(desk: Desk) -> None:
    answer = await move(desk, await booked(desk), provider="Doctor Smith")

    assert isinstance(answer, Unclear)
    assert answer.choices == ("Maya Torres", "Doctor Okafor")


async def test_cancelling_twice_reads_as_cancelling_once(desk: Desk) -> None:
    first = await booked(desk)

    cancelled = await cancel(desk, first)

    assert isinstance(cancelled, Cancelled)
    assert cancelled.say == (
        "The appointment for Ann Lee on Tuesday, December first at nine thirty in the morning "
        "is cancelled."
    )
    assert await cancel(desk, first) == cancelled
    assert await coming(desk) == []


async def test_what_was_cancelled_may_be_booked_again_and_not_moved(desk: Desk) -> None:
    first = await booked(desk)
    await cancel(desk, first)

    assert isinstance(await move(desk, first), NotFound)
    again = await booked(desk)

    assert again.appointment_id != first.appointment_id


@pytest.mark.parametrize("change", [move, cancel])
async def test_with_another_number_nothing_is_found_and_nothing_told(
    desk: Desk, change: Callable[..., Awaitable[Any]]
) -> None:
    first = await booked(desk)

    answer = await change(desk, first, phone="5550109999")

    assert answer == NotFound(
        say="I find no coming appointment under that number.", appointments=()
    )
    assert await coming(desk) == [ANN["start"]]


@pytest.mark.parametrize("change", [move, cancel])
async def test_an_id_that_was_made_up_is_answered_with_what_the_number_has(
    desk: Desk, change: Callable[..., Awaitable[Any]]
) -> None:
    first = await booked(desk)

    answer = await change(desk, first, appointment_id="0" * 32)

    assert isinstance(answer, NotFound)
    assert [each.appointment_id for each in answer.appointments] == [first.appointment_id]
    assert answer.say.startswith("I don't find that appointment. Ann Lee has a cleaning on Tuesday")


@pytest.mark.parametrize(
    "changes",
    [
        {"new_start": "2026-11-02T09:30"},
        {"new_start": "2026-02-30T09:30"},
        {"phone": "0000"},
        {"appointment_id": "the one on Tuesday"},
    ],
)
async def test_what_cannot_be_moved_is_given_back_to_the_model(
    desk: Desk, changes: dict[str, str]
) -> None:
    first = await booked(desk)

    with pytest.raises(BadArguments) as refused:
        await move(desk, first, **changes)

    assert next(iter(changes)) in refused.value.say
    assert await coming(desk) == [ANN["start"]]


async def test_what_is_not_offered_any_more_is_a_persons_to_move(desk: Desk) -> None:
    first = await booked(desk)
    facts = msgspec.structs.replace(desk.office.facts, services=())
    without = Desk(msgspec.structs.replace(desk.office, facts=facts), desk.ledger)

    with pytest.raises(ToolError, match="service is gone"):
        await move(without, first)


EFFECTS = {
    "book_appointment": ANN | {"start": LATER},
    "book_with_insurance": ANN | {"start": LATER, "insurance": "Delta"},
    "reschedule_appointment": {"phone": ANN["phone"], "new_start": LATER},
    "cancel_appointment": {"phone": ANN["phone"]},
    "update_patient_notes": {"phone": ANN["phone"], "patient_name": "Ann Lee", "note": "Deaf."},
    "take_message": {"message": "Please call me."},
}


@pytest.mark.parametrize("tool", EFFECTS)
async def test_a_worker_that_lost_its_lease_changes_nothing(
    desk: Desk, engine: AsyncEngine, tool: str
) -> None:
    first = await booked(desk)
    asked = dict(EFFECTS[tool])
    if tool in ("reschedule_appointment", "cancel_appointment"):
        asked["appointment_id"] = first.appointment_id

    with pytest.raises(LeaseLost):
        await desk.ask(tool, still_mine=False, **asked)

    assert await coming(desk) == [ANN["start"]]
    for table in (tables.messages, tables.patient_notes):
        [[rows]] = await fetch(engine, select(func.count()).select_from(table))
        assert rows == 0
