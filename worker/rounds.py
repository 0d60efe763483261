"""What a worker does on nobody's behalf: rounds of settling and of sending texts, until it stops.

Leaves what is done in a round to ``tools.settle`` and ``tools.sending``. Both write down each step
before the next, so a round may end anywhere, and other workers' rounds are no harm.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from tools.connections import pauses
from tools.errors import ToolError
from worker.resources import Resources

QUEUE: Final = "settle"
"""Whoever serves it goes the rounds."""
EVERY_S: Final = 2.0
"""Between rounds that find nothing to do."""
BREATH_S: Final = 0.05
"""Between rounds that do."""
LONGEST_PAUSE_S: Final = 30.0
"""Between rounds that cannot be done: a database that comes back is not overrun."""
ENDS_WITHIN_S: Final = 3.0
"""For the round that is under way when the worker stops; what it was doing others find out."""

Round = Callable[[], Awaitable[int]]
"""Does what is due, and says how much that was."""

log = structlog.get_logger()


class Rounds:
    """Rounds of several kinds side by side: one that takes long holds up no other."""

    def __init__(
        self,
        rounds: Mapping[str, Round],
        *,
        every_s: float = EVERY_S,
        ends_within_s: float = ENDS_WITHIN_S,
    ) -> None:
        self._rounds = rounds
        self._every_s = every_s
        self._ends_within_s = ends_within_s
        self._stopping = False
        self._news = {name: asyncio.Event() for name in rounds}

    def news(self) -> None:
        """Something was written that a round may have to do with: go it at once."""
        for event in self._news.values():
            event.set()

    @asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        """While the block runs; at its end the last rounds are let finish for a moment."""
        walks = [
            asyncio.create_task(self._walk(name, round), name=f"rounds:{name}")
            for name, round in self._rounds.items()
        ]
        try:
            yield
        finally:
            self._stopping = True
            self.news()
            if walks:
                _, late = await asyncio.wait(walks, timeout=self._ends_within_s)
                for walk in late:
                    walk.cancel()
                await asyncio.gather(*walks, return_exceptions=True)

    async def _walk(self, name: str, round: Round) -> None:
        waits = pauses(self._every_s, LONGEST_PAUSE_S)
        while not self._stopping:
            self._news[name].clear()
            try:
                done = await round()
            except ToolError as error:
                log.warning("round_not_done", round=name, code=error.code, reason=error.reason)
                await self._rest(name, next(waits))
            except Exception:
                log.exception("round_failed", round=name)
                await self._rest(name, next(waits))
            else:
                waits = pauses(self._every_s, LONGEST_PAUSE_S)
                await self._rest(name, BREATH_S if done else self._every_s)

    async def _rest(self, name: str, seconds: float) -> None:
        """Wait, but not longer than until there is news."""
        if self._stopping:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news[name].wait()


def rounds_of(resources: Resources, queues: Sequence[str]) -> Rounds:
    """The rounds that a worker of these queues goes: all of them, or none."""
    if QUEUE not in queues:
        return Rounds({})
    return Rounds({"settle": resources.settler.round, "texts": resources.sender.round})
