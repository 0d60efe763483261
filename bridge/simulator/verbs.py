"""What a TwiML document can ask for, one struct a verb; URLs are absolute here.

Leaves reading them from XML to ``bridge.simulator.document`` and carrying them out to
``bridge.simulator.twiml_player``.
"""

from collections.abc import Mapping

import msgspec

__all__ = [
    "Connect",
    "Dial",
    "Fork",
    "Gather",
    "Hangup",
    "Notice",
    "Pause",
    "Play",
    "Record",
    "Redirect",
    "Reject",
    "Say",
    "StreamNoun",
    "Verb",
]


class Notice(msgspec.Struct, frozen=True):
    """Something in the document that Twilio warns of and passes over."""

    code: int
    why: str


class _Verb(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Say(_Verb, frozen=True, kw_only=True):
    """Words spoken by Twilio itself."""

    text: str


class Play(_Verb, frozen=True, kw_only=True):
    """A sound file, or keys."""

    url: str = ""
    digits: str = ""


class Pause(_Verb, frozen=True, kw_only=True):
    """Silence."""

    length_s: float


class StreamNoun(_Verb, frozen=True, kw_only=True):
    """Where a stream goes and what it carries."""

    url: str
    name: str
    track: str
    parameters: Mapping[str, str]
    status_callback_url: str | None
    status_callback_method: str
    fault: Notice | None = None
    """Why Twilio will fail to open it; the verb ends at once then."""


class Connect(_Verb, frozen=True, kw_only=True):
    """A two-way stream; the document waits for its end."""

    stream: StreamNoun
    action_url: str | None
    method: str


class Fork(_Verb, frozen=True, kw_only=True):
    """``<Start>``: a one-way stream or a recording beside the call."""

    what: str


class Dial(_Verb, frozen=True, kw_only=True):
    """A second leg."""

    to: str
    action_url: str | None
    method: str


class Record(_Verb, frozen=True, kw_only=True):
    """Records the caller alone; without ``action`` the same document is asked for again."""

    action_url: str | None
    method: str
    longest_s: float


class Gather(_Verb, frozen=True, kw_only=True):
    """Collects keys, speaking the while."""

    prompts: tuple[Say | Play | Pause, ...]
    action_url: str | None
    method: str
    timeout_s: float
    most_digits: int | None
    finish_on_key: str
    even_if_empty: bool


class Redirect(_Verb, frozen=True, kw_only=True):
    """Another document."""

    url: str
    method: str


class Hangup(_Verb, frozen=True, kw_only=True):
    """The call is over."""


class Reject(_Verb, frozen=True, kw_only=True):
    """The call is refused."""

    reason: str


Verb = Say | Play | Pause | Connect | Fork | Dial | Record | Gather | Redirect | Hangup | Reject
