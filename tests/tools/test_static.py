import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.desk import Desk
from tools import tables
from tools.database import fetch
from tools.errors import Unavailable
from tools.practices import Practices
from tools.static import Counted, Static


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Shelf:
    """Something to load from, which counts and can be made to wait or to fail."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {"a": "first"}
        self.asked: list[str] = []
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.away = False

    async def load(self, name: str) -> str | None:
        self.asked.append(name)
        self.begun.set()
        await self.open.wait()
        self.ended.set()
        if self.away:
            raise Unavailable("Away.")
        return self.values.get(name)


async def test_a_value_is_loaded_once_and_again_when_it_is_old() -> None:
    shelf, clock = Shelf(), Clock()
    static = Static(shelf.load, most_age_s=60.0, clock=clock)

    assert await static.of("a") == "first"
    shelf.values["a"] = "second"
    clock.at += 59.9
    assert await static.of("a") == "first"
    clock.at += 0.2
    assert await static.of("a") == "second"

    assert shelf.asked == ["a", "a"]
    assert static.counted == Counted(hits=1, misses=2)


async def test_it_is_as_old_as_the_question_and_not_as_the_answer() -> None:
    shelf, clock = Shelf(), Clock()
    static = Static(shelf.load, most_age_s=60.0, clock=clock)
    shelf.open.clear()
    asking = asyncio.create_task(static.of("a"))
    await shelf.begun.wait()
    clock.at += 61.0
    shelf.open.set()

    assert await asking == "first"
    await static.of("a")

    assert shelf.asked == ["a", "a"]


async def test_however_many_ask_at_once_it_is_loaded_once() -> None:
    shelf = Shelf()
    static = Static(shelf.load)
    shelf.open.clear()
    asking = [asyncio.create_task(static.of("a")) for _ in range(50)]
    await shelf.begun.wait()
    asking.pop().cancel()  # one who gives up stops nobody else's waiting
    shelf.open.set()

    assert set(await asyncio.gather(*asking)) == {"first"}
    assert shelf.asked == ["a"]
    assert static.counted == Counted(hits=0, misses=50)


async def test_names_do_not_wait_for_one_another() -> None:
    shelf = Shelf()
    shelf.values["b"] = "other"
    static = Static(shelf.load)

    assert await asyncio.gather(static.of("a"), static.of("b")) == ["first", "other"]


async def test_nothing_and_a_failure_are_not_remembered() -> None:
    shelf = Shelf()
    static = Static(shelf.load)

    assert await static.of("new") is None
    shelf.values["new"] = "entered"
    assert await static.of("new") == "entered"
    shelf.away = True
    with pytest.raises(Unavailable):
        await static.of("a")
    shelf.away = False

    assert await static.of("a") == "first"


async def test_what_is_gone_is_forgotten() -> None:
    shelf, clock = Shelf(), Clock()
    static = Static(shelf.load, most_age_s=60.0, clock=clock)
    await static.of("a")
    del shelf.values["a"]
    clock.at += 61.0

    assert await static.of("a") is None
    assert await static.of("a") is None


async def test_a_failure_that_nobody_waits_for_any_more_harms_nobody() -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    shelf = Shelf()
    static = Static(shelf.load)
    shelf.open.clear()
    asking = asyncio.create_task(static.of("a"))
    await shelf.begun.wait()
    asking.cancel()
    shelf.away = True
    shelf.open.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await shelf.ended.wait()
    shelf.away = False

    assert await static.of("a") == "first"
    assert complaints == []


# --- what is entered for a practice ------------------------------------------------------------


@pytest.fixture
async def statements(engine: AsyncEngine) -> AsyncIterator[list[str]]:
    """What is asked of the database from now on."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
            asked.append(" ".join(statement.split()))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine.sync_engine, "before_cursor_execute", note)


async def test_free_times_cost_one_question_once_the_facts_are_at_hand(
    desk: Desk, statements: list[str]
) -> None:
    office = desk.office
    [service] = [each for each in office.facts.services if each.name == "cleaning"]
    providers = office.facts.who_does(service)
    today = office.today()

    slots = await office.schedule.free(
        office.practice, service, providers, first_day=today, last_day=today.replace(day=30)
    )

    assert slots
    assert len(statements) == 1
    assert " cells" in statements[0]


async def test_facts_are_read_from_what_was_entered_and_hold_nothing_of_a_patient(
    engine: AsyncEngine, statements: list[str]
) -> None:
    practices = Practices(engine)

    facts = await practices.facts_of("hillside")

    assert facts is not None
    read = {table for table in tables.metadata.tables if any(f" {table}" in s for s in statements)}
    assert read == {
        *("practices", "opening_hours", "closed_days", "services", "providers"),
        *("provider_services", "provider_hours", "insurers", "facts"),
    }
    people = await fetch(engine, select(tables.patients.c.name, tables.patients.c.phone))
    told = repr(msgspec.structs.asdict(facts))
    assert people
    assert not [row.name for row in people if row.name in told or row.phone in told]


async def test_a_call_later_nothing_is_asked_again(
    engine: AsyncEngine, statements: list[str]
) -> None:
    practices = Practices(engine)
    practice = await practices.practice("hillside")
    assert practice is not None
    asked = len(statements)

    services = await practices.services(practice)
    await practices.providers(practice, services[0])

    assert len(statements) == asked
    assert practices.counted == Counted(hits=2, misses=1)


async def test_a_practice_says_which_calendar_it_keeps_and_where_its_texts_come_from(
    engine: AsyncEngine,
) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(tables.practices).values(calendar='{"kind":"x"}'))

    practice = await Practices(engine).practice("hillside")

    assert practice is not None
    assert (practice.calendar, practice.texts_from) == ('{"kind":"x"}', "+15550100200")
