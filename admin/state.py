"""Where a local run keeps its files, one run at a time, and how other terminals find it."""

import asyncio
import fcntl
import os
import time
from pathlib import Path
from typing import Self

import msgspec

from admin.errors import AlreadyRunning

RUN_FILE = "run.json"
"""In the state directory, readable by its owner only: how other terminals find the run."""

_LOCK_WAIT_S = 15.0
"""The processes of a run that was killed need a moment to go; they hold the lock until then."""


class StateDirectory:
    """Where a run keeps its database, its Valkey's file and its logs; one run at a time.

    The lock is a file descriptor that every process of the run inherits, so the directory is
    free only when the last of them is gone, however the run ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.logs = self.path / "logs"
        _make_private(self.path)
        self.logs.mkdir(exist_ok=True)
        self.lock_fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)

    async def lock(self) -> None:
        """Make it ours.

        Raises:
            AlreadyRunning: it stays in use.
        """
        deadline = time.monotonic() + _LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(self.lock_fd, 32, 0).decode().strip()
                if time.monotonic() > deadline or _lives(holder):
                    raise AlreadyRunning(
                        f"another run (process {holder}) uses {self.path}: stop it, "
                        "or give this one a place of its own with --state"
                    ) from None
                await asyncio.sleep(0.05)
        os.ftruncate(self.lock_fd, 0)
        os.pwrite(self.lock_fd, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self.lock_fd)


def _make_private(path: Path) -> None:
    """Its owner's only, for it holds recordings and a database; so is every folder made for it."""
    if path.is_dir():
        if (path / "lock").exists():  # made by an earlier run, and by nobody else
            path.chmod(0o700)
        return
    _make_private(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


class RunFile(msgspec.Struct, frozen=True, kw_only=True):
    """What another terminal needs to reach a run: ``holdfast call``, ``load``, ``queues``."""

    pid: int
    web_url: str
    admin_url: str
    simulator_url: str | None
    environ: dict[str, str]
    """Only what the run made up itself: a real secret is never written here."""

    def write(self, state: Path) -> None:
        """Put it into the state directory."""
        path = state / RUN_FILE
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self)))

    @classmethod
    def read(cls, state: Path) -> Self | None:
        """The run that uses this directory now, if one does."""
        try:
            run = msgspec.json.decode((state / RUN_FILE).read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError):
            return None
        return run if _lives(str(run.pid)) else None
