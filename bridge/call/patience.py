"""Silence kept honest: who owes the next word, and for how long one may wait for it.

Leaves what is then said or done to ``session``, and what was heard to ``speaking`` and ``ear``.
"""

from collections.abc import Sequence
from typing import Final

FALSE_START_S: Final = 1.5
"""An utterance was announced, yet so long no voice is heard and no words came: a cough, perhaps.
The agent is then asked to go on, which it refuses as long as it believes that the caller speaks."""
FALSE_STARTS_AT_MOST: Final = 4
"""Together above the 5 s after which the agent ends any turn (``eot_timeout_ms``)."""

REFUSED_AT_MOST: Final = 2
"""Refused prompts that are said again; the next one counts as said."""

AGAIN_S: Final = 2.0
"""After a refusal, for the agent to see that nobody speaks."""
SOUNDS_ONLY: Final = 3
"""So many times the usual silence is waited for where there is noise: a slamming door every ten
seconds must not keep an abandoned telephone connected for hours."""


def past(at: float | None, now: float) -> bool:
    """True if what is due then, if anything is, is due now."""
    return at is not None and at <= now


class Patience:
    """What one call waits for."""

    def __init__(
        self, *, stall_after_s: float, idle_after_s: float, prompts: Sequence[str]
    ) -> None:
        self.owed_since: float | None = None
        """Since when the agent owes an answer; None if it owes none."""
        self._stall_after_s = stall_after_s
        self._idle_after_s = idle_after_s
        self._prompts = tuple(prompts)
        self._prompted = 0
        self._asking = False
        self._asked_in_vain = 0
        self._sign_at = 0.0
        self._began_at: float | None = None
        self._tries = 0

    # --- what happened -----------------------------------------------------------------------

    def caller_began(self, now: float) -> None:
        """The caller is said to have begun an utterance."""
        self._sign_at = now
        self._began_at = now
        self._tries = 0
        self._asking = False
        self.owed_since = None

    def caller_said(self, now: float) -> None:
        """The caller's turn is over: the agent owes an answer."""
        self._sign_at = now
        self._began_at = None
        self._tries = 0
        self._prompted = self._asked_in_vain = 0
        self._asking = False
        self.owed_since = now

    def owe(self, now: float) -> None:
        """The agent was given something to answer, or to say."""
        self.owed_since = now

    def agent_showed(self, now: float) -> None:
        """The agent gave a sign of life: it owes nothing."""
        self._sign_at = now
        self._began_at = None
        self._tries = 0
        self._asking = False
        self.owed_since = None

    def refused(self, now: float) -> None:
        """The agent will not say what it was given: it is asked again, after a silence.

        Not for ever: an agent that refuses everything leaves the caller in a silence that ends.
        """
        # Whoever was to be asked is asked again soon, not after another such silence.
        self._sign_at = now - self._idle_after_s + AGAIN_S if self._asking else now
        self.owed_since = None
        if self._asking and self._asked_in_vain < REFUSED_AT_MOST:
            self._asked_in_vain += 1
            self._prompted -= 1
        self._asking = False
        if self._began_at is None and self._tries < FALSE_STARTS_AT_MOST:
            self._began_at = now

    def nothing_owed(self) -> None:
        """Whatever was owed, it was lost with the agent's line."""
        self.owed_since = None

    # --- what is due -------------------------------------------------------------------------

    @property
    def stalled_at(self) -> float | None:
        """When an agent that owes an answer counts as stalled."""
        return None if self.owed_since is None else self.owed_since + self._stall_after_s

    def false_start_at(self, silent_since: float) -> float | None:
        """When an utterance without words counts as none."""
        if self._began_at is None:
            return None
        return max(self._began_at, silent_since) + FALSE_START_S

    def false_start(self, now: float) -> bool:
        """It does now; false once that was found often enough."""
        self._began_at = now
        self._tries += 1
        if self._tries < FALSE_STARTS_AT_MOST:
            return True
        self._began_at = None
        return False

    def idle_at(self, silent_since: float) -> float:
        """When a silent caller is to be asked whether she is there."""
        return max(self._sign_at, silent_since) + self._idle_after_s

    def unheard_at(self, agent_ended_at: float) -> float:
        """The same for a caller of whom some sound comes, but never a word."""
        return max(self._sign_at, agent_ended_at) + SOUNDS_ONLY * self._idle_after_s

    def prompt(self) -> str | None:
        """What to ask her; None once all was asked in vain."""
        if self._prompted >= len(self._prompts):
            return None
        self._prompted += 1
        self._asking = True
        return self._prompts[self._prompted - 1]
