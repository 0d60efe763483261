"""What can go wrong in the bridge, whose fault it is, and what the call can still do.

::

    BridgeError                code: stable word for logs, metrics and admin
     ├─ CallerProtocolError    Twilio said something unreadable       → counted, go on
     ├─ AgentProtocolError     Deepgram said something unreadable     → counted, go on
     ├─ AgentUnavailable       cannot connect, or lost                → a spoken line, next step
     ├─ PhraseUnavailable      no cached audio and no speech          → the agent speaks
     ├─ StateUnavailable       Redis does not answer                  → the call goes on unsaved
     ├─ CallHeldElsewhere      another bridge holds it                → give way
     ├─ BadConfiguration       a setting or a profile is wrong        → refuse to start
     └─ InvalidTransition      the driver broke the call's contract   → our bug, end the call
"""

from typing import ClassVar


class BridgeError(Exception):
    """Anything the bridge reports about itself."""

    code: ClassVar[str] = "bridge_error"


class CallerProtocolError(BridgeError):
    """Twilio's side said something unreadable."""

    code = "caller_protocol"


class AgentProtocolError(BridgeError):
    """The agent's side said something unreadable."""

    code = "agent_protocol"


class AgentUnavailable(BridgeError):
    """The agent could not be reached, refused us, or was lost."""

    code = "agent_unavailable"

    def __init__(
        self, message: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status of a refused handshake (deepgram-voice-agent.md 1.3), if that was it."""
        self.retry_after_s = retry_after_s
        """So long another attempt is of no use; None if nobody knows."""


class PhraseUnavailable(BridgeError):
    """There is no cached audio for a phrase, and no speech could be made."""

    code = "phrase_unavailable"


class StateUnavailable(BridgeError):
    """Redis did not answer in time."""

    code = "state_unavailable"


class CallHeldElsewhere(BridgeError):
    """A newer generation of the stream holds this call; ours must touch nothing."""

    code = "call_held_elsewhere"


class BadConfiguration(BridgeError):
    """A setting or a profile is wrong; the message names it, never a secret's value."""

    code = "bad_configuration"


class InvalidTransition(BridgeError):
    """The driver fed the call something that cannot happen."""

    code = "invalid_transition"
