"""What the bridge has noted on its own behalf: what a caller was told, and that a call is over."""

import msgspec

from tools.arguments import FreeHolds, NoteTold
from tools.errand import Errand
from tools.holds import Holds
from tools.ledger import Ledger


class ToldNoted(msgspec.Struct, frozen=True, kw_only=True, tag="noted", tag_field="result"):
    """Nobody tells it a second time."""


class Freed(msgspec.Struct, frozen=True, kw_only=True, tag="freed", tag_field="result"):
    """Others may have the times."""

    times: int


async def note_told(asked: NoteTold, ledger: Ledger, errand: Errand) -> ToldNoted:
    """Note it, before somebody is texted what they were told already."""
    await ledger.told(errand.call_sid, asked.told)
    return ToldNoted()


async def free_holds(asked: FreeHolds, holds: Holds, errand: Errand) -> Freed:
    """Give free what was held for the call."""
    return Freed(times=await holds.release(errand.call_sid))
