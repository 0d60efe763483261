"""The order of a session, who is let in, and every refusal that ends one."""

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bridge.simulator.scenario import Faults, Scenario
from bridge.wire.mulaw import silence

QUIET = Scenario(name="quiet", summary="nothing is said")


async def status_of(url, **headers):
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(url, additional_headers=headers):
            pass
    return refusal.value.response.status_code


async def test_a_client_without_a_key_is_not_let_in(emulator):
    assert await status_of(emulator.agent_url) == 401


async def test_an_api_key_behind_bearer_is_not_let_in(emulator):
    assert await status_of(emulator.agent_url, Authorization="Bearer key") == 401


async def test_only_the_configured_key_is_let_in(emulator):
    emulator.options.api_key = "right"

    assert await status_of(emulator.agent_url, Authorization="Token wrong") == 401
    async with connect(emulator.agent_url, additional_headers={"Authorization": "Token right"}):
        pass


async def test_a_key_may_come_as_a_sub_protocol(emulator):
    async with connect(emulator.agent_url, subprotocols=["token", "key"]) as socket:
        assert '"Welcome"' in await socket.recv()


async def test_another_path_is_not_found(emulator):
    assert await status_of(emulator.agent_url + "s", Authorization="Token key") == 404


async def test_a_session_above_the_limit_is_refused_with_429_until_one_ends(emulator, dial):
    emulator.options.max_sessions = 1

    async with dial():
        assert await status_of(emulator.agent_url, Authorization="Token key") == 429
    while emulator.open_sessions:
        await asyncio.sleep(0)
    async with dial():
        pass


async def test_a_scenario_refuses_the_first_handshakes(emulator, dial):
    busy = Scenario(
        name="busy", summary="refused once", faults=Faults(refuse_status=503, refuse_times=1)
    )
    emulator.board.announce("CA7", busy)
    headers = {"Authorization": "Token key", "x-deepgram-session-id": "CA7"}

    assert await status_of(emulator.agent_url, **headers) == 503
    async with dial(call_sid="CA7"):
        pass


async def test_welcome_comes_first_and_settings_are_applied(dial):
    async with dial(QUIET) as client:
        assert client.kinds() == ["Welcome", "SettingsApplied"]


async def test_the_greeting_is_told_and_spoken(dial, settings, voices):
    greeting = "Thank you for calling Hillside Dental."
    async with dial(QUIET, apply=settings(greeting=greeting)) as client:
        await client.until("AgentAudioDone")

    assert client.kinds() == [
        "Welcome",
        "SettingsApplied",
        "ConversationText",
        "History",
        "sound",
        "AgentAudioDone",
    ]
    assert client.sound_seen() == voices.render(greeting, "agent")


async def error_after(client, *frames):
    """What the session ends with, and its close code."""
    for frame in frames:
        if isinstance(frame, bytes):
            await client.socket.send(frame)
        else:
            await client.send(frame)
    code = await client.until_closed()
    assert client.seen[-1]["type"] == "Error"
    assert client.seen[-1]["description"]
    return client.seen[-1]["code"], code


NO_STATUS = 1005


@pytest.mark.parametrize("first", [{"type": "KeepAlive"}, b"\xff" * 160])
async def test_anything_before_settings_ends_the_session(dial, first):
    async with dial(QUIET, apply=False) as client:
        assert await error_after(client, first) == (
            "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS",
            NO_STATUS,
        )


async def test_settings_are_applied_once(dial, settings):
    async with dial(QUIET) as client:
        assert await error_after(client, settings()) == ("SETTINGS_ALREADY_APPLIED", NO_STATUS)


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "[]",
        "{}",
        {"type": "Configure"},
        {"type": "session.update"},
        {"type": "InjectAgentMessage", "content": "the field is called message"},
        {"type": "InjectAgentMessage", "message": "hello", "behavior": "loud"},
        {"type": "InjectAgentMessage", "is_dynamic": True},
        {"type": "InjectUserMessage", "message": "the field is called content"},
        {"type": "FunctionCallResponse", "id": "1", "name": "find_slots", "output": "no"},
        {"type": "FunctionCallResponse", "id": "1", "name": "find_slots", "content": {"a": 1}},
        {"type": "KeepAlive", "note": "no such field"},
        {"type": "UpdatePrompt"},
        {"type": "UpdateThink_Live", "think_live": {"provider": {"type": "deepgram"}}},
    ],
)
async def test_a_message_of_another_shape_ends_the_session(dial, frame):
    async with dial(QUIET) as client:
        assert await error_after(client, frame) == ("UNPARSABLE_CLIENT_MESSAGE", NO_STATUS)


async def test_a_client_that_sends_nothing_is_told_so_and_left(emulator, dial):
    emulator.options.idle_s = 0.05

    async with dial(QUIET) as client:
        assert await error_after(client) == ("CLIENT_MESSAGE_TIMEOUT", NO_STATUS)


async def test_keep_alive_keeps_a_session_alive(emulator, dial):
    emulator.options.idle_s = 0.4

    async with dial(QUIET) as client:
        for _ in range(6):
            await asyncio.sleep(0.1)
            await client.send({"type": "KeepAlive"})
        await client.send({"type": "UpdatePrompt", "prompt": "Be brief."})
        await client.until("PromptUpdated")


async def test_a_session_is_warned_before_its_longest_and_ended_at_it(emulator, dial):
    emulator.options.session_warning_s = 0.01
    emulator.options.session_limit_s = 0.02

    async with dial(QUIET) as client:
        assert await error_after(client) == ("MAXIMUM_SESSION_LENGTH_REACHED", NO_STATUS)
        assert client.seen[-2]["code"] == "MAXIMUM_SESSION_LENGTH_APPROACHING"


async def test_updates_are_acknowledged(dial, settings):
    think = settings()["agent"]["think"]
    listen = {"type": "deepgram", "version": "v2", "model": "flux-general-en", "eot_threshold": 0.8}
    async with dial(QUIET) as client:
        await client.send({"type": "UpdatePrompt", "prompt": "The caller is known."})
        await client.until("PromptUpdated")
        await client.send({"type": "UpdateThink", "think": [think, think]})
        await client.until("ThinkUpdated")
        await client.send(
            {
                "type": "UpdateSpeak",
                "speak": {"provider": {"type": "deepgram", "model": "aura-2-zeus-en"}},
            }
        )
        await client.until("SpeakUpdated")
        await client.send({"type": "UpdateListen", "listen": {"provider": listen}})
        await client.until("ListenUpdated")


async def test_an_update_asking_the_impossible_ends_the_session(dial):
    update = {"type": "UpdateThink", "think": {"provider": {"type": "groq", "model": "any"}}}
    async with dial(QUIET) as client:
        assert await error_after(client, update) == ("INVALID_SETTINGS", NO_STATUS)


async def test_a_prompt_that_grows_too_long_is_cut_with_a_warning(dial):
    async with dial(QUIET) as client:
        await client.send({"type": "UpdatePrompt", "prompt": "x" * 25_000})
        warning = await client.until("Warning")

    assert warning["code"] == "PROMPT_TOO_LONG"


async def test_forcing_the_end_of_a_turn_needs_flux(dial, settings):
    nova = settings(listen={"provider": {"type": "deepgram", "model": "nova-3"}})
    async with dial(QUIET, apply=nova) as client:
        await client.send({"type": "ForceEndTurn"})
        warning = await client.until("Warning")

    assert warning["code"] == "FORCE_END_TURN_UNSUPPORTED"


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        (Faults(error_at_ms=10, error_code="SERVER_GOING_AWAY"), NO_STATUS),
        (Faults(drop_at_ms=10), 1006),
    ],
)
async def test_a_scenario_ends_the_first_session_but_not_the_second(dial, faults, code):
    struck = Scenario(name="struck", summary="dies once", faults=faults)
    async with dial(struck) as client:
        assert await client.until_closed() == code
    async with dial() as client:
        await client.sound(silence(2000))
        await client.send({"type": "UpdatePrompt", "prompt": "still here"})
        await client.until("PromptUpdated")
