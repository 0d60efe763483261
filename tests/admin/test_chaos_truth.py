"""What counts as a broken promise, and what does not."""

from collections import Counter
from typing import Any

import pytest

from admin.chaos.people import Story, Told
from admin.chaos.truth import Entry, Standing, World, judge

BOOKED = '{"result":"booked","appointment_id":"a1","say":"It is booked."}'
TAKEN = '{"result":"slot_taken","offers":[],"say":"That time is gone."}'
REFUSED = '{"error":"withdrawn","say":"Nothing is booked."}'
DOUBT = '{"error":"doubt","say":"I am confirming that."}'


def told(content: str, **changes: Any) -> Told:
    values: dict[str, Any] = {
        "call_sid": "CA1",
        "function_call_id": "fc1",
        "tool": "book_appointment",
        "key": "book:1",
        "asked_utc": 99.0,
        "content": content,
        "answered_utc": 101.0,
    }
    return Told(**(values | changes))


def entry(state: str = "done", **changes: Any) -> Entry:
    values: dict[str, Any] = {
        "id": "e1",
        "call_sid": "CA1",
        "tool": "book_appointment",
        "state": state,
        "made_id": "a1" if state in ("done", "told") else "",
        "told_as": "",
        "to_look_at": False,
    }
    return Entry(**(values | changes))


def standing(id: str = "a1", phone: str = "+15550000001", status: str = "booked") -> Standing:
    return Standing(id=id, phone=phone, status=status, booked_utc=100.0)


def world(**changes: Any) -> World:
    values: dict[str, Any] = {
        "entries": {},
        "appointments": {},
        "shared_cells": 0,
        "texts": Counter(),
        "texts_twice": 0,
        "follow_ups": frozenset(),
    }
    return World(**(values | changes))


def story(*facts: Told, **changes: Any) -> Story:
    return Story(call_sid="CA1", phone="+15550000001", told=list(facts), **changes)


SO = {"entries": {"CA1:fc1": entry()}, "appointments": {"a1": standing()}}


@pytest.mark.parametrize(
    ("facts", "so"),
    [
        ((told(BOOKED),), SO),
        ((told(TAKEN),), {"entries": {"CA1:fc1": entry("void")}}),
        ((told(REFUSED),), {}),
        ((told(DOUBT),), {**SO, "entries": {"CA1:fc1": entry("told", told_as="done")}}),
        ((told(DOUBT),), {**SO, "texts": Counter({"a1": 1})}),
        (
            (told(TAKEN),),
            {
                "entries": {"CA1:fc1": entry()},
                "appointments": {"a1": standing(status="cancelled")},
            },
        ),
        ((told(DOUBT),), {"follow_ups": frozenset({"CA1"})}),
        ((told("", withdrawn=True),), {**SO, "texts": Counter({"a1": 1})}),
        ((told("", hung_up=True),), {}),
    ],
    ids=[
        "done",
        "taken",
        "refused",
        "told later",
        "texted",
        "ended",
        "a person",
        "withdrawn",
        "hung up",
    ],
)
def test_a_promise_that_was_kept(facts: tuple[Told, ...], so: dict[str, Any]) -> None:
    assert judge([story(*facts)], world(**so)).complaints() == []


@pytest.mark.parametrize(
    ("broken", "facts", "so"),
    [
        ("phantoms", (told(BOOKED),), {}),
        ("phantoms", (told(BOOKED),), {"entries": {"CA1:fc1": entry("void")}}),
        ("phantoms", (told(BOOKED),), {"entries": {"CA1:fc1": entry()}}),
        ("lost", (told(REFUSED),), SO),
        ("lost", (told(TAKEN),), SO),
        ("lost", (told("", hung_up=True),), SO),
        ("lost", (told(BOOKED), told(REFUSED, function_call_id="fc2")), SO),
        ("duplicates", (), {"appointments": {"a1": standing(), "a2": standing("a2")}}),
        ("duplicates", (), {"shared_cells": 1}),
        ("unsettled", (told(DOUBT),), {}),
        ("unsettled", (told(DOUBT),), {"entries": {"CA1:fc1": entry("claimed")}}),
        ("unsettled", (told(DOUBT),), {"entries": {"CA1:fc1": entry("void")}}),
        ("texts sent twice", (), {"texts_twice": 1}),
        ("unsettled", (told(DOUBT),), {"entries": {"CA1:fc1": entry(to_look_at=True)}}),
    ],
)
def test_a_promise_that_was_broken(
    broken: str, facts: tuple[Told, ...], so: dict[str, Any]
) -> None:
    (complaint,) = judge([story(*facts)], world(**so)).complaints()

    assert complaint == f"{broken}: 1, bound 0"


def test_who_gave_up_an_appointment_may_be_told_that_there_is_none() -> None:
    cancelled = told('{"result":"cancelled"}', tool="cancel_appointment", function_call_id="fc3")
    entries = {
        "CA1:fc1": entry(),
        "CA1:fc3": entry(tool="cancel_appointment", made_id="a1"),
    }
    so = world(entries=entries, appointments={"a1": standing(status="cancelled")})

    facts = (told(BOOKED), cancelled, told(TAKEN, function_call_id="fc2"))

    assert judge([story(*facts)], so).complaints() == []


def test_what_a_call_itself_tells_is_counted() -> None:
    silent = story(unanswered=1, over_budget=1, failed="bridge_error")

    assert len(judge([silent], world()).complaints()) == 3
