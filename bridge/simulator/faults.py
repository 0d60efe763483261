"""What goes wrong on the agent's side of a scenario: ``[faults]``. All is off unless said.

Section and trap (G) numbers are those of deepgram-voice-agent.md. Milliseconds pass as fast as the
emulator lives (``Options.pace``); counts are of a whole call, so that what the first session
suffered does not strike a second one again. Leaves doing it to the parts of ``session``.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["Faults", "Refusal", "Strike", "struck", "within"]

Milliseconds = Annotated[int, Meta(ge=0)]

Count = Annotated[int, Meta(ge=-1)]
"""The first so many; −1 is all of them."""

Sessions = tuple[Annotated[int, Meta(ge=1)], ...]
"""Sessions of a call by number; none named is all of them."""

CloseCode = Annotated[int, Meta(ge=1000, le=4999)]
"""1005 is a close frame without a status, 1006 no close frame at all: the end of TCP (1.4)."""

Refusal = Literal["message", "warning", "both"]
"""How a refused injection is told: sources disagree (2.8), a client handles both."""


def struck(sessions: Sessions, number: int) -> bool:
    """Whether the ``number``-th session of a call is meant."""
    return not sessions or number in sessions


def within(count: int, so_far: int) -> bool:
    """Whether the next one is among the first ``count`` when there were ``so_far`` before it."""
    return count < 0 or so_far < count


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Strike(_Part, frozen=True, kw_only=True):
    """One end of a session, at an instant of its own: ``[[faults.strikes]]``."""

    how: Literal["error", "drop", "fin", "close", "hang"] = "error"
    """``error``: an ``Error``, then the end of the socket. ``drop``: TCP is reset. ``fin``: TCP is
    ended without a close frame. ``close``: a close frame without an ``Error``. ``hang``: the socket
    stays and nothing comes any more, whatever is sent (1.4)."""
    code: str = "INTERNAL_SERVER_ERROR"
    """Of the ``Error`` (3)."""
    close_code: CloseCode | None = None
    """Behind an ``error`` the call's own (``Faults.close_code``), of a ``close`` 1000."""
    after: Literal["settings", "greeting", "reply", "asked", "speech", "heard"] = "settings"
    """From when ``wait_ms`` counts: ``SettingsApplied``; the first sound of the greeting; of the
    n-th reply (every ``say`` of a rule is one, an injected line is none); the n-th
    ``FunctionCallRequest``; the n-th ``UserStartedSpeaking``; the n-th turn of the caller that was
    told."""
    nth: Annotated[int, Meta(ge=1)] = 1
    wait_ms: Milliseconds = 0
    sessions: Sessions = (1,)
    """Which sessions of the call; none named is all, which no reconnecting survives."""


class Faults(_Part, frozen=True, kw_only=True):
    """What goes wrong on the agent's side. Everything is off unless said."""

    # --- the handshake, Welcome, SettingsApplied (1.3, 1.6) ---

    refuse_status: int = 0
    """HTTP status by which the handshake is refused (401, 402, 429, 503)."""
    refuse_times: int = 0
    """Only so many handshakes of the call are refused; 0 = all of them."""
    refuse_from_session: Annotated[int, Meta(ge=1)] = 1
    """Refused only from this session of the call on: 2 strikes the first reconnect."""
    retry_after_s: int | None = None
    """``Retry-After`` of a refusal; nobody shows whether the real one sends it (1.6)."""
    handshake_delay_ms: Milliseconds = 0
    """The handshake is answered so late."""
    welcome_delay_ms: Milliseconds = 0
    omit_welcome: bool = False
    settings_delay_ms: Milliseconds = 0
    """``SettingsApplied`` comes so late."""
    omit_settings_applied: bool = False
    slow_sessions: Sessions = ()
    """Which sessions of the call the five above strike."""

    # --- the end of a session (1.4, 1.5) ---

    strikes: list[Strike] = []
    error_at_ms: Milliseconds | None = None
    """``Error`` and close, so long after ``SettingsApplied``."""
    error_code: str = "INTERNAL_SERVER_ERROR"
    drop_at_ms: Milliseconds | None = None
    """The socket dies without a close frame, so long after ``SettingsApplied``."""
    strike_sessions: int = 1
    """``error_at_ms`` and ``drop_at_ms`` strike only the first so many sessions of a call; 0 =
    all, which no reconnecting survives."""
    close_code: CloseCode = 1005
    """Behind every ``Error``: 1005 was seen, 1011 is known of the STT sockets (1.4)."""
    close_delay_ms: Milliseconds = 0
    """The socket outlives its ``Error`` so long, saying nothing."""
    idle_ms: Milliseconds | None = None
    """Silence of the client before ``CLIENT_MESSAGE_TIMEOUT``, in place of the server's own."""
    idle_without_sound: bool = False
    """Only binary frames break that silence: KeepAlive does not (G-2)."""
    session_warning_s: Annotated[float, Meta(gt=0)] | None = None
    """``MAXIMUM_SESSION_LENGTH_APPROACHING`` so long after the socket opened, in real seconds, in
    place of the server's own 1:55:00: two hours pass in a few seconds (1.5)."""
    session_limit_s: Annotated[float, Meta(gt=0)] | None = None
    """``MAXIMUM_SESSION_LENGTH_REACHED``, likewise; both are to be given."""
    limit_sessions: Sessions = ()
    """Which sessions of the call the two above strike."""

    # --- the agent's voice (3, 6) ---

    stray_audio_ms: Milliseconds = 0
    """So much of the cut speech still arrives after ``UserStartedSpeaking`` (section 6)."""
    stray_delay_ms: Milliseconds = 0
    """It arrives so late; what the caller's words would overtake does not arrive."""
    omit_audio_done: bool = False
    """``AgentAudioDone`` never comes (section 3)."""
    audio_done_delay_ms: Milliseconds = 0
    audio_done_early_ms: Milliseconds = 0
    """``AgentAudioDone`` comes while so much sound is still to be sent."""
    barge_in_audio_done: Literal["at_once", "late", "missing"] = "at_once"
    """When speech is cut: at once as was observed, after ``audio_done_delay_ms`` and thus perhaps
    within the next reply, or never (3, 6)."""
    mute_replies: Count = 0
    """The first so many replies are told and not spoken: texts, no sound, no ``AgentAudioDone``."""

    # --- turns and thinking (1.5, 3, 4.4) ---

    stall_turns: Count = 0
    """After the first so many turns of the caller nothing comes: her words are told, and no more
    (G-13)."""
    deaf_turns: Count = 0
    """Of the first so many turns not even her words are told, nor that she speaks."""
    omit_slow_think: bool = False
    """The model takes its time and no ``SLOW_THINK_REQUEST`` says so."""
    warn_before_reply: list[str] = []
    """``Warning`` codes before each reply, as a failed entry of a fall-back chain gives them:
    ``THINK_REQUEST_FAILED``, ``SPEAK_REQUEST_FAILED`` (4.4)."""

    # --- what messages look like (3) ---

    latency_flood: bool = False
    """``stt_latency`` every 0.2 s of incoming audio (trap G-19)."""
    latency_whole: bool = False
    """A reply's latencies come in one message as documented, not one a message as observed."""
    latency_as_text: bool = False
    """Latencies are written as strings, as some clients model them."""
    agent_started_speaking: bool = False
    """``AgentStartedSpeaking`` comes; without it only to experimental sessions (G-4)."""
    agent_thinking: bool = False
    """``AgentThinking`` comes before each reply (G-4)."""
    omit_end_of_turn: bool = False
    """``EndOfTurn`` is in no published specification."""
    unknown_messages: bool = False
    """Types nobody knows come between, and every message has fields nobody knows."""

    # --- injections (2.8, 2.9, G-3) ---

    refusals: Refusal | None = None
    """How a refusal is told, in place of the server's own way."""
    refuse_injections: Count = 0
    """The first so many ``InjectAgentMessage`` are refused, whoever has the floor."""
    ignore_injections: Count = 0
    """The first so many are neither spoken nor refused (G-3)."""
    refuse_user_words: bool = False
    """``InjectUserMessage`` is refused while the agent speaks: undocumented, but possible (2.9)."""

    # --- acknowledgements of updates (G-9) ---

    ack_delay_ms: Milliseconds = 0
    """``ListenUpdated`` and its like come so late: up to 18 s were observed."""
    collapse_acks: bool = False
    """Updates of one kind that come meanwhile share one acknowledgement; the last one counts."""
    omit_acks: bool = False

    # --- function calls (5) ---

    lost_answers: bool = False
    """The agent goes on waiting though every function call was answered."""
    cancel_answered: bool = False
    """``FunctionCallCancelled`` names also what was answered, when its reply is abandoned."""
    arguments_as_objects: bool = False
    """Arguments arrive as an object instead of JSON text."""
    thought_signatures: bool = False
    """Every function call carries a ``thought_signature``, which is to come back (2.10)."""

    def __post_init__(self) -> None:
        """A limit and its warning come together."""
        if (self.session_warning_s is None) is not (self.session_limit_s is None):
            raise ValueError("session_warning_s and session_limit_s come together")
