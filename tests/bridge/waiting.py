"""Waiting for a condition, never for a time."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    """Return as soon as it holds; fail if it never does."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.002)
