"""What the emulator takes from settings that it accepted."""

from typing import Any

import msgspec

from bridge.simulator.formats import TELEPHONE, Format

PROMPT_LIMIT = 25_000
"""Characters of prompt for managed models; more is cut, with a warning (4.4)."""


class Accepted(msgspec.Struct, kw_only=True):
    """What the emulator takes from settings it accepted."""

    flux: bool = False
    """Listening by Flux: turns can be forced, ``EndOfTurn`` is sent."""
    eot_threshold: float = 0.7
    """1.0: only the timeout or ``ForceEndTurn`` ends a turn (4.3)."""
    eager_eot_threshold: float | None = None
    timeout_ms: int = 5000
    history: bool = True
    experimental: bool = False
    greeting: str = ""
    prompt: str = ""
    voice: str = "flux-kit-en"
    """The model of the first entry that speaks; this one when ``speak`` is left out (4.5)."""
    heard: Format = TELEPHONE
    spoken: Format = TELEPHONE
    managed: bool = True
    """The model is Deepgram's to run: the prompt has a limit."""
    functions: dict[str, "AcceptedFunction"] = {}
    messages: list[dict[str, Any]] = []


class AcceptedFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the model may ask for."""

    deferred: bool
    client_side: bool
    required: tuple[str, ...] = ()
