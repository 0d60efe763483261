"""What is told about a practice, and how."""

import shutil
from datetime import date, time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.tools.desk import Desk
from tools.info import Told
from tools.office import Unclear
from tools.openings import Hours
from tools.practices import Facts


@pytest.fixture
def database_url(seeded_sqlite: Path, tmp_path: Path) -> str:
    """Facts are read before anything here is asked: one database will do."""
    copy = tmp_path / "holdfast.db"
    shutil.copy(seeded_sqlite, copy)
    return f"sqlite:///{copy}"


async def ask(desk: Desk, topic: str) -> Any:
    return await desk.ask("practice_info", topic=topic)


def with_facts(desk: Desk, **changes: Any) -> Desk:
    facts: Facts = msgspec.structs.replace(desk.office.facts, **changes)
    return Desk(msgspec.structs.replace(desk.office, facts=facts), desk.ledger)


@pytest.mark.parametrize("topic", ["opening hours", "hours", "Are you open?", "holidays"])
async def test_opening_hours_are_told_with_the_closed_days_to_come(desk: Desk, topic: str) -> None:
    told = await ask(desk, topic)

    assert told == Told(
        say="We're open Monday to Thursday from eight in the morning to five thirty in the "
        "evening; and Friday from eight in the morning to two in the afternoon. We're closed on "
        "Thursday, November twenty-sixth for Thanksgiving.",
        topics=("opening hours",),
    )


async def test_a_lunch_break_and_a_day_off_are_told(desk: Desk) -> None:
    halves = ((time(8), time(12)), (time(13), time(17)))
    hours = tuple(
        Hours(weekday=day, opens=opens, closes=closes)
        for day in (0, 2, 3)
        for opens, closes in halves
    )

    told = await ask(with_facts(desk, hours=hours, closed={}), "hours")

    spans = "from eight in the morning to noon and from one in the afternoon to five in the evening"
    assert told.say == f"We're open Monday {spans}; and Wednesday and Thursday {spans}."


async def test_a_day_that_is_closed_tomorrow_is_told_so(desk: Desk) -> None:
    closed = {date(2026, 11, 23): "", date(2026, 11, 22): "stocktaking", date(2026, 11, 21): "x"}

    told = await ask(with_facts(desk, closed=closed), "hours")

    assert told.say.endswith("We're closed today for stocktaking. We're closed tomorrow, Monday.")


@pytest.mark.parametrize(
    ("topic", "begins"),
    [
        ("parking", "There is free parking behind the building."),
        ("where can I park", "There is free parking behind the building."),
        ("Address", "We're at forty-two Orchard Street"),
        ("credit card", "We take cash and all common cards"),
        ("services", "We offer check-up, cleaning, emergency visit, filling, and whitening"),
        ("staff", "You can see Maya Torres, Doctor Okafor, or Doctor Lindqvist."),
        ("insurance", "We accept Delta Dental, MetLife, Cigna, and Guardian."),
        ("filling", "A filling takes forty-five minutes, with Doctor Okafor or Doctor Lindqvist."),
        ("emergency", "An emergency visit takes thirty minutes, with Doctor Okafor or"),
    ],
)
async def test_what_was_entered_is_told(desk: Desk, topic: str, begins: str) -> None:
    told = await ask(desk, topic)

    assert isinstance(told, Told)
    assert told.say.startswith(begins)


async def test_two_topics_in_one_breath_are_both_told(desk: Desk) -> None:
    told = await ask(desk, "address and parking")

    assert told.topics == ("address", "parking")


async def test_a_fact_that_was_entered_goes_before_what_we_would_say(desk: Desk) -> None:
    [address] = [each for each in desk.office.facts.told if each.name == "address"]
    ours = msgspec.structs.replace(address, name="Insurance", also_called=(), say="Ask Maya.")

    told = await ask(with_facts(desk, told=(ours,)), "insurance")

    assert told.say == "Ask Maya."


async def test_what_nobody_entered_is_answered_with_what_there_is(desk: Desk) -> None:
    answer = await ask(desk, "the meaning of life")

    assert isinstance(answer, Unclear)
    assert "meaning" not in answer.say
    assert {"address", "parking", "opening hours", "services", "people"} <= set(answer.choices)


async def test_what_a_practice_has_none_of_is_no_topic(desk: Desk) -> None:
    bare = with_facts(desk, hours=(), services=(), providers=(), told=())

    answer = await ask(bare, "hours")

    assert isinstance(answer, Unclear)
    assert answer.choices == ("insurance",)
