"""How one practice's calls behave, as numbers and texts: all the core is told of a practice.

Leaves where they come from to ``bridge.persona``.
"""

import msgspec

from bridge.wire import mulaw


class Manners(msgspec.Struct, frozen=True, kw_only=True):
    """How one practice's calls behave: words and patience."""

    greeting: str
    fillers: tuple[str, ...] = ()
    apology: str
    """Said when the agent is lost and the call cannot go on."""
    resumed: str = "Sorry, the line was cut for a moment. Please go on."
    """Said by the agent when another stream continues the call."""
    filler_after_s: float = 1.2
    """Seconds after a function call before a filler plays."""
    greeting_patience_s: float = 0.25
    """Seconds to wait for the greeting's audio before the agent is to greet by itself."""
    agent_patience_s: float = 8.0
    """Seconds from ``start`` in which the agent has to be ready."""
    longest_call_s: float = 6600.0
    """Below the two hours after which Deepgram ends a session (deepgram-voice-agent.md 1.5)."""
    group_bytes: int = mulaw.FRAME_BYTES
    """Caller audio goes to the agent in pieces of this size; one Twilio frame adds no delay."""
    kept_bytes: int = 10 * mulaw.SAMPLE_RATE_HZ
    """Caller audio kept until the agent is ready, oldest dropped first."""
