import asyncio
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path

import pytest
from redis.exceptions import TimeoutError as NoAnswer

from tools.connections import connect, in_time, pauses


@pytest.fixture
async def silent(tmp_path: Path) -> AsyncIterator[str]:
    """A server that takes connections and never says a word."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_unix_server(say_nothing, tmp_path / "s.sock")
    yield f"unix://{tmp_path}/s.sock"
    server.close()


async def test_no_command_and_no_pipeline_waits_for_ever(silent: str) -> None:
    redis = connect(silent)

    async def command() -> None:
        await redis.get("a")

    async def pipeline() -> None:
        async with redis.pipeline() as pipe:
            pipe.get("a")
            await pipe.execute()

    ended = await asyncio.gather(command(), pipeline(), return_exceptions=True)
    await redis.aclose()

    assert [type(error) for error in ended] == [NoAnswer, NoAnswer]


async def test_what_blocks_by_design_is_bounded_by_who_asks(silent: str) -> None:
    redis = connect(silent, waits=True)

    with pytest.raises(NoAnswer):
        await in_time(redis.blpop(["a"], 0), 0.05)
    await redis.aclose()


async def test_commands_and_pipelines_work(redis_url: str) -> None:
    redis = connect(redis_url)
    async with redis.pipeline(transaction=True) as pipe:
        pipe.set("a", b"1")
        pipe.get("a")
        answers = await pipe.execute()
    await redis.aclose()

    assert answers == [True, b"1"]


async def test_a_time_out_of_the_command_itself_is_not_taken_for_ours() -> None:
    async def own() -> None:
        raise TimeoutError("own")

    with pytest.raises(TimeoutError, match="own"):
        await in_time(own())


@pytest.mark.parametrize("url", ["redis://h:1/2", "rediss://u:p@h:1/2", "unix:///tmp/a.sock"])
async def test_every_form_of_address_is_understood(url: str) -> None:
    options = connect(url).connection_pool.connection_kwargs

    assert options["socket_connect_timeout"] == 1.0
    assert "socket_timeout" not in options
    assert options.get("ssl_check_hostname", False) is url.startswith("rediss")
    assert options.get("socket_keepalive", False) is not url.startswith("unix")


def test_pauses_grow_to_half_a_second_and_never_end() -> None:
    waits = list(islice(pauses(), 20))

    assert 0.015 < waits[0] < 0.025
    assert all(0.39 < wait < 0.61 for wait in waits[6:])
