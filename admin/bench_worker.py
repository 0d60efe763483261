"""The other ends of ``holdfast bench tools``: our worker, stock arq's, and a bare list's.

Run as a process, ``python -m admin.bench_worker WHICH``, with a worker's environment. The tools do
nothing, but for one that blocks its whole process until it is let go.
"""

import asyncio
import os
import sys
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import arq
import msgspec
from arq.connections import RedisSettings
from redis.asyncio import Redis

from tools.catalog import QUEUED
from tools.connections import connect_in_thread
from worker import process
from worker.resources import Resources
from worker.run import JobRun

BLOCKS: Final = "summarise"
"""The tool that blocks; it has a queue of its own, and so a process."""
CAME, GO = "bench:came", "bench:go"
BLOCKS_FOR_S: Final = 8.0
"""At most: longer, and its parent would take it for hung, and kill it."""
ASKED, ANSWERED = "bench:asked", "bench:answered:"
STOCK: Final = "nothing"


class Nothing(msgspec.Struct, frozen=True):
    """What no work answers."""

    say: str = ""


async def nothing(*_: Any) -> Nothing:
    """No work at all."""
    return Nothing()


async def block(*_: Any) -> Nothing:
    """Stop the whole event loop, as a tool does that forgets to await."""
    url = os.environ["REDIS_URL"]
    with connect_in_thread(url, answer_within_s=2 * BLOCKS_FOR_S) as redis:
        redis.lpush(CAME, "1")
        redis.blpop([GO], BLOCKS_FOR_S)
    return Nothing()


def new_run(resources: Resources) -> JobRun:
    """What runs the jobs of our worker."""
    return JobRun(resources, bodies={**dict.fromkeys(QUEUED, nothing), BLOCKS: block})


def stock_settings(redis_url: str) -> RedisSettings:
    """The server as stock arq is told of it."""
    return RedisSettings(unix_socket_path=unquote(urlsplit(redis_url).path))


async def _stock(redis_url: str) -> None:
    async def no_work(_context: Any) -> str:
        return ""

    work: Any = no_work
    worker = arq.Worker(
        [arq.func(work, name=STOCK)],
        redis_settings=stock_settings(redis_url),
        handle_signals=False,  # its own wait for what runs, and nothing does
    )
    await worker.main()


async def _floor(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as waiting, Redis.from_url(redis_url) as answering:
        while True:
            _, caller = await waiting.execute_command("BLPOP", ASKED, 0)
            await answering.execute_command("LPUSH", ANSWERED.encode() + caller, caller)


def main(which: str) -> int:
    """Serve until told to stop."""
    if which == "holdfast":
        return process.main(os.environ, new_run=new_run)
    serve = {"stock": _stock, "floor": _floor}[which]
    with asyncio.Runner(loop_factory=process.loop_factory()) as runner:
        runner.run(serve(os.environ["REDIS_URL"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
