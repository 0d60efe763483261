"""A call as data: what the caller does, how the agent answers, what goes wrong.

Files are TOML in ``scenarios/``. Leaves acting to ``caller`` and ``agent``, and what a template
means to ``templates``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

_FOLDER = Path(__file__).parent / "scenarios"

Milliseconds = Annotated[int, Meta(ge=0)]


class ScenarioError(ValueError):
    """A scenario that cannot be read; the text says which and why."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class CallerStep(_Part, frozen=True, kw_only=True):
    """One thing the caller does: exactly one action, at most one trigger."""

    say: str | None = None
    press: Annotated[str, Meta(pattern=r"^[0-9*#]$")] | None = None
    hangup: bool = False
    wait_ms: Milliseconds | None = None
    """Only waits, so that the next step's trigger counts from there."""

    at_ms: Milliseconds | None = None
    """So far into the stream."""
    after_agent_ms: Milliseconds | None = None
    """The agent has spoken since the previous step, and what is heard has been silent so long."""
    after_silence_ms: Milliseconds | None = None
    """Nothing audible either way for so long, whether or not the agent spoke."""
    barge_in_ms: Milliseconds | None = None
    """So long after the next agent utterance became audible to the caller."""
    at_mark: Annotated[int, Meta(ge=1)] | None = None
    """When the n-th mark of the stream was reached."""
    cut_ms: Milliseconds | None = None
    """With ``say``: only so much of the line is spoken (a caller who hangs up in mid-sentence)."""

    def __post_init__(self) -> None:
        """Exactly one action, at most one trigger."""
        actions = (self.say, self.press, self.hangup or None, self.wait_ms)
        if sum(action is not None for action in actions) != 1:
            raise ValueError("a caller's step has exactly one of say, press, hangup, wait_ms")
        triggers = (self.at_ms, self.after_agent_ms, self.after_silence_ms, self.barge_in_ms,
                    self.at_mark)  # fmt: skip
        if sum(trigger is not None for trigger in triggers) > 1:
            raise ValueError("a caller's step has at most one trigger")

    @property
    def trigger(self) -> tuple[str, int]:
        """Name and value of the trigger; without one it is ``after_agent_ms`` 700."""
        for name in ("at_ms", "after_agent_ms", "after_silence_ms", "barge_in_ms", "at_mark"):
            value = getattr(self, name)
            if value is not None:
                return name, value
        return "after_agent_ms", DEFAULT_AFTER_AGENT_MS


DEFAULT_AFTER_AGENT_MS = 700
"""A polite pause between two speakers."""


class Ask(_Part, frozen=True, kw_only=True):
    """One function call the agent asks for."""

    tool: str
    arguments: Mapping[str, Any] = {}
    """Values that are text are templates; one whose template finds nothing is left out."""
    save_as: str | None = None
    """Later templates find the answer under this name, and always under the tool's."""


class Action(_Part, frozen=True, kw_only=True):
    """One thing the agent does in its turn: exactly one field."""

    say: str | None = None
    """A template; each sentence becomes its own ``ConversationText``."""
    ask: list[Ask] | None = None
    """Function calls, all in one ``FunctionCallRequest``; goes on when all are answered."""
    think_ms: Milliseconds | None = None
    """Thinks on; past 5 s the emulator warns ``SLOW_THINK_REQUEST`` as the real one does."""
    warning: str | None = None
    """Sends a ``Warning`` with this code."""
    error: str | None = None
    """Sends an ``Error`` with this code and closes the socket behind it."""
    drop: bool = False
    """The socket dies without a close frame."""
    close: bool = False
    """The socket is closed without an ``Error``."""

    def __post_init__(self) -> None:
        """Exactly one field."""
        fields = (self.say, self.ask, self.think_ms, self.warning, self.error, self.drop or None,
                  self.close or None)  # fmt: skip
        if sum(field is not None for field in fields) != 1:
            raise ValueError("an agent's action has exactly one field")


class AgentRule(_Part, frozen=True, kw_only=True):
    """What the agent does when it hears something. The first rule that fits is taken."""

    hears: list[str] = []
    """Phrases, any of which fits when its words occur in what was heard; empty fits anything."""
    think_ms: Milliseconds = 300
    """From the end of the caller's speech being suspected to the first thing done."""
    do: list[Action] = []
    once: bool = False
    """Used at most once in a call."""
    needs: list[str] = []
    """Names (``save_as`` or tools) that must have been answered before the rule fits."""


class Listening(_Part, frozen=True, kw_only=True):
    """How the emulator hears where a turn begins and ends; audio time, not the wall's."""

    gate_dbfs: float = -42.0
    """Quieter pieces are silence."""
    start_ms: Milliseconds = 60
    """So much speech within a short while is an utterance, not a click."""
    eager_ms: Milliseconds = 250
    """After so much silence the model starts to think, and may ask tools: speculation (5)."""
    end_of_turn_ms: Milliseconds = 550
    """After so much silence the turn is confirmed."""


class Faults(_Part, frozen=True, kw_only=True):
    """What goes wrong on the agent's side. Everything is off unless said."""

    refuse_status: int = 0
    """HTTP status by which the handshake is refused (401, 402, 429, 503)."""
    refuse_times: int = 0
    """Only so many handshakes of the call are refused; 0 = all of them."""
    settings_delay_ms: Milliseconds = 0
    """``SettingsApplied`` comes so late."""
    error_at_ms: Milliseconds | None = None
    """``Error`` and close, so long after ``SettingsApplied``."""
    error_code: str = "INTERNAL_SERVER_ERROR"
    drop_at_ms: Milliseconds | None = None
    """The socket dies without a close frame, so long after ``SettingsApplied``."""
    strike_sessions: int = 1
    """``error_at_ms`` and ``drop_at_ms`` strike only the first so many sessions of a call; 0 =
    all, which no reconnecting survives."""
    stray_audio_ms: Milliseconds = 0
    """So much of the cut speech still arrives after ``UserStartedSpeaking`` (section 6)."""
    omit_audio_done: bool = False
    """``AgentAudioDone`` never comes (section 3)."""
    audio_done_delay_ms: Milliseconds = 0
    latency_flood: bool = False
    """``stt_latency`` every 0.2 s of incoming audio (trap G-19)."""
    lost_answers: bool = False
    """The agent goes on waiting though every function call was answered."""


class Scenario(_Part, frozen=True, kw_only=True):
    """One whole call."""

    name: str
    summary: str
    from_number: str = "+12125550142"
    time_zone: str = "America/New_York"
    """The practice's, for dates in templates ("{next:thursday}")."""
    seed: int = 1
    """Every random choice of the simulator comes from it."""
    caller: list[CallerStep] = []
    agent: list[AgentRule] = []
    listening: Listening = Listening()
    faults: Faults = Faults()
    line: Mapping[str, Any] = {}
    """Knobs of the fake Twilio; ``caller`` checks them."""

    def caller_lines(self) -> list[str]:
        """Every text the caller may say, each once, in order."""
        return list(dict.fromkeys(step.say for step in self.caller if step.say))


def names() -> list[str]:
    """The scenarios that ship, by name."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load(name_or_path: str | Path) -> Scenario:
    """A shipped scenario by name, or any by the path of its file.

    Raises:
        ScenarioError: there is none, or it is not a scenario.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = _FOLDER / f"{name_or_path}.toml"
    try:
        text = path.read_bytes()
    except OSError as missing:
        known = ", ".join(names())
        raise ScenarioError(f"no scenario {name_or_path}; there are: {known}") from missing
    try:
        return msgspec.toml.decode(text, type=Scenario)
    except msgspec.DecodeError as wrong:
        raise ScenarioError(f"{path.name}: {wrong}") from wrong


def from_json(text: str | bytes) -> Scenario:
    """A scenario that travels as JSON, as ``PUT /simulator/calls/{call_sid}`` takes it.

    Raises:
        ScenarioError: it is not a scenario.
    """
    try:
        return msgspec.json.decode(text, type=Scenario)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise ScenarioError(str(wrong)) from wrong
