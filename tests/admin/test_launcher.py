"""A run on one machine: up in order, down in reverse, and nothing left behind."""

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from admin.errors import AlreadyRunning, ChildDied
from admin.launcher import Launcher, Stopped
from admin.state import RunFile, StateDirectory
from admin.surroundings import FREE_PORTS

NOTES_ITS_END = """
import os, signal, sys, time
name, notes = sys.argv[1:]
def end(*_):
    time.sleep(0.3)  # as one that drains
    with open(notes, "a") as file:
        print(name, file=file)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print(name, "runs", flush=True)
with open(notes + "." + name, "w") as file:
    print(os.getpid(), file=file)
while True:
    signal.pause()
"""

RUNS_UNTIL_STOPPED = """
import asyncio, json, os, sys
from pathlib import Path
from admin.launcher import Launcher, Stopped
from admin.state import StateDirectory
from admin.surroundings import FREE_PORTS

async def main():
    state, lines = StateDirectory(Path(sys.argv[1])), json.loads(sys.argv[2])
    try:
        async with Launcher(os.environ, state, FREE_PORTS, lines=lines) as run:
            print("up", flush=True)
            await run.until_ended()
    except Stopped:
        print("down", flush=True)

asyncio.run(main())
"""


def line(script: str, *arguments: str) -> str:
    words = " ".join(f"'{word}'" for word in arguments)
    return f"{sys.executable} -c '{script}' {words}"


def environ(**more: str) -> dict[str, str]:
    """An environment in which nothing needs to be started."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given = {"REDIS_URL": "redis://127.0.0.1:1", "DEEPGRAM_API_KEY": "given"}
    return {**keep, **given, **more}


async def until(path: Path) -> str:
    """What a child wrote there; the test's own timeout is the bound."""
    async with asyncio.timeout(20):
        while not (path.exists() and path.read_text().endswith("\n")):
            await asyncio.sleep(0.01)
    return path.read_text()


async def enter(state: Path, lines: Mapping[str, str], **more: str) -> None:
    launcher = Launcher(environ(**more), StateDirectory(state), FREE_PORTS, lines=lines)
    async with launcher as run:
        await run.until_ended()


async def test_children_stop_in_reverse_and_each_has_time_to_finish(tmp_path: Path) -> None:
    notes = str(tmp_path / "notes")
    lines = {name: line(NOTES_ITS_END, name, notes) for name in ("first", "second", "third")}

    async with Launcher(environ(), StateDirectory(tmp_path / "s"), FREE_PORTS, lines=lines):
        for name in lines:
            await until(Path(f"{notes}.{name}"))

    assert Path(notes).read_text().split() == ["third", "second", "first"]


async def test_a_childs_output_is_kept_and_shown_with_its_name(tmp_path: Path) -> None:
    lines = {"loud": line(NOTES_ITS_END, "loud", str(tmp_path / "notes"))}
    state, shown = StateDirectory(tmp_path / "s"), []

    async with Launcher(
        environ(), state, FREE_PORTS, lines=lines, echo=lambda *said: shown.append(said)
    ):
        await until(tmp_path / "notes.loud")

    assert shown == [("loud", "loud runs")]
    assert (state.logs / "loud.log").read_text() == "loud runs\n"


async def test_whoever_stops_a_bridge_is_told_of_the_calls_that_it_waits_for(
    tmp_path: Path,
) -> None:
    said = '{"calls": 2, "seconds": 20.0, "event": "draining"}'
    state, told = StateDirectory(tmp_path), []
    launcher = Launcher(environ(), state, FREE_PORTS, lines={}, tell=told.append)

    launcher._overhear("web", said)
    launcher._overhear("web", '{"calls": 0, "event": "draining"}')
    launcher._overhear("worker", said)
    launcher._overhear("web", "no JSON")
    state.close()

    assert told == [
        "live calls: 2; each may end by itself, for 30 s at most; Ctrl-C again cuts it off"
    ]


async def test_a_child_that_dies_ends_the_run_and_its_last_words_are_told(tmp_path: Path) -> None:
    notes = str(tmp_path / "notes")
    lines = {"steady": line(NOTES_ITS_END, "steady", notes), "weak": "sh -c 'echo no luck; exit 3'"}

    with pytest.raises(ChildDied, match=r"weak ended \(exit status 3\)(?s:.)*no luck"):
        await enter(tmp_path / "s", lines)


async def test_a_release_that_fails_stops_the_run_before_anything_else_starts(
    tmp_path: Path,
) -> None:
    notes = str(tmp_path / "notes")
    lines = {"release": "sh -c 'exit 4'", "later": line(NOTES_ITS_END, "later", notes)}

    with pytest.raises(ChildDied, match="release ended"):
        await enter(tmp_path / "s", lines)

    assert not Path(f"{notes}.later").exists()


async def test_what_a_child_started_goes_when_the_child_goes(tmp_path: Path) -> None:
    held = tmp_path / "held"
    lines = {"parent": f"sh -c 'sleep 600 & echo $! > {held}; wait'"}

    async with Launcher(environ(), StateDirectory(tmp_path / "s"), FREE_PORTS, lines=lines):
        grandchild = int(await until(held))

    await until_gone(grandchild)


async def test_a_second_run_in_the_same_place_is_refused(tmp_path: Path) -> None:
    async with Launcher(environ(), StateDirectory(tmp_path), FREE_PORTS, lines={}):
        child = subprocess.Popen(
            [sys.executable, "-c", RUNS_UNTIL_STOPPED, str(tmp_path), "{}"],
            stderr=subprocess.PIPE,
            env=environ(PYTHONPATH=os.getcwd()),
        )
        _, said = await asyncio.to_thread(child.communicate)

    assert child.returncode == 1
    assert AlreadyRunning.__name__.encode() in said


async def test_the_signal_to_stop_ends_what_is_being_done(tmp_path: Path) -> None:
    async with Launcher(environ(), StateDirectory(tmp_path), FREE_PORTS, lines={}) as run:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            await run.during(asyncio.Event().wait())


async def test_an_embedded_valkey_is_started_where_none_is_named(tmp_path: Path) -> None:
    async with Launcher(
        environ(REDIS_URL=""), StateDirectory(tmp_path), FREE_PORTS, lines={}
    ) as run:
        assert run.surroundings.environ["REDIS_URL"].startswith("unix:///")

    assert "ready to accept" in (tmp_path / "logs" / "valkey.log").read_text().lower()


async def test_another_terminal_finds_the_run_but_no_real_secret(tmp_path: Path) -> None:
    given = environ(TWILIO_AUTH_TOKEN="a-real-one")
    async with Launcher(given, StateDirectory(tmp_path), FREE_PORTS, lines={}) as run:
        found = RunFile.read(tmp_path)
        text = (tmp_path / "run.json").read_text()

    assert found is not None
    assert found.web_url == run.surroundings.web_url
    assert "a-real-one" not in text
    assert "ADMIN_TOKENS" in found.environ
    assert RunFile.read(tmp_path) is None


async def start(state: Path, lines: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A launcher in a process of its own, up."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUNS_UNTIL_STOPPED, str(state), json.dumps(lines)],
        stdout=subprocess.PIPE,
        env=environ(PYTHONPATH=os.getcwd(), REDIS_URL=""),
    )
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == b"up\n"
    return process


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while _runs(pid):
            await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until_unlocked(state: Path) -> None:
    """Free only when every process of the run is gone, however it went."""
    with open(state / "lock") as file:
        async with asyncio.timeout(20):
            while True:
                try:
                    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    await asyncio.sleep(0.01)


async def test_ctrl_c_again_and_again_still_lets_the_children_finish(tmp_path: Path) -> None:
    notes, state = tmp_path / "notes", tmp_path / "s"
    lines = {name: line(NOTES_ITS_END, name, str(notes)) for name in ("one", "two")}
    process = await start(state, lines)
    for name in ("one", "two"):
        await until(Path(f"{notes}.{name}"))

    for _ in range(5):
        process.send_signal(signal.SIGINT)
        await asyncio.sleep(0)
    output, _ = await asyncio.to_thread(process.communicate)

    assert (process.returncode, output) == (0, b"down\n")
    assert notes.read_text().split() == ["two", "one"]
    await until_unlocked(state)


async def test_killing_the_launcher_takes_every_process_along(tmp_path: Path) -> None:
    notes, state = tmp_path / "notes", tmp_path / "s"
    process = await start(state, {"one": line(NOTES_ITS_END, "one", str(notes))})
    pid = int(await until(Path(f"{notes}.one")))

    process.kill()
    await asyncio.to_thread(process.communicate)

    await until_gone(pid)
    await until_unlocked(state)
