import json
from typing import Any

import msgspec
import pytest

from tools.catalog import (
    CATALOG,
    QUEUES,
    BookAppointment,
    FindSlots,
    decode_arguments,
    effect_key,
    parameters_schema,
)
from tools.errors import BadArguments

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


def test_every_tool_tells_the_model_what_it_does_and_the_caller_what_if_not() -> None:
    for tool in CATALOG.values():
        assert tool.description
        assert "\n" not in tool.description
        assert tool.fallback.endswith(".")
        assert 0 < tool.budget_s <= 10
        assert tool.queue in QUEUES


@pytest.mark.parametrize("name", CATALOG)
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
        assert field["type"] == "string"
        assert field["description"]


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
