"""Every Twilio Media Streams message, both directions (twilio-voice.md section 2).

Leaves sockets to ``bridge.caller`` and meaning to ``bridge.call``. Twilio's whole numbers arrive
as strings ("sequenceNumber": "2"); they are numbers here.
"""

from binascii import b2a_base64
from typing import Annotated

import msgspec

from bridge.wire.reading import Malformed, Reader, Unknown

__all__ = [
    "Clear",
    "Connected",
    "Dtmf",
    "FromTwilio",
    "Malformed",
    "Mark",
    "Media",
    "SendMark",
    "SendMedia",
    "Start",
    "Stop",
    "ToTwilio",
    "Unknown",
    "encode",
    "from_twilio",
    "media_text",
    "to_twilio",
]

Sid = Annotated[str, msgspec.Meta(max_length=64)]

PlainSid = Annotated[str, msgspec.Meta(max_length=64, pattern=r"\A[A-Za-z0-9_-]+\Z")]
"""Checked once, at ``start``: from there on it goes into messages, keys and logs as it is."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""Bounded, for JSON itself is not, and clocks are reckoned from these."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", rename="camel"):
    pass


# --- Twilio → us -----------------------------------------------------------------------------


class Connected(_Message, frozen=True, kw_only=True, tag="connected"):
    """The first message; carries no sid and no sequence number."""

    protocol: str
    version: str


class MediaFormat(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the audio of the stream is written; ``audio/x-mulaw``, 8000 Hz, 1 channel so far."""

    encoding: str
    sample_rate: Count
    channels: Count


class StartBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who is calling on which stream."""

    account_sid: PlainSid
    stream_sid: PlainSid
    call_sid: PlainSid
    tracks: list[str]
    media_format: MediaFormat
    custom_parameters: dict[str, str] = {}
    """The ``<Parameter>`` elements of the TwiML: here the token travels, never in a URL."""


class Start(_Message, frozen=True, kw_only=True, tag="start"):
    """The stream begins; sequence number 1."""

    sequence_number: Count
    stream_sid: PlainSid
    start: StartBody


class MediaBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One piece of caller audio."""

    payload: bytes
    """µ-law; 160 bytes in every observation, promised nowhere (2.3): any length is accepted."""
    timestamp: Count = 0
    """Milliseconds since the stream began; the first is about 150–170, steps are 19–21."""
    chunk: Count = 0
    track: str = "inbound"


class Media(_Message, frozen=True, kw_only=True, tag="media"):
    """20 ms of what the caller's side sounds like."""

    stream_sid: Sid
    media: MediaBody
    sequence_number: Count = 0


class DtmfBody(msgspec.Struct, frozen=True, kw_only=True):
    """One key."""

    digit: Annotated[str, msgspec.Meta(max_length=4)]
    track: str = "inbound_track"


class Dtmf(_Message, frozen=True, kw_only=True, tag="dtmf"):
    """The caller pressed a key; bidirectional streams only."""

    stream_sid: Sid
    dtmf: DtmfBody
    sequence_number: Count = 0


class MarkBody(msgspec.Struct, frozen=True, kw_only=True):
    """A label of ours."""

    name: Annotated[str, msgspec.Meta(max_length=256)]


class Mark(_Message, frozen=True, kw_only=True, tag="mark"):
    """What was sent before this mark has been played, or was returned by a ``clear``."""

    stream_sid: Sid
    mark: MarkBody
    sequence_number: Count = 0


class StopBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whose stream stopped."""

    account_sid: Sid
    call_sid: Sid


class Stop(_Message, frozen=True, kw_only=True, tag="stop"):
    """The stream was stopped or the call is over."""

    stream_sid: Sid
    stop: StopBody
    sequence_number: Count = 0


FromTwilio = Connected | Start | Media | Dtmf | Mark | Stop

from_twilio: Reader[FromTwilio] = Reader(FromTwilio, tag_field="event")


# --- us → Twilio -----------------------------------------------------------------------------


class SendMediaBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Audio to play: raw µ-law 8000 Hz mono, no header, any length."""

    payload: bytes


class SendMedia(_Message, frozen=True, kw_only=True, tag="media", forbid_unknown_fields=True):
    """Audio to be queued behind what was sent before."""

    stream_sid: Sid
    media: SendMediaBody


class SendMark(_Message, frozen=True, kw_only=True, tag="mark", forbid_unknown_fields=True):
    """Asks for a ``Mark`` when everything sent before it has been played."""

    stream_sid: Sid
    mark: MarkBody


class Clear(_Message, frozen=True, kw_only=True, tag="clear", forbid_unknown_fields=True):
    """Empties Twilio's queue; marks not reached come back at once."""

    stream_sid: Sid


ToTwilio = SendMedia | SendMark | Clear

to_twilio: Reader[ToTwilio] = Reader(ToTwilio, tag_field="event")

_encoder = msgspec.json.Encoder()


def encode(message: FromTwilio | ToTwilio) -> str:
    """A message as the text frame that carries it.

    What Twilio itself writes as strings (``sequenceNumber``, ``chunk``, ``timestamp``) is written
    as numbers here; the fake caller turns them into strings.
    """
    return _encoder.encode(message).decode()


def media_text(stream_sid: str, payload: bytes) -> str:
    """``encode(SendMedia(...))`` for the frame path: the same text, a third of the time.

    ``stream_sid`` is written as it is: take it from a ``Start``, where it was checked.
    """
    sound = b2a_base64(payload, newline=False).decode("ascii")
    return f'{{"event":"media","streamSid":"{stream_sid}","media":{{"payload":"{sound}"}}}}'
