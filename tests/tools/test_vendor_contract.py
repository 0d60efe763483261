"""What is sent to vendors is what their descriptions allow; our servers answer as these say."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from tests.tools.vendor_calcom import KEY as CALCOM_KEY
from tests.tools.vendor_calcom import CalComServer
from tests.tools.vendor_cases import (
    CLEANING,
    NOW,
    PHONE,
    PRACTICE,
    REYES,
    SHAH,
    TUESDAY,
    at,
    booking,
)
from tests.tools.vendor_contract import Contract, contract
from tests.tools.vendor_nexhealth import KEY as NEXHEALTH_KEY
from tests.tools.vendor_nexhealth import NexHealthServer
from tools.calendars.calcom import CalCom
from tools.calendars.calcom_messages import CalComConfig
from tools.calendars.nexhealth import NexHealth
from tools.calendars.nexhealth_messages import NewPatients, NexHealthConfig
from tools.calendars.remote import Gone, Remote, RemoteMade
from tools.schedule import Taken

SLOTS = ("get", "/v2/slots")
EVENT_TYPE = ("get", "/v2/event-types/{eventTypeId}")


@pytest.fixture(scope="session")
def calcom_file() -> Contract:
    # Its slots are a map of days, where its own example has that map under ``data``; and an event
    # type that does not recur has a ``recurrence`` of null, which it allows and forbids.
    return contract("calcom-openapi.json", unread=(SLOTS, EVENT_TYPE))


@pytest.fixture(scope="session")
def nexhealth_file() -> Contract:
    return contract("nexhealth-openapi.json")


@pytest.fixture
async def calcom_server(calcom_file: Contract) -> AsyncIterator[CalComServer]:
    async with CalComServer() as server:
        yield server


@pytest.fixture
async def nexhealth_server(nexhealth_file: Contract) -> AsyncIterator[NexHealthServer]:
    async with NexHealthServer() as server:
        yield server


async def walk(remote: Remote) -> None:
    """Everything a calendar can be asked, each with the answers it has."""
    await remote.health()
    times = await remote.times(
        CLEANING, [SHAH, REYES], start=at(14), end=at(14) + timedelta(days=20)
    )
    assert times[SHAH.id].starts
    wanted = booking()
    first = await remote.create(wanted)
    assert isinstance(first, RemoteMade)
    assert await remote.look_up(wanted) == first
    assert await remote.read(first.external_ref) == first
    assert await remote.read("4711") is None
    assert await remote.create(booking()) == Taken()

    moved = await remote.move(first.external_ref, booking(at(16)))
    assert isinstance(moved, RemoteMade)
    over = booking(at(16, 30), provider=REYES)
    other = await remote.move(moved.external_ref, over)
    assert isinstance(other, RemoteMade)
    assert await remote.look_up(over, external_ref=moved.external_ref) == other
    known = [first.external_ref, other.external_ref, "4711"]
    found = await remote.find(PHONE, known=known, since=at(9))
    assert other.external_ref in [each.external_ref for each in found]

    await remote.cancel(other.external_ref)
    await remote.cancel(other.external_ref)
    assert await remote.move(other.external_ref, booking(at(14, 30))) == Gone()


async def test_calcom_is_asked_as_its_description_says(
    calcom_file: Contract, calcom_server: CalComServer
) -> None:
    config = CalComConfig(
        key_env="CALCOM_KEY",
        event_types={"cleaning": {"shah": 11, "reyes": 12}},
        url=calcom_server.url,
        attendee_email="desk@hillside.example",
    )
    calcom_file.seen.clear()

    async with httpx.AsyncClient(transport=calcom_file.transport()) as client:
        await walk(CalCom(config, client, PRACTICE, secret=CALCOM_KEY, now=NOW.timestamp))

    assert calcom_file.seen == {
        ("get", "/v2/me"),
        EVENT_TYPE,
        SLOTS,
        ("post", "/v2/bookings"),
        ("get", "/v2/bookings"),
        ("get", "/v2/bookings/{bookingUid}"),
        ("post", "/v2/bookings/{bookingUid}/reschedule"),
        ("post", "/v2/bookings/{bookingUid}/cancel"),
    }


@pytest.mark.parametrize(
    "how",
    [
        {
            "new_patients": NewPatients(
                email="desk@hillside.example", date_of_birth=date(1900, 1, 1)
            )
        },
        {"appointment_types": {"cleaning": 27}, "operatories": {"shah": 54, "reyes": 55}},
    ],
)
async def test_nexhealth_is_asked_as_its_description_says(
    nexhealth_file: Contract, nexhealth_server: NexHealthServer, how: dict[str, Any]
) -> None:
    config = NexHealthConfig(
        key_env="NEXHEALTH_KEY",
        subdomain="hillside",
        location_id=7,
        providers={"shah": 83, "reyes": 84},
        url=nexhealth_server.url,
        **how,
    )
    if "new_patients" not in how:
        nexhealth_server.known("Maria", "Lopez", "2025550143")
    nexhealth_file.seen.clear()

    async with httpx.AsyncClient(transport=nexhealth_file.transport()) as client:
        await walk(NexHealth(config, client, PRACTICE, secret=NEXHEALTH_KEY, now=NOW.timestamp))

    entering = {("post", "/patients")} if "new_patients" in how else set()
    assert nexhealth_file.seen == entering | {
        ("post", "/authenticates"),
        ("get", "/locations/{id}"),
        ("get", "/sync_status"),
        ("get", "/available_slots"),
        ("get", "/patients"),
        ("get", "/appointments"),
        ("post", "/appointments"),
        ("get", "/appointments/{id}"),
        ("patch", "/appointments/{id}"),
    }


def _asks(method: str, path: str, **how: Any) -> httpx.Request:
    headers = {"cal-api-version": "2024-08-13", "Nex-Api-Version": "v3.0.0"}
    headers |= {"Authorization": "Bearer x"} | how.pop("headers", {})
    return httpx.Request(method, f"http://127.0.0.1{path}", headers=headers, **how)


ATTENDEE = {"name": "Maria Lopez", "timeZone": "America/New_York"}


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (_asks("GET", "/v2/slot"), "there is no"),
        (_asks("GET", "/v2/slots", params={"start": "2026-12-01"}), "end"),
        (
            _asks("GET", "/v2/bookings", params={"afterstart": "2026-12-01"}),
            "no parameter is called {'afterstart'}",
        ),
        (_asks("POST", "/v2/bookings", json={"start": 1, "attendee": ATTENDEE}), "Request body"),
        (_asks("POST", "/v2/bookings", json={"attendee": ATTENDEE}), "Request body"),
        (
            _asks(
                "POST",
                "/v2/bookings",
                json={"start": "2026-12-01T15:00:00Z", "attendee": ATTENDEE | {"phone": PHONE}},
            ),
            "nothing is called {'body.attendee.phone'}",
        ),
    ],
)
def test_a_request_that_breaks_calcoms_description_is_seen(
    calcom_file: Contract, request_: httpx.Request, why: str
) -> None:
    with pytest.raises(AssertionError) as error:
        calcom_file.check_request(request_)

    assert why in str(error.value)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (_asks("GET", "/appointments/x", params={"subdomain": "hillside"}), "id"),
        (_asks("GET", "/patients", params={"subdomain": "hillside"}), "location_id"),
        (
            _asks(
                "PATCH",
                "/appointments/1",
                params={"subdomain": "hillside"},
                json={"appt": {"canceled": True}},
            ),
            "nothing is called {'body.appt.canceled'}",
        ),
        (
            _asks(
                "PATCH",
                "/appointments/1",
                params={"subdomain": "hillside"},
                json={"appt": {"cancelled": "yes"}},
            ),
            "Request body",
        ),
    ],
)
def test_a_request_that_breaks_nexhealths_description_is_seen(
    nexhealth_file: Contract, request_: httpx.Request, why: str
) -> None:
    with pytest.raises(AssertionError) as error:
        nexhealth_file.check_request(request_)

    assert why in str(error.value)


async def test_an_answer_that_breaks_a_description_is_seen(
    nexhealth_file: Contract, nexhealth_server: NexHealthServer
) -> None:
    nexhealth_server.put(TUESDAY, confirmed="perhaps")
    [number] = nexhealth_server.appointments
    nexhealth_server.tokens.add("x")
    url = f"{nexhealth_server.url}/appointments/{number}"
    headers = {"Authorization": "Bearer x", "Nex-Api-Version": "v3.0.0"}

    async with httpx.AsyncClient(transport=nexhealth_file.transport()) as client:
        with pytest.raises(AssertionError, match="perhaps"):
            await client.get(url, params={"subdomain": "hillside"}, headers=headers)
