"""What scenarios came to, as a table for a terminal, one document, or a page of the docs."""

import platform
import textwrap
from collections.abc import Sequence

import msgspec

from admin.evidence import Evidence
from admin.recognition import HeardLine
from bridge.simulator.report import percentile, table
from bridge.simulator.scenario import Scenario


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One call in numbers; None where there was nothing to measure."""

    duration_s: float
    first_frame_ms: float | None
    """From ``start`` to the first frame of the greeting."""
    turn_gap_p50_ms: float | None
    """Median wait from the end of what she said to the first sound of an answer."""
    barge_in_stop_ms: float | None
    """Longest time from her first sound to the last one of what she broke into."""
    longest_silence_ms: float
    interruptions: int
    fillers: int
    function_calls: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario that was played."""

    name: str
    shows: str
    ok: bool
    failures: list[str]
    """What was expected and was not so, and what was there instead."""
    call_sid: str = ""
    heard: list[HeardLine] = []
    figures: Figures | None = None
    """None: the call could not be placed at all."""
    wav: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """All that were played; ``holdfast scenarios --json``."""

    ok: bool
    passed: int
    failed: int
    parallel: int
    took_s: float
    failures: list[str]
    """Of the run as a whole."""
    scenarios: list[Result]


def result(
    scenario: Scenario, failures: Sequence[str], evidence: Evidence, call_sid: str, wav: str
) -> Result:
    """A call that was judged."""
    return Result(
        name=scenario.name,
        shows=scenario.summary,
        ok=not failures,
        failures=list(failures),
        call_sid=call_sid,
        heard=evidence.heard,
        figures=Figures(
            duration_s=round(evidence.duration_s, 1),
            first_frame_ms=_rounded(evidence.first_media_ms),
            turn_gap_p50_ms=_rounded(
                percentile(evidence.turn_gaps_ms, 0.5) if evidence.turn_gaps_ms else None
            ),
            barge_in_stop_ms=_rounded(max(evidence.barge_in_stop_ms, default=None)),
            longest_silence_ms=round(evidence.longest_silence_ms),
            interruptions=evidence.interruptions,
            fillers=sum(line.line in evidence.fillers for line in evidence.heard),
            function_calls=sum(note.kind == "asked" for note in evidence.notes),
        ),
        wav=wav,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


# -- for a terminal ----------------------------------------------------------------------------

_WIDTH = 100
_HEADING = (
    "",
    "verdict",
    "call",
    "first",
    "gap",
    "stop",
    "silence",
    "breaks in",
    "fillers",
    "asks",
)


def as_text(run: Run) -> str:
    """Everything, for a terminal."""
    lines = [line for each in run.scenarios for line in _block(each)]
    rows = [_HEADING, *(_row(each) for each in run.scenarios)]
    lines += ["", table(rows), ""]
    lines += [f"FAILED: {each}" for each in run.failures]
    for each in run.scenarios:
        lines += [f"FAILED {each.name}: {failure}" for failure in each.failures]
    lines.append(_total(run))
    return "\n".join(lines)


def heard_words(heard: Sequence[HeardLine]) -> str:
    """What she heard, line by line; a dash where a line was cut."""
    return " / ".join(
        ("" if line.from_start else "– ") + line.words + ("" if line.to_end else " –")
        for line in heard
    )


def _block(each: Result) -> list[str]:
    body = textwrap.wrap(heard_words(each.heard) or "nothing", _WIDTH - 4)
    return [f"{each.name}: {each.shows}", *(f"    {line}" for line in body)]


def _row(each: Result) -> tuple[str, ...]:
    return (each.name, "passed" if each.ok else "FAILED", *_cells(each.figures))


def _cells(figures: Figures | None) -> tuple[str, ...]:
    if figures is None:
        return ("",) * (len(_HEADING) - 2)
    return (
        f"{figures.duration_s:.1f} s",
        _ms(figures.first_frame_ms),
        _ms(figures.turn_gap_p50_ms),
        _ms(figures.barge_in_stop_ms),
        _ms(figures.longest_silence_ms),
        str(figures.interruptions),
        str(figures.fillers),
        str(figures.function_calls),
    )


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"


def _total(run: Run) -> str:
    failed = f", {run.failed} failed" if run.failed else ""
    return f"{run.passed} passed{failed}; {run.parallel} at a time, {run.took_s:.0f} s in all"


# -- for the docs ------------------------------------------------------------------------------

_PAGE = """# Scenarios

Scripted calls through the real processes: bridge, worker, Valkey, database, and the two peers
played by the simulator, with real sound both ways. One command plays them all, judges each by the
expectations in its file (`bridge/simulator/scenarios/`), and writes this page:

```
.venv/bin/holdfast scenarios --write SCENARIOS.md
```

What she heard is recognised from the sound in the caller's ear, not from what was sent: ` – ` is
where a line was cut. Figures are of one call each: its length; from the stream's `start` to the
greeting's first frame; the median from the end of what she said to the answer's first sound, of
which the simulated agent takes 650 ms; the longest from her first sound to the last one of what she
broke into; the longest silence of both sides; how often she broke in; fillers she heard; function
calls.

{machine}, Python {python}: {total}.

| scenario | shows | she heard | verdict | call | first | gap | stop | silence | in | fill | asks |
|---|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|
"""


def as_page(run: Run) -> str:
    """The table as a plain document."""
    head = _PAGE.format(
        machine=f"{platform.machine()}, {_cores()}",
        python=platform.python_version(),
        total=_total(run),
    )
    return head + "".join(_line(each) for each in run.scenarios)


def _line(each: Result) -> str:
    verdict = "passed" if each.ok else "FAILED: " + "; ".join(each.failures)
    words = heard_words(each.heard) or "nothing"
    cells = (f"`{each.name}`", each.shows, words, verdict, *_cells(each.figures))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _cores() -> str:
    count = cores()
    return f"{count} core" + "s" * (count != 1)


def cores() -> int:
    """Processors this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
