"""Calendar tools that are refused one after the other: the agent is told, and told when it is over.

Counts refusals and answers, and guesses nothing: a breaker, a full queue or the want of a worker is
somebody else's finding.
"""

from typing import Final

from bridge.wire import deepgram
from tools.catalog import CATALOG
from tools.contract import Done, ToolOutcome

REFUSALS: Final = frozenset({"breaker", "full", "no_worker"})
SEVERAL: Final = 2
"""So many refusals running are no accident."""
BACKEND: Final = "calendar"

_AWAY: Final = (
    "For your information, not to be read out word by word: the calendar cannot be reached for the "
    "moment. Until you are told otherwise promise no time and no change; offer to take a message."
)
_BACK: Final = (
    "For your information, not to be read out word by word: the calendar can be reached again. Use "
    "its tools as usual."
)


class Outage:
    """What one call has seen of the calendar being away."""

    def __init__(self) -> None:
        self._refused = 0
        self._told = False

    def seen(self, outcome: ToolOutcome) -> list[deepgram.UpdatePrompt]:
        """What the agent is to know after this outcome."""
        tool = CATALOG.get(outcome.tool)
        if tool is None or tool.backend != BACKEND:
            return []
        if isinstance(outcome, Done):
            was_told, self._told = self._told, False
            self._refused = 0
            return [deepgram.UpdatePrompt(prompt=_BACK)] if was_told else []
        if outcome.code in REFUSALS:
            self._refused += 1
        if self._refused < SEVERAL or self._told:
            return []
        self._told = True
        return [deepgram.UpdatePrompt(prompt=_AWAY)]

    def new_session(self) -> None:
        """Whoever listens now was told nothing."""
        self._told = False
