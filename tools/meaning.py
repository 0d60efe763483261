"""What makes two requests the same effect: its meaning, whatever its function-call id.

Practice, patient (phone and name), service, start: the model likes to ask again under a new id
after an interruption, and that must find the same booking. Keys are digests, so that logs hold
nothing about a patient.
"""

import hashlib
import re

import msgspec

from tools import phone
from tools.arguments import (
    BookAppointment,
    BookWithInsurance,
    CancelAppointment,
    RescheduleAppointment,
    TakeMessage,
    UpdatePatientNotes,
)
from tools.catalog import Tool
from tools.names import folded

_MINUTES = len("2026-12-01T09:30")


def effect_key(tool: Tool, practice: str, arguments: msgspec.Struct, *, call_sid: str = "") -> str:
    """The effect's name by its meaning, the same for every request that wants the same thing.

    A message or a note is the same only within one call: next week the same words are news.
    Empty for a tool without an effect.
    """
    match arguments:
        case BookAppointment() | BookWithInsurance():
            words = (
                _number(arguments.phone),
                folded(arguments.patient_name),
                folded(arguments.service),
                _instant(arguments.start),
            )
            return _digest("book", practice, *words)
        case RescheduleAppointment():
            return _digest(
                "move",
                practice,
                arguments.appointment_id,
                _number(arguments.phone),
                _instant(arguments.new_start),
            )
        case CancelAppointment():
            return _digest("cancel", practice, arguments.appointment_id, _number(arguments.phone))
        case TakeMessage() | UpdatePatientNotes():
            return _digest(tool.name, practice, call_sid, _json(arguments))
        case _ if tool.effect:
            return _digest(tool.name, practice, _json(arguments))
        case _:
            return ""


def _json(arguments: msgspec.Struct) -> str:
    return msgspec.json.encode(arguments).decode()


def _instant(text: str) -> str:
    """A start as the practice's clock has it, with or without its offset; UTC is another clock.

    That two spellings of one instant are the same booking is the calendar's to find.
    """
    return text[:_MINUTES] + ("Z" if text.endswith(("Z", "+00:00")) else "")


def _number(text: str) -> str:
    try:
        return phone.normalise(text)
    except ValueError:
        return re.sub(r"[^0-9]", "", text)


def _digest(kind: str, *words: str) -> str:
    return f"{kind}:{hashlib.sha256(chr(31).join(words).encode()).hexdigest()[:40]}"
