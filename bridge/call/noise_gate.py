"""Silence between the caller's words, for a practice that asks for it.

Off by default: whoever listens for the end of a turn hears it better with the room's own noise.
Leaves the decision what is a voice to ``voice``.
"""

from typing import Final

from bridge.wire import mulaw

HOLD_MS: Final = 300
"""The gate stays open so long after the voice: ends of words are soft, and pauses within a
sentence mean something to whoever waits for its end."""
OPENS_MS: Final = 5
SHUTS_MS: Final = 40
"""How long the fades last, for an edge is heard as a click. Opening is quick, or it would eat
consonants."""

_STEPS = 5
_STEP_DB = 6.0
_GRAIN_BYTES = mulaw.BYTES_PER_MS
_OPENS = 1 / OPENS_MS
_SHUTS = -1 / SHUTS_MS


class NoiseGate:
    """µ-law in, as many bytes of µ-law out. What has a voice in it comes out as it went in."""

    __slots__ = ("_hold_bytes", "_open")

    def __init__(self) -> None:
        self._open = 0.0
        """0 is shut, 1 is open."""
        self._hold_bytes = 0

    def pass_(self, audio: bytes, *, speech: bool) -> bytes:
        """A piece of any length; ``speech`` says whether there is a voice in it."""
        if speech:
            self._hold_bytes = HOLD_MS * mulaw.BYTES_PER_MS
            return audio if self._open == 1.0 else self._fade(audio, _OPENS)
        if self._hold_bytes > 0:
            self._hold_bytes -= len(audio)
            return audio if self._open == 1.0 else self._fade(audio, _OPENS)
        return self._fade(audio, _SHUTS) if self._open else mulaw.silent(len(audio))

    def _fade(self, audio: bytes, a_grain: float) -> bytes:
        faded: list[bytes] = []
        goal = 1.0 if a_grain > 0 else 0.0
        start = 0
        while start < len(audio) and self._open != goal:
            self._open = min(1.0, max(0.0, self._open + a_grain))
            faded.append(self._as_open(audio[start : start + _GRAIN_BYTES]))
            start += _GRAIN_BYTES
        return b"".join(faded) + self._as_open(audio[start:])

    def _as_open(self, audio: bytes) -> bytes:
        if self._open == 1.0:
            return audio
        step = int(self._open * _STEPS)
        if not step:
            return mulaw.silent(len(audio))
        return audio.translate(mulaw.louder_by((step - _STEPS) * _STEP_DB))
