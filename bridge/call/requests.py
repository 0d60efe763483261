"""The agent's requests in one call: asked, answered, given up, and told to the caller in the end.

Composes ``asking`` (what it wants), ``answers`` (what it is told), ``told`` and ``news`` (what the
caller was, and is still to be, told) and ``outage``, and gives each its moment. Leaves the order of
everything else to ``session``.
"""

from typing import Final

from bridge.call.commands import Command, RunTool
from bridge.call.details import save_point
from bridge.call.parts import Parts
from bridge.call.patience import past
from bridge.call.upkeep import Upkeep
from bridge.call.window import TOOL as SUMMARISE
from bridge.call.window import take
from bridge.wire import deepgram
from tools.arguments import ToldOf
from tools.catalog import CATALOG
from tools.contract import ToolOutcome

HOLDING: Final = frozenset(
    {"find_slots", "book_appointment", "book_with_insurance", "reschedule_appointment"}
)
"""Tools that may hold times for the call that used them."""


class Requests:
    """The function calls of one call, in time."""

    def __init__(self, parts: Parts, upkeep: Upkeep) -> None:
        self._parts = parts
        self._upkeep = upkeep

    def begin(self, now: float) -> None:
        """The stream begins."""
        self._parts.asking.adopt(now)

    # --- asked and answered ------------------------------------------------------------------

    def ask(self, asked: list[deepgram.FunctionCall], now: float) -> list[Command]:
        """The agent wants something done."""
        parts = self._parts
        if parts.ending.begun:
            return []
        parts.turns.release()
        parts.patience.agent_showed(now)
        commands = parts.asking.ask(asked, now, parts.at_s(now))
        if parts.leaving.wanted == "transfer":
            parts.speaking.protect_next = True  # the last words are finished whoever speaks
        return self._answered(commands, now)

    def answer(self, outcome: ToolOutcome, now: float) -> list[Command]:
        """A job came to something."""
        parts = self._parts
        at_s = parts.at_s(now)
        if outcome.tool == SUMMARISE:
            return [parts.save(now)] if take(parts.conversation, outcome) else []
        tool = CATALOG.get(outcome.tool)
        if tool is not None and tool.internal:
            return []
        asked_at = parts.functions.asked_at(outcome.function_call_id)
        if asked_at is not None:
            parts.stamps.add("function_call", now - asked_at, at_s)
        done_before = parts.answers.effects_done
        commands = parts.answers.answer(outcome, now, at_s)
        if commands is None:
            return []
        if parts.answers.effects_done > done_before:
            save_point(parts.conversation, at_s, outcome.tool)
            if _answers(commands):
                commands = self._confirming(commands)
        return self._answered([*parts.outage.seen(outcome), *commands], now) or [parts.save(now)]

    def _confirming(self, commands: list[Command]) -> list[Command]:
        """The agent is about to say that something was done."""
        parts = self._parts
        parts.speaking.protect_next = parts.manners.protect_confirmations
        return [*parts.tuning.something_done(), *commands]

    def _answered(self, commands: list[Command], now: float) -> list[Command]:
        """After an answer the agent owes the next word."""
        parts = self._parts
        commands = self._to_the_agent(commands)
        if not commands:
            return []
        if _answers(commands):
            parts.patience.owe(now)
        return [*commands, parts.save(now)]

    def _to_the_agent(self, commands: list[Command]) -> list[Command]:
        """Without what only an agent that listens can be told; the next one reads the history."""
        if self._parts.line.ready:
            return commands
        return [one for one in commands if not isinstance(one, deepgram.UpdatePrompt)]

    def withdraw(self, cancelled: list[deepgram.CancelledFunction], now: float) -> list[Command]:
        """The agent wants it no more."""
        parts = self._parts
        commands = parts.answers.withdraw([call.id for call in cancelled], parts.at_s(now))
        if commands is None:
            return []
        if not (parts.turns.caller_speaking or parts.functions.waiting):
            parts.patience.owe(now)  # the caller's words are still to be answered
        return [*commands, parts.save(now)]

    # --- told to the caller ------------------------------------------------------------------

    def heard(self, now: float, *, quiet: bool = False) -> list[Command]:
        """What she has heard of it by now is noted; ask whenever a reply is over."""
        parts = self._parts
        if parts.speaking.reply_open and not quiet:
            return []
        of_news, prompts = parts.news.look(now, quiet=quiet)
        return [*self._to_the_agent([*prompts]), *self._note([*parts.told.heard(), *of_news])]

    def _note(self, told: list[ToldOf]) -> list[RunTool]:
        return self._parts.told.note(told)

    def agent_speaks(self) -> None:
        """Its words, or its voice: what it was given to say is being said."""
        self._parts.news.spoken()

    def not_said(self, now: float) -> list[Command]:
        """The agent refused, or lets its time pass."""
        if self._parts.news.asked_until is None:
            return []
        return self._to_the_agent([*self._parts.news.unsaid(now)])

    def over(self, now: float, *, call_ends: bool) -> list[Command]:
        """The stream ends: what was heard is noted, and nobody wants the held times any more."""
        parts = self._parts
        of_news, _ = parts.news.look(now, quiet=False)
        commands: list[Command] = [*self._note([*parts.told.heard(), *of_news])]
        used = any(note.tool in HOLDING for note in parts.conversation.function_calls)
        if call_ends and used:
            commands.append(parts.told.free_holds())
        return commands

    # --- time --------------------------------------------------------------------------------

    def due_at(self) -> list[float | None]:
        """When there is something to do."""
        parts = self._parts
        return [parts.functions.next_deadline, parts.news.asked_until, self._quiet_at()]

    def wake(self, now: float) -> list[Command]:
        """What is due now."""
        parts = self._parts
        commands = parts.answers.last_moments(now)
        commands += self._answered(parts.answers.expire(now, parts.at_s(now)), now)
        if past(parts.news.asked_until, now):
            commands += self.not_said(now)
        elif past(self._quiet_at(), now):
            commands += self._say(now)
        return commands

    def _quiet_at(self) -> float | None:
        """When nobody speaks or waits, and there is news to tell, or to have been told."""
        parts = self._parts
        since = parts.news.waiting_since
        if since is None or parts.leaving.wanted is not None or parts.opening.until is not None:
            return None
        return self._upkeep.quiet_at(since)

    def _say(self, now: float) -> list[Command]:
        parts = self._parts
        heard = self.heard(now, quiet=True)
        if parts.news.waiting_since is None or not past(self._quiet_at(), now):
            return [*heard, parts.save(now)]
        say, something_done = parts.news.begin(now)
        parts.turns.release()
        said: list[Command] = [deepgram.InjectAgentMessage(message=say)]
        return [*heard, *(self._confirming(said) if something_done else said), parts.save(now)]


def _answers(commands: list[Command]) -> bool:
    return any(isinstance(command, deepgram.FunctionCallResponse) for command in commands)
