"""The agent's line: whether it listens, when to try again, when to give up, when to replace it.

A line that is lost is opened again at once, then after 1, 2, 4, 8 and 16 seconds, each a little
more or less so that a bridge's calls do not come back in step. Leaves what is said meanwhile to
``session``.
"""

from typing import Final
from zlib import crc32

from bridge.call.troubles import Class, crowded

DELAYS_S: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
JITTER: Final = 0.25
"""Each wait is longer or shorter by up to this share."""
PROVEN_S: Final = 10.0
"""A session that lasted so long was a good one, and its loss is a new trouble. Until then it is
the old trouble once more: a line that comes up and falls at once is not tried for ever."""


class AgentLine:
    """One call's line to the agent; a call may have several sessions of it, one after another."""

    def __init__(self, *, patience_s: float, within_s: float, last_s: float, seed: str) -> None:
        self.welcomed = False
        self.configured = False
        self.ready = False
        self.sessions = 0
        """How many sessions became ready."""
        self._patience_s = patience_s
        self._within_s = within_s
        self._last_s = last_s
        self._seed = seed
        self._attempt = 0
        self._ready_at = 0.0
        self._down_since: float | None = None
        self._trouble_since: float | None = None
        self._open_until: float | None = None
        self._again_at: float | None = None
        self._old_at: float | None = None
        self._ageing = False

    # --- what happens to it ------------------------------------------------------------------

    def open(self, now: float) -> None:
        """It is being connected."""
        self._fall(now)
        self._again_at = None
        self._open_until = now + self._patience_s

    def applied(self, now: float) -> None:
        """The agent listens."""
        self.ready = True
        self.sessions += 1
        self._ready_at = now
        self._down_since = self._open_until = None
        self._old_at = now + self._last_s

    def lost(
        self, now: float, trouble: Class, *, status: int = 0, not_before_s: float = 0.0
    ) -> bool:
        """It is gone; true if it is worth another attempt, at ``again_at``."""
        since = self._fall(now)
        self._open_until = None
        if self._attempt == 0 and crowded(status):
            self._attempt = 1
        wait_s = max(self._wait_s(), not_before_s)
        self._attempt += 1
        if trouble == "end" or now + wait_s > since + self._within_s:
            self.give_up()
            return False
        self._again_at = now + wait_s
        return True

    def give_up(self) -> None:
        """No further attempt."""
        self.ready = False
        self._again_at = self._open_until = self._old_at = None

    def age(self) -> None:
        """The agent said that its session will end soon."""
        self._ageing = True

    def _fall(self, now: float) -> float:
        """Nobody listens from here on; returns since when there has been trouble."""
        if self.ready and now - self._ready_at >= PROVEN_S:
            self._attempt = 0
            self._trouble_since = None
        self.welcomed = self.configured = self.ready = False
        self._old_at = None
        self._ageing = False
        if self._down_since is None:
            self._down_since = now
        if self._trouble_since is None:
            self._trouble_since = now
        return self._trouble_since

    # --- what is due -------------------------------------------------------------------------

    @property
    def again_at(self) -> float | None:
        """When to connect again."""
        return self._again_at

    @property
    def open_until(self) -> float | None:
        """By when the attempt that is under way has to be ready."""
        return self._open_until

    @property
    def down_since(self) -> float | None:
        """Since when nobody listens; None while the agent does."""
        return self._down_since

    def old_at(self, now: float) -> float | None:
        """From when on a quiet moment is good for replacing the session; None if it has none."""
        if not self.ready:
            return None
        return now if self._ageing else self._old_at

    def _wait_s(self) -> float:
        if self._attempt >= len(DELAYS_S):
            return DELAYS_S[-1] * (1 + JITTER)
        # The core has no dice: the call's sid and the attempt decide, so a replay decides alike.
        share = crc32(f"{self._seed}:{self._attempt}".encode()) / 0xFFFFFFFF
        return DELAYS_S[self._attempt] * (1 + JITTER * (2 * share - 1))
