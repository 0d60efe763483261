"""A text frame is known, unknown or malformed, whatever a peer sends."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.wire import deepgram, twilio
from bridge.wire.reading import MAX_KIND_CHARACTERS, Malformed, Unknown

READERS = [twilio.from_twilio, twilio.to_twilio, deepgram.from_agent, deepgram.to_agent]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(["start", "media", "Settings", "History", "FunctionCallRequest", "later"])
FIELDS = st.sampled_from(
    ["streamSid", "start", "media", "role", "content", "functions", "agent", "audio", "payload"]
)


def problem(reader, text) -> str:
    with pytest.raises(Malformed) as raised:
        reader.read(text)
    return str(raised.value)


@settings(max_examples=200, deadline=None)
@given(frame=st.binary() | st.text() | JSON.map(json.dumps))
def test_any_frame_is_read_or_malformed_and_nothing_else(frame) -> None:
    for reader in READERS:
        try:
            reader.read(frame)
        except Malformed:
            continue


@settings(max_examples=200, deadline=None)
@given(kind=KINDS, fields=st.dictionaries(FIELDS, JSON, max_size=5))
def test_any_shape_of_a_known_kind_is_read_or_malformed_and_nothing_else(kind, fields) -> None:
    text = json.dumps({"event": kind, "type": kind, **fields})
    for reader in READERS:
        try:
            reader.read(text)
        except Malformed:
            continue


@pytest.mark.parametrize(
    "frame",
    [
        "",
        b"",
        "nonsense",
        b"\xff\xfe\x00",
        '{"type":"Welcome"',
        '{"type":"Welcome","request_id":"\ud800"}',
        b'{"type":"Welcome","request_id":"\xff"}',
        "[" * 100_000,
        '{"type":"Welcome","request_id":' + "[" * 100_000,
        '{"type":"Later","deep":' + '{"a":' * 100_000,
        "[]",
        '"Welcome"',
        "null",
        "12",
        "{}",
        '{"type":null}',
        '{"type":["Welcome"]}',
        '{"event":"start"}',
    ],
)
def test_what_is_no_message_is_malformed(frame) -> None:
    assert problem(deepgram.from_agent, frame)


def test_a_kind_nobody_knows_is_tolerated() -> None:
    assert deepgram.from_agent.read('{"type":"Later","new":[1e400]}') == Unknown("Later")


def test_a_kind_of_the_other_direction_is_not_known_here() -> None:
    assert deepgram.from_agent.read('{"type":"KeepAlive"}') == Unknown("KeepAlive")


def test_a_very_long_kind_is_cut_since_it_is_counted_and_logged() -> None:
    unknown = deepgram.from_agent.read(json.dumps({"type": "x" * 100_000}))

    assert unknown == Unknown("x" * MAX_KIND_CHARACTERS)


@pytest.mark.parametrize(
    ("reader", "frame", "text"),
    [
        (
            deepgram.from_agent,
            '{"type":"Welcome","request_id":7}',
            "Welcome: Expected `str`, got `int` - at `$.request_id`",
        ),
        (
            deepgram.from_agent,
            '{"type":"Welcome"}',
            "Welcome: Object missing required field `request_id`",
        ),
        (
            deepgram.from_agent,
            '{"type":"ConversationText","role":"Ines Okafor","content":"secret"}',
            "ConversationText: unexpected value - at `$.role`",
        ),
        (
            deepgram.from_agent,
            '{"type":"ConversationText","role":"x - at `$.forged`","content":"secret"}',
            "ConversationText: unexpected value - at `$.role`",
        ),
        (
            deepgram.to_agent,
            '{"type":"UpdateListen","listen":{"provider":{"version":"secret"}}}',
            "UpdateListen: unexpected value - at `$.listen.provider.version`",
        ),
        (
            deepgram.to_agent,
            '{"type":"InjectAgentMessage"}',
            "InjectAgentMessage: unexpected value",
        ),
        (
            twilio.from_twilio,
            '{"event":"media","streamSid":"MZ1","media":{"payload":"no base64!"}}',
            "media: unexpected value - at `$.media.payload`",
        ),
        (
            twilio.from_twilio,
            '{"event":"media","streamSid":"MZ1","media":{"payload":"/w==","timestamp":"secret"}}',
            "media: Expected `int`, got `str` - at `$.media.timestamp`",
        ),
        (
            twilio.from_twilio,
            json.dumps({"event": "mark", "streamSid": "x" * 65, "mark": {"name": "1"}}),
            "mark: Expected `str` of length <= 64 - at `$.streamSid`",
        ),
        (
            twilio.to_twilio,
            '{"event":"clear","streamSid":"MZ1","secret":1}',
            "clear: unexpected value",
        ),
        (twilio.from_twilio, "Ines Okafor", "not JSON: DecodeError"),
        (twilio.from_twilio, '"Ines Okafor"', "Expected `object`, got `str`"),
        (twilio.from_twilio, "{}", "Object missing required field `event`"),
    ],
)
def test_a_malformed_message_is_described_by_its_path_never_by_its_value(
    reader, frame, text
) -> None:
    assert problem(reader, frame) == text


def test_no_error_of_the_decoder_is_chained_since_it_quotes_what_was_said() -> None:
    with pytest.raises(Malformed) as raised:
        deepgram.from_agent.read('{"type":"ConversationText","role":"secret","content":""}')

    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    "number", ["-1", "9" * 25, "9" * 400, "9" * 5000, '"' + "9" * 25 + '"', "1e999"]
)
def test_a_number_beyond_all_reason_is_malformed(number) -> None:
    mark = '{"event":"mark","streamSid":"MZ1","mark":{"name":"1"},"sequenceNumber":%s}'

    assert problem(twilio.from_twilio, mark % number).startswith("mark: ")
