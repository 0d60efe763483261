"""Function calls that the emulated agent asked and that were not answered yet (section 5).

Leaves what to ask to ``brain`` and when to ``session``.
"""

import asyncio
import time
import uuid
from collections.abc import Iterable

import msgspec

from bridge.simulator.brain import Brain
from bridge.simulator.scenario import Ask
from bridge.simulator.strict.accepted import AcceptedFunction
from bridge.simulator.strict.shapes import Refused
from bridge.wire import deepgram


class Asked(msgspec.Struct, kw_only=True):
    """One function call on its way."""

    ask: Ask
    id: str
    arguments: str
    function: AcceptedFunction
    sent_at: float = 0.0
    answer: str | None = None

    @property
    def sent(self) -> bool:
        """The client knows of it."""
        return self.sent_at > 0


class FunctionCalls:
    """The function calls of one turn."""

    def __init__(self) -> None:
        self._asked: dict[str, Asked] = {}
        self._answered = asyncio.Event()

    def prepare(
        self, asks: Iterable[Ask], brain: Brain, functions: dict[str, AcceptedFunction]
    ) -> list[Asked]:
        """Function calls ready to be sent.

        Raises:
            Refused: the model wants a tool that ``Settings`` did not name.
        """
        prepared = []
        for ask in asks:
            function = functions.get(ask.tool)
            if function is None:
                raise Refused("NON_EXISTENT_FUNCTION_CALLED", f"no function {ask.tool}")
            arguments = msgspec.json.encode(brain.arguments(ask)).decode()
            call_id = f"call_{uuid.uuid4().hex[:24]}"
            prepared.append(Asked(ask=ask, id=call_id, arguments=arguments, function=function))
        self._asked |= {asked.id: asked for asked in prepared}
        return prepared

    def answer(self, response: deepgram.FunctionCallResponse) -> Asked | None:
        """Takes an answer; None when nobody waits for it."""
        for asked in self._asked.values():
            same = asked.id == response.id if response.id else asked.ask.tool == response.name
            if same and asked.sent and asked.answer is None:
                asked.answer = response.content
                self._answered.set()
                return asked
        return None

    async def all_answered(self, asked: list[Asked]) -> None:
        """Returns when the last of them has its answer."""
        while any(call.answer is None for call in asked):
            self._answered.clear()
            await self._answered.wait()

    def open(self) -> list[Asked]:
        """Sent, and not answered."""
        return [
            asked
            for asked in self._asked.values()
            if asked.sent and asked.answer is None and asked.function.client_side
        ]

    def forget(self) -> None:
        """Nobody waits any more: late answers are dropped."""
        self._asked.clear()


def request(asked: list[Asked]) -> deepgram.FunctionCallRequest:
    """The message that asks, all in one; they count as sent now."""
    for call in asked:
        call.sent_at = time.monotonic()
    return deepgram.FunctionCallRequest(
        functions=[
            deepgram.FunctionCall(
                id=call.id,
                name=call.ask.tool,
                arguments=call.arguments,
                client_side=call.function.client_side,
            )
            for call in asked
        ]
    )


def record(asked: list[Asked]) -> deepgram.History:
    """The answered function calls, as history keeps them."""
    return deepgram.History(
        function_calls=[
            deepgram.FunctionCallRecord(
                id=call.id,
                name=call.ask.tool,
                client_side=call.function.client_side,
                arguments=call.arguments,
                response=call.answer or "",
            )
            for call in asked
        ]
    )
