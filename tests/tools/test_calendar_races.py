"""Many at once, from several processes, and dying in the middle: never two owners of a time."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

from tests.tools.bookings import (
    PHONE,
    TUESDAY,
    at,
    booked,
    cancelling,
    intended,
    moving,
    must_agree,
    the,
    wanting,
)
from tests.tools.conftest import NOW
from tests.tools.desk import ANN, Desk
from tools.answers import Booked, SlotTaken
from tools.calendar import Calendar
from tools.catalog import Tries
from tools.database import open_engine
from tools.errors import Unavailable, Unsure
from tools.ledger import Ledger
from tools.office import Office, the_facts
from tools.patients import Patients
from tools.retries import within
from tools.schedule import Made, Taken

ROOT = Path(__file__).parents[2]
MANY, WORKERS, SLOTS = 200, 4, 10


@pytest.fixture
async def desks(database_url: str) -> AsyncIterator[list[Desk]]:
    """The same practice in several workers, each with its own connections."""
    engines = [open_engine(database_url) for _ in range(WORKERS)]
    desks = []
    for engine in engines:
        calendar = Calendar(engine, now=lambda: NOW)
        facts = await the_facts(calendar.practices, "hillside")
        office = Office(facts=facts, schedule=calendar, patients=Patients(engine))
        desks.append(Desk(office, Ledger(engine, now=lambda: NOW)))
    yield desks
    for engine in engines:
        await engine.dispose()


async def patiently(
    ask: Callable[[], Awaitable[Any]], slots: asyncio.Semaphore | None = None
) -> Any:
    """Ask as a worker does: when it has a slot, and again when the database is too busy.

    Nobody here is in a hurry.
    """
    async with slots or nullcontext():
        return await within(60.0, ask, tries=Tries(most=50, attempt_s=36.0))


async def test_two_hundred_want_one_time_one_gets_it_and_the_others_are_offered_others(
    desks: list[Desk], engine: AsyncEngine
) -> None:
    slots = [asyncio.Semaphore(SLOTS) for _ in desks]

    def ask(n: int) -> Awaitable[Any]:
        who = {"patient_name": f"Caller {n}", "provider": "Maya Torres"}
        desk, free = desks[n % WORKERS], slots[n % WORKERS]
        return patiently(lambda: desk.ask("book_appointment", call_sid=f"CA{n}", **ANN | who), free)

    answers = await asyncio.gather(*(ask(n) for n in range(MANY)))

    assert Counter(type(answer) for answer in answers) == {Booked: 1, SlotTaken: MANY - 1}
    assert all(answer.offers for answer in answers if isinstance(answer, SlotTaken))
    await must_agree(engine)


async def test_one_wish_under_many_ids_is_one_appointment(
    desks: list[Desk], calendar: Calendar, engine: AsyncEngine
) -> None:
    def ask(n: int) -> Awaitable[Any]:
        desk = desks[n % WORKERS]
        return patiently(lambda: desk.ask("book_appointment", call_sid=f"CA{n % 5}", **ANN))

    answers = await asyncio.gather(*(ask(n) for n in range(40)))

    practice, _ = await the(calendar, "cleaning")
    [made] = await calendar.coming(practice, PHONE)
    assert {answer.appointment_id for answer in answers} == {made.id}
    await must_agree(engine)


async def test_of_several_who_move_to_one_time_one_gets_there_and_the_others_stay(
    desks: list[Desk], calendar: Calendar, engine: AsyncEngine
) -> None:
    practice, _ = await the(calendar, "cleaning")
    clocks = ("08:00", "08:30", "09:00", "09:30", "10:00", "10:30")
    standing = [
        await booked(calendar, await wanting(calendar, f"P {n}", at(TUESDAY, clock)))
        for n, clock in enumerate(clocks)
    ]
    target = at(TUESDAY, "14:00")

    became = await asyncio.gather(
        *(
            patiently(
                lambda n=n, each=each: desks[n % WORKERS].office.schedule.move(
                    practice, moving(each, target), may_write=lambda: None
                )
            )
            for n, each in enumerate(standing)
        )
    )

    moved = [each.appointment.id for each in became if isinstance(each, Made)]
    after = await calendar.coming(practice, PHONE)
    assert len(moved) == 1
    assert [each.id for each in after if each.start == target] == moved
    assert {each.id for each in after} == {each.id for each in standing}
    assert sorted(each.start for each in after if each.id not in moved) == sorted(
        each.start for each in standing if each.id not in moved
    )
    await must_agree(engine)


async def test_moved_and_cancelled_at_once_it_ends_as_one_of_them(
    desks: list[Desk], calendar: Calendar, engine: AsyncEngine
) -> None:
    practice, _ = await the(calendar, "cleaning")
    for round_ in range(5):
        standing = await booked(
            calendar, await wanting(calendar, f"P {round_}", at(TUESDAY, "09:30"))
        )
        one, other = (desk.office.schedule for desk in desks[:2])
        await asyncio.gather(
            patiently(
                lambda one=one, it=standing: one.move(
                    practice, moving(it, at(TUESDAY, "15:00")), may_write=lambda: None
                )
            ),
            patiently(
                lambda other=other, it=standing: other.cancel(
                    practice, cancelling(it), may_write=lambda: None
                )
            ),
        )
        after = await calendar.appointment(practice, standing.id)
        assert after is not None
        assert after.status == "cancelled"  # moved first or not at all: nothing brings it back
    await must_agree(engine)


async def test_a_request_repeated_while_its_appointment_moves_on_waits_for_nobody_who_waits_for_it(
    desks: list[Desk], calendar: Calendar, ledger: Ledger, engine: AsyncEngine
) -> None:
    practice, _ = await the(calendar, "cleaning")
    one, other = (desk.office.schedule for desk in desks[:2])
    for clock in ("09:30", "10:30", "11:30", "13:30", "14:30", "15:30"):
        wanted = await wanting(
            calendar,
            "Ann Lee",
            at(TUESDAY, clock),
            key=clock,
            entry_id=await intended(ledger, clock),
        )
        it = await booked(calendar, wanted)
        to = moving(
            it,
            it.start + timedelta(days=1),
            entry_id=await intended(ledger, f"move:{it.id}"),
        )
        became = await asyncio.gather(
            *(one.book(practice, wanted, may_write=lambda: None) for _ in range(5)),
            other.move(practice, to, may_write=lambda: None),
        )
        assert {each.appointment.id for each in became if isinstance(each, Made)} == {it.id}
        assert Taken() not in became
    await must_agree(engine)


RACER = """
import asyncio, json, random, sys
from datetime import datetime, timedelta
from tools.calendar import Calendar
from tools.database import open_engine
from tools.ledger import Ledger
from tools.schedule import Made, Wanted

async def main(url, process, now):
    engine = open_engine(url)
    clock = lambda: datetime.fromisoformat(now)
    calendar, ledger = Calendar(engine, now=clock), Ledger(engine, now=clock)
    practice = await calendar.practices.practice("hillside")
    services = {s.name: s for s in await calendar.practices.services(practice)}
    roll = random.Random(process)
    made = refused = 0
    for n in range(15):
        service = services[roll.choice(["cleaning", "check-up", "filling"])]
        start = datetime.fromisoformat("2026-12-01T09:00:00-05:00")
        start += timedelta(minutes=15 * roll.randrange(12))
        key = f"race:{process}:{n}"
        entry = await ledger.intend(
            job_id=key, key=key, practice=practice.id, call_sid="RACE", tool="book_appointment",
            arguments="{}", phone="", give_up_s=60.0,
        )
        wanted = Wanted(
            service=service, start=start, patient_name=f"Racer {process} {n}",
            phone="+15550100199", key=key, call_sid="RACE", entry_id=entry.id,
            providers=tuple(await calendar.practices.providers(practice, service)),
        )
        if isinstance(await calendar.book(practice, wanted), Made):
            made += 1
        else:
            refused += 1
    await engine.dispose()
    print(json.dumps([made, refused]))

asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
"""


async def test_several_processes_never_book_one_provider_twice(
    database_url: str, calendar: Calendar, engine: AsyncEngine
) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, database_url, str(n), NOW.isoformat()],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for n in range(3)
    ]
    counts = [json.loads(racer.communicate()[0]) for racer in racers]

    practice, _ = await the(calendar, "cleaning")
    made = await calendar.appointments(practice, call_sid="RACE")
    assert len(made) == sum(booked for booked, _ in counts)
    assert sum(refused for _, refused in counts) > 0
    for one, other in combinations(made, 2):
        apart = one.end <= other.start or other.end <= one.start
        assert apart or one.provider != other.provider
    await must_agree(engine)


DIES = """
import asyncio, json, os, sys
from datetime import datetime, timedelta
from sqlalchemy import event
from tools.calendar import Calendar
from tools.database import open_engine
from tools.ledger import Ledger
from tools.schedule import Change, Wanted

PHONE = "+15550100122"

async def life(url, now, kind, dies_at):
    '''Do one thing; die before the write (or the commit) of that number.'''
    engine = open_engine(url)
    clock = lambda: datetime.fromisoformat(now)
    calendar, ledger = Calendar(engine, now=clock), Ledger(engine, now=clock)
    practice = await calendar.practices.practice("hillside")
    [service] = [s for s in await calendar.practices.services(practice) if s.name == "cleaning"]
    providers = tuple(await calendar.practices.providers(practice, service))
    first, second = (datetime.fromisoformat(f"2026-12-0{day}T09:30-05:00") for day in (1, 2))
    entry = await ledger.intend(
        job_id=f"CA1:{kind}", key=kind, practice="hillside", call_sid="CA1",
        tool="book_appointment", arguments="{}", phone=PHONE, give_up_s=60.0,
    )
    counted = 0
    def count():
        nonlocal counted
        counted += 1
        if counted == dies_at:
            os._exit(9)
    def writes(_connection, _cursor, statement, *_):
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            count()
    def commits(_connection):
        if counted:
            count()
    event.listen(engine.sync_engine, "before_cursor_execute", writes)
    event.listen(engine.sync_engine, "commit", commits)
    if kind == "book":
        wanted = Wanted(
            service=service, start=first, patient_name="Ann Lee", phone=PHONE, key=kind,
            providers=providers, call_sid="CA1", entry_id=entry.id,
        )
        await calendar.book(practice, wanted)
    else:
        [it] = await calendar.coming(practice, PHONE)
        start = second if kind == "move" else None
        change = Change(
            appointment_id=it.id, phone=PHONE, start=start, key=kind, call_sid="CA1",
            entry_id=entry.id,
        )
        await (calendar.cancel if kind == "cancel" else calendar.move)(practice, change)
    await engine.dispose()

async def seen(url, now):
    engine = open_engine(url)
    calendar = Calendar(engine, now=lambda: datetime.fromisoformat(now))
    ledger = Ledger(engine, now=calendar._now)
    practice = await calendar.practices.practice("hillside")
    async with engine.connect() as connection:
        ask = connection.exec_driver_sql
        cells = (await ask(
            "select count(*) from cells c join appointments a on a.id = c.appointment_id "
            "where a.call_sid = 'CA1'"
        )).scalar_one()
        texts = (await ask("select count(*) from outbox")).scalar_one()
    coming = await calendar.coming(practice, PHONE)
    entries = [await ledger.of_job(f"CA1:{kind}") for kind in ("book", "move", "cancel")]
    await engine.dispose()
    return [
        [f"{each.start:%d}" for each in coming], cells, texts,
        [entry.state for entry in entries if entry],
    ]

def in_child(work):
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(work)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    work.close()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

url, now = sys.argv[1:]
for kind in ("book", "move", "cancel"):
    dies_at, code = 0, 9
    while code == 9:
        dies_at += 1
        code = in_child(life(url, now, kind, dies_at))
        print(json.dumps([kind, code, asyncio.run(seen(url, now))]), flush=True)
"""


def test_who_dies_between_two_statements_leaves_nothing_half_done(database_url: str) -> None:
    engine = open_engine(database_url)

    async def with_texts() -> None:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("update practices set texts_from = '+15550100000'")
        await engine.dispose()

    asyncio.run(with_texts())
    lives = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            DIES,
            database_url,
            NOW.isoformat(),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert lives.stderr == ""
    seen = [json.loads(line) for line in lives.stdout.splitlines()]

    before = {
        "book": [[], 0, 0, ["intent"]],
        "move": [["01"], 2, 1, ["done", "intent"]],
        "cancel": [["02"], 2, 2, ["done", "done", "intent"]],
    }
    after = {
        "book": [["01"], 2, 1, ["done"]],
        "move": [["02"], 2, 2, ["done", "done"]],
        "cancel": [[], 0, 3, ["done", "done", "done"]],
    }
    for kind in before:
        died = [found for what, code, found in seen if what == kind and code == 9]
        assert len(died) >= 5  # before each of so many writes
        assert all(found == before[kind] for found in died)
        assert [found for what, code, found in seen if what == kind and code == 0] == [after[kind]]


class CutLine:
    """Cuts a Postgres connection at a booking's commit, before the server has it or after."""

    def __init__(self, engine: AsyncEngine, *, after: bool) -> None:
        self._after = after

        self._books = False
        event.listen(engine.sync_engine, "before_cursor_execute", self._look)
        event.listen(engine.sync_engine, "commit", self._cut)

    def _look(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        self._books = self._books or statement.startswith("INSERT INTO cells")

    def _cut(self, connection: Any) -> None:
        if not self._books:
            return
        self._books = False
        driver = connection.connection.dbapi_connection.driver_connection
        if self._after:
            await_only(driver.execute("COMMIT"))
        driver.terminate()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_line_cut_at_the_commit_leaves_doubt_that_the_ledger_clears(
    database_url: str, calendar: Calendar, ledger: Ledger, engine: AsyncEngine, after: bool
) -> None:
    practice, _ = await the(calendar, "cleaning")
    entry_id = await intended(ledger, "book:ann")
    wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"), entry_id=entry_id)
    CutLine(engine, after=after)
    another = open_engine(database_url)

    with pytest.raises(Unsure):
        await calendar.book(practice, wanted)
    entry = await ledger.entry(entry_id)
    again = await Calendar(another, now=lambda: NOW).book(practice, wanted)

    assert entry is not None
    assert entry.state == ("done" if after else "intent")
    assert isinstance(again, Made)
    assert len(await calendar.coming(practice, PHONE)) == 1
    await another.dispose()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_line_cut_before_the_commit_is_told_as_nothing_done(
    database_url: str, calendar: Calendar, ledger: Ledger, engine: AsyncEngine
) -> None:
    practice, _ = await the(calendar, "cleaning")
    entry_id = await intended(ledger, "book:ann")
    wanted = await wanting(calendar, "Ann Lee", at(TUESDAY, "09:30"), entry_id=entry_id)

    def cut(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO cells"):
            connection.connection.dbapi_connection.driver_connection.terminate()

    event.listen(engine.sync_engine, "before_cursor_execute", cut)
    with pytest.raises(Unavailable):
        await calendar.book(practice, wanted)
    event.remove(engine.sync_engine, "before_cursor_execute", cut)

    assert await calendar.coming(practice, PHONE) == []
    assert isinstance(await calendar.book(practice, wanted), Made)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_frozen_process_does_not_keep_its_locks(
    database_url: str, ledger: Ledger, engine: AsyncEngine
) -> None:
    entry_id = await intended(ledger, "book:ann")

    async def book() -> None:
        async with ledger.claimed(entry_id) as claim:
            await claim.done("booked", "a1")

    async def freeze() -> None:
        async with ledger.claimed(entry_id) as claim:
            await patiently(book)  # meanwhile this transaction stands still
            await claim.done("booked", "the frozen one's")

    with pytest.raises(Unavailable):
        await freeze()

    entry = await ledger.entry(entry_id)
    assert entry is not None
    assert entry.made_id == "a1"
