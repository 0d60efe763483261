import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.conversation import Conversation, FunctionCallNote, Remembered
from bridge.call.deeds import came_true, may_come_true, said_of
from bridge.call.details import (
    LONGEST_NAME,
    LONGEST_VALUE,
    MOST_NAMES,
    MOST_SAID,
    MOST_SAVE_POINTS,
    remember,
    save_point,
    start_over,
)
from bridge.call.leaving import Leaving
from bridge.call.local import LOCAL, Here, check_local
from bridge.call.manners import Manners
from tests.call.talks import a_talk, booking, caller
from tools.catalog import CATALOG, decode_arguments

NAMES = ("name", "phone", "day", "new patient")


def told(content: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(content)
    return answer


def noted(
    conversation: Conversation, at_s: float = 1.0, allowed: tuple[str, ...] = NAMES, **given: Any
) -> dict[str, Any]:
    return told(remember(conversation, given, at_s, allowed))


# --- remembering -------------------------------------------------------------------------------


def test_a_detail_is_noted_with_when_it_was_said() -> None:
    conversation = a_talk()

    answer = noted(conversation, 4.0, name="Ann Lee")

    assert answer == {"result": "remembered", "known": {"name": "Ann Lee"}}
    assert conversation.details == {"name": [Remembered(value="Ann Lee", at_s=4.0)]}


def test_a_correction_counts_and_what_it_replaced_is_kept_behind_it() -> None:
    conversation = a_talk()
    noted(conversation, 1.0, day="Monday", name="Ann Lee")

    answer = noted(conversation, 9.0, day="Tuesday")

    assert answer["known"] == {"day": "Tuesday", "name": "Ann Lee"}
    assert answer["replaced"] == {"day": "Monday"}
    assert conversation.details["day"] == [
        Remembered(value="Monday", at_s=1.0),
        Remembered(value="Tuesday", at_s=9.0),
    ]


def test_the_callers_latest_word_wins_even_if_it_is_the_first_one_again() -> None:
    conversation = a_talk()
    for at_s, day in enumerate(("Monday", "Tuesday", "Monday")):
        noted(conversation, float(at_s), day=day)

    assert conversation.known == {"day": "Monday"}
    assert len(conversation.details["day"]) == 3


def test_the_same_word_again_changes_nothing() -> None:
    conversation = a_talk()
    noted(conversation, 1.0, day="Monday")

    answer = noted(conversation, 2.0, day=" Monday ")

    assert "replaced" not in answer
    assert conversation.details["day"] == [Remembered(value="Monday", at_s=1.0)]


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_an_empty_value_forgets_but_the_record_keeps_what_was_said(empty: str | None) -> None:
    conversation = a_talk()
    noted(conversation, 1.0, phone="5550100122", name="Ann Lee")

    answer = noted(conversation, 2.0, phone=empty)

    assert answer["forgotten"] == ["phone"]
    assert conversation.known == {"name": "Ann Lee"}
    assert conversation.details["phone"][0].value == "5550100122"


def test_forgetting_what_was_never_said_is_nothing() -> None:
    conversation = a_talk()

    answer = noted(conversation, phone=None)

    assert answer == {"result": "remembered", "known": {}}
    assert conversation.details == {}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (True, "yes"),
        (False, "no"),
        (5550100122, "5550100122"),
        (3.0, "3"),
        (2.5, "2.5"),
        ("  Ann \n Lee ", "Ann Lee"),
    ],
)
def test_values_are_kept_as_words(said: Any, kept: str) -> None:
    conversation = a_talk()

    noted(conversation, name=said)

    assert conversation.known == {"name": kept}


@pytest.mark.parametrize("called", ["New Patient", "new_patient", "NEW-PATIENT", " new  patient "])
def test_a_name_is_the_practices_however_the_model_spells_it(called: str) -> None:
    conversation = a_talk()

    remember(conversation, {called: True}, 1.0, NAMES)

    assert conversation.known == {"new patient": "yes"}


def test_a_name_the_practice_does_not_have_is_not_taken_and_the_model_is_told_which_there_are() -> (
    None
):
    conversation = a_talk()

    answer = told(remember(conversation, {"shoe size": 38, "day": "Monday"}, 1.0, NAMES))

    assert answer["not_taken"] == ["shoe size"]
    assert answer["takes"] == list(NAMES)
    assert answer["result"] == "remembered"
    assert conversation.known == {"day": "Monday"}


def test_a_practice_without_details_takes_none() -> None:
    conversation = a_talk()

    answer = noted(conversation, allowed=(), name="Ann Lee")

    assert answer == {"result": "not_taken", "known": {}, "not_taken": ["name"]}


@pytest.mark.parametrize(
    "given",
    [{"name": "x" * (LONGEST_VALUE + 1)}, {"x" * 500: "y"}, {"name": 1e300}],
    ids=["value", "name", "number"],
)
def test_what_is_too_long_is_not_taken_and_not_repeated_at_length(given: dict[str, Any]) -> None:
    conversation = a_talk()

    content = remember(conversation, given, 1.0, (*NAMES, "x" * 500))

    assert told(content)["result"] == "not_taken"
    assert len(told(content)["not_taken"][0]) <= LONGEST_NAME
    assert conversation.details == {}


def test_there_is_room_for_so_many_names_only() -> None:
    conversation = a_talk()
    many = tuple(f"detail {n}" for n in range(MOST_NAMES + 1))
    for name in many:
        remember(conversation, {name: "x"}, 1.0, many)

    assert list(conversation.details) == list(many[:MOST_NAMES])
    assert noted(conversation, allowed=many, **{"detail 0": "y"})["replaced"] == {"detail 0": "x"}


def test_what_was_said_of_one_name_is_kept_a_few_times_over() -> None:
    conversation = a_talk()
    for n in range(50):
        noted(conversation, float(n), day=f"day {n}")

    assert [said.value for said in conversation.details["day"]] == [
        f"day {n}" for n in range(50 - MOST_SAID, 50)
    ]


# --- starting over -----------------------------------------------------------------------------


def talking() -> Conversation:
    """The name was known at the save point, the day was said since."""
    conversation = a_talk()
    noted(conversation, 1.0, name="Ann Lee", day="Monday")
    save_point(conversation, 2.0, "booked")
    noted(conversation, 3.0, day="Tuesday", phone="5550100122")
    return conversation


def test_starting_over_goes_back_to_what_was_known_at_the_last_save_point() -> None:
    conversation = talking()

    answer = told(start_over(conversation, 9.0))

    assert conversation.known == {"name": "Ann Lee", "day": "Monday"}
    assert answer["known"] == {"name": "Ann Lee", "day": "Monday"}
    assert sorted(answer["forgotten"]) == ["day", "phone"]


def test_what_was_forgotten_by_it_stays_in_the_record() -> None:
    conversation = talking()

    start_over(conversation, 9.0)

    assert conversation.details["day"][-2:] == [
        Remembered(value="Tuesday", at_s=3.0),
        Remembered(value="Monday", at_s=1.0),
    ]
    assert conversation.details["phone"] == [
        Remembered(value="5550100122", at_s=3.0),
        Remembered(value="", at_s=9.0),
    ]


def test_without_a_save_point_everything_is_forgotten() -> None:
    conversation = a_talk()
    noted(conversation, name="Ann Lee")

    answer = told(start_over(conversation, 9.0))

    assert conversation.known == {}
    assert answer["forgotten"] == ["name"]
    assert "known" not in answer["next"]


def test_the_agent_is_told_in_words_to_begin_again_without_a_greeting() -> None:
    answer = told(start_over(a_talk(), 9.0))

    assert answer["result"] == "started_over"
    assert answer["say"] == "Of course, let's start over. What can I do for you?"
    assert "without a greeting" in answer["next"]
    assert "done" not in answer


def test_what_was_done_stays_done_and_the_agent_is_told_so() -> None:
    taken = booking(
        function_call_id="b2", response='{"result":"slot_taken","say":"That time is not free."}'
    )
    conversation = a_talk(function_calls=[booking(), taken])

    answer = told(start_over(conversation, 9.0))

    assert answer["done"] == ["Ann Lee is booked for a cleaning."]
    assert "do not do it again" in answer["next"]
    assert conversation.function_calls == [booking(), taken]


@pytest.mark.parametrize("outcome", ["", "doubt", "cancelled", "agent_lost"])
def test_what_may_still_come_true_is_told_as_open(outcome: str) -> None:
    note = booking(response=None, answered_s=None, outcome=outcome)
    conversation = a_talk(function_calls=[note])

    answer = told(start_over(conversation, 9.0))

    assert answer["open"] == ["book_appointment"]
    assert "may still come true" in answer["next"]


def test_what_was_said_stays_in_the_record_and_leaves_the_window() -> None:
    conversation = a_talk(
        caller("A cleaning.", 1.0),
        caller("Let's start over.", 8.0),
        summary="She wants a cleaning.",
    )

    start_over(conversation, 9.0)

    assert len(conversation.utterances) == 2
    assert (conversation.summary, conversation.summarised, conversation.since_s) == ("", 2, 9.0)


def test_starting_over_twice_goes_back_to_the_same_point() -> None:
    conversation = talking()
    start_over(conversation, 9.0)
    noted(conversation, 10.0, day="Friday")

    start_over(conversation, 11.0)

    assert conversation.known == {"name": "Ann Lee", "day": "Monday"}


def test_a_save_point_is_a_copy_and_only_a_few_are_kept() -> None:
    conversation = a_talk()
    for n in range(30):
        noted(conversation, float(n), day=f"day {n}")
        save_point(conversation, float(n), "done")

    assert len(conversation.save_points) == MOST_SAVE_POINTS
    assert conversation.save_points[0].known["day"].value == f"day {30 - MOST_SAVE_POINTS}"
    assert conversation.save_points[-1].why == "done"


def test_a_save_point_holds_nothing_that_was_forgotten() -> None:
    conversation = a_talk()
    noted(conversation, name="Ann Lee", day="Monday")
    noted(conversation, day=None)

    save_point(conversation, 2.0, "done")

    assert list(conversation.save_points[0].known) == ["name"]


# --- what was done -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "doubt"},
        {"response": None},
        {"response": "no JSON"},
        {"response": '{"say":"?"}'},
        {"response": '{"result":["booked"]}'},
        {"tool": "make_tea"},
        {"tool": "find_slots"},
    ],
)
def test_only_an_answer_that_says_so_means_that_something_was_done(changes: dict[str, Any]) -> None:
    assert came_true(booking())
    assert not came_true(booking(**changes))


@pytest.mark.parametrize(
    "note",
    [
        booking(),
        booking(outcome="bad_arguments"),
        booking(outcome="", tool="make_tea"),
        booking(outcome="", tool="find_slots"),
        booking(outcome="", tool="start_over"),
    ],
)
def test_what_is_settled_or_no_effect_outside_is_not_open(note: FunctionCallNote) -> None:
    assert not may_come_true(note)


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (None, ""),
        ("{", ""),
        ('{"say":1}', ""),
        ("{}", ""),
        ('{"say":"Nine is free."}', "Nine is free."),
    ],
)
def test_what_an_answer_says_is_read_out_of_it(response: str | None, said: str) -> None:
    assert said_of(booking(response=response)) == said


# --- the bodies in the call --------------------------------------------------------------------


def test_every_tool_of_the_call_has_a_body_here_and_no_body_is_without_a_tool() -> None:
    check_local()
    assert LOCAL.keys() == {name for name, tool in CATALOG.items() if tool.place == "call"}


@pytest.mark.parametrize("local", [{}, {**LOCAL, "book_appointment": LOCAL["start_over"]}])
def test_a_start_fails_when_catalogue_and_bodies_differ(local: Any) -> None:
    with pytest.raises(RuntimeError, match="differ"):
        check_local(CATALOG, local)


def test_a_request_of_the_agent_is_answered_by_its_body() -> None:
    conversation = a_talk()
    arguments = decode_arguments(CATALOG["remember_details"], '{"details":{"name":"Ann Lee"}}')

    here = Here(
        conversation=conversation,
        manners=Manners(greeting="", apology="", details=NAMES),
        leaving=Leaving(),
        now=1.0,
        at_s=1.0,
    )
    known = LOCAL["remember_details"](here, arguments)
    over = LOCAL["start_over"](here, decode_arguments(CATALOG["start_over"], ""))

    assert told(known)["known"] == {"name": "Ann Lee"}
    assert told(over)["forgotten"] == ["name"]


# --- whatever is said --------------------------------------------------------------------------

SAID = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**18), 10**18), st.floats(allow_nan=False), st.text()
)
STEPS = st.lists(
    st.one_of(
        st.dictionaries(st.sampled_from([*NAMES, "Phone ", "strange", ""]), SAID, max_size=5),
        st.sampled_from(["save", "over"]),
    ),
    max_size=30,
)


@given(steps=STEPS)
def test_whatever_is_said_the_memory_is_bounded_and_survives_its_bridge(steps: list[Any]) -> None:
    conversation = a_talk()
    for at_s, step in enumerate(steps):
        match step:
            case "save":
                save_point(conversation, float(at_s), "done")
            case "over":
                start_over(conversation, float(at_s))
                saved = conversation.save_points[-1:]
                assert conversation.known == {
                    name: said.value for point in saved for name, said in point.known.items()
                }
            case _:
                remember(conversation, step, float(at_s), NAMES)

    assert conversation.details.keys() <= set(NAMES)
    assert all(len(said) <= MOST_SAID for said in conversation.details.values())
    assert all(len(value) <= LONGEST_VALUE for value in conversation.known.values())
    stored = msgspec.msgpack.encode(conversation)
    assert msgspec.msgpack.decode(stored, type=Conversation) == conversation


def test_a_conversation_of_an_older_version_is_read_as_one_that_knows_nothing_yet() -> None:
    old = {"call_sid": "CA1", "practice": "hillside", "started_utc": 1.0, "version": 1}

    conversation = msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=Conversation)

    assert (conversation.known, conversation.summary, conversation.summarised) == ({}, "", 0)
