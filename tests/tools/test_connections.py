import asyncio
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError, ResponseError
from redis.exceptions import TimeoutError as NoAnswer

from tools.connections import KeptConnection, KeptConnections, connect, in_time, pauses, reached
from tools.errors import Unavailable


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


async def test_commands_are_sent_as_they_are_meant_whatever_they_are_made_of(
    redis_url: str,
) -> None:
    redis = connect(redis_url)
    await redis.zadd("z", {"µ": 1790000001500.5, b"\xff \r\n": -3})
    await redis.execute_command("CONFIG RESETSTAT")  # a name of two words
    answers = await redis.zrange("z", 0, -1, withscores=True)
    named = await redis.client_setname("ours")
    with pytest.raises(TypeError):
        await redis.set("a", object())  # type: ignore[arg-type]
    await redis.aclose()

    assert answers == [(b"\xff \r\n", -3.0), ("µ".encode(), 1790000001500.5)]
    assert named


async def test_what_is_sent_together_is_answered_in_order(redis_url: str) -> None:
    kept = KeptConnection(redis_url)

    answers = await kept.ask(("RPUSH", "l", "1"), ("BLPOP", "l", 0), ("LLEN", "l"))
    await kept.aclose()

    assert answers == [1, [b"l", b"1"], 0]


async def test_no_answer_meets_another_command_after_a_wait_was_cut_short(redis_url: str) -> None:
    kept = KeptConnection(redis_url)
    waiting = asyncio.create_task(kept.ask(("BLPOP", "l", 0), ("SET", "late", "1")))
    other = connect(redis_url)
    while not (await other.info("clients"))["blocked_clients"]:
        await asyncio.sleep(0.005)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    while (await other.info("clients"))["blocked_clients"]:
        await asyncio.sleep(0.005)
    await other.rpush("l", "1")

    answers = await kept.ask(("PING",), ("LLEN", "l"), ("EXISTS", "late"))
    await kept.aclose()
    await other.aclose()

    assert answers == [b"PONG", 1, 0]


async def test_after_a_refusal_the_line_is_opened_again(redis_url: str) -> None:
    kept = KeptConnection(redis_url)
    with pytest.raises(ResponseError):
        await kept.ask(("NO", "SUCH"), ("SET", "a", "1"))

    assert await kept.ask(("PING",)) == [b"PONG"]
    await kept.aclose()


async def test_scripts_run_side_by_side_and_are_taught_to_a_redis_that_forgot_them(
    redis_url: str,
) -> None:
    redis, quick = connect(redis_url), KeptConnections(redis_url)
    script = redis.register_script("return {KEYS[1], ARGV[1], redis.call('INCR', 'n')}")

    first = await quick.run(script, ["k"], [b"a"])
    several = await asyncio.gather(*(quick.run(script, ["k"], [n]) for n in range(20)))
    await redis.script_flush()
    last = await quick.run(script, ["k"], ["ä"])
    await quick.aclose()
    await redis.aclose()

    assert first == [b"k", b"a", 1]
    assert [answer[1] for answer in several] == [str(n).encode() for n in range(20)]
    assert sorted(answer[2] for answer in several) == list(range(2, 22))
    assert last == [b"k", "ä".encode(), 22]


async def test_a_connection_that_broke_while_it_was_idle_fails_once(redis_url: str) -> None:
    redis, quick = connect(redis_url), KeptConnections(redis_url)
    script = redis.register_script("return 1")
    for _ in range(2):  # the first one teaches the script
        await quick.run(script, [], [])
    await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    try:
        with pytest.raises(ConnectionError):
            await quick.run(script, [], [])
        assert await quick.run(script, [], []) == 1
    finally:
        await quick.aclose()
        await redis.aclose()


async def test_a_script_waits_for_a_silent_redis_no_longer_than_any_command(silent: str) -> None:
    redis, quick = connect(silent), KeptConnections(silent)
    with pytest.raises(NoAnswer):
        await quick.run(redis.register_script("return 1"), [], [])
    await quick.aclose()
    await redis.aclose()


def test_what_redis_does_is_unavailable_and_what_we_do_is_not() -> None:
    with pytest.raises(Unavailable, match="queue: TimeoutError") as refused, reached("Sorry."):
        raise TimeoutError("x")
    with pytest.raises(KeyError), reached("Sorry."):
        raise KeyError("ours")

    assert refused.value.say == "Sorry."
