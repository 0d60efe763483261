"""What a load test came to, whether it is good, and its table.

A run is not good when a bound is missed, but neither when a call was lost or the generator itself
could not keep up: then its figures say nothing. Leaves measuring to ``bridge.simulator.load``.
"""

import msgspec

from bridge.simulator.report import table

__all__ = ["DEFAULT_BOUND_MS", "Direction", "LoadReport", "Moment", "as_table", "verdict"]

DEFAULT_BOUND_MS = 5.0
"""Milliseconds of the bridge's CPU for one second of one call."""

GREETING_P95_MS = 20.0
"""From ``start`` to the greeting's first frame, with a warm cache (B6)."""

BARGE_IN_P99_MS = 5.0
"""From the agent's word that the caller speaks to the ``clear`` on the wire (B4)."""

_FEWEST_CALLS = 50
"""With fewer the bridge's fixed cost, shared by few, hides what a call costs."""

_LATE_MS = 5.0
"""A generator whose ticks are later than this, one in a hundred, is itself too slow."""


class Direction(msgspec.Struct, frozen=True, kw_only=True):
    """The delay the bridge adds one way, socket to socket, in milliseconds."""

    frames: int
    lost: int
    p50_ms: float
    p99_ms: float
    newest_p50_ms: float
    """Of the newest frame in each message only: without the wait that grouping asks for."""
    newest_p99_ms: float


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """How long the bridge takes for something that has to come at once, in milliseconds."""

    count: int
    missed: int
    """How often it never came."""
    p50_ms: float
    p95_ms: float
    p99_ms: float


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """What N calls cost."""

    machine: str
    calls: int
    seconds: float
    cpu_ms_per_call_second: float
    calls_per_core: float
    memory_per_call_kb: float
    caller_to_agent: Direction
    agent_to_caller: Direction
    frame_ms: int
    """Sound in one message of the agent."""
    barge_ins_per_minute: float
    """In each call."""
    greeting: Moment
    """From ``start`` to the first frame; missed where the agent spoke first."""
    barge_in: Moment
    """From ``UserStartedSpeaking`` while the agent speaks to ``clear``, socket to socket."""
    failures: list[str]
    """Calls that did not come up."""
    ended_early: int
    malformed: int
    """Messages of the bridge that Twilio would have refused."""
    generator_cores: float
    """CPU of callers and agent together, over their whole life."""
    late_p99_ms: float
    """How far behind its own clock the slower end of the generator was."""
    late_max_ms: float

    @property
    def is_judged(self) -> bool:
        """Whether there are enough calls to hold their cost against a bound."""
        return self.calls >= _FEWEST_CALLS

    def complaints(
        self, bound_ms: float = DEFAULT_BOUND_MS, *, moments_too: bool = False
    ) -> list[str]:
        """Why this run is not good: a bound missed, a call lost, or a measurement not to trust.

        With ``moments_too`` the greeting and barge-in are held against their bounds.
        """
        found = [f"a call did not come up: {why}" for why in self.failures[:3]]
        if not self.calls:
            return found or ["no call was placed"]
        if self.is_judged and self.cpu_ms_per_call_second > bound_ms:
            found.append(
                f"{self.cpu_ms_per_call_second:.2f} ms per call-second, bound {bound_ms:g}"
            )
        if self.ended_early:
            found.append(f"the bridge ended {self.ended_early} calls")
        if self.malformed:
            found.append(f"{self.malformed} messages that Twilio would refuse")
        for name, way in (("caller", self.caller_to_agent), ("agent", self.agent_to_caller)):
            if way.lost or not way.frames:
                found.append(f"{way.lost} of {way.frames + way.lost} frames of the {name} lost")
        if moments_too:
            found += _late("greeting", self.greeting, "p95", self.greeting.p95_ms, GREETING_P95_MS)
            found += _late("barge-in", self.barge_in, "p99", self.barge_in.p99_ms, BARGE_IN_P99_MS)
        if self.late_p99_ms > _LATE_MS:
            found.append(
                f"the generator was {self.late_p99_ms:.1f} ms late (p99): not to be trusted"
            )
        return found


def _late(name: str, moment: Moment, share: str, measured_ms: float, bound_ms: float) -> list[str]:
    found = []
    if moment.missed or not moment.count:
        found.append(f"{name}: {moment.missed} of {moment.count + moment.missed} never came")
    if measured_ms > bound_ms:
        found.append(f"{name}: {measured_ms:.1f} ms ({share}), bound {bound_ms:g}")
    return found


def as_table(
    report: LoadReport, *, bound_ms: float = DEFAULT_BOUND_MS, moments_too: bool = False
) -> str:
    """The report for a person."""
    caller, agent = report.caller_to_agent, report.agent_to_caller
    late = f"{report.late_p99_ms:.1f} ms late (p99), {report.late_max_ms:.1f} ms at most"
    costs = [
        ("bridge CPU", f"{report.cpu_ms_per_call_second:.2f} ms per call-second"),
        ("calls per core that follow", f"{report.calls_per_core:.0f}"),
        ("memory per call", f"{report.memory_per_call_kb:.0f} kB"),
        ("calls the bridge ended", f"{report.ended_early}"),
        ("generator", f"{report.generator_cores:.2f} cores, {late}"),
    ]
    delays = [
        ("added delay", "p50 ms", "p99 ms", "frames", "lost"),
        _row("caller → agent", caller.p50_ms, caller.p99_ms, caller),
        _row("  without grouping", caller.newest_p50_ms, caller.newest_p99_ms, caller),
        _row("agent → caller", agent.p50_ms, agent.p99_ms, agent),
    ]
    moments = [
        ("at once", "p50 ms", "p95 ms", "p99 ms", "count", "missed"),
        _moment_row("start → greeting", report.greeting),
        _moment_row("barge-in → clear", report.barge_in),
    ]
    return "\n".join(
        [
            f"{report.calls} calls for {report.seconds:g} s, each 50 frames/s from the caller, "
            f"the agent speaking half of the time, {report.frame_ms} ms a message, "
            f"{report.barge_ins_per_minute:g} barge-ins a minute",
            report.machine,
            "",
            *(f"{name:<28}{value}" for name, value in costs),
            "",
            table(delays),
            "",
            table(moments),
            "",
            *verdict(report, bound_ms=bound_ms, moments_too=moments_too),
        ]
    )


def verdict(
    report: LoadReport, *, bound_ms: float = DEFAULT_BOUND_MS, moments_too: bool = False
) -> list[str]:
    """Whether the run is good, and why not, a line each."""
    complaints = report.complaints(bound_ms, moments_too=moments_too)
    lines = [f"NOT GOOD: {each}" for each in complaints]
    if not report.is_judged:
        lines.append(f"CPU: too few calls to judge, {_FEWEST_CALLS} are the fewest")
    elif not complaints:
        lines.append(f"within {bound_ms:g} ms")
    if moments_too and not complaints:
        lines.append(
            f"greeting within {GREETING_P95_MS:g} ms (p95), "
            f"barge-in within {BARGE_IN_P99_MS:g} ms (p99), nothing lost"
        )
    return lines


def _row(name: str, p50_ms: float, p99_ms: float, way: Direction) -> tuple[str, ...]:
    return (name, f"{p50_ms:.2f}", f"{p99_ms:.2f}", str(way.frames), str(way.lost))


def _moment_row(name: str, moment: Moment) -> tuple[str, ...]:
    times = (f"{each:.2f}" for each in (moment.p50_ms, moment.p95_ms, moment.p99_ms))
    return (name, *times, str(moment.count), str(moment.missed))
