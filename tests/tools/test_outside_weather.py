"""A calendar elsewhere in every weather; the part of the databases is in ``test_outside``."""

import asyncio
import contextlib
import functools
import random
import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.elsewhere import PATIENT, PHONE, TUESDAY, Place, at, graded
from tests.tools.remote_book import AWAY, CUT, HANGS, LOST, RemoteBook
from tools.calendar import Calendar
from tools.calendars.asking import Asking, Limits, clock
from tools.calendars.remote import RemoteBooking, RemoteMade
from tools.errors import LeaseLost, Unavailable, Unsure, Withdrawn
from tools.openings import Span
from tools.schedule import Appointment, Change, Grade, Made, NotFound, Taken

BOTH = [Grade.KEY, Grade.LOOKUP]


@pytest.fixture
def database_url(seeded_sqlite: Path, tmp_path: Path) -> str:
    """One database will do here."""
    copy = tmp_path / "holdfast.db"
    shutil.copy(seeded_sqlite, copy)
    return f"sqlite:///{copy}"


@pytest.fixture
async def place(engine: AsyncEngine) -> Place:
    return await Place(engine, RemoteBook()).open()


def walk_in(place: Place) -> RemoteBooking:
    """What the practice's people book themselves."""
    return RemoteBooking(
        key="",
        patient_name="Ann Lee",
        phone=PHONE,
        service=place.service,
        provider=place.providers[0],
        start=at("09:30").astimezone(UTC),
        end=at("10:00").astimezone(UTC),
        zone=place.practice.zone,
    )


# -- free times ------------------------------------------------------------------------------------


async def test_free_is_what_is_free_here_and_there(place: Place, calendar: Calendar) -> None:
    torres, okafor = place.providers
    ours = await calendar.free(
        place.practice, place.service, place.providers, first_day=TUESDAY, last_day=TUESDAY
    )
    assert await place.slots() == ours

    lunch = Span(start=at("09:40").astimezone(UTC), end=at("09:50").astimezone(UTC))
    place.remote.busy = [(torres.id, lunch)]

    assert await place.free("09:15") == [okafor.name]
    assert await place.free("09:30") == [okafor.name]
    assert await place.free("10:00") == [torres.name, okafor.name]


async def test_who_has_no_calendar_there_is_not_offered(place: Place) -> None:
    place.remote.kept = {place.providers[1].id}

    assert await place.free("09:30") == ["Doctor Okafor"]


async def test_where_it_names_the_starts_these_are_offered_and_no_other(place: Place) -> None:
    place.remote.starts = (at("09:30"), at("18:00"))

    assert {f"{slot.start:%H:%M}" for slot in await place.slots()} == {"09:30"}


async def test_busy_for_years_is_busy_all_day(place: Place) -> None:
    torres, okafor = place.providers
    ages = Span(start=datetime(1900, 1, 1, tzinfo=UTC), end=datetime(2200, 1, 1, tzinfo=UTC))
    place.remote.busy = [(torres.id, ages), (okafor.id, ages)]

    assert await place.slots() == []


async def test_when_it_is_away_nothing_is_offered_and_nothing_is_done(place: Place) -> None:
    place.remote.faults = {"times": [AWAY, AWAY]}

    with pytest.raises(Unavailable):
        await place.slots()
    wanted = await place.wanted()
    with pytest.raises(Unavailable):
        await place.book(wanted)

    assert (await place.entry(wanted.entry_id)).state == "intent"
    assert await place.rows("pending") == 0


# -- booking ---------------------------------------------------------------------------------------


async def test_what_is_taken_there_goes_to_the_next_who_is_free(place: Place) -> None:
    wanted = await place.wanted()
    place.remote.meanwhile = asyncio.Event()
    booking = asyncio.create_task(place.book(wanted))
    await place.remote.entered.wait()
    assert isinstance(
        place.remote._create(walk_in(place)), RemoteMade
    )  # between our look and our asking
    place.remote.meanwhile.set()

    made = await booking

    assert isinstance(made, Made)
    assert made.appointment.provider == "Doctor Okafor"
    assert await place.rows("refused") == 1


async def test_what_is_taken_everywhere_may_be_asked_for_again_when_it_is_free(
    place: Place,
) -> None:
    for who in ("Bo", "Cem"):
        await place.booked(who=who)
    wanted = await place.wanted()

    assert await place.book(wanted) == Taken()
    assert (await place.entry(wanted.entry_id)).state == "intent"
    for ref in list(place.remote.made):
        place.remote.set(ref, status="cancelled")
    await place.coming()  # the mirror learns of it

    assert isinstance(await place.book(wanted), Made)


async def test_a_request_that_is_refused_gives_its_time_back(place: Place) -> None:
    place.remote.confirms = "requested"
    wanted = await place.wanted(only="Maya Torres")
    await place.book(wanted)
    [ref] = place.remote.made
    place.remote.set(ref, status="refused")

    became = await place.settle(wanted.entry_id)

    assert became.state == "never"
    assert became.appointment is not None
    assert f"{became.appointment.start:%H:%M}" == "09:30"
    assert await place.coming() == []
    assert await place.free("09:30") == ["Maya Torres", "Doctor Okafor"]


# -- lost answers ----------------------------------------------------------------------------------


async def test_with_a_key_what_was_cut_off_is_asked_for_again(engine: AsyncEngine) -> None:
    place = await graded(engine, Grade.KEY)
    place.remote.faults = {"create": [CUT]}

    await place.booked()

    assert place.remote.asked.count("create") == 2
    await place.must_agree()


async def test_without_a_key_what_may_yet_land_is_not_asked_for_again(place: Place) -> None:
    place.remote.faults = {"create": [CUT]}
    wanted = await place.wanted(only="Maya Torres")

    with pytest.raises(Unsure):
        await place.book(wanted)
    assert await place.free("09:30") == ["Doctor Okafor"]
    place.later(10)
    with pytest.raises(Unsure):
        await place.book(wanted)
    assert place.remote.asked.count("create") == 1
    place.later(30)
    made = await place.book(wanted)

    assert isinstance(made, Made)
    assert place.remote.asked.count("create") == 2
    await place.must_agree()


async def test_without_key_or_look_up_it_is_left_to_a_person(engine: AsyncEngine) -> None:
    place = await graded(engine, Grade.NEITHER)
    place.remote.faults = {"create": [LOST]}
    wanted = await place.wanted(only="Maya Torres")

    with pytest.raises(Unsure):
        await place.book(wanted)
    place.later(100)
    with pytest.raises(Unsure):
        await place.book(wanted)
    place.later(100)

    assert (await place.settle(wanted.entry_id)).state == "person"
    assert place.remote.asked.count("create") == 1
    assert await place.free("09:30") == ["Doctor Okafor"]


async def test_what_was_never_begun_never_happens(place: Place) -> None:
    wanted = await place.wanted()

    assert (await place.settle(wanted.entry_id)).state == "never"
    assert (await place.settle(wanted.entry_id)).state == "never"
    with pytest.raises(Withdrawn):
        await place.book(wanted)
    assert place.remote.made == {}


@pytest.mark.parametrize("grade", BOTH)
async def test_a_worker_that_dies_while_it_asks_leaves_one_booking(
    engine: AsyncEngine, grade: Grade
) -> None:
    place = await graded(engine, grade)
    place.remote.faults = {"create": [HANGS]}
    wanted = await place.wanted()
    dying = asyncio.create_task(place.book(wanted))
    await place.remote.entered.wait()
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    place.later(PATIENT.attempt_s)

    made = await place.book(wanted)

    assert isinstance(made, Made)
    assert len(place.remote.made) == 1
    await place.must_agree()


async def test_who_comes_back_after_it_was_given_up_takes_it_back(place: Place) -> None:
    place.remote.meanwhile = asyncio.Event()
    wanted = await place.wanted()
    frozen = asyncio.create_task(place.book(wanted))
    await place.remote.entered.wait()
    place.later(100)
    assert (await place.settle(wanted.entry_id)).state == "never"
    place.remote.meanwhile.set()

    with pytest.raises(Withdrawn):
        await frozen

    assert place.remote.standing == []
    assert len(place.remote.made) == 1
    await place.must_agree()


async def test_who_comes_back_before_it_asked_asks_for_nothing(place: Place) -> None:
    place.remote.looking = asyncio.Event()
    wanted = await place.wanted()
    frozen = asyncio.create_task(place.book(wanted))
    await place.remote.entered.wait()
    place.later(100)
    assert (await place.settle(wanted.entry_id)).state == "never"
    place.remote.looking.set()

    with pytest.raises(Withdrawn):
        await frozen

    assert "create" not in place.remote.asked
    assert await place.rows("pending") == 0


async def test_who_comes_back_and_cannot_take_it_back_does_not_say_that_nothing_was_done(
    place: Place,
) -> None:
    place.remote.meanwhile = asyncio.Event()
    place.remote.faults = {"cancel": [AWAY]}
    wanted = await place.wanted()
    frozen = asyncio.create_task(place.book(wanted))
    await place.remote.entered.wait()
    place.later(100)
    await place.settle(wanted.entry_id)
    place.remote.meanwhile.set()

    with pytest.raises(Unsure, match="still there"):
        await frozen
    assert await place.follow_ups() == [PHONE]


@pytest.mark.parametrize("to", ["11:00", None])
async def test_a_change_that_was_given_up_and_happened_is_told_as_it_is(
    place: Place, to: str | None
) -> None:
    """It cannot be undone for certain, so nobody pretends."""
    appointment = await place.booked()
    change = await place.change(appointment, to)
    place.remote.meanwhile = asyncio.Event()
    place.remote.entered.clear()
    frozen = asyncio.create_task(place.move(change) if to else place.cancel(change))
    await place.remote.entered.wait()
    place.later(100)
    assert (await place.settle(change.entry_id)).state == "never"
    place.remote.meanwhile.set()

    with pytest.raises(Withdrawn):
        await frozen

    assert [row[1] for row in await place.coming()] == (["01 11:00"] if to else [])
    assert await place.follow_ups() == [PHONE]
    await place.must_agree()


async def test_a_change_that_another_worker_finished_is_answered_with_what_it_made(
    engine: AsyncEngine,
) -> None:
    place = await graded(engine, Grade.KEY)
    appointment = await place.booked()
    for to in ("11:00", None):
        change = await place.change(appointment, to)
        ask = place.move if to else place.cancel
        place.remote.meanwhile = asyncio.Event()
        place.remote.entered.clear()
        slow = asyncio.create_task(ask(change))
        await place.remote.entered.wait()
        place.remote.meanwhile, slow_one = None, place.remote.meanwhile
        place.later(PATIENT.attempt_s)
        quick = await ask(change)
        slow_one.set()

        assert isinstance(quick, Made)
        assert await slow == quick
    await place.must_agree()


async def test_a_job_that_is_anothers_by_now_asks_for_nothing(place: Place) -> None:
    def lost() -> None:
        raise LeaseLost("?")

    wanted = await place.wanted()
    with pytest.raises(LeaseLost):
        await place.book(wanted, lost)

    assert "create" not in place.remote.asked
    place.later(PATIENT.attempt_s)
    assert isinstance(await place.book(wanted), Made)


async def test_a_job_that_is_lost_between_taking_the_time_and_asking_is_taken_up(
    engine: AsyncEngine,
) -> None:
    place = await graded(engine, Grade.KEY)
    asked = count()

    def lost() -> None:
        if next(asked):
            raise LeaseLost("?")

    wanted = await place.wanted()
    with pytest.raises(LeaseLost):
        await place.book(wanted, lost)
    assert await place.rows("pending") == 1
    place.later(PATIENT.attempt_s)

    assert isinstance(await place.book(wanted), Made)
    assert await place.rows("pending") == 0
    await place.must_agree()


async def test_an_unavailable_calendar_leaves_no_trace_and_the_next_try_succeeds(
    place: Place,
) -> None:
    place.remote.faults = {"create": [AWAY]}
    wanted = await place.wanted(only="Maya Torres")

    with pytest.raises(Unavailable):
        await place.book(wanted)
    assert await place.free("09:30") == ["Maya Torres", "Doctor Okafor"]
    assert (await place.entry(wanted.entry_id)).state == "intent"

    assert isinstance(await place.book(wanted), Made)
    await place.must_agree()


# -- moving ----------------------------------------------------------------------------------------


async def test_a_move_to_where_it_is_changes_nothing(place: Place) -> None:
    appointment = await place.booked()
    change = await place.change(appointment, "09:30")

    assert await place.move(change) == Made(appointment=appointment)
    assert (await place.entry(change.entry_id)).result == "moved"
    assert "move" not in place.remote.asked


async def test_a_move_to_a_taken_time_leaves_it_where_it_is(place: Place) -> None:
    appointment = await place.booked(only="Maya Torres")
    await place.booked("11:00", "Bo", only="Maya Torres")
    change = await place.change(appointment, "11:00")

    assert await place.move(change) == Taken()
    assert (await place.entry(change.entry_id)).state == "intent"
    assert ("Ann Lee", "01 09:30", "booked") in await place.coming()
    await place.must_agree()


async def test_a_move_that_did_not_happen_leaves_the_old_time(place: Place) -> None:
    appointment = await place.booked(only="Maya Torres")
    place.remote.faults = {"move": [CUT]}
    change = await place.change(appointment, "11:00")
    with pytest.raises(Unsure):
        await place.move(change)
    assert await place.free("11:00") == ["Doctor Okafor"]
    place.later(40)

    assert (await place.settle(change.entry_id)).state == "never"
    assert await place.coming() == [("Ann Lee", "01 09:30", "booked")]
    assert await place.free("11:00") == ["Maya Torres", "Doctor Okafor"]
    await place.must_agree()


async def test_what_the_practice_cancelled_itself_is_not_found(place: Place) -> None:
    appointment = await place.booked()
    [ref] = place.remote.made
    place.remote.set(ref, status="cancelled")

    assert await place.move(await place.change(appointment, "11:00")) == NotFound()
    assert await place.coming() == []
    assert await place.free("09:30") == ["Maya Torres", "Doctor Okafor"]
    await place.must_agree()


async def test_nobody_changes_an_appointment_of_another_number(place: Place) -> None:
    appointment = await place.booked()
    for to in ("11:00", None):
        change = await place.change(appointment, to)
        strange = Change(
            appointment_id=appointment.id,
            phone="+15550109999",
            start=change.start,
            entry_id=change.entry_id,
            key=change.key,
        )
        became = await (place.move(strange) if to else place.cancel(strange))
        assert became == NotFound()
    await place.must_agree()


# -- cancelling ------------------------------------------------------------------------------------


async def test_a_cancellation_that_did_not_reach_it_changes_nothing(place: Place) -> None:
    appointment = await place.booked()
    place.remote.faults = {"cancel": [AWAY]}
    change = await place.change(appointment)

    with pytest.raises(Unavailable):
        await place.cancel(change)

    assert (await place.entry(change.entry_id)).state == "intent"
    assert len(place.remote.standing) == 1


async def test_after_a_doubt_a_cancellation_is_not_said_to_have_failed(place: Place) -> None:
    appointment = await place.booked()
    place.remote.faults = {"cancel": [LOST, AWAY, AWAY]}
    change = await place.change(appointment)

    for _ in range(2):
        with pytest.raises(Unsure):
            await place.cancel(change)
        place.later(10)

    became = await place.settle(change.entry_id)
    assert (became.state, became.result) == ("happened", "cancelled")
    await place.must_agree()


async def test_a_cancellation_that_never_happened_is_given_up(place: Place) -> None:
    appointment = await place.booked()
    place.remote.faults = {"cancel": [CUT, CUT]}
    change = await place.change(appointment)
    with pytest.raises(Unsure):
        await place.cancel(change)

    place.later(10)
    assert (await place.settle(change.entry_id)).state == "open"
    place.later(40)
    assert (await place.settle(change.entry_id)).state == "never"
    assert await place.coming() == [("Ann Lee", "01 09:30", "booked")]
    await place.must_agree()


# -- what people there change ----------------------------------------------------------------------


async def test_what_is_missing_there_is_gone_here_unless_it_is_quite_new(place: Place) -> None:
    await place.booked()
    place.remote.made.clear()

    assert await place.coming() == [("Ann Lee", "01 09:30", "booked")]
    place.later(60)
    assert await place.coming() == []


async def test_while_an_effect_is_open_nothing_is_taken_for_news(place: Place) -> None:
    appointment = await place.booked()
    place.remote.faults = {"move": [LOST], "look_up": [AWAY]}
    with pytest.raises(Unsure):
        await place.move(await place.change(appointment, "11:00"))
    place.later(60)

    assert await place.coming() == [("Ann Lee", "01 09:30", "booked")]


async def test_what_cannot_be_read_there_is_not_told(place: Place) -> None:
    await place.booked()
    place.remote.faults = {"find": [AWAY]}

    with pytest.raises(Unavailable):
        await place.coming()


async def test_what_the_practice_made_itself_is_told_moved_and_cancelled_like_ours(
    place: Place,
) -> None:
    made = place.remote._create(walk_in(place))
    assert isinstance(made, RemoteMade)

    assert await place.coming() == [("Ann Lee", "01 09:30", "booked")]
    assert await place.coming() == [("Ann Lee", "01 09:30", "booked")]
    [appointment] = await place.outside.coming(place.practice, PHONE)
    moved = await place.move(await place.change(appointment, "11:00"))
    assert isinstance(moved, Made)
    await place.must_agree()
    assert isinstance(await place.cancel(await place.change(appointment)), Made)
    assert await place.coming() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "cancelled"},
        {"patient_name": ""},
        {"service_id": ""},
        {"service_id": "hillside:filling", "provider_id": "hillside:torres"},
        {"provider_id": "hillside:nobody"},
    ],
)
async def test_what_cannot_be_told_whole_is_not_told(place: Place, changes: dict[str, str]) -> None:
    made = place.remote._create(walk_in(place))
    assert isinstance(made, RemoteMade)
    place.remote.set(made.external_ref, **changes)

    assert await place.coming() == []


async def test_what_was_cancelled_here_does_not_come_back_from_there(place: Place) -> None:
    appointment = await place.booked()
    [ref] = place.remote.made
    await place.cancel(await place.change(appointment))
    place.remote.set(ref, status="booked")  # it is slow to take note

    assert await place.coming() == []


# -- time ------------------------------------------------------------------------------------------


async def test_who_does_not_answer_in_time_is_asked_what_became_of_it(place: Place) -> None:
    place.remote.faults = {"create": [HANGS]}
    booking = msgspec.structs.replace(walk_in(place), key="k")

    made = await Asking(place.remote, Limits(again_s=10.0)).create(booking, until=clock() + 10.05)

    assert made == place.remote.standing[0]


async def test_a_question_that_hangs_is_unavailable(place: Place) -> None:
    with pytest.raises(Unavailable, match="book: slow"):
        await Asking(place.remote).question(asyncio.Event().wait(), within_s=0.01)


# -- all of it at once -----------------------------------------------------------------------------


@pytest.mark.parametrize("grade", BOTH)
@pytest.mark.parametrize("seed", range(4))
async def test_after_any_storm_what_stands_here_stands_there_once(
    engine: AsyncEngine, grade: Grade, seed: int
) -> None:
    place = await graded(engine, grade)
    rolls = random.Random(seed)
    standing: dict[str, Appointment] = {}
    entries: list[str] = []

    def weather() -> dict[str, list[str]]:
        effects, questions = [AWAY, LOST, CUT, "", ""], [AWAY, "", "", ""]
        return {
            **{name: rolls.choices(effects, k=2) for name in ("create", "move", "cancel")},
            **{name: rolls.choices(questions, k=2) for name in ("look_up", "read", "times")},
        }

    async def one(who: str) -> None:
        appointment = standing.get(who)
        clock = rolls.choice(["09:00", "09:15", "09:30", "10:00"])
        ask: Callable[[], Awaitable[Made | Taken | NotFound]]
        if appointment is None:
            wanted = await place.wanted(clock, who)
            entries.append(wanted.entry_id)
            ask = functools.partial(place.book, wanted)
        else:
            change = await place.change(appointment, rolls.choice([clock, None]))
            entries.append(change.entry_id)
            ask = functools.partial(place.move if change.start else place.cancel, change)
        for _ in range(rolls.randint(1, 3)):
            with contextlib.suppress(Unavailable, Unsure, Withdrawn):
                became = await ask()
                if isinstance(became, Made):
                    standing[who] = became.appointment
                    if became.appointment.status == "cancelled":
                        del standing[who]
                return
            place.later(1 if grade is Grade.KEY else PATIENT.attempt_s)  # its claim lapses

    for _ in range(8):
        place.remote.faults = weather()
        await asyncio.gather(*(one(who) for who in ("Ann", "Bo", "Cem")))
        place.later(PATIENT.attempt_s)
        if rolls.random() < 0.5:
            await asyncio.gather(*(place.settle(entry) for entry in set(entries)))

    place.remote.faults = {}
    place.later(100)
    became = [await place.settle(entry) for entry in dict.fromkeys(entries)]

    assert {each.state for each in became} <= {"happened", "never"}
    await place.must_agree()
    assert await place.rows("pending") == 0
    for appointment in standing.values():
        assert appointment.id in {each.id for each in await place.standing()}
    told = [(each.patient_name, each.start) for each in place.remote.standing]
    assert len(told) == len(set(told))
