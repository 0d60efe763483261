"""The caller's sound, from her line to the agent: measured, filtered, gated, kept, grouped.

Composes ``quality``, the two filters, ``floor_gate`` and ``hearing``; leaves when the agent listens
to ``session``.
"""

import math
from collections.abc import Iterator

from bridge.call.floor_gate import Floor, FloorGate
from bridge.call.hearing import Hearing
from bridge.call.manners import Manners
from bridge.call.noise_gate import NoiseGate
from bridge.call.quality import LineQuality
from bridge.call.volume import EvenVolume
from bridge.wire import mulaw


class Ear:
    """One caller's sound."""

    def __init__(self, manners: Manners) -> None:
        self.quality = LineQuality()
        self.voice_at = 0.0
        """When a voice was heard last."""
        self.spoken_bytes = 0
        """Of the caller's own voice, since ``noticed``."""
        self.spoken_since = 0.0
        """When that began; means nothing while it is none."""
        self.replay_s = mulaw.duration_s(manners.replay_bytes)
        self._spoke_at = -math.inf
        self._noise_gate = NoiseGate() if manners.noise_gate else None
        self._volume = EvenVolume() if manners.even_volume else None
        self._floor = FloorGate(soft_bytes=manners.soft_ms * mulaw.BYTES_PER_MS)
        self._hearing = Hearing(
            group_bytes=manners.group_bytes,
            kept_bytes=manners.kept_bytes,
            replay_bytes=manners.replay_bytes,
        )

    @property
    def dropped_bytes(self) -> int:
        """Caller audio that was dropped because the agent was not ready in time."""
        return self._hearing.dropped_bytes

    @property
    def first(self) -> bool:
        """True from the first piece of the caller's sound until the second."""
        return self._hearing.first

    @property
    def withheld_bytes(self) -> int:
        """Caller speech that never reached the agent because it had no right to the floor."""
        return self._floor.withheld_bytes

    def hear(self, audio: bytes, now: float, floor: Floor) -> bytes:
        """Take a piece of caller audio; returns what the agent is to hear now, often nothing."""
        quality = self.quality
        speech = quality.hear(audio, now)
        if speech:
            self.voice_at = now
            if not quality.agent_audible:  # or it may be the agent's own voice, coming back
                if not self.spoken_bytes:
                    self.spoken_since = now
                self._spoke_at = now
                self.spoken_bytes += len(audio)
        if self._volume is not None:
            audio = self._volume.pass_(audio, quality.level_dbfs, speech=speech)
        if self._noise_gate is not None:
            audio = self._noise_gate.pass_(audio, speech=speech)
        if floor != "open" or not self._floor.empty:
            audio = self._floor.pass_on(audio, floor, speech=speech)
        return self._hearing.hear(audio, now)

    def spoke_since(self, at: float) -> bool:
        """True if the caller's own voice was heard then or later."""
        return self._spoke_at >= at

    def noticed(self) -> None:
        """The agent shows that it heard her."""
        self.spoken_bytes = 0

    def turn_over(self) -> None:
        """Her words are known: no session of the agent need hear them again."""
        self._hearing.forget()

    # --- the agent's side --------------------------------------------------------------------

    def open(self) -> Iterator[bytes]:
        """The agent listens from now on; what was kept for it, oldest first."""
        return self._hearing.open()

    def close(self, *, replay: bool) -> None:
        """The agent does not listen any more; ``replay``: the caller is in mid-sentence."""
        self._hearing.close(replay=replay)

    @property
    def fill_at(self) -> float | None:
        """When silence is to be sent in place of frames that do not come."""
        return self._hearing.fill_at

    def fill(self, now: float) -> bytes:
        """That silence."""
        return self._hearing.fill(now)
