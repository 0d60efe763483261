"""One session with the emulated agent, from ``Welcome`` to its end.

Owns the order of the protocol, its refusals, and who has the floor. Leaves deciding to ``brain``
and ``turn``, hearing to ``listening`` and ``ears``, speaking to ``mouth``, shapes to ``strict``,
and sockets to ``agent``.
"""

import asyncio
import time
import uuid
from typing import Any

import msgspec

from bridge.simulator.board import CallNotes
from bridge.simulator.brain import Brain, split_sentences
from bridge.simulator.client import Client, ClientLeft, Socket
from bridge.simulator.ears import Ears
from bridge.simulator.fate import outlive, strike
from bridge.simulator.listening import Sign, TurnDetector
from bridge.simulator.mouth import Mouth
from bridge.simulator.options import Options
from bridge.simulator.strict.accepted import Accepted
from bridge.simulator.strict.listen import listen
from bridge.simulator.strict.messages import client_message
from bridge.simulator.strict.settings import settings
from bridge.simulator.strict.shapes import Refused, unparsable
from bridge.simulator.strict.speak import speak
from bridge.simulator.strict.think import think
from bridge.simulator.turn import Closed, Dropped, Scene, Turn
from bridge.simulator.voices import Voices
from bridge.wire import deepgram
from bridge.wire.mulaw import BYTES_PER_MS

_FLOOD_BYTES = 200 * BYTES_PER_MS


class Session:
    """Serves one client; ``run`` returns how it ended."""

    def __init__(
        self, socket: Socket, *, notes: CallNotes, options: Options, voices: Voices, ears: Ears
    ) -> None:
        self._client = Client(socket, notes)
        self._notes = notes
        self._options = options
        scenario = notes.scenario
        self._faults = scenario.faults
        self._detector = TurnDetector(scenario.listening, ears.open())
        self._accepted = Accepted()
        self._applied = False
        self._turn: Turn | None = None
        self._turn_task: asyncio.Task[None] | None = None
        self._flood_bytes = 0
        self._mouth = Mouth(
            send=self._client.send,
            send_sound=socket.send,
            tell=self._tell,
            begun=self._begun,
            voices=voices,
            options=options,
            faults=scenario.faults,
            notes=notes,
        )
        self._scene = Scene(
            send=self._client.send,
            brain=Brain(scenario),
            mouth=self._mouth,
            accepted=self._accepted,
            options=options,
            faults=scenario.faults,
            notes=notes,
        )
        self._frame_at = time.monotonic()
        self._sound_at = self._frame_at

    async def run(self) -> Exception:
        """The whole session.

        Returns:
            ``Refused`` (an ``Error`` is to be sent), ``Dropped``, ``Closed`` or ``ClientLeft``.
        """
        ending: Exception = ClientLeft()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._client.send(deepgram.Welcome(request_id=str(uuid.uuid4())))
                tasks.create_task(self._mouth.run())
                tasks.create_task(self._watch_idleness())
                tasks.create_task(outlive(self._options, self._client))
                await self._read()
        except* (Refused, Dropped, Closed, ClientLeft) as endings:
            ending = endings.exceptions[0]
        return ending

    # --- the client's frames ---

    async def _read(self) -> None:
        async for frame in self._client.socket:
            self._frame_at = time.monotonic()
            if isinstance(frame, str):
                await self._receive(frame)
            else:
                await self._hear(frame)
        raise ClientLeft

    async def _receive(self, text: str) -> None:
        message = _object(text)
        kind = message["type"]
        if not self._applied:
            if kind != "Settings":
                raise Refused("NON_SETTINGS_MESSAGE_BEFORE_SETTINGS", f"{kind} came first")
            await self._begin(message)
            return
        if kind == "Settings":
            raise Refused("SETTINGS_ALREADY_APPLIED", "settings can be sent once")
        client_message(message)
        match kind:
            case "InjectAgentMessage":
                await self._inject(message["message"], message.get("behavior", "default"))
            case "InjectUserMessage":
                await self._inject_user(message["content"])
            case "FunctionCallResponse":
                await self._take_answer(msgspec.convert(message, deepgram.FunctionCallResponse))
            case "ForceEndTurn":
                await self._force_end()
            case "UpdatePrompt" | "UpdateThink" | "UpdateSpeak" | "UpdateListen":
                await self._update(kind, message)

    async def _begin(self, message: dict[str, Any]) -> None:
        accepted = settings(message)
        for name in accepted.__struct_fields__:
            setattr(self._accepted, name, getattr(accepted, name))
        self._client.history = accepted.history
        await asyncio.sleep(self._faults.settings_delay_ms / 1000 / self._options.pace)
        self._applied = True
        self._tune()
        self._notes.add("settings", content=msgspec.json.encode(message).decode())
        await self._client.send(deepgram.SettingsApplied())
        await self._check_prompt()
        self._scene.brain.remember(msgspec.convert(accepted.messages, list[deepgram.History]))
        self._tasks.create_task(strike(self._faults, self._notes.sessions, self._options.pace))
        if accepted.greeting:
            self._mouth.say(split_sentences(accepted.greeting))

    def _tune(self) -> None:
        accepted = self._accepted
        usual_ms = self._notes.scenario.listening.end_of_turn_ms
        self._detector.end_after_ms = (
            accepted.timeout_ms
            if accepted.end_after_timeout
            else min(usual_ms, accepted.timeout_ms)
        )

    # --- listening ---

    async def _hear(self, sound: bytes) -> None:
        if not self._applied:
            raise Refused("NON_SETTINGS_MESSAGE_BEFORE_SETTINGS", "audio came first")
        self._sound_at = self._frame_at
        for sign in self._detector.feed(sound):
            match sign:
                case Sign.STARTED:
                    spoken_s = self._notes.scenario.listening.start_ms / 1000
                    self._notes.add("speech_started", at=self._frame_at - spoken_s)
                    await self._user_started()
                case Sign.EAGER:
                    self._suspect()
                case Sign.RESUMED:
                    await self._user_started()
                case Sign.ENDED:
                    timeout = self._accepted.end_after_timeout
                    await self._confirm("timeout" if timeout else "model")
        if self._faults.latency_flood:
            await self._flood(len(sound))

    async def _user_started(self) -> None:
        await self._client.send(deepgram.UserStartedSpeaking())
        agent_had_floor = self._mouth.busy
        await self._withdraw()
        unsent_ms = await self._mouth.stop()
        if agent_had_floor:
            self._notes.add("barge_in", ms=unsent_ms)

    def _suspect(self) -> None:
        heard = self._detector.ear.text()
        if heard:
            self._start_turn(heard, self._frame_at - self._detector.quiet_ms / 1000)

    def _start_turn(self, heard: str, ended_at: float) -> Turn:
        self._turn = Turn(heard, ended_at, self._scene)
        self._turn_task = self._tasks.create_task(self._turn.run())
        return self._turn

    async def _withdraw(self) -> None:
        turn, task = self._turn, self._turn_task
        self._turn = self._turn_task = None
        if task is not None:
            task.cancel()
        if turn is not None:
            await turn.withdraw()

    async def _confirm(self, trigger: str) -> None:
        """The caller's turn is over: what she said is final."""
        heard = self._detector.ear.text()
        self._detector.ear.clear()
        turn = self._turn
        if turn is None or turn.confirmed:
            if not heard:
                return
            turn = self._start_turn(heard, self._frame_at)
        self._notes.add("speech_ended", at=turn.ended_at)
        await self._hear_words(turn, trigger)

    async def _hear_words(self, turn: Turn, trigger: str) -> None:
        self._notes.add("heard", text=turn.heard)
        await self._client.converse("user", turn.heard)
        if self._accepted.flux and trigger:
            await self._client.send(deepgram.EndOfTurn(trigger=trigger))
        await self._client.send(
            deepgram.LatencyReport(stt_latency=round(time.monotonic() - turn.ended_at, 4))
        )
        turn.confirm()

    async def _force_end(self) -> None:
        if not self._accepted.flux:
            await self._client.warn("FORCE_END_TURN_UNSUPPORTED", "Flux only")
        elif self._detector.end():
            await self._confirm("manual")

    async def _flood(self, length: int) -> None:
        self._flood_bytes += length
        if self._flood_bytes >= _FLOOD_BYTES:
            self._flood_bytes = 0
            await self._client.send(deepgram.LatencyReport(stt_latency=0.2))

    # --- speaking ---

    async def _tell(self, sentence: str) -> None:
        await self._client.converse("assistant", sentence)

    async def _begun(self) -> None:
        """The first sound of a reply is about to leave."""
        if self._turn is None:
            return
        total_s = round(time.monotonic() - self._turn.ended_at, 4)
        voice_s = round(self._options.voice_ms / 1000, 4)
        if self._accepted.experimental:
            await self._client.send(
                deepgram.AgentStartedSpeaking(
                    total_latency=total_s,
                    tts_latency=voice_s,
                    ttt_latency=round(max(0.0, total_s - voice_s), 4),
                )
            )
        await self._client.send(deepgram.LatencyReport(tts_latency=voice_s))
        await self._client.send(deepgram.LatencyReport(total_latency=total_s))

    # --- injections, answers, updates ---

    async def _inject(self, message: str, behavior: str) -> None:
        self._notes.add("injected", text=message, name=behavior)
        agent_speaks = self._mouth.busy or (
            self._turn is not None and self._turn.confirmed and self._turn.running
        )
        if behavior != "interrupt":
            if self._detector.speaking:
                await self._refuse("USER", "user is speaking")
                return
            if behavior == "default" and agent_speaks:
                await self._refuse("AGENT", "agent is speaking")
                return
        else:
            await self._mouth.stop()
        self._mouth.say(split_sentences(message))

    async def _refuse(self, side: str, message: str) -> None:
        self._notes.add("refused", text=message)
        if self._options.refusals in {"message", "both"}:
            await self._client.send(deepgram.InjectionRefused(message=message))
        if self._options.refusals in {"warning", "both"}:
            await self._client.warn(f"INJECT_AGENT_MESSAGE_DURING_{side}_SPEECH", message)

    async def _inject_user(self, content: str) -> None:
        await self._user_started()
        self._detector.end()
        self._detector.ear.clear()
        await self._hear_words(self._start_turn(content, time.monotonic()), "")

    async def _take_answer(self, response: deepgram.FunctionCallResponse) -> None:
        taken = self._turn is not None and self._turn.answer(response)
        if not taken:
            self._notes.add(
                "late", name=response.name, function_call_id=response.id or "",
                content=response.content,
            )  # fmt: skip
        elif self._options.echo_answers:
            await self._client.send(response)

    async def _update(self, kind: str, message: dict[str, Any]) -> None:
        self._notes.add("updated", name=kind)
        match kind:
            case "UpdatePrompt":
                self._accepted.prompt_characters += len(message["prompt"])
                await self._client.send(deepgram.PromptUpdated())
                await self._check_prompt()
            case "UpdateThink":
                think(message["think"], "UpdateThink.think", self._accepted)
                await self._client.send(deepgram.ThinkUpdated())
                await self._check_prompt()
            case "UpdateSpeak":
                speak(message["speak"], "UpdateSpeak.speak")
                await self._client.send(deepgram.SpeakUpdated())
            case _:
                listen(message["listen"], "UpdateListen.listen", self._accepted, update=True)
                self._tune()
                await self._client.send(deepgram.ListenUpdated())

    async def _check_prompt(self) -> None:
        accepted = self._accepted
        if accepted.managed and accepted.prompt_characters > self._options.prompt_limit:
            accepted.prompt_characters = self._options.prompt_limit
            await self._client.warn("PROMPT_TOO_LONG", "the prompt was cut")

    async def _watch_idleness(self) -> None:
        idle_s = self._options.idle_s
        while True:
            now = time.monotonic()
            left_s = self._frame_at + idle_s - now
            if left_s <= 0:
                raise Refused("CLIENT_MESSAGE_TIMEOUT", "waited too long for a message")
            timeout_s = self._accepted.timeout_ms / 1000
            if self._detector.speaking and now - self._sound_at >= timeout_s:
                self._detector.end()
                await self._confirm("timeout")
            await asyncio.sleep(min(left_s, 0.5))


def _object(text: str) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise unparsable("not JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise unparsable("a message is an object with a type")
    return message
