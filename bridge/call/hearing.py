"""The caller's audio on its way to the agent: kept until the agent listens, then grouped.

Nothing may be sent before the agent's settings are applied (deepgram-voice-agent.md 1.3), yet what
the caller says meanwhile must not be lost. Nor may nothing be sent for long: where Twilio sends no
frames, silence takes their place, for an agent that hears nothing does not hear a turn end either.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from bridge.wire import mulaw

PIECE_BYTES: Final = mulaw.SAMPLE_RATE_HZ // 2
"""What was kept goes out in pieces of half a second."""
MISSING_AFTER_S: Final = 0.3
"""Frames were seen held back for up to 233 ms and then delivered all at once
(twilio-voice.md 2.3); only after that is silence put in their place."""
FILL_EVERY_S: Final = 0.1
_FILLING: Final = mulaw.silence(100)


class _Pieces:
    """Pieces of audio, the oldest of which give way beyond a size."""

    __slots__ = ("_most", "_pieces", "size")

    def __init__(self, most: int) -> None:
        self.size = 0
        self._most = most
        self._pieces: deque[bytes] = deque()

    def add(self, audio: bytes) -> int:
        """Returns how many older bytes had to give way."""
        dropped = 0
        self._pieces.append(audio)
        self.size += len(audio)
        while self.size > self._most:
            oldest = len(self._pieces.popleft())
            self.size -= oldest
            dropped += oldest
        return dropped

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        return taken

    def move_to(self, other: "_Pieces") -> None:
        while self._pieces:
            other.add(self._pieces.popleft())
        self.size = 0


class Hearing:
    """What of the caller's sound goes to the agent when."""

    def __init__(self, *, group_bytes: int, kept_bytes: int, replay_bytes: int) -> None:
        self.dropped_bytes = 0
        """Kept audio that had to give way to newer."""
        self._group_at = group_bytes
        self._open = False
        self._group = _Pieces(max(group_bytes, kept_bytes))
        self._kept = _Pieces(kept_bytes)
        self._replay_bytes = replay_bytes
        self._recent = _Pieces(replay_bytes)
        self.first = False
        """True from the first piece of all until the second."""
        self._heard_at: float | None = None

    def hear(self, audio: bytes, now: float) -> bytes:
        """Take a piece of caller audio; returns what is to be sent now, often nothing."""
        self.first = self._heard_at is None
        self._heard_at = now
        if self._open and not self._group.size and len(audio) >= self._group_at:
            self._recent.add(audio)
            return audio  # the usual way of a frame
        return self._forward(audio)

    def _forward(self, audio: bytes) -> bytes:
        if not self._open:
            self.dropped_bytes += self._kept.add(audio)
            return b""
        self._recent.add(audio)
        self._group.add(audio)
        return self._group.take() if self._group.size >= self._group_at else b""

    # --- the agent's side --------------------------------------------------------------------

    def open(self) -> Iterator[bytes]:
        """The agent listens from now on; what was kept for it, oldest first."""
        self._open = True
        kept = self._kept.take()
        for start in range(0, len(kept), PIECE_BYTES):
            piece = kept[start : start + PIECE_BYTES]
            self._recent.add(piece)
            yield piece

    def close(self, *, replay: bool) -> None:
        """The agent does not listen any more.

        What comes from here on is kept for the next session, no more than the replay's length;
        with ``replay`` so is the end of what was sent: the caller is in the middle of it.
        """
        if self._open:
            self._open = False
            self._kept = _Pieces(self._replay_bytes)
            if replay:
                self._recent.move_to(self._kept)
        self._recent.take()
        self._group.take()

    def forget(self) -> None:
        """What was sent so far was understood: no later session need hear it."""
        self._recent.take()

    # --- where Twilio sends nothing ----------------------------------------------------------

    @property
    def fill_at(self) -> float | None:
        """When silence is to be sent in place of frames that do not come.

        A line on which none ever came is kept up by ``KeepAlive``, which is the link's to send.
        """
        if self._heard_at is None or not self._open:
            return None
        return self._heard_at + MISSING_AFTER_S

    def fill(self, now: float) -> bytes:
        """Silence for the time that nothing came; the next is due ``FILL_EVERY_S`` later."""
        self._heard_at = now - MISSING_AFTER_S + FILL_EVERY_S
        return self._forward(_FILLING)
