"""What ends a session whatever is said in it: its longest length, and a scenario's faults."""

import asyncio

from bridge.simulator.client import Client
from bridge.simulator.options import Options
from bridge.simulator.scenario import Faults
from bridge.simulator.strict.shapes import Refused
from bridge.simulator.turn import Dropped


async def outlive(options: Options, client: Client) -> None:
    """Warns before the longest length of a session and ends it there (1.5).

    Raises:
        Refused: the session is over.
    """
    await asyncio.sleep(options.session_warning_s)
    await client.warn("MAXIMUM_SESSION_LENGTH_APPROACHING", "the session will end soon")
    await asyncio.sleep(max(0.0, options.session_limit_s - options.session_warning_s))
    raise Refused("MAXIMUM_SESSION_LENGTH_REACHED", "the session is over")


async def strike(faults: Faults, session_number: int, pace: float) -> None:
    """Ends the session when its scenario says so; returns if it does not.

    Raises:
        Refused: with the scenario's code.
        Dropped: without a word.
    """
    if 0 < faults.strike_sessions < session_number:
        return
    endings: list[tuple[int, Exception]] = []
    if faults.error_at_ms is not None:
        error = Refused(faults.error_code, "asked for by the scenario")
        endings.append((faults.error_at_ms, error))
    if faults.drop_at_ms is not None:
        endings.append((faults.drop_at_ms, Dropped()))
    if endings:
        at_ms, ending = min(endings, key=lambda each: each[0])
        await asyncio.sleep(at_ms / 1000 / pace)
        raise ending
