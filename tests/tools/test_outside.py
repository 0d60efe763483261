"""A practice whose calendar is kept elsewhere: once, whatever is lost on the way."""

import asyncio
from datetime import UTC, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.elsewhere import Place, at, graded
from tests.tools.remote_book import AWAY, CUT, LOST, RemoteBook
from tools.errors import Unsure, Withdrawn
from tools.schedule import Grade, Made, Taken

BOTH = [Grade.KEY, Grade.LOOKUP]


@pytest.fixture
async def place(engine: AsyncEngine) -> Place:
    return await Place(engine, RemoteBook()).open()


async def test_what_is_held_for_another_call_is_not_free(place: Place) -> None:
    slots = [slot for slot in await place.slots() if f"{slot.start:%H:%M}" == "09:30"]
    held = await place.outside.hold(place.practice, place.service, slots, call_sid="CA2")

    assert len(held) == 2
    assert await place.free("09:30", call_sid="CA1") == []
    assert await place.book(await place.wanted()) == Taken()
    assert place.remote.standing == []
    assert isinstance(await place.book(await place.wanted(who="Bo", call_sid="CA2")), Made)


async def test_a_booking_stands_here_and_there(place: Place) -> None:
    wanted = await place.wanted()
    made = await place.book(wanted)

    assert isinstance(made, Made)
    assert (made.appointment.status, made.appointment.provider) == ("booked", "Maya Torres")
    [there] = place.remote.standing
    assert there.key == made.appointment.id
    entry = await place.entry(wanted.entry_id)
    assert (entry.state, entry.result, entry.made_id) == ("done", "booked", made.appointment.id)
    assert await place.book(wanted) == made
    assert await place.coming() == [("Ann Lee", "01 09:30", "booked")]
    assert await place.outside.appointment(place.practice, made.appointment.id) == made.appointment
    await place.must_agree()


async def test_the_same_by_another_function_call_is_the_same_booking(place: Place) -> None:
    first = await place.booked()

    assert await place.booked() == first
    assert await place.booked(who="ann LEE") == first
    assert len(place.remote.made) == 1


@pytest.mark.parametrize("grade", BOTH)
async def test_of_eight_callers_as_many_are_booked_as_there_are_providers(
    engine: AsyncEngine, grade: Grade
) -> None:
    place = await graded(engine, grade)
    wanted = [await place.wanted(who=f"Caller {n}") for n in range(8)]

    became = await asyncio.gather(*(place.book(each) for each in wanted))

    assert sum(isinstance(each, Made) for each in became) == 2
    assert became.count(Taken()) == 6
    assert len(place.remote.standing) == 2
    await place.must_agree()


@pytest.mark.parametrize("grade", BOTH)
async def test_the_same_request_at_two_workers_is_one_booking(
    engine: AsyncEngine, grade: Grade
) -> None:
    place = await graded(engine, grade)
    wanted = [await place.wanted() for _ in range(4)]

    became = await asyncio.gather(*(place.book(each) for each in wanted))

    assert all(each == became[0] for each in became)
    assert len(place.remote.standing) == 1
    await place.must_agree()


async def test_a_requested_booking_is_not_a_booked_one_until_it_is_confirmed(place: Place) -> None:
    place.remote.confirms = "requested"
    wanted = await place.wanted()
    made = await place.book(wanted)

    assert isinstance(made, Made)
    assert made.appointment.status == "requested"
    assert (await place.entry(wanted.entry_id)).result == "requested"
    waiting = await place.settle(wanted.entry_id)
    assert (waiting.state, waiting.result) == ("happened", "requested")

    [ref] = place.remote.made
    place.remote.set(ref, status="booked")
    became = await place.settle(wanted.entry_id)

    assert (became.state, became.result) == ("happened", "booked")
    assert became.appointment is not None
    assert became.appointment.status == "booked"
    place.remote.faults = {"read": [AWAY]}
    assert await place.settle(wanted.entry_id) == became


@pytest.mark.parametrize("grade", BOTH)
async def test_a_lost_answer_is_found_out_at_once_and_the_booking_stands_once(
    engine: AsyncEngine, grade: Grade
) -> None:
    place = await graded(engine, grade)
    place.remote.faults = {"create": [LOST]}

    made = await place.booked()

    assert made.status == "booked"
    assert len(place.remote.made) == 1
    await place.must_agree()


@pytest.mark.parametrize("grade", BOTH)
async def test_what_nobody_knows_is_found_out_by_the_settler(
    engine: AsyncEngine, grade: Grade
) -> None:
    place = await graded(engine, grade)
    faults = {
        Grade.KEY: {"create": [LOST, LOST]},
        Grade.LOOKUP: {"create": [LOST], "look_up": [AWAY]},
    }
    place.remote.faults = faults[grade]
    wanted = await place.wanted()

    with pytest.raises(Unsure):
        await place.book(wanted)
    assert (await place.settle(wanted.entry_id)).state == "open"  # somebody may be at it yet
    place.later(10)
    became = await place.settle(wanted.entry_id)

    assert (became.state, became.result) == ("happened", "booked")
    assert became.appointment is not None
    assert became.appointment.patient_name == "Ann Lee"
    assert (await place.entry(wanted.entry_id)).made_id == became.appointment.id
    assert await place.settle(wanted.entry_id) == became
    await place.must_agree()


@pytest.mark.parametrize("grade", BOTH)
async def test_what_is_not_there_is_given_up_once_it_cannot_land_any_more(
    engine: AsyncEngine, grade: Grade
) -> None:
    place = await graded(engine, grade)
    place.remote.faults = {"create": [CUT] * (2 if grade is Grade.KEY else 1)}
    wanted = await place.wanted(only="Maya Torres")
    with pytest.raises(Unsure):
        await place.book(wanted)

    place.later(10)
    assert (await place.settle(wanted.entry_id)).state == "open"
    place.remote.faults["look_up"] = [AWAY]
    place.later(30)
    assert (await place.settle(wanted.entry_id)).state == "open"  # it does not say
    became = await place.settle(wanted.entry_id)

    assert became.state == "never"
    assert (await place.entry(wanted.entry_id)).state == "void"
    assert await place.free("09:30") == ["Maya Torres", "Doctor Okafor"]
    with pytest.raises(Withdrawn):
        await place.book(wanted)
    assert isinstance(await place.book(await place.wanted()), Made)


@pytest.mark.parametrize("grade", BOTH)
@pytest.mark.parametrize("fault", ["", LOST])
async def test_a_move_keeps_the_appointment_and_changes_its_time(
    engine: AsyncEngine, grade: Grade, fault: str
) -> None:
    place = await graded(engine, grade)
    appointment = await place.booked(only="Maya Torres")
    place.remote.faults = {"move": [fault]}
    change = await place.change(appointment, "11:00")

    became = await place.move(change)

    assert isinstance(became, Made)
    assert became.appointment.id == appointment.id
    assert became.appointment.start == at("11:00")
    assert (await place.entry(change.entry_id)).result == "moved"
    assert await place.move(change) == became
    assert await place.free("09:30") == ["Maya Torres", "Doctor Okafor"]
    assert await place.coming() == [("Ann Lee", "01 11:00", "booked")]
    assert await place.rows("pending") == 0
    await place.must_agree()
    assert isinstance(await place.book(await place.wanted()), Made)


async def test_a_move_into_its_own_old_time_is_possible(place: Place) -> None:
    appointment = await place.booked(only="Maya Torres")

    became = await place.move(await place.change(appointment, "09:45"))

    assert isinstance(became, Made)
    assert became.appointment.provider == "Maya Torres"
    await place.must_agree()


async def test_a_move_that_nobody_knows_of_is_found_out(place: Place) -> None:
    appointment = await place.booked()
    place.remote.faults = {"move": [LOST], "look_up": [AWAY]}
    change = await place.change(appointment, "11:00")
    with pytest.raises(Unsure):
        await place.move(change)
    place.later(10)

    became = await place.settle(change.entry_id)

    assert (became.state, became.result) == ("happened", "moved")
    assert became.appointment is not None
    assert (became.appointment.id, became.appointment.start) == (appointment.id, at("11:00"))
    await place.must_agree()


@pytest.mark.parametrize("fault", ["", LOST, CUT])
async def test_a_cancelled_appointment_stands_nowhere(place: Place, fault: str) -> None:
    appointment = await place.booked()
    place.remote.faults = {"cancel": [fault]}
    change = await place.change(appointment)

    became = await place.cancel(change)

    assert isinstance(became, Made)
    assert became.appointment.status == "cancelled"
    assert (await place.entry(change.entry_id)).result == "cancelled"
    assert await place.cancel(change) == became
    assert place.remote.standing == []
    assert await place.coming() == []
    await place.must_agree()
    assert (await place.booked()).id != appointment.id


async def test_what_the_practice_moved_itself_is_told_as_it_stands_there(place: Place) -> None:
    await place.booked(only="Maya Torres")
    [ref] = place.remote.made
    start = at("14:00").astimezone(UTC)
    place.remote.set(ref, start=start, end=start + timedelta(minutes=30))

    assert await place.coming() == [("Ann Lee", "01 14:00", "booked")]
    assert await place.free("09:30") == ["Maya Torres", "Doctor Okafor"]
    await place.must_agree()
    assert isinstance(await place.book(await place.wanted()), Made)
