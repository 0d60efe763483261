"""What a call does by itself, at once: the bodies of the tools whose place is the call.

Leaves the words told to the model of details to ``details``, and leaving to ``leaving``.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from bridge.call import details
from bridge.call.conversation import Conversation
from bridge.call.leaving import Leaving, LeavingFor
from bridge.call.manners import Manners
from tools.arguments import EndCall, RememberDetails, StartOver, TransferToHuman
from tools.catalog import CATALOG, Tool


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """What these bodies work on."""

    conversation: Conversation
    manners: Manners
    leaving: Leaving
    now: float
    at_s: float
    """Seconds into the call."""


Local = Callable[[Here, Any], str]
"""Where, decoded arguments → JSON for the agent."""


class _LastWords(msgspec.Struct, frozen=True, kw_only=True):
    result: str
    say: str
    next: str


_PUT_THROUGH = "Say `say` and nothing after it: the caller is then put through."
_GOODBYE = "Say goodbye, unless you just did, and nothing after it: the line is then closed."
_NOBODY = "Say `say`. If the caller wants it, take a message; do not promise a person."


def _remember_details(here: Here, asked: RememberDetails) -> str:
    return details.remember(here.conversation, asked.details, here.at_s, here.manners.details)


def _start_over(here: Here, asked: StartOver) -> str:
    return details.start_over(here.conversation, here.at_s)


def _transfer_to_human(here: Here, asked: TransferToHuman) -> str:
    if not here.manners.can_transfer:
        return _told("nobody_there", here.manners.nobody_there, _NOBODY)
    _leave(here, "transfer")
    return _told("putting_through", here.manners.put_through, _PUT_THROUGH)


def _end_call(here: Here, asked: EndCall) -> str:
    _leave(here, "goodbye")
    return _told("ending", here.manners.goodbye, _GOODBYE)


def _leave(here: Here, wanted: LeavingFor) -> None:
    said = here.conversation.utterances
    agents = bool(said) and said[-1].speaker == "agent" and said[-1].source == "speech"
    here.leaving.begin(wanted, place=len(said), spoken_before=agents, now=here.now)


def _told(result: str, say: str, following: str) -> str:
    return msgspec.json.encode(_LastWords(result=result, say=say, next=following)).decode()


LOCAL: Final[Mapping[str, Local]] = {
    "remember_details": _remember_details,
    "start_over": _start_over,
    "transfer_to_human": _transfer_to_human,
    "end_call": _end_call,
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
