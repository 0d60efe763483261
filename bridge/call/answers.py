"""What the agent is told of its function calls, and what the conversation keeps of them.

Leaves what becomes of a request at first to ``asking``, deadlines to ``functions``, and what is
said of an effect that was decided when nobody waited any more to ``news``.
"""

from collections.abc import Iterable

import msgspec
from msgspec import UNSET

from bridge.call.commands import CancelTool, Command, GiveUpTool
from bridge.call.conversation import Conversation, FunctionCallNote
from bridge.call.deeds import said_of
from bridge.call.functions import FunctionCalls, Open, Pending
from bridge.call.news import News
from bridge.call.told import Told
from bridge.wire import deepgram
from tools.catalog import Tool, has_happened
from tools.contract import IN_DOUBT, Done, Failed, ToolOutcome, is_final

JOINED = "joined"
"""Outcome of a function call whose wish was asked again: the answer stands at the later one."""


class Answers:
    """The answers of one call's function calls."""

    def __init__(
        self,
        conversation: Conversation,
        functions: FunctionCalls,
        *,
        news: News,
        told: Told,
    ) -> None:
        self.late = 0
        """Outcomes nobody waited for any more."""
        self.effects_done = 0
        """How many effects the agent was told to have come true."""
        self._conversation = conversation
        self._functions = functions
        self._news = news
        self._told = told

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
            return self.respond(self._in_truth(outcome, pending, at_s), pending, at_s)
        carried = self._functions.arrived(outcome)
        known = self._functions.open_effect(outcome)
        if carried:
            self._note(outcome, at_s)
        else:
            self.late += 1
        if known is None or not is_final(outcome):
            return [] if carried else None
        return self._decided(outcome, known, now, at_s)

    def left_untold(self, note: FunctionCallNote, tool: Tool, wish: str, now: float) -> None:
        """An earlier stream learnt what became of a doubt, and could not tell the caller."""
        known = {"function_call_id": note.function_call_id, "tool": note.tool}
        content, outcome = note.response or "", note.outcome
        self._news.add(
            Done(content=content, **known)
            if outcome == "done"
            else Failed(code=outcome, say=said_of(note), **known),
            tool,
            asked_as=note.function_call_id,
            wish=wish,
            content=content,
            happened=has_happened(tool, content),
            now=now,
        )

    def _in_truth(self, outcome: ToolOutcome, pending: Pending, at_s: float) -> ToolOutcome:
        """Where an earlier request of the same did or may come true, "not done" is no truth."""
        if isinstance(outcome, Done) or not is_final(outcome):
            return outcome
        stands = self._functions.stands(pending.wish)
        if stands is not None:
            return stands
        earlier = self._functions.readdress(pending.wish, pending.function_call_id)
        for job_id, asked_as in earlier.items():
            self.close(asked_as, at_s)
            outcome = msgspec.structs.replace(
                outcome, function_call_id=job_id, code=IN_DOUBT, say=pending.tool.fallback
            )
        return outcome

    def _decided(self, outcome: ToolOutcome, known: Open, now: float, at_s: float) -> list[Command]:
        """It is known what became of an effect that nobody waits for."""
        happened = self._has_happened(known.tool, known.wish, outcome)
        if not happened and self._functions.wanted_again(known.wish):
            self.close(known.asked_as, at_s)
            return []
        again = self._functions.answer_wish(known.wish)
        if again is not None:
            # Asked again meanwhile, and this is what became of it: the same effect.
            self.close(known.asked_as, at_s)
            return self.respond(outcome, again, at_s)
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
            commands += self.respond(no_answer, pending, at_s)
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

    def at_once(
        self, outcome: ToolOutcome, call: deepgram.FunctionCall, at_s: float
    ) -> list[Command]:
        """Answer what needs no worker."""
        content = self._note(outcome, at_s)
        return [_response(call.id, call.name, content, call.thought_signature or None)]

    def respond(self, outcome: ToolOutcome, pending: Pending, at_s: float) -> list[Command]:
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
            self.close(function_call_id, at_s)

    def close(self, function_call_id: str, at_s: float) -> None:
        """Its wish was asked again, and is answered there."""
        self._conversation.answer(function_call_id, response=None, at_s=at_s, outcome=JOINED)

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


def _as_content(outcome: ToolOutcome) -> tuple[str, str]:
    """What the agent is given, and the word the conversation keeps of it."""
    if isinstance(outcome, Done):
        return outcome.content, "done"
    error = {"error": outcome.code, "say": outcome.say}
    return msgspec.json.encode(error).decode(), outcome.code
