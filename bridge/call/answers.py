"""What the agent is told of its function calls, and what the conversation keeps of them.

Checks arguments before anything is queued, so that a wrong request is answered at once. Leaves
deadlines to ``functions`` and the doing to the workers.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import UNSET

from bridge.call.commands import Command, RunTool
from bridge.call.conversation import Conversation, FunctionCallNote
from bridge.call.functions import FunctionCalls, Pending
from bridge.wire import deepgram
from tools.catalog import Tool, decode_arguments, effect_key
from tools.contract import Done, Failed, ToolJob, ToolOutcome
from tools.errors import BadArguments

_COMPLETED_LATER = (
    "For your information, not to be read out word by word: the earlier request to {tool} has "
    "been completed after all. Its result: {content} Tell the caller at the next opportunity."
)


class Answers:
    """The function calls of one call, from request to answer."""

    def __init__(
        self, conversation: Conversation, functions: FunctionCalls, catalog: Mapping[str, Tool]
    ) -> None:
        self.late = 0
        """Outcomes nobody waited for any more."""
        self._conversation = conversation
        self._functions = functions
        self._catalog = catalog

    def ask(self, asked: Iterable[deepgram.FunctionCall], now: float, at_s: float) -> list[Command]:
        """Queue what can be queued, answer the rest; what is pending already is not asked again."""
        commands: list[Command] = []
        for call in asked:
            if call.client_side and not self._functions.knows(call.id):
                commands += self._ask_one(call, now, at_s)
        return commands

    def _ask_one(self, call: deepgram.FunctionCall, now: float, at_s: float) -> list[Command]:
        tool = self._catalog.get(call.name)
        arguments = call.arguments_json
        self._conversation.ask(
            FunctionCallNote(
                function_call_id=call.id,
                tool=call.name,
                arguments=arguments,
                at_s=at_s,
                effect=tool is not None and tool.effect,
            )
        )
        signature = call.thought_signature or None
        if tool is None:
            say = f"There are only these tools: {', '.join(self._catalog)}."
            return self._refuse(call, "unknown_tool", say, signature, at_s)
        try:
            decoded = decode_arguments(tool, arguments)
        except BadArguments as wrong:
            return self._refuse(call, wrong.code, wrong.say, signature, at_s)
        self._functions.ask(
            Pending(
                function_call_id=call.id,
                tool=tool,
                asked_at=now,
                deadline_at=now + tool.budget_s,
                thought_signature=signature,
            )
        )
        practice = self._conversation.practice
        job = ToolJob(
            function_call_id=call.id,
            call_sid=self._conversation.call_sid,
            practice=practice,
            tool=tool.name,
            arguments=arguments,
            budget_s=tool.budget_s,
            effect=tool.effect,
            idempotency_key=effect_key(tool, practice, decoded),
        )
        return [RunTool(job=job)]

    def answer(
        self, outcome: ToolOutcome, at_s: float, *, agent_listens: bool
    ) -> list[Command] | None:
        """Hand an outcome to whoever waits for it; None if nobody does and nothing changed.

        An effect that came true after its function call was given up or withdrawn is told to the
        agent as a fact.
        """
        pending = self._functions.answer(outcome.function_call_id)
        if pending is not None:
            if isinstance(outcome, Failed) and outcome.code == "doubt":
                self._functions.doubt(pending)
            return self._respond(outcome, pending.thought_signature, at_s)
        self.late += 1
        tool = self._functions.take_orphan(outcome.function_call_id)
        if tool is None or not isinstance(outcome, Done):
            return None
        self._conversation.answer(
            outcome.function_call_id, response=outcome.content, at_s=at_s, outcome="done"
        )
        if not agent_listens:
            return []
        fact = _COMPLETED_LATER.format(tool=tool.name, content=outcome.content)
        return [deepgram.UpdatePrompt(prompt=fact)]

    def expire(self, now: float, at_s: float) -> list[Command]:
        """Answer in the worker's place what nobody may wait for any longer."""
        commands: list[Command] = []
        for pending in self._functions.expired(now):
            no_answer = Failed(
                function_call_id=pending.function_call_id,
                tool=pending.tool.name,
                code="doubt" if pending.tool.effect else "budget_spent",
                say=pending.tool.fallback,
            )
            commands += self._respond(no_answer, pending.thought_signature, at_s)
        return commands

    def withdraw(self, function_call_ids: Iterable[str], at_s: float) -> bool:
        """The agent dropped them: reads are forgotten, an effect may come true all the same."""
        changed = False
        for function_call_id in function_call_ids:
            if self._functions.cancel(function_call_id) is not None:
                changed = True
                self._conversation.answer(
                    function_call_id, response=None, at_s=at_s, outcome="cancelled"
                )
        return changed

    def give_up(self, at_s: float) -> None:
        """The agent is gone: nobody waits for anything."""
        for function_call_id in self._functions.forget_all():
            self._conversation.answer(
                function_call_id, response=None, at_s=at_s, outcome="agent_lost"
            )

    def _refuse(
        self, call: deepgram.FunctionCall, code: str, say: str, signature: str | None, at_s: float
    ) -> list[Command]:
        refused = Failed(function_call_id=call.id, tool=call.name, code=code, say=say)
        return self._respond(refused, signature, at_s)

    def _respond(self, outcome: ToolOutcome, signature: str | None, at_s: float) -> list[Command]:
        content, word = _as_content(outcome)
        self._conversation.answer(
            outcome.function_call_id, response=content, at_s=at_s, outcome=word
        )
        return [
            deepgram.FunctionCallResponse(
                id=outcome.function_call_id,
                name=outcome.tool,
                content=content,
                thought_signature=UNSET if signature is None else signature,
            )
        ]


def _as_content(outcome: ToolOutcome) -> tuple[str, str]:
    """What the agent is given, and the word the conversation keeps of it."""
    if isinstance(outcome, Done):
        return outcome.content, "done"
    error = {"error": outcome.code, "say": outcome.say}
    return msgspec.json.encode(error).decode(), outcome.code
