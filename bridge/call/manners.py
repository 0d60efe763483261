"""How one practice's calls behave, as numbers and texts: all the core is told of a practice.

Leaves where they come from to ``bridge.persona``.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from bridge.wire import deepgram, mulaw

VoiceContext = Literal["greeting", "information", "confirmation", "serious"]
"""What a voice is used for: the first words, the ordinary talk, saying that something was done,
and what is no light matter."""


class Manners(msgspec.Struct, frozen=True, kw_only=True):
    """How one practice's calls behave: words and patience."""

    # --- words of ours, from the phrase cache ---

    greeting: str
    notice: str = ""
    """Said right after the greeting, to its end whoever speaks: a legal line. Empty: none."""
    fillers: tuple[str, ...] = ()
    cover: str = "One moment, please, I'm still here."
    """Said while the agent's line is opened anew, if there would be silence."""
    apology: str
    """Said when the agent is lost and the call cannot go on."""
    unheard: str = "I can't hear you any more, so I'll hang up now. Goodbye."
    """Said when the caller has answered no prompt."""
    time_is_up: str = "I'm sorry, we have to end this call here. Goodbye."
    """Said at the end of the longest call."""

    goodbye: str = "Thank you for calling. Goodbye."
    """Said when the agent ends the call, by it or in its place."""
    put_through: str = "Of course. I'm putting you through now."
    """Said when the caller is put through to a person, by the agent or in its place."""

    # --- words of ours that the agent speaks ---

    nobody_there: str = (
        "I'm sorry, I can't put you through to anybody just now. I can take a message, and someone "
        "will call you back."
    )
    """Said to whoever asks for a person where there is no number to put her through to."""

    resumed: str = "Sorry, the line was cut for a moment. Please go on."
    """Said by the agent when another stream continues the call."""
    still_there: tuple[str, ...] = ("Are you still there?", "Hello, can you hear me?")
    """Said to a silent caller, one after the other; after the last comes ``unheard``."""

    # --- patience, in seconds ---

    filler_after_s: float = 1.2
    """Silence after a function call before a filler plays."""
    second_filler_after_s: float = 4.0
    """Silence after the first filler before another plays."""
    agent_filler_after_s: float = 2.5
    """Silence after the caller's turn before a filler plays, if the agent says nothing."""
    stall_after_s: float = 9.0
    """After the caller's turn, so long without any sign of the agent: its line is opened anew."""
    idle_after_s: float = 12.0
    """Silence of both sides before the caller is asked whether she is still there."""
    cover_after_s: float = 0.4
    """Silence after the agent's line was lost in mid-talk before ``cover`` plays."""
    greeting_patience_s: float = 0.25
    """Wait for the greeting's audio before the agent is to greet by itself."""
    agent_patience_s: float = 8.0
    """From one attempt to connect until the agent has to be ready."""
    reconnect_within_s: float = 20.0
    """From the loss of the agent's line until the call is given up."""
    longest_call_s: float = 10_800.0
    roll_over_after_s: float = 6600.0
    """Age at which an agent's session is replaced at the next quiet moment; Deepgram ends one at
    two hours (deepgram-voice-agent.md 1.5)."""

    # --- the caller's sound ---

    group_bytes: int = mulaw.FRAME_BYTES
    """Caller audio goes to the agent in pieces of this size; one Twilio frame adds no delay."""
    kept_bytes: int = 10 * mulaw.SAMPLE_RATE_HZ
    """Caller audio kept until the agent is first ready, oldest dropped first."""
    replay_bytes: int = 2 * mulaw.SAMPLE_RATE_HZ
    """Caller audio given to a new session of the agent after a lost one, at most."""
    noise_gate: bool = False
    even_volume: bool = False

    # --- the floor ---

    barge_in: Literal["hard", "soft"] = "hard"
    """``soft``: while the agent speaks, a sound shorter than ``soft_ms`` does not reach it."""
    soft_ms: int = 240
    protect_confirmations: bool = True
    """What the agent says after something was done is finished whoever speaks."""

    # --- the agent, tuned in mid-call; None or empty: never ---

    listening: deepgram.UpdateListen | None = None
    """The ordinary way of listening, to which spelling returns."""
    spelling: deepgram.UpdateListen | None = None
    """The way of listening while the caller spells."""
    spelling_cues: tuple[str, ...] = ()
    """Words of the agent, in small letters, after which the caller is expected to spell."""
    voices: Mapping[VoiceContext, deepgram.UpdateSpeak] = {}
    """Voices other than the usual one."""
    usual_voice: deepgram.UpdateSpeak | None = None
    """The voice to which every context without one of its own returns."""
    serious_cues: tuple[str, ...] = ()
    """Words of the caller, in small letters, that make the talk a serious one."""
    poor_line: str = (
        "The caller's line is poor: ask once, kindly, to move to a quieter place or to speak "
        "closer to the phone."
    )
    """Told to the agent, once, when the caller's line is measured to be poor."""

    # --- people ---

    can_transfer: bool = False
    """There is a number of a person's to put a caller through to."""

    # --- what is remembered ---

    details: tuple[str, ...] = ()
    """Names that ``remember_details`` takes; empty: it takes none."""
    beside_tokens: int = 0
    """What prompt and tools take of the budget, by estimate."""
    window_turns: int = 15
    window_tokens: int = 2000
    token_budget: int = 8000
    """Beyond ``window_turns``, ``window_tokens`` or 85 % of this the talk is summarised."""
