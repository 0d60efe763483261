"""Stamps of one turn → the latencies we publish, in seconds."""

from statistics import median

import msgspec


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """One measured wait."""

    stage: str
    """``greeting`` start → first audio; ``reply`` caller's turn confirmed → first agent audio;
    ``function_call`` asked → answered; ``speech thinking voice total`` as Deepgram reports."""
    seconds: float
    at_s: float
    """Seconds into the call when it was complete."""


class Stamps:
    """The open stamps of one call; each is closed once."""

    def __init__(self, *, keep: int = 512) -> None:
        self.latencies: list[Latency] = []
        self._keep = keep
        self._open: dict[str, float] = {}

    def begin(self, stage: str, now: float) -> None:
        """A wait begins; an open one of the same stage begins anew."""
        self._open[stage] = now

    def drop(self, stage: str) -> None:
        """The wait came to nothing."""
        self._open.pop(stage, None)

    def end(self, stage: str, now: float, at_s: float) -> None:
        """The wait is over, if one was open."""
        begun = self._open.pop(stage, None)
        if begun is not None:
            self.add(stage, now - begun, at_s)

    def add(self, stage: str, seconds: float, at_s: float) -> None:
        """A wait measured elsewhere; beyond ``keep`` the oldest are forgotten."""
        self.latencies.append(Latency(stage=stage, seconds=seconds, at_s=at_s))
        if len(self.latencies) > self._keep:
            del self.latencies[0]

    def medians_ms(self) -> dict[str, float]:
        """The median of each stage that was measured, in milliseconds."""
        stages: dict[str, list[float]] = {}
        for latency in self.latencies:
            stages.setdefault(latency.stage, []).append(latency.seconds)
        return {stage: round(median(waits) * 1000, 1) for stage, waits in stages.items()}
