"""What the agent is told of its function calls, and what the conversation keeps of them.

Checks arguments before anything is queued, so that a wrong request is answered at once. Leaves
deadlines to ``functions``, the doing to the workers, and what is said of an effect that was decided
when nobody waited any more to ``news``.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import UNSET

from bridge.call.commands import CancelTool, Command, GiveUpTool, RunTool
from bridge.call.conversation import Conversation, FunctionCallNote
from bridge.call.deeds import may_come_true
from bridge.call.functions import FunctionCalls, Open, Pending
from bridge.call.leaving import Leaving
from bridge.call.local import LOCAL, Here
from bridge.call.manners import Manners
from bridge.call.news import News
from bridge.call.told import Told
from bridge.wire import deepgram
from tools.catalog import Tool, decode_arguments, has_happened
from tools.contract import IN_DOUBT, Done, Failed, ToolJob, ToolOutcome, is_final
from tools.errors import BadArguments
from tools.meaning import effect_key

JOINED = "joined"
"""Outcome of a function call whose wish was asked again: the answer stands at the later one."""


class Answers:
    """The function calls of one call, from request to answer."""

    def __init__(
        self,
        conversation: Conversation,
        functions: FunctionCalls,
        catalog: Mapping[str, Tool],
        *,
        manners: Manners,
        leaving: Leaving,
        news: News,
        told: Told,
    ) -> None:
        self.late = 0
        """Outcomes nobody waited for any more."""
        self.effects_done = 0
        """How many effects the agent was told to have come true."""
        self._conversation = conversation
        self._functions = functions
        self._catalog = catalog
        self._manners = manners
        self._leaving = leaving
        self._news = news
        self._told = told

    # --- asked -------------------------------------------------------------------------------

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
            return self._do_here(call, tool, decoded, now, at_s)
        key = self._effect_key(tool, decoded)
        job = ToolJob(
            function_call_id=call.id,
            call_sid=self._conversation.call_sid,
            practice=self._conversation.practice,
            tool=tool.name,
            arguments=arguments,
            budget_s=tool.budget_s,
            effect=tool.effect,
            idempotency_key=key,
        )
        pending = Pending(
            function_call_id=call.id,
            tool=tool,
            job=job,
            asked_at=now,
            asked_s=at_s,
            thought_signature=call.thought_signature or None,
            wish=key or _wish(tool, arguments),
        )
        known = self._functions.take_known(pending.wish)
        if known is not None:
            return self._respond(known, pending, at_s)
        carried = self._functions.join(pending)
        if carried is not None:
            self._close(carried, at_s)
            return []
        self._functions.ask(pending)
        return [RunTool(job=job)]

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
        content = LOCAL[tool.name](here, decoded)
        self._note(Done(function_call_id=call.id, tool=tool.name, content=content), at_s)
        return [_response(call.id, tool.name, content, call.thought_signature or None)]

    def adopt(self) -> None:
        """What an earlier stream of the call left open or in doubt may come true in this one."""
        for note in self._conversation.function_calls:
            tool = self._catalog.get(note.tool)
            if tool is None or not may_come_true(note):
                continue
            try:
                key = self._effect_key(tool, decode_arguments(tool, note.arguments))
            except BadArguments:  # never queued
                continue
            self._functions.adopt(note.function_call_id, tool, key)

    # --- answered ----------------------------------------------------------------------------

    def answer(self, outcome: ToolOutcome, now: float, at_s: float) -> list[Command] | None:
        """Hand an outcome to whoever waits for it; None if nobody does and nothing changed.

        An effect that was decided after its function call was answered with a doubt, given up or
        withdrawn is news. What an earlier session of the agent had asked is kept: the next one
        reads it in its history, or is answered with it when it asks the same again.
        """
        job_id = outcome.function_call_id
        pending = self._functions.answer(job_id) or self._functions.joined(outcome)
        if pending is not None:
            if not is_final(outcome):
                self._functions.doubt(pending)
            return self._respond(self._in_truth(outcome, pending, at_s), pending, at_s)
        carried = self._functions.arrived(outcome)
        known = self._functions.open_effect(outcome)
        if carried:
            self._note(outcome, at_s)
        else:
            self.late += 1
        if known is None or not is_final(outcome):
            return [] if carried else None
        return self._decided(outcome, known, now, at_s)

    def _in_truth(self, outcome: ToolOutcome, pending: Pending, at_s: float) -> ToolOutcome:
        """Where an earlier request of the same did or may come true, "not done" is no truth."""
        if isinstance(outcome, Done) or not is_final(outcome):
            return outcome
        stands = self._functions.stands(pending.wish)
        if stands is not None:
            return stands
        earlier = self._functions.readdress(pending.wish, pending.function_call_id)
        for job_id, asked_as in earlier.items():
            self._close(asked_as, at_s)
            outcome = msgspec.structs.replace(
                outcome, function_call_id=job_id, code=IN_DOUBT, say=pending.tool.fallback
            )
        return outcome

    def _decided(self, outcome: ToolOutcome, known: Open, now: float, at_s: float) -> list[Command]:
        """It is known what became of an effect that nobody waits for."""
        happened = self._has_happened(known.tool, known.wish, outcome)
        if not happened and self._functions.wanted_again(known.wish):
            self._close(known.asked_as, at_s)
            return []
        again = self._functions.answer_wish(known.wish)
        if again is not None:
            # Asked again meanwhile, and this is what became of it: the same effect.
            self._close(known.asked_as, at_s)
            return self._respond(outcome, again, at_s)
        named = msgspec.structs.replace(outcome, function_call_id=known.asked_as)
        content = self._note(named, at_s)
        self._settle(known.wish, at_s)
        self.effects_done += happened
        return [
            self._news.add(
                outcome,
                known.tool,
                asked_as=known.asked_as,
                wish=known.wish,
                content=content,
                happened=happened,
                now=now,
            )
        ]

    def expire(self, now: float, at_s: float) -> list[Command]:
        """Answer in the worker's place what nobody may wait for any longer."""
        commands: list[Command] = []
        for pending in self._functions.expired(now):
            no_answer = Failed(
                function_call_id=pending.job.function_call_id,
                tool=pending.tool.name,
                code=IN_DOUBT if pending.tool.effect else "budget_spent",
                say=pending.tool.fallback,
            )
            commands += self._respond(no_answer, pending, at_s)
        return commands

    def last_moments(self, now: float) -> list[Command]:
        """Ask what is true of the jobs whose time is nearly over."""
        return [GiveUpTool(job=job) for job in self._functions.to_give_up(now)]

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
                job_id = pending.job.function_call_id
                commands.append(CancelTool(function_call_id=job_id, tool=pending.tool.name))
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

    # --- how it is told and kept -------------------------------------------------------------

    def _refuse(
        self, call: deepgram.FunctionCall, code: str, say: str, at_s: float
    ) -> list[Command]:
        refused = Failed(function_call_id=call.id, tool=call.name, code=code, say=say)
        content = self._note(refused, at_s)
        return [_response(call.id, call.name, content, call.thought_signature or None)]

    def _respond(self, outcome: ToolOutcome, pending: Pending, at_s: float) -> list[Command]:
        """Answer under the id that the agent waits for, which need not be the one that ran."""
        tool = pending.tool
        answered = msgspec.structs.replace(outcome, function_call_id=pending.function_call_id)
        if isinstance(answered, Failed) and not answered.say:
            answered = msgspec.structs.replace(answered, say=tool.fallback)
        content = self._note(answered, at_s)
        happened = self._has_happened(tool, pending.wish, outcome)
        self.effects_done += happened
        if tool.effect:
            self._told.answered(
                outcome,
                job=pending.job,
                asked_as=pending.function_call_id,
                happened=happened,
                content=content,
                asked_s=pending.asked_s,
            )
        if is_final(outcome):
            self._settle(pending.wish, at_s)
        return [_response(pending.function_call_id, tool.name, content, pending.thought_signature)]

    def _has_happened(self, tool: Tool, wish: str, outcome: ToolOutcome) -> bool:
        if isinstance(outcome, Failed) or not has_happened(tool, outcome.content):
            return False
        self._functions.came_true(wish, outcome)
        return True

    def _settle(self, wish: str, at_s: float) -> None:
        """This wish has its answer: under whatever other id it was asked, nothing is open."""
        self._news.drop(wish)
        for function_call_id in self._functions.decided(wish):
            self._close(function_call_id, at_s)

    def _close(self, function_call_id: str, at_s: float) -> None:
        self._conversation.answer(function_call_id, response=None, at_s=at_s, outcome=JOINED)

    def _note(self, outcome: ToolOutcome, at_s: float) -> str:
        content, word = _as_content(outcome)
        self._conversation.answer(
            outcome.function_call_id, response=content, at_s=at_s, outcome=word
        )
        return content

    def _effect_key(self, tool: Tool, decoded: msgspec.Struct) -> str:
        one = self._conversation
        return effect_key(tool, one.practice, decoded, call_sid=one.call_sid)


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
