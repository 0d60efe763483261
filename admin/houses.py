"""The processes that scenarios are played by: the run's own, and more of them where one wants it.

Owns practices, databases and the worker that is put to sleep. Leaves starting and stopping to
``launcher``, and calls to ``scenarios``.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from admin import readiness
from admin.errors import OperatorError
from admin.launcher import Launcher
from admin.surroundings import HeldPort
from bridge.errors import BadConfiguration
from bridge.profile import PACKAGED, Profiles, load_profiles
from bridge.simulator.expect import PRACTICES, House
from tools import seed
from tools.catalog import OFFERED

USUAL = House()


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """One house that is up."""

    web_url: str
    worker_pid: int


class Houses:
    """Every house of a run, by what it must be like."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        here = launcher.surroundings
        own = Address(web_url=here.web_url, worker_pid=launcher.pid_of("worker"))
        self._addresses = {_key(USUAL): own}

    async def open(self, houses: Iterable[House]) -> None:
        """Start what the run itself does not have; returns when all of it is ready."""
        wanted = {_key(house): house for house in houses}
        new = [house for key, house in wanted.items() if key not in self._addresses]
        await asyncio.gather(*(self._start(house, number) for number, house in enumerate(new, 1)))

    def of(self, house: House) -> Address:
        """Where such a house is reached."""
        return self._addresses[_key(house)]

    async def _start(self, house: House, number: int) -> None:
        """A bridge and a worker of its own, on a Redis database of its own."""
        port = HeldPort(0)
        with contextlib.closing(port):
            url = f"http://127.0.0.1:{port.number}"
            redis_url = f"{self._launcher.surroundings.environ['REDIS_URL']}?db={number}"
            own = {
                **house.settings,
                "PORT": str(port.number),
                "PUBLIC_URL": url,
                "REDIS_URL": redis_url,
            }
            worker, web = f"worker-{number}", f"web-{number}"
            self._launcher.add(worker, ["worker"], own)
            self._launcher.add(web, ["bridge"], own)
            await readiness.served(worker, redis_url)
            await readiness.answered(web, f"{url}/readyz")
        pid = self._launcher.pid_of(worker)
        self._addresses[_key(house)] = Address(web_url=url, worker_pid=pid)


@asynccontextmanager
async def asleep(pid: int, while_ms: tuple[int, int] | None) -> AsyncIterator[None]:
    """While the block runs a process sleeps from then to then, counted from now; None: never.

    So does what it forked: it leads a group of its own, as every child of a launcher does. They
    are stopped and woken by a process of its own, so that they are woken even if we are killed: a
    stopped process takes no notice of the signal by which the kernel ends the children of a run.
    """
    if while_ms is None:
        yield
        return
    from_s, until_s = (milliseconds / 1000 for milliseconds in while_ms)
    stop, wake = (f"kill -s {name} -- -{pid}" for name in ("STOP", "CONT"))
    script = f"sleep {from_s}; {stop}; sleep {until_s - from_s}; {wake}"
    sleeper = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", script, stderr=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            sleeper.terminate()
        await sleeper.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGCONT)


def _key(house: House) -> bytes:
    return msgspec.json.encode(house, order="sorted")


def gather_practices(folder: Path) -> Profiles:
    """The profiles that ship and those that only scenarios dial, all in one new folder.

    Raises:
        OperatorError: one of them is not as it should be.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for profile in (*PACKAGED.glob("*.toml"), *PRACTICES.glob("*.toml")):
        shutil.copy(profile, folder)
    try:
        return load_profiles(folder, known_tools=OFFERED)
    except BadConfiguration as error:
        raise OperatorError(str(error)) from error


async def enter_practices(database_url: str, profiles: Profiles, folder: Path) -> None:
    """Enter every practice into the calendar; one without a file of its own is like the demo's."""
    for profile in profiles.all():
        await seed.seed(database_url, _calendar_file(profile.id, folder))


def _calendar_file(practice: str, folder: Path) -> Path:
    own = seed.DEMO.with_name(f"{practice}.toml")
    if own.exists():
        return own
    folder.mkdir(parents=True, exist_ok=True)
    alike, count = re.subn(
        r'(?m)^id = "\w+"$', f'id = "{practice}"', seed.DEMO.read_text(), count=1
    )
    assert count == 1
    file = folder / f"{practice}.toml"
    file.write_text(alike)
    return file
