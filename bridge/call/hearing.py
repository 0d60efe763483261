"""The caller's audio on its way to the agent: kept until the agent listens, then grouped.

Nothing may be sent before the agent's settings are applied (deepgram-voice-agent.md 1.3), yet what
the caller says meanwhile must not be lost.
"""

from collections import deque


class Hearing:
    """What of the caller's sound goes to the agent when."""

    def __init__(self, *, group_bytes: int, kept_bytes: int) -> None:
        self.dropped_bytes = 0
        """Kept audio that had to give way to newer."""
        self._group_at = group_bytes
        self._keep_at_most = kept_bytes
        self._open = False
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0

    def hear(self, audio: bytes) -> bytes:
        """Take a piece of caller audio; returns what is to be sent now, often nothing."""
        if not self._open:
            self._keep(audio)
            return b""
        if not self._kept and len(audio) >= self._group_at:
            return audio
        self._kept.append(audio)
        self._kept_bytes += len(audio)
        return self._take() if self._kept_bytes >= self._group_at else b""

    def open(self) -> bytes:
        """The agent listens from now on; returns what was kept for it."""
        self._open = True
        return self._take()

    def close(self) -> None:
        """The agent does not listen any more."""
        self._open = False

    def _keep(self, audio: bytes) -> None:
        self._kept.append(audio)
        self._kept_bytes += len(audio)
        while self._kept_bytes > self._keep_at_most:
            dropped = len(self._kept.popleft())
            self._kept_bytes -= dropped
            self.dropped_bytes += dropped

    def _take(self) -> bytes:
        taken = b"".join(self._kept)
        self._kept.clear()
        self._kept_bytes = 0
        return taken
