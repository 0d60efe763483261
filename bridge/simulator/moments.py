"""What has happened in a session how often, for whoever waits for the n-th time."""

import asyncio
from collections import Counter


class Moments:
    """Counts; a session's parts mark, its fate waits."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._news = asyncio.Event()

    def mark(self, what: str) -> None:
        """It happened once more."""
        self._counts[what] += 1
        self._news.set()
        self._news = asyncio.Event()

    async def nth(self, what: str, number: int) -> None:
        """Returns when it has happened so often."""
        while self._counts[what] < number:
            await self._news.wait()
