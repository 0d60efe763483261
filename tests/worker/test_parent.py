"""A parent and its workers as real processes: killed, hung, told to stop, left alone."""

import asyncio
import json
import os
import resource
import select
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from admin import valkey
from admin.chaos.line import BreakableLine
from tools import leases
from tools.claims import Claims
from tools.contract import Done
from worker.post import Post, ThreadlessOutlet

BOOKING = json.dumps(
    {"service": "x", "start": "2026-12-01T09:00", "patient_name": "A", "phone": "5550100122"}
)


def pid_of(came: str) -> int:
    return int(came.split()[1])


def by(outcome: Any) -> int:
    assert isinstance(outcome, Done), outcome
    return int(outcome.content.rpartition(":")[2].strip("} "))


async def test_a_killed_workers_job_is_freed_by_its_parent_and_done_once_by_another(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    parent = start_worker(gated="parent", WORKER_QUEUES="summary", WORKER_PROCESSES="2")
    await bridge.workers(2, "summary")
    await bridge.at_gate("f1")
    victim = pid_of(await gate.came())

    os.kill(victim, signal.SIGKILL)
    heir = pid_of(await gate.came())
    gate.open()
    outcome = await bridge.answer("f1")

    assert by(outcome) == heir != victim
    await parent.event("worker_ended", pid=victim, how="SIGKILL")
    [freed] = await parent.event("leases_freed")
    assert (freed["jobs"], f":{victim}:" in freed["token"]) == (1, True)
    [done] = await parent.event("job_done")
    assert done["tries"] == 2
    assert gate.effects() == 1
    await bridge.workers(2, "summary")
    assert len(parent.events("worker_forked")) == 3


async def test_a_job_of_the_only_worker_is_done_by_the_one_that_is_forked_in_its_place(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    start_worker(gated="parent", WORKER_QUEUES="summary")
    await bridge.at_gate("f1")
    victim = pid_of(await gate.came())

    os.kill(victim, signal.SIGKILL)
    heir = pid_of(await gate.came())
    gate.open()

    assert by(await bridge.answer("f1")) == heir != victim


async def test_a_worker_whose_loop_hangs_is_killed_and_its_job_done_elsewhere(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    parent = start_worker(gated="parent", WORKER_QUEUES="summary", WORKER_HANGS_AFTER_S="4")
    await bridge.at_gate("f1", "hang once")
    hung = pid_of(await gate.came())

    heir = pid_of(await gate.came())
    gate.open()

    assert by(await bridge.answer("f1")) == heir != hung
    assert [each["pid"] for each in parent.events("worker_hung")] == [hung]
    assert gate.effects() == 1


async def test_a_tool_that_blocks_its_process_holds_up_no_other_group(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    start_worker(gated="parent")
    await bridge.workers(1)
    await bridge.at_gate("hung", "hang")
    await gate.came()

    await bridge.ask("f2")
    await gate.came()
    gate.open()

    assert isinstance(await bridge.answer("f2"), Done)
    assert "hung" not in bridge.outcomes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the kernel's help")
async def test_a_killed_parent_leaves_nobody_not_even_one_who_hangs(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    parent = start_worker(gated="parent", WORKER_QUEUES="summary;booking")
    await bridge.at_gate("f1", "hang")
    await gate.came()
    await bridge.workers(1, "summary", "booking")

    parent.signal(signal.SIGKILL)

    await parent.all_gone()


async def test_told_to_stop_every_worker_finishes_what_runs_and_the_parent_ends_well(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    parent = start_worker(gated="parent")
    await bridge.workers(1)
    await bridge.at_gate("f1")
    await bridge.ask("f2", tool="book_appointment", arguments=BOOKING)
    workers = {pid_of(await gate.came()) for _ in range(2)}

    for _ in range(3):  # a platform may say it to the group and to the process
        parent.signal(signal.SIGTERM)
    for worker in workers:
        os.kill(worker, signal.SIGTERM)
    await bridge.workers(0)
    gate.open(2)

    assert {by(await bridge.answer("f1")), by(await bridge.answer("f2"))} == workers
    assert await parent.ended() == 0
    await parent.all_gone()
    assert {each["how"] for each in parent.events("worker_ended")} == {"status 0"}
    assert len(parent.events("worker_forked")) == 4


async def test_what_is_not_finished_in_time_is_given_back(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    parent = start_worker(gated="parent", WORKER_QUEUES="summary", WORKER_DRAIN_S="0.1")
    await bridge.at_gate("f1")
    await gate.came()

    parent.signal(signal.SIGINT)

    assert await parent.ended() == 0
    [summary] = await bridge.queue.depth(["summary"])
    assert (summary.waiting, summary.running, summary.workers) == (1, 0, 0)


async def test_told_again_later_it_stops_at_once_and_frees_what_it_cut_off(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    parent = start_worker(gated="parent", WORKER_QUEUES="summary", WORKER_DRAIN_S="300")
    await bridge.at_gate("f1")
    await gate.came()

    while parent.process.poll() is None:
        parent.signal(signal.SIGINT)
        await asyncio.sleep(0.1)

    assert parent.process.returncode == 0
    await parent.all_gone()
    [summary] = await bridge.queue.depth(["summary"])
    assert (summary.waiting, summary.running) == (1, 0)
    assert len(parent.events("worker_cut_off")) == 1


async def test_a_worker_that_dies_again_and_again_is_replaced_more_slowly_but_for_ever(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    parent = start_worker(gated="parent", WORKER_QUEUES="summary")
    gate.open()
    deaths = 0
    while not parent.events("workers_die_young"):
        forked = await parent.event("worker_forked", count=deaths + 1)
        os.kill(forked[-1]["pid"], signal.SIGKILL)
        deaths += 1
        await parent.event("worker_ended", count=deaths)

    await parent.event("worker_forked", count=deaths + 1)
    await bridge.at_gate("f1")

    assert isinstance(await bridge.answer("f1"), Done)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the kernel's help")
async def test_where_nothing_can_be_opened_it_waits_until_it_can(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    parent = start_worker(gated="parent", WORKER_QUEUES="summary")
    await bridge.at_gate("f1")
    victim = pid_of(await gate.came())
    pid, files = parent.process.pid, resource.RLIMIT_NOFILE
    usual = resource.prlimit(pid, files, (3, resource.getrlimit(files)[1]))

    os.kill(victim, signal.SIGKILL)
    await parent.event("worker_not_forked", count=2)
    await parent.event("leases_not_freed")
    resource.prlimit(pid, files, usual)
    heir = pid_of(await gate.came())
    gate.open()

    assert by(await bridge.answer("f1")) == heir != victim
    await parent.event("leases_freed")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the kernel's help")
async def test_who_stood_still_together_with_the_parent_is_not_blamed(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    parent = start_worker(gated="parent", WORKER_QUEUES="summary", WORKER_HANGS_AFTER_S="2")
    await bridge.workers(1, "summary")
    [forked] = parent.events("worker_forked")
    everybody = (forked["pid"], parent.process.pid)

    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(2.5)  # a machine that slept: nothing tells of it but the time
    os.kill(parent.process.pid, signal.SIGCONT)
    os.kill(forked["pid"], signal.SIGCONT)
    await bridge.at_gate("f1")
    came = pid_of(await gate.came())

    assert came == forked["pid"]
    assert parent.events("worker_hung") == []


async def test_after_its_share_of_jobs_a_worker_makes_room_for_another(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    parent = start_worker(gated="parent", WORKER_QUEUES="summary", WORKER_RETIRES_AFTER="2")
    gate.open(3)
    await bridge.at_gate("f1")
    await bridge.at_gate("f2")
    retired = {by(await bridge.answer(each)) for each in ("f1", "f2")}

    [pid] = retired
    await parent.event("worker_ended", pid=pid, how="status 0")
    await bridge.at_gate("f3")

    assert by(await bridge.answer("f3")) != pid
    assert len(parent.events("worker_forked")) == 2


@asynccontextmanager
async def line_to(redis_url: str, folder: Path) -> AsyncIterator[tuple[BreakableLine, str]]:
    outer = folder / "line.sock"
    async with BreakableLine(Path(urlsplit(redis_url).path), outer) as line:
        yield line, valkey.url_of(outer)


async def test_while_redis_is_away_the_dead_are_not_forgotten(
    start_worker: Any, bridge: Any, gate: Any, redis_url: str, tmp_path: Path
) -> None:
    async with line_to(redis_url, tmp_path) as (line, url):
        parent = start_worker(gated="parent", WORKER_QUEUES="summary", REDIS_URL=url)
        await bridge.at_gate("f1")
        victim = pid_of(await gate.came())
        line.freeze()
        os.kill(victim, signal.SIGKILL)
        await parent.event("leases_not_freed")
        line.mend()

        heir = pid_of(await gate.came())
        gate.open()

        assert by(await bridge.answer("f1")) == heir != victim
        await parent.event("leases_freed")
        parent.signal(signal.SIGTERM)
        assert await parent.ended() == 0


async def test_what_a_dead_worker_held_is_another_ones_at_once(redis_url: str, bridge: Any) -> None:
    async with (
        Claims(redis_url, ["lookup"], token="host:1:dead") as dead,
        Claims(redis_url, ["lookup"]) as heir,
    ):
        await bridge.ask("f1")
        [taken], _ = await dead.take({"lookup": 1}, hold_s=1.0)

        freed = [
            await asyncio.to_thread(leases.free, redis_url, ["lookup", "booking"], token)
            for token in ("host:1:other", "host:1:dead", "host:1:dead")
        ]
        [inherited], _ = await heir.take({"lookup": 1}, hold_s=1.0)

    assert freed == [0, 1, 0]
    assert (inherited.job_id, taken.tries, inherited.tries) == (taken.job_id, 1, 2)


def test_a_heartbeat_tells_whether_there_is_a_parent() -> None:
    heart, pulse = os.pipe()
    os.set_blocking(pulse, False)
    post = Post(queues=("lookup",), token="t", heart=pulse, beat_every_s=1.0)

    assert post.beat()
    assert post.beat(retires=True)
    assert os.read(heart, 10) == b".r"
    while os.write(pulse, b"." * 4096) == 4096:
        if not select.select([], [pulse], [], 0)[1]:
            break
    assert post.beat()  # a parent that stands still is one
    os.close(heart)
    assert not post.beat()
    os.close(pulse)


def test_a_parent_never_waits_for_whoever_reads_its_log() -> None:
    reader, writer = os.pipe()
    with open(writer, "w") as stream:
        outlet = ThreadlessOutlet(stream)
        outlet.write("first\n")
        assert os.read(reader, 100) == b"first\n"
        while select.select([], [stream], [], 0)[1]:
            os.write(writer, b"x" * 4096)
        outlet.write("no room\n")
        os.close(reader)
        outlet.write("nobody\n")
