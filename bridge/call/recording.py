"""Every event that enters a call as bytes and back, so that the call can be played again.

One record is one line of JSON: version, instant, whose message, the message. Leaves where records
are kept to whoever records. A recorded call is replayed into a new session whose conversation
equals the one at the recording's beginning; then every decision is the same.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from bridge.call.commands import Command
from bridge.call.events import Event, InnerEvent
from bridge.call.session import CallSession
from bridge.wire import deepgram, twilio

VERSION = 1


class UnreadableRecord(ValueError):
    """Not a record, or one of a newer version; the text never quotes what was said."""


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    version: int
    at: float
    """Seconds on the clock of the process that recorded; only differences mean anything."""
    twilio: Any = None
    agent: Any = None
    inner: Any = None


class _Sealed(_Record, frozen=True, kw_only=True, omit_defaults=True):
    twilio: msgspec.Raw = msgspec.Raw()
    agent: msgspec.Raw = msgspec.Raw()
    inner: msgspec.Raw = msgspec.Raw()


_encode = msgspec.json.Encoder().encode
_open = msgspec.json.Decoder(_Sealed).decode
_from_twilio: Callable[[msgspec.Raw], Event] = msgspec.json.Decoder(twilio.FromTwilio).decode
_from_agent: Callable[[msgspec.Raw], Event] = msgspec.json.Decoder(deepgram.FromAgent).decode
_inner: Callable[[msgspec.Raw], Event] = msgspec.json.Decoder(InnerEvent).decode


def encode(event: Event, now: float) -> bytes:
    """An event and the instant at which it entered the call, as one line without its end."""
    if isinstance(event, twilio.FromTwilio):
        return _encode(_Record(version=VERSION, at=now, twilio=event))
    if isinstance(event, InnerEvent):
        return _encode(_Record(version=VERSION, at=now, inner=event))
    return _encode(_Record(version=VERSION, at=now, agent=event))


def decode(line: bytes) -> tuple[Event, float]:
    """The event of a record, and its instant.

    Raises:
        UnreadableRecord: cut short, not a record, or newer than this code.
    """
    try:
        sealed = _open(line)
        if sealed.version == VERSION:
            return _event(sealed), sealed.at
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UnreadableRecord(f"no record: {type(error).__name__}") from None
    raise UnreadableRecord(f"version {sealed.version}; this code reads {VERSION}")


def _event(sealed: _Sealed) -> Event:
    if bytes(sealed.twilio):
        return _from_twilio(sealed.twilio)
    if bytes(sealed.agent):
        return _from_agent(sealed.agent)
    return _inner(sealed.inner)


def replay(lines: Iterable[bytes], session: CallSession) -> list[Command]:
    """Play recorded events into a new session; returns everything it commanded, in order.

    Raises:
        UnreadableRecord: one of the lines is no record.
    """
    commands: list[Command] = []
    for line in lines:
        event, now = decode(line)
        commands += session.receive(event, now)
    return commands
