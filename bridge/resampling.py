"""The agent's line in linear16 at 16 000 Hz, for a practice that asks for it.

Stands between the agent's link and the driver, so that both go on as if it were not there: the
caller's µ-law is made linear16 on its way to the agent, the agent's linear16 µ-law on its way back.
Without it µ-law passes untouched both ways, which costs nothing and loses nothing: the telephone
has no sound above 3 400 Hz.

Why a filter of our own: the kept libraries' streams hand their samples on in lots of 60–120 ms,
which a talk cannot wait for, and bring 20 MB of numpy. This one is 2 ms late, gives for every frame
its frame, and costs about 30 µs a frame (``holdfast bench sound``).
"""

import math
from collections.abc import Coroutine
from typing import Any, Final

from bridge.ports import Agent, AgentEar
from bridge.wire import deepgram
from bridge.wire.pcm import audioop

ENCODING: Final = "linear16"
SAMPLE_RATE_HZ: Final = 16_000
BYTES_PER_SAMPLE: Final = 2
"""Signed, little-endian, which is also the order of every machine we run on."""
BYTES_PER_MULAW: Final = 4
"""As long as one byte of µ-law lasts."""

PAIRS: Final = 16
"""Of filter taps beside the middle one. With ``BETA`` (Kaiser's window) all up to 3 600 Hz passes
within 0.1 dB, and from 4 600 Hz on nothing is left above −70 dB."""
BETA: Final = 6.0

_WIDTH = 4
"""Bytes of a sample while it is reckoned with: 32 bits, so that rounding does not add up."""
_DOWN, _UP = 0.25, 4.0
"""Samples are made this much smaller first, and at the end larger again: sums need the room."""
_HALF_LINEAR16, _HALF_MULAW = 1 << 13, 1 << 15
"""Half a step of what comes out, as small; added so that the last cut rounds. (µ-law's encoder
takes 14 bits.) Otherwise the faintest negative rest of a sum would never become silence."""


def ear_for(ear: AgentEar, *, wideband: bool) -> AgentEar:
    """Who is to hear the agent's link: the ear itself, or one that speaks linear16 for it."""
    return Linear16Ear(ear) if wideband else ear


class Linear16Agent:
    """The agent's line as the driver wants it: takes µ-law, sends linear16."""

    def __init__(self, agent: Agent) -> None:
        self.dropped_bytes = 0
        """Of µ-law, as everywhere."""
        self._agent = agent
        self._doubling = Doubling()

    def send_voice(self, audio: bytes) -> None:
        """Caller audio, µ-law."""
        self._agent.send_voice(self._doubling.pass_(audio))
        self.dropped_bytes = self._agent.dropped_bytes // BYTES_PER_MULAW

    def send_message(self, message: deepgram.ToAgent) -> None:
        """A message, as it is."""
        self._agent.send_message(message)

    def close(self) -> Coroutine[Any, Any, None]:
        """Close the line."""
        return self._agent.close()


class Linear16Ear:
    """An ear on a linear16 line, for one that hears µ-law."""

    def __init__(self, ear: AgentEar) -> None:
        self._ear = ear
        self._halving = Halving()

    def agent_opened(self, agent: Agent) -> None:
        """The line is open; whoever speaks into it speaks µ-law."""
        self._ear.agent_opened(Linear16Agent(agent))

    def agent_audio(self, audio: bytes) -> None:
        """A binary frame, linear16, of any length."""
        self._ear.agent_audio(self._halving.pass_(audio))

    def agent_message(self, message: deepgram.FromAgent) -> None:
        """A message, as it is; at a turn's edge nothing is carried over."""
        match message:
            case (
                deepgram.UserStartedSpeaking()
                | deepgram.AgentThinking()
                | deepgram.AgentStartedSpeaking()
                | deepgram.AgentAudioDone()
            ):
                self._halving = Halving()
            case _:
                pass
        self._ear.agent_message(message)

    def agent_unreadable(self, what: str) -> None:
        """A text frame that nobody understands."""
        self._ear.agent_unreadable(what)

    def agent_closed(self, code: int | None) -> None:
        """The line is gone."""
        self._ear.agent_closed(code)


# --- a half-band filter, in two phases ----------------------------------------------------------
#
# Half of its taps are 0 but for the middle one, 0.5, so each rate's samples are filtered at 8 kHz:
# the even ones are only delayed, the odd ones are sums over pairs that lie around them.


def _taps() -> tuple[float, ...]:
    """The odd taps of one side, nearest first; together with the other side's they make 0.5."""
    taps = []
    for pair in range(PAIRS):
        at = 2 * pair + 1
        window = _bessel(BETA * math.sqrt(1 - (at / (2 * PAIRS)) ** 2)) / _bessel(BETA)
        taps.append(math.sin(math.pi * at / 2) / (math.pi * at) * window)
    scale = 0.25 / sum(taps)
    return tuple(tap * scale for tap in taps)


def _bessel(x: float) -> float:
    """The modified Bessel function of order 0, of which Kaiser's window is made."""
    return math.fsum((x / 2) ** (2 * k) / math.factorial(k) ** 2 for k in range(30))


_TAPS: Final = _taps()
_NEAR: Final = _WIDTH * (PAIRS - 1)
_BEFORE: Final = _WIDTH * (2 * PAIRS - 1)


def _between(samples: bytes, length: int, louder: float) -> bytes:
    """The filter's sum around each place between two samples; ``length`` bytes of them."""
    total = bytes(length)
    for pair, tap in enumerate(_TAPS):
        left, right = _NEAR - _WIDTH * pair, _NEAR + _WIDTH * (pair + 1)
        around = audioop.add(samples[left : left + length], samples[right : right + length], _WIDTH)
        total = audioop.add(total, audioop.mul(around, _WIDTH, tap * louder), _WIDTH)
    return total


class Doubling:
    """A stream of µ-law at 8 kHz, as linear16 at 16 kHz; 2 ms late."""

    def __init__(self) -> None:
        self._before = bytes(_BEFORE)

    def pass_(self, audio: bytes) -> bytes:
        """The next piece, of any length; returns four bytes for each."""
        length = _WIDTH * len(audio)
        fresh = audioop.mul(audioop.ulaw2lin(audio, _WIDTH), _WIDTH, _DOWN)
        samples = self._before + fresh
        self._before = samples[length:]
        # The middle tap is 0.5, and at twice the rate everything is to be twice as large again.
        even = audioop.tostereo(samples[_NEAR : _NEAR + length], _WIDTH, 1, 0)
        odd = audioop.tostereo(_between(samples, length, 2.0), _WIDTH, 0, 1)
        both = audioop.bias(audioop.add(even, odd, _WIDTH), _WIDTH, _HALF_LINEAR16)
        return audioop.lin2lin(audioop.mul(both, _WIDTH, _UP), _WIDTH, BYTES_PER_SAMPLE)


class Halving:
    """A stream of linear16 at 16 kHz, as µ-law at 8 kHz; 2 ms late."""

    def __init__(self) -> None:
        self._rest = b""
        self._even_before = bytes(_NEAR)
        self._odd_before = bytes(_BEFORE)

    def pass_(self, audio: bytes) -> bytes:
        """The next piece, of any length; returns a byte for every four, however they came."""
        audio = self._rest + audio
        whole = len(audio) - len(audio) % BYTES_PER_MULAW
        self._rest = audio[whole:]
        fresh = audioop.lin2lin(audio[:whole], BYTES_PER_SAMPLE, _WIDTH)
        fresh = audioop.mul(fresh, _WIDTH, _DOWN)
        even = self._even_before + audioop.tomono(fresh, _WIDTH, 1, 0)
        odd = self._odd_before + audioop.tomono(fresh, _WIDTH, 0, 1)
        self._even_before, self._odd_before = even[whole:], odd[whole:]
        middle = audioop.mul(even[:whole], _WIDTH, 0.5)
        sums = audioop.add(middle, _between(odd, whole, 1.0), _WIDTH)
        sums = audioop.bias(sums, _WIDTH, _HALF_MULAW)
        return audioop.lin2ulaw(audioop.mul(sums, _WIDTH, _UP), _WIDTH)
