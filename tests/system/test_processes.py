"""Every process starts alone from its Procfile line; the commands reach a house that runs."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from admin import procfile
from admin.state import RunFile, StateDirectory
from admin.surroundings import without_ours
from tools.queue import ToolQueue

ROOT = Path(__file__).parents[2]
LINES = procfile.read(ROOT / "Procfile")
TOKEN = "a-token-of-an-operator"

Start = Callable[..., subprocess.Popen[bytes]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process from a Procfile line with nothing but an environment."""
    started = []

    def start(name: str, **environ: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            procfile.arguments(LINES[name]),
            cwd="/",
            env={"PYTHONPATH": str(ROOT), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(url: str, **headers: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, headers=headers).status_code == 200
    except httpx.HTTPError:
        return False


def ends(process: subprocess.Popen[bytes]) -> int:
    """Told to stop, it does, and soon; by the signal itself or with success."""
    process.terminate()
    output, _ = process.communicate(timeout=20)
    assert b"Traceback" not in output
    return process.returncode


def bridge_environ(redis_url: str, port: int, **more: str) -> dict[str, str]:
    return {
        "PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "REDIS_URL": redis_url,
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "0" * 32,
        "DEEPGRAM_API_KEY": "none",
        "DEEPGRAM_AGENT_URL": "ws://127.0.0.1:9/",
        "DEEPGRAM_API_URL": "http://127.0.0.1:9",
        **more,
    }


def test_release_brings_a_database_to_its_shape_and_may_be_repeated(
    start: Start, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/holdfast.db"

    for _ in range(2):
        process = start("release", DATABASE_URL=url)
        output, _ = process.communicate()
        assert process.returncode == 0, output.decode()


def test_web_starts_alone(start: Start, redis_url: str) -> None:
    port = free_port()
    process = start("web", **bridge_environ(redis_url, port))

    until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), process)

    assert ends(process) in (0, -signal.SIGTERM)


def test_web_can_carry_the_admin_routes_behind_their_tokens(start: Start, redis_url: str) -> None:
    port = free_port()
    environ = bridge_environ(redis_url, port, ADMIN_IN_WEB="1", ADMIN_TOKENS=TOKEN)
    process = start("web", **environ)

    until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), process)

    url = f"http://127.0.0.1:{port}/admin/queues"
    assert answers(url, Authorization=f"Bearer {TOKEN}")
    refused = httpx.get(url, trust_env=False)
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert ends(process) in (0, -signal.SIGTERM)


async def test_worker_starts_alone(start: Start, redis_url: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/holdfast.db"
    start("release", DATABASE_URL=url).communicate()
    process = start("worker", REDIS_URL=redis_url, DATABASE_URL=url)

    async with ToolQueue(redis_url) as queue, asyncio.timeout(30):
        while not all(depth.workers == 1 for depth in await queue.depth()):
            assert process.poll() is None, process.communicate()[0].decode()
            await asyncio.sleep(0.05)

    assert await asyncio.to_thread(ends, process) in (0, -signal.SIGTERM)


def test_admin_starts_alone(start: Start, redis_url: str) -> None:
    port = free_port()
    process = start("admin", PORT=str(port), REDIS_URL=redis_url, ADMIN_TOKENS=TOKEN)

    url = f"http://127.0.0.1:{port}"
    until(lambda: answers(f"{url}/healthz"), process)

    assert answers(f"{url}/admin/queues", Authorization=f"Bearer {TOKEN}")
    assert ends(process) in (0, -signal.SIGTERM)


@pytest.mark.parametrize(
    ("name", "environ", "says"),
    [
        ("admin", {}, "ADMIN_TOKENS: none configured"),
        ("admin", {"ADMIN_TOKENS": "short"}, "shorter than 16"),
        ("web", {}, "PUBLIC_URL"),
        ("web", bridge_environ("redis://127.0.0.1:9", 0, PORT="many"), "PORT"),
        ("web", bridge_environ("redis://127.0.0.1:9", 0, PUBLIC_URL="http://example.com"),
         "PUBLIC_URL"),
        ("web", bridge_environ("redis://127.0.0.1:9", 0, ADMIN_IN_WEB="1"), "ADMIN_TOKENS"),
        ("web", bridge_environ("redis://127.0.0.1:9", 0, PROFILES_DIR="/nowhere"), "PROFILES_DIR"),
        ("worker", {"WORKER_QUEUES": "nosuch"}, "WORKER_QUEUES"),
    ],
)  # fmt: skip
def test_a_process_that_cannot_start_says_why_in_one_line(
    start: Start, name: str, environ: dict[str, str], says: str
) -> None:
    process = start(name, **environ)
    output, _ = process.communicate(timeout=30)

    assert process.returncode not in (0, None)
    assert says in output.decode()
    assert "Traceback" not in output.decode()


def test_the_worker_starts_without_any_of_the_bridges_code() -> None:
    script = (
        "import sys, admin.cli, worker.process\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'bridge'])"
    )

    output = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout

    assert output == "[]\n"


def run_command(house, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in another terminal, which has none of the house's settings."""
    return subprocess.run(
        [sys.executable, "-m", "admin.cli", *words, "--state", str(house.state)],
        cwd=ROOT,
        env=without_ours(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_another_terminal_sees_queues_and_phrases(house) -> None:
    queues = json.loads(run_command(house, "queues", "--json").stdout)["queues"]
    phrases = json.loads(run_command(house, "phrases", "list", "--json").stdout)

    assert all(queue["workers"] == 1 for queue in queues)
    assert "greeting" in {phrase["kind"] for phrase in phrases["phrases"]}


def test_a_flush_from_another_terminal_counts_first_and_needs_to_be_told_all(house) -> None:
    counted = run_command(house, "phrases", "flush", "--dry-run", "--json")
    untold = run_command(house, "phrases", "flush")

    assert json.loads(counted.stdout)["phrases"] > 0
    assert untold.returncode == 1
    assert "--all" in untold.stderr


@pytest.mark.usefixtures("no_fault_of_ours")
def test_another_terminal_places_a_call(house, tmp_path: Path) -> None:
    scenario = tmp_path / "listens.toml"
    scenario.write_text(
        'name = "listens"\nsummary = "Hears the greeting."\n'
        "[[caller]]\nhangup = true\nafter_agent_ms = 300\n"
    )

    done = run_command(house, "call", str(scenario), "--wav", str(tmp_path / "call.wav"), "--json")

    answer = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert [each["text"] for each in answer["heard"]] == [
        "Thank you for calling Hillside Dental. How can I help you?"
    ]
    assert Path(answer["wav"]).stat().st_size > 8000
    assert "Thank you for calling" in done.stderr


def test_a_scenario_that_is_none_is_told_in_one_line(house) -> None:
    done = run_command(house, "call", "no-such-call")

    assert done.returncode == 1
    assert "no-such-call" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_load_measures_a_bridge_of_its_own(tmp_path: Path) -> None:
    words = ["load", "--calls", "2", "--seconds", "1", "--json", "--state", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "admin.cli", *words],
        cwd=ROOT, env=without_ours(os.environ), capture_output=True, text=True, timeout=90,
    )  # fmt: skip

    report = json.loads(done.stdout)
    assert (report["calls"], report["ended_early"], report["malformed"]) == (2, 0, 0), done.stderr
    assert report["cpu_ms_per_call_second"] > 0
    # How late the generator is says how busy this machine is, not what was built.
    assert [each for each in report["failures"] if "generator" not in each] == []
    assert "too few calls to judge" in done.stderr


def test_without_a_house_the_commands_say_so(tmp_path: Path) -> None:
    for words in (["queues"], ["phrases", "list"], ["call", "cleaning"]):
        done = subprocess.run(
            [sys.executable, "-m", "admin.cli", *words, "--state", str(tmp_path)],
            cwd=ROOT, env=without_ours(os.environ), capture_output=True, text=True,
        )  # fmt: skip

        assert done.returncode == 1
        assert "nothing runs in" in done.stderr


def test_where_only_the_lock_is_installed_the_profile_makes_the_command(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)

    done = subprocess.run(
        ["/bin/sh", "-c", ". ./.profile; holdfast --help"],
        cwd=ROOT,
        env={"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.defpath}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("usage: holdfast")


async def test_a_house_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    house = subprocess.Popen(
        [sys.executable, "-m", "admin.cli", "dev", "--state", str(tmp_path),
         "--port=0", "--admin-port=0", "--simulator-port=0"],
        cwd=ROOT, env=without_ours(os.environ), stdout=subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(60):
        while RunFile.read(tmp_path) is None:
            assert house.poll() is None
            await asyncio.sleep(0.05)

    house.kill()
    await asyncio.to_thread(house.wait)

    again = StateDirectory(tmp_path)
    await again.lock()
    again.close()


async def test_ctrl_c_ends_a_house_and_leaves_no_process(tmp_path: Path) -> None:
    house = subprocess.Popen(
        [sys.executable, "-m", "admin.cli", "dev", "--state", str(tmp_path),
         "--port=0", "--admin-port=0", "--simulator-port=0"],
        cwd=ROOT, env=without_ours(os.environ), stdout=subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        while RunFile.read(tmp_path) is None:
            assert house.poll() is None
            await asyncio.sleep(0.05)

    house.send_signal(signal.SIGINT)
    house.send_signal(signal.SIGINT)
    output, _ = await asyncio.to_thread(house.communicate)

    assert house.returncode == 0
    order = [line.split()[-1] for line in output.decode().splitlines() if "│ stopping " in line]
    assert order == ["web", "admin", "worker", "simulator", "valkey"]
    again = StateDirectory(tmp_path)
    await again.lock()  # every process of the run held it; all are gone
    again.close()
