"""What happens in a simulated call, as it happens: for a narrative, a log and the report.

Every event says when on two clocks: ``at``, seconds of CLOCK_MONOTONIC as every process of this
machine reads it, and ``at_s``, seconds since the caller dialled.
"""

from typing import Literal

import msgspec

__all__ = [
    "AgentAudible",
    "AgentSilent",
    "CallEnded",
    "CallEvent",
    "CallPlaced",
    "CallerFinished",
    "CallerSpoke",
    "CallerWaited",
    "KeyPressed",
    "LineTroubled",
    "MarkEchoed",
    "QueueCleared",
    "Requested",
    "SocketMessage",
    "SpeechLost",
    "StreamClosed",
    "StreamOpened",
    "VerbBegun",
    "WarningNoted",
]


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    at: float
    at_s: float
    call_sid: str


class CallPlaced(_Event, frozen=True, kw_only=True, tag="call_placed"):
    """The caller dials."""

    scenario: str
    from_number: str
    to_number: str


class Requested(_Event, frozen=True, kw_only=True, tag="requested"):
    """A webhook was posted and answered, or was not."""

    purpose: Literal["voice", "next", "fallback", "stream-status", "call-status"]
    url: str
    status: int | None
    """None: no answer."""
    took_ms: float
    tries: int = 1


class VerbBegun(_Event, frozen=True, kw_only=True, tag="verb_begun"):
    """A TwiML verb is being carried out."""

    verb: str
    detail: str = ""


class StreamOpened(_Event, frozen=True, kw_only=True, tag="stream_opened"):
    """A media WebSocket is open and ``start`` was sent."""

    stream_sid: str
    handshake_ms: float


class StreamClosed(_Event, frozen=True, kw_only=True, tag="stream_closed"):
    """A media WebSocket is no more."""

    stream_sid: str
    by: Literal["caller", "bridge", "loss", "protocol"]
    code: int | None = None
    """The bridge's close code."""


class CallerSpoke(_Event, frozen=True, kw_only=True, tag="caller_spoke"):
    """The caller begins to say something."""

    text: str
    duration_ms: float
    over_agent_ms: float | None = None
    """How long the agent had been audible when she broke in; None when it was silent."""


class CallerFinished(_Event, frozen=True, kw_only=True, tag="caller_finished"):
    """The last frame of what she said is out."""

    text: str


class CallerWaited(_Event, frozen=True, kw_only=True, tag="caller_waited"):
    """A step that only waits has begun."""

    wait_ms: int


class LineTroubled(_Event, frozen=True, kw_only=True, tag="line_troubled"):
    """A step lets the caller's line go quiet, or holds it; the weather's own are not told."""

    trouble: Literal["stall", "hold"]
    lasting_ms: int


class KeyPressed(_Event, frozen=True, kw_only=True, tag="key_pressed"):
    """The caller presses a key."""

    digit: str


class AgentAudible(_Event, frozen=True, kw_only=True, tag="agent_audible"):
    """The caller begins to hear the other side."""

    gap_ms: float | None = None
    """Since she finished speaking; None when she was not waiting for an answer."""


class AgentSilent(_Event, frozen=True, kw_only=True, tag="agent_silent"):
    """An utterance of the other side is over; noticed a pause later than it happened."""

    heard_ms: float


class QueueCleared(_Event, frozen=True, kw_only=True, tag="queue_cleared"):
    """The bridge threw away queued agent speech."""

    cut_ms: float
    """Sound that will never be heard."""
    marks: int
    """Marks returned unreached."""
    again: bool = False
    """Nothing was sent since the last one: a second ``clear`` for one barge-in."""
    after_speech_ms: float | None = None
    """Since the first loud sample of what the caller is saying."""


class MarkEchoed(_Event, frozen=True, kw_only=True, tag="mark_echoed"):
    """A mark went back to the bridge."""

    name: str
    reached: bool
    """False: returned by a ``clear``."""


class SpeechLost(_Event, frozen=True, kw_only=True, tag="speech_lost"):
    """What the caller said while no stream was up (F25)."""

    lost_ms: float


class WarningNoted(_Event, frozen=True, kw_only=True, tag="warning_noted"):
    """What Twilio would write into the call's notifications."""

    code: int
    why: str
    expected: bool


class SocketMessage(_Event, frozen=True, kw_only=True, tag="socket_message"):
    """One message on a media socket; in the log only."""

    side: Literal["sent", "received"]
    kind: str
    size_bytes: int


class CallEnded(_Event, frozen=True, kw_only=True, tag="call_ended"):
    """The call is over."""

    outcome: str
    why: str


CallEvent = (
    CallPlaced
    | Requested
    | VerbBegun
    | StreamOpened
    | StreamClosed
    | CallerSpoke
    | CallerFinished
    | CallerWaited
    | LineTroubled
    | KeyPressed
    | AgentAudible
    | AgentSilent
    | QueueCleared
    | MarkEchoed
    | SpeechLost
    | WarningNoted
    | SocketMessage
    | CallEnded
)
