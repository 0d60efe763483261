"""Redis killed, restarted, and cut off under calls in flight: every one is answered."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis.exceptions

from admin import valkey
from admin.children import tie_to_parent
from tests.tools.queueing import Caller, an_effect, booked, codes, finish, take_one
from tests.tools.served import count_as_served
from tools.claims import Claims
from tools.contract import Done
from tools.errors import Unavailable
from tools.queue import ToolQueue

ROOT = Path(__file__).parents[2]


class Server:
    """A Valkey that can be killed and started again at the same place."""

    def __init__(self, folder: Path, *, keeps: bool) -> None:
        self._socket = folder / "valkey.sock"
        self._folder = folder
        self._keeps = keeps
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return valkey.url_of(self._socket)

    def start(self) -> None:
        self._socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            valkey.command(
                valkey.find_server(), self._socket, self._folder if self._keeps else None
            ),
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=tie_to_parent(),
        )

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture(params=["keeps its data", "forgets everything"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        server = Server(Path(folder), keeps=request.param == "keeps its data")
        server.start()
        yield server
        server.kill()


@pytest.fixture
def redis_url(server: Server) -> str:
    return server.url


async def test_calls_in_flight_over_a_restart_of_redis_are_all_answered(
    server: Server, start_worker: Any, bridge: Any
) -> None:
    worker = start_worker()
    await bridge.workers(1)

    async def one(n: int) -> Any:
        await asyncio.sleep(n * 0.02)  # spread over the restart
        await bridge.ask(f"f{n}")
        return await bridge.answer(f"f{n}")

    calls = [asyncio.create_task(one(n)) for n in range(30)]
    await bridge.answer("f5")
    server.kill()
    server.start()
    outcomes = await asyncio.gather(*calls)

    assert all(isinstance(outcome, Done) for outcome in outcomes)
    assert worker.process.poll() is None


async def test_a_booking_in_flight_over_a_restart_is_made_once(
    server: Server, start_worker: Any, bridge: Any, sqlite_url: str
) -> None:
    start_worker()
    await bridge.ask("f0")
    found = await bridge.answer("f0")
    start = json.loads(found.content)["offers"][0]["start"]
    booking = json.dumps(
        {"service": "cleaning", "start": start, "patient_name": "Ann Lee", "phone": "5550100122"}
    )
    for n in range(1, 6):
        await bridge.ask(f"f{n}", tool="book_appointment", arguments=booking, effect=True)
    server.kill()
    server.start()

    booked = [json.loads((await bridge.answer(f"f{n}")).content) for n in range(1, 6)]

    assert {each["result"] for each in booked} == {"booked"}
    assert len({each["appointment_id"] for each in booked}) == 1


async def test_connections_cut_under_a_worker_lose_nothing(
    server: Server, start_worker: Any, bridge: Any
) -> None:
    import redis.asyncio

    worker = start_worker()
    await bridge.workers(1)
    stop = asyncio.Event()

    async def cut() -> None:
        async with redis.asyncio.Redis.from_url(server.url) as raw:
            while not stop.is_set():
                for kind in ("normal", "pubsub"):
                    await raw.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
                await asyncio.sleep(0.05)

    cutting = asyncio.create_task(cut())
    for n in range(40):
        await bridge.ask(f"f{n}")
    outcomes = [await bridge.answer(f"f{n}") for n in range(40)]
    stop.set()
    await cutting

    assert all(isinstance(outcome, Done) for outcome in outcomes)
    assert worker.process.poll() is None


async def test_a_worker_started_before_redis_waits_for_it(
    server: Server, start_worker: Any, bridge: Any
) -> None:
    server.kill()
    worker = start_worker()
    while "queue_unreachable" not in worker.said():
        await asyncio.sleep(0.02)
        assert worker.process.poll() is None
    server.start()

    await bridge.workers(1)
    await bridge.ask("f1")
    assert isinstance(await bridge.answer("f1"), Done)


async def test_a_worker_told_to_stop_while_redis_is_away_stops(
    server: Server, start_worker: Any
) -> None:
    server.kill()
    worker = start_worker()
    while "queue_unreachable" not in worker.said():
        await asyncio.sleep(0.02)

    worker.signal(signal.SIGTERM)

    assert await worker.ended() == 0


async def in_the_end(do: Callable[[], Awaitable[Any]]) -> Any:
    """Its answer, once Redis gives one."""
    while True:
        with suppress(redis.exceptions.RedisError, OSError, Unavailable):
            return await do()
        await asyncio.sleep(0.02)


async def test_an_effect_given_up_while_redis_is_away_never_begins_when_it_is_back(
    server: Server,
) -> None:
    caller, heir = Caller(), Caller()
    async with ToolQueue(server.url, patience_s=0.1) as queue:
        queue.attach("CA1", caller.deliver)
        server.kill()
        with pytest.raises(Unavailable):
            await queue.submit(an_effect())
        ending = await queue.give_up(an_effect())
        server.start()
        told = codes(await caller.heard())
        async with ToolQueue(server.url, patience_s=20.0) as second:
            second.attach("CA1", heir.deliver)
            await second.submit(an_effect())

    assert codes([ending]) == ["doubt"]
    assert told == ["withdrawn"]
    assert codes(heir.outcomes) == ["withdrawn"]


async def test_what_a_worker_had_before_redis_restarted_is_not_withdrawn(server: Server) -> None:
    caller = Caller()
    count_as_served(server.url)
    async with (
        ToolQueue(server.url, patience_s=20.0) as queue,
        Claims(server.url, ["booking"]) as worker,
    ):
        queue.attach("CA1", caller.deliver)
        await queue.submit(an_effect())
        claim = await take_one(worker)
        server.kill()
        server.start()
        depth = await in_the_end(lambda: queue.depth(["booking"]))

        ending = await queue.give_up(an_effect())
        counted = await in_the_end(lambda: finish(worker, claim, booked()))
        told = await caller.heard()

    assert len(depth) == 1
    assert codes([ending]) == ["doubt"]
    assert counted
    assert told == [booked()]


async def test_what_is_in_doubt_and_forgotten_is_looked_into_by_a_worker(server: Server) -> None:
    caller = Caller()
    count_as_served(server.url)
    async with ToolQueue(server.url, patience_s=20.0) as queue:
        queue.attach("CA1", caller.deliver)
        await queue.submit(an_effect(budget_s=0.5))
        async with Claims(server.url, ["booking"]) as dead:
            await take_one(dead)
        ending = await queue.give_up(an_effect(budget_s=0.5))
        server.kill()
        server.start()
        async with Claims(server.url, ["booking"]) as worker:
            claim = await in_the_end(lambda: take_one(worker))
            await finish(worker, claim, booked())
            told = await caller.heard()

    assert codes([ending]) == ["doubt"]
    assert told == [booked()]


def test_the_worker_never_imports_the_bridge() -> None:
    code = "import sys, worker.process; print([m for m in sys.modules if m.startswith('bridge')])"
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout.strip() == "[]"
