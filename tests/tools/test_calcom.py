"""Cal.com as a calendar, against a server on this machine that behaves as it says it does."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.tools.vendor_calcom import KEY, CalComServer
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
from tests.tools.vendor_server import CUT, LOST, NONE, Fault, Reply, says
from tools.calendars.calcom import CalCom
from tools.calendars.calcom_messages import CalComConfig
from tools.calendars.http import Refused
from tools.calendars.remote import Gone, RemoteMade
from tools.errors import Unavailable, Unsure
from tools.schedule import Grade, Taken

CREATE = ("POST", "/v2/bookings")
CONFIG = CalComConfig(key_env="CALCOM_KEY", event_types={"cleaning": {"shah": 11, "reyes": 12}})


@pytest.fixture
async def server() -> AsyncIterator[CalComServer]:
    async with CalComServer() as server:
        yield server


@pytest.fixture
async def calcom(server: CalComServer) -> AsyncIterator[CalCom]:
    async with httpx.AsyncClient() as client:
        config = CalComConfig(
            key_env="CALCOM_KEY",
            event_types=CONFIG.event_types,
            url=server.url,
            attendee_email="desk@hillside.example",
        )
        yield CalCom(config, client, PRACTICE, secret=KEY, now=NOW.timestamp)


async def made(calcom: CalCom, **how: Any) -> RemoteMade:
    answer = await calcom.create(booking(**how))
    assert isinstance(answer, RemoteMade)
    return answer


def test_it_is_looked_up_before_anything_is_repeated() -> None:
    assert CalCom.grade is Grade.LOOKUP


async def test_the_free_starts_are_those_it_offers_itself(
    server: CalComServer, calcom: CalCom
) -> None:
    server.put(11, at(15))

    times = await calcom.times(CLEANING, [SHAH, REYES, STRANGER], start=at(14, 30), end=at(16))

    assert times[SHAH.id].starts == (at(14, 30), at(15, 30))
    assert times[REYES.id].starts == (at(14, 30), at(15), at(15, 30))
    assert STRANGER.id not in times


async def test_a_booking_carries_our_key_and_the_patients_number(
    server: CalComServer, calcom: CalCom
) -> None:
    wanted = booking()

    answer = await calcom.create(wanted)

    assert answer == RemoteMade(
        external_ref="uid1",
        status="booked",
        start=TUESDAY,
        end=TUESDAY + timedelta(minutes=30),
        key=wanted.key,
        provider_id=SHAH.id,
        service_id=CLEANING.id,
        patient_name="Maria Lopez",
    )
    [there] = server.standing()
    assert there["metadata"] == {"holdfast": wanted.key}
    assert there["attendees"][0]["phoneNumber"] == PHONE
    assert there["attendees"][0]["timeZone"] == "America/New_York"


async def test_a_booking_that_somebody_must_confirm_is_a_request(
    server: CalComServer, calcom: CalCom
) -> None:
    server.needs_confirmation = True

    answer = await made(calcom)

    assert answer.status == "requested"
    server.bookings[answer.external_ref]["status"] = "rejected"
    refused = await calcom.read(answer.external_ref)
    assert refused is not None
    assert refused.status == "refused"


async def test_a_time_that_somebody_else_took_is_taken(
    server: CalComServer, calcom: CalCom
) -> None:
    server.put(11, TUESDAY)

    assert await calcom.create(booking()) == Taken()
    assert len(server.standing()) == 1


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (400, "Attempting to book a meeting in the past."),
        (400, 'The event type can\'t be booked at the "start" time provided.'),
        (409, "conflict"),
        (422, "Can't reserve a slot if the event is already booked."),
    ],
)
async def test_whatever_it_calls_a_time_that_is_gone(
    server: CalComServer, calcom: CalCom, status: int, why: str
) -> None:
    server.fail(*CREATE, says(status, {"error": {"message": why}}))

    assert await calcom.create(booking()) == Taken()


async def test_a_lost_answer_leaves_a_doubt_and_is_found_by_our_key(
    server: CalComServer, calcom: CalCom
) -> None:
    server.put(11, at(14), name="Somebody Else")
    server.fail(*CREATE, LOST)
    wanted = booking()

    with pytest.raises(Unsure, match=r"^calcom: \w+$"):
        await calcom.create(wanted)
    found = await calcom.look_up(wanted)

    assert found is not None
    assert (found.key, found.status) == (wanted.key, "booked")
    assert server.count(*CREATE) == 1


async def test_what_was_never_made_is_not_found(server: CalComServer, calcom: CalCom) -> None:
    server.fail(*CREATE, CUT)
    wanted = booking()

    with pytest.raises(Unsure):
        await calcom.create(wanted)

    assert await calcom.look_up(wanted) is None


async def test_asked_again_after_all_it_finds_its_own_booking_in_the_way(
    server: CalComServer, calcom: CalCom
) -> None:
    first = await made(calcom, key="k" * 32)

    assert await made(calcom, key="k" * 32) == first
    assert len(server.standing()) == 1


async def test_taken_is_not_said_while_it_may_be_our_own(
    server: CalComServer, calcom: CalCom
) -> None:
    await made(calcom, key="k" * 32)
    server.fail("GET", "/v2/bookings", says(503))

    with pytest.raises(Unsure):
        await calcom.create(booking(key="k" * 32))


async def test_our_booking_is_found_among_more_than_a_page_of_others(
    server: CalComServer, calcom: CalCom
) -> None:
    for _ in range(120):
        server.put(11, at(15))
    wanted = booking()
    server.put(11, TUESDAY)["metadata"] = {"holdfast": wanted.key}

    found = await calcom.look_up(wanted)

    assert found is not None
    assert found.external_ref == "uid121"


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_fault_of_theirs_leaves_a_doubt_about_an_effect_and_none_about_a_question(
    server: CalComServer, calcom: CalCom, status: int
) -> None:
    server.fail(*CREATE, says(status))
    server.fail("GET", "/v2/slots", says(status))

    with pytest.raises(Unsure):
        await calcom.create(booking())
    with pytest.raises(Unavailable):
        await calcom.times(CLEANING, [SHAH], start=at(9), end=at(17))


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", b'{"data": {"uid": 7}}', b'{"data": []}', b"[" * 100_000, b"\xff"]
)
async def test_an_answer_that_cannot_be_read_is_no_success(
    server: CalComServer, calcom: CalCom, body: bytes
) -> None:
    for path in ("/v2/bookings", "/v2/slots", "/v2/bookings/uid1"):
        for method in ("GET", "POST"):
            fault = says(200)
            assert fault.reply is not None
            fault.reply.raw = body
            server.fail(method, path, fault)

    with pytest.raises(Unsure):
        await calcom.create(booking())
    with pytest.raises(Unavailable):
        await calcom.times(CLEANING, [SHAH], start=at(9), end=at(17))
    with pytest.raises(Unavailable):
        await calcom.read("uid1")


async def test_a_moved_booking_has_a_new_name_and_the_old_one_leads_to_it(
    server: CalComServer, calcom: CalCom
) -> None:
    old = await made(calcom)
    to = booking(at(16))

    moved = await calcom.move(old.external_ref, to)

    assert isinstance(moved, RemoteMade)
    assert (moved.external_ref, moved.start, moved.key) == ("uid2", at(16), to.key)
    assert await calcom.read(old.external_ref) == moved
    assert [each["uid"] for each in server.standing()] == ["uid2"]


async def test_a_move_whose_answer_was_lost_is_found_and_not_repeated(
    server: CalComServer, calcom: CalCom
) -> None:
    old = await made(calcom)
    to = booking(at(16))
    server.fail("POST", "/reschedule", LOST)

    with pytest.raises(Unsure):
        await calcom.move(old.external_ref, to)
    found = await calcom.look_up(to, external_ref=old.external_ref)
    again = await calcom.move(old.external_ref, to)

    assert found is not None
    assert found.start == at(16)
    assert again == found
    assert server.count("POST", f"/v2/bookings/{old.external_ref}/reschedule") == 1


async def test_a_move_that_did_not_happen_is_not_found(
    server: CalComServer, calcom: CalCom
) -> None:
    old = await made(calcom)
    to = booking(at(16))
    server.fail("POST", "/reschedule", CUT)

    with pytest.raises(Unsure):
        await calcom.move(old.external_ref, to)

    assert await calcom.look_up(to, external_ref=old.external_ref) is None


async def test_to_a_time_that_is_not_free_nothing_is_moved(
    server: CalComServer, calcom: CalCom
) -> None:
    old = await made(calcom)
    server.put(11, at(16))

    assert await calcom.move(old.external_ref, booking(at(16))) == Taken()
    assert await calcom.read(old.external_ref) == old


async def test_what_is_not_there_or_was_cancelled_is_not_moved(calcom: CalCom) -> None:
    old = await made(calcom)
    await calcom.cancel(old.external_ref)

    assert await calcom.move(old.external_ref, booking(at(16))) == Gone()
    assert await calcom.move("nowhere", booking(at(16))) == Gone()


BUSY = {"error": {"message": "User either already has booking at this time"}}
OTHER = {"error": {"message": "emailVerificationCode is wrong"}}


async def test_a_move_that_came_through_meanwhile_is_found_when_it_is_refused(
    server: CalComServer, calcom: CalCom
) -> None:
    old = await made(calcom)
    server.fail("POST", "/reschedule", Fault(acts=True, reply=Reply(400, BUSY)))

    moved = await calcom.move(old.external_ref, booking(at(16)))

    assert isinstance(moved, RemoteMade)
    assert moved.start == at(16)


@pytest.mark.parametrize(
    ("refusal", "then", "expected"),
    [
        (BUSY, says(404), Gone()),
        (BUSY, NONE, Taken()),
        (BUSY, says(503), Unsure),
        (OTHER, NONE, Refused),
    ],
)
async def test_a_move_that_is_refused_is_looked_at_before_anything_is_said(
    server: CalComServer, calcom: CalCom, refusal: object, then: Fault, expected: Any
) -> None:
    old = await made(calcom)
    server.fail("POST", "/reschedule", says(400, refusal))
    server.fail("GET", f"/v2/bookings/{old.external_ref}", NONE, then)

    if isinstance(expected, type):
        with pytest.raises(expected):
            await calcom.move(old.external_ref, booking(at(16)))
    else:
        assert await calcom.move(old.external_ref, booking(at(16))) == expected


async def test_moves_that_lead_in_a_circle_are_not_followed_for_ever(
    server: CalComServer, calcom: CalCom
) -> None:
    old = await made(calcom)
    server.bookings[old.external_ref] |= {
        "status": "cancelled",
        "rescheduledToUid": old.external_ref,
    }

    with pytest.raises(Unavailable, match="without an end"):
        await calcom.read(old.external_ref)


async def test_a_cancellation_that_leaves_it_standing_is_a_doubt(
    server: CalComServer, calcom: CalCom
) -> None:
    there = await made(calcom)
    still = {"status": "success", "data": server.bookings[there.external_ref]}
    server.fail("POST", "/cancel", says(200, still))

    with pytest.raises(Unsure):
        await calcom.cancel(there.external_ref)


async def test_what_was_not_seen_to_the_end_is_not_called_missing(
    server: CalComServer, calcom: CalCom
) -> None:
    for _ in range(501):
        server.put(11, at(15))

    with pytest.raises(Unavailable, match="more bookings"):
        await calcom.look_up(booking())
    assert len(await calcom.find(PHONE, known=["uid1"], since=at(9))) == 1


@pytest.mark.parametrize("path", ["/v2/me", "/v2/slots", "/v2/bookings", "/v2/bookings/uid1"])
async def test_a_question_it_will_not_answer_is_refused(
    server: CalComServer, calcom: CalCom, path: str
) -> None:
    asks = {
        "/v2/me": calcom.health,
        "/v2/slots": lambda: calcom.times(CLEANING, [SHAH], start=at(9), end=at(17)),
        "/v2/bookings": lambda: calcom.look_up(booking()),
        "/v2/bookings/uid1": lambda: calcom.read("uid1"),
    }
    server.fail("GET", path, says(418, OTHER))

    with pytest.raises(Refused, match=r"^calcom: status 418$"):
        await asks[path]()


async def test_to_another_provider_it_is_booked_first_and_then_cancelled(
    server: CalComServer, calcom: CalCom
) -> None:
    old = await made(calcom)
    to = booking(at(16), provider=REYES)

    moved = await calcom.move(old.external_ref, to)

    assert isinstance(moved, RemoteMade)
    assert (moved.provider_id, moved.key) == (REYES.id, to.key)
    assert [each["uid"] for each in server.standing()] == [moved.external_ref]


async def test_if_another_provider_is_not_free_the_old_booking_stays(
    server: CalComServer, calcom: CalCom
) -> None:
    old = await made(calcom)
    server.put(12, at(16))

    assert await calcom.move(old.external_ref, booking(at(16), provider=REYES)) == Taken()
    assert await calcom.read(old.external_ref) == old


async def test_a_move_to_another_provider_that_broke_in_the_middle_is_completed_by_looking_it_up(
    server: CalComServer, calcom: CalCom
) -> None:
    old = await made(calcom)
    to = booking(at(16), provider=REYES)
    server.fail("POST", "/cancel", CUT)

    with pytest.raises(Unsure):
        await calcom.move(old.external_ref, to)
    assert len(server.standing()) == 2
    found = await calcom.look_up(to, external_ref=old.external_ref)

    assert found is not None
    assert [each["uid"] for each in server.standing()] == [found.external_ref]


async def test_cancelling_twice_is_cancelling(server: CalComServer, calcom: CalCom) -> None:
    there = await made(calcom)

    await calcom.cancel(there.external_ref)
    await calcom.cancel(there.external_ref)
    await calcom.cancel("nowhere")

    assert server.standing() == []
    now = await calcom.read(there.external_ref)
    assert now is not None
    assert now.status == "cancelled"


async def test_what_the_practice_moved_itself_is_cancelled_where_it_is_now(
    server: CalComServer, calcom: CalCom
) -> None:
    there = await made(calcom)
    elsewhere = await calcom.move(there.external_ref, booking(at(16)))
    assert isinstance(elsewhere, RemoteMade)

    await calcom.cancel(there.external_ref)

    assert server.standing() == []


async def test_a_cancellation_without_an_answer_is_a_doubt(
    server: CalComServer, calcom: CalCom
) -> None:
    there = await made(calcom)
    server.fail("POST", "/cancel", LOST)

    with pytest.raises(Unsure):
        await calcom.cancel(there.external_ref)

    await calcom.cancel(there.external_ref)
    assert server.standing() == []


async def test_a_cancellation_it_will_not_have_is_refused(
    server: CalComServer, calcom: CalCom
) -> None:
    there = await made(calcom)
    server.fail("POST", "/cancel", says(400, {"error": {"message": "a reason is required"}}))

    with pytest.raises(Refused, match="status 400: something it requires was not sent"):
        await calcom.cancel(there.external_ref)


async def test_a_caller_is_found_by_number_whoever_booked(
    server: CalComServer, calcom: CalCom
) -> None:
    ours = await made(calcom)
    theirs = server.put(12, at(16), name="Maria Lopez", phoneNumber=PHONE)
    server.put(11, at(14), name="Somebody Else", phoneNumber="+12025550199")
    unlisted = server.put(11, at(13), name="Maria Lopez")
    past = server.put(11, at(10), phoneNumber=PHONE)

    found = await calcom.find(
        PHONE, known=[ours.external_ref, unlisted["uid"], "nowhere"], since=at(12)
    )

    names = {each.external_ref for each in found}
    assert names == {ours.external_ref, theirs["uid"], unlisted["uid"]}
    assert past["uid"] not in names


@pytest.mark.parametrize("since", [at(9), at(9) + timedelta(days=2)])
async def test_a_known_booking_that_the_practice_moved_is_told_once_under_the_name_we_know(
    server: CalComServer, calcom: CalCom, since: datetime
) -> None:
    ours = await made(calcom)
    later = at(16) + timedelta(days=2)
    moved = await calcom.move(ours.external_ref, booking(later))
    assert isinstance(moved, RemoteMade)

    [found] = await calcom.find(PHONE, known=[ours.external_ref], since=since)

    assert (found.external_ref, found.start) == (ours.external_ref, later)
    assert found.status == "booked"


async def test_it_is_well_when_the_key_and_every_event_type_are(calcom: CalCom) -> None:
    await calcom.health()


@pytest.mark.parametrize(
    ("trait", "why"),
    [
        ({"recurrence": {"interval": 1, "occurrences": 4, "frequency": "weekly"}}, "11 recurs"),
        ({"seatsPerTimeSlot": 4}, "11 has seats"),
        ({"seats": {"seatsPerTimeSlot": 4}}, "11 has seats"),
    ],
)
async def test_an_event_type_of_another_sort_is_named(
    server: CalComServer, calcom: CalCom, trait: dict[str, object], why: str
) -> None:
    server.event_types[11] |= trait

    with pytest.raises(Refused, match=f"^calcom: event type {why}$"):
        await calcom.health()


async def test_what_is_switched_off_in_an_event_type_is_none_of_its_traits(
    server: CalComServer, calcom: CalCom
) -> None:
    server.event_types[11] |= {"recurrence": {"disabled": True}, "seats": {"disabled": True}}

    await calcom.health()


async def test_an_event_type_that_is_not_there_is_named(
    server: CalComServer, calcom: CalCom
) -> None:
    del server.event_types[12]

    with pytest.raises(Refused, match=r"^calcom: event type 12: status 404$"):
        await calcom.health()


async def test_a_key_that_is_not_taken_is_not_tried_again(
    server: CalComServer,
) -> None:
    async with httpx.AsyncClient() as client:
        config = CalComConfig(
            key_env="CALCOM_KEY", event_types={"cleaning": {"shah": 11}}, url=server.url
        )
        calcom = CalCom(config, client, PRACTICE, secret="cal_live_wrong")

        with pytest.raises(Refused, match="status 401") as refused:
            await calcom.create(booking())

    assert not refused.value.retryable
    assert len(server.requests) == 1


async def test_a_service_it_does_not_keep_is_refused_before_anything_is_sent(
    server: CalComServer, calcom: CalCom
) -> None:
    with pytest.raises(Refused, match="no event type"):
        await calcom.create(booking(provider=STRANGER))

    assert server.requests == []


async def test_a_name_with_a_slash_stays_in_its_place(server: CalComServer, calcom: CalCom) -> None:
    assert await calcom.read("../me?x=1") is None
    assert server.requests[0].path == "/v2/bookings/../me?x=1"
    assert server.requests[0].query == []
