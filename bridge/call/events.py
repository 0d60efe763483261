"""What may happen to a call: every message of both peers, and the few things no peer says."""

from typing import Literal

import msgspec

from bridge.wire import deepgram, twilio
from tools.contract import ToolOutcome

PhraseKind = Literal["greeting", "notice", "filler", "cover", "apology", "goodbye"]


class _Inner(msgspec.Struct, frozen=True, tag_field="inner"):
    pass


class AgentAudio(_Inner, frozen=True, gc=False, tag="agent_audio"):
    """A binary frame of the agent: µ-law 8 kHz, any length."""

    audio: bytes


class AgentLost(_Inner, frozen=True, kw_only=True, tag="agent_lost"):
    """The agent's line could not be opened, or closed."""

    code: str
    """The last ``Error`` code, or a word of ours (``unreachable``, ``closed``, ``refused``)."""
    status: int = 0
    """HTTP status of a refused handshake, else 0."""
    retry_after_s: float = 0.0
    """Before then another attempt is in vain."""


class CallerGone(_Inner, frozen=True, kw_only=True, tag="caller_gone"):
    """The caller's socket is gone; ``stop`` may have come before it or not."""

    code: int = 0
    """WebSocket close code, 0 if unknown."""


class OutcomeArrived(_Inner, frozen=True, kw_only=True, tag="outcome_arrived"):
    """A tool answered."""

    outcome: ToolOutcome


class PhraseReady(_Inner, frozen=True, kw_only=True, tag="phrase_ready"):
    """The audio of a phrase that was asked for."""

    kind: PhraseKind
    text: str
    audio: bytes


class PhraseMissing(_Inner, frozen=True, kw_only=True, tag="phrase_missing"):
    """A phrase that was asked for cannot be had in time."""

    kind: PhraseKind
    text: str


class Wakeup(_Inner, frozen=True, tag="wakeup"):
    """The instant of ``next_wakeup`` has come."""


InnerEvent = (
    AgentAudio | AgentLost | CallerGone | OutcomeArrived | PhraseReady | PhraseMissing | Wakeup
)
Event = twilio.FromTwilio | deepgram.FromAgent | InnerEvent
