"""The load test's own parts, and a small load over real processes against a bare relay."""

import asyncio
import base64
import json
import os
import time
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from bridge.simulator.lean_socket import LeanSocket, accept_key, request_of
from bridge.simulator.load import LoadAgent, load_agent, run_load
from bridge.simulator.load_barge_ins import clears_after
from bridge.simulator.load_report import Direction, LoadReport, Moment, as_table
from bridge.simulator.pacer import Pacer
from bridge.simulator.report import percentile
from bridge.simulator.stamps import Delays, Receipts, Window, stamped
from bridge.wire import twilio

# --- stamps ------------------------------------------------------------------------------------


def receipts_of(window_s: float = 3600) -> tuple[Receipts, Delays, Delays]:
    window = Window()
    now_ns = time.monotonic_ns()
    window.set(now_ns - 10**12, now_ns + round(window_s * 1e9))
    delays, newest = Delays(), Delays()
    return Receipts(delays, newest, window), delays, newest


noise = st.binary(max_size=50).filter(lambda sound: b"hOLD" not in sound)


@given(st.lists(st.integers(1, 700), min_size=1, max_size=20), noise)
def test_stamps_are_found_however_the_sound_is_cut(sizes: list[int], before: bytes) -> None:
    receipts, delays, _ = receipts_of()
    sound = before + b"".join(stamped(number) for number in range(12))
    at = 0
    while at < len(sound):
        size = sizes[at % len(sizes)]
        receipts.take(sound[at : at + size])
        at += size

    assert receipts.received == 12
    assert receipts.lost == 0
    assert delays.counts.total() == 12


def test_numbers_that_are_passed_over_are_lost() -> None:
    receipts, _, newest = receipts_of()

    receipts.take(stamped(1) + stamped(2))
    receipts.take(stamped(5))

    assert (receipts.received, receipts.lost) == (3, 2)
    assert newest.counts.total() == 2


def test_what_was_sent_outside_the_window_does_not_count() -> None:
    receipts = Receipts(Delays(), Delays(), Window())

    receipts.take(stamped(1))

    assert receipts.received == 0


@given(st.lists(st.integers(0, 10_000_000), min_size=1))
def test_delays_keep_three_digits_and_their_order(values: list[int]) -> None:
    delays = Delays()
    for value in values:
        delays.add(value)

    for share in (0.5, 0.99, 1.0):
        exact_ms = percentile(values, share) / 1000
        assert delays.percentile_ms(share) <= exact_ms
        assert delays.percentile_ms(share) == pytest.approx(exact_ms, rel=0.011)


def test_delays_of_two_processes_add_up() -> None:
    one, other = Delays({5: 2}), Delays({5: 1, 9: 1})

    one.merge(other)

    assert one.counts == {5: 3, 9: 1}


# --- barge-ins ---------------------------------------------------------------------------------

MS = 1_000_000


def test_a_barge_in_ends_with_the_first_clear_behind_it() -> None:
    delays, missed = clears_after({"a": [10 * MS, 500 * MS]}, {"a": [5 * MS, 12 * MS, 503 * MS]})

    assert (delays.counts, missed) == ({2000: 1, 3000: 1}, 0)


def test_a_clear_of_another_call_is_of_no_use() -> None:
    delays, missed = clears_after({"a": [10 * MS], "b": [20 * MS]}, {"b": [12 * MS]})

    assert (delays.counts, missed) == ({}, 2)


def test_a_clear_behind_the_next_barge_in_is_the_next_ones() -> None:
    delays, missed = clears_after({"a": [10 * MS, 20 * MS]}, {"a": [21 * MS]})

    assert (delays.counts, missed) == ({1000: 1}, 1)


# --- the lean socket ---------------------------------------------------------------------------


class Ear(LeanSocket):
    masks = True

    def __init__(self) -> None:
        super().__init__()
        self.heard: asyncio.Queue = asyncio.Queue()

    def on_head(self, head: bytes) -> bool:
        self.heard.put_nowait(head.split(b"\r\n")[0])
        return b" 101 " in head

    def on_text(self, text: bytes) -> None:
        self.heard.put_nowait(text)

    def on_binary(self, sound: bytes) -> None:
        self.heard.put_nowait(sound)

    def on_gone(self) -> None:
        self.heard.put_nowait(None)


def test_the_accept_key_is_the_standards_own_example() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
async def test_a_lean_client_and_a_full_server_understand_each_other(size: int) -> None:
    async def echo(connection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        _, ear = await asyncio.get_running_loop().create_connection(Ear, "127.0.0.1", port)
        ear.transport.write(request_of(f"ws://127.0.0.1:{port}/x?y=1", {"x-z": "1"}))
        assert b"101" in await ear.heard.get()
        ear.send_text(b"t" * size)
        ear.send_binary(b"b" * size)

        assert await ear.heard.get() == b"t" * size
        assert await ear.heard.get() == b"b" * size
        ear.close()
        assert await ear.heard.get() is None


async def test_a_lean_server_unmasks_answers_pings_and_says_goodbye() -> None:
    class Server(Ear):
        masks = False

        def on_head(self, head: bytes) -> bool:
            key = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
            answer = accept_key(key["Sec-WebSocket-Key"])
            self.transport.write(
                b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + answer.encode() + b"\r\n\r\n"
            )
            return True

        def on_binary(self, sound: bytes) -> None:
            self.send_text(sound.hex().encode())

    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with connect(f"ws://127.0.0.1:{port}/", compression=None, proxy=None) as client:
            await (await client.ping())
            await client.send(bytes(range(256)))
            assert await client.recv() == bytes(range(256)).hex()
    finally:
        server.close()


async def test_the_pacer_makes_up_for_every_tick_it_missed() -> None:
    class Member:
        ticks = 0

        def tick(self) -> None:
            self.ticks += 1
            if self.ticks == 8:
                eight.set()

    eight = asyncio.Event()
    pacer, member = Pacer(), Member()
    pacer.join(member)
    pacer.start()
    time.sleep(0.1)  # noqa: ASYNC251 - the loop is held up on purpose
    async with asyncio.timeout(30):
        await eight.wait()
    pacer.leave(member)
    pacer.stop()

    assert pacer.lateness.percentile_ms(1.0) >= 50


# --- the report --------------------------------------------------------------------------------


def direction(**more) -> Direction:
    base = {"frames": 100, "lost": 0, "p50_ms": 0.2, "p99_ms": 1.0}
    return Direction(**{**base, "newest_p50_ms": 0.2, "newest_p99_ms": 1.0, **more})


def moment(**more) -> Moment:
    base = {"count": 40, "missed": 0, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0}
    return Moment(**{**base, **more})


def report(**more) -> LoadReport:
    base = {
        "machine": "a machine",
        "calls": 50,
        "seconds": 1.0,
        "cpu_ms_per_call_second": 4.0,
        "calls_per_core": 250.0,
        "memory_per_call_kb": 90.0,
        "caller_to_agent": direction(),
        "agent_to_caller": direction(),
        "frame_ms": 20,
        "barge_ins_per_minute": 6.0,
        "greeting": moment(),
        "barge_in": moment(),
        "failures": [],
        "ended_early": 0,
        "malformed": 0,
        "generator_cores": 0.1,
        "late_p99_ms": 1.0,
        "late_max_ms": 2.0,
    }
    return LoadReport(**{**base, **more})


def test_a_good_run_has_no_complaints() -> None:
    assert report().complaints() == []
    assert "within 5 ms" in as_table(report())


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"cpu_ms_per_call_second": 5.5}, "5.50 ms per call-second, bound 5"),
        ({"failures": ["handshake answered 403"]}, "did not come up: handshake answered 403"),
        ({"ended_early": 1}, "the bridge ended 1 calls"),
        ({"malformed": 3}, "3 messages that Twilio would refuse"),
        ({"caller_to_agent": direction(lost=2)}, "2 of 102 frames of the caller lost"),
        ({"agent_to_caller": direction(frames=0)}, "0 of 0 frames of the agent lost"),
        ({"late_p99_ms": 9.0}, "not to be trusted"),
        ({"calls": 0}, "no call was placed"),
    ],
)
def test_a_run_that_is_not_good_says_why(more: dict, complaint: str) -> None:
    (found,) = report(**more).complaints()

    assert complaint in found
    assert "NOT GOOD" in as_table(report(**more))


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"greeting": moment(p95_ms=20.1)}, "greeting: 20.1 ms (p95), bound 20"),
        ({"greeting": moment(missed=2)}, "greeting: 2 of 42 never came"),
        ({"barge_in": moment(p99_ms=5.2)}, "barge-in: 5.2 ms (p99), bound 5"),
        ({"barge_in": moment(count=0)}, "barge-in: 0 of 0 never came"),
    ],
)
def test_a_late_greeting_or_clear_is_no_good_run_where_that_is_asked(
    more: dict, complaint: str
) -> None:
    found = report(**more)

    assert found.complaints() == []
    assert found.complaints(moments_too=True) == [complaint]
    assert "NOT GOOD" in as_table(found, moments_too=True)


def test_a_run_within_all_its_bounds_says_so() -> None:
    assert "nothing lost" in as_table(report(), moments_too=True)
    assert "nothing lost" not in as_table(report())


def test_the_cost_of_a_few_calls_is_not_judged_and_that_is_said() -> None:
    few = report(calls=49, cpu_ms_per_call_second=50.0)

    assert few.complaints() == []
    assert "CPU: too few calls to judge" in as_table(few)


# --- a whole load ------------------------------------------------------------------------------

TOKEN = "12345"
PUBLIC_URL = "https://bridge.example.com"


class Relay:
    """The least a bridge can be: checks signatures, passes sound both ways, marks each piece."""

    def __init__(self, agent_url: str) -> None:
        self.agent_url = agent_url
        self.marks_back = 0
        self.greets = True
        self.clears = True
        self.starts = 0

    async def webhook(self, reader, writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        headers = {name.lower(): value for name, value in fields.items()}
        body = await reader.readexactly(int(headers["content-length"]))
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        url = PUBLIC_URL + head.split(" ")[1]
        good = RequestValidator(TOKEN).validate(url, form, headers["x-twilio-signature"])
        text = (
            f'<Response><Connect><Stream url="ws://127.0.0.1:{self.media_port}/m"/></Connect>'
            "</Response>"
        )
        writer.write(
            f"HTTP/1.1 {200 if good else 403} X\r\ncontent-type: text/xml\r\nconnection: close\r\n"
            f"content-length: {len(text)}\r\n\r\n{text}".encode()
        )
        await writer.drain()
        writer.close()

    async def media(self, caller) -> None:
        await caller.recv()
        start = json.loads(await caller.recv())
        self.starts += 1
        if self.greets:
            await caller.send(twilio.media_text(start["streamSid"], b"\x70" * 160))
        headers = {"x-deepgram-session-id": start["start"]["callSid"]}
        async with connect(
            self.agent_url, additional_headers=headers, compression=None, proxy=None
        ) as agent:
            await agent.recv()
            await agent.send('{"type":"Settings"}')
            down = asyncio.create_task(self.speak(agent, caller, start["streamSid"]))
            try:
                async for text in caller:
                    message = json.loads(text)
                    if message["event"] == "media":
                        await agent.send(base64.b64decode(message["media"]["payload"]))
                    self.marks_back += message["event"] == "mark"
            finally:
                down.cancel()
                await asyncio.gather(down, return_exceptions=True)

    async def speak(self, agent, caller, stream_sid: str) -> None:
        mark = twilio.SendMark(stream_sid=stream_sid, mark=twilio.MarkBody(name="m"))
        try:
            async for message in agent:
                if isinstance(message, bytes):
                    await caller.send(twilio.media_text(stream_sid, message))
                    await caller.send(twilio.encode(mark))
                elif self.clears and "UserStartedSpeaking" in message:
                    await caller.send(twilio.encode(twilio.Clear(stream_sid=stream_sid)))
        except ConnectionClosed:
            return


@asynccontextmanager
async def relay_to(agent: LoadAgent):
    relay = Relay(agent.environ["DEEPGRAM_AGENT_URL"])
    webhook = await asyncio.start_server(relay.webhook, "127.0.0.1", 0)
    async with serve(relay.media, "127.0.0.1", 0, compression=None) as media:
        relay.media_port = media.sockets[0].getsockname()[1]
        relay.url = f"http://127.0.0.1:{webhook.sockets[0].getsockname()[1]}"
        try:
            yield relay
        finally:
            webhook.close()


async def load(relay: Relay, agent, token: str = TOKEN) -> LoadReport:
    return await run_load(
        3,
        1.0,
        agent=agent,
        bridge_pids=[os.getpid()],
        bridge_url=relay.url,
        public_url=PUBLIC_URL,
        auth_token=token,
        account_sid="AC" + "0" * 32,
        stagger_s=0.0,
        settle_s=0.0,
    )


async def test_a_load_is_placed_measured_and_ended() -> None:
    async with (
        load_agent(frame_ms=40) as agent,
        relay_to(agent) as relay,
    ):
        found = await load(relay, agent)

    assert (found.calls, found.failures, found.ended_early, found.malformed) == (3, [], 0, 0)
    assert found.caller_to_agent.lost == found.agent_to_caller.lost == 0
    assert found.caller_to_agent.frames > 0
    assert found.agent_to_caller.frames > 0
    assert found.caller_to_agent.p50_ms > 0
    assert found.cpu_ms_per_call_second > 0
    assert relay.starts == 4  # three, and the one that warms up
    assert relay.marks_back > 0
    assert "calls per core" in as_table(found)


async def test_greetings_and_barge_ins_are_timed() -> None:
    async with load_agent(barge_ins_per_minute=120) as agent, relay_to(agent) as relay:
        found = await load(relay, agent)

    assert (found.greeting.count, found.greeting.missed) == (3, 0)
    assert 0 < found.greeting.p50_ms <= found.greeting.p95_ms <= found.greeting.p99_ms
    assert found.barge_in.missed == 0
    assert found.barge_in.count >= 3
    assert 0 < found.barge_in.p50_ms <= found.barge_in.p95_ms <= found.barge_in.p99_ms
    assert found.agent_to_caller.lost == 0


async def test_greetings_and_clears_that_never_come_are_told() -> None:
    async with load_agent(barge_ins_per_minute=120) as agent, relay_to(agent) as relay:
        relay.greets = relay.clears = False
        found = await load(relay, agent)

    assert (found.greeting.count, found.greeting.missed) == (0, 3)
    assert found.barge_in.count == 0
    assert found.barge_in.missed >= 3


async def test_an_agent_that_nobody_interrupts_ends_its_turns_itself() -> None:
    async with load_agent(barge_ins_per_minute=0) as agent, relay_to(agent) as relay:
        found = await load(relay, agent)

    assert (found.barge_in.count, found.barge_in.missed) == (0, 0)
    assert found.agent_to_caller.frames > 0


async def test_calls_that_are_refused_are_told_and_not_measured() -> None:
    async with load_agent() as agent, relay_to(agent) as relay:
        found = await load(relay, agent, token="wrong")

    assert found.calls == 0
    assert found.failures == ["the webhook was answered 403"] * 3
    assert found.complaints() == ["a call did not come up: the webhook was answered 403"] * 3


@pytest.mark.parametrize("frame_ms", [0, 30, 1000])
async def test_an_agent_speaks_whole_frames_only(frame_ms: int) -> None:
    with pytest.raises(ValueError, match="multiple of 20"):
        async with load_agent(frame_ms=frame_ms):
            pass


@pytest.mark.parametrize("rate", [-1.0, 121.0, float("nan")])
async def test_an_agent_needs_time_to_be_interrupted(rate: float) -> None:
    with pytest.raises(ValueError, match="0 to 120"):
        async with load_agent(barge_ins_per_minute=rate):
            pass
