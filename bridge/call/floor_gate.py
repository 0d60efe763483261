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
WITHHELD_BYTES: Final = 4 * mulaw.SAMPLE_RATE_HZ
"""Speech withheld at most, oldest dropped first."""
PAUSE_BYTES: Final = 3 * mulaw.SAMPLE_RATE_HZ // 10
"""A pause longer than this ends a sound; shorter ones lie between two syllables."""


_SILENT: Final = bytes([mulaw.SILENCE])


class FloorGate:
    """Withholds the caller's sound, or lets it through with what was withheld before it."""

    def __init__(self, *, soft_bytes: int) -> None:
        self.withheld_bytes = 0
        """Speech that never reached the agent: too short, or older than what is kept."""
        self._soft_bytes = soft_bytes
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._spoken = 0
        self._quiet = 0
        self._through = False

    def pass_on(self, audio: bytes, floor: Floor, *, speech: bool) -> bytes:
        """What the agent is to hear now in place of this piece."""
        if floor == "open":
            self._through = False
            passed = self._release(audio)
            self._spoken = self._quiet = 0
            return passed
        self._count(len(audio), speech=speech)
        if floor == "soft":
            if self._quiet > PAUSE_BYTES:
                self._sound_ended()
            elif self._spoken >= self._soft_bytes:
                self._through = True
            if self._through:
                return self._release(audio)
        self._withhold(audio)
        return _SILENT * len(audio)

    def _count(self, length: int, *, speech: bool) -> None:
        if speech:
            self._spoken += length
            self._quiet = 0
        else:
            self._quiet += length

    def _sound_ended(self) -> None:
        if not self._through:
            self.withheld_bytes += self._spoken
        self._through = False
        self._spoken = 0

    def _withhold(self, audio: bytes) -> None:
        self._pieces.append(audio)
        self._size += len(audio)
        most = WITHHELD_BYTES if self._spoken else LEAD_BYTES
        while self._size > most:
            dropped = len(self._pieces.popleft())
            self._size -= dropped
            if self._spoken:
                self.withheld_bytes += dropped

    def _release(self, audio: bytes) -> bytes:
        """Withheld speech goes first; mere silence was replaced by silence already."""
        withheld = b"".join(self._pieces) if self._spoken else b""
        self._pieces.clear()
        self._size = 0
        return withheld + audio if withheld else audio
