"""How a call is ended by us: last words, heard out, then the step that comes after our stream.

Leaves what ends it to ``session``.
"""

from typing import Final

from bridge.call.commands import Command, FetchPhrase, HangUp, NextStep
from bridge.call.events import PhraseKind
from bridge.wire import twilio

LAST_WORDS_PATIENCE_S: Final = 2.0
"""No last words of ours by then: Twilio says what has to be said."""
LAST_MARK_PATIENCE_S: Final = 2.0
"""How long after the last words the call waits for their mark."""
GONE_PATIENCE_S: Final = 6.0
"""After hanging up, so long until the call ends whether or not its line was closed."""


class Ending:
    """The end of one call, once it has begun."""

    def __init__(self) -> None:
        self.reason = ""
        """Why the call is ended by us; empty while it is not."""
        self.hung_up = False
        self.due_at: float | None = None
        """When the next step of the ending is due, whatever was or was not heard."""
        self._next_step: NextStep = "hangup"
        self._without_words: NextStep = "goodbye"
        self._kind: PhraseKind = "apology"
        self._mark: str | None = None

    @property
    def begun(self) -> bool:
        """True from the decision on."""
        return bool(self.reason)

    def begin(
        self, reason: str, kind: PhraseKind, text: str, now: float, *, transfer: bool = False
    ) -> FetchPhrase:
        """The last words are fetched."""
        self.reason = reason
        self._kind = kind
        self.due_at = now + LAST_WORDS_PATIENCE_S
        if kind == "apology":
            self._next_step, self._without_words = "human", "apology"
        if transfer:
            self._next_step, self._without_words = "transfer", "human"
        return FetchPhrase(kind=kind, text=text)

    def leave(self, reason: str, next_step: NextStep, now: float) -> HangUp:
        """The last words were the agent's, and were heard."""
        self.reason = reason
        self.hung_up = True
        self.due_at = now + GONE_PATIENCE_S
        return HangUp(next_step=next_step)

    def wants(self, kind: PhraseKind) -> bool:
        """True while these last words are waited for."""
        return self.begun and not self.hung_up and kind == self._kind and self._mark is None

    def saying(self, commands: list[Command], until: float) -> None:
        """They are being said; ``until`` they will have been heard, by the estimate."""
        marks = [command.mark.name for command in commands if isinstance(command, twilio.SendMark)]
        self._mark = marks[-1] if marks else None
        self.due_at = until + LAST_MARK_PATIENCE_S

    def heard(self, mark: str) -> bool:
        """True if this is the mark behind the last words."""
        return self._mark is not None and mark == self._mark

    def hang_up(self, now: float) -> HangUp:
        """The stream is closed; what was not said here is said by Twilio."""
        said = self._mark is not None
        self.hung_up = True
        self._mark = None
        self.due_at = now + GONE_PATIENCE_S
        return HangUp(next_step=self._next_step if said else self._without_words)
