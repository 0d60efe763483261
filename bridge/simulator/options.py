"""How the emulator's server behaves, for all its sessions.

What goes wrong in one call is that call's scenario's to say (``scenario.Faults``).
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.simulator.strict.accepted import PROMPT_LIMIT

TextFault = Literal["busy", "error", "refused", "cut", "lost", "error_after", "slow"]


class Options(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Set at the start; ``PUT /simulator/options`` changes them while the server runs."""

    api_key: str = ""
    """The only key that is let in; empty lets any key in, none never."""
    max_sessions: Annotated[int, Meta(ge=0)] = 0
    """Above so many open sessions a handshake gets 429; 0 = no limit (the real one: 1.6)."""
    scenario: str = "cleaning"
    """Played by calls that nobody announced."""

    pace: Annotated[float, Meta(gt=0)] = 1.0
    """Thinking and speaking are so many times faster than life."""
    speech_rate: Annotated[float, Meta(gt=0)] = 2.5
    """Audio leaves so many times faster than it plays: 8.2 s in 3.7 s were observed (6)."""
    piece_ms: Annotated[int, Meta(ge=20, le=1000)] = 100
    """Audio leaves in pieces of so much sound."""
    voice_ms: Annotated[int, Meta(ge=0)] = 100
    """From a sentence to its first sound: 93–127 observed (9)."""

    idle_s: Annotated[float, Meta(gt=0)] = 10.0
    """Without any frame from the client: ``CLIENT_MESSAGE_TIMEOUT`` (1.5)."""
    session_warning_s: Annotated[float, Meta(gt=0)] = 6900.0
    session_limit_s: Annotated[float, Meta(gt=0)] = 7200.0
    """2 hours since 2026-07-31, with a warning at 1:55:00 (1.5)."""
    prompt_limit: Annotated[int, Meta(gt=0)] = PROMPT_LIMIT

    refusals: Literal["message", "warning", "both"] = "message"
    """How a refused injection is told: sources disagree (2.8), a client handles both."""
    echo_answers: bool = True
    """Our ``FunctionCallResponse`` comes back, as was observed (3)."""

    speak_status: int = 0
    """HTTP status with which every ``/v1/speak`` fails; 0 = it works."""
    speak_slots: Annotated[int, Meta(ge=1)] = 15
    """Requests to ``/v1/speak`` served at once; more get 429 (7)."""
    speak_delay_ms: Annotated[int, Meta(ge=0)] = 0

    twilio_credentials: str = ""
    """The only ones that may send and list texts, ``user:password``, several by commas; empty lets
    any in, none never."""
    text_faults: list[TextFault] = msgspec.field(default_factory=list)
    """What becomes of the next requests to send a text, one each, in order; after them all is well.

    ``busy`` is 429, ``error`` 500 and ``refused`` 400, none of them accepted; ``cut`` ends the
    connection before anything is accepted, ``lost`` after it, ``error_after`` answers 503 after it,
    ``slow`` answers after ``text_delay_s``."""
    text_delay_s: Annotated[float, Meta(ge=0)] = 30.0
