"""What the caller told of the matter in hand, by name, and the way back to an earlier state of it.

Which names there are is the practice's to say. Every function returns, as JSON, what the model is
told of it. Leaves the words of the talk to ``window``, and what was done to ``deeds``.
"""

import re
from collections.abc import Mapping

import msgspec

from bridge.call.conversation import Conversation, Remembered, SavePoint, Summarising
from bridge.call.deeds import came_true, may_come_true, said_of

Given = str | int | float | bool | None

MOST_NAMES = 20
LONGEST_NAME = 40
LONGEST_VALUE = 200
"""Characters, all three of them what ``remember_details`` says to the model."""
MOST_SAID = 8
"""Values kept of one name; whoever corrects herself more often is not quoted on the first."""
MOST_SAVE_POINTS = 8
"""Only the last is ever gone back to; the others tell how the call went."""

_SAY = "Of course, let's start over. What can I do for you?"
_NEXT = (
    "The caller starts over: what was wanted, offered or asked before no longer counts. Say `say` "
    "and go on from there, without a greeting and without introducing yourself."
)
_KNOWN = " Do not ask again for what stands under `known`, unless the caller changes it."
_DONE = (
    " What stands under `done` was done and stays so: tell the caller, do not do it again, and "
    "undo it only if the caller asks for that."
)
_OPEN = (
    " The requests under `open` may still come true: do not repeat them, say that you are still "
    "waiting for the confirmation."
)


class _Noted(msgspec.Struct, kw_only=True, omit_defaults=True):
    result: str
    known: dict[str, str]
    """Everything that is known, not only what was said just now."""
    replaced: dict[str, str] = {}
    """Name → the value that no longer counts."""
    forgotten: list[str] = []
    not_taken: list[str] = []
    takes: tuple[str, ...] = ()
    """The names there are; told when another was used."""


class _StartedOver(msgspec.Struct, kw_only=True, omit_defaults=True):
    result: str
    say: str
    known: dict[str, str]
    forgotten: list[str] = []
    done: list[str] = []
    open: list[str] = []
    next: str


def remember(
    conversation: Conversation, given: Mapping[str, Given], at_s: float, allowed: tuple[str, ...]
) -> str:
    """Note details as the caller gave or corrected them.

    The latest word counts; what it replaces is kept behind it. An empty value forgets. A name
    that the practice does not have is not taken, and neither is a value that is too long.
    """
    names = {_folded(name): name for name in allowed if len(name) <= LONGEST_NAME}
    noted = _Noted(result="remembered", known={})
    for called, said in given.items():
        name, value = names.get(_folded(called)), _as_text(said)
        if name is None or len(value) > LONGEST_VALUE or not _has_room(conversation, name):
            noted.not_taken.append(called[:LONGEST_NAME])
            continue
        before = _note(conversation, name, Remembered(value=value, at_s=at_s))
        if before and not value:
            noted.forgotten.append(name)
        elif before and before != value:
            noted.replaced[name] = before
    if noted.not_taken:
        noted.takes = allowed
    if len(noted.not_taken) == len(given):
        noted.result = "not_taken"
    noted.known = conversation.known
    return msgspec.json.encode(noted).decode()


def save_point(conversation: Conversation, at_s: float, why: str) -> None:
    """Keep what is known now: the caller may want to go back to it."""
    known = {name: said[-1] for name, said in conversation.details.items() if said[-1].value}
    conversation.save_points.append(SavePoint(at_s=at_s, why=why, known=known))
    del conversation.save_points[:-MOST_SAVE_POINTS]


def start_over(conversation: Conversation, at_s: float) -> str:
    """Go back to the last save point: details said since are forgotten, what was done stays done.

    What was said stays in the record, but a new session of the agent is told nothing of it.
    """
    forgotten = _go_back(conversation, at_s)
    conversation.summary = ""
    conversation.summarised = len(conversation.utterances)
    conversation.since_s = at_s
    conversation.summarising = Summarising()
    known = conversation.known
    done = [said_of(note) for note in conversation.function_calls if came_true(note)]
    unknown = [note.tool for note in conversation.function_calls if may_come_true(note)]
    told = _StartedOver(
        result="started_over",
        say=_SAY,
        known=known,
        forgotten=forgotten,
        done=done,
        open=unknown,
        next="".join(
            (_NEXT, _KNOWN if known else "", _DONE if done else "", _OPEN if unknown else "")
        ),
    )
    return msgspec.json.encode(told).decode()


def _go_back(conversation: Conversation, at_s: float) -> list[str]:
    """Every detail as it was at the last save point; the names of those that are gone by that."""
    points = conversation.save_points
    saved = points[-1].known if points else {}
    forgotten = []
    for name in conversation.details:
        back = saved.get(name, Remembered(value="", at_s=at_s))
        before = _note(conversation, name, back)
        if before and before != back.value:
            forgotten.append(name)
    return forgotten


def _note(conversation: Conversation, name: str, remembered: Remembered) -> str:
    """Put it behind what was said before, unless it is the same; returns what counted before."""
    before = conversation.known.get(name, "")
    if remembered.value != before:
        said = conversation.details.setdefault(name, [])
        said.append(remembered)
        del said[:-MOST_SAID]
    return before


def _has_room(conversation: Conversation, name: str) -> bool:
    return name in conversation.details or len(conversation.details) < MOST_NAMES


def _as_text(said: Given) -> str:
    match said:
        case None:
            return ""
        case bool():
            return "yes" if said else "no"
        case float() if said.is_integer():
            return str(int(said))
        case _:
            return " ".join(str(said).split())


def _folded(name: str) -> str:
    """A name as models vary it: ``First Visit``, ``first_visit``, ``first-visit``."""
    return " ".join(re.split(r"[\s_\-]+", name.casefold())).strip()
