from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.desk import NOW, Desk
from tools import tables
from tools.answers import Booked
from tools.calendar import Calendar
from tools.database import fetch, open_engine
from tools.insurance import NotAccepted
from tools.ledger import Ledger
from tools.lookup import Offers
from tools.office import Office, the_facts
from tools.patients import Patients
from tools.practice_file import read_practice
from tools.practices import Practices
from tools.seed import DEMO, DEMOS, seed


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
    database_url: str, engine: AsyncEngine, calendar: Calendar
) -> None:
    for path in DEMOS:
        await seed(database_url, path, now=lambda: NOW)
    facts = await the_facts(calendar.practices, "copperline")
    office = Office(facts=facts, schedule=calendar, patients=Patients(engine))
    desk = Desk(office, Ledger(engine, now=lambda: NOW))
    day = "2026-12-01"

    found = await desk.ask("find_slots", service="squeaky brakes", from_day=day, to_day=day)
    assert isinstance(found, Offers)
    made = await desk.ask(
        "book_appointment",
        service="brakes",
        start=found.offers[0].start,
        patient_name="Ann Lee",
        phone="+15550100122",
    )

    assert isinstance(made, Booked)
    assert (made.service, made.start) == ("brake job", "2026-12-01T10:00-07:00")
    assert isinstance(await desk.ask("check_insurance", insurance="Delta Dental"), NotAccepted)
    assert (await desk.ask("practice_info", topic="waiting time")).topics == ("waiting time",)


async def test_what_is_told_is_replaced_by_what_the_file_says_now(
    database_url: str, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.toml"
    text = DEMO.read_text()
    text = text.replace('name = "MetLife"', 'name = "Principal"').replace(
        'topic = "parking"', 'topic = "bus"'
    )
    changed.write_text(text)

    await seed(database_url, changed, now=lambda: NOW)

    engine = open_engine(database_url)
    facts = await the_facts(Practices(engine), "hillside")
    await engine.dispose()
    assert [each.name for each in facts.insurers] == [
        *("Delta Dental", "Principal", "Cigna", "Guardian", "Aetna", "Medicaid"),
    ]
    assert [each.accepted for each in facts.insurers] == [True] * 4 + [False] * 2
    assert [each.name for each in facts.told][:2] == ["address", "bus"]


CALENDAR = """
[calendar]
kind = "caldav"
url = "https://cal.example/dav/hillside/"
username = "reception"
password_env = "HILLSIDE_CALDAV_PASSWORD"

[calendar.calendars]
torres = "torres/"
okafor = "okafor/"
lindqvist = "lindqvist/"

"""


def demo_with(tmp_path: Path, wrong: str, right: str) -> Path:
    text = DEMO.read_text()
    assert wrong in text
    path = tmp_path / "changed.toml"
    path.write_text(text.replace(wrong, right, 1))
    return path


async def test_an_outside_calendar_is_entered_by_name_and_never_by_secret(
    engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    path = demo_with(tmp_path, "[[hours]]", f"{CALENDAR}[[hours]]")

    await seed(database_url, path, now=lambda: NOW)

    [row] = await fetch(
        engine, select(tables.practices.c.calendar).where(tables.practices.c.id == "hillside")
    )
    kept = msgspec.json.decode(row.calendar)
    assert kept["kind"] == "caldav"
    assert kept["password_env"] == "HILLSIDE_CALDAV_PASSWORD"


@pytest.mark.parametrize(
    ("wrong", "right", "complaint"),
    [
        ('kind = "caldav"', 'kind = "carrier-pigeon"', "carrier-pigeon"),
        ('url = "https', 'address = "https', "address|url"),
        ('password_env = "HILLSIDE_CALDAV_PASSWORD"', 'password = "hunter2"', "password"),
        ("https://cal.example/dav/hillside/", "ftp://cal.example/", "url|http"),
    ],
)
def test_a_mistake_about_the_calendar_is_named_and_no_value_repeated(
    tmp_path: Path, wrong: str, right: str, complaint: str
) -> None:
    assert wrong in CALENDAR
    path = demo_with(tmp_path, "[[hours]]", f"{CALENDAR.replace(wrong, right)}[[hours]]")

    with pytest.raises(ValueError, match=complaint) as refused:
        read_practice(path)
    assert "changed.toml" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "right", "complaint"),
    [
        ("minutes = 45", "minutes = 40", "minutes"),
        ('"America/New_York"', '"America/Old_York"', "no time zone"),
        ('services = ["cleaning", "whitening"]', 'services = ["crowns"]', "no such service"),
        ("lead_minutes", "lead_minuets", "lead_minuets"),
        ('id = "hillside"', 'id = "Hill Side"', "regex"),
        ("[[hours]]", "[[hours", "changed.toml"),
        ("closes = 17:30:00", "closes = 07:30:00", "opens must lie before closes"),
        ('texts_from = "+15550100200"', 'texts_from = "5550100200"', "texts_from"),
        ('topic = "parking"', 'topic = "address"', "facts: address is there twice"),
        ('name = "MetLife"', 'name = "Cigna"', "insurers: Cigna is there twice"),
        ('id = "okafor"', 'id = "torres"', "providers: torres is there twice"),
        ('name = "filling"', 'name = "cleaning"', "services: cleaning is there twice"),
        ("day = 2026-12-25", "day = 2026-11-26", "closed: 2026-11-26 is there twice"),
        ("accepted = false", "acepted = false", r"acepted.*insurers"),
        ('also_called = ["delta"', f'also_called = ["{"x" * 300}"', r"also_called.*insurers"),
        ('phone = "+15550100145"', 'phone = "no number"', r"not a phone number.*patients"),
        ('coming_for = "filling"', 'coming_for = "crown"', "no such service: crown"),
    ],
)
def test_a_mistake_in_the_file_is_named(
    tmp_path: Path, wrong: str, right: str, complaint: str
) -> None:
    path = demo_with(tmp_path, wrong, right)

    with pytest.raises(ValueError, match=complaint) as refused:
        read_practice(path)
    assert "changed.toml" in str(refused.value)


@pytest.mark.parametrize(
    ("calendar", "complaint"),
    [
        ('kind = "caldav"\nurl = "https://x.example/"\ncalendars = {tores = "t"}', "tores"),
        (
            'kind = "caldav"\nurl = "https://u:p@x.example/"\ncalendars = {torres = "t"}',
            "calendar.url",
        ),
        (
            'kind = "calcom"\nkey_env = "sk-live 1"\nevent_types = {cleaning = {torres = 1}}',
            "key_env",
        ),
        ('kind = "calcom"\nkey_env = "KEY"\nevent_types = {clening = {torres = 1}}', "clening"),
    ],
)
def test_a_calendar_elsewhere_names_only_what_is_here(
    tmp_path: Path, calendar: str, complaint: str
) -> None:
    file = tmp_path / "p.toml"
    file.write_text(f"{DEMO.read_text()}\n[calendar]\n{calendar}\n")

    with pytest.raises(ValueError, match=complaint):
        read_practice(file)
