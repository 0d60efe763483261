"""A client of the emulator that is nothing but a WebSocket: it shares no code with the bridge."""

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from bridge.simulator.agent import running
from bridge.simulator.options import Options
from bridge.simulator.scenario import Scenario
from bridge.simulator.synthesis import Placeholder
from bridge.simulator.voices import CALLER, Voices
from bridge.wire.mulaw import silence

PATIENCE_S = 20


class Client:
    """One session; ``seen`` is everything that came, sound joined to ``bytes``."""

    def __init__(self, socket, voices):
        self.socket = socket
        self.voices = voices
        self.seen = []

    async def send(self, message):
        await self.socket.send(message if isinstance(message, str) else json.dumps(message))

    async def say(self, text, *, then_silent_ms=700):
        await self.sound(self.voices.render(text, CALLER) + silence(then_silent_ms))

    async def sound(self, sound, piece=160):
        for at in range(0, len(sound), piece):
            await self.socket.send(sound[at : at + piece])

    async def receive(self):
        """The next frame, a message decoded."""
        async with asyncio.timeout(PATIENCE_S):
            frame = await self.socket.recv()
        self.seen.append(frame if isinstance(frame, bytes) else json.loads(frame))
        return self.seen[-1]

    async def until(self, kind):
        """The next message of this kind."""
        while True:
            frame = await self.receive()
            if isinstance(frame, dict) and frame["type"] == kind:
                return frame

    async def until_closed(self):
        """Everything up to the end of the socket, and its close code."""
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionClosedError):
                async for frame in self.socket:
                    self.seen.append(frame if isinstance(frame, bytes) else json.loads(frame))
        return self.socket.close_code

    async def answer(self, call, content):
        text = content if isinstance(content, str) else json.dumps(content)
        await self.send(
            {
                "type": "FunctionCallResponse",
                "id": call["id"],
                "name": call["name"],
                "content": text,
            }
        )

    def kinds(self):
        """The kinds of messages seen, sound as "sound", runs of one kind as one."""
        kinds = ["sound" if isinstance(each, bytes) else each["type"] for each in self.seen]
        return [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]

    def messages(self, kind):
        """The messages of one kind."""
        return [each for each in self.seen if isinstance(each, dict) and each["type"] == kind]

    def texts(self):
        """What both sides said, in order."""
        return [message["content"] for message in self.messages("ConversationText")]

    def sound_seen(self):
        return b"".join(each for each in self.seen if isinstance(each, bytes))

    def forget(self):
        self.seen.clear()

    async def settled(self):
        """Returns when everything sent so far was taken and what it led to at once has come."""
        await self.send({"type": "UpdatePrompt", "prompt": "Still here."})
        await self.until("PromptUpdated")


def settings(**agent):
    return {
        "type": "Settings",
        "audio": {
            "input": {"encoding": "mulaw", "sample_rate": 8000},
            "output": {"encoding": "mulaw", "sample_rate": 8000, "container": "none"},
        },
        "agent": {
            "listen": {
                "provider": {"type": "deepgram", "version": "v2", "model": "flux-general-en"}
            },
            "think": {
                "provider": {"type": "open_ai", "model": "gpt-4.1-mini"},
                "prompt": "You answer the phone.",
                "functions": [
                    {"name": "find_slots", "parameters": {"type": "object"}},
                    {"name": "lookup_appointment", "parameters": {"type": "object"}},
                    {
                        "name": "book_appointment",
                        "parameters": {"type": "object"},
                        "defer_until_eot": True,
                    },
                ],
            },
            "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
            **agent,
        },
    }


@pytest.fixture(name="settings")
def _settings():
    """Makes a good ``Settings``; arguments replace fields of its agent."""
    return settings


@pytest.fixture(scope="session")
def voices():
    return Voices(synthesiser=Placeholder())


@pytest.fixture
async def emulator(voices):
    """A running emulator, thinking and speaking a hundred times faster than life."""
    async with running(options=Options(pace=100), voices=voices) as emulator:
        yield emulator


@pytest.fixture
def dial(emulator, voices):
    """Opens a session: ``async with dial(scenario) as client``; settings are applied already."""

    @asynccontextmanager
    async def open_session(
        scenario=None, *, call_sid="CA1", apply=None, headers=None, welcome=True
    ):
        if isinstance(scenario, Scenario):
            emulator.board.announce(call_sid, scenario)
        sent = {"Authorization": "Token key", "x-deepgram-session-id": call_sid}
        async with connect(
            emulator.agent_url, additional_headers=sent | (headers or {}), compression=None
        ) as socket:
            client = Client(socket, voices)
            if welcome:
                await client.until("Welcome")
            if apply is not False:
                await client.send(apply or settings())
                await client.until("SettingsApplied")
            yield client

    return open_session


@pytest.fixture
def noted(emulator):
    """What the emulator noted of a kind: ``noted("asked")``."""

    def notes(kind, *, call_sid="CA1"):
        return [note for note in emulator.board.call(call_sid).notes if note.kind == kind]

    return notes
