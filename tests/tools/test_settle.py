"""Every effect comes to an end, and every caller hears of it: in the call, by text, by a person."""

import json
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.tools.bookings import cancelling, the
from tests.tools.house import (
    BOOKED,
    NOT_DONE,
    PHONE,
    House,
    opened,
    send_no_texts,
)
from tools import tables
from tools.arguments import TakeMessage
from tools.calendars.became import Became
from tools.contract import Done, Failed
from tools.errand import Errand
from tools.errors import Unavailable
from tools.ledger import Entry
from tools.messages import take_message
from tools.practices import Practice
from tools.settle import CALL_FOR, LOOKS, SAY_WITHIN


@pytest.fixture
async def house(seeded_sqlite: Path, tmp_path: Path) -> AsyncIterator[House]:
    """On one database: what the statements do on each is tried in ``test_settle_databases``."""
    copy = tmp_path / "holdfast.db"
    shutil.copy(seeded_sqlite, copy)
    async with opened(f"sqlite:///{copy}") as house:
        yield house


TOLD = ["", "doubt", "done", "refused"]


# -- done, in our own calendar ---------------------------------------------------------------------


@pytest.mark.parametrize("told_as", TOLD)
async def test_a_caller_of_what_was_done_hears_of_it_once_the_call_is_gone(
    house: House, told_as: str
) -> None:
    entry = await house.intend()
    await house.book(entry)
    await house.tell(told_as)

    await house.until_nothing_is_left()

    assert [text.startswith(BOOKED) for text in await house.texts()] == [True]
    assert (await house.again(entry)).has_happened
    assert await house.people_asked() == (["done_though_refused"] if told_as == "refused" else [])
    announced = {(call, type(outcome)) for call, outcome in house.bridges.heard}
    assert announced == (set() if told_as == "done" else {("CA1", Done)})


@pytest.mark.parametrize("told_as", ["", "doubt"])
async def test_a_caller_on_the_line_is_told_there(house: House, told_as: str) -> None:
    house.bridges.calls, house.bridges.say_it = {"CA1"}, True
    await send_no_texts(house)
    entry = await house.intend()
    await house.book(entry)
    await house.tell(told_as)

    await house.until_nothing_is_left()

    [(call_sid, outcome)] = house.bridges.heard
    assert isinstance(outcome, Done)
    assert (call_sid, outcome.function_call_id, outcome.tool) == ("CA1", "f1", "book_appointment")
    content = json.loads(outcome.content)
    assert (content["result"], content["patient_name"]) == ("booked", "Ann Lee")
    assert content["appointment_id"] == (await house.again(entry)).made_id
    assert (await house.again(entry)).state == "told"
    assert await house.people_asked() == []


@pytest.mark.parametrize("told_as", ["", "doubt", "refused"])
async def test_a_call_that_says_nothing_is_not_waited_for_for_ever(
    house: House, told_as: str
) -> None:
    house.bridges.calls = {"CA1"}
    await send_no_texts(house)
    entry = await house.intend()
    await house.book(entry)
    await house.tell(told_as)

    await house.until_nothing_is_left()

    assert house.clock() - entry.asked_utc <= CALL_FOR + SAY_WITHIN
    asked = ["done"] if told_as != "refused" else ["done", "done_though_refused"]
    assert await house.people_asked() == asked


async def test_a_person_calls_where_no_texts_are_sent(house: House) -> None:
    await send_no_texts(house)
    entry = await house.intend()
    await house.book(entry)
    await house.tell("doubt")

    await house.until_nothing_is_left()

    [message] = await house.rows(tables.messages)
    assert (message.kind, message.urgent, message.phone) == ("follow_up", True, PHONE)
    assert (message.name, message.call_sid) == ("Ann Lee", "CA1")
    assert "book appointment; cleaning; 2026-12-01T09:00." in message.text


async def test_a_person_calls_where_a_text_was_refused(house: House) -> None:
    house.twilio.options.text_faults = ["refused"]
    await house.book(await house.intend())

    await house.until_nothing_is_left()

    assert await house.people_asked() == ["done"]


async def test_a_caller_who_knows_is_not_called_for_a_text_that_was_refused(house: House) -> None:
    house.twilio.options.text_faults = ["refused"]
    await house.book(await house.intend())
    await house.tell("done")

    await house.until_nothing_is_left()

    assert await house.people_asked() == []


async def test_nobody_hears_of_what_was_undone_since(house: House) -> None:
    entry = await house.intend()
    made = await house.book(entry)
    cancel = await house.intend(
        "CA1:f2", f"cancel:{made.id}", tool="cancel_appointment", arguments="{}"
    )
    practice, _ = await the(house.calendar, "cleaning")
    await house.calendar.cancel(practice, cancelling(made, entry_id=cancel.id))
    await house.tell("done", "CA1:f2")

    await house.until_nothing_is_left()

    assert [outcome.tool for _, outcome in house.bridges.heard] == []
    [text] = await house.texts()
    assert "is cancelled" in text
    assert (await house.again(entry)).state == "done"


# -- not begun in its time: withdrawn --------------------------------------------------------------


@pytest.mark.parametrize("told_as", ["", "doubt"])
async def test_what_was_not_begun_is_withdrawn_for_good_and_its_caller_hears_of_it(
    house: House, told_as: str
) -> None:
    entry = await house.intend()
    await house.tell(told_as)

    await house.until_nothing_is_left()

    gone = await house.again(entry)
    assert (gone.state, gone.result, gone.key) == ("void", "withdrawn", "")
    [text] = await house.texts()
    assert text.startswith(NOT_DONE)
    assert await house.people_asked() == ["not_done"]
    outcome = house.bridges.heard[0][1]
    assert isinstance(outcome, Failed)
    assert (outcome.code, "nothing is booked" in outcome.say) == ("withdrawn", True)


async def test_who_was_told_that_it_was_not_done_is_left_alone(house: House) -> None:
    entry = await house.intend()
    await house.tell("refused")

    await house.until_nothing_is_left()

    assert (await house.again(entry)).state == "void"
    assert (await house.texts(), await house.people_asked(), house.bridges.heard) == ([], [], [])


async def test_who_was_told_that_it_was_done_and_it_was_not_hears_the_truth(house: House) -> None:
    await house.intend()
    await house.tell("done")

    await house.until_nothing_is_left()

    assert len(await house.texts()) == 1
    assert await house.people_asked() == ["not_done"]


@pytest.mark.parametrize("told_as", ["", "doubt"])
async def test_a_caller_on_the_line_is_told_that_it_was_not_done(
    house: House, told_as: str
) -> None:
    house.bridges.calls, house.bridges.say_it = {"CA1"}, True
    entry = await house.intend()
    await house.tell(told_as)

    await house.until_nothing_is_left()

    assert (await house.again(entry)).told_as == "refused"
    assert (await house.texts(), await house.people_asked()) == ([], [])


async def test_a_call_that_is_picked_up_meanwhile_tells_its_caller_first(house: House) -> None:
    entry = await house.intend()
    await house.step()
    assert (await house.again(entry)).state == "void"
    await house.tell("refused")  # by the bridge that took the call over and found the outcome

    await house.until_nothing_is_left()

    assert (await house.texts(), await house.people_asked()) == ([], [])


async def test_what_is_done_in_the_last_moment_is_not_withdrawn(house: House) -> None:
    entry = await house.intend()
    await house.book(entry)

    assert (await house.ledger.void(entry.id)).state == "done"
    await house.until_nothing_is_left()

    assert (await house.again(entry)).has_happened


@pytest.mark.parametrize(
    ("told_as", "people", "texts"),
    [("", [], 0), ("refused", [], 0), ("doubt", ["not_done"], 1)],
)
async def test_an_answer_that_changed_nothing_owes_only_who_was_told_otherwise(
    house: House, told_as: str, people: list[str], texts: int
) -> None:
    entry = await house.intend()
    await house.ledger.void(entry.id, result="slot_taken")
    await house.tell(told_as)

    await house.until_nothing_is_left()

    assert await house.people_asked() == people
    assert len(await house.texts()) == texts


# -- words to the practice: wanted at any time -----------------------------------------------------


async def test_a_message_whose_job_was_lost_is_taken_all_the_same(house: House) -> None:
    message = {"message": "Please call me.", "caller_name": "Ann Lee", "phone": "555 010 0122"}
    entry = await house.intend(tool="take_message", key="m", arguments=json.dumps(message))
    await house.tell("doubt")

    await house.until_nothing_is_left()

    [taken] = await house.rows(tables.messages)
    assert (taken.kind, taken.text, taken.phone) == ("message", "Please call me.", PHONE)
    assert (await house.again(entry)).state == "done"
    [(_, outcome)] = house.bridges.heard
    assert isinstance(outcome, Done)
    assert json.loads(outcome.content)["result"] == "taken"


async def test_a_message_that_was_taken_needs_no_telling(house: House) -> None:
    message = {"message": "Please call me."}
    entry = await house.intend(tool="take_message", key="m", arguments=json.dumps(message))
    practice, _ = await the(house.calendar, "cleaning")
    asked = TakeMessage(message="Please call me.")
    await take_message(
        asked, practice, house.ledger, Errand(practice="hillside", entry_id=entry.id)
    )

    await house.until_nothing_is_left()

    assert len(await house.rows(tables.messages)) == 1
    assert house.bridges.heard == []


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("update_patient_notes", {"phone": "555 010 0199", "patient_name": "No One", "note": "x"}),
        ("take_message", {"message": "Please call me.", "phone": "-------"}),
        ("take_message", {}),
    ],
)
async def test_word_that_cannot_be_taken_goes_to_a_person(
    house: House, tool: str, arguments: dict[str, str]
) -> None:
    entry = await house.intend(tool=tool, key="m", arguments=json.dumps(arguments))

    await house.until_nothing_is_left()

    assert (await house.again(entry)).state == "void"
    [message] = await house.rows(tables.messages)
    assert message.kind == "follow_up"
    assert arguments.get("message", arguments.get("note", "")) in message.text


# -- a calendar elsewhere --------------------------------------------------------------------------


async def found_done(house: House, entry: Entry) -> None:
    """From now on the calendar elsewhere has it."""

    async def became(practice: Practice, asked: Entry) -> Became:
        if not asked.has_happened:
            await house.book(asked)
        made_id = (await house.again(asked)).made_id
        appointment = await house.calendar.appointment(practice, made_id)
        return Became(state="happened", result="booked", appointment=appointment)

    house.elsewhere.became = became


async def found_nothing(house: House) -> None:
    async def became(practice: Practice, asked: Entry) -> Became:
        await house.ledger.void(asked.id, fence=asked.fence)
        return Became(state="never")

    house.elsewhere.became = became


def says(state: Any) -> Callable[[Practice, Entry], Any]:
    async def became(practice: Practice, asked: Entry) -> Became:
        return Became(state=state)

    return became


@pytest.mark.parametrize("told_as", ["", "doubt"])
@pytest.mark.parametrize("call_is_up", [True, False])
async def test_what_is_found_elsewhere_is_told(
    house: House, told_as: str, call_is_up: bool
) -> None:
    house.schedule = house.elsewhere
    house.bridges.say_it = True
    house.bridges.calls = {"CA1"} if call_is_up else set()
    entry = await house.intend()
    await house.tell(told_as)
    await found_done(house, entry)

    await house.until_nothing_is_left()

    assert (await house.again(entry)).state == ("told" if call_is_up else "done")
    assert len(await house.texts()) == 1  # its confirmation
    assert await house.people_asked() == []
    assert isinstance(house.bridges.heard[0][1], Done)


@pytest.mark.parametrize("told_as", ["", "doubt"])
@pytest.mark.parametrize("call_is_up", [True, False])
async def test_what_is_not_to_be_found_elsewhere_is_told(
    house: House, told_as: str, call_is_up: bool
) -> None:
    house.schedule = house.elsewhere
    house.bridges.say_it = True
    house.bridges.calls = {"CA1"} if call_is_up else set()
    entry = await house.intend()
    await house.ledger.claim(entry.id, lasts_s=1.0)
    await house.tell(told_as)
    await found_nothing(house)

    await house.until_nothing_is_left()

    assert (await house.again(entry)).state == "void"
    assert len(await house.texts()) == (0 if call_is_up else 1)
    assert await house.people_asked() == ([] if call_is_up else ["not_done"])


async def test_a_calendar_that_does_not_say_is_asked_again_and_then_a_person(house: House) -> None:
    house.schedule = house.elsewhere
    house.elsewhere.became = says("open")
    entry = await house.intend()

    await house.until_nothing_is_left()

    assert house.elsewhere.asked == len(LOOKS) + 1
    assert house.clock() - entry.asked_utc > sum(LOOKS, timedelta())
    assert await house.people_asked() == ["unknown"]
    assert (await house.again(entry)).state == "intent"


async def test_a_calendar_that_cannot_be_asked_is_for_a_person_at_once(house: House) -> None:
    house.schedule = house.elsewhere
    house.elsewhere.became = says("person")
    await house.intend()

    await house.until_nothing_is_left()

    assert house.elsewhere.asked == 1
    assert await house.people_asked() == ["unknown"]


async def test_what_a_calendar_left_open_that_the_practice_has_left_is_for_a_person(
    house: House,
) -> None:
    entry = await house.intend()
    await house.ledger.claim(entry.id, lasts_s=1.0)

    await house.until_nothing_is_left()

    assert await house.people_asked() == ["unknown"]


# -- a request that somebody elsewhere has to agree to ---------------------------------------------


async def requested(house: House, told_as: str = "done") -> Entry:
    house.schedule = house.elsewhere
    entry = await house.intend()
    made = await house.book(entry)
    async with house.engine.begin() as connection:
        await connection.execute(update(tables.ledger).values(result="requested"))
        await connection.execute(update(tables.appointments).values(status="requested"))
        await connection.execute(tables.outbox.delete())
    await house.tell(told_as)
    await agrees(house, made.id, "requested", after=0)
    return entry


async def agrees(house: House, made_id: str, result: str, *, after: int) -> None:
    seen = house.elsewhere.asked

    async def became(practice: Practice, asked: Entry) -> Became:
        appointment = await house.calendar.appointment(practice, made_id)
        if house.elsewhere.asked - seen <= after:
            return Became(state="happened", result="requested", appointment=appointment)
        if result == "never":
            return Became(state="never", appointment=appointment)
        return Became(state="happened", result=result, appointment=appointment)

    house.elsewhere.became = became


async def test_who_asked_is_texted_when_it_is_confirmed(house: House) -> None:
    entry = await requested(house)
    await agrees(house, entry.made_id or (await house.again(entry)).made_id, "booked", after=2)

    await house.until_nothing_is_left()

    [text] = await house.texts()
    assert text.startswith(BOOKED)
    assert await house.people_asked() == []


async def test_who_asked_hears_from_a_person_when_it_is_refused(house: House) -> None:
    entry = await requested(house)
    await agrees(house, (await house.again(entry)).made_id, "never", after=1)

    await house.until_nothing_is_left()

    assert [text.startswith(NOT_DONE) for text in await house.texts()] == [True]
    assert await house.people_asked() == ["refused"]


async def test_who_was_not_told_of_a_request_is_told_of_it_and_of_its_answer(house: House) -> None:
    entry = await requested(house, told_as="doubt")
    await agrees(house, (await house.again(entry)).made_id, "booked", after=3)

    await house.until_nothing_is_left()

    first, second = await house.texts()
    assert "is requested" in first
    assert second.startswith(BOOKED)


async def test_a_person_is_asked_about_a_confirmed_request_where_no_texts_are_sent(
    house: House,
) -> None:
    await send_no_texts(house)
    entry = await requested(house)
    await agrees(house, (await house.again(entry)).made_id, "booked", after=0)

    await house.until_nothing_is_left()

    assert await house.people_asked() == ["confirmed"]


async def test_a_request_that_nobody_ever_answers_ends_with_its_day(house: House) -> None:
    await requested(house)
    house.clock.value = datetime.fromisoformat("2026-12-01T13:30:00+00:00")

    await house.until_nothing_is_left()

    assert house.clock() >= datetime.fromisoformat("2026-12-01T14:00:00+00:00")
    assert await house.people_asked() == ["unknown"]


async def test_a_request_at_a_calendar_that_the_practice_has_left_is_for_a_person(
    house: House,
) -> None:
    await requested(house)
    house.schedule = house.calendar

    await house.until_nothing_is_left()

    assert await house.people_asked() == ["unknown"]


async def test_what_is_not_in_the_calendar_any_more_is_for_a_person(house: House) -> None:
    entry = await house.intend(arguments="{")
    async with house.ledger.claimed(entry.id) as claim:
        await claim.done("booked", "0" * 32)

    await house.until_nothing_is_left()

    assert await house.people_asked() == ["done"]
    assert house.bridges.heard == []


# -- whoever is away -------------------------------------------------------------------------------


async def test_a_redis_that_is_away_is_no_call_that_is_gone(house: House) -> None:
    house.bridges.redis_is_away = True
    await send_no_texts(house)
    entry = await house.intend()
    await house.book(entry)
    house.clock.turn(seconds=31)

    await house.settler.round()
    assert await house.people_asked() == []
    house.bridges.redis_is_away = False
    house.bridges.calls, house.bridges.say_it = {"CA1"}, True
    await house.until_nothing_is_left()

    assert (await house.again(entry)).state == "told"
    assert await house.people_asked() == []


async def test_a_database_that_is_away_is_told_and_what_was_due_is_due_again(
    house: House,
) -> None:
    async def away(practice: Practice, asked: Entry) -> Became:
        raise Unavailable("", reason="database: gone")

    house.schedule = house.elsewhere
    house.elsewhere.became = away
    entry = await house.intend()
    house.clock.turn(seconds=11)

    with pytest.raises(Unavailable):
        await house.settler.round()

    house.elsewhere.became = says("person")
    await house.until_nothing_is_left()
    assert (await house.again(entry)).look_utc is None


async def test_one_row_that_cannot_be_settled_holds_up_no_other(house: House) -> None:
    async def broken(practice: Practice, asked: Entry) -> Became:
        raise LookupError("a row without its patient")

    house.schedule = house.elsewhere
    house.elsewhere.became = broken
    await house.intend()
    message = {"message": "Please call me."}
    await house.intend("CA2:f1", "m", tool="take_message", arguments=json.dumps(message))
    house.clock.turn(seconds=11)

    assert await house.settler.round() == 2

    assert [row.kind for row in await house.rows(tables.messages)] == ["message"]


async def test_what_nobody_knows_any_more_is_let_be(house: House) -> None:
    entry = await house.intend(tool="a_tool_of_yesterday")

    await house.until_nothing_is_left()

    assert (await house.again(entry)).state == "intent"


async def test_every_function_call_that_asked_for_it_hears_of_it(house: House) -> None:
    entry = await house.intend("CA1:f1")
    await house.intend("CA2:g:2")
    await house.book(entry)
    house.clock.turn(seconds=31)

    await house.settler.round()

    heard = {(call_sid, outcome.function_call_id) for call_sid, outcome in house.bridges.heard}
    assert heard == {("CA1", "f1"), ("CA2", "g:2")}
