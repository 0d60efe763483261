"""A line to a server that breaks when it is told to: two unix sockets with us in between."""

import asyncio
import contextlib
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_PIECE_BYTES: Final = 65_536


class BreakableLine:
    """Carries connections from ``outer`` to ``inner`` while it is whole.

    ``async with`` it; ``cut`` ends every connection and refuses new ones, ``freeze`` lets bytes
    lie where they are, ``mend`` ends both.
    """

    def __init__(self, inner: Path, outer: Path) -> None:
        self.cuts = 0
        self._inner, self._outer = inner, outer
        self._whole = asyncio.Event()
        self._whole.set()
        self._refusing = False
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._carry, self._outer)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._carrying):
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    def cut(self) -> None:
        """End every connection in the middle of whatever it carries; let nobody in."""
        self.cuts += 1
        self._refusing = True
        self._whole.set()
        for end in list(self._ends):
            end.transport.abort()

    def freeze(self) -> None:
        """Carry nothing more, but keep every connection: a network that swallows packets."""
        self.cuts += 1
        self._whole.clear()

    def mend(self) -> None:
        """Be whole again."""
        self._refusing = False
        self._whole.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        self._ends.add(writer)
        inner: asyncio.StreamWriter | None = None
        try:
            if self._refusing:
                return
            from_server, inner = await asyncio.open_unix_connection(self._inner)
            self._ends.add(inner)
            await self._both_ways(reader, writer, from_server, inner)
        except OSError:  # the server is away: so is the line
            pass
        finally:
            for end in (writer, inner):
                if end is not None:
                    self._ends.discard(end)
                    end.transport.abort()
                    with contextlib.suppress(OSError):
                        await end.wait_closed()
            self._carrying.discard(task)

    async def _both_ways(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        inner: asyncio.StreamWriter,
    ) -> None:
        ways = (
            asyncio.create_task(self._pass_on(reader, inner)),
            asyncio.create_task(self._pass_on(from_server, writer)),
        )
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until this side ends, and with it the other way: Redis never half closes."""
        while piece := await reader.read(_PIECE_BYTES):
            await self._whole.wait()
            writer.write(piece)
            await writer.drain()
