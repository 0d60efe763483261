"""One session with the emulated agent, from ``Welcome`` to its end.

Owns the order of the protocol. Leaves who has the floor to ``talk``, changes in mid-session to
``updates``, what ends it whatever is said to ``fate``, shapes to ``strict``, and sockets to
``agent``.
"""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Coroutine
from typing import Any

import msgspec

from bridge.simulator.board import CallNotes
from bridge.simulator.brain import Brain, split_sentences
from bridge.simulator.client import Client, Socket
from bridge.simulator.ears import Ears
from bridge.simulator.endings import ClientLeft, Closed, Cut, Dropped, Hung, first_of
from bridge.simulator.fate import outlive, strikes, suffer
from bridge.simulator.faults import struck
from bridge.simulator.moments import Moments
from bridge.simulator.mouth import Mouth
from bridge.simulator.options import Options
from bridge.simulator.strict.accepted import Accepted
from bridge.simulator.strict.messages import client_message
from bridge.simulator.strict.settings import settings
from bridge.simulator.strict.shapes import Refused, unparsable
from bridge.simulator.talk import Talk
from bridge.simulator.turn import Scene
from bridge.simulator.updates import KINDS, Updates
from bridge.simulator.voices import Voices
from bridge.wire import deepgram

_LOOK_EVERY_S = 0.5
"""How often it is looked whether the client has been silent for too long."""


class Session:
    """Serves one client; ``run`` returns how it ended."""

    def __init__(
        self, socket: Socket, *, notes: CallNotes, options: Options, voices: Voices, ears: Ears
    ) -> None:
        self._client = Client(socket, notes)
        self._notes = notes
        self._number = notes.sessions
        self._options = options
        self._faults = notes.scenario.faults
        self._slow = struck(self._faults.slow_sessions, self._number)
        self._accepted = Accepted()
        self._moments = Moments()
        self._brain = Brain(notes.scenario, self._number)
        self._mouth = Mouth(
            self._client,
            begun=lambda: self._talk.begun(),
            spawn=self._spawn,
            accepted=self._accepted,
            voices=voices,
            options=options,
            notes=notes,
            moments=self._moments,
        )
        scene = Scene(
            client=self._client,
            brain=self._brain,
            mouth=self._mouth,
            accepted=self._accepted,
            options=options,
            faults=self._faults,
            notes=notes,
            moments=self._moments,
        )
        self._talk = Talk(scene, ears.open(), self._spawn)
        self._updates = Updates(
            self._client,
            spawn=self._spawn,
            accepted=self._accepted,
            brain=self._brain,
            options=options,
            notes=notes,
        )
        self._begun = False
        """``Settings`` came."""
        self._held: deque[str | bytes] | None = deque()
        """Frames behind ``Settings`` that wait for them to be applied; None from then on."""
        self._frame_at = time.monotonic()

    async def run(self) -> Exception:
        """The whole session.

        Returns:
            ``Refused`` (an ``Error`` is to be sent) or one of ``endings``.
        """
        ending: Exception = ClientLeft()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._welcome())
                tasks.create_task(self._mouth.run())
                tasks.create_task(self._watch_idleness())
                tasks.create_task(outlive(self._options, self._faults, self._number, self._client))
                for strike in strikes(self._faults, self._number):
                    tasks.create_task(suffer(strike, self._moments, self._options.pace))
                await self._read()
        except* (Refused, Dropped, Cut, Closed, Hung, ClientLeft) as endings:
            ending = first_of(endings)
        return ending

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._tasks.create_task(work)

    async def _welcome(self) -> None:
        if self._slow:
            await self._pause(self._faults.welcome_delay_ms)
        if not (self._slow and self._faults.omit_welcome):
            await self._client.send(deepgram.Welcome(request_id=str(uuid.uuid4())))

    # --- the client's frames ---

    async def _read(self) -> None:
        async for frame in self._client.socket:
            self._frame_at = time.monotonic()
            if not self._begun:
                self._begin(frame)
            elif self._held is not None:
                self._held.append(frame)
            else:
                await self._take(frame)
        raise ClientLeft

    def _begin(self, frame: str | bytes) -> None:
        """The first frame, which must be the settings (1.3)."""
        message = _object(frame) if isinstance(frame, str) else {"type": "audio"}
        if message["type"] != "Settings":
            raise Refused("NON_SETTINGS_MESSAGE_BEFORE_SETTINGS", f"{message['type']} came first")
        accepted = settings(message)
        for name in accepted.__struct_fields__:
            setattr(self._accepted, name, getattr(accepted, name))
        self._begun = True
        if self._slow and self._faults.omit_settings_applied:
            self._held = deque(maxlen=0)
        else:
            self._spawn(self._apply(message))

    async def _apply(self, message: dict[str, Any]) -> None:
        if self._slow:
            await self._pause(self._faults.settings_delay_ms)
        accepted = self._accepted
        self._client.history = accepted.history
        self._talk.open()
        self._notes.add("settings", content=msgspec.json.encode(message).decode())
        await self._client.send(deepgram.SettingsApplied())
        await self._updates.check_prompt()
        self._brain.remember(msgspec.convert(accepted.messages, list[deepgram.History]))
        self._moments.mark("settings")
        if accepted.greeting:
            self._mouth.say(split_sentences(accepted.greeting), "greeting")
        while self._held:
            await self._take(self._held.popleft())
        self._held = None

    async def _take(self, frame: str | bytes) -> None:
        if isinstance(frame, str):
            await self._receive(frame)
        else:
            await self._talk.hear(frame, self._frame_at)

    async def _receive(self, text: str) -> None:
        message = _object(text)
        kind = message["type"]
        if kind == "Settings":
            raise Refused("SETTINGS_ALREADY_APPLIED", "settings can be sent once")
        client_message(message)
        match kind:
            case "InjectAgentMessage":
                await self._talk.inject(message["message"], message.get("behavior", "default"))
            case "InjectUserMessage":
                await self._talk.inject_words(message["content"])
            case "FunctionCallResponse":
                response = msgspec.convert(message, deepgram.FunctionCallResponse)
                await self._talk.take_answer(response)
            case "ForceEndTurn":
                await self._talk.force_end()
            case "KeepAlive":
                self._notes.add("kept_alive")
            case _ if kind in KINDS:
                await self._updates.take(kind, message)
                self._talk.tune()

    # --- time ---

    async def _watch_idleness(self) -> None:
        idle_s = self._options.idle_s
        if self._faults.idle_ms is not None:
            idle_s = self._faults.idle_ms / 1000 / self._options.pace
        while True:
            now = time.monotonic()
            sound_only = self._faults.idle_without_sound and self._held is None
            last_at = self._talk.sound_at if sound_only else self._frame_at
            left_s = last_at + idle_s - now
            if left_s <= 0:
                raise Refused("CLIENT_MESSAGE_TIMEOUT", "waited too long for a message")
            await self._talk.time_out(now)
            await asyncio.sleep(min(left_s, _LOOK_EVERY_S))

    async def _pause(self, milliseconds: int) -> None:
        await asyncio.sleep(milliseconds / 1000 / self._options.pace)


def _object(text: str) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise unparsable("not JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise unparsable("a message is an object with a type")
    return message
