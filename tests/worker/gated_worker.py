"""A worker whose tools do nothing but say that they began and wait until the test lets them go.

Run as a process. A service called ``block`` blocks the event loop itself for longer than a lease.
"""

import asyncio
import os
import time

import msgspec
import redis.asyncio

from tools.arguments import FindSlots
from tools.catalog import QUEUED
from tools.errand import Errand
from tools.leases import LEASE_S
from worker import process
from worker.run import JobRun
from worker.settings import load


class Waited(msgspec.Struct):
    say: str
    by: int


async def wait(asked: FindSlots, _resources: object, errand: Errand) -> Waited:
    async with redis.asyncio.Redis.from_url(os.environ["REDIS_URL"]) as gate:
        await gate.rpush("test:came", f"{errand.call_sid} {os.getpid()}")
        if getattr(asked, "service", "") == "block":
            time.sleep(LEASE_S * 2)  # noqa: ASYNC251 - that is the point
        else:
            await gate.blpop(["test:go"], 0)
    errand.must_still_be_mine()
    return Waited(say="Done.", by=os.getpid())


class GatedRun(JobRun):
    def __init__(self, resources: object) -> None:
        super().__init__(resources, bodies=dict.fromkeys(QUEUED, wait))


process.JobRun = GatedRun
asyncio.run(process.serve(load(os.environ)))
