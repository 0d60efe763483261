"""What the bridge has noted on its own behalf: what a caller was told, and that a call is over."""

from typing import Final

import msgspec

from tools import phone
from tools.arguments import FreeHolds, NoteTold
from tools.catalog import QUEUED, decode_arguments
from tools.errand import Errand
from tools.holds import Holds
from tools.ledger import Ledger
from tools.meaning import effect_key

LOST_AFTER_S: Final = 5.0
"""Its budget was over when the caller was told: a worker that has it begins no more after that."""


class ToldNoted(msgspec.Struct, frozen=True, kw_only=True, tag="noted", tag_field="result"):
    """Nobody tells it a second time."""


class Freed(msgspec.Struct, frozen=True, kw_only=True, tag="freed", tag_field="result"):
    """Others may have the times."""

    times: int


async def note_told(asked: NoteTold, ledger: Ledger, errand: Errand) -> ToldNoted:
    """Note it, before somebody is texted what they were told already.

    A caller who was told that something is being confirmed is owed an end of it, also where no
    worker ever heard of it: it is given a row, and with that to whoever settles.
    """
    unknown = await ledger.told(errand.call_sid, asked.told)
    in_doubt = [each for each in unknown if each.as_ == "doubt" and each.tool in QUEUED]
    for each in in_doubt:
        tool = QUEUED[each.tool]
        wanted = decode_arguments(tool, each.arguments)
        await ledger.intend(
            job_id=f"{errand.call_sid}:{each.function_call_id}",
            key=effect_key(tool, errand.practice, wanted, call_sid=errand.call_sid),
            practice=errand.practice,
            call_sid=errand.call_sid,
            tool=tool.name,
            arguments=each.arguments,
            phone=number_in(wanted),
            give_up_s=LOST_AFTER_S,
        )
    await ledger.told(errand.call_sid, in_doubt)
    return ToldNoted()


def number_in(arguments: object) -> str:
    """Under which its caller may be reached, E.164; empty if there is none that one could call."""
    try:
        return phone.normalise(getattr(arguments, "phone", None) or "")
    except ValueError:
        return ""


async def free_holds(asked: FreeHolds, holds: Holds, errand: Errand) -> Freed:
    """Give free what was held for the call."""
    return Freed(times=await holds.release(errand.call_sid))
