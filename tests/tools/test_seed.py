from datetime import UTC, datetime
from pathlib import Path

import pytest

from tools.calendar import Calendar
from tools.database import open_engine
from tools.seed import DEMO, read_practice, seed

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
