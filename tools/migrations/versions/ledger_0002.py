"""The ledger of effects, held times, messages, texts to send, and what a practice wants told."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=True),
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("call_sid", sa.String(length=64), nullable=False),
        sa.Column("tool", sa.String(length=40), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("phone", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("claim_utc", sa.DateTime(timezone=True), nullable=True),
        sa.Column("meaning", sa.String(length=80), nullable=False),
        sa.Column("ended_utc", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.String(length=40), nullable=False),
        sa.Column("made_id", sa.String(length=32), nullable=False),
        sa.Column("told_as", sa.String(length=16), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("look_utc", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_utc", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state in ('intent', 'claimed', 'done', 'told', 'void')", name=op.f("ck_ledger_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
        sa.UniqueConstraint("key", name=op.f("uq_ledger_key")),
    )
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_call_sid"), ["call_sid"], unique=False)
        batch_op.create_index(batch_op.f("ix_ledger_look_utc"), ["look_utc"], unique=False)
        batch_op.create_index(batch_op.f("ix_ledger_meaning"), ["meaning"], unique=False)

    op.create_table(
        "facts",
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("topic", sa.String(length=60), nullable=False),
        sa.Column("also_called", sa.String(length=300), nullable=False),
        sa.Column("say", sa.String(length=600), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_facts_practice_id_practices")
        ),
        sa.PrimaryKeyConstraint("practice_id", "topic", name=op.f("pk_facts")),
    )
    op.create_table(
        "insurers",
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("also_called", sa.String(length=300), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_insurers_practice_id_practices")
        ),
        sa.PrimaryKeyConstraint("practice_id", "name", name=op.f("pk_insurers")),
    )
    op.create_table(
        "ledger_calls",
        sa.Column("job_id", sa.String(length=200), nullable=False),
        sa.Column("ledger_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["ledger_id"],
            ["ledger.id"],
            name=op.f("fk_ledger_calls_ledger_id_ledger"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_ledger_calls")),
    )
    with op.batch_alter_table("ledger_calls", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_calls_ledger_id"), ["ledger_id"], unique=False)

    op.create_table(
        "messages",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("call_sid", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("phone", sa.String(length=16), nullable=False),
        sa.Column("text", sa.String(length=1000), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("created_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_utc", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('message', 'follow_up')", name=op.f("ck_messages_kind")),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_messages_practice_id_practices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("key", name=op.f("uq_messages_key")),
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_messages_practice_id_created_utc"),
            ["practice_id", "created_utc"],
            unique=False,
        )

    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("call_sid", sa.String(length=64), nullable=False),
        sa.Column("from_number", sa.String(length=16), nullable=False),
        sa.Column("to_number", sa.String(length=16), nullable=False),
        sa.Column("body", sa.String(length=600), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_utc", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message_sid", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=120), nullable=False),
        sa.Column("created_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_utc", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state in ('waiting', 'sending', 'sent', 'failed')", name=op.f("ck_outbox_state")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_outbox_practice_id_practices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_next_utc"), ["next_utc"], unique=False)

    op.create_table(
        "holds",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("provider_id", sa.String(length=80), nullable=False),
        sa.Column("call_sid", sa.String(length=64), nullable=False),
        sa.Column("start_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_utc", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("start_utc < end_utc", name=op.f("ck_holds_order")),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_holds_practice_id_practices")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name=op.f("fk_holds_provider_id_providers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    with op.batch_alter_table("holds", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_holds_call_sid"), ["call_sid"], unique=False)
        batch_op.create_index(batch_op.f("ix_holds_expires_utc"), ["expires_utc"], unique=False)

    op.create_table(
        "patient_notes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("practice_id", sa.String(length=40), nullable=False),
        sa.Column("patient_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("call_sid", sa.String(length=64), nullable=False),
        sa.Column("text", sa.String(length=500), nullable=False),
        sa.Column("created_utc", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_patient_notes_patient_id_patients")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_patient_notes_practice_id_practices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_notes")),
        sa.UniqueConstraint("key", name=op.f("uq_patient_notes_key")),
    )
    with op.batch_alter_table("patient_notes", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_patient_notes_patient_id_created_utc"),
            ["patient_id", "created_utc"],
            unique=False,
        )

    with op.batch_alter_table("appointments", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("external_ref", sa.String(length=200), server_default="", nullable=False)
        )
        batch_op.drop_constraint(batch_op.f("ck_appointments_status"), type_="check")
        batch_op.create_check_constraint(
            batch_op.f("ck_appointments_status"),
            "status in ('booked', 'requested', 'pending', 'refused', 'cancelled')",
        )

    with op.batch_alter_table("cells", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hold_id", sa.String(length=32), nullable=True))
        batch_op.alter_column("appointment_id", existing_type=sa.VARCHAR(length=32), nullable=True)
        batch_op.create_index(batch_op.f("ix_cells_hold_id"), ["hold_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_cells_hold_id_holds"), "holds", ["hold_id"], ["id"], ondelete="CASCADE"
        )
        batch_op.create_check_constraint(
            batch_op.f("ck_cells_owner"), "(appointment_id is null) <> (hold_id is null)"
        )

    with op.batch_alter_table("practices", schema=None) as batch_op:
        batch_op.add_column(sa.Column("calendar", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(
            sa.Column("texts_from", sa.String(length=16), server_default="", nullable=False)
        )


def downgrade() -> None:
    with op.batch_alter_table("practices", schema=None) as batch_op:
        batch_op.drop_column("texts_from")
        batch_op.drop_column("calendar")

    op.execute("DELETE FROM cells WHERE hold_id IS NOT NULL")
    with op.batch_alter_table("cells", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_cells_owner"), type_="check")
        batch_op.drop_constraint(batch_op.f("fk_cells_hold_id_holds"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_cells_hold_id"))
        batch_op.alter_column("appointment_id", existing_type=sa.VARCHAR(length=32), nullable=False)
        batch_op.drop_column("hold_id")

    op.execute("UPDATE appointments SET status = 'booked' WHERE status = 'requested'")
    op.execute(
        "UPDATE appointments SET status = 'cancelled' WHERE status in ('pending', 'refused')"
    )
    with op.batch_alter_table("appointments", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_appointments_status"), type_="check")
        batch_op.create_check_constraint(
            batch_op.f("ck_appointments_status"), "status in ('booked', 'cancelled')"
        )
        batch_op.drop_column("external_ref")

    with op.batch_alter_table("patient_notes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_patient_notes_patient_id_created_utc"))

    op.drop_table("patient_notes")
    with op.batch_alter_table("holds", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_holds_expires_utc"))
        batch_op.drop_index(batch_op.f("ix_holds_call_sid"))

    op.drop_table("holds")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_next_utc"))

    op.drop_table("outbox")
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_messages_practice_id_created_utc"))

    op.drop_table("messages")
    with op.batch_alter_table("ledger_calls", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_calls_ledger_id"))

    op.drop_table("ledger_calls")
    op.drop_table("insurers")
    op.drop_table("facts")
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_meaning"))
        batch_op.drop_index(batch_op.f("ix_ledger_look_utc"))
        batch_op.drop_index(batch_op.f("ix_ledger_call_sid"))

    op.drop_table("ledger")
