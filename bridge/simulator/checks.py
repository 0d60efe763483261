"""Whether Twilio would accept what the bridge sends: strictly, field by field (F18).

Written out here and not taken from the bridge's own message types, so that a mistake in those
does not excuse itself. Leaves counting and failing a run to ``bridge.simulator.caller``.
"""

from binascii import Error as BadBase64
from binascii import a2b_base64
from typing import Any

import msgspec

__all__ = ["ClearQueue", "Fault", "MarkHere", "Play", "read"]

MALFORMED = 31950
INVALID = 31951
PROTOCOL = 31924

_BODIES = {"media": "payload", "mark": "name", "clear": None}
_TWILIOS_OWN = frozenset({"connected", "start", "stop"})


class Play(msgspec.Struct, frozen=True):
    """Sound to queue."""

    sound: bytes


class MarkHere(msgspec.Struct, frozen=True):
    """A mark to put behind what is queued."""

    name: str


class ClearQueue(msgspec.Struct, frozen=True):
    """The queue is to be emptied."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something Twilio would refuse."""

    code: int
    """Twilio's number for it; 0 for what Twilio would play and a person would hear."""
    why: str
    ends_stream: bool = False


def read(frame: str | bytes, stream_sid: str) -> Play | MarkHere | ClearQueue | Fault:
    """What one WebSocket message of the bridge asks for, or what is wrong with it."""
    if isinstance(frame, bytes):
        return Fault(code=MALFORMED, why=f"a binary message of {len(frame)} bytes")
    try:
        message = msgspec.json.decode(frame)
    except msgspec.DecodeError:
        return _invalid("not JSON")
    if not isinstance(message, dict):
        return _invalid("not an object")
    kind = message.get("event")
    if kind in _TWILIOS_OWN:
        return Fault(code=PROTOCOL, why=f"{kind} is Twilio's to send", ends_stream=True)
    if kind not in _BODIES:
        return _invalid("an unknown event")
    return _read_known(kind, message, stream_sid)


def _read_known(
    kind: str, message: dict[str, Any], stream_sid: str
) -> Play | MarkHere | ClearQueue | Fault:
    field = _BODIES[kind]
    expected = {"event", "streamSid"} | ({kind} if field else set())
    if message.keys() != expected:
        return _invalid(f"{kind} with fields {_named(message.keys() ^ expected)} missing or extra")
    if message["streamSid"] != stream_sid:
        return _invalid(f"{kind} for another stream")
    if field is None:
        return ClearQueue()
    body = message[kind]
    if not isinstance(body, dict) or body.keys() != {field} or not isinstance(body[field], str):
        return _invalid(f"{kind} is not an object with the text {field} alone")
    return MarkHere(body[field]) if kind == "mark" else _sound(body[field])


def _sound(payload: str) -> Play | Fault:
    try:
        sound = a2b_base64(payload, strict_mode=True)
    except (BadBase64, ValueError):
        return _invalid("a payload that is not base64")
    if sound.startswith(b"RIFF"):
        return Fault(code=0, why="a WAV header, heard as a click")
    return Play(sound)


def _invalid(why: str) -> Fault:
    return Fault(code=INVALID, why=why)


def _named(fields: set[str]) -> str:
    return ", ".join(sorted(fields))
