"""What the tests of the worker lean on: a seeded database and real worker processes."""

import asyncio
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.tools.served import count_as_served
from tools import migrations, seed
from tools.catalog import QUEUES
from tools.contract import ToolJob, ToolOutcome
from tools.errors import Unavailable
from tools.queue import ToolQueue

ROOT = Path(__file__).parents[2]
GATED = Path(__file__).parent / "gated_worker.py"
PATIENTLY_S = 30.0
"""Nothing here takes as long; it only ends a test that would hang."""


@pytest.fixture(scope="session")
def seeded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "seeded.db"
    migrations.upgrade(f"sqlite:///{path}")
    asyncio.run(seed.seed(f"sqlite:///{path}"))
    return path


@pytest.fixture
def sqlite_url(seeded_file: Path, tmp_path: Path) -> str:
    copy = tmp_path / "holdfast.db"
    shutil.copy(seeded_file, copy)
    return f"sqlite:///{copy}"


class Worker:
    """A worker process of this test's own."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path, life: int) -> None:
        self.process = process
        self.log = log
        self._life = life

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._life)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENTLY_S):
            while (code := self.process.poll()) is None:
                await asyncio.sleep(0.01)
        return code

    async def all_gone(self) -> None:
        """Wait until nobody is left of it and of what it forked: each holds a pipe to us open."""
        gone, _, _ = await asyncio.to_thread(select.select, [self._life], [], [], PATIENTLY_S)
        assert gone

    def said(self) -> str:
        return self.log.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log about one event; of a line that is being written, nothing."""
        lines = [line for line in self.said().splitlines() if line.endswith("}")]
        return [line for line in map(json.loads, lines) if line["event"] == name]

    async def event(self, name: str, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """Wait until that has been logged so often, with these fields."""
        async with asyncio.timeout(PATIENTLY_S):
            while True:
                found = [line for line in self.events(name) if fields.items() <= line.items()]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.02)


Start = Callable[..., Worker]


@pytest.fixture
def start_worker(sqlite_url: str, redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts workers: the real ones with their parent, or such whose tools wait for the test.

    ``gated=True`` is one process without a parent, ``gated="parent"`` one with it.
    """
    workers: list[Worker] = []

    def start(*, gated: bool | str = False, **environ: str) -> Worker:
        command = [sys.executable, "-W", "error"]
        command += [str(GATED)] if gated else ["-m", "worker"]
        command += ["parent"] * (gated == "parent")
        life, held = os.pipe()
        log = tmp_path / f"worker{len(workers)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(ROOT),
                    "REDIS_URL": redis_url,
                    "DATABASE_URL": sqlite_url,
                    **environ,
                },
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[held],
            )
        os.close(held)
        workers.append(Worker(process, log, life))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


class Bridge:
    """A bridge's end of the queue, with what came back to its one call."""

    def __init__(self, queue: ToolQueue) -> None:
        self.queue = queue
        self.outcomes: dict[str, ToolOutcome] = {}
        self._news = asyncio.Event()
        queue.attach("CA1", self._deliver)

    def _deliver(self, outcome: ToolOutcome) -> None:
        self.outcomes[outcome.function_call_id] = outcome
        self._news.set()

    async def ask(self, function_call_id: str, **changes: Any) -> None:
        values: dict[str, Any] = {
            "function_call_id": function_call_id,
            "call_sid": "CA1",
            "practice": "hillside",
            "tool": "find_slots",
            "arguments": '{"service": "cleaning"}',
            "budget_s": 25.0,
        }
        await self.queue.submit(ToolJob(**(values | changes)))

    async def at_gate(self, function_call_id: str, does: str = "wait") -> None:
        """Ask a gated worker: on the queue of a tool whose attempts may take long."""
        said = [{"by": "caller", "text": does}]
        await self.ask(function_call_id, tool="summarise", arguments=json.dumps({"said": said}))

    async def answer(self, function_call_id: str) -> ToolOutcome:
        async with asyncio.timeout(PATIENTLY_S):
            while function_call_id not in self.outcomes:
                self._news.clear()
                await self._news.wait()
        return self.outcomes[function_call_id]

    async def workers(self, count: int, *queues: str) -> None:
        """Wait until so many workers are alive for each of these queues, or for every one."""
        async with asyncio.timeout(PATIENTLY_S):
            while True:
                with suppress(Unavailable):
                    depths = await self.queue.depth(queues or QUEUES)
                    if {depth.workers for depth in depths} == {count}:
                        return
                await asyncio.sleep(0.02)


@pytest.fixture
async def bridge(redis_url: str) -> AsyncIterator[Bridge]:
    count_as_served(redis_url)  # a job may be asked for before its worker is up
    async with ToolQueue(redis_url, patience_s=PATIENTLY_S) as queue:
        yield Bridge(queue)


class Gate:
    """Where the tools of gated workers wait: says who came, lets one at a time go on."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url)

    async def came(self) -> str:
        """The function call that is at the gate next, with the process that runs it."""
        found = await asyncio.to_thread(self._redis.blpop, ["test:came"], PATIENTLY_S)
        assert found is not None
        return str(found[1].decode())

    def effects(self) -> int:
        """How often a tool came to its end."""
        return int(self._redis.llen("test:done"))

    def open(self, count: int = 1) -> None:
        self._redis.rpush("test:go", *["go"] * count)

    def close(self) -> None:
        self._redis.close()


@pytest.fixture
def gate(redis_url: str) -> Iterator[Gate]:
    gate = Gate(redis_url)
    yield gate
    gate.close()
