"""What a load test and its processes say to each other: JSON lines over standard input and output.

The parent orders, the child answers; end of input ends the child, so that none outlives its
parent. Standard error is left for what went wrong.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

__all__ = [
    "AgentOrders",
    "AgentResult",
    "CallerOrders",
    "CallerResult",
    "Child",
    "Finish",
    "Go",
    "Listening",
    "OpenWindow",
    "Ready",
    "Up",
    "child",
    "serve",
]

T = TypeVar("T")

_LONGEST_LINE_BYTES = 64 * 1024 * 1024
_GOODBYE_S = 5.0


class _Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    pass


class AgentOrders(_Line, frozen=True, kw_only=True):
    """How the load's agent speaks."""

    frame_ms: int = 20
    """Sound in one message; a multiple of 20."""
    barge_ins_per_minute: float = 6.0
    """How often, in each call, the caller takes the floor while the agent speaks."""


class CallerOrders(_Line, frozen=True, kw_only=True):
    """Which calls to place, and where."""

    calls: int
    bridge_url: str
    public_url: str
    auth_token: str
    account_sid: str
    to_number: str
    stagger_s: float
    """Between two calls' first request, so that connecting is no storm."""


class Go(_Line, frozen=True, kw_only=True):
    """Place the calls."""


class OpenWindow(_Line, frozen=True, kw_only=True):
    """Delays of what is sent between these instants count."""

    from_ns: int
    until_ns: int


class Finish(_Line, frozen=True, kw_only=True):
    """Hang up and say what was measured."""


class Listening(_Line, frozen=True, kw_only=True):
    """The agent's port is open."""

    port: int


class Ready(_Line, frozen=True, kw_only=True):
    """One call was placed and ended, so that everything is warm."""


class Up(_Line, frozen=True, kw_only=True):
    """All calls have been placed."""

    calls: int
    failures: list[str]


class AgentResult(_Line, frozen=True, kw_only=True):
    """What the agent's end measured: caller → agent."""

    delays: dict[int, int]
    newest: dict[int, int]
    received: int
    lost: int
    lateness: dict[int, int]
    cpu_s: float
    barged_in: dict[str, list[int]]
    """By call: when it was told that the caller speaks, while it spoke itself."""


class CallerResult(_Line, frozen=True, kw_only=True):
    """What the callers' end measured: agent → caller."""

    delays: dict[int, int]
    newest: dict[int, int]
    received: int
    lost: int
    lateness: dict[int, int]
    cpu_s: float
    ended_early: int
    """Calls that the bridge ended before we did."""
    malformed: int
    """Messages of the bridge that Twilio would have refused."""
    greetings: dict[int, int]
    """From ``start`` to the first sound, of the calls whose first sound was a phrase of ours."""
    cleared: dict[str, list[int]]
    """By call: when it was told to throw away what it had not played."""


Order = Go | OpenWindow | Finish


async def serve(
    first: msgspec.Struct, obey: Callable[[Order], Awaitable[msgspec.Struct | None]]
) -> None:
    """The child's side: says ``first``, then obeys line after line until the input ends."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=_LONGEST_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin.buffer)
    _answer(first)
    decoder = msgspec.json.Decoder(Order)
    while line := await lines.readline():
        answer = await obey(decoder.decode(line))
        if answer is not None:
            _answer(answer)


def _answer(message: msgspec.Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


class Child:
    """The parent's side of one process."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self._running = running
        self.pid = running.pid

    def order(self, message: msgspec.Struct) -> None:
        """Says something to it."""
        assert self._running.stdin is not None
        self._running.stdin.write(msgspec.json.encode(message) + b"\n")

    async def answer(self, kind: type[T]) -> T:
        """The next thing it says.

        Raises:
            RuntimeError: it ended instead; why is on standard error.
        """
        assert self._running.stdout is not None
        line = await self._running.stdout.readline()
        if not line:
            raise RuntimeError(f"a load process ended with {await self._running.wait()}")
        return msgspec.json.decode(line, type=kind)

    async def stop(self) -> None:
        """Ends its input; kills it when that does not end it."""
        assert self._running.stdin is not None
        self._running.stdin.close()
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._running.wait()
        except TimeoutError:
            self._running.kill()
            await self._running.wait()


@asynccontextmanager
async def child(module: str, orders: msgspec.Struct) -> AsyncIterator[Child]:
    """A process of the load test for as long as the block lasts."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE_BYTES,
        start_new_session=True,  # Ctrl-C is ours to hear; the child ends with its input
    )
    one = Child(running)
    try:
        one.order(orders)
        yield one
    finally:
        await one.stop()
