"""Everything up as ``make dev`` has it, in processes of its own, once for all whole-call tests."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from admin.state import RunFile
from admin.surroundings import without_ours
from bridge.simulator.caller import place_call
from bridge.simulator.report import CallReport
from bridge.simulator.scenario import Scenario

ROOT = Path(__file__).parents[2]
START_PATIENCE_S = 1.0
"""Short, so that a socket that never says ``start`` is seen closing."""


def holdfast(*words: str, **environ: str) -> subprocess.Popen[bytes]:
    """A ``holdfast`` process in the background, in an environment without any setting of ours."""
    return subprocess.Popen(
        [sys.executable, "-m", "admin.cli", *words],
        cwd=ROOT,
        env={**without_ours(os.environ), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def until_up(process: subprocess.Popen[bytes], state: Path) -> RunFile:
    """The run, when everything of it is ready."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (run := RunFile.read(state)) is not None:
            return run
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    output, errors = process.communicate()
    pytest.fail(f"nothing came up:\n{output.decode()}\n{errors.decode()}")


class House(msgspec.Struct, frozen=True, kw_only=True):
    """A running house, and how a test talks to it."""

    run: RunFile
    state: Path

    @property
    def environ(self) -> dict[str, str]:
        """What its processes were given."""
        return self.run.environ

    async def call(self, scenario: Scenario | str, **more: object) -> CallReport:
        """One whole call."""
        return await place_call(
            self.run.web_url,
            self.environ["PUBLIC_URL"],
            self.environ["TWILIO_AUTH_TOKEN"],
            self.environ["TWILIO_ACCOUNT_SID"],
            scenario,
            agent_control_url=self.run.simulator_url,
            **more,
        )

    def logs(self, name: str) -> str:
        """What one of its processes logged so far."""
        return (self.state / "logs" / f"{name}.log").read_text()


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The house, up; stopped as by Ctrl-C when the last test that needs it is over."""
    state = tmp_path_factory.mktemp("house")
    ports = ("--port=0", "--admin-port=0", "--simulator-port=0")
    process = subprocess.Popen(
        [sys.executable, "-m", "admin.cli", "dev", *ports, "--state", str(state)],
        cwd=ROOT,
        env={**without_ours(os.environ), "START_PATIENCE_S": str(START_PATIENCE_S)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield House(run=until_up(process, state), state=state)
    finally:
        process.send_signal(2)
        process.communicate(timeout=60)


@pytest.fixture
def no_fault_of_ours(house: House) -> Iterator[None]:
    """Whatever a peer does, no process may log an error of its own meanwhile."""
    before = {name: len(house.logs(name)) for name in ("web", "worker", "admin")}
    yield
    for name, seen in before.items():
        faults = [line for line in house.logs(name)[seen:].splitlines() if '"error"' in line]
        assert faults == [], f"{name} found a fault of its own"
