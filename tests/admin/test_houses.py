"""A worker that is put to sleep sleeps for its while, and is awake when nobody looks any more."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin.houses import asleep

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        yield process
        process.kill()


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "T"


async def until_it_is(stopped_or_not: bool, pid: int) -> None:
    async with asyncio.timeout(20):
        while stopped(pid) != stopped_or_not:
            await asyncio.sleep(0.01)


async def test_it_sleeps_from_then_to_then(worker: subprocess.Popen[bytes]) -> None:
    async with asleep(worker.pid, (50, 400)):
        await until_it_is(True, worker.pid)
        await until_it_is(False, worker.pid)


async def test_it_is_awake_when_the_calls_are_over(worker: subprocess.Popen[bytes]) -> None:
    async with asleep(worker.pid, (0, 60_000)):
        await until_it_is(True, worker.pid)

    await until_it_is(False, worker.pid)


async def test_a_worker_that_is_gone_is_no_trouble(worker: subprocess.Popen[bytes]) -> None:
    async with asleep(worker.pid, (0, 60_000)):
        await until_it_is(True, worker.pid)
        worker.kill()
        worker.wait()


async def test_what_it_forked_sleeps_too() -> None:
    forks = ["/bin/sh", "-c", "sleep 60 & echo $!; wait"]
    with subprocess.Popen(forks, start_new_session=True, stdout=subprocess.PIPE) as parent:
        forked = int(parent.stdout.readline())
        async with asleep(parent.pid, (0, 60_000)):
            await until_it_is(True, forked)

        await until_it_is(False, forked)
        os.killpg(parent.pid, signal.SIGKILL)


async def test_without_a_while_it_never_sleeps(worker: subprocess.Popen[bytes]) -> None:
    async with asleep(worker.pid, None):
        assert not stopped(worker.pid)
