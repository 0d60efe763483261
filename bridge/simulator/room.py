"""The room the caller is in: the noise around her, and what comes back from her loudspeaker.

Pure and seeded: both ends of a simulated call can mix a line with the same noise and get the same
bytes, which is how the emulator still recognises it. Leaves her words to ``sayings``.
"""

import random
from array import array
from functools import cache
from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.simulator import levels, sounds
from bridge.simulator.synthesis import LEVEL_DBFS
from bridge.wire import mulaw

__all__ = ["Bed", "Echo", "Murmur", "Room", "louder"]

Murmur = Literal["line", "hum", "babble"]

_USUAL_DBFS = -60.0
"""A real line is never digital silence, and a detector must not be fed that."""

_BED_MS = 4000
_FRAMES = 64
"""About 1.3 s of different line noise, drawn from at random."""


class Room(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well the caller's telephone hears her, and what else it hears."""

    noise_dbfs: float | None = None
    """How loud it is around her, under her words too. None: −60 between them and nothing under."""
    noise: Murmur = "line"
    """``line`` hisses, ``hum`` is a machine, ``babble`` is other people."""
    gain_db: float = 0.0
    """Everything she says is so much louder or quieter."""
    echo_db: float | None = None
    """What she hears comes back in her own frames, so much louder (negative: quieter)."""
    echo_lag_ms: Annotated[int, Meta(ge=0)] = 180
    """So late."""


class Bed:
    """The noise of a room at one loudness.

    With ``level_dbfs`` None it is a quiet line, and nothing lies under what is said.
    """

    def __init__(self, kind: Murmur, level_dbfs: float | None, seed: int) -> None:
        self._under = level_dbfs is not None
        self._samples = _bed(kind, _USUAL_DBFS if level_dbfs is None else level_dbfs, seed)
        self._steady = kind == "line"
        self._chance = random.Random(f"bed {seed}")
        self._at = 0

    def frame(self) -> bytes:
        """The next 20 ms of µ-law."""
        length = 2 * mulaw.FRAME_BYTES
        if self._steady:
            self._at = self._chance.randrange(_FRAMES) * length
        samples = self._samples[self._at : self._at + length]
        self._at = (self._at + length) % len(self._samples)
        return mulaw.from_linear(samples)

    def under(self, sound: bytes) -> bytes:
        """Sound with the noise under it; the same sound always gets the same noise."""
        if not self._under or not sound:
            return sound
        whole = self._samples
        start = 2 * (int.from_bytes(sha256(sound).digest()[:4], "big") % (len(whole) // 2))
        noise = (whole * (2 + 2 * len(sound) // len(whole)))[start : start + 2 * len(sound)]
        return mulaw.from_linear(levels.mixed(mulaw.to_linear(sound), noise))


class Echo:
    """What is played to the caller, as her microphone picks it up again."""

    def __init__(self, room: Room) -> None:
        self.lag_bytes = room.echo_lag_ms * mulaw.BYTES_PER_MS
        self._factor = 0.0 if room.echo_db is None else 10 ** (room.echo_db / 20)

    @property
    def audible(self) -> bool:
        """Whether there is any."""
        return self._factor > 0

    def over(self, frame: bytes, played: bytes) -> bytes:
        """A frame of hers with so much of what was played ``lag_bytes`` before."""
        if played.count(mulaw.SILENCE) == len(played):
            return frame
        quieter = levels.louder(mulaw.to_linear(played), self._factor)
        return mulaw.from_linear(levels.mixed(mulaw.to_linear(frame), quieter))


def louder(sound: bytes, gain_db: float) -> bytes:
    """µ-law by so much louder or quieter, clipped at full scale; untouched by 0 dB."""
    if not gain_db:
        return sound
    return mulaw.from_linear(levels.louder(mulaw.to_linear(sound), 10 ** (gain_db / 20)))


@cache
def _bed(kind: Murmur, level_dbfs: float, seed: int) -> bytes:
    if kind == "line":
        chance = random.Random(f"line {seed}")
        rms = mulaw.linear(level_dbfs)
        count = _FRAMES * mulaw.FRAME_BYTES
        drawn = (round(chance.gauss(0, rms)) for _ in range(count))
        return array("h", (max(-32768, min(32767, value)) for value in drawn)).tobytes()
    made = sounds.linear(kind, _BED_MS)
    return levels.louder(made, 10 ** ((level_dbfs - LEVEL_DBFS) / 20))
