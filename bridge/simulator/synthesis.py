"""Speech made on the spot, for text that no clip has: flite, espeak-ng, or a placeholder.

flite first, since the clips were made with it and a line of both then has one voice. Leaves
choosing between clip and synthesis to ``voices``.
"""

import ctypes
import hashlib
import math
import shutil
import struct
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from operator import mul
from pathlib import Path
from typing import Any, Protocol

from bridge.simulator import levels
from bridge.wire import mulaw
from bridge.wire.mulaw import SAMPLE_RATE_HZ, silence

LEVEL_DBFS = -21.0
"""Every line is spoken at this level (RMS over its speech), as a telephone's gain would do."""

FLITE_VOICES = {"caller": "slt", "agent": "rms"}
"""A woman calls, a man answers: two voices that nobody takes for each other."""

_STRETCH = {"caller": 0.92, "agent": 0.88}
"""Receptionists talk faster than flite does."""


class Synthesiser(Protocol):
    """Something that speaks."""

    def speak(self, text: str, voice: str) -> bytes:
        """The text as µ-law at 8 000 Hz in the voice ``caller`` or ``agent``."""
        ...


def best_synthesiser() -> Synthesiser:
    """The best that this machine has; the placeholder where it has none."""
    flite = shutil.which("flite")
    if flite is not None:
        return Flite(flite)
    try:
        return Espeak()
    except (ImportError, OSError):
        return Placeholder()


class Flite:
    """The ``flite`` program (voices under a BSD-like licence)."""

    def __init__(self, program: str = "flite") -> None:
        self._program = program

    def command(self, voice: str) -> list[str]:
        """The program with the options that make the voice."""
        stretch = f"duration_stretch={_STRETCH[voice]}"
        return [self._program, "-voice", FLITE_VOICES[voice], "--setf", stretch]

    def speak(self, text: str, voice: str) -> bytes:
        """The text as µ-law; see ``Synthesiser``."""
        with tempfile.TemporaryDirectory(prefix="flite") as folder:
            path = Path(folder) / "line.wav"
            options = [
                "-voice",
                FLITE_VOICES[voice],
                "--setf",
                f"duration_stretch={_STRETCH[voice]}",
            ]
            subprocess.run(
                [self._program, *options, "-t", text, "-o", str(path)], check=True, timeout=30
            )
            with wave.open(str(path)) as recording:
                rate_hz = recording.getframerate()
                samples = recording.readframes(recording.getnframes())
        return finished(samples, rate_hz)


class Espeak:
    """``espeak-ng`` from the optional ``espeakng-loader`` (the extra ``speech``).

    Raises:
        ImportError: the package is not installed.
        OSError: its library cannot be loaded here.
    """

    _VOICES = {"caller": b"en-us+f3", "agent": b"en-us"}  # noqa: RUF012 - a constant
    _WORDS_PER_MINUTE = 160
    _SYNCHRONOUS = 2
    _UTF8 = 1
    _RATE = 1

    def __init__(self) -> None:
        import espeakng_loader  # an optional extra

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._rate_hz: int = self._library.espeak_Initialize(
            self._SYNCHRONOUS, 0, str(espeakng_loader.get_data_path()).encode(), 0
        )
        if self._rate_hz <= 0:
            raise OSError("espeak-ng did not start")
        self._said: list[bytes] = []
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self._callback = kind(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_SetParameter(self._RATE, self._WORDS_PER_MINUTE, 0)

    def _collect(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._said.append(ctypes.string_at(samples, count * 2))
        return 0

    def speak(self, text: str, voice: str) -> bytes:
        """The text as µ-law; see ``Synthesiser``."""
        self._said.clear()
        self._library.espeak_SetVoiceByName(self._VOICES[voice])
        utf8 = text.encode()
        self._library.espeak_Synth(utf8, len(utf8) + 1, 0, 0, 0, self._UTF8, None, None)
        self._library.espeak_Synchronize()
        return finished(b"".join(self._said), self._rate_hz)


class Placeholder:
    """No speech at all: for each word a tone of a word's length, its pitch the word's own.

    It keeps the timing of a call right and every line different from every other. Nobody takes it
    for speech; ``pip install holdfast[speech]`` or flite on the path brings words.
    """

    _MS_PER_LETTER = 65
    _GAP_MS = 60
    _AMPLITUDE = 5000

    def speak(self, text: str, voice: str) -> bytes:
        """Tones as µ-law; see ``Synthesiser``."""
        sounds = []
        for word in text.split():
            digest = hashlib.sha256(f"{voice} {word}".encode()).digest()
            pitch_hz = 180 + int.from_bytes(digest[:2], "big") % 400
            sounds.append(self._tone(pitch_hz, self._MS_PER_LETTER * max(2, len(word))))
        return silence(self._GAP_MS).join(sounds)

    def _tone(self, pitch_hz: int, milliseconds: int) -> bytes:
        count = milliseconds * SAMPLE_RATE_HZ // 1000
        step = 2 * math.pi * pitch_hz / SAMPLE_RATE_HZ
        samples = [round(self._AMPLITUDE * math.sin(step * at)) for at in range(count)]
        return mulaw.from_linear(struct.pack(f"={count}h", *samples))


def finished(samples: bytes, rate_hz: int) -> bytes:
    """16-bit samples at any rate as µ-law at 8 000 Hz: filtered, trimmed, levelled."""
    narrow = to_telephone_rate(samples, rate_hz)
    return mulaw.from_linear(levelled(_trimmed(narrow)))


def to_telephone_rate(samples: bytes, rate_hz: int) -> bytes:
    """16-bit samples at 8 000 Hz, without what a telephone cannot carry."""
    if rate_hz == SAMPLE_RATE_HZ:
        return samples
    count = len(samples) // 2
    values = struct.unpack(f"={count}h", samples[: count * 2])
    taps = _low_pass(3400 / rate_hz)
    padding = (0,) * (len(taps) // 2)
    padded = padding + values + padding
    step = 2 if rate_hz == 2 * SAMPLE_RATE_HZ else 1
    filtered = [
        max(-32768, min(32767, round(sum(map(mul, taps, padded[at : at + len(taps)])))))
        for at in range(0, count, step)
    ]
    narrow = struct.pack(f"={len(filtered)}h", *filtered)
    return narrow if step == 2 else levels.resampled(narrow, rate_hz, SAMPLE_RATE_HZ)


def _low_pass(cutoff: float, half: int = 24) -> Sequence[float]:
    """A windowed sinc; ``cutoff`` is a share of the sample rate."""
    taps = [
        2 * cutoff if at == 0 else math.sin(2 * math.pi * cutoff * at) / (math.pi * at)
        for at in range(-half, half + 1)
    ]
    window = [0.54 + 0.46 * math.cos(math.pi * at / half) for at in range(-half, half + 1)]
    shaped = [tap * weight for tap, weight in zip(taps, window, strict=True)]
    whole = sum(shaped)
    return [tap / whole for tap in shaped]


_PIECE_BYTES = 2 * SAMPLE_RATE_HZ // 200
"""5 ms of 16-bit samples."""
_AIR_PIECES = 3
"""15 ms are left before the first and after the last sound."""
_QUIET_RMS = 120


def _trimmed(samples: bytes) -> bytes:
    starts = range(0, len(samples), _PIECE_BYTES)
    loud = [
        number
        for number, at in enumerate(starts)
        if levels.linear_rms(samples[at : at + _PIECE_BYTES]) > _QUIET_RMS
    ]
    if not loud:
        return b""
    first = max(0, loud[0] - _AIR_PIECES) * _PIECE_BYTES
    last = (loud[-1] + 1 + _AIR_PIECES) * _PIECE_BYTES
    return samples[first:last]


def levelled(samples: bytes) -> bytes:
    """16-bit samples at the level at which every line is spoken."""
    level = levels.linear_rms(samples)
    if not level:
        return samples
    return levels.louder(samples, mulaw.linear(LEVEL_DBFS) / level)
