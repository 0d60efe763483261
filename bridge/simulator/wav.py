"""A call as a file a person can listen to: 8 000 Hz, 16 bit, caller left, what she heard right."""

import wave
from pathlib import Path

from bridge.simulator.report import CallReport
from bridge.wire import mulaw

__all__ = ["stereo", "write_wav"]

_SAMPLE_BYTES = 2
_FRAME_BYTES = 2 * _SAMPLE_BYTES


def stereo(left: bytes, right: bytes) -> bytes:
    """Two µ-law tracks as interleaved 16-bit samples; the shorter one ends in silence."""
    length = max(len(left), len(right))
    sound = bytearray(length * _FRAME_BYTES)
    for channel, track in enumerate((left, right)):
        samples = mulaw.to_linear(track.ljust(length, bytes([mulaw.SILENCE])))
        for byte in range(_SAMPLE_BYTES):
            sound[channel * _SAMPLE_BYTES + byte :: _FRAME_BYTES] = samples[byte::_SAMPLE_BYTES]
    return bytes(sound)


def write_wav(report: CallReport, path: str | Path) -> Path:
    """Writes both tracks of a call; returns where."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(_SAMPLE_BYTES)
        file.setframerate(mulaw.SAMPLE_RATE_HZ)
        file.writeframes(stereo(report.caller_track, report.heard_track))
    return path
