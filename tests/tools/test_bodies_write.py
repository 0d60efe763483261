"""Messages and notes: a row each, once, in the ledger's own transaction."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.desk import Desk
from tools import tables
from tools.database import fetch
from tools.errors import BadArguments
from tools.messages import Taken
from tools.notes import Nobody, Noted

MARIA = {"patient_name": "Maria Lopez", "phone": "555 010 0123", "note": "Allergic to latex."}


async def rows(engine: AsyncEngine, table: Any) -> list[Any]:
    return list(await fetch(engine, select(table)))


async def test_a_message_is_written_once_however_often_it_is_given(
    desk: Desk, engine: AsyncEngine
) -> None:
    message = {"message": "Please call me back.", "caller_name": "Ann Lee", "phone": "5550100122"}

    answers = [await desk.ask("take_message", **message) for _ in range(2)]

    assert answers == 2 * [
        Taken(
            say="I've taken your message. Someone here will call you back at "
            "five five five, zero one zero, zero one two two."
        )
    ]
    [row] = await rows(engine, tables.messages)
    assert (row.practice_id, row.kind, row.call_sid) == ("hillside", "message", "CA1")
    assert (row.name, row.phone, row.text) == ("Ann Lee", "+15550100122", "Please call me back.")
    assert not row.urgent
    assert row.handled_utc is None


async def test_the_same_words_in_another_call_are_another_message(
    desk: Desk, engine: AsyncEngine
) -> None:
    for call_sid in ("CA1", "CA2"):
        await desk.ask("take_message", call_sid=call_sid, message="Please call me back.")

    assert [row.call_sid for row in await rows(engine, tables.messages)] == ["CA1", "CA2"]


async def test_a_message_needs_neither_name_nor_number_and_may_be_urgent(
    desk: Desk, engine: AsyncEngine
) -> None:
    taken = await desk.ask("take_message", message="The door is open!", urgent=True)

    assert taken.say == ("I've taken your message and marked it urgent. Someone here will read it.")
    [row] = await rows(engine, tables.messages)
    assert (row.name, row.phone, row.urgent) == ("", "", True)


async def test_the_ledger_knows_which_message_it_was(desk: Desk, engine: AsyncEngine) -> None:
    await desk.ask("take_message", message="Please call me back.")

    [row] = await rows(engine, tables.messages)
    [entry] = await rows(engine, tables.ledger)
    assert (entry.state, entry.result, entry.made_id) == ("done", "taken", row.id)
    assert entry.id in row.key


async def test_a_note_is_added_once_and_changes_no_other(desk: Desk, engine: AsyncEngine) -> None:
    first = await desk.ask("update_patient_notes", **MARIA)
    again = await desk.ask("update_patient_notes", **MARIA)
    await desk.ask("update_patient_notes", **(MARIA | {"note": "Comes by wheelchair."}))

    assert first == again == Noted(say="I've noted that for Maria Lopez.")
    noted = await rows(engine, tables.patient_notes)
    assert sorted(row.text for row in noted) == ["Allergic to latex.", "Comes by wheelchair."]


@pytest.mark.parametrize("name", ["maria lopez", "Maria", "Lopez"])
async def test_a_name_may_be_given_in_part(desk: Desk, name: str) -> None:
    noted = await desk.ask("update_patient_notes", **(MARIA | {"patient_name": name}))

    assert noted == Noted(say="I've noted that for Maria Lopez.")


@pytest.mark.parametrize(
    "changes", [{"patient_name": "Nina Lopez"}, {"phone": "5550109999"}, {"patient_name": "Mari"}]
)
async def test_of_somebody_unknown_nothing_is_noted_and_nobody_else_named(
    desk: Desk, engine: AsyncEngine, changes: dict[str, str]
) -> None:
    answer = await desk.ask("update_patient_notes", **(MARIA | changes))

    assert isinstance(answer, Nobody)
    assert "Maria" not in answer.say
    assert await rows(engine, tables.patient_notes) == []


async def test_a_first_name_that_two_of_a_family_share_is_nobodys(
    desk: Desk, engine: AsyncEngine
) -> None:
    for name, start in (("Ann Lee", "2026-12-01T09:30"), ("Ann Lou Lee", "2026-12-01T10:30")):
        await desk.ask(
            "book_appointment",
            service="cleaning",
            start=start,
            patient_name=name,
            phone="5550100122",
        )
    ann = {"phone": "5550100122", "note": "Likes the window."}

    assert isinstance(await desk.ask("update_patient_notes", patient_name="Ann", **ann), Nobody)
    assert isinstance(await desk.ask("update_patient_notes", patient_name="Ann Lee", **ann), Noted)


@pytest.mark.parametrize("tool", ["take_message", "update_patient_notes"])
async def test_a_number_that_is_none_is_given_back_to_the_model(desk: Desk, tool: str) -> None:
    asked = {"take_message": {"message": "Hello."}, "update_patient_notes": MARIA}[tool]

    with pytest.raises(BadArguments, match="digit by digit"):
        await desk.ask(tool, **(asked | {"phone": "((((((((0"}))
