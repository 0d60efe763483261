"""``holdfast bench``: what the bridge's own work on sound costs, without sockets or processes.

Times each part over the same talk, a second at a time, in its thread's own CPU time, so that
waiting for a busy machine does not count. Leaves whole calls to ``holdfast load``.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from admin.errors import OperatorError
from admin.machine import machine
from admin.verbs import print_json
from bridge.call.commands import PlayVoice, SendVoice
from bridge.call.conversation import Conversation
from bridge.call.events import AgentAudio, Event
from bridge.call.manners import Manners
from bridge.call.noise_gate import NoiseGate
from bridge.call.quality import LineQuality
from bridge.call.session import CallSession
from bridge.call.volume import EvenVolume
from bridge.resampling import Doubling, Halving
from bridge.simulator.report import table
from bridge.simulator.voices import AGENT, CALLER, Voices
from bridge.wire import deepgram, mulaw, twilio
from tools.catalog import CATALOG

METER: Final = "quality meter"
CALLS: Final = 100
FRAMES_A_SECOND: Final = 1000 // mulaw.FRAME_MS
METER_BOUND_US: Final = 4.0
"""2 % of a core at a hundred calls of fifty frames a second."""
_SAYS = "Thank you for calling Hillside Dental. How can I help you?"
_ANSWERS = "Hi, I'd like to book a cleaning, please."
_STREAM = "MZbench"
_ECHO_DB = -30.0
"""What the line of a caller who listens carries of the agent's voice."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one 20 ms frame costs."""

    name: str
    mean_us: float
    """CPU microseconds; what is done now and then, like looking for an echo, is in it."""
    median_us: float
    """Of the seconds measured."""
    p99_us: float
    frames: int

    @property
    def core_share(self) -> float:
        """Of one core, at ``CALLS`` calls."""
        return self.mean_us * 1e-6 * FRAMES_A_SECOND * CALLS


class SoundBench(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    machine: str
    meter_bound_us: float
    costs: tuple[Cost, ...]
    failures: tuple[str, ...] = ()
    """The complaints, for who reads this as JSON."""

    def complaints(self) -> list[str]:
        """What misses its bound: only the meter has one."""
        return [
            f"{cost.name}: {cost.mean_us:.2f} µs a frame, bound {self.meter_bound_us:g}"
            for cost in self.costs
            if cost.name == METER and cost.mean_us > self.meter_bound_us
        ]


def sound(*, rounds: int, as_json: bool) -> int:
    """Measure and print; 1 if the bound of the quality meter is missed."""
    if rounds < 1:
        raise OperatorError("--rounds is more than 0")
    return tell(measure(rounds), as_json=as_json)


def tell(bench: SoundBench, *, as_json: bool) -> int:
    """Print a run; the exit status that it deserves."""
    complaints = bench.complaints()
    if as_json:
        print_json(msgspec.structs.replace(bench, failures=tuple(complaints)))
    else:
        print(as_table(bench))
    return 1 if complaints else 0


def as_table(bench: SoundBench) -> str:
    """The run for a person."""
    rows = [["µs of CPU a frame", "mean", "median", "p99", f"of a core at {CALLS} calls"]]
    for cost in bench.costs:
        figures = [f"{each:.2f}" for each in (cost.mean_us, cost.median_us, cost.p99_us)]
        rows.append([cost.name, *figures, f"{cost.core_share:.1%}"])
    verdict = [f"NOT GOOD: {each}" for each in bench.complaints()]
    verdict = verdict or [f"the quality meter is within {bench.meter_bound_us:g} µs"]
    frames = f"{bench.costs[0].frames} frames of 20 ms each"
    return "\n".join([bench.machine, frames, "", table(rows), "", *verdict])


# --- what is measured ---------------------------------------------------------------------------


class _Step(msgspec.Struct, frozen=True):
    """20 ms of a talk."""

    caller: bytes
    agent: bytes
    """Empty while the agent is silent."""
    agent_wide: bytes
    level_dbfs: float
    speech: bool


Second = Sequence[_Step]
Work = Callable[[Second], None]


def measure(rounds: int) -> SoundBench:
    """Go through the talk so often with every part, one after the other."""
    talk = a_talk()
    works: dict[str, Work] = {
        "core: a frame of the caller": Core().caller,
        "core: a frame of the agent": Core().agent,
        METER: _meter(),
        "noise gate": _gate(),
        "even volume": _volume(),
        "linear16 to the agent": _doubling(),
        "linear16 from the agent": _halving(),
    }
    return SoundBench(
        machine=machine(),
        meter_bound_us=METER_BOUND_US,
        costs=tuple(_cost(name, work, talk, rounds) for name, work in works.items()),
    )


def a_talk() -> list[Second]:
    """The agent greets and the caller answers, in whole seconds, each with a pause after it."""
    voices, silence = Voices(), mulaw.silence(mulaw.FRAME_MS)
    faintly = mulaw.louder_by(_ECHO_DB)
    says = _frames(voices.render(_SAYS, AGENT) + 30 * silence)
    answers = _frames(voices.render(_ANSWERS, CALLER) + 30 * silence)
    both = [(frame.translate(faintly), frame) for frame in says]
    both += [(frame, b"") for frame in answers]
    meter, doubling = LineQuality(), Doubling()
    steps: list[_Step] = []
    for caller, agent in both:
        meter.hear(caller, len(steps) * mulaw.FRAME_MS / 1000)
        wide = doubling.pass_(agent or silence)
        steps.append(_Step(caller, agent, wide, meter.level_dbfs, meter.speech))
    whole = len(steps) - len(steps) % FRAMES_A_SECOND
    return [steps[at : at + FRAMES_A_SECOND] for at in range(0, whole, FRAMES_A_SECOND)]


def _frames(audio: bytes) -> Iterator[bytes]:
    return (audio[at : at + mulaw.FRAME_BYTES] for at in range(0, len(audio), mulaw.FRAME_BYTES))


def _cost(name: str, work: Work, talk: Sequence[Second], rounds: int) -> Cost:
    for second in talk:  # not measured: tables are made, caches filled
        work(second)
    taken: list[float] = []
    for _ in range(rounds):
        for second in talk:
            began = time.thread_time_ns()
            work(second)
            taken.append((time.thread_time_ns() - began) / 1000 / len(second))
    taken.sort()
    return Cost(
        name=name,
        mean_us=sum(taken) / len(taken),
        median_us=taken[len(taken) // 2],
        p99_us=taken[len(taken) * 99 // 100],
        frames=len(taken) * FRAMES_A_SECOND,
    )


# --- the parts ----------------------------------------------------------------------------------


class Core:
    """A call in mid-talk."""

    def __init__(self) -> None:
        self.passed = 0
        """Frames handed on."""
        self._now = 0.0
        self._session = CallSession(
            Conversation(call_sid="CAbench", practice="bench", started_utc=0.0),
            manners=Manners(greeting="Hello.", apology="Sorry."),
            catalog=CATALOG,
        )
        for event in _beginning():
            self._session.receive(event, 0.0)

    def caller(self, second: Second) -> None:
        """The caller's frames, each to the agent."""
        for step in second:
            self._now += mulaw.FRAME_MS / 1000
            media = twilio.Media(stream_sid=_STREAM, media=twilio.MediaBody(payload=step.caller))
            for command in self._session.receive(media, self._now):
                self.passed += isinstance(command, SendVoice)

    def agent(self, second: Second) -> None:
        """The agent's frames, each to the caller, who says with marks that she heard them."""
        marks: list[str] = []
        for step in second:
            self._now += mulaw.FRAME_MS / 1000
            audio = AgentAudio(step.agent or step.caller)
            for command in self._session.receive(audio, self._now):
                if isinstance(command, PlayVoice):
                    self.passed += 1
                elif isinstance(command, twilio.SendMark):
                    marks.append(command.mark.name)
        for name in marks:  # played, in as much time as it lasts
            mark = twilio.Mark(stream_sid=_STREAM, mark=twilio.MarkBody(name=name))
            self._session.receive(mark, self._now)


def _beginning() -> list[Event]:
    body = twilio.StartBody(
        account_sid="ACbench",
        stream_sid=_STREAM,
        call_sid="CAbench",
        tracks=["inbound"],
        media_format=twilio.MediaFormat(encoding="audio/x-mulaw", sample_rate=8000, channels=1),
    )
    return [
        twilio.Start(sequence_number=1, stream_sid=_STREAM, start=body),
        deepgram.Welcome(request_id="bench"),
        deepgram.SettingsApplied(),
    ]


def _meter() -> Work:
    meter = LineQuality()
    frame_s = mulaw.FRAME_MS / 1000
    now = 0.0

    def work(second: Second) -> None:
        nonlocal now
        for step in second:
            now += frame_s
            if step.agent:
                meter.spoke(step.agent, now)
            meter.hear(step.caller, now)

    return work


def _gate() -> Work:
    gate = NoiseGate()

    def work(second: Second) -> None:
        for step in second:
            gate.pass_(step.caller, speech=step.speech)

    return work


def _volume() -> Work:
    volume = EvenVolume()

    def work(second: Second) -> None:
        for step in second:
            volume.pass_(step.caller, step.level_dbfs, speech=step.speech)

    return work


def _doubling() -> Work:
    doubling = Doubling()

    def work(second: Second) -> None:
        for step in second:
            doubling.pass_(step.caller)

    return work


def _halving() -> Work:
    halving = Halving()

    def work(second: Second) -> None:
        for step in second:
            halving.pass_(step.agent_wide)

    return work
