"""Is the caller's line poor? Thresholds, each with one to enter and one to leave.

Pure: figures in, a word out. Leaves measuring to ``quality``.
"""

from typing import Final, Literal

import msgspec

Fault = Literal["clipping", "quiet", "noisy", "echo"]
"""What is wrong with a line, the one to be mended first before the others."""

CLIPPING_SHARE: Final = (0.01, 0.003)
"""Of the voice's samples, those as large as µ-law can say: poor from the first number on, until
below the second."""
QUIET_DBFS: Final = (-40.0, -36.0)
"""A voice softer than the first, until it is louder than the second. Talk is tested at −26 dBFS
(the nominal level of ITU-T P.830); 10 dB less is still usual on real lines."""
NOISY_SNR_DB: Final = (14.0, 18.0)
"""A voice less above its noise than the first, until it is more than the second."""
NOISY_DBFS: Final = (-35.0, -40.0)
"""Noise louder than the first, until it is softer than the second, where hardly any voice was
found: then it may be drowned."""
ECHO_SCORE: Final = (0.6, 0.45)
"""The likeness of both sides, in the mean of ``ECHO_COMPARISONS`` or more."""
ECHO_COMPARISONS: Final = 4
ECHO_VOICE_SHARE: Final = 0.15
"""An echo harms if it is as loud as a voice for so much of the time in which the agent speaks."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a line lately."""

    level_dbfs: float | None
    """The voice's median; None if there was too little voice to go by."""
    noise_dbfs: float | None
    clipping_share: float
    echo: float
    echo_comparisons: int
    echo_voice_share: float


def judge(figures: Figures, before: Fault | None) -> Fault | None:
    """The line's fault now, given its fault so far: what is poor stays so until clearly better."""
    if before is not None and _has(before, figures, leaving=True):
        return before
    for fault in _ORDER:
        if _has(fault, figures, leaving=False):
            return fault
    return None


_ORDER: Final[tuple[Fault, ...]] = ("clipping", "quiet", "noisy", "echo")


def _has(fault: Fault, figures: Figures, *, leaving: bool) -> bool:
    match fault:
        case "clipping":
            return figures.clipping_share >= CLIPPING_SHARE[leaving]
        case "quiet":
            return figures.level_dbfs is not None and figures.level_dbfs < QUIET_DBFS[leaving]
        case "noisy":
            return _is_noisy(figures.level_dbfs, figures.noise_dbfs, leaving=leaving)
    return (  # an echo
        figures.echo_comparisons >= ECHO_COMPARISONS
        and figures.echo >= ECHO_SCORE[leaving]
        and figures.echo_voice_share >= ECHO_VOICE_SHARE
    )


def _is_noisy(level: float | None, noise: float | None, *, leaving: bool) -> bool:
    if noise is None:
        return False
    if level is None:
        return noise > NOISY_DBFS[leaving]
    return level - noise < NOISY_SNR_DB[leaving]
