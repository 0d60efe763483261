"""Every table: the calendar, the ledger of effects, and what waits to be sent or read.

Owns the shape; ``migrations`` brings a database to it. Everything belongs to a practice. Instants
are UTC; days, hours of the week and the time zone they are meant in are the practice's.

No double booking: each appointment, and each time held for a caller, owns one row of ``cells`` for
every quarter of an hour it lasts, and a provider's quarter of an hour is the primary key. The
database itself refuses the second one, on SQLite and on Postgres, whoever asks and however many at
once.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    Time,
    UniqueConstraint,
)

from tools.database import UtcDateTime, metadata

CELL: Final = timedelta(minutes=15)
"""Every service lasts, and every appointment starts at, a multiple of it."""

practices = Table(
    "practices",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("lead_minutes", Integer, nullable=False),
    Column("horizon_days", Integer, nullable=False),
    Column("calendar", Text, nullable=False, server_default=""),
    Column("texts_from", String(16), nullable=False, server_default=""),
)
"""``calendar``: JSON that says which outside calendar is kept, never a secret; empty: this one.
``texts_from``: the number its text messages come from, E.164; empty: it sends none."""

opening_hours = Table(
    "opening_hours",
    metadata,
    Column("practice_id", ForeignKey("practices.id"), primary_key=True),
    Column("weekday", Integer, primary_key=True),
    Column("opens", Time, primary_key=True),
    Column("closes", Time, nullable=False),
    CheckConstraint("weekday between 0 and 6", name="weekday"),
    CheckConstraint("opens < closes", name="order"),
)

closed_days = Table(
    "closed_days",
    metadata,
    Column("practice_id", ForeignKey("practices.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("reason", String(120), nullable=False),
)

services = Table(
    "services",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("practice_id", ForeignKey("practices.id"), nullable=False),
    Column("name", String(60), nullable=False),
    Column("also_called", String(300), nullable=False),
    Column("minutes", Integer, nullable=False),
    UniqueConstraint("practice_id", "name"),
    CheckConstraint("minutes > 0 and minutes % 15 = 0", name="cells"),
)

providers = Table(
    "providers",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("practice_id", ForeignKey("practices.id"), nullable=False),
    Column("name", String(80), nullable=False),
    Column("rank", Integer, nullable=False),
    UniqueConstraint("practice_id", "name"),
)

provider_services = Table(
    "provider_services",
    metadata,
    Column("provider_id", ForeignKey("providers.id"), primary_key=True),
    Column("service_id", ForeignKey("services.id"), primary_key=True),
)

provider_hours = Table(
    "provider_hours",
    metadata,
    Column("provider_id", ForeignKey("providers.id"), primary_key=True),
    Column("weekday", Integer, primary_key=True),
    Column("opens", Time, primary_key=True),
    Column("closes", Time, nullable=False),
    CheckConstraint("weekday between 0 and 6", name="weekday"),
    CheckConstraint("opens < closes", name="order"),
)

patients = Table(
    "patients",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("practice_id", ForeignKey("practices.id"), nullable=False),
    Column("name", String(80), nullable=False),
    Column("folded_name", String(80), nullable=False),
    Column("phone", String(16), nullable=False),
    Column("created_utc", UtcDateTime, nullable=False),
    UniqueConstraint("practice_id", "phone", "folded_name"),
)

insurers = Table(
    "insurers",
    metadata,
    Column("practice_id", ForeignKey("practices.id"), primary_key=True),
    Column("name", String(60), primary_key=True),
    Column("also_called", String(300), nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("note", String(300), nullable=False),
    Column("rank", Integer, nullable=False),
)
"""``note`` is written to be said: what a caller with this insurance should know."""

facts = Table(
    "facts",
    metadata,
    Column("practice_id", ForeignKey("practices.id"), primary_key=True),
    Column("topic", String(60), primary_key=True),
    Column("also_called", String(300), nullable=False),
    Column("say", String(600), nullable=False),
    Column("rank", Integer, nullable=False),
)
"""What a practice wants told when asked: address, parking, payment."""

appointments = Table(
    "appointments",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("practice_id", ForeignKey("practices.id"), nullable=False),
    Column("patient_id", ForeignKey("patients.id"), nullable=False),
    Column("provider_id", ForeignKey("providers.id"), nullable=False),
    Column("service_id", ForeignKey("services.id"), nullable=False),
    Column("start_utc", UtcDateTime, nullable=False),
    Column("end_utc", UtcDateTime, nullable=False),
    Column("status", String(16), nullable=False),
    Column("idempotency_key", String(80), nullable=True, unique=True),
    Column("external_ref", String(200), nullable=False, server_default=""),
    Column("call_sid", String(64), nullable=False),
    Column("booked_utc", UtcDateTime, nullable=False),
    CheckConstraint(
        "status in ('booked', 'requested', 'pending', 'refused', 'cancelled')", name="status"
    ),
    CheckConstraint("start_utc < end_utc", name="order"),
    Index(None, "practice_id", "start_utc"),
    Index(None, "patient_id", "start_utc"),
)
"""``pending``: an outside calendar is being asked. ``requested``: it took the request and has not
confirmed it. ``refused``: it would not. A cancelled or refused appointment has no cells and no key:
the same booking may be made again. ``external_ref`` is the outside calendar's own name for it."""

holds = Table(
    "holds",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("practice_id", ForeignKey("practices.id"), nullable=False),
    Column("provider_id", ForeignKey("providers.id"), nullable=False),
    Column("call_sid", String(64), nullable=False),
    Column("start_utc", UtcDateTime, nullable=False),
    Column("end_utc", UtcDateTime, nullable=False),
    Column("expires_utc", UtcDateTime, nullable=False),
    CheckConstraint("start_utc < end_utc", name="order"),
    Index(None, "call_sid"),
    Index(None, "expires_utc"),
)
"""Times offered to a caller who has not chosen yet. An expired one holds nothing, whether or not
its row is gone."""

cells = Table(
    "cells",
    metadata,
    Column("provider_id", ForeignKey("providers.id"), primary_key=True),
    Column("at_utc", UtcDateTime, primary_key=True),
    Column("appointment_id", ForeignKey("appointments.id", ondelete="CASCADE"), nullable=True),
    Column("hold_id", ForeignKey("holds.id", ondelete="CASCADE"), nullable=True),
    CheckConstraint("(appointment_id is null) <> (hold_id is null)", name="owner"),
    Index(None, "appointment_id"),
    Index(None, "hold_id"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("key", String(80), nullable=True, unique=True),
    Column("practice_id", String(40), nullable=False),
    Column("call_sid", String(64), nullable=False),
    Column("tool", String(40), nullable=False),
    Column("arguments", Text, nullable=False),
    Column("phone", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("claim_utc", UtcDateTime, nullable=True),
    Column("meaning", String(80), nullable=False),
    Column("ended_utc", UtcDateTime, nullable=True),
    Column("result", String(40), nullable=False),
    Column("made_id", String(32), nullable=False),
    Column("told_as", String(16), nullable=False),
    Column("looks", Integer, nullable=False),
    Column("look_utc", UtcDateTime, nullable=True),
    Column("asked_utc", UtcDateTime, nullable=False),
    Column("changed_utc", UtcDateTime, nullable=False),
    CheckConstraint("state in ('intent', 'claimed', 'done', 'told', 'void')", name="state"),
    Index(None, "look_utc"),
    Index(None, "call_sid"),
    Index(None, "meaning"),
)
"""One row for every effect that was wanted: see ``tools.ledger``. ``key`` is its meaning and goes
with its end, so that the same may be wanted again; ``meaning`` stays, and ``ended_utc`` is when it
went. ``claim_utc`` is until when it is another's to write. ``look_utc`` is when somebody is to find
out what became of it, and is null when nothing is left to find out."""

ledger_calls = Table(
    "ledger_calls",
    metadata,
    Column("job_id", String(200), primary_key=True),
    Column("ledger_id", ForeignKey("ledger.id", ondelete="CASCADE"), nullable=False),
    Index(None, "ledger_id"),
)
"""Which function calls (``call_sid:function_call_id``) asked for which effect."""

messages = Table(
    "messages",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("practice_id", ForeignKey("practices.id"), nullable=False),
    Column("key", String(80), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("call_sid", String(64), nullable=False),
    Column("name", String(80), nullable=False),
    Column("phone", String(16), nullable=False),
    Column("text", String(1000), nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("created_utc", UtcDateTime, nullable=False),
    Column("handled_utc", UtcDateTime, nullable=True),
    CheckConstraint("kind in ('message', 'follow_up')", name="kind"),
    Index(None, "practice_id", "created_utc"),
)
"""What the practice's people are to read: a caller's message, or what we could not settle."""

patient_notes = Table(
    "patient_notes",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("practice_id", ForeignKey("practices.id"), nullable=False),
    Column("patient_id", ForeignKey("patients.id"), nullable=False),
    Column("key", String(80), nullable=False, unique=True),
    Column("call_sid", String(64), nullable=False),
    Column("text", String(500), nullable=False),
    Column("created_utc", UtcDateTime, nullable=False),
    Index(None, "patient_id", "created_utc"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("practice_id", ForeignKey("practices.id"), nullable=False),
    Column("key", String(80), nullable=False, unique=True),
    Column("call_sid", String(64), nullable=False),
    Column("from_number", String(16), nullable=False),
    Column("to_number", String(16), nullable=False),
    Column("body", String(600), nullable=False),
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_utc", UtcDateTime, nullable=True),
    Column("message_sid", String(64), nullable=False),
    Column("reason", String(120), nullable=False),
    Column("created_utc", UtcDateTime, nullable=False),
    Column("changed_utc", UtcDateTime, nullable=False),
    CheckConstraint("state in ('waiting', 'sending', 'sent', 'failed')", name="state"),
    Index(None, "next_utc"),
)
"""Text messages, written in the transaction of what they tell. ``key`` names what is told, so that
it is told once; ``next_utc`` is when the next try is due, null when there is none."""
