"""When a filler is due and which: two at most for each wait, never the same twice running.

Not at once, for models often say "one moment" themselves before the function call
(deepgram-voice-agent.md section 5, "Fillers while waiting"). A wait goes on until the agent speaks
or the caller does, however many function calls lie in it.
"""

from collections.abc import Sequence


class Fillers:
    """The fillers of one call."""

    def __init__(self, texts: Sequence[str], *, again_after_s: float) -> None:
        self._texts = tuple(dict.fromkeys(texts))
        self._again_after_s = again_after_s
        self._next = 0
        self._spoken = 0

    def due_at(
        self, waiting_since: float | None, *, after_s: float, silent_since: float
    ) -> float | None:
        """When a wait that began then deserves a filler; None if it had enough or is none.

        It is the silence that is bridged: words of anybody's begin it anew. A practice with one
        filler says it once a wait; one with more never says the same twice running.
        """
        if waiting_since is None or self._spoken >= min(2, len(self._texts)):
            return None
        patience_s = self._again_after_s if self._spoken else after_s
        return max(waiting_since, silent_since) + patience_s

    def take(self) -> str:
        """The filler for the wait that is going on."""
        self._spoken += 1
        return self.another()

    def another(self) -> str:
        """The next in turn; there has to be one."""
        text = self._texts[self._next % len(self._texts)]
        self._next += 1
        return text

    def over(self) -> None:
        """Nobody waits any more."""
        self._spoken = 0
