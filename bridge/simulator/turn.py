"""What the agent does about one thing the caller said.

It begins on the mere suspicion that the caller has finished: thinking and reading tools do not
wait for the turn to be confirmed, words and deferred tools do (section 5, "Speculation"). So it
may be withdrawn, with function calls already on their way.
"""

import asyncio
import time
from collections.abc import Sequence

import msgspec

from bridge.simulator.board import CallNotes
from bridge.simulator.brain import Brain
from bridge.simulator.client import Client
from bridge.simulator.endings import Closed, Dropped
from bridge.simulator.faults import Faults, within
from bridge.simulator.functions import Asked, FunctionCalls, record, request, signature
from bridge.simulator.moments import Moments
from bridge.simulator.mouth import Mouth
from bridge.simulator.options import Options
from bridge.simulator.rules import Action, Ask
from bridge.simulator.strict.accepted import Accepted
from bridge.simulator.strict.shapes import Refused
from bridge.wire.deepgram import (
    AgentThinking,
    CancelledFunction,
    FunctionCallCancelled,
    FunctionCallResponse,
)

SLOW_THINK_MS = 5000
"""``SLOW_THINK_REQUEST`` comes at 5 s and again every 5 s (1.5)."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn acts with: the parts of its session."""

    client: Client
    brain: Brain
    mouth: Mouth
    accepted: Accepted
    options: Options
    faults: Faults
    notes: CallNotes
    moments: Moments


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
        self._stalled = within(scene.faults.stall_turns, scene.notes.counted["turn"])
        self._confirmed = asyncio.Event()
        self._calls = FunctionCalls()
        self._first_token = True
        self._warned = False

    @property
    def confirmed(self) -> bool:
        """The caller has really finished."""
        return self._confirmed.is_set()

    def confirm(self) -> None:
        """The caller has really finished: words and effects may go out."""
        self._scene.notes.counted["turn"] += 1
        if not self._stalled:
            self._scene.brain.use(self._rule)
        self._confirmed.set()

    async def run(self) -> None:
        """Does the rule's actions, one after the other.

        Raises:
            Refused: the session ends with an ``Error``.
            Dropped: the session ends without a word.
            Closed: the session is closed.
        """
        if self._stalled:
            await asyncio.Event().wait()
        await self._think(self._rule.think_ms)
        if self._scene.faults.agent_thinking:
            await self._scene.client.send(AgentThinking(content="The caller wants an answer."))
        for action in self._rule.do:
            await self._do(action)
        self.running = False

    async def withdraw(self) -> None:
        """The turn is off: function calls already sent are cancelled, late answers dropped."""
        cancelled = self._calls.open()
        if cancelled:
            self._scene.brain.withdrawn([call.ask for call in cancelled])
        if self._scene.faults.cancel_answered and (self.running or self._scene.mouth.busy):
            cancelled += self._calls.answered()
        self.running = False
        self._calls.forget()
        await self._cancel(cancelled)

    def answer(self, response: FunctionCallResponse) -> bool:
        """Takes the answer to a function call; False when nobody waits for it."""
        answered = self._calls.answer(response)
        if answered is None:
            return False
        name, call_id = answered.ask.tool, answered.id
        self._scene.notes.add(
            "answered",
            name=name,
            function_call_id=call_id,
            content=response.content,
            ms=(time.monotonic() - answered.sent_at) * 1000,
        )
        wanted = self._scene.faults.thought_signatures
        if wanted and response.thought_signature != signature(answered):
            self._scene.notes.add("unsigned", name=name, function_call_id=call_id)
        return True

    async def _do(self, action: Action) -> None:
        if action.think_ms is not None:
            await self._think(action.think_ms)
        elif action.ask is not None:
            await self._ask(action.ask)
        elif action.ask_again:
            await self._ask(self._scene.brain.to_repeat())
        elif action.say is not None:
            await self._confirmed.wait()
            await self._say(action.say)
        else:
            await self._misbehave(action)

    async def _say(self, template: str) -> None:
        if not self._warned:
            self._warned = True
            for code in self._scene.faults.warn_before_reply:
                await self._scene.client.warn(code, "one of a chain failed")
        await self._token("ttt_text_latency")
        self._scene.mouth.say(self._scene.brain.sentences(template), "reply")

    async def _misbehave(self, action: Action) -> None:
        await self._confirmed.wait()
        await self._scene.mouth.quiet()
        if action.warning is not None:
            await self._scene.client.warn(action.warning, "asked for by the scenario")
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
            await self._pause(step_ms)
            left_ms -= step_ms
            if step_ms == SLOW_THINK_MS and not self._scene.faults.omit_slow_think:
                await self._scene.client.warn("SLOW_THINK_REQUEST", "the model takes its time")

    # --- function calls ---

    async def _ask(self, asks: Sequence[Ask]) -> None:
        scene = self._scene
        asked = self._calls.prepare(asks, scene.brain, scene.accepted.functions)
        if not asked:
            return
        scene.brain.asked(asks)
        await self._token("ttt_tool_latency")
        taken_back = []
        async with asyncio.TaskGroup() as tasks:
            for deferred in (False, True):
                batch = [call for call in asked if call.function.deferred is deferred]
                if batch and deferred:
                    await self._confirmed.wait()
                await self._request(batch)
                taken_back += [
                    tasks.create_task(self._take_back(call, call.ask.cancel_after_ms))
                    for call in batch
                    if call.ask.cancel_after_ms is not None
                ]
            await self._calls.all_settled(asked)
            for task in taken_back:
                task.cancel()
        if scene.faults.lost_answers:
            await asyncio.Event().wait()
        answered = [call for call in asked if call.answer is not None]
        for call in answered:
            scene.brain.answered(call.ask, call.answer or "")
        if answered and scene.accepted.history:
            await scene.client.send(record(answered))

    async def _request(self, asked: list[Asked]) -> None:
        if not asked:
            return
        for call in asked:
            self._scene.notes.add(
                "asked", name=call.ask.tool, function_call_id=call.id, content=call.arguments
            )
        await self._scene.client.send(request(asked, self._scene.faults))
        self._scene.moments.mark("asked")
        for call in asked:
            if not call.function.client_side:
                call.answer = "{}"
                await self._scene.client.send(
                    FunctionCallResponse(id=call.id, name=call.ask.tool, content="{}")
                )

    async def _take_back(self, call: Asked, after_ms: int) -> None:
        """Cancels a function call that is not answered in time, and asks it anew as often."""
        for _ in range(max(1, call.ask.again)):
            await self._pause(after_ms)
            if call.settled or not self.running:
                return
            await self._cancel([call])
            if call.ask.again:
                self._calls.renew(call)
                await self._request([call])
        if not call.ask.again:
            self._scene.brain.withdrawn([call.ask])
            self._calls.give_up(call)

    async def _cancel(self, calls: Sequence[Asked]) -> None:
        if not calls:
            return
        for call in calls:
            self._scene.notes.add(
                "cancelled",
                name=call.ask.tool,
                function_call_id=call.id,
                content="" if call.answer is None else "answered",
            )
        cancelled = [CancelledFunction(id=call.id, name=call.ask.tool) for call in calls]
        await self._scene.client.send(FunctionCallCancelled(functions=cancelled))

    # --- time ---

    async def _token(self, stage: str) -> None:
        """A latency of the model; the first token's only once."""
        since_s = time.monotonic() - self.ended_at
        first = {"ttt_token_latency": since_s} if self._first_token else {}
        self._first_token = False
        await self._scene.client.report(**first, **{stage: since_s})

    async def _pause(self, milliseconds: int) -> None:
        await asyncio.sleep(milliseconds / 1000 / self._scene.options.pace)
