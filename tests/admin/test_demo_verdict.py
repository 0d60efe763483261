"""When a demo may say that it showed what it set out to show."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from admin.calling import Told
from admin.demo import confirmation_heard, make_room, overlapping
from admin.heard import Heard
from admin.narrative import FunctionCall
from tools import migrations
from tools.calendar import Calendar
from tools.database import open_engine
from tools.schedule import Appointment, Made, Wanted
from tools.seed import seed

SAY = "Ines Moreau is booked for a cleaning tomorrow. Anything else?"
SENTENCES = ["Which suits you?", "Ines Moreau is booked for a cleaning tomorrow.", "Anything else?"]
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def told(*, heard: list[str], sentences: list[str] | None = None, **more: Any) -> Told:
    booking = FunctionCall(
        name="book_appointment",
        arguments="{}",
        content=msgspec.json.encode({"result": "booked", "say": SAY}).decode(),
        asked_at_s=20.0,
        round_trip_ms=20.0,
    )
    fields: dict[str, Any] = {"function_calls": [booking], "report": None} | more
    return Told(
        heard=[Heard(at_s=1.0, text=text) for text in heard],
        sentences=SENTENCES if sentences is None else sentences,
        **fields,
    )


def test_a_confirmation_counts_when_every_sentence_of_it_was_heard() -> None:
    assert confirmation_heard(told(heard=["Which suits you?", SAY, "Goodbye."]))


@pytest.mark.parametrize(
    "heard",
    [
        [],
        ["Which suits you?"],
        ["Ines Moreau is booked for a", "Anything else?"],
        ["Ines Moreau is booked for a cleaning tomorrow."],
    ],
)
def test_a_confirmation_that_was_cut_or_lost_does_not_count(heard: list[str]) -> None:
    assert not confirmation_heard(told(heard=heard))


def test_without_a_booking_there_is_nothing_to_confirm() -> None:
    assert not confirmation_heard(told(heard=[SAY], function_calls=[]))


def test_a_confirmation_that_the_agent_never_sent_does_not_count() -> None:
    assert not confirmation_heard(told(heard=[SAY], sentences=["Which suits you?"]))


def appointment(provider: str, start: datetime, minutes: int = 30) -> Appointment:
    return Appointment(
        id="1", practice="hillside", patient_name="Ada Quist", phone="+1", provider=provider,
        service="cleaning", start=start, end=start + timedelta(minutes=minutes), call_sid="CA1",
        booked_utc=NOON, status="booked",
    )  # fmt: skip


async def book(url: str, count: int) -> None:
    await seed(url)
    engine = open_engine(url)
    calendar = Calendar(engine)
    practice = await calendar.practices.practice("hillside")
    (service,) = (
        each for each in await calendar.practices.services(practice) if each.name == "cleaning"
    )
    providers = await calendar.practices.providers(practice, service)
    day = calendar.now(practice).date()
    slots = await calendar.free(
        practice, service, providers, first_day=day, last_day=day + timedelta(days=10)
    )
    hourly = {slot.start.replace(minute=0): slot for slot in slots if slot.start.minute == 0}
    for number, slot in enumerate(list(hourly.values())[:count]):
        wanted = Wanted(
            service=service, start=slot.start, patient_name=f"Patient {number}",
            phone="+12125550142", key=str(number), providers=(slot.provider,),
        )  # fmt: skip
        assert isinstance(await calendar.book(practice, wanted), Made)
    await engine.dispose()


@pytest.mark.parametrize(("bookings", "begins_anew"), [(2, False), (13, True)])
async def test_a_calendar_that_is_nearly_full_begins_anew(
    tmp_path: Path, bookings: int, begins_anew: bool
) -> None:
    url = f"sqlite:///{tmp_path}/holdfast.db"
    await asyncio.to_thread(migrations.upgrade, url)
    await book(url, bookings)

    assert await make_room(tmp_path) is begins_anew
    assert (tmp_path / "holdfast.db").exists() is not begins_anew


async def test_a_run_that_was_killed_early_is_no_hindrance(tmp_path: Path) -> None:
    assert not await make_room(tmp_path)
    (tmp_path / "holdfast.db").touch()

    assert not await make_room(tmp_path)


def test_two_appointments_of_one_provider_may_touch_but_not_overlap() -> None:
    first = appointment("Maya", NOON)
    next_one = appointment("Maya", NOON + timedelta(minutes=30))
    inside = appointment("Maya", NOON + timedelta(minutes=15))
    elsewhere = appointment("Okafor", NOON)

    assert overlapping([next_one, first, elsewhere]) is None
    assert overlapping([first, elsewhere, inside]) == (first, inside)
