"""What the network and the caller's telephone do to her frames, as a bridge receives them (F11)."""

import asyncio
import time
from itertools import pairwise

import pytest

from bridge.simulator import events
from bridge.simulator.knobs import Knobs, Room, Weather
from bridge.simulator.scenario import CallerStep
from bridge.wire import mulaw
from tests.simulator.tiny_bridge import FAST, Peer, bridge_with, call, frames_of, tone

SAY = "hello there, are you open today"
SAID_FRAMES = len(SAY) // 2
"""One character is 10 ms."""


def weather(**more) -> Knobs:
    return Knobs(timings=FAST, weather=Weather(**more))


async def frames(*steps: CallerStep, knobs: Knobs, **more) -> list[dict]:
    seen: list[dict] = []
    async with bridge_with(lambda peer: frames_of(peer, seen)) as bridge:
        report = await call(bridge, *steps, knobs=knobs, **more)
    assert report.outcome == "caller_hung_up"
    return seen


def until(at_ms: int) -> CallerStep:
    return CallerStep(hangup=True, at_ms=at_ms)


def jumps(seen: list[dict]) -> list[int]:
    """Steps of the timestamp that are longer than a frame."""
    steps = [after["timestamp"] - before["timestamp"] for before, after in pairwise(seen)]
    return [step for step in steps if step > 21]


def speech(seen: list[dict]) -> int:
    """How many frames have her voice."""
    return sum(frame["sound"][0] in (0x10, 0x90) for frame in seen)


def complete(seen: list[dict]) -> bool:
    chunks = [frame["chunk"] for frame in seen]
    return chunks == list(range(1, len(chunks) + 1)) and jumps(seen) == []


async def test_a_line_stalls_more_than_once_without_a_stop_and_the_timestamp_jumps() -> None:
    kinds: list[str] = []
    seen: list[dict] = []

    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            kinds.append(message["event"])
            if message["event"] == "media":
                seen.append({"chunk": int(message["media"]["chunk"]),
                             "timestamp": int(message["media"]["timestamp"])})  # fmt: skip

    async with bridge_with(media) as bridge:
        await call(bridge, until(2000), knobs=weather(stalls=((0.3, 0.4), (1.2, 0.6))))

    first, second = jumps(seen)
    assert first == pytest.approx(420, abs=21)
    assert second == pytest.approx(620, abs=21)
    assert [frame["chunk"] for frame in seen] == list(range(1, len(seen) + 1))
    assert kinds[2:] == ["media"] * len(seen) + ["stop"]


async def test_a_stall_while_the_caller_speaks_swallows_the_middle_of_her_line() -> None:
    seen: list[dict] = []
    step = CallerStep(say=SAY, at_ms=100, stall_ms=100, from_ms=80)
    async with bridge_with(lambda peer: frames_of(peer, seen)) as bridge:
        report = await call(bridge, step, until(900), knobs=weather())

    assert report.figures.undelivered_speech_ms == 100
    assert speech(seen) == SAID_FRAMES - 5 + 1  # half a frame at the end
    assert len(jumps(seen)) == 1
    assert report.figures.lost_speech_ms == 0


async def test_a_held_line_keeps_everything_back_and_then_delivers_it_in_order() -> None:
    seen: list[dict] = []
    in_between: list[int] = []

    def watch(event) -> None:
        if isinstance(event, events.CallerWaited):
            in_between.append(max((frame["timestamp"] for frame in seen), default=0))

    async with bridge_with(lambda peer: frames_of(peer, seen)) as bridge:
        await call(
            bridge,
            CallerStep(hold_ms=600, at_ms=200),
            CallerStep(wait_ms=0, after_step_ms=560),
            until(1200),
            knobs=weather(),
            on_event=watch,
        )

    assert in_between[0] - seen[0]["timestamp"] <= 220
    assert seen[-1]["timestamp"] - seen[0]["timestamp"] > 1100
    assert complete(seen)


@pytest.mark.parametrize(
    "conditions",
    [{"holds": ((0.2, 0.233), (0.7, 0.233))}, {"burst_share": 0.3}, {"jitter_ms": 90}],
)
async def test_frames_that_come_late_are_all_there_and_in_order(conditions) -> None:
    seen = await frames(until(1500), knobs=weather(**conditions))

    assert complete(seen)
    assert len(seen) > 60
    assert [frame["sequence"] for frame in seen] == list(range(2, len(seen) + 2))


async def test_a_sender_that_was_late_catches_up() -> None:
    def dawdle(event) -> None:
        if isinstance(event, events.CallerWaited):
            time.sleep(0.05)  # 400 ms of the call's time: the machine was busy elsewhere

    waits = CallerStep(wait_ms=0, at_ms=300)
    seen = await frames(waits, until(1200), knobs=weather(), on_event=dawdle)

    assert complete(seen)
    assert seen[-1]["timestamp"] - seen[0]["timestamp"] == pytest.approx(1180, abs=41)


async def test_in_suppressed_silence_nothing_is_sent_and_the_timestamp_jumps() -> None:
    steps = [CallerStep(say=SAY, at_ms=at_ms) for at_ms in (200, 1100)]
    seen = await frames(*steps, until(1800), knobs=weather(silence_suppressed=True))

    assert len(seen) == speech(seen) == 2 * (SAID_FRAMES + 1)
    assert len(jumps(seen)) == 1
    assert [frame["chunk"] for frame in seen] == list(range(1, len(seen) + 1))


async def test_pieces_have_any_size_and_bear_the_time_of_their_first_sample() -> None:
    seen = await frames(until(1500), knobs=weather(odd_sizes=True))

    sizes = {len(frame["sound"]) for frame in seen}
    assert len(sizes) > 20
    assert min(sizes) >= 20
    assert max(sizes) <= 320
    position = 0
    for frame in seen:
        expected_ms = position / 160 * 1438 / 72
        assert frame["timestamp"] - seen[0]["timestamp"] == pytest.approx(expected_ms, abs=1.5)
        position += len(frame["sound"])


async def test_a_lost_frame_is_counted_by_chunk_and_sequence_and_so_is_the_speech_in_it() -> None:
    seen: list[dict] = []
    async with bridge_with(lambda peer: frames_of(peer, seen)) as bridge:
        step = CallerStep(say=SAY * 4, at_ms=100)
        report = await call(bridge, step, until(1600), knobs=weather(lost_share=0.3))

    missing = {*range(1, seen[-1]["chunk"] + 1)} - {frame["chunk"] for frame in seen}
    assert len(missing) > 10
    assert {frame["sequence"] - frame["chunk"] for frame in seen} == {1}
    lost = report.figures.undelivered_speech_ms
    assert lost > 0
    assert lost == pytest.approx((len(SAY) * 2 - speech(seen)) * 20, abs=20)


async def test_keys_and_marks_do_not_overtake_frames_that_are_held() -> None:
    order: list[int] = []

    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start":
                peer.play(tone(300))
                peer.mark("heard")
            if "sequenceNumber" in message:
                order.append(int(message["sequenceNumber"]))

    async with bridge_with(media) as bridge:
        steps = (CallerStep(hold_ms=400, at_ms=100), CallerStep(press="5", after_step_ms=100))
        await call(bridge, *steps, until(900), knobs=weather())

    assert order == list(range(1, len(order) + 1))


async def test_a_bridge_that_stops_reading_loses_frames_is_told_once_and_may_go_on() -> None:
    told = asyncio.Event()
    seen: list[dict] = []
    warned: list[int] = []

    def watch(event) -> None:
        if isinstance(event, events.WarningNoted):
            warned.append(event.code)
        if isinstance(event, events.CallerFinished):
            told.set()

    knobs = Knobs(timings=FAST, send_buffer_bytes=8000, expected_warnings=(31930,))
    async with bridge_with(
        lambda peer: frames_of(peer, seen, when_started=told.wait), buffer_bytes=4096
    ) as bridge:
        # Long enough to fill every buffer on the way: a frame is some 400 bytes.
        steps = (CallerStep(say=SAY * 20, at_ms=0), CallerStep(hangup=True, after_step_ms=3000))
        report = await call(bridge, *steps, knobs=knobs, on_event=watch)

    (stream,) = report.streams
    assert warned == [31930]
    assert stream.dropped_frames > 10
    assert stream.sent_frames == len(seen)
    assert 200 < report.figures.undelivered_speech_ms <= stream.dropped_frames * 20
    chunks = [frame["chunk"] for frame in seen]
    missing = {*range(1, chunks[-1] + 1)} - {*chunks}
    assert len(missing) == stream.dropped_frames
    assert chunks[-1] > max(missing)  # in the end she was heard again


async def test_the_noise_around_her_lies_under_the_line_and_under_her_words() -> None:
    knobs = Knobs(timings=FAST, room=Room(noise_dbfs=-30.0))
    step = CallerStep(say=SAY, at_ms=200)
    seen = await frames(step, until(900), knobs=knobs)

    assert speech(seen) > 0
    assert not any(set(frame["sound"]) <= {0x10, 0x90} for frame in seen)
    before_she_speaks = b"".join(frame["sound"] for frame in seen[:9])
    assert mulaw.level_dbfs(before_she_speaks) == pytest.approx(-30, abs=1)


async def test_what_she_hears_comes_back_in_her_frames() -> None:
    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start":
                peer.play(tone(400))

    knobs = Knobs(timings=FAST, room=Room(echo_db=-12.0, echo_lag_ms=100))
    async with bridge_with(media) as bridge:
        report = await call(bridge, until(1200), knobs=knobs)

    (heard,) = report.heard
    loud = [at / 8000 for at, byte in enumerate(report.caller_track) if byte & 0x7F < 0x50]
    assert loud[0] == pytest.approx(heard.at_s + 0.1, abs=0.001)
    assert loud[-1] == pytest.approx(heard.until_s + 0.1, abs=0.001)
    assert report.said == []
