"""The tables of the built-in calendar.

Owns the shape; ``migrations`` brings a database to it. Everything belongs to a practice. Instants
are UTC; days, hours of the week and the time zone they are meant in are the practice's.

No double booking: each appointment owns one row of ``cells`` for every quarter of an hour it
lasts, and a provider's quarter of an hour is the primary key. The database itself refuses the
second one, on SQLite and on Postgres, whoever asks and however many at once.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
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
)

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
    Column("call_sid", String(64), nullable=False),
    Column("booked_utc", UtcDateTime, nullable=False),
    CheckConstraint("status in ('booked', 'cancelled')", name="status"),
    CheckConstraint("start_utc < end_utc", name="order"),
    Index(None, "practice_id", "start_utc"),
    Index(None, "patient_id", "start_utc"),
)
"""A cancelled appointment has no cells and no key: the same booking may be made again."""

cells = Table(
    "cells",
    metadata,
    Column("provider_id", ForeignKey("providers.id"), primary_key=True),
    Column("at_utc", UtcDateTime, primary_key=True),
    Column("appointment_id", ForeignKey("appointments.id", ondelete="CASCADE"), nullable=False),
    Index(None, "appointment_id"),
)
