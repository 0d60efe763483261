"""Leaving a call on the agent's word: when its last words were heard, or are not to be expected.

Leaves what was asked for to ``leaving``, and the last step to ``ending``.
"""

from typing import Final

from bridge.call.commands import Command
from bridge.call.ending import LAST_MARK_PATIENCE_S
from bridge.call.parts import Parts
from bridge.call.patience import past
from bridge.call.thread import AS_GOOD_AS_SAID
from bridge.call.upkeep import REPLY_PAUSE_S
from bridge.wire import deepgram

LAST_WORDS_S: Final = 4.0
"""No last words of the agent's by then: they are ours, unless it had said them before."""

_GOES_ON: Final = (
    "The line was not closed, for the caller spoke again: answer, and use end_call once more when "
    "nothing else is wanted."
)


class Farewell:
    """The agent's goodbye in one call."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def due_at(self) -> float | None:
        """When the call is left, whatever was or was not heard."""
        parts = self._parts
        leaving, speaking = parts.leaving, parts.speaking
        if leaving.wanted is None or parts.ending.begun:
            return None
        if parts.turns.caller_speaking or parts.functions.waiting:
            return None
        since = max(leaving.since, speaking.end_at)
        if not parts.line.ready:
            return since
        if speaking.reply_open:
            return since + REPLY_PAUSE_S
        return since + (LAST_MARK_PATIENCE_S if self._said else LAST_WORDS_S)

    def step(self, now: float) -> list[Command]:
        """The call is left if its last words were heard; ask whenever a reply is over."""
        parts = self._parts
        due_at = self.due_at()
        if due_at is None:
            return []
        if self._said and not parts.speaking.reply_open and not parts.speaking.audible(now):
            return self._leave(now)
        if not past(due_at, now):
            return []
        if self._said or (parts.leaving.spoken_before and parts.line.ready):
            return self._leave(now)
        return parts.leave(now)

    def caller_said(self) -> list[Command]:
        """She has something more to say: a goodbye is off, a transfer is not."""
        if not self._parts.leaving.caller_said() or not self._parts.line.ready:
            return []
        return [deepgram.UpdatePrompt(prompt=_GOES_ON)]

    @property
    def _said(self) -> bool:
        """True if the agent's last words went to the caller and were not talked over."""
        said = self._parts.conversation.utterances[self._parts.leaving.place :]
        return any(
            one.speaker == "agent"
            and one.source == "speech"
            and one.sent_ms > 0
            and one.heard_in_the_end_ms >= AS_GOOD_AS_SAID * one.sent_ms
            for one in said
        )

    def _leave(self, now: float) -> list[Command]:
        parts = self._parts
        transfer = parts.leaving.wanted == "transfer"
        reason = "transferred" if transfer else "agent_hung_up"
        parts.answers.give_up(parts.at_s(now))
        return [parts.ending.leave(reason, "transfer" if transfer else "hangup", now)]
