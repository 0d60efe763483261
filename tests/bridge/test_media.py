"""Media sockets of a whole bridge: who may attach, what a call sounds like, and what junk does."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus

from bridge.profile import PACKAGED
from bridge.store import ConversationStore
from bridge.wire import deepgram, signature
from bridge.wire.overrides import override
from tests.bridge.bridges import Bridge, a_bridge, parameters
from tests.bridge.practices import TOKEN, hillside
from tests.bridge.waiting import until

FRAME = bytes(range(160))
GREETING = hillside().phrases.greeting


@pytest.fixture
async def bridge(redis_url: str) -> AsyncIterator[Bridge]:
    async with a_bridge(redis_url) as bridge:
        yield bridge


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[ConversationStore]:
    store = ConversationStore(redis_url, wall_clock=lambda: 1.7e9)
    yield store
    await store.aclose()


# --- the handshake ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signed",
    [
        "",
        "AAAA",
        signature.sign("wss://bridge.example.com/twilio/media", [], "another token"),
        signature.sign("https://bridge.example.com/twilio/media", [], TOKEN),
        signature.sign("wss://evil.example.com/twilio/media", [], TOKEN),
    ],
    ids=["unsigned", "junk", "foreign", "https", "elsewhere"],
)
async def test_a_handshake_that_is_not_signed_is_refused(bridge: Bridge, signed: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with bridge.line(signed=signed):
            pass

    assert refused.value.response.status_code == 403


async def test_a_handshake_signed_with_a_trailing_slash_is_accepted(bridge: Bridge) -> None:
    signed = signature.sign("wss://bridge.example.com/twilio/media/", [], TOKEN)

    async with bridge.line(signed=signed) as line:
        assert line.socket.subprotocol is None


async def test_twilios_subprotocol_is_answered_when_it_is_offered(bridge: Bridge) -> None:
    async with bridge.line(subprotocols=["audio.twilio.com"]) as line:
        assert line.socket.subprotocol == "audio.twilio.com"


async def test_nothing_is_deflated(bridge: Bridge) -> None:
    async with bridge.line() as line:
        assert line.socket.response.headers.get("sec-websocket-extensions") is None


# --- who may attach --------------------------------------------------------------------------


async def refused(bridge: Bridge, call_sid: str, **custom_parameters: str) -> bool:
    async with bridge.line() as line:
        await line.begin(call_sid, **custom_parameters)
        code = await line.close_code()
    return code == 1000 and line.messages == [] and bridge.deepgram.sessions == []


async def test_a_stream_without_a_token_is_closed(bridge: Bridge) -> None:
    await bridge.voice("CA1")

    assert await refused(bridge, "CA1")


async def test_a_stream_with_a_token_of_its_own_making_is_closed(bridge: Bridge) -> None:
    await bridge.voice("CA1")

    assert await refused(bridge, "CA1", token="made up", generation="1")


async def test_a_stream_with_another_calls_token_is_closed(bridge: Bridge) -> None:
    ticket = parameters(await bridge.voice("CA1"))
    await bridge.voice("CA2")

    assert await refused(bridge, "CA2", **ticket)


async def test_a_stream_of_an_older_generation_is_closed(bridge: Bridge) -> None:
    ticket = parameters(await bridge.voice("CA1"))
    await bridge.resume("CA1")

    assert await refused(bridge, "CA1", **ticket)


@pytest.mark.parametrize("generation", ["", "one", "-1", "9" * 5000, "1.0"])
async def test_a_stream_with_an_odd_generation_is_closed(bridge: Bridge, generation: str) -> None:
    ticket = parameters(await bridge.voice("CA1"))

    assert await refused(bridge, "CA1", token=ticket["token"], generation=generation)


async def test_a_token_that_was_used_admits_no_second_stream(bridge: Bridge) -> None:
    ticket = parameters(await bridge.voice("CA1"))
    async with bridge.line() as first:
        await first.begin("CA1", **ticket)
        await bridge.deepgram.session("CA1")
        async with bridge.line() as second:
            await second.begin("CA1", **ticket)
            assert await second.close_code() == 1000
        await first.says(FRAME)

        session = await bridge.deepgram.session("CA1")
        await until(lambda: session.voice == FRAME)


async def test_a_socket_that_never_starts_is_closed(redis_url: str) -> None:
    async with a_bridge(redis_url, start_patience_s=0.05) as bridge, bridge.line() as line:
        await line.socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')

        assert await line.close_code() == 1000


async def test_a_socket_that_talks_but_never_starts_is_closed(bridge: Bridge) -> None:
    async with bridge.line() as line:
        for _ in range(40):
            await line.says(FRAME)

        assert await line.close_code() == 1000


async def test_a_socket_that_leaves_before_it_starts_is_forgotten(bridge: Bridge) -> None:
    async with bridge.line() as line:
        await line.socket.send("?")

    assert bridge.live.drivers == set()


async def test_junk_before_the_start_is_borne(bridge: Bridge) -> None:
    ticket = parameters(await bridge.voice("CA1"))
    async with bridge.line() as line:
        for junk in ("", "null", "{", b"\x00\xff", '{"event":"start"}', '{"event":"shout"}'):
            await line.socket.send(junk)
        await line.begin("CA1", **ticket)

        assert await bridge.deepgram.session("CA1")


async def test_without_redis_no_stream_is_admitted(tmp_path) -> None:
    async with a_bridge(f"unix://{tmp_path}/nobody.sock") as bridge:
        assert await refused(bridge, "CA1", token="any", generation="1")


async def test_a_stream_of_a_practice_that_is_gone_is_closed(
    bridge: Bridge, store: ConversationStore
) -> None:
    ticket = await store.admit("CA1", "closed-last-year")

    assert await refused(bridge, "CA1", token=ticket.token, generation="1")


async def test_a_caller_who_leaves_while_the_token_is_checked_is_forgotten(
    bridge: Bridge, store: ConversationStore
) -> None:
    ticket = parameters(await bridge.voice("CA1"))
    async with bridge.line() as line:
        await line.begin("CA1", **ticket)
        line.socket.transport.abort()

    async with asyncio.timeout(20):
        while await store.load("CA1") is None:
            await asyncio.sleep(0.002)
    await until(lambda: not bridge.live.drivers)


async def test_what_the_caller_said_while_the_token_was_checked_is_not_lost(
    bridge: Bridge,
) -> None:
    ticket = parameters(await bridge.voice("CA1"))
    async with bridge.line() as line:
        await line.begin("CA1", **ticket)
        frames = [bytes([number]) * 160 for number in range(50)]
        for frame in frames:
            await line.says(frame)

        session = await bridge.deepgram.session("CA1")
        await until(lambda: len(session.voice) >= 50 * 160)
        assert bytes(session.voice) == b"".join(frames)


# --- a call ----------------------------------------------------------------------------------


async def test_a_caller_hears_the_greeting_and_the_agent_is_told_so(bridge: Bridge) -> None:
    async with bridge.call("CA1") as line:
        await line.hear_bytes(800)
        session = await bridge.deepgram.session("CA1")

        agent = session.settings.agent
        assert agent.greeting is msgspec.UNSET
        assert [one.content for one in agent.context.messages] == [GREETING]


async def test_without_speech_the_agent_greets(redis_url: str) -> None:
    async with a_bridge(redis_url, speech_status=401) as bridge, bridge.call("CA1"):
        session = await bridge.deepgram.session("CA1")

        assert session.settings.agent.greeting == GREETING


async def test_sound_goes_through_untouched_both_ways(bridge: Bridge) -> None:
    async with bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        greeting = await line.hear_bytes(800)
        spoken = bytes(range(256)) * 10
        await line.says(FRAME)
        await session.speaks("Yes?", spoken)

        assert (await line.hear_bytes(800 + len(spoken)))[len(greeting) :] == spoken
        await until(lambda: session.voice == FRAME)


async def test_a_barge_in_clears_what_is_queued_and_the_late_frames_with_it(
    bridge: Bridge,
) -> None:
    async with bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        await line.hear_bytes(800)
        await session.speaks("We have Tuesday at nine.", bytes(16000))
        await session.says(deepgram.UserStartedSpeaking())
        await session.socket.send(b"\x55" * 800)
        await session.says(deepgram.ConversationText(role="user", content="Wait."))
        await session.socket.send(b"\x66" * 800)
        while not line.sound.endswith(b"\x66" * 800):
            await line.hear()

    assert "clear" in [message["event"] for message in line.messages]
    assert b"\x55" not in line.sound


async def test_a_caller_who_hangs_up_ends_the_call_everywhere(
    bridge: Bridge, store: ConversationStore
) -> None:
    async with bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        await line.stops("CA1")
        assert await line.close_code() == 1000
        await until(lambda: session.over and not bridge.live.drivers)

    state = await store.state("CA1")
    assert state is not None
    assert state.ended == "caller_hung_up"


async def test_a_call_goes_on_when_its_stream_was_lost(bridge: Bridge) -> None:
    async with bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        await line.hear_bytes(800)
        await line.send("mark", mark={"name": "0:1"})
        await session.says(deepgram.ConversationText(role="user", content="A cleaning."))
        await until(lambda: _said(bridge, "A cleaning."))
    await until(lambda: not bridge.live.drivers)

    async with bridge.line() as line:
        await line.begin("CA1", **parameters(await bridge.resume("CA1")))
        session = await bridge.deepgram.session("CA1", nth=1)

        agent = session.settings.agent
        assert agent.greeting is msgspec.UNSET
        assert [one.content for one in agent.context.messages] == [GREETING]
        again = deepgram.InjectUserMessage(content="A cleaning.")
        await until(lambda: again in session.messages)


async def test_what_the_agent_says_is_kept_without_its_pronunciations(bridge: Bridge) -> None:
    async with bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        await line.hear_bytes(800)
        said = f"Doctor {override('Okafor', 'oʊˈkɑːfɔːr')} is in."
        await session.says(deepgram.ConversationText(role="assistant", content=said))

        await until(lambda: _said(bridge, "Doctor Okafor is in."))


async def test_what_the_agent_is_to_say_for_us_has_its_pronunciations(
    tmp_path, redis_url: str
) -> None:
    text = (PACKAGED / "hillside.toml").read_text()
    resumed = 'resumed = "Doctor Okafor is still here."\n\n[patience]'
    (tmp_path / "hillside.toml").write_text(text.replace("[patience]", resumed))
    async with a_bridge(redis_url, profiles_dir=str(tmp_path)) as bridge:
        async with bridge.call("CA1") as line:
            await line.hear_bytes(800)
            await line.send("mark", mark={"name": "0:1"})
        await until(lambda: not bridge.live.drivers)
        async with bridge.line() as line:
            await line.begin("CA1", **parameters(await bridge.resume("CA1")))
            session = await bridge.deepgram.session("CA1", nth=1)

            said = f"Doctor {override('Okafor', 'oʊˈkɑːfɔːr')} is still here."
            injected = deepgram.InjectAgentMessage(message=said)
            await until(lambda: injected in session.messages)


def _said(bridge: Bridge, text: str) -> bool:
    return any(
        utterance.text == text
        for driver in bridge.live.drivers
        for utterance in driver.session.conversation.utterances
    )


async def test_a_lost_agent_is_apologised_for_and_the_call_moved_on(
    bridge: Bridge, store: ConversationStore
) -> None:
    async with bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        await line.hear_bytes(800)
        await session.socket.close()
        await line.hear_bytes(1600)
        while (last := await line.hear())["event"] != "mark":
            pass
        await line.send("mark", mark=last["mark"])
        assert await line.close_code() == 1000

    state = await store.state("CA1")
    assert state is not None
    assert state.next_step == "human"
    assert "<Dial" in (await bridge.resume("CA1")).text


# --- junk ------------------------------------------------------------------------------------

JUNK: list[Any] = [
    b"\x00\x01\x02",
    "",
    "null",
    "[]",
    "{",
    "\x00",
    '{"event":"shout"}',
    '{"event":5}',
    '{"event":"media"}',
    '{"event":"media","streamSid":"MZCA1","media":{"payload":"%%%"}}',
    '{"event":"media","streamSid":"MZCA1","media":{"payload":""}}',
    '{"event":"media","streamSid":"MZother","media":{"payload":"/////w=="}}',
    '{"event":"mark","streamSid":"MZCA1","mark":{"name":"' + "9" * 300 + '"}}',
    '{"event":"mark","streamSid":"MZCA1","mark":{"name":"0:999"}}',
    '{"event":"dtmf","streamSid":"MZCA1","dtmf":{"digit":"0"}}',
    '{"event":"stop","streamSid":"MZother","stop":{"accountSid":"AC1","callSid":"CA1"}}',
    '{"event":"connected","protocol":"Call","version":"1.0.0"}',
    '{"a":' * 5000 + "1" + "}" * 5000,
    '{"event":"media","streamSid":"MZCA1","media":{"payload":"' + "A" * 65000 + '"',
]


async def test_junk_of_every_kind_ends_no_call(bridge: Bridge) -> None:
    async with bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        for junk in JUNK:
            await line.socket.send(junk)
        await line.says(FRAME)

        await until(lambda: session.voice == FRAME)


async def test_a_second_start_changes_nothing(bridge: Bridge) -> None:
    async with bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        await line.begin("CA1", token="x", generation="7")
        await line.says(FRAME)

        await until(lambda: session.voice == FRAME)
        assert len(bridge.deepgram.sessions) == 1


async def test_junk_is_counted_and_told_without_its_content(bridge: Bridge) -> None:
    with capture_logs() as logs:
        async with bridge.call("CA1") as line:
            session = await bridge.deepgram.session("CA1")
            for _ in range(5):
                await line.socket.send('{"event":"Ann Lee"')
            await line.says(FRAME)
            await until(lambda: session.voice == FRAME)
        await until(lambda: not bridge.live.drivers)

    (line_at_end,) = [line for line in logs if line["event"] == "call_ended"]
    assert line_at_end["caller_protocol"] == 5
    assert "Ann" not in str(logs)


async def test_a_frame_that_is_too_large_ends_only_its_own_stream(bridge: Bridge) -> None:
    async with bridge.call("CA1") as line, bridge.call("CA2") as other:
        session = await bridge.deepgram.session("CA2")
        await line.socket.send("x" * (64 * 1024 + 1))
        assert await line.close_code() == 1009
        await other.says(FRAME)

        await until(lambda: session.voice == FRAME)


async def test_a_call_that_breaks_off_leaves_the_others_alone(bridge: Bridge) -> None:
    async with bridge.call("CA1") as line, bridge.call("CA2") as other:
        session = await bridge.deepgram.session("CA2")
        line.socket.transport.abort()
        await until(lambda: len(bridge.live.drivers) == 1)
        await other.says(FRAME)

        await until(lambda: session.voice == FRAME)


async def test_fragments_of_a_frame_are_one_frame(bridge: Bridge) -> None:
    async with bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        payload = b64encode(FRAME).decode()
        text = json.dumps(
            {"event": "media", "streamSid": line.stream_sid, "media": {"payload": payload}}
        )
        await line.socket.send([text[:10], text[10:20], text[20:]])

        await until(lambda: session.voice == FRAME)


async def test_a_caller_who_does_not_read_for_a_while_hears_everything_later(
    bridge: Bridge,
) -> None:
    async with bridge.call("CA1") as line:
        session = await bridge.deepgram.session("CA1")
        greeting = await line.hear_bytes(800)
        line.socket.transport.pause_reading()
        pieces = [bytes([number % 251]) * 4000 for number in range(350)]
        for piece in pieces:
            await session.socket.send(piece)
        await line.says(FRAME)
        await until(lambda: session.voice == FRAME)
        line.socket.transport.resume_reading()

        heard = await line.hear_bytes(800 + 350 * 4000)
        assert heard[len(greeting) :] == b"".join(pieces)
