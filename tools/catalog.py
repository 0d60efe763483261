"""Every tool on one page: what the model reads, how long a caller may wait, what is said if not.

Owns the argument structs and what makes two requests the same effect. Leaves the doing to the
bodies (``booking``, ``lookup``, ``summary``, and ``bridge.call.local`` for what a call does by
itself) and knows no clock: whether a day is past is theirs to say.

The docstring of an argument struct is the description the model reads, and so is every field's.
"""

import hashlib
import inspect
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from tools import phone
from tools.errors import BadArguments

Day = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
        max_length=10,
    ),
]
"""A calendar day at the practice, ``2026-12-01``."""

Start = Annotated[
    str,
    Meta(
        pattern=(
            r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
            r"T([01][0-9]|2[0-3]):[0-5][0-9](:00)?(Z|[+-][0-9]{2}:[0-9]{2})?$"
        ),
        max_length=25,
    ),
]
"""The instant an appointment begins; without an offset it is the practice's own clock."""

PhoneNumber = Annotated[str, Meta(pattern=r"^\+?[0-9 ().\-]{7,24}$", max_length=24)]
PersonName = Annotated[str, Meta(pattern=r"^[^<>{}]+$", min_length=1, max_length=80)]
ServiceName = Annotated[str, Meta(pattern=r"^[^<>{}]+$", min_length=1, max_length=60)]


class FindSlots(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Find free appointment times for a service.

    Use it before offering any time. It returns at most three offers; read them out as `say` has
    them and book with the `start` of the offer that the caller takes, unchanged.
    """

    service: Annotated[
        ServiceName, Meta(description="What the caller comes for, in a word or two.")
    ]
    from_day: (
        Annotated[
            Day,
            Meta(description="First day to look at, as YYYY-MM-DD. Leave it out for the soonest."),
        ]
        | None
    ) = None
    to_day: (
        Annotated[
            Day,
            Meta(
                description="Last day to look at, as YYYY-MM-DD. The same as from_day when the "
                "caller wants one certain day. Leave it out when there is no limit."
            ),
        ]
        | None
    ) = None
    part_of_day: Annotated[
        Literal["any", "morning", "afternoon"],
        Meta(description="Mornings end at noon. Leave it out when the caller does not mind."),
    ] = "any"
    provider: (
        Annotated[
            PersonName,
            Meta(description="Name of a member of staff, only if the caller asks for one."),
        ]
        | None
    ) = None


class BookAppointment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Book an appointment at a time that find_slots offered.

    Use it only after the caller has chosen a time and has given a name and a phone number. If the
    time was taken meanwhile the answer offers others; nothing is booked then.
    """

    service: Annotated[
        ServiceName, Meta(description="The same service for which the time was offered.")
    ]
    start: Annotated[
        Start,
        Meta(description="The `start` of the chosen offer, copied exactly, as YYYY-MM-DDTHH:MM."),
    ]
    patient_name: Annotated[
        PersonName, Meta(description="First and last name of the person who will come.")
    ]
    phone: Annotated[
        PhoneNumber, Meta(description="Phone number of that person with area code, as digits.")
    ]
    provider: (
        Annotated[
            PersonName,
            Meta(description="Name of a member of staff, only if the caller asks for one."),
        ]
        | None
    ) = None


class LookupAppointment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Look up somebody's coming appointments by phone number.

    Use it when the caller asks when an appointment is, or before changing one.
    """

    phone: Annotated[
        PhoneNumber,
        Meta(description="Phone number the appointment was made with, with area code, as digits."),
    ]
    patient_name: (
        Annotated[
            PersonName,
            Meta(description="Name of that person, if several people share the number."),
        ]
        | None
    ) = None


DetailName = Annotated[str, Meta(min_length=1, max_length=40)]
DetailValue = (
    Annotated[str, Meta(max_length=200)]
    | Annotated[int, Meta(ge=-(10**18), le=10**18)]
    | float
    | bool
    | None
)


class RememberDetails(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Note what the caller told about the matter in hand, so that it is never asked for again.

    Use it whenever the caller gives a detail or corrects one, several at once if several were
    said. What the caller said last counts. It answers with everything that is known; go on with
    the talk and do not read it out.
    """

    details: Annotated[
        dict[DetailName, DetailValue],
        Meta(
            min_length=1,
            max_length=20,
            description="Name and value of each detail, in a few words, as the caller said it. "
            "An empty value forgets what was noted under that name.",
        ),
    ]


class StartOver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Begin the talk anew because the caller asked to start over.

    Use it only then. It forgets what the caller wanted since the last thing that was done; what
    was done already stays done. It answers with what is still known.
    """


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was said or done in a call."""

    by: Literal["caller", "agent", "tool"]
    text: Annotated[str, Meta(max_length=2000)]


class Summarise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condense what was said so far in a call."""

    said: Annotated[tuple[Said, ...], Meta(min_length=1, description="What was said, in order.")]
    earlier: Annotated[
        str, Meta(max_length=4000, description="The summary of what was said before that.")
    ] = ""


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
    filler: bool
    """True when a filler may be spoken while it runs."""
    queue: str
    """Name of the queue its jobs go to; each worker process chooses its queues."""
    fallback: str
    """Spoken when no answer came. True whatever may have happened: after an effect it never says
    that nothing was done. Empty where no caller waits."""
    came_true: tuple[str, ...] = ()
    """Of an effect: the ``result`` words of its answers after which it has happened. Any other
    answer ("slot taken") changed nothing."""
    place: Literal["worker", "call"] = "worker"
    """``call``: answered at once by the call that is asked, without a queue."""
    internal: bool = False
    """True when the bridge asks for it on its own behalf; no agent is ever offered it."""
    longest_arguments: int = 4096
    """Characters of JSON; the longest honest request of an agent has about 300."""


def _tool(name: str, arguments: type[msgspec.Struct], **traits: Any) -> Tool:
    described = " ".join(inspect.cleandoc(arguments.__doc__ or "").split())
    return Tool(name=name, description=described, arguments=arguments, **traits)


def _answered_in_the_call(name: str, arguments: type[msgspec.Struct], *, effect: bool) -> Tool:
    return _tool(
        name,
        arguments,
        effect=effect,
        budget_s=0.0,
        filler=False,
        queue="",
        fallback="",
        place="call",
    )


READ_BUDGET_S = 3.0
"""Longer than that a caller takes the silence for a dead line, filler or not."""
EFFECT_BUDGET_S = 8.0
"""A booking is worth a second filler; it may have to wait for a lease to lapse (1.5 s) and run
once more."""
SUMMARY_BUDGET_S = 15.0
"""No caller waits for it; a small model needs two to five seconds, and may be asked twice."""

CATALOG: Final[Mapping[str, Tool]] = {
    tool.name: tool
    for tool in (
        _tool(
            "find_slots",
            FindSlots,
            effect=False,
            budget_s=READ_BUDGET_S,
            filler=True,
            queue="lookup",
            fallback="I can't see the calendar just now. I can take your name and number, and "
            "someone from the practice will call you back with a time.",
        ),
        _tool(
            "book_appointment",
            BookAppointment,
            effect=True,
            budget_s=EFFECT_BUDGET_S,
            filler=True,
            queue="booking",
            came_true=("booked",),
            fallback="I haven't had the confirmation from our calendar yet. Someone from the "
            "practice will call you to confirm your appointment.",
        ),
        _tool(
            "lookup_appointment",
            LookupAppointment,
            effect=False,
            budget_s=READ_BUDGET_S,
            filler=True,
            queue="lookup",
            fallback="I can't see your appointments just now. Someone from the practice can call "
            "you back about it.",
        ),
        _answered_in_the_call("remember_details", RememberDetails, effect=False),
        _answered_in_the_call("start_over", StartOver, effect=True),
        _tool(
            "summarise",
            Summarise,
            effect=False,
            budget_s=SUMMARY_BUDGET_S,
            filler=False,
            queue="summary",  # an endpoint that hangs must not hold up a caller's tools
            fallback="",
            internal=True,
            longest_arguments=60_000,
        ),
    )
}
"""Name → tool. A start fails when the bodies, the worker's and the call's, differ from it."""

OFFERED: Final = tuple(name for name, tool in CATALOG.items() if not tool.internal)
"""Names an agent may be given."""

QUEUED: Final = {name: tool for name, tool in CATALOG.items() if tool.place == "worker"}
"""Those that are jobs for workers."""

QUEUES: Final = tuple(sorted({tool.queue for tool in QUEUED.values()}))
"""Every queue there is, which is what a worker serves unless told otherwise; the one for which
no caller waits comes last."""

LONGEST_BUDGET_S: Final = max(tool.budget_s for tool in CATALOG.values())


def decode_arguments(tool: Tool, text: str) -> msgspec.Struct:
    """What the agent sent, as the tool's argument struct.

    Optional fields that came as null or as empty text count as left out, because models send
    them so. A tool without fields takes whatever comes: nothing can be wrong in it. Nothing else is
    forgiven.

    Raises:
        BadArguments: ``say`` tells the model which field to change. It never repeats a value.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(tool.arguments)}
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


_result_of: Final = msgspec.json.Decoder(_Result).decode


def has_happened(tool: Tool, content: str) -> bool:
    """True if this answer says that the effect of the tool came true.

    False for any answer that changed nothing, and for what is no answer of ours.
    """
    try:
        return _result_of(content).result in tool.came_true
    except msgspec.DecodeError:
        return False


def effect_key(tool: Tool, practice: str, arguments: msgspec.Struct) -> str:
    """The effect's name by its meaning, the same for every request that wants the same thing.

    Practice, patient (phone and name), service, start: the model likes to ask again under a new
    function-call id after an interruption, and that must find the same booking. A digest, so that
    keys and logs hold nothing about a patient. Empty for a tool without an effect.
    """
    match arguments:
        case BookAppointment():
            return _digest("book", practice, *_booking_words(arguments))
        case _ if tool.effect:
            return _digest(tool.name, practice, msgspec.json.encode(arguments).decode())
        case _:
            return ""


def _booking_words(wanted: BookAppointment) -> tuple[str, ...]:
    minutes = len("2026-12-01T09:30")
    return (_number(wanted.phone), _folded(wanted.patient_name), _folded(wanted.service),
            wanted.start[:minutes])  # fmt: skip


def _number(text: str) -> str:
    try:
        return phone.normalise(text)
    except ValueError:
        return re.sub(r"[^0-9]", "", text)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _digest(kind: str, *words: str) -> str:
    return f"{kind}:{hashlib.sha256(chr(31).join(words).encode()).hexdigest()[:40]}"
