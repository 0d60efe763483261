"""Where the caller's turns begin and end, by voice activity on the audio that really arrives.

Counts audio time, not the wall's: a stream sent faster is heard the same. Leaves which words were
said to ``ears``, and what to do about it to ``session``.
"""

from enum import Enum

from bridge.simulator.ears import INAUDIBLE, Ear
from bridge.simulator.rules import Listening
from bridge.wire import mulaw
from bridge.wire.mulaw import BYTES_PER_MS


class Sign(Enum):
    """Something that was noticed in the sound."""

    STARTED = "started"
    """An utterance began."""
    EAGER = "eager"
    """The turn may be over."""
    RESUMED = "resumed"
    """It was not: the caller goes on."""
    ENDED = "ended"
    """The turn is over."""


_NOTHING: tuple[Sign, ...] = ()

_SHORTEST_LINE_BYTES = 240 * BYTES_PER_MS
_REMEMBERED_BYTES = 20_000 * BYTES_PER_MS
"""Of a turn; who talks longer is understood by its beginning."""


class TurnDetector:
    """An energy gate over one stream; what passes it is fed to the ear.

    Feed every piece as it arrives and act on the signs, in order.
    """

    def __init__(self, listening: Listening, ear: Ear) -> None:
        self._gate_rms = mulaw.linear(listening.gate_dbfs)
        self._start_bytes = listening.start_ms * BYTES_PER_MS
        self._eager_bytes = listening.eager_ms * BYTES_PER_MS
        self._word_bytes = listening.word_ms * BYTES_PER_MS
        self.ear = ear
        self.speaking = False
        """A turn is running: an utterance began and its end is not confirmed."""
        self.heard_bytes = 0
        """Of all audio so far."""
        self._loud_bytes = 0
        self._quiet_bytes = 0
        self._voiced_bytes = 0
        """Of the running turn: all that was loud."""
        self._sound = bytearray()
        """Of the running turn: everything from its first loud piece on."""
        self._eager = False
        self.end_after_ms = listening.end_of_turn_ms

    @property
    def end_after_ms(self) -> int:
        """Silence that confirms a turn."""
        return self._end_bytes // BYTES_PER_MS

    @end_after_ms.setter
    def end_after_ms(self, milliseconds: int) -> None:
        self._end_bytes = milliseconds * BYTES_PER_MS

    @property
    def quiet_ms(self) -> int:
        """Silence since the last speech of the running turn."""
        return self._quiet_bytes // BYTES_PER_MS

    def words(self) -> str:
        """What was said in the turn so far; a short sound that nobody knows is no word."""
        heard = self.ear.text()
        if self.ear.doubtful and self._voiced_bytes >= _SHORTEST_LINE_BYTES:
            heard = self.ear.guess(bytes(self._sound)) or heard
        known = " ".join(heard.replace(INAUDIBLE, "").split())
        if known or not heard:
            return known
        return INAUDIBLE if self._voiced_bytes >= self._word_bytes else ""

    def clear(self) -> None:
        """Forgets what was said: a new turn."""
        self.ear.clear()
        self._sound.clear()
        self._voiced_bytes = 0

    def feed(self, sound: bytes) -> tuple[Sign, ...]:
        """A piece of the stream, usually 20 ms."""
        length = len(sound)
        self.heard_bytes += length
        loud = mulaw.rms(sound) > self._gate_rms
        if (loud or self._sound) and len(self._sound) < _REMEMBERED_BYTES:
            self._sound += sound
        if loud:
            self.ear.feed(sound)
            self._voiced_bytes += length
            return self._loud(length)
        return self._quiet(length)

    def end(self) -> bool:
        """Ends the running turn now; False when there was none."""
        was = self.speaking
        self.speaking = self._eager = False
        self._loud_bytes = self._quiet_bytes = 0
        return was

    def _loud(self, length: int) -> tuple[Sign, ...]:
        self._loud_bytes += length
        if self._loud_bytes < self._start_bytes:
            return _NOTHING
        if not self.speaking:
            self.speaking = True
            self._quiet_bytes = 0
            return (Sign.STARTED,)
        self._quiet_bytes = 0
        if self._eager:
            self._eager = False
            return (Sign.RESUMED,)
        return _NOTHING

    def _quiet(self, length: int) -> tuple[Sign, ...]:
        if not self.speaking:
            if self._loud_bytes:
                self._loud_bytes = max(0, self._loud_bytes - length)
                if not self._loud_bytes:
                    self.clear()
            return _NOTHING
        self.ear.pause()
        self._quiet_bytes += length
        if self._quiet_bytes < self._eager_bytes:
            return _NOTHING
        signs = _NOTHING
        if not self._eager:
            self._eager = True
            self._loud_bytes = 0
            signs = (Sign.EAGER,)
        if self._quiet_bytes >= self._end_bytes:
            self.end()
            signs = (*signs, Sign.ENDED)
        return signs
