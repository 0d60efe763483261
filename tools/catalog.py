"""Every tool on one page: what the model reads, how long a caller may wait, what is said if not.

Owns what each tool promises: how long, how often, in which queue, with which words. Leaves the
argument structs to ``arguments``, what makes two requests the same effect to ``meaning``, and the
doing to the bodies (``worker.bodies`` names them; what a call does by itself is in
``bridge.call.local``). Knows no clock: whether a day is past is theirs to say.

The docstring of an argument struct is the description the model reads, and so is every field's.
"""

import functools
import inspect
import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from tools.arguments import (
    BookAppointment,
    BookWithInsurance,
    CancelAppointment,
    CheckInsurance,
    EndCall,
    FindSlots,
    FreeHolds,
    LookupAppointment,
    NoteTold,
    PracticeInfo,
    RememberDetails,
    RescheduleAppointment,
    StartOver,
    Summarise,
    TakeMessage,
    TransferToHuman,
    UpdatePatientNotes,
)
from tools.errors import BadArguments


class Tries(msgspec.Struct, frozen=True, kw_only=True):
    """How often a body is begun inside one job, and how long it waits in between."""

    most: int = 3
    attempt_s: float
    """Seconds one attempt may take; what hangs must leave time for another."""
    first_wait_s: float = 0.05
    longest_wait_s: float = 0.4


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the agent can have done."""

    name: str
    description: str
    """What the model reads: the docstring of ``arguments`` on one line."""
    arguments: type[msgspec.Struct]
    effect: bool
    """True when it does what cannot be taken back; the agent is told to wait for the end of a
    turn."""
    budget_s: float
    """Seconds a caller may wait for the answer, from the request to the outcome."""
    tries: Tries
    filler: bool
    """True when a filler may be spoken while it runs."""
    queue: str
    """Name of the queue its jobs go to; each worker process chooses its queues."""
    backend: str = ""
    """What its breaker watches, by practice: ``calendar``, ``summary``. Empty: nothing outside."""
    fallback: str
    """Spoken when no answer came. True whatever may have happened: after an effect it never says
    that nothing was done. Empty where no caller waits."""
    not_done: str = ""
    """Of an effect: spoken when it is certain that it did not happen and never will."""
    came_true: tuple[str, ...] = ()
    """Of an effect: the ``result`` words of its answers after which it has happened. Any other
    answer ("slot taken") changed nothing."""
    late: Literal["look", "do"] = "look"
    """Of an effect whose budget is over before it was done: ``look`` what became of it and do
    nothing more, or ``do`` it all the same, because it is wanted at any time (a message)."""
    place: Literal["worker", "call"] = "worker"
    """``call``: answered at once by the call that is asked, without a queue."""
    internal: bool = False
    """True when the bridge asks for it on its own behalf; no agent is ever offered it."""
    owed: bool = False
    """True when it must reach a worker though nobody waits for it: never refused, and sent once
    more where the queue could not be reached."""
    longest_arguments: int = 4096
    """Characters of JSON; the longest honest request of an agent has about 300."""


def _tool(name: str, arguments: type[msgspec.Struct], **traits: Any) -> Tool:
    described = " ".join(inspect.cleandoc(arguments.__doc__ or "").split())
    return Tool(name=name, description=described, arguments=arguments, **traits)


READ_BUDGET_S = 3.0
"""Longer than that a caller takes the silence for a dead line, filler or not."""
EFFECT_BUDGET_S = 8.0
"""A booking is worth a second filler; it may have to wait for a lease to lapse (1.5 s) and run
once more."""
SUMMARY_BUDGET_S = 15.0
"""No caller waits for it; a small model needs two to five seconds, and may be asked twice."""
SETTLE_BUDGET_S = 60.0
"""Nobody waits, but it must be done before somebody is texted what they were told already."""

_READ: Final = Tries(attempt_s=1.8)
_EFFECT: Final = Tries(attempt_s=4.8)


def _reads(name: str, arguments: type[msgspec.Struct], *, fallback: str, **traits: Any) -> Tool:
    of = {"queue": "lookup", "backend": "calendar", "filler": True, "tries": _READ} | traits
    return _tool(name, arguments, effect=False, budget_s=READ_BUDGET_S, fallback=fallback, **of)


def _changes(
    name: str,
    arguments: type[msgspec.Struct],
    *,
    came_true: tuple[str, ...],
    fallback: str,
    not_done: str,
    **traits: Any,
) -> Tool:
    of = {"queue": "booking", "backend": "calendar", "filler": True, "tries": _EFFECT} | traits
    return _tool(
        name,
        arguments,
        effect=True,
        budget_s=EFFECT_BUDGET_S,
        came_true=came_true,
        fallback=fallback,
        not_done=not_done,
        **of,
    )


def _answered_in_the_call(name: str, arguments: type[msgspec.Struct], *, effect: bool) -> Tool:
    return _tool(
        name,
        arguments,
        effect=effect,
        budget_s=0.0,
        tries=Tries(most=1, attempt_s=0.0),
        filler=False,
        queue="",
        fallback="",
        place="call",
    )


def _for_the_bridge(name: str, arguments: type[msgspec.Struct], **traits: Any) -> Tool:
    return _tool(name, arguments, effect=False, filler=False, fallback="", internal=True, **traits)


_CONFIRMING = "I'm still confirming that with our calendar, and I'll tell you as soon as I know."

CATALOG: Final[Mapping[str, Tool]] = {
    tool.name: tool
    for tool in (
        _reads(
            "find_slots",
            FindSlots,
            fallback="I can't see the calendar just now. I can take your name and number, and "
            "someone from the practice will call you back with a time.",
        ),
        _changes(
            "book_appointment",
            BookAppointment,
            came_true=("booked", "requested"),
            fallback=_CONFIRMING,
            not_done="I can't reach our calendar just now, so nothing is booked yet. I can take a "
            "message, and someone will call you back with a time.",
        ),
        _changes(
            "book_with_insurance",
            BookWithInsurance,
            came_true=("booked", "requested"),
            fallback=_CONFIRMING,
            not_done="I can't reach our calendar just now, so nothing is booked yet. I can take a "
            "message, and someone will call you back with a time.",
        ),
        _reads(
            "lookup_appointment",
            LookupAppointment,
            fallback="I can't see your appointments just now. Someone from the practice can call "
            "you back about it.",
        ),
        _changes(
            "reschedule_appointment",
            RescheduleAppointment,
            came_true=("moved", "requested"),
            fallback=_CONFIRMING,
            not_done="I can't reach our calendar just now, so your appointment is unchanged. I "
            "can take a message, and someone will call you back.",
        ),
        _changes(
            "cancel_appointment",
            CancelAppointment,
            came_true=("cancelled",),
            fallback=_CONFIRMING,
            not_done="I can't reach our calendar just now, so your appointment still stands. I "
            "can take a message, and someone will call you back.",
        ),
        _reads(
            "check_insurance",
            CheckInsurance,
            backend="",  # it is known though the calendar is away
            fallback="I can't check that insurance just now. Someone here can tell you.",
        ),
        _changes(
            "update_patient_notes",
            UpdatePatientNotes,
            queue="messages",
            backend="",
            came_true=("noted",),
            late="do",
            fallback="I've passed that on to be noted.",
            not_done="I can't note that just now. Please tell us again when you come.",
        ),
        _changes(
            "take_message",
            TakeMessage,
            queue="messages",
            backend="",
            came_true=("taken",),
            late="do",
            fallback="I've passed your message on.",
            not_done="I can't take a message just now. Please call us again a little later.",
        ),
        _reads(
            "practice_info",
            PracticeInfo,
            backend="",
            fallback="I can't look that up just now. Someone here can tell you.",
        ),
        _answered_in_the_call("transfer_to_human", TransferToHuman, effect=True),
        _answered_in_the_call("end_call", EndCall, effect=True),
        _answered_in_the_call("remember_details", RememberDetails, effect=False),
        _answered_in_the_call("start_over", StartOver, effect=True),
        _for_the_bridge(
            "summarise",
            Summarise,
            budget_s=SUMMARY_BUDGET_S,
            tries=Tries(attempt_s=9.0),
            queue="summary",  # an endpoint that hangs must not hold up a caller's tools
            backend="summary",
            longest_arguments=60_000,
        ),
        _for_the_bridge(
            "note_told",
            NoteTold,
            budget_s=SETTLE_BUDGET_S,
            tries=Tries(attempt_s=10.0),
            queue="settle",
            owed=True,
            longest_arguments=250_000,
        ),
        _for_the_bridge(
            "free_holds",
            FreeHolds,
            budget_s=SETTLE_BUDGET_S,
            tries=Tries(attempt_s=10.0),
            queue="settle",
            owed=True,
        ),
    )
}
"""Name → tool. A start fails when the bodies, the worker's and the call's, differ from it."""

OFFERED: Final = tuple(name for name, tool in CATALOG.items() if not tool.internal)
"""Names an agent may be given."""

QUEUED: Final = {name: tool for name, tool in CATALOG.items() if tool.place == "worker"}
"""Those that are jobs for workers."""

QUEUES: Final = ("booking", "lookup", "messages", "settle", "summary")
"""Every queue there is, most urgent first; for the last two no caller waits."""

LONGEST_BUDGET_S: Final = max(tool.budget_s for tool in CATALOG.values())


def decode_arguments(tool: Tool, text: str) -> msgspec.Struct:
    """What the agent sent, as the tool's argument struct.

    Optional fields that came as null or as empty text count as left out, because models send
    them so. A tool without fields takes whatever comes: nothing can be wrong in it. Nothing else is
    forgiven.

    Raises:
        BadArguments: ``say`` tells the model which field to change. It never repeats a value.
    """
    fields = _fields(tool.arguments)
    if not fields:
        return tool.arguments()
    try:
        fits = len(text) <= tool.longest_arguments
        sent = msgspec.json.decode(text, type=dict[str, Any]) if fits else None
    except (msgspec.DecodeError, UnicodeEncodeError):
        sent = None
    if sent is None:
        raise BadArguments(f"Send one JSON object with these fields: {', '.join(fields)}.")
    if not sent.keys() <= fields.keys():
        raise BadArguments(f"Send only these fields: {', '.join(fields)}.")
    given = {name: value for name, value in sent.items() if fields[name].required or value}
    missing = [name for name, field in fields.items() if field.required and name not in given]
    if missing:
        raise BadArguments(f"Missing: {', '.join(missing)}. Ask the caller if you do not know.")
    try:
        return msgspec.convert(given, tool.arguments)
    except msgspec.ValidationError as error:
        raise BadArguments(_correction(tool, str(error))) from None


@functools.cache
def _fields(arguments: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """By the names they are sent under; found out once, for it takes longer than decoding."""
    return {field.encode_name: field for field in msgspec.structs.fields(arguments)}


def _correction(tool: Tool, complaint: str) -> str:
    """The complaint without the value: which field, and what it should hold."""
    where = re.search(r"`\$\.(\w+)", complaint)
    name = where.group(1) if where else ""
    properties = parameters_schema(tool)["properties"]
    if name not in properties:
        return f"Send these fields as text: {', '.join(properties)}."
    allowed = properties[name].get("enum")
    choices = f" One of: {', '.join(allowed)}." if allowed else ""
    return f"{name} is not as it should be. {properties[name]['description']}{choices}"


def parameters_schema(tool: Tool) -> dict[str, Any]:
    """The argument struct as one flat JSON schema object, as function calling wants it.

    No ``$ref``, no ``anyOf``: optional fields are the ones that ``required`` does not name.
    """
    (_,), components = msgspec.json.schema_components([tool.arguments])
    schema = components[tool.arguments.__name__]
    return {
        "type": "object",
        "properties": {name: _flat(field) for name, field in schema["properties"].items()},
        "required": list(schema["required"]),
        "additionalProperties": False,
    }


def _flat(field: dict[str, Any]) -> dict[str, Any]:
    """One field's schema: the branch that is not null, and no default of null."""
    flat = dict(field)
    for branch in flat.pop("anyOf", ()):
        if branch != {"type": "null"}:
            flat.update(branch)
    if flat.get("default", ...) is None:
        del flat["default"]
    if "enum" in flat:
        flat.setdefault("type", "string")
    if "additionalProperties" in flat:
        # Models send what is a number or a yes as such, and are forgiven; they are asked for text.
        flat["additionalProperties"] = {"type": "string"}
    return flat


class _Result(msgspec.Struct):
    result: str = ""


_decode_result: Final = msgspec.json.Decoder(_Result).decode


def has_happened(tool: Tool, content: str) -> bool:
    """True if this answer says that the effect of the tool came true.

    False for any answer that changed nothing, and for what is no answer of ours.
    """
    return result_of(content) in tool.came_true


def result_of(content: str) -> str:
    """The ``result`` word of an answer; empty for what is no answer of ours."""
    try:
        return _decode_result(content).result
    except msgspec.DecodeError:
        return ""
