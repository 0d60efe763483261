"""Does the agent's voice come back on the caller's line? Loudness compared with loudness.

Keeps how loud both sides were while the agent spoke, and at times looks whether the caller's side
rose and fell as the agent's did a little earlier. Leaves what follows from it to ``quality``.
"""

import math
from collections import deque
from operator import mul
from typing import Final

from bridge.wire import mulaw

STEP_BYTES: Final = 2 * mulaw.FRAME_BYTES
"""Loudness is compared every 40 ms: a syllable lasts about 200."""
LAGS: Final = range(1, 14)
"""Steps by which an echo may be late, 40–520 ms: the phone network's two ways and Twilio's."""
MOST_COMPARED: Final = 100
"""Steps in one comparison: four seconds of one reply of the agent."""
FEWEST_COMPARED: Final = 40
"""A reply, or the rest of one, that is shorter than this says too little."""
SOFTEST_DBFS: Final = -60.0
"""Below this all is the same silence."""
FLAT_DB: Final = 1.0
"""A side whose loudness spreads less than this (a standard deviation) is steady noise."""
WEIGHT: Final = 0.25
"""Of the newest comparison in the score, once there are four. In a single one two voices that have
nothing to do with each other may reach 0.7 by chance; in the mean of four or more, hardly 0.5."""
MOST_AHEAD: Final = 60 * mulaw.SAMPLE_RATE_HZ // STEP_BYTES
"""Steps of agent audio remembered before they are played: a minute."""


class Echo:
    """One call's two sides, in step with the caller's frames."""

    __slots__ = (
        "_agent",
        "_ahead",
        "_by_lag",
        "_caller",
        "_end_at",
        "_first",
        "_rest",
        "_tail",
        "comparisons",
    )

    def __init__(self) -> None:
        self.comparisons = 0
        self._ahead: deque[int] = deque()
        self._rest = b""
        self._end_at = 0.0
        self._caller: list[float] = []
        self._agent = [SOFTEST_DBFS] * LAGS[-1]
        """Longer than ``_caller`` by the longest lag: it begins that much earlier."""
        self._tail = 0
        self._first: int | None = None
        self._by_lag = [0.0] * len(LAGS)

    @property
    def score(self) -> float:
        """The likeness of both sides, −1 to 1, at the lag where it is greatest; 0 if unknown."""
        return max(self._by_lag)

    @property
    def audible(self) -> bool:
        """Whether the agent is heard now, or its echo may still be."""
        return self._tail > 0

    def play(self, audio: bytes, now: float) -> None:
        """Agent audio on its way to the caller, to be played behind what was sent before."""
        if now > self._end_at:
            self.hush(now)
        self._end_at += mulaw.duration_s(len(audio))
        audio = self._rest + audio
        whole = len(audio) - len(audio) % STEP_BYTES
        self._rest = audio[whole:]
        for start in range(0, whole, STEP_BYTES):
            if len(self._ahead) < MOST_AHEAD:
                self._ahead.append(mulaw.rms(audio[start : start + STEP_BYTES]))

    def hush(self, now: float) -> None:
        """What has not been played yet never will be."""
        self._ahead.clear()
        self._rest = b""
        self._end_at = now

    def hear(self, level: int) -> bool:
        """A frame of caller audio with this linear RMS; whether the agent was audible in it."""
        if self._first is None:
            self._first = level
        elif self._ahead:
            self._step(self._ahead.popleft(), max(self._first, level))
            self._first = None
        else:
            self._first = None
            if self._tail:
                self._fade()
        return self._tail > 0

    def _step(self, agent: int, caller: int) -> None:
        self._tail = LAGS[-1]
        self._agent.append(max(SOFTEST_DBFS, mulaw.dbfs(agent)))
        self._caller.append(max(SOFTEST_DBFS, mulaw.dbfs(caller)))
        if len(self._caller) == MOST_COMPARED:
            self._compare()

    def _fade(self) -> None:
        """Nothing of the agent plays any more; what the caller says now is compared with nothing,
        or the taking of turns would pass for the opposite of an echo."""
        if self._tail == LAGS[-1]:
            if len(self._caller) >= FEWEST_COMPARED:
                self._compare()
            self._caller.clear()
            self._agent = [SOFTEST_DBFS] * LAGS[-1]
        self._tail -= 1

    def _compare(self) -> None:
        """Pearson's correlation of both loudnesses at every lag, about 100 µs in all."""
        count = len(self._caller)
        mean = sum(self._caller) / count
        caller = [level - mean for level in self._caller]
        energy = sum(map(mul, caller, caller))
        flat = count * FLAT_DB * FLAT_DB
        self.comparisons += 1
        weight = max(WEIGHT, 1 / self.comparisons)
        for place, lag in enumerate(LAGS):
            earlier = self._agent[LAGS[-1] - lag : LAGS[-1] - lag + count]
            mean = sum(earlier) / count
            spread = sum(map(mul, earlier, earlier)) - count * mean * mean
            likeness = 0.0
            if energy > flat and spread > flat:
                # ``caller`` is centred: for the product ``earlier`` need not be.
                likeness = sum(map(mul, caller, earlier)) / math.sqrt(energy * spread)
            self._by_lag[place] += weight * (likeness - self._by_lag[place])
        self._caller.clear()
        del self._agent[: -LAGS[-1]]
