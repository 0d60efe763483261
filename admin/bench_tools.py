"""``holdfast bench tools``: what it takes to have a tool run, and what a worker costs at rest.

A round trip through the real queue and a real worker process, beside stock arq and beside the
bare floor, two lists and nothing else, in turns within one run: medians and ratios count, for a
shared machine is never twice the same. Everything it needs it starts itself, and stops again.
"""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import arq
import msgspec
import redis
import redis.asyncio

from admin import bench_worker, procfile, readiness, valkey
from admin.bench_worker import ANSWERED, ASKED, BLOCKS, CAME, GO, STOCK
from admin.children import STOP_GRACE_S, tie_to_parent
from admin.errors import OperatorError
from admin.machine import machine
from admin.surroundings import without_ours
from admin.verbs import print_json
from bridge.simulator.report import percentile, table
from tools import migrations
from tools.catalog import QUEUED
from tools.contract import Done, ToolJob, ToolOutcome
from tools.queue import ToolQueue
from worker.process import loop_factory
from worker.settings import Settings

OURS, FLOOR, ARQ = "holdfast", "floor", "stock arq"
FLOOR_BOUND: Final = 3.0
"""Times the floor's median that ours may take: what is above it buys leases and fences."""
IDLE_BOUND: Final = 5.0
"""Commands a second of one worker process at rest, those inside scripts included."""
HUNG_BOUND: Final = 3.0
"""Times its usual p99 a tool may take beside a queue that hangs: room for a busy machine. Were
they not kept apart it would be a thousand."""
OFFERED_A_SECOND: Final = 400
"""Jobs at most, by how long the callers think: a full machine measures its own queueing."""
PATIENTLY_S: Final = 30.0
TOOL: Final = "find_slots"
_ARGUMENTS: Final = {TOOL: '{"service": "x"}', BLOCKS: '{"said": [{"by": "caller", "text": "x"}]}'}

Ask = Callable[[int], Awaitable[None]]
"""One round trip of the caller of that number."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    rounds: int = 16
    jobs: int = 100
    """In a round, of each kind but stock arq: of that one for each caller, every fourth round."""
    in_flight: tuple[int, ...] = (1, 10, 50)
    idle_s: float = 10.0


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """One way to have nothing done, with so many callers."""

    way: str
    in_flight: int
    jobs: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    over_floor: float
    """Its median, in medians of the floor."""


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """A queue's round trips while another queue's tool blocks its process, and while none does."""

    jobs: int
    quiet_p50_ms: float
    quiet_p99_ms: float
    hung_p50_ms: float
    hung_p99_ms: float

    @property
    def ratio(self) -> float:
        """How many times its usual p99 it takes."""
        return self.hung_p99_ms / self.quiet_p99_ms


class ToolBench(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    machine: str
    round_trips: tuple[RoundTrip, ...]
    idle_commands_a_second: float
    """Of one worker process, as many as there are by default."""
    beside: Beside
    failures: tuple[str, ...] = ()
    """The complaints, for who reads this as JSON."""

    def complaints(self) -> list[str]:
        """What misses its bound."""
        found = [
            f"{each.in_flight} in flight: {each.over_floor:.1f} × the floor, bound {FLOOR_BOUND:g}"
            for each in self.round_trips
            if each.way == OURS and each.over_floor > FLOOR_BOUND
        ]
        if self.idle_commands_a_second > IDLE_BOUND:
            found.append(
                f"a worker at rest: {self.idle_commands_a_second:.1f} commands/s, "
                f"bound {IDLE_BOUND:g}"
            )
        if self.beside.ratio > HUNG_BOUND:
            found.append(
                f"beside a queue that hangs: {self.beside.ratio:.1f} × the usual p99, "
                f"bound {HUNG_BOUND:g}"
            )
        return found


def tools(environ: Mapping[str, str], *, rounds: int, as_json: bool) -> int:
    """Measure and print; 1 if a bound is missed.

    Raises:
        OperatorError: nothing to measure, no server, or an end that gives no answer.
    """
    if rounds < 1:
        raise OperatorError("--rounds is more than 0")
    return tell(measure(environ, Size(rounds=rounds)), as_json=as_json)


def tell(bench: ToolBench, *, as_json: bool) -> int:
    """Print a run; the exit status that it deserves."""
    complaints = bench.complaints()
    if as_json:
        print_json(msgspec.structs.replace(bench, failures=tuple(complaints)))
    else:
        print(as_table(bench))
    return 1 if complaints else 0


def as_table(bench: ToolBench) -> str:
    """The run for a person."""
    rows = [["round trip, ms", "in flight", "p50", "p95", "p99", "÷ floor", "jobs"]]
    for each in bench.round_trips:
        figures = [f"{value:.2f}" for value in (each.p50_ms, each.p95_ms, each.p99_ms)]
        rows.append(
            [each.way, str(each.in_flight), *figures, f"{each.over_floor:.1f}", str(each.jobs)]
        )
    beside = bench.beside
    hung = [["beside a hung queue, ms", "p50", "p99"]]
    hung.append(["nothing hangs", f"{beside.quiet_p50_ms:.2f}", f"{beside.quiet_p99_ms:.2f}"])
    hung.append(["another queue hangs", f"{beside.hung_p50_ms:.2f}", f"{beside.hung_p99_ms:.2f}"])
    verdict = [f"NOT GOOD: {each}" for each in bench.complaints()]
    return "\n".join(
        [
            bench.machine,
            "",
            table(rows),
            "",
            table(hung),
            f"p99 ratio {beside.ratio:.2f}, {beside.jobs} jobs each",
            "",
            f"a worker process at rest: {bench.idle_commands_a_second:.1f} Redis commands/s",
            *(verdict or ["every bound is kept"]),
        ]
    )


# -- the ends ----------------------------------------------------------------------------------


def measure(environ: Mapping[str, str], size: Size) -> ToolBench:
    """Start everything, measure, stop everything.

    Raises:
        OperatorError: no server binary, or an end that does not start or gives no answer.
    """
    with (
        valkey.running() as url,
        tempfile.TemporaryDirectory(prefix="hf-") as folder,
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        database_url = f"sqlite:///{folder}/holdfast.db"
        migrations.upgrade(database_url)  # whoever settles looks into it, also at rest
        given = {
            **without_ours(environ),
            "PYTHONPATH": procfile.module_path(environ),
            "REDIS_URL": url,
            "DATABASE_URL": database_url,
        }
        with _end("holdfast", given):
            runner.run(readiness.served("the workers", url))
            idle = _commands_a_second(url, size.idle_s) / len(Settings().groups)
            with _end("floor", given), _end("stock", given):
                round_trips = runner.run(_round_trips(url, size))
            beside = runner.run(_beside_a_hung_queue(url, size))
    return ToolBench(
        machine=machine(),
        round_trips=tuple(round_trips),
        idle_commands_a_second=idle,
        beside=beside,
    )


@contextmanager
def _end(which: str, environ: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", bench_worker.__name__, which],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=tie_to_parent(),
    )
    try:
        yield
        if process.poll() is not None:
            raise OperatorError(f"the end {which} died with status {process.returncode}")
    finally:
        process.terminate()
        try:
            process.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _commands_a_second(url: str, seconds: float) -> float:
    """All that the server did meanwhile; nobody but the workers is connected."""

    def calls() -> int:
        stats: dict[str, dict[str, int]] = client.info("commandstats")
        return sum(each["calls"] for name, each in stats.items() if name != "cmdstat_info")

    with redis.Redis.from_url(url) as client:
        calls()  # connects
        before, began = calls(), time.monotonic()
        time.sleep(seconds)
        return (calls() - before) / (time.monotonic() - began)


# -- round trips -------------------------------------------------------------------------------


class _Bridge:
    """Callers on one queue, as in a bridge: each call has its own channel."""

    def __init__(self, queue: ToolQueue, callers: int) -> None:
        self._queue = queue
        self._number = 0
        self._open: dict[str, asyncio.Future[ToolOutcome]] = {}
        for caller in range(callers):
            queue.attach(f"CAbench{caller}", self._deliver)

    async def ask(self, caller: int, tool: str = TOOL) -> None:
        """Have it run and wait for its outcome."""
        self._number += 1
        asked = f"bench{os.getpid()}-{self._number}"
        answer = self._open[asked] = asyncio.get_running_loop().create_future()
        job = ToolJob(
            function_call_id=asked,
            call_sid=f"CAbench{caller}",
            practice="bench",
            tool=tool,
            arguments=_ARGUMENTS[tool],
            budget_s=QUEUED[tool].budget_s,
        )
        await self._queue.submit(job)
        outcome = await answer
        if not isinstance(outcome, Done):
            raise OperatorError(f"a tool that does nothing failed: {outcome.code}")

    def _deliver(self, outcome: ToolOutcome) -> None:
        if answer := self._open.pop(outcome.function_call_id, None):
            answer.set_result(outcome)


async def _round_trips(url: str, size: Size) -> list[RoundTrip]:
    most = max(size.in_flight)
    async with contextlib.AsyncExitStack() as stack:
        queue = await stack.enter_async_context(ToolQueue(url))
        lists = await stack.enter_async_context(redis.asyncio.Redis.from_url(url))
        pool = await arq.create_pool(bench_worker.stock_settings(url))
        stack.push_async_callback(pool.aclose)

        async def floor(caller: int) -> None:
            await lists.execute_command("LPUSH", ASKED, caller)
            await lists.execute_command("BLPOP", f"{ANSWERED}{caller}", 0)

        async def stock(_caller: int) -> None:
            job = await pool.enqueue_job(STOCK)
            assert job is not None
            await job.result(timeout=PATIENTLY_S)

        ways: dict[str, Ask] = {OURS: _Bridge(queue, most).ask, FLOOR: floor, ARQ: stock}
        for way in ways.values():  # not measured: connections, scripts, caches
            await _round(way, most, 2 * most)
        taken: dict[tuple[str, int], list[float]] = {
            (name, in_flight): [] for in_flight in size.in_flight for name in ways
        }
        for number in range(size.rounds):
            for name, in_flight in taken:
                if name == ARQ and number % 4:
                    continue
                jobs = in_flight if name == ARQ else size.jobs
                taken[name, in_flight] += await _round(ways[name], in_flight, jobs)
    medians = {key: percentile(times, 0.5) for key, times in taken.items()}
    return [
        RoundTrip(
            way=name,
            in_flight=in_flight,
            jobs=len(times),
            p50_ms=medians[name, in_flight],
            p95_ms=percentile(times, 0.95),
            p99_ms=percentile(times, 0.99),
            over_floor=medians[name, in_flight] / medians[FLOOR, in_flight],
        )
        for (name, in_flight), times in taken.items()
    ]


async def _round(ask: Ask, callers: int, jobs: int) -> list[float]:
    """Milliseconds of each round trip; callers think, so that not too much is offered."""
    taken: list[float] = []

    async def call(caller: int) -> None:
        for _ in range(jobs // callers):
            await asyncio.sleep(random.uniform(0, 2 * callers / OFFERED_A_SECOND))
            began = time.perf_counter()
            await ask(caller)
            taken.append((time.perf_counter() - began) * 1000)

    try:
        async with asyncio.timeout(PATIENTLY_S + jobs):
            await asyncio.gather(*(call(caller) for caller in range(callers)))
    except TimeoutError:
        raise OperatorError("a round trip never ended") from None
    return taken


async def _beside_a_hung_queue(url: str, size: Size) -> Beside:
    """The same callers with and without a tool that blocks the process of another queue."""
    callers = 10
    quiet: list[float] = []
    hung: list[float] = []
    async with ToolQueue(url) as queue, redis.asyncio.Redis.from_url(url) as lists:
        bridge = _Bridge(queue, callers + 1)
        await _round(bridge.ask, callers, 2 * callers)
        for _ in range(size.rounds):
            quiet += await _round(bridge.ask, callers, size.jobs)
            blocked = asyncio.create_task(bridge.ask(callers, BLOCKS))
            await lists.execute_command("BLPOP", CAME, PATIENTLY_S)
            hung += await _round(bridge.ask, callers, size.jobs)
            if blocked.done():
                raise OperatorError("what should have hung did not")
            await lists.execute_command("LPUSH", GO, "1")
            await blocked
    return Beside(
        jobs=len(hung),
        quiet_p50_ms=percentile(quiet, 0.5),
        quiet_p99_ms=percentile(quiet, 0.99),
        hung_p50_ms=percentile(hung, 0.5),
        hung_p99_ms=percentile(hung, 0.99),
    )
