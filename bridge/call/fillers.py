"""When a filler is due and which: one for each wait, never the same twice running if there are two.

Not at once, for models often say "one moment" themselves before the function call
(deepgram-voice-agent.md section 5, "Fillers while waiting").
"""

from collections.abc import Sequence


class Fillers:
    """The fillers of one call."""

    def __init__(self, texts: Sequence[str], *, after_s: float) -> None:
        self._texts = tuple(texts)
        self._after_s = after_s
        self._next = 0
        self._spoken_for: float | None = None

    def due_at(self, waiting_since: float | None, *, silent_since: float) -> float | None:
        """When a wait that began then deserves a filler; None if it had one or is none.

        It is the silence that is bridged: words of the agent's own begin it anew.
        """
        if waiting_since is None or waiting_since == self._spoken_for or not self._texts:
            return None
        return max(waiting_since, silent_since) + self._after_s

    def take(self, waiting_since: float) -> str:
        """The filler for this wait."""
        self._spoken_for = waiting_since
        text = self._texts[self._next % len(self._texts)]
        self._next += 1
        return text
