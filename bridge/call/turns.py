"""Who has the floor, and which agent audio belongs to a turn that is over.

After a barge-in the agent stops by itself, but frames already on the wire still arrive; they are
latched out until the agent shows that a new turn began (deepgram-voice-agent.md section 6).
"""

LATCH_S = 3.0
"""The latch's safety timer: stray frames are those in flight, far younger than this."""


class Turns:
    """The floor of one call."""

    def __init__(self) -> None:
        self.caller_speaking = False
        self._latched_until: float | None = None

    def caller_begins(self) -> None:
        """The caller started an utterance."""
        self.caller_speaking = True

    def caller_ends(self) -> None:
        """The caller's turn is confirmed."""
        self.caller_speaking = False
        self._latched_until = None

    def nobody_speaks(self) -> None:
        """The caller does not: the agent speaks, or what began as an utterance was none."""
        self.caller_speaking = False

    def latch(self, now: float) -> None:
        """Agent audio from here on is of a cut turn."""
        self._latched_until = now + LATCH_S

    def release(self) -> None:
        """The agent began something new: its audio counts again."""
        self._latched_until = None

    @property
    def latched(self) -> bool:
        """True while agent audio is thrown away."""
        return self._latched_until is not None

    @property
    def latched_until(self) -> float | None:
        """When the safety timer releases the latch."""
        return self._latched_until
