"""Sessions that speak and hear something else than µ-law, over real sockets."""

import pytest

from bridge.simulator import levels
from bridge.simulator.formats import Format, written
from bridge.simulator.voices import AGENT, CALLER
from bridge.wire import mulaw
from bridge.wire.mulaw import silence
from tests.simulator.agent.scripts import LONG, hears, say, scenario

BOOK_ME = "Hi, I'd like to book a cleaning, please."
THANKS = "Thank you, bye."
"""Lines of which the clips have every word: what is no speech resembles nothing."""

CALL = scenario(
    hears("cleaning", say(LONG)), hears("bye", say("Goodbye.")), lines=(BOOK_ME, THANKS)
)


def in_linear16(settings, rate_hz):
    sound = {"encoding": "linear16", "sample_rate": rate_hz}
    return settings() | {"audio": {"input": sound, "output": sound | {"container": "none"}}}


@pytest.mark.parametrize("rate_hz", [8000, 16000])
async def test_a_session_in_linear16_hears_and_speaks_it(dial, settings, voices, rate_hz):
    wanted = Format(encoding="linear16", rate_hz=rate_hz)
    async with dial(CALL, apply=in_linear16(settings, rate_hz)) as client:
        said = voices.render(BOOK_ME, CALLER) + silence(700)
        await client.sound(written(said, wanted), piece=20 * wanted.bytes_per_ms)
        await client.until("AgentAudioDone")

    assert client.texts() == [BOOK_ME, LONG]
    assert client.sound_seen() == written(voices.render(LONG, AGENT), wanted)


async def test_each_direction_has_a_format_of_its_own(dial, settings, voices):
    apply = settings()
    apply["audio"]["output"] = {"encoding": "linear16", "sample_rate": 8000}
    async with dial(CALL, apply=apply) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    assert client.texts() == [BOOK_ME, LONG]
    assert client.sound_seen() == mulaw.to_linear(voices.render(LONG, AGENT))


async def test_cut_speech_is_measured_in_time_whatever_its_format(
    dial, settings, emulator, voices, noted
):
    wanted = Format(encoding="linear16", rate_hz=16000)
    async with dial(CALL, apply=in_linear16(settings, 16000)) as client:
        await client.send({"type": "InjectUserMessage", "content": BOOK_ME})
        emulator.options.pace = 1
        while "sound" not in client.kinds():
            await client.receive()
        await client.sound(written(voices.render(THANKS, CALLER), wanted), piece=640)
        await client.until("AgentAudioDone")

    sent_ms = len(client.sound_seen()) / wanted.bytes_per_ms
    (cut,) = noted("barge_in")
    assert sent_ms + cut.ms == pytest.approx(len(voices.render(LONG, AGENT)) / 8)


async def test_a_line_made_softer_on_its_way_is_still_understood(dial, voices):
    softer = mulaw.from_linear(levels.louder(mulaw.to_linear(voices.render(BOOK_ME, CALLER)), 0.4))
    async with dial(CALL) as client:
        await client.sound(softer + silence(700))
        await client.until("AgentAudioDone")

    assert client.texts() == [BOOK_ME, LONG]


@pytest.mark.parametrize(
    ("side", "sound"),
    [
        ("input", {"encoding": "linear16", "sample_rate": 48000}),
        ("input", {"encoding": "opus", "sample_rate": 8000}),
        ("output", {"encoding": "mulaw", "sample_rate": 16000}),
        ("output", {"encoding": "linear16"}),
        ("output", {"encoding": "mp3"}),
        ("output", {}),
    ],
)
async def test_what_the_emulator_does_not_know_it_refuses(dial, settings, side, sound):
    apply = settings(speak={"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}})
    apply["audio"][side] = sound
    async with dial(CALL, apply=False) as client:
        await client.send(apply)
        await client.until_closed()

    assert client.messages("Error")[0]["code"] == "INVALID_SETTINGS"
