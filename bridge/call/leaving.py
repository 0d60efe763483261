"""How a call is left on the agent's word: its last words heard, then a goodbye or a person.

Knows what was asked for and whether the caller took it back. Leaves the words to the agent, what is
done if it says none to ``farewell``, and closing the line to ``ending``.
"""

from typing import Literal

LeavingFor = Literal["goodbye", "transfer"]


class Leaving:
    """The agent's way out of one call."""

    def __init__(self) -> None:
        self.wanted: LeavingFor | None = None
        """What was asked for; None while the call goes on."""
        self.since = 0.0
        self.place = 0
        """Place in the talk from which on the last words stand."""
        self.spoken_before = False
        """The agent had said its last words before it asked."""

    def begin(self, wanted: LeavingFor, *, place: int, spoken_before: bool, now: float) -> None:
        """The agent is to say its last words; whoever is put through is not held back again."""
        if self.wanted != "transfer":
            self.wanted = wanted
            self.since = now
            self.place = place
            self.spoken_before = spoken_before

    def caller_said(self) -> bool:
        """The caller has something more to say; true if a goodbye is off for that."""
        if self.wanted != "goodbye":
            return False
        self.wanted = None
        return True
