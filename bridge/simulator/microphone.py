"""The caller's microphone: the noise of her room, and over it exactly the frames she speaks.

Pure and seeded (F10, F31). Leaves what a step sounds like to ``sayings``, when to speak to
``script`` and the numbering of frames to ``stream``.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from bridge.simulator.room import Bed, Room
from bridge.wire import mulaw

__all__ = ["Heard", "Microphone"]


class Heard(msgspec.Struct, frozen=True, gc=False):
    """20 ms."""

    frame: bytes
    speaking: bool
    """Not in the noise of the room alone."""


class Microphone:
    """Gives one frame of 160 bytes a tick; what is said begins on a frame boundary."""

    def __init__(self, seed: int, room: Room | None = None) -> None:
        self._room = room or Room()
        self._seed = seed
        self._bed = Bed(self._room.noise, self._room.noise_dbfs, seed)
        self._frames: deque[bytes] = deque()

    @property
    def busy(self) -> bool:
        """Whether something is being said, a pause in it included."""
        return bool(self._frames)

    def say(self, frames: Sequence[bytes]) -> None:
        """Queues frames behind what is being said; what one lacks is filled up with noise."""
        self._frames.extend(frames)

    def stop(self) -> None:
        """Says no more of it."""
        self._frames.clear()

    def surround(self, noise_dbfs: float) -> None:
        """From now on it is so loud around her."""
        self._bed = Bed(self._room.noise, noise_dbfs, self._seed)

    def hear(self) -> Heard:
        """The next 20 ms."""
        spoken = self._frames.popleft() if self._frames else b""
        if len(spoken) == mulaw.FRAME_BYTES:
            return Heard(spoken, True)
        return Heard(spoken + self._bed.frame()[len(spoken) :], bool(spoken))
