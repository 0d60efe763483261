"""The outbox: what a confirmation says, and that nothing is told twice."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from tools import tables
from tools.database import fetch, open_engine
from tools.outbox import Result, Text, confirmation, put
from tools.practices import Practice
from tools.schedule import Appointment

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
TODAY = date(2026, 11, 22)
ZONE = ZoneInfo("America/Chicago")
PRACTICE = Practice(
    id="hillside",
    name="Hillside Dental",
    zone=ZONE,
    lead=timedelta(hours=1),
    horizon_days=90,
    texts_from="+15550100999",
)
APPOINTMENT = Appointment(
    id="a" * 32,
    practice="hillside",
    patient_name="Maria Lopez",
    phone="+15550100123",
    provider="Doctor Okafor",
    service="root canal",
    start=datetime(2026, 12, 1, 9, 5, tzinfo=ZONE),
    end=datetime(2026, 12, 1, 9, 35, tzinfo=ZONE),
    status="booked",
    call_sid="CA1",
    booked_utc=NOW,
)


def like(**changes: object) -> Appointment:
    values = {name: getattr(APPOINTMENT, name) for name in Appointment.__struct_fields__}
    return Appointment(**(values | changes))


def said(result: Result = "booked", today: date = TODAY, **changes: object) -> str:
    text = confirmation(PRACTICE, like(**changes), result, today)
    assert text is not None
    return text.body


@pytest.mark.parametrize(
    ("result", "body"),
    [
        (
            "booked",
            "Hillside Dental: Maria, your appointment is booked for Tuesday, December 1 at "
            "9:05 AM. To change it, please call us.",
        ),
        (
            "moved",
            "Hillside Dental: Maria, your appointment is moved to Tuesday, December 1 at "
            "9:05 AM. To change it, please call us.",
        ),
        (
            "cancelled",
            "Hillside Dental: Maria, your appointment on Tuesday, December 1 at 9:05 AM is "
            "cancelled.",
        ),
        (
            "requested",
            "Hillside Dental: Maria, your appointment on Tuesday, December 1 at 9:05 AM is "
            "requested. We will tell you when it is confirmed.",
        ),
    ],
)
def test_a_text_tells_who_and_when_and_not_what_for(result: Result, body: str) -> None:
    assert said(result) == body


def test_the_time_is_the_practices_own() -> None:
    assert "Tuesday, December 1 at 12:30 PM" in said(
        start=datetime(2026, 12, 1, 18, 30, tzinfo=UTC)
    )
    assert "at 12:00 AM" in said(start=datetime(2026, 12, 1, 6, 0, tzinfo=UTC))


def test_a_date_far_off_has_its_year() -> None:
    assert "Tuesday, December 1, 2026 at" in said(today=date(2026, 1, 1))


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("  ines   moreau", "ines, your"),
        ("O’Brien", "O'Brien, your"),
        ("Anne-Marie Roux", "Anne-Marie, your"),
        ("José", "José, your"),
        ("evil.example/win now", "Your"),
        ("Call +15550100", "Call, your"),
        ("x" * 40, "Your"),
        ("77", "Your"),
    ],
)
def test_what_is_no_first_name_is_not_texted(name: str, greeting: str) -> None:
    assert said(patient_name=name).startswith(f"Hillside Dental: {greeting} appointment")


def test_the_longest_text_is_two_parts_at_most() -> None:
    practice = Practice(
        id="p",
        name="N" * 120,
        zone=ZONE,
        lead=timedelta(0),
        horizon_days=1,
        texts_from="+15550100999",
    )
    longest = like(patient_name="M" * 20, start=datetime(2026, 9, 30, 12, 45, tzinfo=ZONE))

    text = confirmation(practice, longest, "requested", date(2025, 1, 1))

    assert text is not None
    assert len(text.body) <= 320
    assert text.body.endswith("confirmed.")


def test_a_practice_without_a_number_sends_none() -> None:
    practice = Practice(id="p", name="P", zone=ZONE, lead=timedelta(0), horizon_days=1)

    assert confirmation(practice, APPOINTMENT, "booked", TODAY) is None


def test_a_key_fits_its_column_and_names_the_effect() -> None:
    one = confirmation(PRACTICE, APPOINTMENT, "cancelled", TODAY, entry_id="e" * 32)
    other = confirmation(PRACTICE, APPOINTMENT, "cancelled", TODAY, entry_id="f" * 32)

    assert one is not None
    assert other is not None
    assert one.key != other.key
    assert len(one.key) <= tables.outbox.c.key.type.length


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url)
    yield engine
    await engine.dispose()


def text(key: str) -> Text:
    return Text(key=key, to="+15550100123", body=f"about {key}", call_sid="CA1")


async def written(engine: AsyncEngine, text: Text) -> bool:
    async with engine.begin() as connection:
        return await put(connection, PRACTICE, text, now=NOW)


async def rows(engine: AsyncEngine) -> dict[str, tuple[str, str]]:
    found = await fetch(engine, select(tables.outbox))
    return {row.key: (row.state, row.reason) for row in found}


async def test_a_key_is_written_once(engine: AsyncEngine) -> None:
    assert await written(engine, text("a:booked:1"))
    assert not await written(engine, text("a:booked:1"))
    assert await rows(engine) == {"a:booked:1": ("waiting", "")}


async def test_a_text_stands_or_falls_with_what_it_tells(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await put(connection, PRACTICE, text("a:booked:1"), now=NOW)
        await connection.rollback()

    assert await rows(engine) == {}


async def test_what_is_no_longer_so_is_not_told(engine: AsyncEngine) -> None:
    about_one, about_other = "1" * 32, "2" * 32
    await written(engine, text(f"{about_one}:booked:1"))
    await written(engine, text(f"{about_other}:booked:1"))

    await written(engine, text(f"{about_one}:cancelled:1"))

    assert await rows(engine) == {
        f"{about_one}:booked:1": ("failed", "superseded"),
        f"{about_other}:booked:1": ("waiting", ""),
        f"{about_one}:cancelled:1": ("waiting", ""),
    }


async def test_what_was_told_before_takes_nothing_back(engine: AsyncEngine) -> None:
    about = "1" * 32
    await written(engine, text(f"{about}:booked:1"))
    await written(engine, text(f"{about}:moved:2"))

    assert not await written(engine, text(f"{about}:booked:1"))
    assert (await rows(engine))[f"{about}:moved:2"] == ("waiting", "")
