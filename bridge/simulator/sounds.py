"""Sounds that are no words: coughs, doors, humming, other people. Made here, so none is shipped.

Pure and the same every time: whoever asks for a sound gets the same bytes. Leaves when they are
heard, and what they are mixed with, to ``sayings`` and ``room``.
"""

import math
import random
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Literal, get_args

from bridge.simulator import levels
from bridge.simulator.synthesis import LEVEL_DBFS
from bridge.wire import mulaw

__all__ = ["NOISES", "Noise", "linear", "sound"]

Noise = Literal[
    "babble", "breath", "click", "cough", "door", "hum", "mhm", "noise", "throat", "tone"
]
NOISES: tuple[Noise, ...] = get_args(Noise)

_RATE_HZ = mulaw.SAMPLE_RATE_HZ
_AGAIN_MS = 340
"""Between two coughs of a fit."""


def sound(kind: Noise, lasting_ms: int | None = None) -> bytes:
    """The sound as µ-law at the level at which lines are spoken, in whole frames.

    ``lasting_ms`` makes it so long; one that is over sooner is repeated.
    """
    length = len(linear(kind, lasting_ms)) // 2
    rest = -length % mulaw.FRAME_BYTES
    return mulaw.from_linear(linear(kind, lasting_ms)) + bytes([mulaw.SILENCE]) * rest


@cache
def linear(kind: Noise, lasting_ms: int | None = None) -> bytes:
    """The same as 16-bit samples of native byte order."""
    usual_ms, steady, make = _MADE[kind]
    chance = random.Random(f"sound {kind}")
    if lasting_ms is None or steady:
        return _levelled(make(lasting_ms or usual_ms, chance))
    wanted = 2 * _count(lasting_ms)
    once = _levelled(make(usual_ms, chance))
    pause = bytes(2 * _count(_AGAIN_MS))
    whole = once
    while len(whole) < wanted:
        whole += pause + once
    return whole[:wanted]


# --- what they are made of ---------------------------------------------------------------------


def _count(milliseconds: float) -> int:
    return round(milliseconds * _RATE_HZ / 1000)


def _levelled(samples: Iterable[float]) -> bytes:
    values = list(samples)
    loudest = max(map(abs, values))
    packed = array("h", (round(value / loudest * 20_000) for value in values)).tobytes()
    return levels.louder(packed, mulaw.linear(LEVEL_DBFS) / levels.linear_rms(packed))


def _hiss(count: int, chance: random.Random) -> list[float]:
    return [chance.gauss(0, 1) for _ in range(count)]


def _pulses(count: int, pitch_hz: float, glide_hz: float = 0.0) -> list[float]:
    """What the vocal folds give, gliding from one pitch by so much."""
    phase, samples = 0.0, []
    for at in range(count):
        phase += (pitch_hz + glide_hz * at / count) / _RATE_HZ
        samples.append(1.0 if phase >= 1 else -0.02)
        phase %= 1
    return samples


def _resonance(samples: Sequence[float], hz: float, width_hz: float) -> list[float]:
    """A throat, a door: one frequency of it rings."""
    radius = math.exp(-math.pi * width_hz / _RATE_HZ)
    first, second = 2 * radius * math.cos(2 * math.pi * hz / _RATE_HZ), -radius * radius
    one = two = 0.0
    rung = []
    for sample in samples:
        one, two = sample + first * one + second * two, one
        rung.append(one)
    return rung


def _mouth(samples: Sequence[float], formants: Sequence[tuple[float, float]]) -> list[float]:
    rung = [_resonance(samples, hz, width_hz) for hz, width_hz in formants]
    return [sum(parts) for parts in zip(*rung, strict=True)]


def _shaped(samples: Sequence[float], *points: tuple[float, float]) -> list[float]:
    """Loudness over time: straight lines between (milliseconds, loudness)."""
    shaped = []
    for (from_ms, from_level), (until_ms, until_level) in pairwise(points):
        start, length = _count(from_ms), max(1, _count(until_ms) - _count(from_ms))
        for at, sample in enumerate(samples[start : start + length]):
            shaped.append(sample * (from_level + (until_level - from_level) * at / length))
    return shaped


def _together(*parts: Sequence[float]) -> list[float]:
    length = max(map(len, parts))
    return [sum(part[at] for part in parts if at < len(part)) for at in range(length)]


# --- the sounds --------------------------------------------------------------------------------


def _cough(milliseconds: float, chance: random.Random) -> list[float]:
    count = _count(milliseconds)
    throat = _mouth(_hiss(count, chance), ((520, 260), (1450, 320), (2500, 500)))
    burst = _shaped(throat, (0, 0), (8, 1), (70, 0.5), (180, 0.25), (milliseconds, 0))
    voice = _mouth(_pulses(count, 190, -70), ((600, 120), (1300, 200)))
    tail = _shaped(voice, (0, 0), (150, 0), (190, 9), (milliseconds, 0))
    return _together(burst, tail)


def _throat(milliseconds: float, chance: random.Random) -> list[float]:
    count = _count(milliseconds)
    voice = _mouth(_pulses(count, 85, 20), ((430, 110), (900, 160)))
    breath = _mouth(_hiss(count, chance), ((900, 500),))
    rough = _together(voice, [0.15 * sample for sample in breath])
    return _shaped(
        rough, (0, 0), (60, 1), (170, 0.8), (230, 0.1), (280, 1), (420, 0.7), (milliseconds, 0)
    )


def _click(milliseconds: float, chance: random.Random) -> list[float]:
    return _shaped(_hiss(_count(milliseconds), chance), (0, 0), (1, 1), (milliseconds, 0))


def _door(milliseconds: float, chance: random.Random) -> list[float]:
    wood = _mouth(_hiss(_count(milliseconds), chance), ((140, 60), (330, 120), (900, 600)))
    return _shaped(
        wood, (0, 0), (4, 1), (60, 0.45), (90, 0.15), (95, 0.6), (160, 0.2), (milliseconds, 0)
    )


def _breath(milliseconds: float, chance: random.Random) -> list[float]:
    air = _mouth(_hiss(_count(milliseconds), chance), ((1100, 700), (2600, 900)))
    return _shaped(air, (0, 0), (milliseconds * 0.6, 1), (milliseconds, 0))


_TUNE_HZ = (196, 220, 247, 220, 262, 247)


def _hum(milliseconds: float, chance: random.Random) -> list[float]:
    count, note = _count(milliseconds), _count(420)
    phase, samples = 0.0, []
    for at in range(count):
        tremble = 1 + 0.008 * math.sin(2 * math.pi * 5.2 * at / _RATE_HZ)
        phase += 2 * math.pi * _TUNE_HZ[at // note % len(_TUNE_HZ)] * tremble / _RATE_HZ
        swell = 0.75 + 0.25 * math.sin(math.pi * (at % note) / note)
        tones = math.sin(phase) + 0.45 * math.sin(2 * phase) + 0.12 * math.sin(3 * phase)
        samples.append(swell * tones + 0.02 * chance.gauss(0, 1))
    return _shaped(samples, (0, 0), (40, 1), (milliseconds - 40, 1), (milliseconds, 0))


def _mhm(milliseconds: float, chance: random.Random) -> list[float]:
    """Two syllables through the nose, the second one higher."""
    count = _count(milliseconds)
    nose = ((260, 60), (1150, 250), (2100, 300))
    voice = _mouth(_pulses(count, 165, 75), nose)
    air = _mouth(_hiss(count, chance), ((900, 600),))
    breathy = _together(voice, [0.02 * sample for sample in air])
    return _shaped(
        breathy, (0, 0), (30, 1), (150, 0.9), (190, 0.15), (230, 0.15), (270, 1), (360, 0.8),
        (milliseconds, 0),
    )  # fmt: skip


def _noise(milliseconds: float, chance: random.Random) -> list[float]:
    return _hiss(_count(milliseconds), chance)


_VOWELS = ((700, 1200), (300, 2300), (500, 1800), (350, 800), (600, 1000))


def _babble(milliseconds: float, chance: random.Random) -> list[float]:
    """A room full of people: five voices, none of them saying anything."""
    return _together(*(_speaker(_count(milliseconds), chance) for _ in range(5)))


def _speaker(count: int, chance: random.Random) -> list[float]:
    said: list[float] = []
    pitch_hz = chance.uniform(95, 230)
    while len(said) < count:
        length_ms = chance.uniform(110, 260)
        low_hz, high_hz = chance.choice(_VOWELS)
        pulses = _pulses(_count(length_ms), pitch_hz * chance.uniform(0.85, 1.2))
        vowel = _mouth(pulses, ((low_hz, 90), (high_hz, 130)))
        peak = chance.uniform(0.4, 1)
        said += _shaped(vowel, (0, 0), (length_ms * 0.3, peak), (length_ms, 0))
        if chance.random() < 0.2:
            said += [0.0] * _count(chance.uniform(80, 300))
    return said[:count]


def _tone(milliseconds: float, _: random.Random) -> list[float]:
    """What a fax or a test set sends."""
    step = 2 * math.pi * 1004 / _RATE_HZ
    return [math.sin(step * at) for at in range(_count(milliseconds))]


_Maker = Callable[[float, random.Random], list[float]]

_MADE: Mapping[Noise, tuple[int, bool, _Maker]] = {
    "babble": (2000, True, _babble),
    "breath": (700, False, _breath),
    "click": (12, False, _click),
    "cough": (360, False, _cough),
    "door": (320, False, _door),
    "hum": (1800, True, _hum),
    "mhm": (440, False, _mhm),
    "noise": (1000, True, _noise),
    "throat": (520, False, _throat),
    "tone": (1000, True, _tone),
}
"""Usual length, whether it can go on for any time, and how it is made."""
