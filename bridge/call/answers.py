"""What the agent is told of its function calls, and what the conversation keeps of them.

Checks arguments before anything is queued, so that a wrong request is answered at once. Leaves
deadlines to ``functions`` and the doing to the workers.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import UNSET

from bridge.call.commands import CancelTool, Command, RunTool
from bridge.call.conversation import Conversation, FunctionCallNote
from bridge.call.functions import FunctionCalls, Pending
from bridge.call.local import LOCAL
from bridge.wire import deepgram
from tools.catalog import Tool, decode_arguments, has_happened
from tools.contract import Done, Failed, ToolJob, ToolOutcome
from tools.errors import BadArguments
from tools.meaning import effect_key

_COMPLETED_LATER = (
    "For your information, not to be read out word by word: the earlier request to {tool} has "
    "been completed after all. Its result: {content} Tell the caller at the next opportunity."
)


class Answers:
    """The function calls of one call, from request to answer."""

    def __init__(
        self,
        conversation: Conversation,
        functions: FunctionCalls,
        catalog: Mapping[str, Tool],
        *,
        details: tuple[str, ...] = (),
    ) -> None:
        self.late = 0
        """Outcomes nobody waited for any more."""
        self.effects_done = 0
        """How many effects the agent was told to have come true."""
        self._conversation = conversation
        self._functions = functions
        self._catalog = catalog
        self._details = details

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
        if tool is None or tool.internal:
            offered = (known for known, one in self._catalog.items() if not one.internal)
            say = f"There are only these tools: {', '.join(offered)}."
            return self._refuse(call, "unknown_tool", say, at_s)
        try:
            decoded = decode_arguments(tool, arguments)
        except BadArguments as wrong:
            return self._refuse(call, wrong.code, wrong.say, at_s)
        if tool.place == "call":
            content = LOCAL[tool.name](self._conversation, decoded, at_s, self._details)
            done = Done(function_call_id=call.id, tool=tool.name, content=content)
            self._note(done, at_s)
            return [_response(call.id, tool.name, content, call.thought_signature or None)]
        practice = self._conversation.practice
        key = effect_key(tool, practice, decoded)
        pending = Pending(
            function_call_id=call.id,
            tool=tool,
            asked_at=now,
            deadline_at=now + tool.budget_s,
            thought_signature=call.thought_signature or None,
            wish=key or _wish(tool, arguments),
        )
        known = self._functions.take_known(pending.wish)
        if known is not None:
            return self._respond(known, pending, at_s)
        if self._functions.join(pending):
            return []
        self._functions.ask(pending)
        job = ToolJob(
            function_call_id=call.id,
            call_sid=self._conversation.call_sid,
            practice=practice,
            tool=tool.name,
            arguments=arguments,
            budget_s=tool.budget_s,
            effect=tool.effect,
            idempotency_key=key,
        )
        return [RunTool(job=job)]

    def answer(
        self, outcome: ToolOutcome, at_s: float, *, agent_listens: bool
    ) -> list[Command] | None:
        """Hand an outcome to whoever waits for it; None if nobody does and nothing changed.

        An effect that came true after its function call was given up or withdrawn is told to the
        agent as a fact. What an earlier session of the agent had asked is kept: the next one reads
        it in its history, or is answered with it when it asks the same again.
        """
        pending = self._functions.answer(outcome.function_call_id)
        if pending is not None:
            if isinstance(outcome, Failed) and outcome.code == "doubt":
                self._functions.doubt(pending)
            return self._respond(outcome, pending, at_s)
        carried = self._functions.was_carried(outcome.function_call_id)
        joined = self._functions.arrived(outcome)
        orphan = self._functions.take_orphan(outcome.function_call_id)
        if carried:
            self._note(outcome, at_s)
        if joined is not None:
            return self._respond(outcome, joined, at_s)
        if not carried:
            self.late += 1
        if orphan is None or not isinstance(outcome, Done):
            return [] if carried else None
        self._note(outcome, at_s)
        self.effects_done += has_happened(orphan, outcome.content)
        if not agent_listens:
            return []
        fact = _COMPLETED_LATER.format(tool=orphan.name, content=outcome.content)
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
            commands += self._respond(no_answer, pending, at_s)
        return commands

    def withdraw(self, function_call_ids: Iterable[str], at_s: float) -> list[Command] | None:
        """The agent dropped them; None if none of them was waited for.

        Reads are stopped; an effect may come true all the same, and is told then.
        """
        commands: list[Command] | None = None
        for function_call_id in function_call_ids:
            pending = self._functions.cancel(function_call_id)
            if pending is None:
                continue
            commands = commands or []
            if not pending.tool.effect:
                commands.append(
                    CancelTool(function_call_id=function_call_id, tool=pending.tool.name)
                )
            self._conversation.answer(
                function_call_id, response=None, at_s=at_s, outcome="cancelled"
            )
        return commands

    def give_up(self, at_s: float) -> None:
        """The agent is gone: nobody waits for anything."""
        for function_call_id in self._functions.forget_all():
            self._conversation.answer(
                function_call_id, response=None, at_s=at_s, outcome="agent_lost"
            )

    def _refuse(
        self, call: deepgram.FunctionCall, code: str, say: str, at_s: float
    ) -> list[Command]:
        refused = Failed(function_call_id=call.id, tool=call.name, code=code, say=say)
        content = self._note(refused, at_s)
        return [_response(call.id, call.name, content, call.thought_signature or None)]

    def _respond(self, outcome: ToolOutcome, pending: Pending, at_s: float) -> list[Command]:
        """Answer under the id that the agent waits for, which need not be the one that ran."""
        answered = msgspec.structs.replace(outcome, function_call_id=pending.function_call_id)
        content = self._note(answered, at_s)
        if isinstance(outcome, Done) and has_happened(pending.tool, outcome.content):
            self.effects_done += 1
        return [
            _response(
                pending.function_call_id, pending.tool.name, content, pending.thought_signature
            )
        ]

    def _note(self, outcome: ToolOutcome, at_s: float) -> str:
        content, word = _as_content(outcome)
        self._conversation.answer(
            outcome.function_call_id, response=content, at_s=at_s, outcome=word
        )
        return content


def _response(
    function_call_id: str, name: str, content: str, signature: str | None
) -> deepgram.FunctionCallResponse:
    return deepgram.FunctionCallResponse(
        id=function_call_id,
        name=name,
        content=content,
        thought_signature=UNSET if signature is None else signature,
    )


def _wish(tool: Tool, arguments: str) -> str:
    """The same for the same tool and arguments, in whatever order they are named."""
    canonical = msgspec.json.encode(msgspec.json.decode(arguments), order="sorted")
    return f"{tool.name} {canonical.decode()}"


def _as_content(outcome: ToolOutcome) -> tuple[str, str]:
    """What the agent is given, and the word the conversation keeps of it."""
    if isinstance(outcome, Done):
        return outcome.content, "done"
    error = {"error": outcome.code, "say": outcome.say}
    return msgspec.json.encode(error).decode(), outcome.code
