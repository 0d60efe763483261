"""What may happen to a call: every message of both peers, and the few things no peer says."""

from typing import Literal

import msgspec

from bridge.wire import deepgram, twilio
from tools.contract import ToolOutcome

PhraseKind = Literal["greeting", "filler", "apology"]


class AgentAudio(msgspec.Struct, frozen=True, gc=False):
    """A binary frame of the agent: µ-law 8 kHz, any length."""

    audio: bytes


class AgentLost(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's line could not be opened, or closed."""

    code: str
    """The last ``Error`` code, or a word of ours (``unreachable``, ``closed``, ``refused``)."""
    status: int = 0
    """HTTP status of a refused handshake, else 0."""


class CallerGone(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's socket is gone; ``stop`` may have come before it or not."""

    code: int = 0
    """WebSocket close code, 0 if unknown."""


class OutcomeArrived(msgspec.Struct, frozen=True, kw_only=True):
    """A tool answered."""

    outcome: ToolOutcome


class PhraseReady(msgspec.Struct, frozen=True, kw_only=True):
    """The audio of a phrase that was asked for."""

    kind: PhraseKind
    text: str
    audio: bytes


class PhraseMissing(msgspec.Struct, frozen=True, kw_only=True):
    """A phrase that was asked for cannot be had in time."""

    kind: PhraseKind
    text: str


class Wakeup(msgspec.Struct, frozen=True):
    """The instant of ``next_wakeup`` has come."""


InnerEvent = (
    AgentAudio | AgentLost | CallerGone | OutcomeArrived | PhraseReady | PhraseMissing | Wakeup
)
Event = twilio.FromTwilio | deepgram.FromAgent | InnerEvent
