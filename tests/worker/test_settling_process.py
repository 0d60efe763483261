"""Worker processes that settle and send: what a caller hears of, whoever died in between."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from tests.tools.twilio_messages import ACCOUNT, TOKEN, Clock, Twilio, serving
from tools import tables
from tools.arguments import NoteTold, ToldOf
from tools.contract import Done, Failed
from tools.database import fetch, open_engine
from tools.ledger import Ledger

PATIENTLY_S = 30.0
BOOKING = {"service": "cleaning", "patient_name": "Ann Lee", "phone": "555 010 0122"}


class NowClock(Clock):
    """The instant as it is: real processes have no other."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)

    def seconds(self) -> float:
        return self().timestamp()


@pytest.fixture
async def twilio() -> AsyncIterator[Twilio]:
    async with serving(NowClock()) as server:
        yield server


def account(twilio: Twilio) -> dict[str, str]:
    return {
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_API_URL": twilio.url,
    }


async def rows(sqlite_url: str, table: Any) -> list[Any]:
    engine = open_engine(sqlite_url)
    try:
        return list(await fetch(engine, select(table)))
    finally:
        await engine.dispose()


async def until(sqlite_url: str, table: Any, **fields: Any) -> Any:
    """The first row with these fields."""
    async with asyncio.timeout(PATIENTLY_S):
        while True:
            for row in await rows(sqlite_url, table):
                if fields.items() <= row._mapping.items():
                    return row
            await asyncio.sleep(0.05)


async def booked(bridge: Any) -> dict[str, Any]:
    """The answer to a booking of the first free time."""
    await bridge.ask("f1")
    found = await bridge.answer("f1")
    assert isinstance(found, Done)
    start = json.loads(found.content)["offers"][0]["start"]
    await bridge.ask(
        "f2",
        tool="book_appointment",
        arguments=json.dumps(BOOKING | {"start": start}),
        effect=True,
    )
    answer = await bridge.answer("f2")
    assert isinstance(answer, Done)
    content: dict[str, Any] = json.loads(answer.content)
    return content


async def test_a_booking_is_confirmed_by_one_text_and_noted_as_told(
    start_worker: Any, bridge: Any, sqlite_url: str, twilio: Twilio
) -> None:
    start_worker(**account(twilio))
    content = await booked(bridge)
    told = NoteTold(told=(ToldOf(function_call_id="f2", as_="done"),))

    await bridge.ask("told-1", tool="note_told", arguments=msgspec.json.encode(told).decode())
    await bridge.answer("told-1")

    sent = await until(sqlite_url, tables.outbox, state="sent")
    [text] = twilio.messages.accepted
    assert (sent.message_sid, sent.body) == (text.sid, text.body)
    assert text.body.startswith("Hillside Dental: Ann, your appointment is booked for ")
    entry = await until(sqlite_url, tables.ledger, state="told")
    assert (entry.made_id, entry.look_utc) == (content["appointment_id"], None)


async def test_a_worker_killed_while_it_sends_leaves_one_text(
    start_worker: Any, bridge: Any, sqlite_url: str, twilio: Twilio
) -> None:
    twilio.options.text_faults = ["slow"]
    first = start_worker(**account(twilio))
    await booked(bridge)
    async with asyncio.timeout(PATIENTLY_S):
        while not twilio.messages.accepted:
            await asyncio.sleep(0.02)
    first.signal(signal.SIGKILL)
    await first.all_gone()
    engine = open_engine(sqlite_url)
    async with engine.begin() as connection:  # the dead one's time is over sooner than in life
        [row] = (await connection.execute(select(tables.outbox))).all()
        assert row.state == "sending"
        await connection.execute(
            tables.outbox.update().values(
                next_utc=datetime.now(UTC), changed_utc=row.changed_utc - timedelta(minutes=2)
            )
        )
    await engine.dispose()

    start_worker(**account(twilio))

    sent = await until(sqlite_url, tables.outbox, state="sent")
    assert [text.sid for text in twilio.messages.accepted] == [sent.message_sid]


async def test_what_nobody_began_is_withdrawn_and_the_call_hears_of_it(
    start_worker: Any, bridge: Any, sqlite_url: str
) -> None:
    engine = open_engine(sqlite_url)
    entry = await Ledger(engine).intend(
        job_id="CA1:f9",
        key="book:lost",
        practice="hillside",
        call_sid="CA1",
        tool="book_appointment",
        arguments=json.dumps(BOOKING | {"start": "2030-01-01T09:00"}),
        phone="+15550100122",
        give_up_s=0.0,
    )
    await engine.dispose()

    start_worker(WORKER_QUEUES="settle")
    outcome = await bridge.answer("f9")

    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.tool) == ("withdrawn", "book_appointment")
    assert "nothing is booked" in outcome.say
    gone = await until(sqlite_url, tables.ledger, id=entry.id)
    assert (gone.state, gone.key) == ("void", None)


async def test_only_who_serves_the_settling_goes_rounds(
    start_worker: Any, bridge: Any, sqlite_url: str, twilio: Twilio
) -> None:
    worker = start_worker(WORKER_QUEUES="booking;lookup", **account(twilio))
    await booked(bridge)
    worker.signal(signal.SIGTERM)

    assert await worker.ended() == 0
    [text] = await rows(sqlite_url, tables.outbox)
    assert (text.state, text.tries) == ("waiting", 0)


async def test_a_worker_stops_in_the_middle_of_a_round(
    start_worker: Any, bridge: Any, sqlite_url: str, twilio: Twilio
) -> None:
    twilio.options.text_faults = ["slow"]
    worker = start_worker(**account(twilio))
    await booked(bridge)
    async with asyncio.timeout(PATIENTLY_S):
        while not twilio.messages.accepted:
            await asyncio.sleep(0.02)

    worker.signal(signal.SIGTERM)

    assert await worker.ended() == 0
    [text] = await rows(sqlite_url, tables.outbox)
    assert text.state == "sending"
    assert worker.events("round_failed") == []


async def test_no_text_and_no_number_is_in_a_log(
    start_worker: Any, bridge: Any, sqlite_url: str, twilio: Twilio
) -> None:
    twilio.options.text_faults = ["error", "refused"]
    worker = start_worker(LOG_LEVEL="DEBUG", **account(twilio))
    await booked(bridge)

    await worker.event("text_unanswered")

    said = worker.said()
    for secret in ("5550100122", "555 010 0122", "Ann Lee", "Ann,", TOKEN):
        assert secret not in said
