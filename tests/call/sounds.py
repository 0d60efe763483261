"""Sound to measure: talk, noise, echo and bad lines, made anew and the same every time."""

import math
import random
import struct
from functools import cache

from bridge.wire import mulaw
from bridge.wire.pcm import audioop

RATE = mulaw.SAMPLE_RATE_HZ
FRAME = mulaw.FRAME_BYTES


def samples(values: list[float]) -> bytes:
    return struct.pack(f"={len(values)}h", *(round(max(-32768, min(32767, v))) for v in values))


@cache
def noise(seconds: float, level_dbfs: float, seed: int = 1) -> bytes:
    """Linear: white noise."""
    chance, spread = random.Random(seed), mulaw.FULL_SCALE * 10 ** (level_dbfs / 20)
    return samples([chance.gauss(0, spread) for _ in range(round(seconds * RATE))])


@cache
def talk(seconds: float, level_dbfs: float, seed: int = 1) -> bytes:
    """Linear: syllables of uneven length, pitch and loudness, a breath every two seconds or so."""
    chance = random.Random(seed)
    sound: list[float] = []
    while len(sound) < seconds * RATE:
        for _ in range(chance.randint(6, 12)):
            length, loud = chance.randint(900, 2200), chance.uniform(0.4, 1.6)
            pitch = chance.uniform(90, 220) * 2 * math.pi / RATE
            sound += [
                loud
                * math.sin(math.pi * at / length)
                * (math.sin(pitch * at) + 0.6 * math.sin(3 * pitch * at) + 0.3 * math.cos(7 * at))
                for at in range(length)
            ]
            sound += [0.0] * chance.randint(100, 500)
        sound += [0.0] * chance.randint(2000, 4000)
    sound = sound[: round(seconds * RATE)]
    frames = [sound[at : at + FRAME] for at in range(0, len(sound), FRAME)]
    loudness = sorted(math.sqrt(sum(v * v for v in frame) / len(frame)) for frame in frames)
    usual = [one for one in loudness if one > loudness[-1] / 10]
    scale = mulaw.FULL_SCALE * 10 ** (level_dbfs / 20) / usual[len(usual) // 2]
    return samples([value * scale for value in sound])


def nothing(seconds: float) -> bytes:
    """Linear: no sound at all."""
    return bytes(2 * round(seconds * RATE))


def mixed(*sounds: bytes) -> bytes:
    """Linear: all at once, as long as the longest."""
    longest = max(map(len, sounds))
    whole = bytes(longest)
    for sound in sounds:
        whole = audioop.add(whole, sound.ljust(longest, b"\0"), 2)
    return whole


def echoed(sound: bytes, *, after_ms: int, softer_db: float) -> bytes:
    """Linear: the same later and softer."""
    later = nothing(after_ms / 1000) + audioop.mul(sound, 2, 10 ** (-softer_db / 20))
    return later[: len(sound)]


def louder(sound: bytes, decibels: float) -> bytes:
    """Linear: clipped where it becomes too loud."""
    return audioop.mul(sound, 2, 10 ** (decibels / 20))


def on_the_line(sound: bytes) -> bytes:
    """µ-law, as it comes from Twilio."""
    return mulaw.from_linear(sound)
