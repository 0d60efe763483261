"""The line that breaks: whole, cut, frozen, mended."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from admin.chaos.line import BreakableLine


async def let_go(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@pytest.fixture
async def folder() -> AsyncIterator[Path]:
    """Somewhere with a short name, and a server in it that says everything twice."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(100):
            writer.write(piece * 2)
        await let_go(writer)

    with tempfile.TemporaryDirectory(prefix="hf-") as name:
        server = await asyncio.start_unix_server(echo, Path(name) / "in")
        yield Path(name)
        server.close()


async def test_a_whole_line_carries_both_ways(folder: Path) -> None:
    async with BreakableLine(folder / "in", folder / "out"):
        reader, writer = await asyncio.open_unix_connection(folder / "out")
        writer.write(b"a")
        assert await reader.readexactly(2) == b"aa"
        await let_go(writer)


async def test_a_cut_ends_what_was_open_and_refuses_what_is_new(folder: Path) -> None:
    async with BreakableLine(folder / "in", folder / "out") as line:
        reader, writer = await asyncio.open_unix_connection(folder / "out")
        writer.write(b"a")
        await reader.readexactly(2)

        line.cut()

        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(1)
        await let_go(writer)
        again, refused = await asyncio.open_unix_connection(folder / "out")
        assert await again.read(1) == b""
        await let_go(refused)

        line.mend()
        reader, writer = await asyncio.open_unix_connection(folder / "out")
        writer.write(b"b")
        assert await reader.readexactly(2) == b"bb"
        await let_go(writer)


async def test_a_frozen_line_loses_nothing_once_it_is_mended(folder: Path) -> None:
    async with BreakableLine(folder / "in", folder / "out") as line:
        reader, writer = await asyncio.open_unix_connection(folder / "out")
        line.freeze()
        writer.write(b"a")
        waiting = asyncio.create_task(reader.readexactly(2))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done()

        line.mend()

        assert await waiting == b"aa"
        await let_go(writer)
