"""The worker under fire: the real one, whose tools are slow, fail and die, before or after.

Run as a process (``python -m admin.chaos.worker``), with a worker's environment.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from random import Random
from typing import Any, Final

import msgspec

from tools.catalog import CATALOG
from tools.errand import Errand
from tools.errors import Unavailable
from worker import process
from worker.bodies import BODIES, Body
from worker.resources import Resources
from worker.run import JobRun

SLOW: Final = 0.03
"""Share of attempts that take up to ``SLOWEST_S``; all others some 10 ms more than they need."""
SLOWEST_S: Final = 2.5
HANGS: Final = 0.004
"""Share that never comes back by itself."""
FAILS_BEFORE: Final = 0.03
FAILS_AFTER: Final = 0.03
"""Share whose effect comes true and whose answer is lost."""
DIES_BEFORE: Final = 0.002
DIES_AFTER: Final = 0.004
"""Share whose worker is gone between the effect and the word of it."""


def stormy(body: Body, random: Random) -> Body:
    """The same tool in bad weather."""

    async def under_fire(asked: Any, resources: Resources, errand: Errand) -> msgspec.Struct:
        chance = random.random()
        if chance < SLOW:
            await asyncio.sleep(random.uniform(0, SLOWEST_S))
        elif chance < SLOW + HANGS:
            await asyncio.sleep(3600)
        else:
            await asyncio.sleep(random.expovariate(100))
        _perhaps(random, DIES_BEFORE, FAILS_BEFORE)
        answer = await body(asked, resources, errand)
        _perhaps(random, DIES_AFTER, FAILS_AFTER)
        return answer

    return under_fire


def _perhaps(random: Random, dies: float, fails: float) -> None:
    chance = random.random()
    if chance < dies:
        os.kill(os.getpid(), signal.SIGKILL)
    if chance < dies + fails:
        raise Unavailable("That can't be reached just now.", reason="bad weather")


def bodies() -> Mapping[str, Body]:
    """Every tool a caller asks for, in bad weather; what the house does for itself is spared."""
    random = Random(os.getpid())
    return {
        name: body if CATALOG[name].internal else stormy(body, random)
        for name, body in BODIES.items()
    }


def new_run(resources: Resources) -> JobRun:
    """What runs the jobs of one process."""
    return JobRun(resources, bodies=bodies())


if __name__ == "__main__":
    sys.exit(process.main(os.environ, new_run=new_run))
