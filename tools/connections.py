"""How this house talks to Redis: addresses, time-outs, and which failures are worth a second try.

Leaves keys and scripts to ``scripts``, and how long to go on trying to whoever waits.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from random import uniform
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from arq import ArqRedis
from redis import Redis
from redis.asyncio import ConnectionPool
from redis.exceptions import BusyLoadingError, ConnectionError, ReadOnlyError, TimeoutError

CONNECT_TIMEOUT_S: Final = 1.0
ANSWER_TIMEOUT_S: Final = 2.0
"""For commands that do not wait by design; a Redis that needs longer hangs."""

WORTH_ANOTHER_TRY: Final = (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, OSError)
"""Cut, frozen, restarting, or failing over: the same command may work in a moment."""

Answer = TypeVar("Answer")


def connect(url: str) -> ArqRedis:
    """A client for ``redis://``, ``rediss://`` or ``unix://``; opens nothing yet.

    It waits for an answer for ever: put ``in_time`` around each command. Its own
    ``socket_timeout`` must stay unset: redis-py then sends inside ``asyncio.wait_for``, which on
    Python 3.11 swallows a cancellation that comes as the sending ends, and with it a shutdown.
    """
    redis = ArqRedis(ConnectionPool.from_url(url, **_options(url)))
    redis.auto_close_connection_pool = True
    return redis


async def in_time(command: Awaitable[Answer], seconds: float = ANSWER_TIMEOUT_S) -> Answer:
    """The command's answer.

    Raises:
        TimeoutError: none came; redis-py has closed the connection, so no later command can be
            given this one's answer.
    """
    async with asyncio.timeout(seconds):
        return await command


def connect_in_thread(url: str, *, answer_within_s: float) -> Redis:
    """A client for a thread of its own."""
    return Redis.from_url(url, socket_timeout=answer_within_s, **_options(url))


def _options(url: str) -> dict[str, Any]:
    options: dict[str, Any] = {"socket_connect_timeout": CONNECT_TIMEOUT_S}
    match urlsplit(url).scheme:
        case "unix":
            pass
        case "rediss":
            options |= {"socket_keepalive": True, "ssl_check_hostname": True}
        case _:
            options |= {"socket_keepalive": True}
    return options


def pauses(first_s: float = 0.02, longest_s: float = 0.5) -> Iterator[float]:
    """Seconds to wait before each further try: doubling, spread by ±20 %, without an end."""
    pause_s = first_s
    while True:
        yield pause_s * uniform(0.8, 1.2)
        pause_s = min(pause_s * 2, longest_s)
