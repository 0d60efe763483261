"""Golden samples: what the vendors document or send, read and written by our types.

Each file holds one ``message`` with its source and date; ``odd`` says what is unusual about it,
``reads_as`` what comes of one that cannot be read.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.wire import deepgram, twilio
from bridge.wire.reading import Malformed, Unknown

FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN = {
    f"{path.parent.name}/{path.stem}": json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.glob("*/*.json"))
}
READERS = {
    "from_twilio": (twilio.from_twilio, twilio.encode, twilio.FromTwilio),
    "to_twilio": (twilio.to_twilio, twilio.encode, twilio.ToTwilio),
    "from_agent": (deepgram.from_agent, deepgram.encode, deepgram.FromAgent),
    "to_agent": (deepgram.to_agent, deepgram.encode, deepgram.ToAgent),
}
READABLE = [name for name, golden in GOLDEN.items() if "reads_as" not in golden]
ORDINARY = [name for name in READABLE if "odd" not in GOLDEN[name]]
NUMBERS_IN_STRINGS = ("sequenceNumber", "chunk", "timestamp")


def tag(struct):
    return struct.__struct_config__.tag


def kind(message):
    return message.get("event") or message["type"]


def with_numbers(value):
    """Twilio's numbers-in-strings as the numbers they are."""
    if isinstance(value, dict):
        return {
            key: int(item) if key in NUMBERS_IN_STRINGS else with_numbers(item)
            for key, item in value.items()
        }
    return value


def read(name):
    golden = GOLDEN[name]
    return READERS[golden["direction"]][0].read(json.dumps(golden["message"]))


def write(name, message):
    return READERS[GOLDEN[name]["direction"]][1](message)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_sample_says_where_and_when_it_comes_from(name) -> None:
    golden = GOLDEN[name]

    assert golden["source"]
    assert len(golden["date"]) == len("2026-11-22")
    assert set(golden) <= {"source", "date", "direction", "odd", "reads_as", "message"}


@pytest.mark.parametrize("direction", READERS)
def test_every_message_of_a_direction_has_a_golden_sample(direction) -> None:
    sampled = {kind(GOLDEN[name]["message"]) for name in ORDINARY_OF[direction]}

    assert sampled == {tag(struct) for struct in READERS[direction][2].__args__}


ORDINARY_OF = {
    direction: [name for name in ORDINARY if GOLDEN[name]["direction"] == direction]
    for direction in READERS
}


@pytest.mark.parametrize("name", READABLE)
def test_a_golden_sample_becomes_its_own_type(name) -> None:
    message = read(name)

    assert tag(type(message)) == kind(GOLDEN[name]["message"])


@pytest.mark.parametrize("name", ORDINARY)
def test_what_is_written_again_is_what_was_read(name) -> None:
    written = write(name, read(name))

    assert json.loads(written) == with_numbers(GOLDEN[name]["message"])


@pytest.mark.parametrize("name", READABLE)
def test_what_is_written_again_reads_the_same(name) -> None:
    message = read(name)

    assert READERS[GOLDEN[name]["direction"]][0].read(write(name, message)) == message


@pytest.mark.parametrize("name", [name for name in GOLDEN if name not in READABLE])
def test_what_cannot_be_read_is_unknown_or_malformed_as_the_sample_says(name) -> None:
    try:
        outcome = type(read(name)).__name__
    except Malformed:
        outcome = "Malformed"

    assert outcome == GOLDEN[name]["reads_as"]


@pytest.mark.parametrize("direction", READERS)
def test_bytes_read_like_text(direction) -> None:
    reader = READERS[direction][0]
    text = json.dumps(GOLDEN[ORDINARY_OF[direction][0]]["message"])

    assert reader.read(text.encode()) == reader.read(text)


TEXTS = [json.dumps(golden["message"]).encode() for golden in GOLDEN.values()]
JSON_PIECES = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"-1",
    b"1e999",
    b"\\ud800",
    b"\xff",
]
EDIT = st.tuples(
    st.integers(0, 2000), st.integers(0, 8), st.sampled_from(JSON_PIECES) | st.binary(max_size=6)
)


@settings(max_examples=400, deadline=None)
@given(text=st.sampled_from(TEXTS), edits=st.lists(EDIT, max_size=4))
def test_a_damaged_sample_is_read_or_malformed_and_nothing_else(text, edits) -> None:
    damaged = bytearray(text)
    for at, removed, put_in in edits:
        start = at % (len(damaged) + 1)
        damaged[start : start + removed] = put_in

    for reader, encode, union in READERS.values():
        try:
            message = reader.read(bytes(damaged))
        except Malformed:
            continue
        assert isinstance(message, (Unknown, *union.__args__))
        if not isinstance(message, Unknown):
            assert reader.read(encode(message)) == message
