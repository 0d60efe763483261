from datetime import UTC, datetime
from pathlib import Path

import pytest

from tools.arguments import BookAppointment, FindSlots
from tools.booking import Booked, book_appointment
from tools.calendar import Calendar
from tools.database import open_engine
from tools.errand import Errand
from tools.lookup import Offers, find_slots
from tools.seed import DEMO, DEMOS, read_practice, seed

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)


async def test_seeding_again_adds_nothing_and_moves_nobody(
    database_url: str, calendar: Calendar
) -> None:
    practice = await calendar.practices.practice("hillside")
    assert practice is not None
    before = await calendar.appointments(practice)

    await seed(database_url, now=lambda: NOW)

    assert before
    assert await calendar.appointments(practice) == before
    assert len(await calendar.practices.services(practice)) == 5


async def test_a_changed_file_brings_the_practice_up_to_date(
    database_url: str, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.toml"
    changed.write_text(DEMO.read_text().replace("Hillside Dental", "Hillside Smiles"))

    await seed(database_url, changed, now=lambda: NOW)

    engine = open_engine(database_url)
    practice = await Calendar(engine).practices.practice("hillside")
    await engine.dispose()
    assert practice is not None
    assert practice.name == "Hillside Smiles"


async def test_another_trade_is_booked_by_its_own_words_on_its_own_clock(
    database_url: str, calendar: Calendar
) -> None:
    for path in DEMOS:
        await seed(database_url, path, now=lambda: NOW)
    errand = Errand(practice="copperline", call_sid="CA1")
    wanted = FindSlots(service="squeaky brakes", from_day="2026-12-01", to_day="2026-12-01")

    found = await find_slots(wanted, calendar, errand)
    assert isinstance(found, Offers)
    chosen = found.offers[0]
    made = await book_appointment(
        BookAppointment(
            service="brakes", start=chosen.start, patient_name="Ann Lee", phone="+15550100122"
        ),
        calendar,
        errand,
    )

    assert isinstance(made, Booked)
    assert (made.service, made.start) == ("brake job", "2026-12-01T10:00-07:00")


@pytest.mark.parametrize(
    ("wrong", "right", "complaint"),
    [
        ("minutes = 45", "minutes = 40", "minutes"),
        ('"America/New_York"', '"America/Old_York"', "no time zone"),
        ('services = ["cleaning", "whitening"]', 'services = ["crowns"]', "no such service"),
        ("lead_minutes", "lead_minuets", "lead_minuets"),
        ('id = "hillside"', 'id = "Hill Side"', "regex"),
        ("[[hours]]", "[[hours", "changed.toml"),
    ],
)
def test_a_mistake_in_the_file_is_named(
    tmp_path: Path, wrong: str, right: str, complaint: str
) -> None:
    path = tmp_path / "changed.toml"
    path.write_text(DEMO.read_text().replace(wrong, right, 1))

    with pytest.raises(ValueError, match=complaint) as refused:
        read_practice(path)
    assert "changed.toml" in str(refused.value)
