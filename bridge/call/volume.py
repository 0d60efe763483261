"""The caller's voice at an even volume, for a practice that asks for it.

Off by default: sound that nobody altered is the easiest to answer for. A slow gain in small steps,
never so much that a sample is clipped. Leaves measuring to ``quality``.
"""

import math
from typing import Final

from bridge.wire import mulaw

AIM_DBFS: Final = -24.0
"""Where the voice is to be: a little above the usual −26 of a telephone."""
NEAR_DB: Final = 3.0
"""Nearer than this is near enough: the voice's own rise and fall is left alone."""
MOST_DB: Final = 12.0
"""Of gain; and of its opposite."""
SOFTEST_DBFS: Final = -50.0
"""What is softer than this is not taken for a voice, whatever is said of it."""
STEP_DB: Final = 0.5
"""A change as small as this is not heard as one. Each step has its table of 256 bytes."""
RISES_EVERY_MS: Final = 100
FALLS_EVERY_MS: Final = 40
"""Of voice, for one step: 5 dB a second up, 12.5 down."""
REMEMBERED_MS: Final = 1000
"""The level is that of about the last second of voice."""

_STEPS = round(MOST_DB / STEP_DB)
_ROOM = 31100
"""µ-law's largest sample but one: what is made louder than this may be rounded to the largest."""


class EvenVolume:
    """µ-law in, as many bytes of µ-law out; the same bytes while the voice is where it should."""

    __slots__ = ("_power", "_since_ms", "_steps")

    def __init__(self) -> None:
        self._power = _power(AIM_DBFS)
        self._since_ms = 0.0
        self._steps = 0

    @property
    def gain_db(self) -> float:
        """How much louder the voice is made, softer if negative."""
        return self._steps * STEP_DB

    def pass_(self, audio: bytes, level_dbfs: float, *, speech: bool = True) -> bytes:
        """A piece of any length and its level; without a voice in it the gain stays as it is."""
        if speech and level_dbfs > SOFTEST_DBFS:
            self._follow(level_dbfs, mulaw.duration_ms(len(audio)))
        if self._steps > 0:
            self._make_room(mulaw.peak(audio))
        return audio.translate(mulaw.louder_by(self.gain_db)) if self._steps else audio

    def _follow(self, level_dbfs: float, lasts_ms: float) -> None:
        share = min(1.0, lasts_ms / REMEMBERED_MS)
        self._power += share * (_power(level_dbfs) - self._power)
        self._since_ms += lasts_ms
        short_db = AIM_DBFS - 10 * math.log10(self._power) - self.gain_db
        if short_db > NEAR_DB and self._since_ms >= RISES_EVERY_MS:
            self._steps = min(_STEPS, self._steps + 1)
            self._since_ms = 0.0
        elif short_db < -NEAR_DB and self._since_ms >= FALLS_EVERY_MS:
            self._steps = max(-_STEPS, self._steps - 1)
            self._since_ms = 0.0

    def _make_room(self, peak: int) -> None:
        """What would be clipped is made less loud at once, and the gain rises slowly again."""
        while self._steps and peak * 10 ** (self.gain_db / 20) > _ROOM:
            self._steps -= 1


def _power(level_dbfs: float) -> float:
    """A mean of powers follows the vowels; one of decibels would follow the pauses between."""
    return math.pow(10.0, level_dbfs / 10)
