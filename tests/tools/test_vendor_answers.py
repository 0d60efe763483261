"""Whatever a vendor answers, it is a calendar's answer or one of its two errors, and no other."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.vendor_calcom import CalComServer
from tests.tools.vendor_cases import CLEANING, NOW, PHONE, PRACTICE, REYES, SHAH, at, booking
from tests.tools.vendor_nexhealth import NexHealthServer
from tools.calendars.calcom import CalCom
from tools.calendars.calcom_messages import CalComConfig
from tools.calendars.nexhealth import NexHealth
from tools.calendars.nexhealth_messages import NexHealthConfig
from tools.calendars.remote import Remote
from tools.errors import Unavailable, Unsure

Asks = Callable[[Remote], Awaitable[object]]
ASKS: dict[str, Asks] = {
    "times": lambda remote: remote.times(CLEANING, [SHAH], start=at(9), end=at(17)),
    "create": lambda remote: remote.create(booking(key="k" * 32)),
    "look_up": lambda remote: remote.look_up(booking(key="k" * 32)),
    "look_up a move": lambda remote: remote.look_up(booking(at(16)), external_ref="1"),
    "read": lambda remote: remote.read("1"),
    "find": lambda remote: remote.find(PHONE, known=["1"], since=at(9)),
    "move": lambda remote: remote.move("1", booking(at(16))),
    "move over": lambda remote: remote.move("1", booking(at(16), provider=REYES)),
    "cancel": lambda remote: remote.cancel("1"),
    "health": lambda remote: remote.health(),
}


def _calcom() -> list[Any]:
    server = CalComServer()
    one = server.put(11, at(15), name="Maria Lopez", phoneNumber=PHONE)
    one |= {"metadata": {"holdfast": "k" * 32}}
    return [
        {"data": one},
        {"data": [one], "pagination": {"hasNextPage": False}},
        {"data": {"2026-12-01": [{"start": one["start"], "end": one["end"]}]}},
        {"error": {"message": "User either already has booking at this time"}},
    ]


def _nexhealth() -> list[Any]:
    server = NexHealthServer()
    one = server.put(at(15), note="Booked by phone, ref " + "k" * 32, patient_id=1)
    slot = {"time": "2026-12-01T10:00:00.000-05:00", "provider_id": 83, "operatory_id": 54}
    patient = {"id": 1, "first_name": "Maria", "last_name": "Lopez"}
    return [
        {"code": True, "data": one},
        {"code": True, "data": {"appt": one, "token": "t", "user": patient}},
        {"code": True, "data": [one], "page_info": {"has_next_page": False}},
        {"code": True, "data": [{"lid": 7, "pid": 83, "slots": [slot]}]},
        {"code": True, "data": [patient]},
    ]


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    match value:
        case dict():
            inner: Any = value.items()
        case list():
            inner = enumerate(value)
        case _:
            inner = ()
    for name, each in inner:
        yield from _places(each, (*place, name))


def _with(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    if not place:
        return other
    copy = value.copy()
    copy[place[0]] = _with(value[place[0]], place[1:], other)
    return copy


strange = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            "9999-12-31T23:59:59-14:00",
            "0001-01-01T00:00:00+14:00",
            "2026-12-01T15:00:00",
            "2026-12-01T15:00:00Z",
            "cancelled",
            "1",
            [],
            [[]],
            {},
        ]
    ),
)


@st.composite
def spoilt(draw: st.DrawFn, kind: str) -> bytes:
    answer = draw(st.sampled_from(_calcom() if kind == "calcom" else _nexhealth()))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.sampled_from(list(_places(answer))))
        answer = _with(answer, place, draw(strange))
    return json.dumps(answer).encode()


def _opened(kind: str, client: httpx.AsyncClient) -> Remote:
    if kind == "calcom":
        calcom = CalComConfig(key_env="K", event_types={"cleaning": {"shah": 11, "reyes": 12}})
        return CalCom(calcom, client, PRACTICE, secret="key", now=NOW.timestamp)
    nexhealth = NexHealthConfig(
        key_env="K", subdomain="hillside", location_id=7, providers={"shah": 83, "reyes": 84}
    )
    return NexHealth(nexhealth, client, PRACTICE, secret="key", now=NOW.timestamp)


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("kind", ["calcom", "nexhealth"])
def test_no_answer_makes_another_error(kind: str, ask: str) -> None:
    ends = set()

    @settings(max_examples=25)
    @given(st.lists(st.tuples(st.sampled_from([200, 201, 400, 404]), spoilt(kind)), min_size=3))
    def try_it(answers: list[tuple[int, bytes]]) -> None:
        left = list(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.path == "/authenticates":
                return httpx.Response(201, json={"code": True, "data": {"token": "t"}})
            status, body = left.pop(0) if len(left) > 1 else left[0]
            return httpx.Response(status, content=body)

        async def once() -> object:
            async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
                return await ASKS[ask](_opened(kind, client))

        try:
            ends.add(type(asyncio.run(once())))
        except (Unavailable, Unsure) as error:
            ends.add(type(error))

    try_it()
    assert len(ends) > 1
