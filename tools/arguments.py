"""What each tool may be asked: one struct a tool, whose docstrings are what the model reads.

Owns shapes and lengths only. Leaves what the tools are to ``catalog`` and whether a day is past or
a number exists to the bodies.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

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

_PLAIN = r"^[^<>{}\x00-\x1f]*[^<>{}\x00-\x20][^<>{}\x00-\x1f]*$"
"""One line with something in it, and nothing that could be markup."""

PhoneNumber = Annotated[str, Meta(pattern=r"^\+?[0-9 ().\-]{7,24}$", max_length=24)]
PersonName = Annotated[str, Meta(pattern=_PLAIN, min_length=1, max_length=80)]
ServiceName = Annotated[str, Meta(pattern=_PLAIN, min_length=1, max_length=60)]


AppointmentId = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-f]{32}$",
        max_length=32,
        description="The `appointment_id` that lookup_appointment or the booking gave, unchanged.",
    ),
]


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


class RescheduleAppointment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Move an appointment to another time that find_slots offered.

    Look the appointment up first and use it only after the caller has chosen the new time. The old
    time stays until the new one is certain; if the new one was taken meanwhile the answer offers
    others and nothing has changed.
    """

    appointment_id: AppointmentId
    phone: Annotated[
        PhoneNumber,
        Meta(description="Phone number the appointment was made with, with area code, as digits."),
    ]
    new_start: Annotated[
        Start,
        Meta(description="The `start` of the chosen offer, copied exactly, as YYYY-MM-DDTHH:MM."),
    ]
    provider: (
        Annotated[
            PersonName,
            Meta(description="Name of a member of staff, only if the caller asks for another one."),
        ]
        | None
    ) = None


class CancelAppointment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cancel an appointment.

    Look the appointment up first, read it back, and use it only after the caller has said yes.
    """

    appointment_id: AppointmentId
    phone: Annotated[
        PhoneNumber,
        Meta(description="Phone number the appointment was made with, with area code, as digits."),
    ]


class CheckInsurance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tell whether an insurance is accepted here.

    Use it when the caller names an insurance or asks about one. It knows nothing of what a plan
    covers: say that the insurance itself tells that.
    """

    insurance: Annotated[
        ServiceName, Meta(description="Name of the insurance as the caller said it.")
    ]


class BookWithInsurance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Book an appointment for a caller who wants an insurance to pay, in one step.

    Use it in place of book_appointment once the caller has named an insurance: it finds out who
    that is, checks the insurance, and books at a time that find_slots offered. If the insurance is
    not accepted it books nothing and says so; book_appointment books without one.
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
    insurance: Annotated[
        ServiceName, Meta(description="Name of the insurance as the caller said it.")
    ]
    provider: (
        Annotated[
            PersonName,
            Meta(description="Name of a member of staff, only if the caller asks for one."),
        ]
        | None
    ) = None


class UpdatePatientNotes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Add a note to what is known of somebody, for the people here to read before the visit.

    Use it for what they should know: an allergy, a worry, help that is needed. Nothing that was
    noted before is changed.
    """

    phone: Annotated[
        PhoneNumber, Meta(description="Phone number of that person with area code, as digits.")
    ]
    patient_name: Annotated[PersonName, Meta(description="First and last name of that person.")]
    note: Annotated[
        str,
        Meta(
            pattern=r"^[^\x00]+$",
            min_length=1,
            max_length=500,
            description="What to note, in a sentence or two.",
        ),
    ]


class TakeMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take a message for the people here, who will read it and call back.

    Use it when the caller wants to leave word, or when something cannot be done now.
    """

    message: Annotated[
        str,
        Meta(
            pattern=r"^[^\x00]+$",
            min_length=1,
            max_length=1000,
            description="What the caller wants to be told on, in the caller's words.",
        ),
    ]
    caller_name: (
        Annotated[PersonName, Meta(description="Name of the caller, if it is known.")] | None
    ) = None
    phone: (
        Annotated[
            PhoneNumber,
            Meta(description="Number to call back, as digits; leave it out if none was given."),
        ]
        | None
    ) = None
    urgent: Annotated[
        bool, Meta(description="True only if the caller says that it cannot wait until tomorrow.")
    ] = False


class PracticeInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tell a fact about this place: hours, address, parking, services, people, payment.

    Use it for any such question and never answer one from your own knowledge.
    """

    topic: Annotated[
        ServiceName,
        Meta(description="What is asked, in a word or two: hours, address, parking, insurance."),
    ]


class TransferToHuman(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put the caller through to a person.

    Use it when the caller asks for a person, or needs what no tool can do. Say nothing more after
    it: the answer's `say` is spoken, then the call is put through.
    """

    reason: (
        Annotated[
            str, Meta(max_length=200, description="Why, in a few words, for whoever picks up.")
        ]
        | None
    ) = None


class EndCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hang up, after both sides have said goodbye.

    Use it only when the caller has nothing more to ask. The call ends when your goodbye was heard.
    """


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


class ToldOf(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller was told of one function call."""

    function_call_id: str
    as_: Literal["done", "refused", "doubt"] = msgspec.field(name="as")
    """``done``: it happened. ``refused``: it did not, and will not. ``doubt``: nobody knows yet."""
    tool: str = ""
    arguments: Annotated[str, Meta(max_length=4096)] = ""
    """Of a doubt, what was asked for: perhaps no worker ever came to know of it."""


class NoteTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Note what the caller was told of what was asked for in this call."""

    told: Annotated[
        tuple[ToldOf, ...],
        Meta(min_length=1, max_length=50, description="One entry for each function call."),
    ]


class FreeHolds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Give free the times that were held for this call, because it is over."""
