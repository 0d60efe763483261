"""A worker that is put to sleep sleeps for its while, and is awake when nobody looks any more."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin.houses import asleep

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def stopped(process: subprocess.Popen[bytes]) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "T"


async def until_it_is(stopped_or_not: bool, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(20):
        while stopped(process) != stopped_or_not:
            await asyncio.sleep(0.01)


async def test_it_sleeps_from_then_to_then(worker: subprocess.Popen[bytes]) -> None:
    async with asleep(worker.pid, (50, 400)):
        await until_it_is(True, worker)
        await until_it_is(False, worker)


async def test_it_is_awake_when_the_calls_are_over(worker: subprocess.Popen[bytes]) -> None:
    async with asleep(worker.pid, (0, 60_000)):
        await until_it_is(True, worker)

    await until_it_is(False, worker)


async def test_a_worker_that_is_gone_is_no_trouble(worker: subprocess.Popen[bytes]) -> None:
    async with asleep(worker.pid, (0, 60_000)):
        await until_it_is(True, worker)
        worker.kill()
        worker.wait()


async def test_without_a_while_it_never_sleeps(worker: subprocess.Popen[bytes]) -> None:
    async with asleep(worker.pid, None):
        assert not stopped(worker)
