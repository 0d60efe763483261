"""NexHealth as a calendar, against a server on this machine that behaves as it says it does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from tests.tools.vendor_cases import (
    CLEANING,
    NOW,
    PHONE,
    PRACTICE,
    REYES,
    SHAH,
    STRANGER,
    TUESDAY,
    at,
    booking,
)
from tests.tools.vendor_nexhealth import KEY, NexHealthServer
from tests.tools.vendor_server import CUT, LOST, Fault, says
from tools.calendars.http import Refused
from tools.calendars.nexhealth import NexHealth
from tools.calendars.nexhealth_api import RENEWED_AFTER_S
from tools.calendars.nexhealth_messages import NewPatients, NexHealthConfig
from tools.calendars.remote import Gone, RemoteMade
from tools.errors import Unavailable, Unsure
from tools.practices import Provider
from tools.schedule import Grade, Taken

AUTHENTICATE = ("POST", "/authenticates")
CREATE = ("POST", "/appointments")
NATIONAL = "2025550143"
NEW = NewPatients(email="desk@hillside.example", date_of_birth=date(1900, 1, 1))
CONFIG = NexHealthConfig(
    key_env="NEXHEALTH_KEY",
    subdomain="hillside",
    location_id=7,
    providers={"shah": 83, "reyes": 84},
    new_patients=NEW,
)


class Clock:
    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server() -> AsyncIterator[NexHealthServer]:
    async with NexHealthServer() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def nexhealth(server: NexHealthServer, client: httpx.AsyncClient, clock: Clock) -> NexHealth:
    return opened(server, client, clock)


def opened(
    server: NexHealthServer, client: httpx.AsyncClient, clock: Clock, **how: Any
) -> NexHealth:
    config = msgspec.structs.replace(CONFIG, url=server.url, **how)
    return NexHealth(config, client, PRACTICE, secret=KEY, now=clock)


async def made(nexhealth: NexHealth, **how: Any) -> RemoteMade:
    answer = await nexhealth.create(booking(**how))
    assert isinstance(answer, RemoteMade)
    return answer


def test_it_is_looked_up_before_anything_is_repeated() -> None:
    assert NexHealth.grade is Grade.LOOKUP


async def test_the_free_starts_are_those_it_offers_itself(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.put(at(15))

    times = await nexhealth.times(
        CLEANING, [SHAH, REYES, STRANGER], start=at(14, 30), end=at(15, 45)
    )

    assert times[SHAH.id].starts == (at(14, 30), at(15, 30))
    assert times[REYES.id].starts == tuple(at(14, 30) + timedelta(minutes=15) * n for n in range(5))
    assert STRANGER.id not in times


async def test_nobody_it_knows_is_nobody_asked_about(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    assert await nexhealth.times(CLEANING, [STRANGER], start=at(9), end=at(17)) == {}
    assert server.requests == []


async def test_many_days_are_asked_for_by_the_fortnight(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    times = await nexhealth.times(CLEANING, [SHAH], start=TUESDAY, end=TUESDAY + timedelta(days=30))

    starts = times[SHAH.id].starts
    assert starts is not None
    assert len({each.date() for each in starts}) == 31
    days = [int(each.asked("days")) for each in server.requests if each.path == "/available_slots"]
    assert sum(days) == 32
    assert max(days) <= 14


async def test_what_was_asked_for_is_a_request_until_the_practice_has_it(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    patient = server.known("Maria", "Lopez", NATIONAL)
    wanted = booking()

    answer = await nexhealth.create(wanted)

    assert isinstance(answer, RemoteMade)
    [there] = server.standing()
    assert answer == RemoteMade(
        external_ref=str(there["id"]),
        status="requested",
        start=TUESDAY,
        end=TUESDAY + timedelta(minutes=30),
        key=wanted.key,
        provider_id=SHAH.id,
    )
    assert (there["patient_id"], there["provider_id"]) == (patient, 83)
    assert there["operatory_id"] == 54
    assert len(there["note"]) <= 128

    server.write()
    now = await nexhealth.read(answer.external_ref)
    assert now is not None
    assert now.status == "booked"


async def test_what_was_never_written_is_refused_when_its_time_has_come(
    server: NexHealthServer, nexhealth: NexHealth, clock: Clock
) -> None:
    asked = await made(nexhealth)
    still = await nexhealth.read(asked.external_ref)
    clock.now = TUESDAY.timestamp()

    now = await nexhealth.read(asked.external_ref)

    assert still is not None
    assert now is not None
    assert (still.status, now.status) == ("requested", "refused")


async def test_what_the_practice_took_out_again_is_cancelled(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    asked = await made(nexhealth)
    server.appointments[int(asked.external_ref)]["cancelled"] = True

    now = await nexhealth.read(asked.external_ref)

    assert now is not None
    assert now.status == "cancelled"


async def test_a_patient_it_knows_is_not_entered_again(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.known("Pedro", "Lopez", NATIONAL)
    maria = server.known("María", "LOPEZ", NATIONAL)

    await made(nexhealth, name=" maría  Lopez")

    assert len(server.patients) == 2
    assert server.standing()[0]["patient_id"] == maria


async def test_a_new_patient_is_entered_with_what_the_practice_wants_to_see(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.known("Pedro", "Lopez", NATIONAL)

    await made(nexhealth, name="Maria del Mar Lopez")

    entered = server.patients[1]
    assert (entered["first_name"], entered["last_name"]) == ("Maria", "del Mar Lopez")
    assert entered["bio"] == {"date_of_birth": "1900-01-01", "phone_number": NATIONAL}
    assert server.standing()[0]["patient_id"] == entered["id"]


async def test_a_practice_may_want_no_new_patients_from_a_telephone(
    server: NexHealthServer, client: httpx.AsyncClient, clock: Clock
) -> None:
    nexhealth = opened(server, client, clock, new_patients=None)

    with pytest.raises(Refused, match=r"^nexhealth: the patient is not known there$"):
        await nexhealth.create(booking())

    assert server.patients == []
    assert server.standing() == []


async def test_a_patient_whose_entering_was_not_answered_is_entered_once(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.fail("POST", "/patients", LOST)

    with pytest.raises(Unavailable):  # no appointment was asked for
        await nexhealth.create(booking())
    await made(nexhealth)

    assert len(server.patients) == 1
    assert len(server.standing()) == 1


async def test_a_time_that_is_gone_is_taken_and_not_asked_for(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.put(TUESDAY)

    assert await nexhealth.create(booking()) == Taken()
    assert server.count(*CREATE) == 0
    assert server.patients == []


async def test_a_time_that_went_in_between_is_taken(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.fail(*CREATE, says(400, {"code": False, "error": ["start_time is not available"]}))

    assert await nexhealth.create(booking()) == Taken()


async def test_what_it_will_not_have_is_refused(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.fail(*CREATE, says(400, {"code": False, "error": ["note is too long"]}))

    with pytest.raises(Refused, match=r"^nexhealth: status 400$"):
        await nexhealth.create(booking())


async def test_a_lost_answer_leaves_a_doubt_and_is_found_by_our_key(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.put(TUESDAY, provider=84)
    server.fail(*CREATE, LOST)
    wanted = booking()

    with pytest.raises(Unsure, match=r"^nexhealth: \w+$"):
        await nexhealth.create(wanted)
    found = await nexhealth.look_up(wanted)

    assert found is not None
    assert (found.key, found.status) == (wanted.key, "requested")
    assert server.count(*CREATE) == 1


async def test_what_was_never_made_is_not_found(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.fail(*CREATE, CUT)
    wanted = booking()

    with pytest.raises(Unsure):
        await nexhealth.create(wanted)

    assert await nexhealth.look_up(wanted) is None


async def test_asked_again_after_all_it_finds_its_own_request_in_the_way(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    first = await made(nexhealth, key="k" * 32)

    assert await made(nexhealth, key="k" * 32) == first
    assert server.count(*CREATE) == 1


async def test_taken_is_not_said_while_it_may_be_our_own(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    await made(nexhealth, key="k" * 32)
    server.fail("GET", "/appointments", says(500))

    with pytest.raises(Unsure):
        await nexhealth.create(booking(key="k" * 32))


async def test_of_two_of_one_key_the_older_stays(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    asked = await made(nexhealth, key="k" * 32)
    note = server.appointments[int(asked.external_ref)]["note"]
    server.put(TUESDAY, note=f"[web] {note} (front desk)", foreign_id=None)

    found = await nexhealth.look_up(booking(key="k" * 32))

    assert found == asked
    assert [str(each["id"]) for each in server.standing()] == [asked.external_ref]


async def test_ours_is_found_among_more_than_a_page_of_others(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    for _ in range(250):
        server.put(TUESDAY)
    wanted = booking()
    ours = server.put(TUESDAY, note=f"Booked by phone, ref {wanted.key}")

    found = await nexhealth.look_up(wanted)

    assert found is not None
    assert found.external_ref == str(ours["id"])


async def test_a_201_that_says_no_is_a_doubt(server: NexHealthServer, nexhealth: NexHealth) -> None:
    server.fail(*CREATE, says(201, {"code": False, "data": None, "error": ["?"]}))

    with pytest.raises(Unsure, match="code false"):
        await nexhealth.create(booking())


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", b'{"code": true, "data": {"appt": {"id": "x"}}}', b"[" * 100_000]
)
async def test_an_answer_that_cannot_be_read_is_no_success(
    server: NexHealthServer, nexhealth: NexHealth, body: bytes
) -> None:
    for method, path in (CREATE, ("GET", "/sync_status"), ("GET", "/appointments/1")):
        fault = says(200)
        assert fault.reply is not None
        fault.reply.raw = body
        server.fail(method, path, fault)

    with pytest.raises(Unsure):
        await nexhealth.create(booking())
    with pytest.raises(Unavailable):
        await nexhealth.health()
    with pytest.raises(Unavailable):
        await nexhealth.read("1")


async def test_an_appointment_is_moved_where_it_stands(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    old = await made(nexhealth)
    server.write()
    to = booking(at(16))

    moved = await nexhealth.move(old.external_ref, to)

    assert isinstance(moved, RemoteMade)
    assert (moved.external_ref, moved.start, moved.key) == (old.external_ref, at(16), to.key)
    assert await nexhealth.read(old.external_ref) == moved
    assert server.count("PATCH", f"/appointments/{old.external_ref}") == 1


async def test_an_appointment_may_be_moved_into_its_own_time(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    old = await made(nexhealth)

    moved = await nexhealth.move(old.external_ref, booking(at(15, 15)))

    assert isinstance(moved, RemoteMade)
    assert moved.start == at(15, 15)


async def test_a_move_whose_answer_was_lost_is_found_and_not_repeated(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    old = await made(nexhealth)
    to = booking(at(16))
    server.fail("PATCH", f"/appointments/{old.external_ref}", LOST)

    with pytest.raises(Unsure):
        await nexhealth.move(old.external_ref, to)
    found = await nexhealth.look_up(to, external_ref=old.external_ref)
    again = await nexhealth.move(old.external_ref, to)

    assert found is not None
    assert found.start == at(16)
    assert again == found
    assert server.count("PATCH", f"/appointments/{old.external_ref}") == 1


async def test_a_move_that_did_not_happen_is_not_found(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    old = await made(nexhealth)
    to = booking(at(16))
    server.fail("PATCH", f"/appointments/{old.external_ref}", CUT)

    with pytest.raises(Unsure):
        await nexhealth.move(old.external_ref, to)

    assert await nexhealth.look_up(to, external_ref=old.external_ref) is None


async def test_a_change_that_changed_nothing_is_a_doubt(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    old = await made(nexhealth)
    unchanged = {"code": True, "data": {"appt": server.appointments[int(old.external_ref)]}}
    path = f"/appointments/{old.external_ref}"
    server.fail("PATCH", path, says(200, unchanged), says(200, unchanged))

    with pytest.raises(Unsure):
        await nexhealth.move(old.external_ref, booking(at(16)))
    with pytest.raises(Unsure):
        await nexhealth.cancel(old.external_ref)


async def test_to_a_time_that_is_not_free_nothing_is_moved(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    old = await made(nexhealth)
    server.put(at(16))

    assert await nexhealth.move(old.external_ref, booking(at(16))) == Taken()
    assert await nexhealth.read(old.external_ref) == old


@pytest.mark.parametrize(("status", "expected"), [(404, Gone()), (400, Taken()), (409, Taken())])
async def test_a_change_that_is_refused_changes_nothing(
    server: NexHealthServer, nexhealth: NexHealth, status: int, expected: object
) -> None:
    old = await made(nexhealth)
    refusal = {"code": False, "error": ["start_time is not available"]}
    server.fail("PATCH", f"/appointments/{old.external_ref}", says(status, refusal))

    assert await nexhealth.move(old.external_ref, booking(at(16))) == expected
    assert len(server.standing()) == 1


async def test_where_it_cannot_be_changed_and_the_new_time_is_gone_the_old_one_stays(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    old = await made(nexhealth)
    server.put(at(16), provider=84)

    assert await nexhealth.move(old.external_ref, booking(at(16), provider=REYES)) == Taken()
    assert await nexhealth.read(old.external_ref) == old


async def test_what_was_not_seen_to_the_end_is_not_called_missing(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    for _ in range(1001):
        server.put(TUESDAY)

    with pytest.raises(Unavailable, match="more appointments"):
        await nexhealth.look_up(booking())


@pytest.mark.parametrize(
    "path",
    ["/patients", "/available_slots", "/appointments", "/appointments/1", "/sync_status"],
)
async def test_a_question_it_will_not_answer_is_refused(
    server: NexHealthServer, nexhealth: NexHealth, path: str
) -> None:
    asks = {
        "/patients": lambda: nexhealth.find(PHONE, known=[], since=at(9)),
        "/available_slots": lambda: nexhealth.times(CLEANING, [SHAH], start=at(9), end=at(17)),
        "/appointments": lambda: nexhealth.look_up(booking()),
        "/appointments/1": lambda: nexhealth.read("1"),
        "/sync_status": nexhealth.health,
    }
    server.fail("GET", path, says(418))

    with pytest.raises(Refused, match=r"^nexhealth: .*status 418$"):
        await asks[path]()


async def test_a_patient_it_will_not_have_is_refused(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.fail("POST", "/patients", says(400, {"code": False, "error": ["email is invalid"]}))

    with pytest.raises(Refused, match="entering a patient: status 400"):
        await nexhealth.create(booking())


async def test_what_is_not_there_or_was_cancelled_is_not_moved(nexhealth: NexHealth) -> None:
    old = await made(nexhealth)
    await nexhealth.cancel(old.external_ref)

    assert await nexhealth.move(old.external_ref, booking(at(16))) == Gone()
    assert await nexhealth.move("4711", booking(at(16))) == Gone()
    assert await nexhealth.move("none of theirs", booking(at(16))) == Gone()


@pytest.mark.parametrize("provider", [SHAH, REYES])
async def test_where_it_cannot_be_changed_it_is_booked_anew_and_then_cancelled(
    server: NexHealthServer, nexhealth: NexHealth, provider: Provider
) -> None:
    server.moves = False
    old = await made(nexhealth)
    to = booking(at(16), provider=provider)

    moved = await nexhealth.move(old.external_ref, to)

    assert isinstance(moved, RemoteMade)
    assert (moved.start, moved.key) == (at(16), to.key)
    assert [str(each["id"]) for each in server.standing()] == [moved.external_ref]


async def test_a_move_that_broke_in_the_middle_is_completed_by_looking_it_up(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    old = await made(nexhealth)
    to = booking(at(16), provider=REYES)
    server.fail("PATCH", f"/appointments/{old.external_ref}", CUT)

    with pytest.raises(Unsure):
        await nexhealth.move(old.external_ref, to)
    assert len(server.standing()) == 2
    found = await nexhealth.look_up(to, external_ref=old.external_ref)

    assert found is not None
    assert [str(each["id"]) for each in server.standing()] == [found.external_ref]


async def test_cancelling_twice_is_cancelling(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    there = await made(nexhealth)

    await nexhealth.cancel(there.external_ref)
    await nexhealth.cancel(there.external_ref)
    await nexhealth.cancel("4711")
    await nexhealth.cancel("none of theirs")

    assert server.standing() == []


async def test_a_cancellation_without_an_answer_is_a_doubt(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    there = await made(nexhealth)
    server.fail("PATCH", f"/appointments/{there.external_ref}", LOST)

    with pytest.raises(Unsure):
        await nexhealth.cancel(there.external_ref)

    assert server.standing() == []


async def test_a_cancellation_it_will_not_have_is_refused(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    there = await made(nexhealth)
    refusal = {"code": False, "error": ["not supported for this integration"]}
    server.fail("PATCH", f"/appointments/{there.external_ref}", says(400, refusal))

    with pytest.raises(Refused):
        await nexhealth.cancel(there.external_ref)


async def test_a_caller_is_found_by_number_whoever_booked(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.known("Pedro", "Lopez", NATIONAL)
    ours = await made(nexhealth)
    pedro, maria = (each["id"] for each in server.patients)
    theirs = server.put(at(16), patient_id=pedro)
    unlisted = server.put(at(17), patient_id=1)
    past = server.put(at(10), patient_id=maria)
    server.put(at(18), patient_id=1)

    found = await nexhealth.find(
        PHONE, known=[ours.external_ref, str(unlisted["id"]), "4711"], since=at(12)
    )

    names = {each.external_ref: each.patient_name for each in found}
    assert names == {
        ours.external_ref: "Maria Lopez",
        str(theirs["id"]): "Pedro Lopez",
        str(unlisted["id"]): "",
    }
    assert str(past["id"]) not in names


async def test_a_number_nobody_has_finds_nothing(nexhealth: NexHealth) -> None:
    assert await nexhealth.find(PHONE, known=[], since=at(9)) == []


async def test_a_number_from_elsewhere_is_asked_for_in_full(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    await nexhealth.find("+442079460123", known=[], since=at(9))

    assert server.requests[-1].asked("phone_number") == "442079460123"


async def test_one_token_is_fetched_for_all(server: NexHealthServer, nexhealth: NexHealth) -> None:
    await asyncio.gather(*(nexhealth.find(PHONE, known=[], since=at(9)) for _ in range(6)))

    assert server.count(*AUTHENTICATE) == 1


async def test_a_token_is_renewed_before_its_hour_is_over(
    server: NexHealthServer, nexhealth: NexHealth, clock: Clock
) -> None:
    await nexhealth.read("1")
    clock.now += RENEWED_AFTER_S - 1
    await nexhealth.read("1")
    assert server.count(*AUTHENTICATE) == 1

    clock.now += 1
    await nexhealth.read("1")

    assert server.count(*AUTHENTICATE) == 2
    assert RENEWED_AFTER_S < 3600


async def test_a_token_that_is_not_taken_any_more_costs_a_request_and_no_doubt(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.known("Maria", "Lopez", NATIONAL)
    await nexhealth.read("1")
    server.expire()

    await made(nexhealth)

    assert server.count(*AUTHENTICATE) == 2
    assert len(server.standing()) == 1


async def test_an_order_that_met_an_old_token_is_sent_again_and_done_once(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.fail(*CREATE, says(401, {"code": False, "error": ["Invalid Credentials"]}))

    await made(nexhealth)

    assert server.count(*CREATE) == 2
    assert len(server.standing()) == 1


async def test_a_key_that_is_not_taken_is_the_operators_to_mend(
    server: NexHealthServer, client: httpx.AsyncClient
) -> None:
    config = msgspec.structs.replace(CONFIG, url=server.url)
    nexhealth = NexHealth(config, client, PRACTICE, secret="wrong")

    with pytest.raises(Refused, match="status 401"):
        await nexhealth.health()

    assert {each.path for each in server.requests} == {"/authenticates"}


@pytest.mark.parametrize("fault", [LOST, CUT, says(500), says(429)])
async def test_without_a_token_nothing_was_done(
    server: NexHealthServer, nexhealth: NexHealth, fault: Fault
) -> None:
    server.fail(*AUTHENTICATE, fault, fault)

    with pytest.raises(Unavailable):
        await nexhealth.create(booking())

    assert server.count(*CREATE) == 0


async def test_another_practices_subdomain_is_the_operators_to_mend(
    server: NexHealthServer, client: httpx.AsyncClient, clock: Clock
) -> None:
    nexhealth = opened(server, client, clock, subdomain="riverside")

    with pytest.raises(Refused, match="status 403"):
        await nexhealth.create(booking())


async def test_it_is_well_when_what_is_booked_is_written(nexhealth: NexHealth) -> None:
    await nexhealth.health()


@pytest.mark.parametrize(
    ("location", "why"),
    [({"insert_appt_client": False}, "not sent on"), ({"inactive": True}, "not in use")],
)
async def test_a_location_that_keeps_what_is_booked_to_itself_is_named(
    server: NexHealthServer, nexhealth: NexHealth, location: dict[str, bool], why: str
) -> None:
    server.location |= location

    with pytest.raises(Refused, match=why):
        await nexhealth.health()


async def test_a_practices_system_that_is_down_is_not_well(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    server.write_status = "red"

    with pytest.raises(Unavailable, match="nothing can be written"):
        await nexhealth.health()


async def test_an_appointment_type_knows_its_own_length(
    server: NexHealthServer, client: httpx.AsyncClient, clock: Clock
) -> None:
    nexhealth = opened(server, client, clock, appointment_types={"cleaning": 27})

    answer = await made(nexhealth)

    assert answer.service_id == CLEANING.id
    assert server.standing()[0]["appointment_type_id"] == 27
    slots = next(each for each in server.requests if each.path == "/available_slots")
    assert (slots.asked("appointment_type_id"), slots.asked("slot_length")) == ("27", "")


async def test_a_room_of_ones_own_is_asked_for(
    server: NexHealthServer, client: httpx.AsyncClient, clock: Clock
) -> None:
    nexhealth = opened(server, client, clock, operatories={"shah": 99})

    await made(nexhealth)

    assert server.standing()[0]["operatory_id"] == 99
    slots = next(each for each in server.requests if each.path == "/available_slots")
    assert slots.all_asked("operatory_ids[]") == ["99"]


async def test_a_provider_it_does_not_have_is_refused(
    server: NexHealthServer, nexhealth: NexHealth
) -> None:
    with pytest.raises(Refused, match="no such provider"):
        await nexhealth.create(booking(provider=STRANGER))

    assert server.requests == []
