"""What can be set on a simulated call: its timings, its line's weather, its room, its mischief.

A scenario's ``[line]`` table is a ``Knobs``. Every number that Twilio never promised stands here
with where it comes from (twilio-voice.md 8.2; "assumed" there means: to be set right by a live
test).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.simulator.room import Room

__all__ = ["Knobs", "Mischief", "Room", "Timings", "Weather", "knobs"]

Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0)]
Milliseconds = Annotated[int, Meta(ge=0)]
Spell = tuple[Seconds, Seconds]
"""From when, and for how long."""
Signature = Literal["right", "wrong", "missing"]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Timings(_Part, frozen=True, kw_only=True):
    """How long Twilio takes."""

    handshake_s: Seconds = 0.365
    """From the TwiML answer to the WebSocket: measured (F6, 7.3)."""
    first_media_s: tuple[Seconds, Seconds] = (0.11, 0.2)
    """From the open socket to the first frame, drawn between these (F10)."""
    seam_s: Seconds = 0.73
    """From a closed stream to the next request: measured (F20, 1.4)."""
    detection_s: Seconds = 0.0
    """From the loss of a socket without a close frame to its being noticed (F21, assumed)."""
    handshake_timeout_s: Seconds = 5.0
    """How long an unanswered handshake is waited for (F7, assumed)."""
    patience_s: Seconds = 25.0
    """How long the caller waits for the moment of her next step before she hangs up."""
    longest_call_s: Seconds = 300.0


class Weather(_Part, frozen=True, kw_only=True):
    """What the network does to the caller's frames (F11). Instants count from a stream's first."""

    lost_share: Share = 0.0
    """Frames that never arrive: chunk and sequence go on, the timestamp jumps."""
    jitter_ms: Milliseconds = 0
    """Every frame is late by anything up to this; none overtakes another."""
    burst_share: Share = 0.0
    """Frames at which the line is held for a while and then delivers everything at once."""
    longest_hold_s: Seconds = 0.233
    """The longest hold without loss that was seen (2.3)."""
    holds: tuple[Spell, ...] = ()
    """The same at given instants and for any time: a sender that is late and catches up."""
    silence_suppressed: bool = False
    """No frames while the caller says nothing: the timestamp jumps."""
    odd_sizes: bool = False
    """Pieces of 20 to 320 bytes: 160 is seen everywhere and promised nowhere (2.3)."""
    stalls: tuple[Spell, ...] = ()
    """The line goes quiet at an instant for a time, without a ``stop``: frames are lost for good,
    what else Twilio has to say comes late."""
    stall_at_s: Seconds | None = None
    """One more stall, ..."""
    stall_s: Seconds = 5.0
    """... for so long."""
    clear_delay_s: Seconds = 0.0
    """A ``clear`` takes effect so late, so that old echoes cross it (F17)."""

    @property
    def every_stall(self) -> tuple[Spell, ...]:
        """All of them."""
        one = () if self.stall_at_s is None else ((self.stall_at_s, self.stall_s),)
        return (*self.stalls, *one)


class Mischief(_Part, frozen=True, kw_only=True):
    """What an attacker does. Everything is off unless asked for."""

    webhook_signature: Signature = "right"
    tampered_parameter: bool = False
    """``From`` is changed behind the signature."""
    handshake_signature: Signature = "right"
    parameters: Mapping[str, str] | None = None
    """Sent in ``start`` in place of the TwiML's: a foreign, stale or made-up token."""
    start_after_s: Seconds = 0.0
    """``start`` comes so late: the token grows stale, or the bridge has stopped waiting."""
    replay: bool = False
    """Once the stream is up, a second socket begins with the very same ``start``."""
    junk: tuple[str, ...] = ()
    """Text messages sent on the socket behind ``start``."""
    binary_junk: tuple[bytes, ...] = ()
    """The same as binary messages (in a file: base64)."""


class Knobs(_Part, frozen=True, kw_only=True):
    """Everything that can be set, and what the run asks to go wrong."""

    timings: Timings = Timings()
    weather: Weather = Weather()
    room: Room = Room()
    mischief: Mischief = Mischief()
    subprotocol_offered: bool = False
    """Sources differ on whether Twilio offers ``audio.twilio.com`` (2.5)."""
    loss_ends_call: bool = False
    """The pessimistic world: a socket that dies without a close frame ends the call (F21)."""
    action_after_hangup: bool = False
    """Whether ``action`` is requested when the caller hung up is not documented (1.2)."""
    stream_event_after_close: Literal["stream-stopped", "stream-error"] = "stream-stopped"
    """Which callback follows a clean close is not known (1.3)."""
    dial_status: Literal["completed", "busy", "no-answer", "failed", "canceled"] = "completed"
    """How every ``<Dial>`` ends."""
    dial_s: Seconds = 2.0
    record_s: Seconds = 3.0
    """How long the caller speaks into every ``<Record>``."""
    send_buffer_bytes: int = 64 * 1024
    """Beyond this the bridge reads too slowly: frames are thrown away, 31930 is noted (F14). The
    kernel's own buffer, which nobody can look into, is made as small."""
    expected_warnings: tuple[int, ...] = ()
    """Codes that this run asks for; any other fails it."""


def knobs(settings: Mapping[str, Any]) -> Knobs:
    """A scenario's ``[line]`` table, checked.

    Raises:
        ValueError: a knob we do not have, or a value it cannot take.
    """
    try:
        return msgspec.convert(settings, Knobs, strict=True)
    except msgspec.ValidationError as wrong:
        raise ValueError(f"[line]: {wrong}") from wrong
