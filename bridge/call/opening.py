"""The first words: who greets, and the legal line behind the greeting that is heard in any case.

Leaves playing to ``speaking`` and the agent's line to ``agent_line``.
"""

from bridge.call.commands import FetchPhrase
from bridge.call.events import PhraseReady


class Opening:
    """The greeting and the notice of one call."""

    def __init__(self, *, greeting: str, notice: str, patience_s: float) -> None:
        self.until: float | None = None
        """Until when the greeting's audio is waited for; None if it is not."""
        self.agent_greets = False
        self._greeting = greeting
        self._notice = notice
        self._patience_s = patience_s
        self._audio: PhraseReady | None = None
        self._missing = False
        self._greeted = False
        self._injected = False

    def begin(self, now: float) -> list[FetchPhrase]:
        """Both phrases are asked for at once."""
        self.until = now + self._patience_s
        wanted = [FetchPhrase(kind="greeting", text=self._greeting, context="greeting")]
        if self._notice:
            wanted.append(FetchPhrase(kind="notice", text=self._notice, context="greeting"))
        return wanted

    def greeted(self) -> None:
        """The greeting plays."""
        self.until = None
        self._greeted = True

    def let_agent_greet(self) -> None:
        """The agent is to say it, and the notice with it."""
        self.until = None
        self.agent_greets = True

    def notice_ready(self, phrase: PhraseReady) -> None:
        """Its audio is at hand."""
        self._audio = phrase

    def notice_missing(self) -> None:
        """It cannot be had: the agent is to say it."""
        self._missing = True

    def notice_to_play(self) -> PhraseReady | None:
        """What is to be played now, once the greeting plays; None if nothing is."""
        return self._audio if self._greeted else None

    def notice_to_inject(self) -> str:
        """What the agent is to say because we cannot; once."""
        if self._injected or not self._missing or self.agent_greets:
            return ""
        self._injected = True
        return self._notice
