"""What each trouble of the agent's line means for the call: again, for a moment not, or the end.

The codes are those of deepgram-voice-agent.md sections 1.3 and 3; that list is open, so a code we
do not know is a transient one. Leaves acting on it to ``agent_line`` and ``session``.
"""

from typing import Final, Literal

Class = Literal["retry", "degrade", "end"]
"""``retry``: a new session may do. ``degrade``: the session goes on, with less. ``end``: no
session of this call will do, for what we sent or who we are is refused."""

ERRORS: Final[dict[str, Class]] = {
    "INTERNAL_SERVER_ERROR": "retry",
    "CLIENT_MESSAGE_TIMEOUT": "retry",
    # Ours: the same Settings would be refused again; in mid-call it was a single message.
    "UNPARSABLE_CLIENT_MESSAGE": "retry",
    "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS": "retry",
    "SETTINGS_ALREADY_APPLIED": "retry",
    "INVALID_SETTINGS": "end",
    "FAILED_TO_START_LISTENING": "retry",
    "ASR_CONNECTION_CLOSED": "retry",
    "ASR_DRIVER_TIMEOUT": "retry",
    "USER_AUDIO_FORMAT": "end",
    "FAILED_TO_THINK": "retry",
    "FAILED_TO_SPEAK": "retry",
    "SERVER_GOING_AWAY": "retry",
    # The model invented a tool; a new session begins from the same list.
    "NON_EXISTENT_FUNCTION_CALLED": "retry",
    "AGENT_ID_NOT_SUPPORTED": "end",
    "INVALID_AGENT_ID": "end",
    "MAXIMUM_SESSION_LENGTH_REACHED": "retry",
}

WARNINGS: Final[dict[str, Class]] = {
    "INJECT_AGENT_MESSAGE_DURING_USER_SPEECH": "degrade",
    "INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH": "degrade",
    "PROMPT_TOO_LONG": "degrade",
    "THINK_REQUEST_FAILED": "degrade",
    "SPEAK_REQUEST_FAILED": "degrade",
    "FUNCTION_CALL_FAILED": "degrade",
    "SLOW_THINK_REQUEST": "degrade",
    "SLOW_SPEAK_REQUEST": "degrade",
    "FORCE_END_TURN_UNSUPPORTED": "degrade",
    "GPT_4O_STREAM_END_ERROR": "degrade",
    "VOICE_PROMPT_ADDED": "degrade",
    # Still good for five minutes: replaced at a quiet moment.
    "MAXIMUM_SESSION_LENGTH_APPROACHING": "retry",
}

REFUSED_INJECTIONS: Final = frozenset(
    {"INJECT_AGENT_MESSAGE_DURING_USER_SPEECH", "INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH"}
)

_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_CLIENT_ERROR: Final = 400


def of_error(code: str, *, applied: bool) -> Class:
    """What an ``Error`` means; ``applied``: this session's Settings had been accepted.

    ``UNPARSABLE_CLIENT_MESSAGE`` before that is about Settings, and they would be the same again.
    """
    if code == "UNPARSABLE_CLIENT_MESSAGE" and not applied:
        return "end"
    return ERRORS.get(code, "retry")


def of_handshake(status: int) -> Class:
    """What a refused handshake means; 0 is a line that could not be had at all."""
    return "end" if status >= _CLIENT_ERROR and not crowded(status) else "retry"


def crowded(status: int) -> bool:
    """True if a refusal says "not so many" or "not now": trying again at once adds to the crowd."""
    return status == _TOO_MANY or status >= _SERVER_ERROR
