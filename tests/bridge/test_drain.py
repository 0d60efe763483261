"""How a bridge goes: calls end by themselves, or are closed so that another takes them."""

import asyncio
import signal
import time
from typing import Any

import uvicorn

from bridge.app import SAME_SIGNAL_S, Server
from bridge.desk import Live
from bridge.store import ConversationStore
from tests.bridge.bridges import a_bridge, parameters
from tests.bridge.waiting import until

FRAME = bytes(range(160))


async def test_a_live_call_goes_on_while_the_bridge_drains_and_ends_by_itself(
    redis_url: str,
) -> None:
    async with a_bridge(redis_url, drain_s=60.0) as bridge, bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        bridge.drain()
        await line.says(FRAME)
        await until(lambda: session.voice == FRAME)
        still_serving = not bridge.serving.done()
        await line.stops("CA1")

        assert still_serving
        assert await line.close_code() == 1000
        await asyncio.wait_for(bridge.serving, 20)


async def test_a_bridge_without_calls_is_gone_at_once(redis_url: str) -> None:
    async with a_bridge(redis_url, drain_s=60.0) as bridge:
        bridge.drain()

        await asyncio.wait_for(bridge.serving, 20)


async def test_a_call_that_does_not_end_is_closed_with_1000_when_the_time_is_up(
    redis_url: str,
) -> None:
    store = ConversationStore(redis_url, wall_clock=time.time)
    async with a_bridge(redis_url, drain_s=0.05) as bridge, bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        bridge.drain()

        assert await line.close_code() == 1000
        await until(lambda: session.over)
        await asyncio.wait_for(bridge.serving, 20)

    state = await store.state("CA1")
    await store.aclose()
    assert state is not None
    assert (state.ended, state.next_step) == ("", "")


async def test_the_signal_repeated_at_once_is_the_same_signal(redis_url: str) -> None:
    async with a_bridge(redis_url, drain_s=60.0) as bridge, bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        bridge.drain()
        bridge.drain()
        await line.says(FRAME)

        await until(lambda: session.voice == FRAME)
        await line.stops("CA1")
        await line.close_code()


async def test_a_later_signal_means_now() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    live = Live()
    server = Server(uvicorn.Config(app), live=live, drain_s=60.0)
    server.handle_exit(signal.SIGTERM, None)
    assert server._first_signal_at is not None
    server._first_signal_at -= SAME_SIGNAL_S + 1

    server.handle_exit(signal.SIGTERM, None)

    assert (live.draining, server.should_exit) == (True, True)


async def test_a_draining_bridge_is_not_ready(redis_url: str) -> None:
    async with a_bridge(redis_url, drain_s=60.0) as bridge, bridge.call("CA1") as line:
        await bridge.deepgram.session("CA1")
        bridge.drain()
        await until(lambda: bridge.live.draining)

        answer = await bridge.http.get("/readyz")

        assert (answer.status_code, answer.json()) == (503, {"status": "draining"})
        assert (await bridge.http.get("/healthz")).status_code == 200
        await line.stops("CA1")
        await line.close_code()


async def test_a_stream_that_comes_to_a_draining_bridge_is_left_to_another(
    redis_url: str,
) -> None:
    async with a_bridge(redis_url, drain_s=60.0) as bridge, bridge.call("CA1") as line:
        await bridge.deepgram.session("CA1")
        bridge.drain()
        ticket = parameters(await bridge.voice("CA2"))
        async with bridge.line() as late:
            await late.begin("CA2", **ticket)

            assert await late.close_code() == 1000
        assert [session.call_sid for session in bridge.deepgram.sessions] == ["CA1"]
        await line.stops("CA1")
        await line.close_code()
