"""What the agent asks for: checked, answered at once where that is possible, else made a job.

A wrong request is answered before anything is queued, and what an earlier session of the agent
asked for is joined, not run twice. Leaves the answers to ``answers``.
"""

from collections.abc import Iterable, Mapping

import msgspec

from bridge.call.answers import JOINED, Answers
from bridge.call.commands import Command, RunTool
from bridge.call.conversation import Conversation, FunctionCallNote
from bridge.call.deeds import may_come_true
from bridge.call.functions import FunctionCalls, Pending
from bridge.call.leaving import Leaving
from bridge.call.local import LOCAL, Here
from bridge.call.manners import Manners
from bridge.wire import deepgram
from tools.catalog import Tool, decode_arguments
from tools.contract import IN_DOUBT, Done, Failed, ToolJob
from tools.errors import BadArguments
from tools.meaning import effect_key


class Asking:
    """The requests of one call's agent."""

    def __init__(
        self,
        conversation: Conversation,
        functions: FunctionCalls,
        answers: Answers,
        catalog: Mapping[str, Tool],
        *,
        manners: Manners,
        leaving: Leaving,
    ) -> None:
        self._conversation = conversation
        self._functions = functions
        self._answers = answers
        self._catalog = catalog
        self._manners = manners
        self._leaving = leaving

    def ask(self, asked: Iterable[deepgram.FunctionCall], now: float, at_s: float) -> list[Command]:
        """Queue what can be queued, answer the rest; what is pending already is not asked again."""
        commands: list[Command] = []
        for call in asked:
            if call.client_side and not self._functions.knows(call.id):
                commands += self._ask_one(call, now, at_s)
        return commands

    def adopt(self, now: float) -> None:
        """What an earlier stream of the call left open or untold is for this one to tell."""
        for note in self._conversation.function_calls:
            tool = self._catalog.get(note.tool)
            untold = note.told_as == IN_DOUBT and note.outcome != JOINED
            if tool is None or not (untold or may_come_true(note)):
                continue
            try:
                wish = self._effect_key(tool, decode_arguments(tool, note.arguments))
            except BadArguments:  # never queued
                continue
            if may_come_true(note):
                self._functions.adopt(note.function_call_id, tool, wish)
            else:
                self._answers.left_untold(note, tool, wish, now)

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
            return self._do_here(call, tool, decoded, now, at_s)
        return self._queue(self._pending(call, tool, decoded, now, at_s), at_s)

    def _pending(
        self,
        call: deepgram.FunctionCall,
        tool: Tool,
        decoded: msgspec.Struct,
        now: float,
        at_s: float,
    ) -> Pending:
        key = self._effect_key(tool, decoded)
        job = ToolJob(
            function_call_id=call.id,
            call_sid=self._conversation.call_sid,
            practice=self._conversation.practice,
            tool=tool.name,
            arguments=call.arguments_json,
            budget_s=tool.budget_s,
            effect=tool.effect,
            idempotency_key=key,
        )
        return Pending(
            function_call_id=call.id,
            tool=tool,
            job=job,
            asked_at=now,
            asked_s=at_s,
            thought_signature=call.thought_signature or None,
            wish=key or _wish(tool, job.arguments),
        )

    def _queue(self, pending: Pending, at_s: float) -> list[Command]:
        known = self._functions.take_known(pending.wish)
        if known is not None:
            return self._answers.respond(known, pending, at_s)
        carried = self._functions.join(pending)
        if carried is not None:
            self._answers.close(carried, at_s)
            return []
        self._functions.ask(pending)
        return [RunTool(job=pending.job)]

    def _do_here(
        self,
        call: deepgram.FunctionCall,
        tool: Tool,
        decoded: msgspec.Struct,
        now: float,
        at_s: float,
    ) -> list[Command]:
        here = Here(
            conversation=self._conversation,
            manners=self._manners,
            leaving=self._leaving,
            now=now,
            at_s=at_s,
        )
        done = Done(
            function_call_id=call.id, tool=tool.name, content=LOCAL[tool.name](here, decoded)
        )
        return self._answers.at_once(done, call, at_s)

    def _refuse(
        self, call: deepgram.FunctionCall, code: str, say: str, at_s: float
    ) -> list[Command]:
        refused = Failed(function_call_id=call.id, tool=call.name, code=code, say=say)
        return self._answers.at_once(refused, call, at_s)

    def _effect_key(self, tool: Tool, decoded: msgspec.Struct) -> str:
        one = self._conversation
        return effect_key(tool, one.practice, decoded, call_sid=one.call_sid)


def _wish(tool: Tool, arguments: str) -> str:
    """The same for the same tool and arguments, in whatever order they are named."""
    canonical = msgspec.json.encode(msgspec.json.decode(arguments), order="sorted")
    return f"{tool.name} {canonical.decode()}"
