"""What the agent does about one thing the caller said.

It begins on the mere suspicion that the caller has finished: thinking and reading tools do not
wait for the turn to be confirmed, words and deferred tools do (section 5, "Speculation"). So it
may be withdrawn, with function calls already on their way.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from bridge.simulator.board import CallNotes
from bridge.simulator.brain import Brain
from bridge.simulator.functions import Asked, FunctionCalls, record, request
from bridge.simulator.mouth import Mouth
from bridge.simulator.options import Options
from bridge.simulator.scenario import Action, Ask, Faults
from bridge.simulator.strict.accepted import Accepted
from bridge.simulator.strict.shapes import Refused
from bridge.wire.deepgram import (
    CancelledFunction,
    FromAgent,
    FunctionCallCancelled,
    FunctionCallResponse,
    LatencyReport,
    Warning,
)

SLOW_THINK_MS = 5000
"""``SLOW_THINK_REQUEST`` comes at 5 s and again every 5 s (1.5)."""


class Dropped(Exception):
    """The socket is to die without a close frame."""


class Closed(Exception):
    """The server is to close the session, without an ``Error``."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn acts with: the parts of its session."""

    send: Callable[[FromAgent], Awaitable[None]]
    brain: Brain
    mouth: Mouth
    accepted: Accepted
    options: Options
    faults: Faults
    notes: CallNotes


class Turn:
    """One turn of the agent; ``run`` it as a task, ``confirm`` it or ``withdraw`` it.

    ``ended_at`` is when the caller's last sound arrived, on the monotonic clock.
    """

    def __init__(self, heard: str, ended_at: float, scene: Scene) -> None:
        self.heard = heard
        self.ended_at = ended_at
        self.running = True
        self._scene = scene
        self._rule = scene.brain.rule_for(heard)
        self._confirmed = asyncio.Event()
        self._calls = FunctionCalls()
        self._first_token = True

    @property
    def confirmed(self) -> bool:
        """The caller has really finished."""
        return self._confirmed.is_set()

    def confirm(self) -> None:
        """The caller has really finished: words and effects may go out."""
        self._scene.brain.use(self._rule)
        self._confirmed.set()

    async def run(self) -> None:
        """Does the rule's actions, one after the other.

        Raises:
            Refused: the session ends with an ``Error``.
            Dropped: the session ends without a word.
            Closed: the session is closed.
        """
        await self._think(self._rule.think_ms)
        for action in self._rule.do:
            await self._do(action)
        self.running = False

    async def withdraw(self) -> None:
        """The turn is off: function calls already sent are cancelled, late answers dropped."""
        self.running = False
        open_calls = self._calls.open()
        self._calls.forget()
        if open_calls:
            for call in open_calls:
                self._scene.notes.add("cancelled", name=call.ask.tool, function_call_id=call.id)
            cancelled = [CancelledFunction(id=call.id, name=call.ask.tool) for call in open_calls]
            await self._scene.send(FunctionCallCancelled(functions=cancelled))

    def answer(self, response: FunctionCallResponse) -> bool:
        """Takes the answer to a function call; False when nobody waits for it."""
        answered = self._calls.answer(response)
        if answered is not None:
            self._scene.notes.add(
                "answered",
                name=answered.ask.tool,
                function_call_id=answered.id,
                content=response.content,
                ms=(time.monotonic() - answered.sent_at) * 1000,
            )
        return answered is not None

    async def _do(self, action: Action) -> None:
        if action.think_ms is not None:
            await self._think(action.think_ms)
        elif action.ask is not None:
            await self._ask(action.ask)
        elif action.say is not None:
            await self._confirmed.wait()
            await self._token(LatencyReport(ttt_text_latency=self._since_speech_s()))
            self._scene.mouth.say(list(self._scene.brain.sentences(action.say)))
        else:
            await self._misbehave(action)

    async def _misbehave(self, action: Action) -> None:
        await self._confirmed.wait()
        await self._scene.mouth.quiet()
        if action.warning is not None:
            await self._scene.send(Warning(code=action.warning, description="asked for"))
        elif action.error is not None:
            raise Refused(action.error, "asked for by the scenario")
        elif action.drop:
            raise Dropped
        else:
            raise Closed

    async def _think(self, milliseconds: int) -> None:
        left_ms = milliseconds
        while left_ms > 0:
            step_ms = min(left_ms, SLOW_THINK_MS)
            await asyncio.sleep(step_ms / 1000 / self._scene.options.pace)
            left_ms -= step_ms
            if step_ms == SLOW_THINK_MS:
                self._scene.notes.add("warning", code="SLOW_THINK_REQUEST")
                await self._scene.send(
                    Warning(code="SLOW_THINK_REQUEST", description="the model takes its time")
                )

    async def _ask(self, asks: Sequence[Ask]) -> None:
        scene = self._scene
        asked = self._calls.prepare(asks, scene.brain, scene.accepted.functions)
        await self._token(LatencyReport(ttt_tool_latency=self._since_speech_s()))
        await self._request([call for call in asked if not call.function.deferred])
        deferred = [call for call in asked if call.function.deferred]
        if deferred:
            await self._confirmed.wait()
            await self._request(deferred)
        await self._calls.all_answered(asked)
        if scene.faults.lost_answers:
            await asyncio.Event().wait()
        for call in asked:
            scene.brain.answered(call.ask, call.answer or "")
        if scene.accepted.history:
            await scene.send(record(asked))

    async def _request(self, asked: list[Asked]) -> None:
        if not asked:
            return
        for call in asked:
            self._scene.notes.add(
                "asked", name=call.ask.tool, function_call_id=call.id, content=call.arguments
            )
        await self._scene.send(request(asked))
        for call in asked:
            if not call.function.client_side:
                call.answer = "{}"
                await self._scene.send(
                    FunctionCallResponse(id=call.id, name=call.ask.tool, content="{}")
                )

    async def _token(self, report: LatencyReport) -> None:
        """Latencies come one field a message (G-19); the first token's only once."""
        if self._first_token:
            self._first_token = False
            await self._scene.send(LatencyReport(ttt_token_latency=self._since_speech_s()))
        await self._scene.send(report)

    def _since_speech_s(self) -> float:
        return round(time.monotonic() - self.ended_at, 4)
