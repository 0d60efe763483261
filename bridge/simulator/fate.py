"""What ends a session whatever is said in it: its longest length, and a scenario's strikes."""

import asyncio
from collections.abc import Sequence

from bridge.simulator.client import Client
from bridge.simulator.endings import Closed, Cut, Dropped, Hung
from bridge.simulator.faults import Faults, Strike, struck
from bridge.simulator.moments import Moments
from bridge.simulator.options import Options
from bridge.simulator.strict.shapes import Refused


async def outlive(options: Options, faults: Faults, session_number: int, client: Client) -> None:
    """Warns before the longest length of a session and ends it there (1.5).

    Raises:
        Refused: the session is over.
    """
    warning_s, limit_s = options.session_warning_s, options.session_limit_s
    if struck(faults.limit_sessions, session_number):
        warning_s = faults.session_warning_s or warning_s
        limit_s = faults.session_limit_s or limit_s
    await asyncio.sleep(warning_s)
    await client.warn("MAXIMUM_SESSION_LENGTH_APPROACHING", "the session will end soon")
    await asyncio.sleep(max(0.0, limit_s - warning_s))
    raise Refused("MAXIMUM_SESSION_LENGTH_REACHED", "the session is over")


def strikes(faults: Faults, session_number: int) -> Sequence[Strike]:
    """What is to end this session of the call; the first that comes does."""
    found = [each for each in faults.strikes if struck(each.sessions, session_number)]
    if 0 < faults.strike_sessions < session_number:
        return found
    if faults.error_at_ms is not None:
        found.append(Strike(how="error", code=faults.error_code, wait_ms=faults.error_at_ms))
    if faults.drop_at_ms is not None:
        found.append(Strike(how="drop", wait_ms=faults.drop_at_ms))
    return found


async def suffer(strike: Strike, moments: Moments, pace: float) -> None:
    """Waits for the instant of a strike and ends the session.

    Raises:
        Refused: with the strike's code.
        Dropped: by a reset.
        Cut: by the end of TCP.
        Closed: without an ``Error``.
        Hung: by silence.
    """
    await moments.nth(strike.after, strike.nth)
    await asyncio.sleep(strike.wait_ms / 1000 / pace)
    match strike.how:
        case "error":
            raise Refused(strike.code, "asked for by the scenario", strike.close_code)
        case "drop":
            raise Dropped
        case "fin":
            raise Cut
        case "close":
            raise Closed(strike.close_code or 1000)
        case "hang":
            raise Hung
