"""Settling on each database: the statements, and two who settle at once."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.tools.house import BOOKED, NOT_DONE, House, opened, send_no_texts
from tools import tables
from tools.settle import MOST


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with opened(database_url) as house:
        yield house


async def test_what_was_done_is_texted(house: House) -> None:
    entry = await house.intend()
    await house.book(entry)

    await house.until_nothing_is_left()

    [text] = await house.texts()
    assert text.startswith(BOOKED)
    assert (await house.again(entry)).look_utc is None


async def test_what_was_not_begun_is_withdrawn_and_its_caller_hears_of_it(house: House) -> None:
    entry = await house.intend()
    await house.tell("doubt")

    await house.until_nothing_is_left()

    [text] = await house.texts()
    assert text.startswith(NOT_DONE)
    assert await house.people_asked() == ["not_done"]
    assert (await house.again(entry)).state == "void"


async def test_a_message_whose_job_was_lost_is_taken(house: House) -> None:
    message = {"message": "Please call me."}
    entry = await house.intend(tool="take_message", key="m", arguments=json.dumps(message))

    await house.until_nothing_is_left()

    assert [row.text for row in await house.rows(tables.messages)] == ["Please call me."]
    assert (await house.again(entry)).state == "done"


async def test_two_settlers_tell_once(house: House) -> None:
    await send_no_texts(house)
    for number in range(MOST * 2):
        await house.intend(f"CA{number}:f1", f"book:{number}")
    house.clock.turn(seconds=11)

    taken = await asyncio.gather(house.settler.round(), house.settler.round())

    assert sum(taken) == MOST * 2
    assert len(house.bridges.heard) == MOST * 2
    await house.until_nothing_is_left()
    assert len(await house.people_asked()) == MOST * 2
