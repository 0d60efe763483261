"""The caller's line against a connection that takes nothing more."""

import json
from base64 import b64decode
from typing import Any

import pytest

from bridge.caller import HELD_BACK_BYTES, CallerLink
from bridge.wire import twilio


class FullConnection:
    """What a ``MediaProtocol`` is to a link; full until told otherwise."""

    def __init__(self, *, room_for: int = 0) -> None:
        self.room_for = room_for
        self.written: list[dict[str, Any]] = []

    @property
    def full(self) -> bool:
        return self.room_for <= 0

    def write_text(self, text: bytes) -> None:
        self.room_for -= 1
        self.written.append(json.loads(text))


class Ear:
    def __init__(self) -> None:
        self.messages: list[twilio.FromTwilio] = []
        self.unreadable: list[str] = []

    def caller_message(self, message: twilio.FromTwilio) -> None:
        self.messages.append(message)

    def caller_unreadable(self, what: str) -> None:
        self.unreadable.append(what)


def linked(room_for: int = 0) -> tuple[CallerLink, Any, Ear]:
    connection, ear = FullConnection(room_for=room_for), Ear()
    return CallerLink(connection, stream_sid="MZ1", ear=ear), connection, ear


def numbers(connection: Any) -> list[int]:
    return [
        int.from_bytes(b64decode(one["media"]["payload"]), "big")
        for one in connection.written
        if one["event"] == "media"
    ]


def play(link: CallerLink, *numbers: int) -> None:
    for number in numbers:
        link.play(number.to_bytes(4, "big"))


def test_what_there_is_room_for_is_written_at_once() -> None:
    link, connection, _ = linked(room_for=2)

    play(link, 1, 2, 3)

    assert numbers(connection) == [1, 2]


def test_what_was_held_back_goes_out_in_order_when_there_is_room() -> None:
    link, connection, _ = linked()
    play(link, 1, 2, 3)
    connection.room_for = 2
    link.flush()
    connection.room_for = 10

    play(link, 4)
    link.flush()

    assert numbers(connection) == [1, 2, 3, 4]


def test_the_oldest_is_dropped_when_too_much_is_held_back() -> None:
    link, connection, _ = linked()
    play(link, 0)
    message_bytes = len(twilio.media_text("MZ1", bytes(4)))
    room = HELD_BACK_BYTES // message_bytes
    play(link, *range(1, room + 3))
    connection.room_for = 10**6

    link.flush()

    assert link.dropped_texts == 3
    assert numbers(connection) == list(range(3, room + 3))


def test_room_is_room_again_after_a_clear() -> None:
    link, connection, _ = linked()
    link.play(bytes(HELD_BACK_BYTES // 2))
    link.send(twilio.Clear(stream_sid="MZ1"))
    link.play(bytes(HELD_BACK_BYTES // 2))
    connection.room_for = 10

    link.flush()

    assert link.dropped_texts == 0
    assert [one["event"] for one in connection.written] == ["clear", "media"]


def test_a_clear_goes_ahead_of_what_was_held_back() -> None:
    link, connection, _ = linked()
    play(link, 1, 2)
    link.send(twilio.Clear(stream_sid="MZ1"))
    connection.room_for = 10
    link.flush()

    assert connection.written == [{"event": "clear", "streamSid": "MZ1"}]


def test_a_mark_stays_behind_its_audio() -> None:
    link, connection, _ = linked()
    play(link, 1)
    link.send(twilio.SendMark(stream_sid="MZ1", mark=twilio.MarkBody(name="0:1")))
    connection.room_for = 10
    link.flush()

    assert [one["event"] for one in connection.written] == ["media", "mark"]


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        ("null", "Expected `object`, got `null`"),
        ('{"event":"shout"}', "unknown kind shout"),
        ('{"event":"connected","protocol":"Call","version":"1"}', "a second beginning"),
        (
            '{"event":"mark","streamSid":"MZ2","mark":{"name":"0:1"}}',
            "another stream's message",
        ),
    ],
)
def test_what_is_no_message_of_this_stream_is_told(frame: str, what: str) -> None:
    link, _, ear = linked()

    link.read(frame)

    assert (ear.messages, ear.unreadable) == ([], [what])
