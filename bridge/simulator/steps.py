"""What the caller does, step by step: the ``[[caller]]`` tables of a scenario.

Leaves judging when a step's moment has come to ``script``, and what it sounds like to ``sayings``.
"""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.simulator.sounds import Noise

__all__ = ["AUDIBLE", "DEFAULT_LETTER_GAP_MS", "CallerStep", "Milliseconds"]

Milliseconds = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]

AUDIBLE: tuple[Literal["say", "spell", "sound", "wav"], ...] = ("say", "spell", "sound", "wav")
"""The actions that somebody can hear."""

_ACTIONS = (*AUDIBLE, "press", "hangup", "wait_ms")
_NETWORK = ("stall_ms", "hold_ms", "noise_dbfs")
"""Actions only where no other is given; two of them also go with an audible one."""

_TRIGGERS = (
    *("at_ms", "after_agent_ms", "after_silence_ms", "after_step_ms", "barge_in_ms"),
    "at_mark",
)

_BELONGS_TO = {
    "cut_ms": AUDIBLE,
    "gain_db": AUDIBLE,
    "yield_ms": AUDIBLE,
    "from_ms": AUDIBLE,
    "pause_ms": ("say",),
    "letter_gap_ms": ("spell",),
    "lasting_ms": ("sound",),
    "words": ("wav",),
    "utterance": ("barge_in_ms",),
    "call_utterance": ("barge_in_ms",),
}

_PAUSES = re.compile(r"…|\.\.\.")

DEFAULT_AFTER_AGENT_MS = 700
"""A polite pause between two speakers."""

DEFAULT_LETTER_GAP_MS = 350


class CallerStep(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One thing the caller does: exactly one action, at most one trigger."""

    say: str | None = None
    spell: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]( ?[A-Za-z0-9])*$")] | None = None
    """Letters and figures, said one by one."""
    sound: Noise | None = None
    """No words: a cough, a door, ..."""
    wav: str | None = None
    """A recording: PCM of 8 or 16 bits at any rate. A relative path is beside the scenario."""
    press: Annotated[str, Meta(pattern=r"^[0-9*#]$")] | None = None
    hangup: bool = False
    wait_ms: Milliseconds | None = None
    """Only waits, so that the next step's trigger counts from there."""
    stall_ms: Milliseconds | None = None
    """For so long nothing of hers gets through, without a ``stop``. Alone: from now, and the step
    is over at once. Beside something audible: ``from_ms`` into it."""
    hold_ms: Milliseconds | None = None
    """The same, but what is kept back comes all at once behind it."""
    noise_dbfs: float | None = None
    """Alone: from now on it is so loud around her."""

    at_ms: Milliseconds | None = None
    """So far into the stream."""
    after_agent_ms: Milliseconds | None = None
    """The agent has spoken since the previous step, and what is heard has been silent so long."""
    after_silence_ms: Milliseconds | None = None
    """Nothing audible either way for so long, whether or not the agent spoke."""
    after_step_ms: Milliseconds | None = None
    """So long after the previous step was over, whatever is heard."""
    barge_in_ms: Milliseconds | None = None
    """So long after an agent utterance became audible to the caller: whichever is the latest since
    the previous step, unless the next two fields say which."""
    utterance: Count | None = None
    """With ``barge_in_ms``: into the n-th one since the previous step."""
    call_utterance: Count | None = None
    """With ``barge_in_ms``: into the n-th one of the call; the first is the greeting."""
    at_mark: Count | None = None
    """When the n-th mark of the stream was reached."""

    cut_ms: Milliseconds | None = None
    """Only so much of it is heard (a caller who hangs up in mid-sentence)."""
    gain_db: float = 0.0
    """Louder or quieter than usual: −20 is a whisper, +18 and more is clipped at full scale."""
    pause_ms: Milliseconds | None = None
    """With ``say``: how long she pauses at every "…"."""
    letter_gap_ms: Milliseconds | None = None
    """With ``spell``: silence between two letters; 350 unless told."""
    lasting_ms: Milliseconds | None = None
    """With ``sound``: so long; a short one is repeated."""
    words: str = ""
    """With ``wav``: what is said in it."""
    from_ms: Milliseconds = 0
    """Where in what she says ``stall_ms`` or ``hold_ms`` begins."""
    yield_ms: Milliseconds | None = None
    """She stops when the agent has talked over her for so long; without it she never does."""

    def __post_init__(self) -> None:
        """Exactly one action, at most one trigger, and nothing that belongs to another."""
        given = {name for name in self.__struct_fields__ if self._says(name)}
        actions = given & set(_ACTIONS) or given & set(_NETWORK)
        if len(actions) != 1:
            raise ValueError(f"a caller's step has exactly one of {', '.join(_ACTIONS)}")
        if not actions & {*AUDIBLE, *_NETWORK} and given & set(_NETWORK):
            raise ValueError("what befalls the line stands alone or beside something audible")
        if "noise_dbfs" in given and actions != {"noise_dbfs"}:
            raise ValueError("noise_dbfs stands alone")
        if {"stall_ms", "hold_ms"} <= given:
            raise ValueError("a line is stalled or held, not both")
        if len(given & set(_TRIGGERS)) > 1:
            raise ValueError("a caller's step has at most one trigger")
        if {"utterance", "call_utterance"} <= given:
            raise ValueError("utterance and call_utterance are two ways to count")
        for name, owners in _BELONGS_TO.items():
            if name in given and not given & set(owners):
                raise ValueError(f"{name} goes with {' or '.join(owners)}")

    def _says(self, name: str) -> bool:
        default = False if name == "hangup" else _DEFAULTS.get(name)
        return bool(getattr(self, name) != default)

    @property
    def action(self) -> Literal["say", "spell", "sound", "wav", "other"]:
        """Which audible action it is, if any."""
        return next((name for name in AUDIBLE if getattr(self, name) is not None), "other")

    @property
    def spoken(self) -> list[str]:
        """The texts that a voice has to speak: a line with pauses comes in parts."""
        if self.say is None:
            return []
        parts = _PAUSES.split(self.say) if self.pause_ms is not None else [self.say]
        return [part.strip() for part in parts if part.strip()]

    @property
    def letters(self) -> list[str]:
        """What is spelled, letter by letter."""
        return [letter for letter in (self.spell or "").upper() if letter != " "]

    @property
    def trigger(self) -> tuple[str, int]:
        """Name and value of the trigger; without one it is ``after_agent_ms`` 700."""
        for name in _TRIGGERS:
            value = getattr(self, name)
            if value is not None:
                return name, value
        return "after_agent_ms", DEFAULT_AFTER_AGENT_MS


_DEFAULTS = {"gain_db": 0.0, "words": "", "from_ms": 0}
"""Of the fields whose default is not None."""
