"""``holdfast scenarios``: scripted calls through the real processes, each judged by its own file.

Self-contained, as the demo is: it ignores every setting of ours in the environment. Leaves what a
call came to to ``evidence``, whether that is right to ``verdict``, and tables to
``scenario_report``.
"""

import asyncio
import contextlib
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import msgspec

from admin.demo import appointments, overlapping
from admin.errors import OperatorError
from admin.evidence import gather
from admin.houses import Houses, asleep, enter_practices, gather_practices
from admin.launcher import Launcher, Stopped
from admin.scenario_report import Result, Run, as_page, as_text, cores, result
from admin.state import StateDirectory
from admin.surroundings import FREE_PORTS, Surroundings, without_ours
from admin.verbs import print_json
from admin.verdict import failures
from bridge.profile import Profiles
from bridge.simulator import scenario as scenarios
from bridge.simulator.board import Note
from bridge.simulator.caller import place_call
from bridge.simulator.expect import House
from bridge.simulator.report import CallReport
from bridge.simulator.scenario import Scenario, ScenarioError
from bridge.simulator.voices import Voices
from bridge.simulator.wav import write_wav
from tools.schedule import Appointment

CALLS_A_CORE = 5
"""At once, so that sound keeps its time: a call costs its three processes about a twentieth of a
core, and what is left is for the moments in which many things happen together."""
MOST_CALLS = 20
LAST_NOTES_S = 2.0
"""The agent's notes of a call that it never held have no end."""
LAST_BOOKING_S = 2.0
"""A worker finishes what it does when the caller is gone."""


async def run(
    environ: Mapping[str, str],
    state: Path,
    names: Sequence[str],
    *,
    parallel: int | None,
    as_json: bool,
    write: Path | None,
) -> int:
    """Play these scenarios, or all that ship; 0 only if every one of them passed.

    Raises:
        OperatorError: there is no such scenario, or one cannot be read.
    """
    wanted = read(names)
    at_once = parallel or min(MOST_CALLS, CALLS_A_CORE * cores())
    if at_once < 1:
        raise OperatorError("--parallel is more than 0")
    began_at = time.monotonic()
    directory = StateDirectory(state)
    await directory.lock()
    await asyncio.to_thread(_forget, directory.path)
    profiles = gather_practices(directory.path / "profiles")
    given = {
        **without_ours(environ),
        "PROFILES_DIR": str(directory.path / "profiles"),
        "DRAIN_S": "1",  # whoever stops the run does not wait for its calls
    }
    runs: list[Run] = []

    async def play() -> None:
        stage = Stage(launcher, directory.path, profiles, at_once)
        await stage.open([each.house for each in wanted])
        print(
            f"{len(wanted)} scenarios, {at_once} at a time; everything is up after "
            f"{time.monotonic() - began_at:.1f} s",
            file=sys.stderr,
            flush=True,
        )
        runs.append(await stage.play(wanted, began_at))

    launcher = Launcher(given, directory, FREE_PORTS)
    try:
        async with launcher:
            await launcher.during(play())
    except Stopped:
        print("stopped", file=sys.stderr)
        return 130
    (done,) = runs
    if as_json:
        print_json(done)
    else:
        print(as_text(done))
    if write is not None:
        await asyncio.to_thread(write.write_text, as_page(done), encoding="utf-8")
    return 0 if done.ok else 1


def show_list(names: Sequence[str]) -> int:
    """Print what there is to be played."""
    for each in read(names):
        print(f"{each.name:<28} {each.summary}")
    return 0


def read(names: Sequence[str]) -> list[Scenario]:
    """These scenarios, or all that ship.

    Raises:
        OperatorError: there is no such scenario, or one cannot be read.
    """
    try:
        return [scenarios.load(name) for name in names or scenarios.names()]
    except ScenarioError as error:
        raise OperatorError(str(error)) from error


class Stage:
    """Where scenarios are played: the houses that are up, and room for so many calls at once."""

    def __init__(self, launcher: Launcher, state: Path, profiles: Profiles, at_once: int) -> None:
        self._here: Surroundings = launcher.surroundings
        self._houses = Houses(launcher)
        self._state = state
        self._profiles = profiles
        self._voices = Voices()
        self._at_once = at_once
        self._room = asyncio.Semaphore(at_once)
        self._taking_room = asyncio.Lock()

    async def open(self, houses: Sequence[House]) -> None:
        """Make ready what the scenarios are played in."""
        database_url = self._here.environ["DATABASE_URL"]
        await enter_practices(database_url, self._profiles, self._state / "practices")
        await self._houses.open(houses)

    async def play(self, wanted: Sequence[Scenario], began_at: float) -> Run:
        """Play all of them; results are in the order in which they were asked for."""
        async with asyncio.TaskGroup() as tasks:
            sittings = [tasks.create_task(self._sit(each)) for each in sittings_of(wanted)]
        found = {each.name: each for sitting in sittings for each in sitting.result()}
        results = [found[each.name] for each in wanted]
        whole = await self._check_calendar()
        passed = sum(each.ok for each in results)
        return Run(
            ok=passed == len(results) and not whole,
            passed=passed,
            failed=len(results) - passed,
            parallel=self._at_once,
            took_s=round(time.monotonic() - began_at, 1),
            failures=whole,
            scenarios=results,
        )

    async def _sit(self, together: Sequence[Scenario]) -> list[Result]:
        """Calls that begin at the same moment, as soon as there is room for all of them."""
        taken = min(len(together), self._at_once)
        async with self._taking_room:
            for _ in range(taken):
                await self._room.acquire()
        try:
            house = together[0].house
            async with asleep(self._houses.of(house).worker_pid, house.worker_asleep_ms):
                return list(await asyncio.gather(*(self._call(each) for each in together)))
        finally:
            for _ in range(taken):
                self._room.release()

    async def _call(self, scenario: Scenario) -> Result:
        house = self._houses.of(scenario.house)
        try:
            report = await place_call(
                house.web_url,
                house.web_url,
                self._here.environ["TWILIO_AUTH_TOKEN"],
                self._here.environ["TWILIO_ACCOUNT_SID"],
                scenario,
                agent_control_url=self._here.simulator_url,
                voices=self._voices,
                to_number=scenario.to_number,
            )
        except (httpx.HTTPError, ValueError) as error:
            failed = [f"the call could not be placed: {error!r}"]
            done = Result(name=scenario.name, shows=scenario.summary, ok=False, failures=failed)
        else:
            done = await self._judge(scenario, report)
        _tell(done)
        return done

    async def _judge(self, scenario: Scenario, report: CallReport) -> Result:
        notes = await self._notes(report.call_sid)
        profile = self._profiles.of_number(scenario.to_number)
        booked = await self._booked(report.call_sid, len(scenario.expect.booked))
        evidence = await asyncio.to_thread(gather, report, notes, booked, profile, self._voices)
        wav = self._state / "calls" / f"{scenario.name}.wav"
        await asyncio.to_thread(write_wav, report, wav)
        await asyncio.to_thread(_write_log, wav.with_suffix(".jsonl"), report, notes)
        return result(
            scenario, failures(scenario.expect, evidence), evidence, report.call_sid, str(wav)
        )

    async def _notes(self, call_sid: str) -> list[Note]:
        """All that the emulated agent noted of a call that is over."""
        url = f"{self._here.simulator_url}/simulator/calls/{call_sid}/events"
        decode = msgspec.json.Decoder(Note).decode
        found: list[Note] = []
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(LAST_NOTES_S),
                httpx.AsyncClient(trust_env=False, verify=False) as client,
                client.stream("GET", url) as answer,
            ):
                async for line in answer.aiter_lines():
                    found.append(decode(line))
        return found

    async def _booked(self, call_sid: str, expected: int) -> list[Appointment]:
        deadline = time.monotonic() + LAST_BOOKING_S
        while True:
            booked = [made for made in await self._calendar() if made.call_sid == call_sid]
            if len(booked) >= expected or time.monotonic() > deadline:
                return booked
            await asyncio.sleep(0.1)

    async def _calendar(self) -> list[Appointment]:
        url = self._here.environ["DATABASE_URL"]
        return [
            made for profile in self._profiles.all() for made in await appointments(url, profile.id)
        ]

    async def _check_calendar(self) -> list[str]:
        found = []
        for profile in self._profiles.all():
            booked = await appointments(self._here.environ["DATABASE_URL"], profile.id)
            if overlap := overlapping(booked):
                found.append(f"two appointments overlap: {overlap[0].start}, {overlap[1].start}")
        return found


def sittings_of(wanted: Sequence[Scenario]) -> list[list[Scenario]]:
    """Calls that must begin together, which come first, then every other by itself."""
    together: dict[bytes, list[Scenario]] = {}
    alone: list[list[Scenario]] = []
    for each in wanted:
        if each.house.worker_asleep_ms is None:
            alone.append([each])
        else:
            together.setdefault(msgspec.json.encode(each.house), []).append(each)
    return [*together.values(), *alone]


def _forget(state: Path) -> None:
    """What earlier runs booked, and cached in other words or voices, is not what is expected."""
    for part in state.glob("holdfast.db*"):
        part.unlink()
    for folder in ("valkey", "calls"):
        shutil.rmtree(state / folder, ignore_errors=True)


def _write_log(path: Path, report: CallReport, notes: Sequence[Note]) -> None:
    """Both peers' side of a call, one JSON object a line in order of time."""
    happened = sorted([*report.events, *notes], key=lambda each: each.at)
    began_at = report.events[0].at
    lines = [
        msgspec.json.encode({"s": round(each.at - began_at, 3), **msgspec.to_builtins(each)})
        for each in happened
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")


def _tell(done: Result) -> None:
    took = f"{done.figures.duration_s:6.1f} s" if done.figures else "       –"
    print(f"{took}  {'passed' if done.ok else 'FAILED'}  {done.name}", file=sys.stderr)
    for failure in done.failures:
        print(f"            {failure}", file=sys.stderr)
    sys.stderr.flush()
