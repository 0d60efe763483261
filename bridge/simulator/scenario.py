"""A call as data: what the caller does, how the agent answers, what goes wrong.

Files are TOML in ``scenarios/``. Leaves what the agent does to ``rules``, what goes wrong with it
to ``faults``, acting to ``caller`` and ``agent``, and what a template means to ``templates``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bridge.simulator.expect import Expect, House
from bridge.simulator.faults import Faults
from bridge.simulator.rules import Action, AgentRule, Ask, Listening

__all__ = [
    "Action",
    "AgentRule",
    "Ask",
    "CallerStep",
    "Expect",
    "Faults",
    "House",
    "Listening",
    "Milliseconds",
    "Scenario",
    "ScenarioError",
    "from_json",
    "load",
    "names",
]

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


class Scenario(_Part, frozen=True, kw_only=True):
    """One whole call."""

    name: str
    summary: str
    from_number: str = "+12125550142"
    to_number: str = "+15550100200"
    """The practice that is dialled, unless whoever places the call names another."""
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
    expect: Expect = Expect()
    """What must come of it; judged where scenarios are run to be judged."""
    house: House = House()
    """What the processes must be like that play it."""

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
