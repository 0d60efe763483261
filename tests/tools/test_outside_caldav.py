"""The tools of a practice that keeps its calendar on a real CalDAV server."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.cutting_proxy import BREAK_OFF, LOSE, CuttingProxy
from tests.tools.desk import ANN, NOW, Desk
from tests.tools.elsewhere import PATIENT
from tests.tools.radicale_server import PASSWORD, Radicale, config_of
from tools.answers import Booked, Cancelled, Moved, SlotTaken
from tools.calendar import Calendar
from tools.calendars.outside import Outside
from tools.calendars.schedules import Schedules
from tools.errors import Unavailable, Unsure
from tools.ledger import Ledger
from tools.office import Office, the_facts
from tools.patients import Patients
from tools.practices import Practice
from tools.schedule import Grade

SECRETS = {"HILLSIDE_CALDAV": PASSWORD}
FIRST = "holdfast-20261201T143000Z.ics"


@pytest.fixture
def database_url(seeded_sqlite: Path, tmp_path: Path) -> str:
    """One database will do here."""
    copy = tmp_path / "holdfast.db"
    shutil.copy(seeded_sqlite, copy)
    return f"sqlite:///{copy}"


@pytest.fixture
async def proxy(radicale: Radicale) -> AsyncIterator[CuttingProxy]:
    async with CuttingProxy(radicale.port).listening() as proxy:
        yield proxy


class Kept:
    """Who keeps which calendar."""

    def __init__(self, radicale: Radicale) -> None:
        self.server = radicale
        self.torres = radicale.new_calendar()
        self.okafor = radicale.new_calendar()
        self.config = config_of(radicale, torres=self.torres, okafor=self.okafor)

    @property
    def names(self) -> list[str]:
        """What stands there, whoever is to be come to."""
        return sorted([*self.server.names(self.torres), *self.server.names(self.okafor)])


@pytest.fixture
def kept(radicale: Radicale) -> Kept:
    return Kept(radicale)


@pytest.fixture
async def schedules(engine: AsyncEngine, calendar: Calendar) -> AsyncIterator[Schedules]:
    schedules = Schedules(engine, calendar, SECRETS, now=lambda: NOW, limits=PATIENT)
    yield schedules
    await schedules.close()


def keeping(practice: Practice, config: dict[str, Any]) -> Practice:
    return msgspec.structs.replace(practice, calendar=msgspec.json.encode(config).decode())


@pytest.fixture
async def elsewhere(
    engine: AsyncEngine,
    ledger: Ledger,
    calendar: Calendar,
    schedules: Schedules,
    kept: Kept,
    proxy: CuttingProxy,
) -> Desk:
    """The tools of the demo practice, its calendar behind the proxy."""
    facts = await the_facts(calendar.practices, "hillside")
    url = kept.config["url"].replace(kept.server.url, proxy.url)
    practice = keeping(facts.practice, kept.config | {"url": url})
    facts = msgspec.structs.replace(facts, practice=practice)
    schedule = schedules.of(practice)
    return Desk(Office(facts=facts, schedule=schedule, patients=Patients(engine)), ledger)


async def test_a_caller_books_moves_and_cancels_and_it_stands_there_each_time(
    elsewhere: Desk, kept: Kept
) -> None:
    booked = await elsewhere.ask("book_appointment", **ANN)
    assert isinstance(booked, Booked)
    assert kept.names == [FIRST]
    again = await elsewhere.ask("book_appointment", **ANN)
    assert again == booked

    change = {"appointment_id": booked.appointment_id, "phone": ANN["phone"]}
    moved = await elsewhere.ask("reschedule_appointment", **change, new_start="2026-12-02T10:00")
    assert isinstance(moved, Moved)
    assert kept.names == ["holdfast-20261202T150000Z.ics"]

    cancelled = await elsewhere.ask("cancel_appointment", **change)
    assert isinstance(cancelled, Cancelled)
    assert kept.names == []
    rebooked = await elsewhere.ask("book_appointment", **ANN)
    assert isinstance(rebooked, Booked)
    assert rebooked.appointment_id != booked.appointment_id


async def test_what_the_practice_entered_is_not_offered_and_not_booked_over(
    elsewhere: Desk, kept: Kept
) -> None:
    for calendar in (kept.torres, kept.okafor):
        kept.server.put_event(
            calendar, "closed", "DTSTART;VALUE=DATE:20261201", "RRULE:FREQ=WEEKLY;COUNT=2"
        )

    offered = await elsewhere.ask(
        "find_slots", service="cleaning", from_day="2026-12-01", to_day="2026-12-10"
    )
    became = await elsewhere.ask("book_appointment", **ANN)

    assert all(not each.start.startswith(("2026-12-01", "2026-12-08")) for each in offered.offers)
    assert offered.offers
    assert isinstance(became, SlotTaken)
    assert kept.names == ["closed.ics", "closed.ics"]


async def test_what_the_practice_moved_itself_is_told_as_it_stands_there(
    elsewhere: Desk, kept: Kept
) -> None:
    await elsewhere.ask("book_appointment", **ANN)
    text = kept.server.ask("GET", f"{kept.torres}/{FIRST}").text.replace("\r", "")
    text = text.replace("T143000Z", "T190000Z").replace("T150000Z", "T193000Z")
    assert kept.server.ask("PUT", f"{kept.torres}/{FIRST}", text).is_success

    found = await elsewhere.ask("lookup_appointment", phone=ANN["phone"])

    assert [each.start for each in found.appointments] == ["2026-12-01T14:00-05:00"]
    assert isinstance(
        await elsewhere.ask("book_appointment", **ANN | {"patient_name": "Bo"}), Booked
    )


async def test_a_lost_answer_is_found_out_within_the_same_request(
    elsewhere: Desk, kept: Kept, proxy: CuttingProxy
) -> None:
    proxy.faults["PUT"] = [LOSE]

    assert isinstance(await elsewhere.ask("book_appointment", **ANN), Booked)
    assert proxy.asked.count("PUT") == 2
    assert kept.names == [FIRST]


async def test_what_nobody_knows_is_a_doubt_and_then_found_out(
    elsewhere: Desk, kept: Kept, proxy: CuttingProxy
) -> None:
    proxy.faults["PUT"] = [LOSE, BREAK_OFF]

    with pytest.raises(Unsure):
        await elsewhere.ask("book_appointment", **ANN)
    [entry] = [await elsewhere.ledger.of_job("CA1:call_0")]
    assert entry is not None
    schedule = elsewhere.office.schedule
    assert isinstance(schedule, Outside)
    lapsed = msgspec.structs.replace(entry, claim_utc=NOW)
    became = await schedule.what_became_of(elsewhere.office.practice, lapsed)

    assert (became.state, became.result) == ("happened", "booked")
    assert isinstance(await elsewhere.ask("book_appointment", **ANN), Booked)
    assert kept.names == [FIRST]


async def test_of_eight_callers_for_one_time_two_are_booked_with_somebody_each(
    elsewhere: Desk, kept: Kept
) -> None:
    became = await asyncio.gather(
        *(
            elsewhere.ask(
                "book_appointment", call_sid=f"CA{n}", **ANN | {"patient_name": f"Caller {n}"}
            )
            for n in range(8)
        )
    )

    booked = [each for each in became if isinstance(each, Booked)]
    assert sorted(each.provider for each in booked) == ["Doctor Okafor", "Maya Torres"]
    assert sum(isinstance(each, SlotTaken) for each in became) == 6
    assert kept.names == [FIRST, FIRST]


async def test_a_practice_without_a_calendar_elsewhere_keeps_ours(
    schedules: Schedules, calendar: Calendar, office: Office
) -> None:
    assert schedules.of(office.practice) is calendar


async def test_a_calendar_is_opened_once_until_its_set_up_changes(
    schedules: Schedules, office: Office, kept: Kept
) -> None:
    practice = keeping(office.practice, kept.config)
    other = keeping(office.practice, kept.config | {"calendars": {"torres": "elsewhere/"}})

    first = schedules.of(practice)

    assert schedules.of(practice) is first
    assert schedules.of(other) is not first
    assert first.grade is Grade.KEY


@pytest.mark.parametrize("change", [{"kind": "pigeons"}, {"password_env": "NOT_SET"}])
async def test_a_calendar_that_is_set_up_wrongly_is_unavailable_and_does_nothing(
    schedules: Schedules,
    ledger: Ledger,
    engine: AsyncEngine,
    office: Office,
    kept: Kept,
    change: dict[str, str],
) -> None:
    practice = keeping(office.practice, kept.config | change)
    facts = msgspec.structs.replace(office.facts, practice=practice)
    schedule = schedules.of(practice)
    desk = Desk(Office(facts=facts, schedule=schedule, patients=Patients(engine)), ledger)

    for name, arguments in {
        "find_slots": {"service": "cleaning", "from_day": "2026-12-01"},
        "lookup_appointment": {"phone": ANN["phone"]},
        "book_appointment": ANN,
    }.items():
        with pytest.raises(Unavailable, match="set up wrongly"):
            await desk.ask(name, **arguments)
    assert kept.names == []


async def test_nobody_waits_long_for_a_server_that_is_not_there(
    elsewhere: Desk, kept: Kept, proxy: CuttingProxy
) -> None:
    proxy.faults["REPORT"] = [BREAK_OFF] * 20

    with pytest.raises(Unavailable, match="caldav: RemoteProtocolError"):
        await elsewhere.ask("book_appointment", **ANN)
    assert kept.names == []
