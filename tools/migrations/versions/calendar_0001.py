"""The built-in calendar: practices, who works there and when, patients, appointments, cells."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "practices",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("lead_minutes", sa.Integer(), nullable=False),
        sa.Column("horizon_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_practices")),
    )
    op.create_table(
        "closed_days",
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_closed_days_practice_id_practices")
        ),
        sa.PrimaryKeyConstraint("practice_id", "day", name=op.f("pk_closed_days")),
    )
    op.create_table(
        "opening_hours",
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("opens", sa.Time(), nullable=False),
        sa.Column("closes", sa.Time(), nullable=False),
        sa.CheckConstraint("opens < closes", name=op.f("ck_opening_hours_order")),
        sa.CheckConstraint("weekday between 0 and 6", name=op.f("ck_opening_hours_weekday")),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_opening_hours_practice_id_practices")
        ),
        sa.PrimaryKeyConstraint("practice_id", "weekday", "opens", name=op.f("pk_opening_hours")),
    )
    op.create_table(
        "patients",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("folded_name", sa.String(length=80), nullable=False),
        sa.Column("phone", sa.String(length=16), nullable=False),
        sa.Column("created_utc", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_patients_practice_id_practices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patients")),
        sa.UniqueConstraint(
            "practice_id",
            "phone",
            "folded_name",
            name=op.f("uq_patients_practice_id_phone_folded_name"),
        ),
    )
    op.create_table(
        "providers",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_providers_practice_id_practices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_providers")),
        sa.UniqueConstraint("practice_id", "name", name=op.f("uq_providers_practice_id_name")),
    )
    op.create_table(
        "services",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("also_called", sa.String(length=300), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.CheckConstraint("minutes > 0 and minutes % 15 = 0", name=op.f("ck_services_cells")),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_services_practice_id_practices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_services")),
        sa.UniqueConstraint("practice_id", "name", name=op.f("uq_services_practice_id_name")),
    )
    op.create_table(
        "appointments",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("patient_id", sa.String(length=32), nullable=False),
        sa.Column("provider_id", sa.String(length=80), nullable=False),
        sa.Column("service_id", sa.String(length=80), nullable=False),
        sa.Column("start_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("idempotency_key", sa.String(length=80), nullable=True),
        sa.Column("call_sid", sa.String(length=64), nullable=False),
        sa.Column("booked_utc", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status in ('booked', 'cancelled')", name=op.f("ck_appointments_status")
        ),
        sa.CheckConstraint("start_utc < end_utc", name=op.f("ck_appointments_order")),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_appointments_patient_id_patients")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_appointments_practice_id_practices")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name=op.f("fk_appointments_provider_id_providers")
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_appointments_service_id_services")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointments")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_appointments_idempotency_key")),
    )
    with op.batch_alter_table("appointments", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_appointments_patient_id_start_utc"),
            ["patient_id", "start_utc"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_appointments_practice_id_start_utc"),
            ["practice_id", "start_utc"],
            unique=False,
        )

    op.create_table(
        "provider_hours",
        sa.Column("provider_id", sa.String(length=80), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("opens", sa.Time(), nullable=False),
        sa.Column("closes", sa.Time(), nullable=False),
        sa.CheckConstraint("opens < closes", name=op.f("ck_provider_hours_order")),
        sa.CheckConstraint("weekday between 0 and 6", name=op.f("ck_provider_hours_weekday")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name=op.f("fk_provider_hours_provider_id_providers")
        ),
        sa.PrimaryKeyConstraint("provider_id", "weekday", "opens", name=op.f("pk_provider_hours")),
    )
    op.create_table(
        "provider_services",
        sa.Column("provider_id", sa.String(length=80), nullable=False),
        sa.Column("service_id", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["providers.id"],
            name=op.f("fk_provider_services_provider_id_providers"),
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_provider_services_service_id_services")
        ),
        sa.PrimaryKeyConstraint("provider_id", "service_id", name=op.f("pk_provider_services")),
    )
    op.create_table(
        "cells",
        sa.Column("provider_id", sa.String(length=80), nullable=False),
        sa.Column("at_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("appointment_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointments.id"],
            name=op.f("fk_cells_appointment_id_appointments"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name=op.f("fk_cells_provider_id_providers")
        ),
        sa.PrimaryKeyConstraint("provider_id", "at_utc", name=op.f("pk_cells")),
    )
    with op.batch_alter_table("cells", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_cells_appointment_id"), ["appointment_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("cells", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cells_appointment_id"))

    op.drop_table("cells")
    op.drop_table("provider_services")
    op.drop_table("provider_hours")
    with op.batch_alter_table("appointments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_appointments_practice_id_start_utc"))
        batch_op.drop_index(batch_op.f("ix_appointments_patient_id_start_utc"))

    op.drop_table("appointments")
    op.drop_table("services")
    op.drop_table("providers")
    op.drop_table("patients")
    op.drop_table("opening_hours")
    op.drop_table("closed_days")
    op.drop_table("practices")
