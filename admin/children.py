"""Child processes that cannot outlive us: own session, tied to the parent's life, output kept.

Decides how one child is started, watched and stopped; which children there are is ``launcher``'s.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from admin.errors import ChildDied

STOP_GRACE_S = 10.0
"""Seconds between SIGTERM and SIGKILL for a child that has little to finish."""
LAST_WORDS_LINES = 20
"""Lines of its log that are shown when a child dies."""

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal this process gets when its parent dies. Linux only."""

Echo = Callable[[str, str], None]
"""Shows one line of a child's output: its name, the line."""


def tie_to_parent(signum: int = signal.SIGTERM) -> Callable[[], None] | None:
    """A ``preexec_fn`` by which the kernel stops the child when we are killed.

    Everything that may allocate or lock is done here, before the fork. The signal comes when the
    *thread* that started the child ends, so start children from the main thread. None where the
    system cannot do it (macOS): there a killed parent leaves its children to be stopped by hand.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:  # it died between the fork and the line above
            os.kill(os.getpid(), signal.SIGKILL)

    return in_child


class Child:
    """One process of a run. Start it from the main thread, on a running loop.

    It leads a session of its own, so a Ctrl-C meant for us does not reach it; what it starts in
    that session goes when it goes.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        log_path: Path,
        *,
        echo: Echo | None = None,
        keep_open: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log_path = log_path
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Its exit status, negative for a signal."""
        self._echo = echo
        self._log = log_path.open("wb")
        try:
            self._process = subprocess.Popen(
                list(arguments),
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=tie_to_parent(),
                pass_fds=tuple(keep_open),
            )
        except OSError:
            self._log.close()
            raise
        loop = asyncio.get_running_loop()
        self._reader = threading.Thread(target=self._collect, name=f"{name} output", daemon=True)
        self._watcher = threading.Thread(
            target=self._watch, args=(loop,), name=f"{name} end", daemon=True
        )
        self._reader.start()
        self._watcher.start()

    @property
    def pid(self) -> int:
        """Process id; also the id of its session and process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return not self.ended.done()

    def last_words(self) -> str:
        """The end of its log, for the message about its death."""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LAST_WORDS_LINES:])

    def died(self) -> ChildDied:
        """The error that tells how it ended and what it said last."""
        code = self.ended.result()
        how = f"exit status {code}"
        if code < 0:
            how = f"signal {signal.Signals(-code).name}"
        return ChildDied(f"{self.name} ended ({how}); {self.log_path} ends:\n{self.last_words()}")

    async def stop(self, grace_s: float, hurry: asyncio.Event) -> None:
        """SIGTERM, then SIGKILL after ``grace_s`` or as soon as ``hurry`` is set."""
        if self.alive:
            self._signal(signal.SIGTERM)
            hurrying = asyncio.create_task(hurry.wait())
            first_of: list[asyncio.Future[Any]] = [self.ended, hurrying]
            await asyncio.wait(first_of, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
            hurrying.cancel()
            if self.alive:
                self._signal(signal.SIGKILL)
        await self.ended
        self._watcher.join()
        self._reader.join()

    def _signal(self, signum: int) -> None:
        if self._process.returncode is None:  # not reaped: the id is still its own
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: wait for the end, and take what is left of its group along."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # unreaped, so the id is still surely its own
        code = self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop may be gone if we are being torn down
            loop.call_soon_threadsafe(self.ended.set_result, code)

    def _collect(self) -> None:
        """In a thread: its output into its log, and to whoever looks on."""
        assert self._process.stdout is not None
        with self._log, self._process.stdout as output:
            for line in output:
                self._log.write(line)
                self._log.flush()
                if self._echo is not None:
                    with contextlib.suppress(OSError, ValueError):  # the terminal went away
                        self._echo(self.name, line.decode(errors="replace").rstrip("\n"))
