"""What a call does by itself, at once: the bodies of the tools whose place is the call.

Leaves the words told to the model to ``details``.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from bridge.call import details
from bridge.call.conversation import Conversation
from tools.arguments import RememberDetails, StartOver
from tools.catalog import CATALOG, Tool

Local = Callable[[Conversation, Any, float, tuple[str, ...]], str]
"""Conversation, decoded arguments, seconds into the call, names of details → JSON for the agent."""


def _remember_details(
    conversation: Conversation, asked: RememberDetails, at_s: float, allowed: tuple[str, ...]
) -> str:
    return details.remember(conversation, asked.details, at_s, allowed)


def _start_over(
    conversation: Conversation, asked: StartOver, at_s: float, allowed: tuple[str, ...]
) -> str:
    return details.start_over(conversation, at_s)


def _not_yet(conversation: Conversation, asked: Any, at_s: float, allowed: tuple[str, ...]) -> str:
    return '{"say": "I cannot do that yet."}'


LOCAL: Final[Mapping[str, Local]] = {
    "remember_details": _remember_details,
    "start_over": _start_over,
    "transfer_to_human": _not_yet,
    "end_call": _not_yet,
}
"""Tool → what does it."""


def check_local(catalog: Mapping[str, Tool] = CATALOG, local: Mapping[str, Local] = LOCAL) -> None:
    """Refuse to start when the catalogue and the table of bodies differ.

    Raises:
        RuntimeError: names the tools that one of them lacks.
    """
    here = {name for name, tool in catalog.items() if tool.place == "call"}
    if missing := sorted(here ^ local.keys()):
        raise RuntimeError(f"catalogue and bodies in the call differ: {', '.join(missing)}")
