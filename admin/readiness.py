"""How a launcher knows that a process of its run can be asked something: by asking it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import httpx

from admin.errors import NotReady
from tools.errors import Unavailable
from tools.queue import ToolQueue

READY_WITHIN_S = 45.0
"""A start takes one to three seconds; a very busy machine is forgiven."""
LOOK_EVERY_S = 0.05


async def until(name: str, ready: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again.

    Raises:
        NotReady: it lives but does not become ready.
    """
    deadline = time.monotonic() + READY_WITHIN_S
    while not await ready():
        if time.monotonic() > deadline:
            raise NotReady(f"{name} was not ready within {READY_WITHIN_S:.0f} s; see its log")
        await asyncio.sleep(LOOK_EVERY_S)


async def answered(name: str, url: str) -> None:
    """Until a GET there is answered with 200."""
    async with httpx.AsyncClient(timeout=2.0, trust_env=False, verify=False) as client:

        async def ready() -> bool:
            try:
                return (await client.get(url)).status_code == 200
            except httpx.HTTPError:
                return False

        await until(name, ready)


async def accepts(name: str, port: int) -> None:
    """Until something listens on a port of this machine."""

    async def ready() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    await until(name, ready)


async def served(name: str, redis_url: str) -> None:
    """Until every tool queue has a worker that shows that it is alive."""
    async with ToolQueue(redis_url) as queue:

        async def ready() -> bool:
            try:
                return all(depth.workers > 0 for depth in await queue.depth())
            except Unavailable:
                return False

        await until(name, ready)
