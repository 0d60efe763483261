"""What a caller hears whom no agent can answer just now: the busy line, and how often.

Twilio itself carries how often it was said, in the query of the address it asks again, which it
signs like all of the address. Leaves whether an agent can be had to ``line_gate``.
"""

import math
from typing import Final
from urllib.parse import parse_qs

from bridge.wire import twiml

BUSY: Final = "All our lines are busy at the moment. Please hold the line."
ROUNDS: Final = 3
"""So often the line is said; then it is the practice's people, or goodbye. With words of four
seconds that is forty seconds at most, longer than the agent's longest refusal is believed."""
SHORTEST_PAUSE_S: Final = 2
LONGEST_PAUSE_S: Final = 10

_ROUND = "round"


def rounds_heard(query: str) -> int:
    """How often this caller has heard the busy line; of a query that is not ours, all rounds."""
    given = parse_qs(query, keep_blank_values=True).get(_ROUND)
    if given is None:
        return 0
    text = given[0]
    return int(text) if len(given) == 1 and text in _OURS else ROUNDS


_OURS = frozenset(str(number) for number in range(ROUNDS + 1))


def hold(text: str, *, voice_url: str, heard: int, for_s: float) -> str:
    """The busy line, a pause, and the same question again.

    Args:
        text: The practice's words.
        voice_url: Where calls come in, without a query.
        heard: How often this caller has heard it before.
        for_s: How long it is of no use to ask.
    """
    pause_s = min(max(math.ceil(for_s), SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
    again = f"{voice_url}?{_ROUND}={heard + 1}"
    return twiml.say_and_redirect(text, pause_s=pause_s, url=again)
