"""The caller's own voice: line noise, and over it exactly the bytes of the clips she speaks.

Pure and seeded (F10, F31). Leaves when to speak to ``bridge.simulator.script`` and the numbering
of frames to ``bridge.simulator.stream``.
"""

import random
from array import array
from collections import deque

from bridge.simulator import levels
from bridge.wire import mulaw

__all__ = ["Microphone"]

_NOISE_RMS = 33
"""−60 dBFS: a real line is never digital silence, and a detector must not be fed that."""

_NOISE_FRAMES = 64
"""About 1.3 s of different noise, drawn from at random."""


class Microphone:
    """Gives one frame of 160 bytes a tick; clips begin and end on frame boundaries."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"microphone {seed}")
        self._noise = [_noise_frame(self._chance) for _ in range(_NOISE_FRAMES)]
        self._frames: deque[bytes] = deque()

    @property
    def speaking(self) -> bool:
        """Whether a clip is under way."""
        return bool(self._frames)

    def say(self, clip: bytes) -> None:
        """Queues a clip behind what is being said; its last frame is filled up with noise."""
        for at in range(0, len(clip), mulaw.FRAME_BYTES):
            frame = clip[at : at + mulaw.FRAME_BYTES]
            self._frames.append(frame + self._background()[len(frame) :])

    def frame(self) -> bytes:
        """The next 20 ms."""
        return self._frames.popleft() if self._frames else self._background()

    def _background(self) -> bytes:
        return self._noise[self._chance.randrange(_NOISE_FRAMES)]


def _noise_frame(chance: random.Random) -> bytes:
    samples = array("h", (round(chance.gauss(0, _NOISE_RMS)) for _ in range(mulaw.FRAME_BYTES)))
    return levels.from_linear(samples.tobytes())
