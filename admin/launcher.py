"""A run on one machine: the Procfile's processes and whatever they lack, up in order, down in
reverse, nothing left behind.

Owns order, readiness and the end. Leaves addresses to ``surroundings``, single processes to
``children``. Never used in production, where the platform starts the Procfile's lines.
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from admin import procfile, readiness, valkey
from admin.children import STOP_GRACE_S, Child, Echo
from admin.state import RUN_FILE, StateDirectory
from admin.surroundings import Ports, Surroundings, compose

RELEASE = "release"
LAST_UP = "web"
"""The bridge starts last and stops first: while it drains, its calls need everything else."""
WEB_GRACE_S = 30.0
"""For live calls to end; then they are cut, as on the strictest platform (Heroku's 30 s)."""
DEBOUNCE_S = 2.0
"""Ctrl-C again so soon is the same Ctrl-C; later it means: now."""

Tell = Callable[[str], None]


class Stopped(Exception):
    """The operator ended the run (Ctrl-C, SIGTERM, a closed terminal)."""


class Launcher:
    """One run, for the length of an ``async with`` block on the main thread.

    ::

        async with Launcher(environ, StateDirectory(path), ports) as run:
            await run.until_ended()

    Entering starts everything and waits until it is ready. Leaving stops it in reverse order.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        state: StateDirectory,
        ports: Ports,
        *,
        lines: Mapping[str, str] | None = None,
        echo: Echo | None = None,
        tell: Tell = lambda text: None,
    ) -> None:
        """Nothing starts yet.

        Args:
            environ: The operator's environment.
            state: Where files go; locked on entry.
            ports: Wanted ports.
            lines: The Procfile's; read from the checkout when not given.
            echo: Shows the children's output as it comes.
            tell: Shows what the launcher does.
        """
        self._environ = environ
        self._state = state
        self._ports = ports
        self._lines = dict(lines if lines is not None else procfile.read(procfile.find()))
        self._echo = echo
        self._show = tell
        self._children: list[Child] = []
        self._dead: asyncio.Queue[Child] = asyncio.Queue()
        self._stack = AsyncExitStack()
        self._asked_to_stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._first_signal_at: float | None = None
        self.surroundings: Surroundings
        """Set on entry."""

    async def __aenter__(self) -> Self:
        """Start everything; on any trouble stop again what was started.

        Raises:
            AlreadyRunning, PortTaken: somebody else is here.
            ServerMissing: no Valkey to embed.
            ChildDied, NotReady: with the last words of the one concerned.
            Stopped: the operator did not want to wait.
        """
        try:
            await self._or_stopped(self._start())
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def until_ended(self) -> None:
        """Wait for the operator.

        Raises:
            Stopped: the operator's wish.
            ChildDied: one of the processes ended by itself.
        """
        await self._or_stopped(asyncio.Event().wait())

    async def during(self, work: Awaitable[None]) -> None:
        """Do ``work``, unless the operator or a dying process ends it.

        Raises:
            Stopped, ChildDied: as in :meth:`until_ended`; ``work`` is cancelled.
        """
        await self._or_stopped(work)

    def _tell(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal went away; the run goes on
            self._show(text)

    def pid_of(self, name: str) -> int:
        """The process id of a running child."""
        (child,) = (child for child in self._children if child.name == name)
        return child.pid

    def add(self, name: str, words: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start one more ``holdfast`` process of this run; it stops before those it came after.

        Args:
            name: Unlike any other of the run's.
            words: The verb and what follows it.
            environ: What it finds there in place of the run's own; whoever adds it knows when it
                is ready.
        """
        here = {**self.surroundings.environ, **environ}
        self._start_child(name, procfile.holdfast(*words), here)

    # -- up ------------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._listen_to_signals()
        await self._state.lock()
        ports = self._stack.enter_context(ExitStack())
        self.surroundings = compose(self._environ, self._state, self._ports, ports)
        await asyncio.gather(self._start_valkey(), self._start_simulator())
        if RELEASE in self._lines:
            await self._run(RELEASE, procfile.arguments(self._lines[RELEASE]))
            await self._run("seed", procfile.holdfast("seed"))
        names = [name for name in self._lines if name not in (RELEASE, LAST_UP)]
        names += [LAST_UP] * (LAST_UP in self._lines)
        for name in names:
            self._start_child(name, procfile.arguments(self._lines[name]))
        await asyncio.gather(*(self._until_ready(name) for name in names))
        run_file = self._state.path / RUN_FILE
        self.surroundings.run_file().write(self._state.path)
        self._stack.callback(run_file.unlink, missing_ok=True)

    async def _start_valkey(self) -> None:
        if self.surroundings.valkey_socket is None:
            return
        binary = valkey.find_server()
        data_dir = self._state.path / "valkey"
        data_dir.mkdir(exist_ok=True)
        socket_path = Path(self.surroundings.valkey_socket)
        self._start_child("valkey", valkey.command(binary, socket_path, data_dir))
        await readiness.until("valkey", lambda: asyncio.to_thread(valkey.answers, socket_path))

    async def _start_simulator(self) -> None:
        port = self.surroundings.simulator_port
        if port is None:
            return
        self._start_child("simulator", procfile.holdfast("simulator", "--port", str(port)))
        await readiness.accepts("simulator", port)

    def _start_child(
        self, name: str, arguments: list[str], environ: Mapping[str, str] | None = None
    ) -> None:
        """Start what must live as long as the run."""
        child = self._child(name, arguments, environ)
        child.ended.add_done_callback(lambda _: self._dead.put_nowait(child))
        self._children.append(child)

    async def _run(self, name: str, arguments: list[str]) -> None:
        """Run a process to its end, which must be a good one."""
        child = self._child(name, arguments)
        try:
            if await asyncio.shield(child.ended) != 0:
                raise child.died()
        finally:
            await child.stop(STOP_GRACE_S, self._hurry)

    def _child(
        self, name: str, arguments: list[str], environ: Mapping[str, str] | None = None
    ) -> Child:
        return Child(
            name,
            arguments,
            self.surroundings.of(name) if environ is None else environ,
            self._state.logs / f"{name}.log",
            echo=self._overhear,
            keep_open=[self._state.lock_fd],
        )

    def _overhear(self, name: str, line: str) -> None:
        """Show a line of a child; of a bridge that drains say what the operator waits for."""
        if self._echo is not None:
            self._echo(name, line)
        if name == LAST_UP and (calls := _live_calls(line)):
            self._tell(
                f"live calls: {calls}; each may end by itself, for {WEB_GRACE_S:.0f} s at most; "
                "Ctrl-C again cuts it off"
            )

    async def _until_ready(self, name: str) -> None:
        here = self.surroundings
        match name:
            case "web":
                await readiness.answered(name, f"{here.web_url}/readyz")
            case "admin":
                await readiness.answered(name, f"{here.admin_url}/healthz")
            case "worker":
                await readiness.served(name, here.environ["REDIS_URL"])
            case _:
                pass
        self._tell(f"{name} is ready")

    # -- while it runs ---------------------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self._on_signal)
            self._stack.callback(loop.remove_signal_handler, signum)

    def _on_signal(self) -> None:
        now = time.monotonic()
        if self._first_signal_at is None:
            self._first_signal_at = now
            self._asked_to_stop.set()
        elif now - self._first_signal_at > DEBOUNCE_S:
            self._hurry.set()

    async def _or_stopped(self, work: Awaitable[object]) -> None:
        """Do ``work`` while nobody asks to stop and no child dies."""
        doing = asyncio.ensure_future(work)
        stopping = asyncio.create_task(self._asked_to_stop.wait())
        dying = asyncio.create_task(self._dead.get())
        first_of: list[asyncio.Future[Any]] = [doing, stopping, dying]
        try:
            await asyncio.wait(first_of, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                raise Stopped
            if dying.done():
                raise dying.result().died()
            await doing
        finally:
            for task in first_of:
                task.cancel()
            await asyncio.gather(*first_of, return_exceptions=True)

    # -- down ------------------------------------------------------------------------------------

    async def _stop(self) -> None:
        """Stop what runs, the youngest first; cannot be cut short but by hurrying."""
        stopping = asyncio.create_task(self._stop_all())
        while not stopping.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(stopping)
        stopping.result()

    async def _stop_all(self) -> None:
        for child in reversed(self._children):
            if child.alive:
                self._tell(f"stopping {child.name}")
            await child.stop(WEB_GRACE_S if child.name == LAST_UP else STOP_GRACE_S, self._hurry)
        self._children.clear()
        await self._stack.aclose()
        self._state.close()


def _live_calls(line: str) -> int:
    """How many calls a bridge had as it began to drain, if that is what this line logs."""
    try:
        said = msgspec.json.decode(line, type=_Drain)
    except msgspec.DecodeError:
        return 0
    return said.calls if said.event == "draining" else 0


class _Drain(msgspec.Struct):
    event: str = ""
    calls: int = 0


def show(name: str, line: str) -> None:
    """An echo for a terminal: the child's name before each of its lines."""
    sys.stdout.write(f"{name:>9} │ {line}\n")
    sys.stdout.flush()
