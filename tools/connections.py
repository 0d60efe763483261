"""How this house talks to Redis: addresses, time-outs, and which failures are worth a second try.

Leaves keys and scripts to ``scripts``, and how long to go on trying to whoever waits.
"""

import asyncio
import builtins
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from random import uniform
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import hiredis
from arq import ArqRedis
from redis import Redis
from redis.asyncio import (
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import AbstractConnection
from redis.commands.core import AsyncScript
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
)

from tools.errors import Unavailable

CONNECT_TIMEOUT_S: Final = 1.0
ANSWER_TIMEOUT_S: Final = 2.0
"""For commands that do not wait by design; a Redis that needs longer hangs."""

WORTH_ANOTHER_TRY: Final = (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, OSError)
"""Cut, frozen, restarting, or failing over: the same command may work in a moment."""

Answer = TypeVar("Answer")


class _Bounded(ArqRedis):
    """A client that waits for no answer longer than ``ANSWER_TIMEOUT_S``."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        ask: Callable[..., Awaitable[Any]] = super().execute_command
        return await in_time(ask(*args, **options))

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _BoundedPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )


class _BoundedPipeline(Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        return await in_time(super().execute(raise_on_error))


class _Packed(AbstractConnection):
    """Packs commands in C: in Python that is a tenth of a round trip."""

    def pack_command(self, *args: Any) -> list[bytes]:
        return [hiredis.pack_command((*args[0].split(), *args[1:]))]


class _PackedTcp(_Packed, Connection):
    pass


class _PackedTls(_Packed, SSLConnection):
    pass


class _PackedUnix(_Packed, UnixDomainSocketConnection):
    pass


_PACKED: Final = {
    Connection: _PackedTcp,
    SSLConnection: _PackedTls,
    UnixDomainSocketConnection: _PackedUnix,
}


class KeptConnection:
    """One connection for one task, for commands that are sent together and may block by design.

    Opens when it is first needed, and again after any failure.
    """

    def __init__(self, url: str) -> None:
        pool: Any = _pool(url)
        self._connection: Any = pool.make_connection()  # redis-py leaves it untyped

    async def ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        """The answers, in order. The caller sets the bound, with ``in_time``.

        Cancelled, or failed before the last answer, it closes: no answer meets another command.
        """
        connection = self._connection
        if not connection.is_connected:
            await connection.connect()
        await connection.send_packed_command(b"".join(map(hiredis.pack_command, commands)))
        answers = []
        try:
            for _ in commands:
                answers.append(await connection.read_response())
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return answers

    async def aclose(self) -> None:
        """Close it."""
        await self._connection.disconnect()


class KeptConnections:
    """Connections for scripts on a caller's time, as many as are in use at once.

    Beside a pool of redis-py's they spare what it does around every command. What broke while it
    was idle fails once: for who tries again anyway.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[KeptConnection] = []

    async def run(self, script: AsyncScript, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """The script's answer, within ``ANSWER_TIMEOUT_S``; Redis errors as they are."""
        kept = self._idle.pop() if self._idle else KeptConnection(self._url)
        try:
            command = ("EVALSHA", script.sha, len(keys), *keys, *args)
            [answer] = await in_time(kept.ask(command))
        except NoScriptError:  # a Redis that is new, or was told to forget it
            return await script(keys=keys, args=args)
        finally:
            self._idle.append(kept)
        return answer

    async def aclose(self) -> None:
        """Close those that are idle."""
        while self._idle:
            await self._idle.pop().aclose()


def _pool(url: str) -> ConnectionPool:
    pool = ConnectionPool.from_url(url, **_options(url))
    pool.connection_class = _PACKED[pool.connection_class]
    return pool


def connect(url: str, *, waits: bool = False) -> ArqRedis:
    """A client for ``redis://``, ``rediss://`` or ``unix://``; opens nothing yet.

    Every command and every pipeline ends within ``ANSWER_TIMEOUT_S``, with redis-py's
    ``TimeoutError`` if need be. ``waits`` is for commands that block by design (BLPOP) and for
    subscriptions: there the caller sets the bound, with ``in_time``.

    The connection's own ``socket_timeout`` stays unset: with it redis-py sends inside
    ``asyncio.wait_for``, which on Python 3.11 swallows a cancellation that comes as the sending
    ends, and with it a shutdown.
    """
    client = ArqRedis if waits else _Bounded
    redis = client(_pool(url))
    redis.auto_close_connection_pool = True
    return redis


async def in_time(command: Awaitable[Answer], seconds: float = ANSWER_TIMEOUT_S) -> Answer:
    """The command's answer.

    Raises:
        redis.exceptions.TimeoutError: none came. redis-py has closed the connection, so no later
            command can be given this one's answer.
    """
    try:
        async with asyncio.timeout(seconds) as bound:
            return await command
    except builtins.TimeoutError:
        if not bound.expired():
            raise
        raise TimeoutError(f"no answer in {seconds} s") from None


@contextmanager
def reached(say: str) -> Iterator[None]:
    """What fails inside because of Redis is ``Unavailable``, with this to say."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable(say, reason=f"queue: {error!r}") from error


def connect_in_thread(url: str, *, answer_within_s: float) -> Redis:
    """A client for a thread of its own."""
    return Redis.from_url(url, socket_timeout=answer_within_s, **_options(url))


def check_url(url: str) -> None:
    """Whether ``connect`` can do with this address; asks nobody.

    Raises:
        ValueError: it is none of Redis; the message does not repeat it.
    """
    try:
        parts = urlsplit(url)
        database = parts.path.strip("/")
        known = {"redis": parts.hostname, "rediss": parts.hostname, "unix": parts.path}
        named = known.get(parts.scheme)
        if not named or (parts.scheme != "unix" and database and not database.isdecimal()):
            raise ValueError("another scheme, no host, or a database that is no number")
        connect(url)
    except ValueError:
        raise ValueError("expected redis://HOST:PORT/NUMBER, rediss://… or unix:///PATH") from None


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
