"""Which of the caller's sound may take the floor: silence goes to the agent in place of the rest.

The agent's barge-in can neither be switched off nor tuned; what it does not hear cannot interrupt
it (deepgram-voice-agent.md section 6). While a protected passage plays nothing passes, and what was
said is delivered behind it. While the agent speaks to a soft floor, only what lasts passes. Leaves
telling speech from noise to ``quality``.
"""

from collections import deque
from typing import Final, Literal

from bridge.wire import mulaw

Floor = Literal["open", "soft", "protected"]

LEAD_BYTES: Final = mulaw.SAMPLE_RATE_HZ // 5
"""So much before the first loud piece belongs to it: words begin softly."""
WITHHELD_BYTES: Final = 10 * mulaw.SAMPLE_RATE_HZ
"""Speech withheld at most, its short pauses included, oldest dropped first."""
PAUSE_BYTES: Final = 3 * mulaw.SAMPLE_RATE_HZ // 10
"""A pause longer than this ends a sound; shorter ones lie between two syllables."""
ANSWER_BYTES: Final = 9 * mulaw.SAMPLE_RATE_HZ // 10
"""A short sound so little before the floor opens may be a "yes" to the agent's question."""

_FRAME: Final = mulaw.silent(mulaw.FRAME_BYTES)


class FloorGate:
    """Withholds the caller's sound, or lets it through with what was withheld before it."""

    __slots__ = (
        "_lead",
        "_lead_size",
        "_quiet",
        "_short",
        "_size",
        "_soft_bytes",
        "_speech",
        "_spoken",
        "empty",
        "withheld_bytes",
    )

    def __init__(self, *, soft_bytes: int) -> None:
        self.empty = True
        """An open floor has nothing to add to what is heard."""
        self.withheld_bytes = 0
        """Speech that never reached the agent: too short, or older than what is kept."""
        self._soft_bytes = soft_bytes
        self._speech: deque[bytes] = deque()
        self._size = 0
        self._lead: deque[bytes] = deque()
        """Quiet pieces: what is said next begins in them, else they are worth nothing."""
        self._lead_size = 0
        self._spoken = 0
        self._quiet = 0
        self._short = 0
        """Of the speech that is kept, what was too short to pass."""

    def pass_on(self, audio: bytes, floor: Floor, *, speech: bool) -> bytes:
        """What the agent is to hear now in place of this piece."""
        if floor == "open":
            self._spoken = self._quiet = 0
            self.empty = True
            return self._release(audio, speech=speech)
        self.empty = False
        length = len(audio)
        if speech:
            self._spoken += length
            self._quiet = 0
        else:
            self._quiet += length
        if floor == "soft" and self._may_pass():
            return self._release(audio, speech=speech)
        self._withhold(audio, speech=speech)
        return _FRAME if length == mulaw.FRAME_BYTES else mulaw.silent(len(audio))

    def _may_pass(self) -> bool:
        """What has lasted passes, up to the pause behind it; what has not by then never will."""
        passes = self._spoken >= self._soft_bytes
        if self._quiet > PAUSE_BYTES:
            self._short += 0 if passes else self._spoken
            self._spoken = 0
        if self._quiet > ANSWER_BYTES and not passes:
            self._drop_speech()
        return passes

    def _drop_speech(self) -> None:
        self.withheld_bytes += self._short
        self._short = 0
        self._speech.clear()
        self._size = 0

    def _withhold(self, audio: bytes, *, speech: bool) -> None:
        if speech and self._lead:
            self._speech += self._lead
            self._size += self._lead_size
            self._clear_lead()
        if self._spoken and self._quiet <= PAUSE_BYTES:
            self._speech.append(audio)
            self._size += len(audio)
            while self._size > WITHHELD_BYTES:
                dropped = len(self._speech.popleft())
                self._size -= dropped
                self.withheld_bytes += dropped
        else:
            self._lead.append(audio)
            self._lead_size += len(audio)
            while self._lead_size > LEAD_BYTES:
                self._lead_size -= len(self._lead.popleft())

    def _release(self, audio: bytes, *, speech: bool) -> bytes:
        """Withheld speech goes first; mere silence was replaced by silence already."""
        if speech:
            self._speech += self._lead
        passed = b"".join((*self._speech, audio)) if self._speech else audio
        self._speech.clear()
        self._size = self._short = 0
        self._clear_lead()
        return passed

    def _clear_lead(self) -> None:
        self._lead.clear()
        self._lead_size = 0
