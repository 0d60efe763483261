"""The first words: who greets, and until when our own greeting is waited for.

Leaves playing to ``phrases``, the legal line behind it to ``notice``, and the agent's line to
``agent_line``.
"""

from bridge.call.commands import FetchPhrase
from bridge.call.notice import Notice


class Opening:
    """The greeting of one call, and the notice that belongs to it."""

    def __init__(self, *, greeting: str, notice: str, patience_s: float) -> None:
        self.until: float | None = None
        """Until when the greeting's audio is waited for; None if it is not."""
        self.agent_greets = False
        """The agent is to say the greeting, and the notice with it."""
        self.notice = Notice(notice)
        self._greeting = greeting
        self._patience_s = patience_s

    def begin(self, now: float) -> FetchPhrase:
        """The greeting is asked for."""
        self.until = now + self._patience_s
        return FetchPhrase(kind="greeting", text=self._greeting, context="greeting")

    def greeted(self) -> None:
        """The greeting plays."""
        self.until = None

    def let_agent_greet(self) -> None:
        """Our own cannot be had in time."""
        self.until = None
        self.agent_greets = True
