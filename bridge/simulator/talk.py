"""Who has the floor in one session: the caller's turns, the agent's, injected lines between them.

Leaves the order of the protocol to ``session``, deciding to ``brain`` and ``turn``, hearing to
``listening`` and ``ears``, speaking to ``mouth``.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from bridge.simulator.brain import split_sentences
from bridge.simulator.ears import Ear
from bridge.simulator.faults import within
from bridge.simulator.formats import Reading
from bridge.simulator.listening import Sign, TurnDetector
from bridge.simulator.strict.accepted import Accepted
from bridge.simulator.turn import Scene, Turn
from bridge.wire import deepgram
from bridge.wire.mulaw import BYTES_PER_MS

_FLOOD_BYTES = 200 * BYTES_PER_MS

_PATIENT_ABOVE = 0.8
_PATIENCE = 10.0
"""Above that threshold the silence that ends a turn grows by a tenth for every hundredth. The
direction is documented (4.3); how much is this emulator's own choice."""


class Talk:
    """Hears one caller and answers her; ``spawn`` keeps a task of the session."""

    def __init__(
        self,
        scene: Scene,
        ear: Ear,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self.sound_at = time.monotonic()
        """When the last sound of the client arrived."""
        self._scene = scene
        self._client = scene.client
        self._mouth = scene.mouth
        self._notes = scene.notes
        self._faults = scene.faults
        self._listening = scene.notes.scenario.listening
        self._detector = TurnDetector(self._listening, ear)
        self._reading = Reading(scene.accepted.heard)
        self._spawn = spawn
        self._turn: Turn | None = None
        self._turn_task: asyncio.Task[None] | None = None
        self._flood_bytes = 0

    # --- the caller ---

    def open(self) -> None:
        """The settings are accepted: from now on sound may come."""
        self._reading = Reading(self._scene.accepted.heard)
        self.sound_at = time.monotonic()
        self.tune()

    def tune(self) -> None:
        """Takes over how the settings want the end of a turn to be found."""
        self._detector.end_after_ms = end_after_ms(
            self._scene.accepted, self._listening.end_of_turn_ms
        )

    async def hear(self, sound: bytes, at: float) -> None:
        """A piece of the caller's sound."""
        self.sound_at = at
        ulaw = self._reading.read(sound)
        for sign in self._detector.feed(ulaw):
            if self._deaf:
                self._miss(sign)
            else:
                await self._notice(sign)
        if self._faults.latency_flood:
            await self._flood(len(ulaw))

    async def force_end(self) -> None:
        """The client ends the turn; without one nothing happens (2.11)."""
        self._notes.add("forced")
        if not self._scene.accepted.flux:
            await self._client.warn("FORCE_END_TURN_UNSUPPORTED", "Flux only")
        elif self._detector.end():
            await self._end_turn("manual")

    async def time_out(self, now: float) -> None:
        """Ends the turn when the client withholds its sound for the whole timeout."""
        timeout_s = self._scene.accepted.timeout_ms / 1000
        if self._detector.speaking and now - self.sound_at >= timeout_s:
            self._detector.end()
            await self._end_turn("timeout")

    async def inject_words(self, content: str) -> None:
        """Words as if the caller had said them (2.9)."""
        self._notes.add("injected_words", text=content)
        if self._faults.refuse_user_words and self._mouth.busy:
            await self._refuse("words", "AGENT", "agent is speaking")
            return
        if self._deaf:
            self._miss_words(content)
            return
        await self._user_started()
        self._detector.end()
        self._detector.clear()
        await self._hear_words(self._start_turn(content, time.monotonic()), "")

    async def _notice(self, sign: Sign) -> None:
        match sign:
            case Sign.STARTED:
                spoken_s = self._listening.start_ms / 1000
                self._notes.add("speech_started", at=self.sound_at - spoken_s)
                await self._user_started()
            case Sign.EAGER:
                self._suspect()
            case Sign.RESUMED:
                await self._user_started()
            case Sign.ENDED:
                waited = self._scene.accepted.eot_threshold >= 1.0
                await self._end_turn("timeout" if waited else "model")

    @property
    def _deaf(self) -> bool:
        return within(self._faults.deaf_turns, self._notes.counted["unheard"])

    def _miss(self, sign: Sign) -> None:
        if sign is Sign.ENDED:
            words = self._detector.words()
            self._detector.clear()
            self._miss_words(words)

    def _miss_words(self, words: str) -> None:
        if words:
            self._notes.counted["unheard"] += 1
            self._notes.add("unheard", text=words)

    async def _flood(self, length: int) -> None:
        self._flood_bytes += length
        if self._flood_bytes >= _FLOOD_BYTES:
            self._flood_bytes = 0
            await self._client.send(deepgram.LatencyReport(stt_latency=0.2))

    # --- turns ---

    async def _user_started(self) -> None:
        await self._client.send(deepgram.UserStartedSpeaking())
        self._scene.moments.mark("speech")
        agent_had_floor = self._mouth.busy
        await self._withdraw()
        unsent_ms = await self._mouth.stop()
        if agent_had_floor:
            self._notes.add("barge_in", ms=unsent_ms)

    def _suspect(self) -> None:
        heard = self._detector.words()
        if heard:
            self._start_turn(heard, self.sound_at - self._detector.quiet_ms / 1000)

    def _start_turn(self, heard: str, ended_at: float) -> Turn:
        self._turn = Turn(heard, ended_at, self._scene)
        self._turn_task = self._spawn(self._turn.run())
        return self._turn

    async def _withdraw(self) -> None:
        turn, task = self._turn, self._turn_task
        self._turn = self._turn_task = None
        if task is not None:
            task.cancel()
        if turn is not None:
            await turn.withdraw()

    async def _end_turn(self, trigger: str) -> None:
        """The caller's turn is over: what she said is final."""
        if self._deaf:
            self._miss(Sign.ENDED)
            return
        heard = self._detector.words()
        self._detector.clear()
        turn = self._turn
        if turn is None or turn.confirmed:
            if not heard:
                self._notes.add("false_start")
                return
            turn = self._start_turn(heard, self.sound_at)
        self._notes.add("speech_ended", at=turn.ended_at)
        await self._hear_words(turn, trigger)

    async def _hear_words(self, turn: Turn, trigger: str) -> None:
        self._notes.add("heard", text=turn.heard)
        await self._client.converse("user", turn.heard)
        self._scene.moments.mark("heard")
        if self._scene.accepted.flux and trigger and not self._faults.omit_end_of_turn:
            await self._client.send(deepgram.EndOfTurn(trigger=trigger))
        await self._client.report(stt_latency=time.monotonic() - turn.ended_at)
        turn.confirm()

    async def take_answer(self, response: deepgram.FunctionCallResponse) -> None:
        """The client answers a function call."""
        taken = self._turn is not None and self._turn.answer(response)
        if not taken:
            self._notes.add(
                "late", name=response.name, function_call_id=response.id or "",
                content=response.content,
            )  # fmt: skip
        elif self._scene.options.echo_answers:
            await self._client.send(response)

    # --- the agent ---

    async def begun(self) -> None:
        """The first sound behind a silence of the agent is about to leave."""
        if self._turn is None:
            return
        total_s = time.monotonic() - self._turn.ended_at
        voice_s = self._scene.options.voice_ms / 1000
        if self._scene.accepted.experimental or self._faults.agent_started_speaking:
            await self._client.send(
                deepgram.AgentStartedSpeaking(
                    total_latency=round(total_s, 4),
                    tts_latency=round(voice_s, 4),
                    ttt_latency=round(max(0.0, total_s - voice_s), 4),
                )
            )
        await self._client.report(tts_latency=voice_s)
        await self._client.report(total_latency=total_s)

    async def inject(self, message: str, behavior: str) -> None:
        """A line for the agent to say; who has the floor decides (2.8)."""
        self._notes.add("injected", text=message, name=behavior)
        number = self._notes.counted["injected"]
        self._notes.counted["injected"] += 1
        if within(self._faults.refuse_injections, number):
            await self._refuse("injection", "AGENT", "agent is speaking")
        elif within(self._faults.ignore_injections, number):
            self._notes.add("ignored", text=message)
        elif behavior == "interrupt":
            await self._mouth.stop()
            self._mouth.say(split_sentences(message), "injection")
        elif self._detector.speaking and not self._deaf:
            await self._refuse("injection", "USER", "user is speaking")
        elif behavior == "default" and self._agent_has_floor():
            await self._refuse("injection", "AGENT", "agent is speaking")
        else:
            self._mouth.say(split_sentences(message), "injection")

    def _agent_has_floor(self) -> bool:
        turn = self._turn
        return self._mouth.busy or (turn is not None and turn.confirmed and turn.running)

    async def _refuse(self, what: str, side: str, message: str) -> None:
        self._notes.add("refused", name=what, text=message)
        how = self._faults.refusals or self._scene.options.refusals
        if how in {"message", "both"}:
            await self._client.send(deepgram.InjectionRefused(message=message))
        if how in {"warning", "both"}:
            await self._client.warn(f"INJECT_AGENT_MESSAGE_DURING_{side}_SPEECH", message)


def end_after_ms(accepted: Accepted, usual_ms: int) -> int:
    """The silence that ends a turn: more of it with a higher threshold, never above the timeout."""
    if accepted.eot_threshold >= 1.0:
        return accepted.timeout_ms
    extra = max(0.0, accepted.eot_threshold - _PATIENT_ABOVE) * _PATIENCE
    return min(round(usual_ms * (1 + extra)), accepted.timeout_ms)
