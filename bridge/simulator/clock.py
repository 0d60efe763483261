"""The clock of one simulated call: CLOCK_MONOTONIC, or the same run faster for tests (F31)."""

import asyncio
import time

__all__ = ["Clock"]


class Clock:
    """Seconds of the call; ``speed`` of them pass in one real second.

    At speed 1 ``now`` is CLOCK_MONOTONIC itself, which every process of the machine shares.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._origin = time.monotonic()

    def now(self) -> float:
        """This instant."""
        return self._origin + (time.monotonic() - self._origin) * self._speed

    async def until(self, at: float) -> None:
        """Waits for an absolute instant; does not yield when it has passed, so one catches up."""
        delay_s = (at - self.now()) / self._speed
        if delay_s > 0:
            await asyncio.sleep(delay_s)

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds / self._speed)

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """``asyncio.timeout`` in the call's seconds."""
        return asyncio.timeout(seconds / self._speed)
