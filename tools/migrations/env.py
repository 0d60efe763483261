"""What Alembic runs for every command: our tables, on the connection it was handed."""

from typing import Literal

from alembic import context
from sqlalchemy.engine import Connection

from tools import tables
from tools.database import UtcDateTime


def render(kind: str, item: object, autogen: object) -> str | Literal[False]:
    """A migration names no type of ours: the code may forget it, the history may not."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


connection: Connection = context.config.attributes["connection"]

context.configure(
    connection=connection,
    target_metadata=tables.practices.metadata,
    render_as_batch=True,  # SQLite cannot alter most things in place
    compare_type=True,
    render_item=render,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
