"""Function calls that the emulated agent asked and that were not answered yet (section 5).

Leaves what to ask to ``brain`` and when to ``turn``.
"""

import asyncio
import time
import uuid
from collections.abc import Iterable

import msgspec
from msgspec import UNSET

from bridge.simulator.brain import Brain
from bridge.simulator.faults import Faults
from bridge.simulator.rules import Ask
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
    given_up: bool = False
    """Withdrawn for good: the agent goes on without an answer."""

    @property
    def sent(self) -> bool:
        """The client knows of it."""
        return self.sent_at > 0

    @property
    def settled(self) -> bool:
        """Nobody waits for its answer."""
        return self.given_up or self.answer is not None


class FunctionCalls:
    """The function calls of one turn."""

    def __init__(self) -> None:
        self._asked: dict[str, Asked] = {}
        self._news = asyncio.Event()

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
            prepared += [
                Asked(ask=ask, id=_new_id(), arguments=arguments, function=function)
                for _ in range(ask.times)
            ]
        self._asked |= {asked.id: asked for asked in prepared}
        return prepared

    def answer(self, response: deepgram.FunctionCallResponse) -> Asked | None:
        """Takes an answer; None when nobody waits for it."""
        for asked in self._asked.values():
            same = asked.id == response.id if response.id else asked.ask.tool == response.name
            if same and asked.sent and not asked.settled:
                asked.answer = response.content
                self._news.set()
                return asked
        return None

    async def all_settled(self, asked: list[Asked]) -> None:
        """Returns when nobody waits for any of them."""
        while not all(call.settled for call in asked):
            self._news.clear()
            await self._news.wait()

    def renew(self, asked: Asked) -> None:
        """It is to be asked anew, under a new id; an answer to the old one is late."""
        self._asked.pop(asked.id, None)
        asked.id, asked.sent_at = _new_id(), 0.0
        self._asked[asked.id] = asked

    def give_up(self, asked: Asked) -> None:
        """Nobody waits for it any more."""
        asked.given_up = True
        self._news.set()

    def open(self) -> list[Asked]:
        """Sent, and not answered."""
        return [asked for asked in self._ours() if not asked.settled]

    def answered(self) -> list[Asked]:
        """Sent, and answered."""
        return [asked for asked in self._ours() if asked.answer is not None]

    def forget(self) -> None:
        """Nobody waits any more: late answers are dropped."""
        self._asked.clear()

    def _ours(self) -> list[Asked]:
        return [call for call in self._asked.values() if call.sent and call.function.client_side]


def _new_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"


def request(asked: list[Asked], faults: Faults) -> deepgram.FunctionCallRequest:
    """The message that asks, all in one; they count as sent now."""
    for call in asked:
        call.sent_at = time.monotonic()
    return deepgram.FunctionCallRequest(
        functions=[
            deepgram.FunctionCall(
                id=call.id,
                name=call.ask.tool,
                arguments=(
                    msgspec.json.decode(call.arguments)
                    if faults.arguments_as_objects
                    else call.arguments
                ),
                client_side=call.function.client_side,
                thought_signature=signature(call) if faults.thought_signatures else UNSET,
            )
            for call in asked
        ]
    )


def signature(asked: Asked) -> str:
    """What a function call carries that is to come back unchanged (2.10)."""
    return f"signature-of-{asked.id}"


def record(asked: list[Asked]) -> deepgram.History:
    """Answered function calls, as history keeps them."""
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
