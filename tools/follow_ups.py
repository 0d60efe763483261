"""What the practice's own people are asked to see to: rows of ``messages``, for them to read.

Leaves why and in which words to whoever asks.
"""

from datetime import datetime
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from tools.database import insert_new
from tools.tables import messages


async def ask_a_person(
    connection: AsyncConnection,
    *,
    practice_id: str,
    key: str,
    call_sid: str,
    phone: str,
    text: str,
    now: datetime,
    name: str = "",
    urgent: bool,
) -> None:
    """Ask once: a second row of the same ``key`` is none."""
    await insert_new(
        connection,
        messages,
        id=uuid4().hex,
        practice_id=practice_id,
        key=key,
        kind="follow_up",
        call_sid=call_sid,
        name=name,
        phone=phone,
        text=text,
        urgent=urgent,
        created_utc=now,
        handled_utc=None,
    )
