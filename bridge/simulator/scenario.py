"""A call as data: what the caller does, how the agent answers, what goes wrong.

Files are TOML in ``scenarios/``. Leaves what the caller does to ``steps``, what the agent does to
``rules``, what goes wrong with it to ``faults``, acting to ``caller`` and ``agent``, and what a
template means to ``templates``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bridge.simulator.expect import Expect, House
from bridge.simulator.faults import Faults
from bridge.simulator.rules import Action, AgentRule, Ask, Listening
from bridge.simulator.steps import CallerStep, Milliseconds

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


class ScenarioError(ValueError):
    """A scenario that cannot be read; the text says which and why."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


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
        """Every text the caller may say, each once, in order; a line with pauses is several."""
        return list(dict.fromkeys(text for step in self.caller for text in step.spoken))


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
        read = msgspec.toml.decode(text, type=Scenario)
    except msgspec.DecodeError as wrong:
        raise ScenarioError(f"{path.name}: {wrong}") from wrong
    # A recording lies beside the scenario that plays it.
    steps = [
        step if step.wav is None else msgspec.structs.replace(step, wav=str(path.parent / step.wav))
        for step in read.caller
    ]
    return msgspec.structs.replace(read, caller=steps)


def from_json(text: str | bytes) -> Scenario:
    """A scenario that travels as JSON, as ``PUT /simulator/calls/{call_sid}`` takes it.

    Raises:
        ScenarioError: it is not a scenario.
    """
    try:
        return msgspec.json.decode(text, type=Scenario)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise ScenarioError(str(wrong)) from wrong
