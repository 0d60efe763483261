"""A worker whose tools do nothing but say that they began and wait until the test lets them go.

Run as a process: one that serves all its queues itself or, with the word ``parent``, a parent and
its workers. Where the text to be condensed is ``block`` the event loop itself is blocked for longer
than a lease, by ``hang`` for longer than any worker may, by ``hang once`` so at the first try.
"""

import asyncio
import os
import sys
import time

import msgspec
import redis.asyncio

from tools.arguments import Summarise
from tools.catalog import QUEUED
from tools.errand import Errand
from tools.leases import LEASE_S
from worker import process
from worker.run import JobRun
from worker.settings import load


class Waited(msgspec.Struct):
    say: str
    by: int


async def wait(asked: object, _resources: object, errand: Errand) -> Waited:
    async with redis.asyncio.Redis.from_url(os.environ["REDIS_URL"]) as gate:
        await gate.rpush("test:came", f"{errand.call_sid} {os.getpid()}")
        does = asked.said[0].text if isinstance(asked, Summarise) else "wait"
        if does == "block":
            time.sleep(LEASE_S * 2)  # noqa: ASYNC251 - that is the point
        elif does == "hang" or (does == "hang once" and await gate.incr("test:hung") == 1):
            time.sleep(600)  # noqa: ASYNC251
        else:
            await gate.blpop(["test:go"], 0)
        errand.must_still_be_mine()
        await gate.rpush("test:done", errand.call_sid)
    return Waited(say="Done.", by=os.getpid())


class GatedRun(JobRun):
    def __init__(self, resources: object) -> None:
        super().__init__(resources, bodies=dict.fromkeys(QUEUED, wait))


if sys.argv[1:] == ["parent"]:
    sys.exit(process.main(os.environ, new_run=GatedRun))
asyncio.run(process.serve(load(os.environ), new_run=GatedRun))
