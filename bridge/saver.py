"""Keeping a conversation while it goes on: the newest snapshot, soon, and never in anybody's way.

Leaves where it is kept to ``bridge.store``. A frame never waits for this, nor does a word.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Protocol

from bridge.call.commands import NextStep
from bridge.errors import CallHeldElsewhere, StateUnavailable

TRIES: Final = 5
LAST_SAVE_S: Final = 3.0
"""How long the end of a call waits for its last save; the socket is closed by then."""


class Keeper(Protocol):
    """Where the conversation is kept; bound to this call and generation."""

    def encode(self) -> bytes:
        """A snapshot of the conversation as it is now."""

    async def save(self, stored: bytes, ended: str) -> None:
        """Keep a snapshot; raises ``StateUnavailable`` or ``CallHeldElsewhere``."""

    async def plan(self, next_step: NextStep) -> None:
        """Leave word for ``/twilio/resume``; raises as ``save`` does."""


class Saver:
    """One call's saves. Slower than the talk, it skips to the newest snapshot."""

    def __init__(
        self,
        keeper: Keeper,
        *,
        log: Any,
        counts: "Counter[str]",
        held_elsewhere: Callable[[], None],
    ) -> None:
        self._keeper = keeper
        self._log = log
        self._counts = counts
        self._held_elsewhere = held_elsewhere
        self._newest: bytes | None = None
        self._wanted = asyncio.Event()

    def want(self) -> None:
        """The conversation changed."""
        self._newest = self._keeper.encode()
        self._wanted.set()

    async def run(self) -> None:
        """Save whenever something changed; never returns."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            snapshot, self._newest = self._newest, None
            if snapshot is not None:
                await self._keep(snapshot, "")

    async def finish(self, ended: str) -> None:
        """The last save; given up after ``LAST_SAVE_S``."""
        self._newest = None
        try:
            async with asyncio.timeout(LAST_SAVE_S):
                await self._keep(self._keeper.encode(), ended)
        except TimeoutError:
            self._counts["unsaved"] += 1

    async def _keep(self, snapshot: bytes, ended: str) -> None:
        for attempt in range(TRIES):
            try:
                await self._keeper.save(snapshot, ended)
                return
            except StateUnavailable as error:
                self._log.warning("not_saved", code=error.code, attempt=attempt)
                await asyncio.sleep(min(2.0, 0.1 * 2**attempt))
            except CallHeldElsewhere as error:
                self._log.warning("gave_way", code=error.code)
                self._held_elsewhere()
                return
            if self._newest is not None:
                return  # a newer snapshot waits
        self._counts["unsaved"] += 1
