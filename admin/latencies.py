"""The latencies of a call as the table that ends it; the figures themselves are the report's."""

from collections.abc import Sequence

import msgspec

from admin.narrative import FunctionCall
from bridge.simulator.report import CallReport, percentile, table


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of waiting, over a call."""

    what: str
    count: int
    p50_ms: float
    longest_ms: float


def latencies(report: CallReport, function_calls: Sequence[FunctionCall]) -> list[Latency]:
    """How long a caller waited, and for what."""
    figures = report.figures
    samples = {
        "greeting: webhook → first sound": _given(figures.answer_ms),
        "greeting: stream start → first frame": _given(figures.first_media_ms),
        "turn gap: her last sound → the answer's first": [gap.gap_ms for gap in figures.turn_gaps],
        "barge-in: her first sound → the agent's last": [cut.stop_ms for cut in figures.barge_ins],
        "function call: asked → answered": [call.round_trip_ms for call in function_calls],
    }
    return [
        Latency(
            what=what,
            count=len(values),
            p50_ms=round(percentile(values, 0.5), 1),
            longest_ms=round(max(values), 1),
        )
        for what, values in samples.items()
        if values
    ]


def as_table(rows: Sequence[Latency]) -> str:
    """For a terminal."""
    heading = ["", "n", "p50", "longest"]
    cells = [
        [row.what, str(row.count), f"{row.p50_ms:,.1f} ms", f"{row.longest_ms:,.1f} ms"]
        for row in rows
    ]
    return table([heading, *cells])


def _given(value: float | None) -> list[float]:
    return [] if value is None else [value]
