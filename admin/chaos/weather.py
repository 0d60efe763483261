"""What breaks, when: workers killed, Redis restarted, lines cut, texts lost; drawn from a seed."""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from admin.chaos.line import BreakableLine
from admin.chaos.server import MortalServer
from bridge.simulator.options import TextFault

EVERY_S: Final = (0.4, 1.4)
"""Between two blows."""
AWAY_S: Final = (0.1, 1.2)
"""How long a server or a line is away: a failover, not an outage for good."""
_LIKELY: Final = {"worker": 8, "line": 3, "freeze": 2, "redis": 1, "text": 4}
_TEXT_FAULTS: Final[tuple[TextFault, ...]] = ("busy", "error", "cut", "lost", "error_after")


class Weather:
    """Breaks things until it is told to stop; ``blows`` counts what it did."""

    def __init__(
        self,
        *,
        server: MortalServer,
        lines: Sequence[BreakableLine],
        workers: Callable[[], Sequence[int]],
        text_faults: list[TextFault],
        seed: int,
    ) -> None:
        self.blows: Counter[str] = Counter()
        self._server, self._lines, self._workers = server, lines, workers
        self._text_faults = text_faults
        self._random = random.Random(f"weather {seed}")

    async def rage(self) -> None:
        """Until cancelled; everything is whole again afterwards."""
        kinds, weights = list(_LIKELY), list(_LIKELY.values())
        try:
            while True:
                await asyncio.sleep(self._random.uniform(*EVERY_S))
                await self._blow(self._random.choices(kinds, weights)[0])
        finally:
            for line in self._lines:
                line.mend()

    async def _blow(self, kind: str) -> None:
        away_s = self._random.uniform(*AWAY_S)
        match kind:
            case "worker":
                if not (pids := self._workers()):
                    return
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._random.choice(list(pids)), signal.SIGKILL)
            case "text":
                self._text_faults.append(self._random.choice(_TEXT_FAULTS))
            case "redis":
                await asyncio.shield(self._server.restart(away_s))
            case "line" | "freeze":
                line = self._random.choice(list(self._lines))
                if kind == "line":
                    line.cut()
                else:
                    line.freeze()
                await asyncio.sleep(away_s)
                line.mend()
        self.blows[kind] += 1


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that are still there (Linux)."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]
