"""A Valkey with an append-only file that can be killed and started again where it was."""

import asyncio
import contextlib
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from admin import valkey
from admin.children import tie_to_parent

_READY_WITHIN_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.01


class MortalServer:
    """One server in a folder of its own. Start it from the main thread."""

    def __init__(self, folder: Path) -> None:
        self.restarts = 0
        self.socket = folder / "v.sock"
        self._folder = folder
        self._binary = valkey.find_server()
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    async def start(self) -> None:
        """Start it with what it had written; returns when it answers.

        Raises:
            ServerFailed: it did not come up.
        """
        self._process = self._begin()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_WITHIN_S):
                while self._process.poll() is None:
                    if await asyncio.to_thread(valkey.answers, self.socket):
                        return
                    await asyncio.sleep(_LOOK_EVERY_S)
        raise valkey.ServerFailed("the server did not start again")

    def kill(self) -> None:
        """SIGKILL: what it had answered is in its file, nothing else is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def restart(self, away_s: float) -> None:
        """Kill it and start it again after a while."""
        self.kill()
        self.restarts += 1
        await asyncio.sleep(away_s)
        await self.start()

    def _begin(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            valkey.command(self._binary, self.socket, self._folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=tie_to_parent(),
        )
