import json
from typing import Any

import msgspec
import pytest

from tools.arguments import BookAppointment, FindSlots, RememberDetails, StartOver
from tools.catalog import (
    CATALOG,
    OFFERED,
    QUEUED,
    QUEUES,
    Tool,
    decode_arguments,
    has_happened,
    parameters_schema,
)
from tools.errors import BadArguments
from tools.meaning import effect_key

BOOK = CATALOG["book_appointment"]
FIND = CATALOG["find_slots"]
WANTED = {
    "service": "cleaning",
    "start": "2026-12-01T09:30-05:00",
    "patient_name": "Ann Lee",
    "phone": "(555) 010-0122",
}


def decoded(**changes: Any) -> BookAppointment:
    arguments = decode_arguments(BOOK, json.dumps(WANTED | changes))
    assert isinstance(arguments, BookAppointment)
    return arguments


def refusal(tool: str, text: str) -> str:
    with pytest.raises(BadArguments) as refused:
        decode_arguments(CATALOG[tool], text)
    return refused.value.say


@pytest.mark.parametrize("tool", CATALOG.values(), ids=CATALOG)
def test_every_tool_says_what_it_does(tool: Tool) -> None:
    assert tool.description
    assert "\n" not in tool.description
    assert tool.effect or not tool.came_true


@pytest.mark.parametrize("name", sorted(set(QUEUED) & set(OFFERED)))
def test_a_tool_a_caller_waits_for_has_a_queue_a_budget_and_words_for_the_worst(name: str) -> None:
    tool = CATALOG[name]

    assert tool.queue in QUEUES
    assert 0 < tool.budget_s <= 10
    assert tool.fallback.endswith(".")
    assert tool.effect == bool(tool.came_true)


@pytest.mark.parametrize("name", sorted(set(CATALOG) - set(QUEUED)))
def test_a_tool_of_the_call_needs_no_queue_and_no_time(name: str) -> None:
    tool = CATALOG[name]

    assert tool.place == "call"
    assert (tool.queue, tool.budget_s, tool.filler, tool.fallback) == ("", 0.0, False, "")


def test_no_agent_is_offered_what_is_internal() -> None:
    assert set(CATALOG) - set(OFFERED) == {"summarise", "note_told", "free_holds"}
    assert all(CATALOG[name].internal for name in set(CATALOG) - set(OFFERED))


def test_what_no_caller_waits_for_has_queues_of_its_own_that_come_last() -> None:
    waited_for = {CATALOG[name].queue for name in set(QUEUED) & set(OFFERED)}
    unheard = {tool.queue for tool in QUEUED.values() if tool.internal}

    assert not waited_for & unheard
    assert set(QUEUES[-len(unheard) :]) == unheard
    assert waited_for | unheard == set(QUEUES)


@pytest.mark.parametrize("tool", QUEUED.values(), ids=QUEUED)
def test_what_hangs_once_leaves_time_for_another_attempt(tool: Tool) -> None:
    tries = tool.tries

    assert tool.queue in QUEUES
    assert tries.most >= 2
    assert 0 < tries.attempt_s + tries.longest_wait_s < tool.budget_s


def test_what_needs_no_calendar_is_not_refused_when_it_is_away() -> None:
    on_calendar = {name for name, tool in CATALOG.items() if tool.backend == "calendar"}

    assert on_calendar == {
        *("find_slots", "lookup_appointment", "book_appointment", "book_with_insurance"),
        *("reschedule_appointment", "cancel_appointment"),
    }


@pytest.mark.parametrize("name", [name for name, tool in QUEUED.items() if tool.effect])
def test_an_effect_has_words_for_a_doubt_and_for_a_certain_no(name: str) -> None:
    tool = CATALOG[name]

    assert tool.came_true
    assert tool.fallback.endswith(".")
    assert tool.not_done.endswith(".")
    assert tool.not_done != tool.fallback
    assert tool.late == ("do" if tool.queue == "messages" else "look")


@pytest.mark.parametrize("name", [name for name, tool in CATALOG.items() if not tool.effect])
def test_what_changes_nothing_promises_nothing(name: str) -> None:
    tool = CATALOG[name]

    assert (tool.not_done, tool.came_true, tool.late) == ("", (), "look")


@pytest.mark.parametrize("name", OFFERED)
def test_a_tools_parameters_are_one_flat_schema_with_every_field_described(name: str) -> None:
    schema = parameters_schema(CATALOG[name])

    text = json.dumps(schema)
    assert "$ref" not in text
    assert "anyOf" not in text
    assert "null" not in text
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) <= set(schema["properties"])
    for field in schema["properties"].values():
        assert field["type"] in ("string", "boolean", "object")
        assert field["description"]


def test_details_are_asked_for_as_text_by_name() -> None:
    details = parameters_schema(CATALOG["remember_details"])["properties"]["details"]

    assert details["type"] == "object"
    assert details["additionalProperties"] == {"type": "string"}
    assert (details["minProperties"], details["maxProperties"]) == (1, 20)


def test_details_of_any_plain_sort_are_taken() -> None:
    text = '{"details": {"name": "Ann", "number": 5550100122, "new": true, "day": null, "n": 1.5}}'

    assert decode_arguments(CATALOG["remember_details"], text) == RememberDetails(
        details={"name": "Ann", "number": 5550100122, "new": True, "day": None, "n": 1.5}
    )


@pytest.mark.parametrize(
    "details",
    [
        "Secret",
        {},
        {"name": ["Secret"]},
        {"name": "Secret" * 40},
        {"Secret" * 40: "x"},
        {"": "Secret"},
        {"number": 10**19},
        {f"Secret {n}": "x" for n in range(21)},
    ],
)
def test_details_of_another_shape_are_given_back_without_repeating_them(details: Any) -> None:
    said = refusal("remember_details", json.dumps({"details": details}))

    assert said.startswith("details is not as it should be. Name and value of each detail")
    assert "Secret" not in said


@pytest.mark.parametrize("text", ["{}", "", "null", '{"reason": "she said so"}'])
def test_a_tool_without_fields_takes_whatever_comes(text: str) -> None:
    assert decode_arguments(CATALOG["start_over"], text) == StartOver()


@pytest.mark.parametrize(
    ("content", "happened"),
    [
        ('{"result":"booked","say":"x"}', True),
        ('{"result":"slot_taken","say":"x"}', False),
        ('{"say":"x"}', False),
        ('{"result":["booked"]}', False),
        ("booked", False),
        ("", False),
    ],
)
def test_an_effect_has_happened_only_if_its_answer_says_so(content: str, happened: bool) -> None:
    assert has_happened(BOOK, content) is happened
    assert not has_happened(FIND, content)


def test_only_optional_fields_may_be_left_out() -> None:
    assert parameters_schema(FIND)["required"] == ["service"]
    assert parameters_schema(BOOK)["required"] == ["service", "start", "patient_name", "phone"]


def test_arguments_as_the_model_sends_them_are_decoded() -> None:
    text = '{"service": "cleaning", "from_day": "2026-12-01", "part_of_day": "morning"}'

    assert decode_arguments(FIND, text) == FindSlots(
        service="cleaning", from_day="2026-12-01", part_of_day="morning"
    )


def test_optional_fields_sent_as_null_or_nothing_count_as_left_out() -> None:
    text = '{"service": "cleaning", "from_day": null, "part_of_day": "", "provider": ""}'

    assert decode_arguments(FIND, text) == FindSlots(service="cleaning")


@pytest.mark.parametrize("text", ["", "{", "[]", '"cleaning"', "null", "\ud800", "{" + " " * 5000])
def test_what_is_no_json_object_is_answered_with_the_fields(text: str) -> None:
    assert "service" in refusal("find_slots", text)


def test_a_missing_field_is_named() -> None:
    assert refusal("book_appointment", '{"service": "cleaning"}').startswith(
        "Missing: start, patient_name, phone."
    )


def test_an_unknown_field_is_refused_without_repeating_it() -> None:
    said = refusal("find_slots", '{"service": "cleaning", "Ann Lee": "x"}')

    assert said == "Send only these fields: service, from_day, to_day, part_of_day, provider."


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start", "next Tuesday for Secret Person"),
        ("start", "2026-13-01T09:00"),
        ("phone", "call Secret Person"),
        ("patient_name", "Secret Person" * 20),
        ("patient_name", "<b>Secret Person</b>"),
        ("service", ["Secret Person"]),
        ("phone", 15550100122),
        ("phone", None),
    ],
)
def test_a_wrong_value_is_answered_with_what_the_field_wants_and_never_repeated(
    field: str, value: Any
) -> None:
    said = refusal("book_appointment", json.dumps(WANTED | {field: value}))

    assert said.startswith(f"{field} is not as it should be.")
    assert "Secret" not in said
    assert "15550100122" not in said


def test_a_word_that_is_no_choice_is_answered_with_the_choices_only() -> None:
    said = refusal("find_slots", '{"service": "x", "part_of_day": "Secret"}')

    assert "One of: afternoon, any, morning." in said
    assert "Secret" not in said


@pytest.mark.parametrize(
    "changes",
    [
        {"phone": "+1 555 010 0122"},
        {"phone": "15550100122"},
        {"patient_name": "  ann   LEE "},
        {"service": "Cleaning"},
        {"start": "2026-12-01T09:30"},
        {"start": "2026-12-01T09:30:00-05:00"},
        {"provider": "Doctor Okafor"},
    ],
)
def test_the_same_booking_asked_in_other_words_has_the_same_key(changes: dict[str, str]) -> None:
    assert effect_key(BOOK, "hillside", decoded(**changes)) == effect_key(
        BOOK, "hillside", decoded()
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"phone": "555 010 0123"},
        {"patient_name": "Ben Lee"},
        {"service": "filling"},
        {"start": "2026-12-01T10:30"},
    ],
)
def test_another_booking_has_another_key(changes: dict[str, str]) -> None:
    assert effect_key(BOOK, "hillside", decoded(**changes)) != effect_key(
        BOOK, "hillside", decoded()
    )


def test_practices_never_share_a_key_and_a_key_shows_no_patient() -> None:
    ours = effect_key(BOOK, "hillside", decoded())

    assert ours != effect_key(BOOK, "valley", decoded())
    assert "ann" not in ours.lower()
    assert "5550100122" not in ours


def test_reads_have_no_key() -> None:
    assert effect_key(FIND, "hillside", FindSlots(service="cleaning")) == ""


def test_a_tool_is_a_value_that_can_be_compared() -> None:
    assert msgspec.structs.replace(BOOK) == BOOK
