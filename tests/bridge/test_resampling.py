"""Sound at 16 kHz and back: what survives, what must not appear, and that pieces leave no seam."""

import asyncio
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ports import Agent
from bridge.resampling import (
    BYTES_PER_MULAW,
    PAIRS,
    Doubling,
    Halving,
    Linear16Agent,
    Linear16Ear,
    ear_for,
)
from bridge.wire import deepgram, mulaw

NARROW, WIDE = 8000, 16000


def tone(hertz: float, rate: int, seconds: float = 1.0, size: float = 8000) -> bytes:
    turn = 2 * math.pi * hertz / rate
    count = round(rate * seconds)
    return struct.pack(f"<{count}h", *(round(size * math.sin(turn * at)) for at in range(count)))


def strength(samples: bytes, hertz: float, rate: int) -> float:
    """How much of this tone there is, in decibels below full scale of a sine wave."""
    values = struct.unpack(f"<{len(samples) // 2}h", samples)[rate // 10 :]
    turn = 2 * math.pi * hertz / rate
    real = sum(value * math.cos(turn * at) for at, value in enumerate(values))
    imaginary = sum(value * math.sin(turn * at) for at, value in enumerate(values))
    size = 2 * math.hypot(real, imaginary) / len(values)
    return 20 * math.log10(max(size, 1e-3) / 32768)


@pytest.mark.parametrize("hertz", [100, 300, 1000, 2000, 3000, 3400])
def test_a_tone_of_the_telephone_reaches_the_agent_as_strong_as_it_was(hertz: float) -> None:
    line = mulaw.from_linear(tone(hertz, NARROW))

    wide = Doubling().pass_(line)

    before = strength(mulaw.to_linear(line), hertz, NARROW)
    assert strength(wide, hertz, WIDE) == pytest.approx(before, abs=0.2)


@pytest.mark.parametrize("hertz", [100, 300, 1000, 2000, 3000, 3400])
def test_a_tone_of_the_agent_reaches_the_telephone_as_strong_as_it_was(hertz: float) -> None:
    line = Halving().pass_(tone(hertz, WIDE))

    before = strength(tone(hertz, WIDE), hertz, WIDE)
    assert strength(mulaw.to_linear(line), hertz, NARROW) == pytest.approx(before, abs=0.2)


@pytest.mark.parametrize("hertz", [4600, 5000, 5500, 6000, 6500, 7000, 7500])
def test_what_the_telephone_cannot_carry_does_not_come_back_as_another_tone(hertz: float) -> None:
    line = Halving().pass_(tone(hertz, WIDE))

    alias = strength(mulaw.to_linear(line), WIDE / 2 - hertz, NARROW)
    assert alias < strength(tone(hertz, WIDE), hertz, WIDE) - 60
    assert (
        mulaw.level_dbfs(line[800:]) < mulaw.level_dbfs(mulaw.from_linear(tone(1000, NARROW))) - 50
    )


@pytest.mark.parametrize("hertz", [500, 1000, 2000, 3400])
def test_the_agent_hears_no_mirror_image_of_the_callers_voice(hertz: float) -> None:
    line = mulaw.from_linear(tone(hertz, NARROW))

    wide = Doubling().pass_(line)

    assert strength(wide, WIDE / 2 - hertz, WIDE) < strength(wide, hertz, WIDE) - 60


def test_there_and_back_a_voice_is_two_times_two_milliseconds_late_and_else_the_same() -> None:
    line = mulaw.from_linear(tone(440, NARROW))

    back = Halving().pass_(Doubling().pass_(line))

    late = 2 * PAIRS - 1
    given = struct.unpack("<7000h", mulaw.to_linear(line[500:7500]))
    heard = struct.unpack("<7000h", mulaw.to_linear(back[500 + late : 7500 + late]))
    error = math.sqrt(sum((a - b) ** 2 for a, b in zip(given, heard, strict=True)) / 7000)
    assert error < 8000 / math.sqrt(2) / 40  # µ-law's own steps are 38 dB below


def test_silence_stays_silence_both_ways_also_after_a_voice() -> None:
    doubling, halving = Doubling(), Halving()
    doubling.pass_(mulaw.from_linear(tone(900, NARROW)))
    halving.pass_(tone(900, WIDE))
    doubling.pass_(mulaw.silence(20))
    halving.pass_(bytes(640))

    assert doubling.pass_(mulaw.silence(20)) == bytes(640)
    assert halving.pass_(bytes(640)) == mulaw.silence(20)


def test_the_loudest_sound_is_cut_at_full_scale_and_does_not_turn_over() -> None:
    square = struct.pack("<40h", *([32767] * 20 + [-32768] * 20)) * 100

    line = Halving().pass_(square)

    heard = struct.unpack(f"<{len(line) - 20}h", mulaw.to_linear(line[20:]))
    ideal = [1 if (at + 20 - (PAIRS - 1)) % 20 < 10 else -1 for at in range(len(heard))]
    middles = [at for at in range(len(heard)) if (at + 20 - (PAIRS - 1)) % 10 in (4, 5)]
    assert all(heard[at] * ideal[at] > 20000 for at in middles)


cuts = st.lists(st.integers(0, 700), max_size=30)


def in_pieces(audio: bytes, sizes: list[int]) -> list[bytes]:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(audio[start : start + size])
        start += size
    return [*pieces, audio[start:]]


@given(st.binary(max_size=3000), cuts)
def test_pieces_towards_the_agent_have_no_seam(line: bytes, sizes: list[int]) -> None:
    doubling = Doubling()

    heard = [doubling.pass_(piece) for piece in in_pieces(line, sizes)]

    assert b"".join(heard) == Doubling().pass_(line)
    assert [len(wide) for wide in heard] == [
        BYTES_PER_MULAW * len(piece) for piece in in_pieces(line, sizes)
    ]


@given(st.binary(max_size=3000), cuts)
def test_pieces_from_the_agent_have_no_seam_even_within_a_sample(
    wide: bytes, sizes: list[int]
) -> None:
    halving = Halving()

    heard = b"".join(halving.pass_(piece) for piece in in_pieces(wide, sizes))

    assert heard == Halving().pass_(wide)
    assert len(heard) == len(wide) // BYTES_PER_MULAW


# --- between link and driver --------------------------------------------------------------------


class Link:
    """The agent's line, as ``AgentLink`` is."""

    def __init__(self) -> None:
        self.dropped_bytes = 0
        self.voice: list[bytes] = []
        self.messages: list[deepgram.ToAgent] = []
        self.closed = False

    def send_voice(self, audio: bytes) -> None:
        self.voice.append(audio)

    def send_message(self, message: deepgram.ToAgent) -> None:
        self.messages.append(message)

    async def close(self) -> None:
        self.closed = True


class Ear:
    """The driver, as the link sees it."""

    def __init__(self) -> None:
        self.agent: Agent | None = None
        self.heard: list[object] = []

    def agent_opened(self, agent: Agent) -> None:
        self.agent = agent

    def agent_audio(self, audio: bytes) -> None:
        self.heard.append(audio)

    def agent_message(self, message: deepgram.FromAgent) -> None:
        self.heard.append(message)

    def agent_unreadable(self, what: str) -> None:
        self.heard.append(what)

    def agent_closed(self, code: int | None) -> None:
        self.heard.append(code)


def test_without_a_wish_for_it_nothing_stands_between_link_and_ear() -> None:
    ear, link = Ear(), Link()

    ear_for(ear, wideband=False).agent_opened(link)
    ear_for(ear, wideband=False).agent_audio(bytes(range(256)))

    assert ear.agent is link
    assert ear.heard == [bytes(range(256))]


def test_the_agent_gets_linear16_and_the_caller_mulaw() -> None:
    ear, link = Ear(), Link()
    between = ear_for(ear, wideband=True)
    between.agent_opened(link)
    assert ear.agent is not None
    line = mulaw.from_linear(tone(1000, NARROW, 0.1))

    ear.agent.send_voice(line)
    between.agent_audio(tone(1000, WIDE, 0.1))

    assert link.voice == [Doubling().pass_(line)]
    assert ear.heard == [Halving().pass_(tone(1000, WIDE, 0.1))]


def test_what_is_no_sound_goes_through_as_it_is() -> None:
    ear, link = Ear(), Link()
    between = Linear16Ear(ear)
    between.agent_opened(link)
    assert ear.agent is not None

    ear.agent.send_message(deepgram.KeepAlive())
    asyncio.run(_closed(ear.agent))
    between.agent_message(deepgram.Welcome(request_id="r"))
    between.agent_unreadable("unknown kind X")
    between.agent_closed(1006)

    assert (link.messages, link.closed) == ([deepgram.KeepAlive()], True)
    assert ear.heard == [deepgram.Welcome(request_id="r"), "unknown kind X", 1006]


async def _closed(agent: Agent) -> None:
    await agent.close()


def test_dropped_audio_is_counted_as_mulaw() -> None:
    link = Link()
    agent = Linear16Agent(link)
    link.dropped_bytes = 640

    agent.send_voice(mulaw.silence(20))

    assert agent.dropped_bytes == 160


@pytest.mark.parametrize(
    "edge",
    [
        deepgram.UserStartedSpeaking(),
        deepgram.AgentThinking(),
        deepgram.AgentStartedSpeaking(),
        deepgram.AgentAudioDone(),
    ],
)
def test_half_a_sample_at_the_end_of_a_turn_does_not_garble_the_next(
    edge: deepgram.FromAgent,
) -> None:
    ear = Ear()
    between = Linear16Ear(ear)
    between.agent_audio(tone(300, WIDE, 0.1) + b"\x01")
    between.agent_message(edge)

    between.agent_audio(tone(1000, WIDE, 0.1))

    assert ear.heard[-1] == Halving().pass_(tone(1000, WIDE, 0.1))
