"""What the settler asks of a calendar elsewhere about an effect that nobody answered.

``Outside`` answers it; the settler decides when to ask again and whom to tell.
"""

from typing import Literal, Protocol

import msgspec

from tools.ledger import Entry
from tools.practices import Practice
from tools.schedule import Appointment


class Became(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one row of the ledger."""

    state: Literal["happened", "never", "open", "person"]
    """``happened`` and ``never`` are final: the mirror and the ledger (``done`` or ``void``) are
    written when they are returned. ``open``: not known now, look again. ``person``: this calendar
    cannot be asked about it; the row and its time stay as they are until a person has."""
    result: str = ""
    """Of what happened: ``booked requested moved cancelled``. A ``requested`` one is to be asked
    about again until it is ``booked`` or ``never``."""
    appointment: Appointment | None = None
    """As it stands now; of a request that was refused, as it was asked for."""


class Settles(Protocol):
    """A calendar that can be asked."""

    async def what_became_of(self, practice: Practice, entry: Entry) -> Became:
        """Find out, and write down what was found.

        For an ``entry`` in state ``intent`` or ``claimed`` after its time, and for one that is
        done as ``requested``. Changes nothing in the other calendar, but that what clashes there
        gives way. Never slower than ten seconds.

        Raises:
            Unavailable: the database cannot be reached. (The other calendar's silence is ``open``.)
        """
        ...
