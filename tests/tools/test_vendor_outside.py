"""Bookings at vendors, once each: the ledger and the mirror over their calendars, on bad days."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.vendor_calcom import KEY as CALCOM_KEY
from tests.tools.vendor_calcom import CalComServer
from tests.tools.vendor_cases import NOW, PHONE, TUESDAY
from tests.tools.vendor_nexhealth import KEY as NEXHEALTH_KEY
from tests.tools.vendor_nexhealth import NexHealthServer
from tests.tools.vendor_server import CUT, LOST, NONE, Request, says
from tools.calendars.asking import LANDS_WITHIN
from tools.calendars.became import Became
from tools.calendars.calcom import CalCom
from tools.calendars.calcom_messages import CalComConfig
from tools.calendars.nexhealth import NexHealth
from tools.calendars.nexhealth_messages import NexHealthConfig
from tools.calendars.outside import Outside
from tools.calendars.remote import Remote
from tools.entries import Entry
from tools.errors import Unavailable, Unsure
from tools.ledger import Ledger
from tools.practices import Practice, Practices, Provider
from tools.schedule import Appointment, Change, Made, Taken, Wanted

TORRES = Provider(id="hillside:torres", name="Maya Torres")
NAME = "Maria Lopez"


class Vendor:
    """One vendor's server, its calendar, and what a caller of the practice does there."""

    def __init__(self, kind: str, server: Any, engine: AsyncEngine) -> None:
        self.kind = kind
        self.server = server
        self.now = NOW
        self.ledger = Ledger(engine, now=lambda: self.now)
        self._practices = Practices(engine)
        self._jobs = count(1)
        self._asked = ""
        self.makes = ("POST", "/v2/bookings" if kind == "calcom" else "/appointments")
        self.lists = ("GET", self.makes[1])
        self.taken_as = "booked" if kind == "calcom" else "requested"

    def opened(self, client: httpx.AsyncClient, practice: Practice) -> Remote:
        def clock() -> float:
            return self.now.timestamp()

        if self.kind == "calcom":
            calcom = CalComConfig(
                key_env="KEY", event_types={"cleaning": {"torres": 11}}, url=self.server.url
            )
            return CalCom(calcom, client, practice, secret=CALCOM_KEY, now=clock)
        self.server.known("Maria", "Lopez", "2025550143")
        nexhealth = NexHealthConfig(
            key_env="KEY",
            subdomain="hillside",
            location_id=7,
            providers={"torres": 83},
            url=self.server.url,
        )
        return NexHealth(nexhealth, client, practice, secret=NEXHEALTH_KEY, now=clock)

    async def open(self, client: httpx.AsyncClient, engine: AsyncEngine) -> None:
        practice = await self._practices.practice("hillside")
        assert practice is not None
        self.practice = practice
        services = await self._practices.services(practice)
        self.cleaning = next(each for each in services if each.id == "hillside:cleaning")
        self.remote = self.opened(client, practice)
        self.outside = Outside(engine, self.remote, now=lambda: self.now)

    async def intend(self, tool: str, key: str, **arguments: str) -> Entry:
        entry = await self.ledger.intend(
            job_id=f"CA1:f{next(self._jobs)}",
            key=key,
            practice="hillside",
            call_sid="CA1",
            tool=tool,
            arguments=msgspec.json.encode(arguments).decode(),
            phone=PHONE,
            give_up_s=8.0,
        )
        self._asked = entry.id
        return entry

    async def book(self, start: datetime = TUESDAY) -> Made | Taken:
        entry = await self.intend("book_appointment", "book:1")
        wanted = Wanted(
            service=self.cleaning,
            start=start,
            patient_name=NAME,
            phone=PHONE,
            providers=(TORRES,),
            entry_id=entry.id,
            key=entry.key,
            call_sid="CA1",
        )
        return await self.outside.book(self.practice, wanted, may_write=lambda: None)

    async def made(self) -> Appointment:
        made = await self.book()
        assert isinstance(made, Made)
        return made.appointment

    async def change(self, appointment: Appointment, start: datetime | None) -> Change:
        tool = "reschedule_appointment" if start else "cancel_appointment"
        entry = await self.intend(tool, f"{tool}:{start}", appointment_id=appointment.id)
        return Change(
            appointment_id=appointment.id,
            phone=PHONE,
            start=start,
            entry_id=entry.id,
            key=entry.key,
            call_sid="CA1",
        )

    async def entry(self) -> Entry:
        """The row of what was asked for last."""
        entry = await self.ledger.entry(self._asked)
        assert entry is not None
        return entry

    async def became(self, *, after: timedelta = timedelta(seconds=6)) -> Became:
        """What a settler is told of it, some time later."""
        self.now += after
        return await self.outside.what_became_of(self.practice, await self.entry())

    async def free(self) -> list[datetime]:
        slots = await self.outside.free(
            self.practice,
            self.cleaning,
            [TORRES],
            first_day=TUESDAY.date(),
            last_day=TUESDAY.date(),
            call_sid="CA2",
        )
        return [slot.start.astimezone(UTC) for slot in slots]


@pytest.fixture(params=["calcom", "nexhealth"])
async def vendor(request: pytest.FixtureRequest, engine: AsyncEngine) -> AsyncIterator[Vendor]:
    server = CalComServer() if request.param == "calcom" else NexHealthServer()
    async with server, httpx.AsyncClient() as client:
        vendor = Vendor(request.param, server, engine)
        await vendor.open(client, engine)
        yield vendor


async def test_a_booking_is_made_there_and_known_here(vendor: Vendor) -> None:
    assert TUESDAY in await vendor.free()

    appointment = await vendor.made()

    assert (appointment.status, appointment.patient_name) == (vendor.taken_as, NAME)
    assert (await vendor.entry()).result == vendor.taken_as
    assert len(vendor.server.standing()) == 1
    assert TUESDAY not in await vendor.free()


async def test_the_same_again_is_the_same_booking(vendor: Vendor) -> None:
    first = await vendor.made()

    assert await vendor.made() == first
    assert vendor.server.count(*vendor.makes) == 1


async def test_a_lost_answer_is_looked_up_while_the_caller_waits(vendor: Vendor) -> None:
    vendor.server.fail(*vendor.makes, LOST)

    appointment = await vendor.made()

    assert appointment.status == vendor.taken_as
    assert vendor.server.count(*vendor.makes) == 1


async def test_what_nobody_could_look_up_is_found_out_later(vendor: Vendor) -> None:
    vendor.server.fail(*vendor.makes, LOST)
    vendor.server.fail(*vendor.lists, says(503))
    with pytest.raises(Unsure):
        await vendor.book()
    assert TUESDAY not in await vendor.free()

    became = await vendor.became()

    assert (became.state, became.result) == ("happened", vendor.taken_as)
    assert len(vendor.server.standing()) == 1


async def test_what_never_got_there_is_given_up_only_when_it_cannot_land_any_more(
    vendor: Vendor,
) -> None:
    vendor.server.fail(*vendor.makes, CUT)
    with pytest.raises(Unsure):
        await vendor.book()

    soon = await vendor.became()
    late = await vendor.became(after=LANDS_WITHIN)

    assert (soon.state, late.state) == ("open", "never")
    assert (await vendor.entry()).state == "void"
    assert TUESDAY in await vendor.free()
    assert vendor.server.standing() == []


async def test_after_a_refusal_for_haste_nothing_was_done_and_it_may_be_asked_again(
    vendor: Vendor,
) -> None:
    vendor.server.fail(*vendor.makes, says(429, retry_after="2"))
    with pytest.raises(Unavailable):
        await vendor.book()
    assert (await vendor.entry()).state == "intent"
    vendor.now += timedelta(seconds=2)

    await vendor.made()

    assert len(vendor.server.standing()) == 1


async def test_a_time_that_was_taken_there_in_between_is_taken(vendor: Vendor) -> None:
    refusal = {"code": False, "error": {"message": "the time is not available"}}
    vendor.server.fail(*vendor.makes, says(400, refusal))

    assert await vendor.book() == Taken()
    assert vendor.server.standing() == []


async def test_an_appointment_is_moved_and_cancelled_there(vendor: Vendor) -> None:
    appointment = await vendor.made()
    later = TUESDAY + timedelta(hours=1)

    change = await vendor.change(appointment, later)
    moved = await vendor.outside.move(vendor.practice, change, may_write=lambda: None)

    assert isinstance(moved, Made)
    assert moved.appointment.start == later
    assert len(vendor.server.standing()) == 1

    change = await vendor.change(moved.appointment, None)
    ended = await vendor.outside.cancel(vendor.practice, change, may_write=lambda: None)

    assert isinstance(ended, Made)
    assert ended.appointment.status == "cancelled"
    assert vendor.server.standing() == []


async def test_a_move_whose_answer_was_lost_is_found_out_later(vendor: Vendor) -> None:
    appointment = await vendor.made()
    later = TUESDAY + timedelta(hours=1)
    change = await vendor.change(appointment, later)
    method = "POST" if vendor.kind == "calcom" else "PATCH"
    [there] = vendor.server.standing()
    path = "/reschedule" if vendor.kind == "calcom" else f"/appointments/{there['id']}"
    vendor.server.fail(method, path, LOST)
    name = there.get("uid", there["id"])
    vendor.server.fail("GET", f"{vendor.makes[1]}/{name}", NONE, says(503))

    with pytest.raises(Unsure):
        await vendor.outside.move(vendor.practice, change, may_write=lambda: None)
    became = await vendor.became()

    assert became.state == "happened"
    assert became.appointment is not None
    assert became.appointment.start == later
    assert len(vendor.server.standing()) == 1


@pytest.mark.parametrize("vendor", ["calcom"], indirect=True)
async def test_what_the_practice_moved_itself_stands_here_as_it_stands_there(
    vendor: Vendor,
) -> None:
    await vendor.made()
    [there] = vendor.server.standing()
    later = TUESDAY + timedelta(hours=1)
    vendor.server.act(
        Request(
            "POST",
            f"/v2/bookings/{there['uid']}/reschedule",
            [],
            {"authorization": f"Bearer {CALCOM_KEY}"},
            {"start": later.isoformat()},
        )
    )
    vendor.now += LANDS_WITHIN

    [coming] = await vendor.outside.coming(vendor.practice, PHONE)

    assert (coming.start, coming.status) == (later, "booked")


@pytest.mark.parametrize("vendor", ["nexhealth"], indirect=True)
async def test_a_request_becomes_a_booking_when_the_practice_has_it(vendor: Vendor) -> None:
    await vendor.made()

    asked = await vendor.became()
    vendor.server.write()
    written = await vendor.became()

    assert (asked.state, asked.result) == ("happened", "requested")
    assert (written.state, written.result) == ("happened", "booked")


@pytest.mark.parametrize("vendor", ["nexhealth"], indirect=True)
@pytest.mark.parametrize("cancelled", [True, False])
async def test_a_request_that_is_never_written_comes_to_nothing(
    vendor: Vendor, cancelled: bool
) -> None:
    await vendor.made()
    [there] = vendor.server.standing()
    there["cancelled"] = cancelled
    after = timedelta(seconds=6) if cancelled else TUESDAY - vendor.now

    became = await vendor.became(after=after)

    assert became.state == "never"
    assert became.appointment is not None
