"""The official ``deepgram-sdk`` client holds a conversation with the emulator."""

import asyncio
import json
import typing
import warnings

import httpx
import pydantic
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the SDK imports the legacy API of websockets
    from deepgram import AsyncDeepgramClient
    from deepgram.agent.v1 import socket_client
    from deepgram.agent.v1.types import (
        AgentV1InjectAgentMessage,
        AgentV1InjectUserMessage,
        AgentV1SendFunctionCallResponse,
        AgentV1Settings,
        AgentV1UpdatePrompt,
    )
    from deepgram.core.api_error import ApiError
    from deepgram.environment import DeepgramClientEnvironment

from bridge.simulator.scenario import Action, AgentRule, Ask, CallerStep, Scenario
from bridge.simulator.voices import CALLER
from bridge.wire.mulaw import silence

pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")
"""The SDK imports the legacy API of ``websockets``, some of it late."""

BOOK_ME = "I would like to book a cleaning please."
FIND = Action(ask=[Ask(tool="find_slots", arguments={"service": "cleaning"}, save_as="slots")])

UNDOCUMENTED = {"EndOfTurn"}
"""Seen in production, in no version of the SDK."""


@pytest.fixture
async def sdk(emulator):
    place = DeepgramClientEnvironment(
        base=emulator.http_url,
        production=emulator.http_url,
        agent=emulator.agent_url.removesuffix("/v1/agent/converse"),
        agent_rest=emulator.http_url,
    )
    async with httpx.AsyncClient() as http:
        yield AsyncDeepgramClient(api_key="key", environment=place, httpx_client=http)


def server_models():
    """The SDK's model of each message that a server sends, by its type."""
    models = {}
    for member in typing.get_args(socket_client.V1SocketClientResponse):
        for model in typing.get_args(member) or (member,):
            if isinstance(model, type) and issubclass(model, pydantic.BaseModel):
                kind = model.model_fields["type"]
                (name,) = typing.get_args(kind.annotation)
                models.setdefault(name, []).append(model)
    return models


async def test_the_sdk_converses(sdk, emulator, voices, settings):
    emulator.board.announce(
        "CA-sdk",
        Scenario(
            name="sdk",
            summary="one booking question",
            caller=[CallerStep(say=BOOK_ME)],
            agent=[AgentRule(hears=["cleaning"], do=[FIND, Action(say="{slots.say}")])],
        ),
    )
    body = settings(greeting="Hello.")
    body["experimental"] = True
    options = {"additional_headers": {"x-deepgram-session-id": "CA-sdk"}}
    raw = []
    async with (
        asyncio.timeout(20),
        sdk.agent.v1.connect(request_options=options) as socket,
    ):
        socket._websocket = Tap(socket._websocket, raw)
        dones = 0
        async for message in socket:
            match getattr(message, "type", "sound"):
                case "Welcome":
                    await socket.send_settings(AgentV1Settings.model_validate(body))
                case "FunctionCallRequest":
                    (call,) = message.functions
                    await socket.send_function_call_response(
                        AgentV1SendFunctionCallResponse(
                            id=call.id, name=call.name, content='{"say": "Tuesday."}'
                        )
                    )
                case "AgentAudioDone" if dones == 0:
                    dones = 1
                    sound = voices.render(BOOK_ME, CALLER) + silence(800)
                    for at in range(0, len(sound), 160):
                        await socket.send_media(sound[at : at + 160])
                case "AgentAudioDone" if dones == 1:
                    dones = 2
                    await socket.send_keep_alive()
                    await socket.send_inject_agent_message(
                        AgentV1InjectAgentMessage(message="Still there?", behavior="queue")
                    )
                    await socket.send_inject_user_message(
                        AgentV1InjectUserMessage(content="Yes, I am.")
                    )
                    await socket.send_update_prompt(AgentV1UpdatePrompt(prompt="She is there."))
                case "PromptUpdated":
                    break

    said = [m["content"] for m in raw if m["type"] == "ConversationText"]
    assert said[:3] == ["Hello.", BOOK_ME, "Tuesday."]
    models = server_models()
    for message in raw:
        if message["type"] not in UNDOCUMENTED:
            assert_some_model_accepts(models[message["type"]], message)


def assert_some_model_accepts(models, message):
    problems = []
    for model in models:
        try:
            read = model.model_validate(message)
        except pydantic.ValidationError as problem:
            problems.append(problem)
        else:
            if not read.model_extra:
                return
            problems.append(read.model_extra)
    pytest.fail(f"{message}: {problems}")


class Tap:
    """The SDK's socket; the JSON that passes is kept in ``raw``."""

    def __init__(self, connection, raw):
        self._connection = connection
        self._raw = raw
        self.send = connection.send

    async def __aiter__(self):
        async for frame in self._connection:
            if isinstance(frame, str):
                self._raw.append(json.loads(frame))
            yield frame


async def test_the_sdk_is_told_when_its_key_is_wrong(sdk, emulator):
    emulator.options.api_key = "another"

    with pytest.raises(ApiError) as refusal:
        async with sdk.agent.v1.connect():
            pass

    assert refusal.value.status_code == 401


async def test_the_sdk_has_text_spoken(sdk, voices):
    pieces = sdk.speak.v1.audio.generate(
        text="One moment, please.",
        model="aura-2-thalia-en",
        encoding="mulaw",
        sample_rate=8000,
        container="none",
    )

    sound = b"".join([piece async for piece in pieces])

    assert sound == voices.render("One moment, please.", "agent")
