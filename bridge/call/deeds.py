"""What a call has done: effects that came true, and those of which nobody knows yet.

A booking stays, whatever is forgotten, cut or summarised, so this is asked before anything is.
"""

import msgspec

from bridge.call.conversation import FunctionCallNote
from tools.catalog import CATALOG, has_happened


class _Answer(msgspec.Struct):
    say: str = ""


_read = msgspec.json.Decoder(_Answer).decode


def came_true(note: FunctionCallNote) -> bool:
    """True if this function call changed something for good."""
    tool = CATALOG.get(note.tool)
    if tool is None or note.outcome != "done" or note.response is None:
        return False
    return has_happened(tool, note.response)


def may_come_true(note: FunctionCallNote) -> bool:
    """True if nobody knows yet whether it will: unanswered, in doubt, or given up."""
    tool = CATALOG.get(note.tool)
    if tool is None or not tool.came_true:
        return False
    return note.outcome in ("", "doubt", "cancelled", "agent_lost")


def said_of(note: FunctionCallNote) -> str:
    """What of its answer is written to be spoken; empty if nothing is."""
    return "" if note.response is None else say_in(note.response)


def say_in(content: str) -> str:
    """What of an answer is written to be spoken; empty if nothing is."""
    try:
        return _read(content).say
    except msgspec.DecodeError:
        return ""
