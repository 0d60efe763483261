"""Is that a voice? Decided from levels alone, against a floor that follows the line's noise.

Owns the floor and the decision. Leaves measuring to ``quality``, what follows from it to others.
"""

from collections import deque
from typing import Final

from bridge.wire import mulaw

WINDOW_FRAMES: Final = 500 // mulaw.FRAME_MS
WINDOWS: Final = 8
"""The floor is the lowest level of the last four seconds: a talker pauses for breath by then, a
fan does not. So a noise that begins is taken for a voice for four seconds at most."""
MUTE_FRAMES: Final = 5
"""Less digital silence than this in one window is a lost packet and says nothing of the room."""
QUIETEST: Final = mulaw.linear(-60.0)
"""The floor is never lower: the hiss of a dead quiet line is no voice."""
BEGINS: Final = 10 ** (9 / 20)
"""A voice is 9 dB above the floor; a frame of steady noise stays within 2 dB of its mean."""
GOES_ON: Final = 10 ** (6 / 20)
"""Once there, it may fade to 6 dB above it."""
BRIDGED_FRAMES: Final = 120 // mulaw.FRAME_MS
"""A pause as short as this is within a word: a stop consonant lasts up to 100 ms."""


class Voice:
    """Fed the level of every frame of caller audio."""

    __slots__ = (
        "_before",
        "_begins_at",
        "_goes_on_at",
        "_low",
        "_lows",
        "_mute",
        "_pause",
        "_stretch",
        "_window",
        "floor",
        "present",
    )

    def __init__(self) -> None:
        self.present = False
        """Whether the last frame was loud enough to be a voice."""
        self.floor = 0
        """The line's noise, linear RMS."""
        self._lows: deque[int] = deque(maxlen=WINDOWS)
        self._low = mulaw.LOUDEST
        self._before = mulaw.LOUDEST
        self._window = self._mute = 0
        self._stretch = self._pause = 0
        self._settle(QUIETEST)

    @property
    def stretch_ms(self) -> int:
        """How long this voice has been there, pauses within words included; 0: there is none."""
        return self._stretch * mulaw.FRAME_MS

    def hear(self, level: int) -> bool:
        """A frame with this linear RMS; whether there is a voice in it."""
        if level or self._is_mute():
            # Of two frames the louder counts, or half a lost packet would pull the floor down.
            low = level if level > self._before else self._before
            self._before = level
            if low < self._low:
                self._low = low
                if low < self.floor:
                    self._settle(low)
        self._window += 1
        if self._window == WINDOW_FRAMES:
            self._next_window()
        if level >= (self._goes_on_at if self.present else self._begins_at):
            self.present = True
            self._stretch += self._pause + 1
            self._pause = 0
        else:
            self.present = False
            if self._stretch:
                self._pause += 1
                if self._pause > BRIDGED_FRAMES:
                    self._stretch = self._pause = 0
        return self.present

    def _is_mute(self) -> bool:
        self._mute += 1
        return self._mute >= MUTE_FRAMES

    def _next_window(self) -> None:
        self._lows.append(self._low)
        self._settle(min(self._lows))
        self._low = mulaw.LOUDEST
        self._window = self._mute = 0

    def _settle(self, floor: int) -> None:
        self.floor = floor if floor > QUIETEST else QUIETEST
        self._begins_at = self.floor * BEGINS
        self._goes_on_at = self.floor * GOES_ON
