"""How good the caller's line is: measured, never altered.

Owns the figures. Leaves what is a voice to ``voice``, the likeness of both sides to ``echo``, what
is poor to ``verdict``, and what is done about it to ``session``.
"""

import math
from typing import Final

import msgspec

from bridge.call.echo import Echo
from bridge.call.verdict import Fault, Figures, judge
from bridge.call.voice import Voice
from bridge.wire import mulaw

_FRAMES_A_SECOND = 1000 // mulaw.FRAME_MS
_FRAME_S = 1 / _FRAMES_A_SECOND

GAP_S: Final = 0.08
"""Audio that comes so much later than it should, after what came before it, is a gap. Up to 233 ms
were seen with nothing lost (twilio-voice.md 2.3), so gaps are counted and no more."""
JUDGED_VOICE_FRAMES: Final = 5 * _FRAMES_A_SECOND
"""So much of the caller's voice, heard while the agent was silent, makes a verdict."""
JUDGED_FRAMES: Final = 30 * _FRAMES_A_SECOND
"""Or so much of anything, where there was less voice."""
SOFTEST_NOISE_DBFS: Final = -72.0
"""µ-law's smallest step. A line without any noise is given this, so that its figures stay sane."""

_CLIPPED_RMS = math.floor(mulaw.LOUDEST / math.sqrt(mulaw.FRAME_BYTES))
"""A frame with one clipped sample is no softer than this: others need not be searched."""
_DECIBELS = round(-mulaw.NOTHING_DBFS) + 1


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """One call's line so far. What could not be measured is None."""

    heard_s: float
    """Seconds of caller audio."""
    voice_s: float
    """Seconds of it with the caller's voice and the agent silent."""
    level_dbfs: float | None
    """The voice's level: the median, to a decibel."""
    noise_dbfs: float | None
    """The median level of what is no voice, the agent silent."""
    snr_db: float | None
    """The one above the other."""
    clipping_share: float
    """Of the voice's samples, those as large as µ-law can say."""
    silence_share: float
    """Of all caller audio, that without any voice."""
    mute_share: float
    """Of all caller audio, digital silence."""
    echo: float | None
    """How much the caller's side rises and falls as the agent's did just before, −1 to 1."""
    gaps: int
    """How often audio came ``GAP_S`` late or more."""
    longest_gap_s: float
    missing_s: float
    """Seconds since the first audio of which none came, in gaps or for good."""
    poor: Fault | None
    """The verdict."""


class _Tally:
    """What was counted over some stretch of time, in frames of caller audio."""

    __slots__ = ("agent", "agent_voice", "clipped", "heard", "mute", "noise", "voice", "voices")

    def __init__(self) -> None:
        self.heard = self.mute = 0
        self.agent = self.agent_voice = 0
        """While the agent was audible; that as loud as a voice."""
        self.voice = 0
        self.clipped = 0
        """Samples, not frames; of the voice only."""
        self.voices = [0] * _DECIBELS
        """Those with the caller's voice, by their level in decibels below full scale."""
        self.noise = [0] * _DECIBELS

    def add(self, other: "_Tally") -> None:
        self.heard += other.heard
        self.mute += other.mute
        self.agent += other.agent
        self.agent_voice += other.agent_voice
        self.voice += other.voice
        self.clipped += other.clipped
        self.voices = [sum(two) for two in zip(self.voices, other.voices, strict=True)]
        self.noise = [sum(two) for two in zip(self.noise, other.noise, strict=True)]


class LineQuality:
    """One call's meter. Fed every piece of caller audio, of any length, and the agent's too.

    One or two microseconds a frame (``holdfast bench sound`` measures it) and ten kilobytes a call.
    """

    __slots__ = (
        "_before",
        "_echo",
        "_first_at",
        "_gaps",
        "_last_at",
        "_longest_gap_s",
        "_poor",
        "_rest",
        "_tally",
        "_voice",
        "level_dbfs",
    )

    def __init__(self) -> None:
        self.level_dbfs = mulaw.NOTHING_DBFS
        """Of the last whole frame."""
        self._voice = Voice()
        self._echo = Echo()
        self._tally = _Tally()
        self._before = _Tally()
        self._poor: Fault | None = None
        self._rest = b""
        self._first_at = 0.0
        self._last_at = -math.inf
        self._gaps = 0
        self._longest_gap_s = 0.0

    # --- what is heard and said --------------------------------------------------------------

    def hear(self, audio: bytes, now: float) -> bool:
        """A piece of caller audio, any number of bytes, at the instant when it came.

        Returns what ``speech`` is from then on.
        """
        byte_count = len(audio)
        late_s = now - self._last_at
        if late_s >= GAP_S:
            self._late(late_s - mulaw.duration_s(byte_count), now)
        self._last_at = now
        if byte_count == mulaw.FRAME_BYTES and not self._rest:
            self._measure(audio)
        else:
            self._measure_odd(audio)
        return self._voice.present

    def spoke(self, audio: bytes, now: float) -> None:
        """Audio sent to the caller, to be played behind what was sent before."""
        self._echo.play(audio, now)

    def hushed(self, now: float) -> None:
        """What was sent to the caller and not played yet never will be: a ``clear``."""
        self._echo.hush(now)

    # --- what is known -----------------------------------------------------------------------

    @property
    def speech(self) -> bool:
        """Whether the last piece was louder than the line's noise by the margin of a voice.

        The agent's echo may be that too; ``agent_audible`` says when it is to be reckoned with.
        """
        return self._voice.present

    @property
    def voice_ms(self) -> int:
        """How long the present voice has lasted, pauses within words included; 0: there is none."""
        return self._voice.stretch_ms

    @property
    def agent_audible(self) -> bool:
        """Whether what the line carries may be the agent's own voice, coming back."""
        return self._echo.audible

    def poor(self) -> Fault | None:
        """What is wrong with the line, by the last stretch with enough voice in it to judge."""
        return self._poor

    def report(self) -> Quality:
        """All figures of the call so far; about 30 µs, so not for every frame."""
        tally = _Tally()
        tally.add(self._before)
        tally.add(self._tally)
        level, noise = _median(tally.voices), _noise(tally)
        heard_s = tally.heard / _FRAMES_A_SECOND
        # The newest piece lasts beyond the instant of its coming.
        missing_s = self._last_at - self._first_at + _FRAME_S - heard_s if heard_s else 0.0
        return Quality(
            heard_s=heard_s,
            voice_s=tally.voice / _FRAMES_A_SECOND,
            level_dbfs=level,
            noise_dbfs=noise,
            snr_db=None if level is None or noise is None else level - noise,
            clipping_share=_share(tally.clipped, tally.voice * mulaw.FRAME_BYTES),
            silence_share=_share(tally.heard - tally.voice - tally.agent_voice, tally.heard),
            mute_share=_share(tally.mute, tally.heard),
            echo=self._echo.score if self._echo.comparisons else None,
            gaps=self._gaps,
            longest_gap_s=self._longest_gap_s,
            missing_s=max(0.0, missing_s),
            poor=self._poor,
        )

    # --- measuring ---------------------------------------------------------------------------

    def _late(self, by_s: float, now: float) -> None:
        if by_s == math.inf:
            self._first_at = now
        elif by_s >= GAP_S:
            self._gaps += 1
            self._longest_gap_s = max(self._longest_gap_s, by_s)

    def _measure_odd(self, audio: bytes) -> None:
        """Levels of less than 20 ms follow the voice's own pitch, of more than 40 hide pauses."""
        audio = self._rest + audio
        start = 0
        while len(audio) - start >= mulaw.FRAME_BYTES:
            end = start + mulaw.FRAME_BYTES
            self._measure(audio[start:end])
            start = end
        self._rest = audio[start:]

    def _measure(self, frame: bytes) -> None:
        level = mulaw.rms(frame)
        self.level_dbfs = dbfs = mulaw.dbfs(level)
        voice = self._voice.hear(level)
        tally = self._tally
        tally.heard += 1
        if not level:
            tally.mute += 1
        if self._echo.hear(level):
            tally.agent += 1
            if voice:
                tally.agent_voice += 1
        elif voice:
            tally.voice += 1
            tally.voices[int(-dbfs)] += 1
            if level >= _CLIPPED_RMS:
                tally.clipped += mulaw.clipped(frame)
            if tally.voice == JUDGED_VOICE_FRAMES:
                self._judge()
        else:
            tally.noise[int(-dbfs)] += 1
            if tally.heard >= JUDGED_FRAMES:
                self._judge()

    def _judge(self) -> None:
        tally = self._tally
        enough = tally.voice >= JUDGED_VOICE_FRAMES
        clipping = _share(tally.clipped, tally.voice * mulaw.FRAME_BYTES)
        figures = Figures(
            level_dbfs=_median(tally.voices) if enough else None,
            noise_dbfs=_noise(tally),
            clipping_share=clipping if enough else 0.0,
            echo=self._echo.score,
            echo_comparisons=self._echo.comparisons,
            echo_voice_share=_share(tally.agent_voice, tally.agent),
        )
        self._poor = judge(figures, self._poor)
        self._before.add(tally)
        self._tally = _Tally()


def _median(counts: list[int]) -> float | None:
    left = sum(counts) / 2
    below = 0
    if not left:
        return None
    while (left := left - counts[below]) > 0:
        below += 1
    return -float(below)


def _noise(tally: _Tally) -> float | None:
    noise = _median(tally.noise)
    return None if noise is None else max(noise, SOFTEST_NOISE_DBFS)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
