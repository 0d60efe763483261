"""The agent's line kept up: opened, configured, opened again when lost, replaced when it is old.

A new session of the agent knows nothing but what ``Settings`` tell it, so the thread of the talk
is picked up by us: the caller's words that had no answer are given again, or the agent's own that
she did not hear. Leaves whether to try again to ``agent_line``, and the words of the history to
``persona``.
"""

from typing import Final

from bridge.call.commands import CloseAgent, Command, ConfigureAgent, ConnectAgent, SendVoice
from bridge.call.parts import Parts
from bridge.call.thread import unsaid
from bridge.call.troubles import Class
from bridge.call.unanswered import unanswered
from bridge.wire import deepgram

QUIET_S: Final = 1.0
"""A pause this long is a moment at which nobody is about to go on."""
STALLS_AT_MOST: Final = 2
"""An agent that stalls in so many sessions running is not there."""


class Upkeep:
    """The agent's line of one call."""

    def __init__(self, parts: Parts) -> None:
        self.mid_talk = False
        """True while the line is down and somebody was in the middle of something."""
        self._parts = parts
        self._greeted_here = False
        self._said_again = 0
        self._stalls = 0
        self._ours = frozenset((*parts.manners.fillers, parts.manners.cover, parts.manners.notice))

    # --- up ----------------------------------------------------------------------------------

    def connect(self, now: float) -> list[Command]:
        """An attempt begins."""
        self._parts.line.open(now)
        return [ConnectAgent()]

    def configure(self) -> list[Command]:
        """Settings are sent once the agent listens and it is known who greets."""
        line, opening = self._parts.line, self._parts.opening
        if not line.welcomed or line.configured or opening.until is not None:
            return []
        line.configured = True
        self._greeted_here = opening.agent_greets and not self._parts.conversation.begun
        return [ConfigureAgent(greet=self._greeted_here)]

    def applied(self, now: float) -> list[Command]:
        """The agent listens: what was kept for it is sent, and the thread is picked up."""
        parts = self._parts
        if parts.line.open_until is None:
            return []
        first = parts.line.sessions == 0
        parts.line.applied(now)
        commands: list[Command] = []
        notice = parts.opening.notice_to_inject()
        if notice:
            commands.append(deepgram.InjectAgentMessage(message=notice, behavior="queue"))
        commands += self._pick_up(first, now)
        commands += [SendVoice(piece) for piece in parts.ear.open()]
        self.mid_talk = False
        return commands

    def _pick_up(self, first: bool, now: float) -> list[Command]:
        if self._greeted_here:
            self._parts.patience.owe(now)
            return []
        thread = self.thread(now)
        if thread:
            return thread
        if (first and self._parts.resumed) or self.mid_talk:
            return self._parts.inject(self._parts.manners.resumed, now)
        return []

    def thread(self, now: float) -> list[Command]:
        """The caller's words that had no answer, or the agent's that she did not hear."""
        words = unanswered(self._parts.conversation)
        if words:
            self._parts.turns.release()
            self._parts.patience.owe(now)
            return [deepgram.InjectUserMessage(content=words)]
        return self.rest(now)

    def rest(self, now: float) -> list[Command]:
        """What the agent had begun to say and the caller did not hear."""
        conversation = self._parts.conversation
        text = unsaid(conversation, since=self._said_again, ours=self._ours)
        if not text:
            return []
        self._said_again = len(conversation.utterances)
        return self._parts.inject(text, now)

    def refused(self) -> None:
        """The agent would not say it: it is still to be said."""
        self._said_again = 0

    def agent_spoke(self) -> None:
        """The agent is there."""
        self._stalls = 0

    # --- down --------------------------------------------------------------------------------

    def lost(
        self, now: float, trouble: Class, *, status: int = 0, not_before_s: float = 0.0
    ) -> list[Command]:
        """The line is gone: again if that is worth it, else the call ends with an apology."""
        parts = self._parts
        line = parts.line
        if line.again_at is not None:
            return []
        if line.sessions:
            self.mid_talk = self.mid_talk or parts.busy() or parts.speaking.audible(now)
        commands = self._let_go(now, replay=parts.turns.caller_speaking)
        if not line.lost(now, trouble, status=status, not_before_s=not_before_s):
            return [*commands, *parts.apologise(now)]
        parts.functions.carry()
        if line.again_at is not None and line.again_at <= now:
            commands += self.connect(now)
        return [*commands, parts.save(now)]

    def _let_go(self, now: float, *, replay: bool) -> list[Command]:
        """Nothing of this session will come any more."""
        parts = self._parts
        parts.ear.close(replay=replay)
        parts.turns.caller_ends()
        parts.patience.nothing_owed()
        parts.tuning.new_session()
        return parts.speaking.turn_over(now)

    # --- time --------------------------------------------------------------------------------

    def due_at(self, now: float) -> list[float | None]:
        """When there is something to do."""
        line = self._parts.line
        return [
            line.again_at,
            line.open_until,
            self._replace_at(now),
            self._stalled_at(),
        ]

    def wake(self, now: float) -> list[Command]:
        """What is due now."""
        line = self._parts.line
        if _past(line.again_at, now):
            return self.connect(now)
        if _past(line.open_until, now):
            return [CloseAgent(), *self.lost(now, "retry")]
        if _past(self._stalled_at(), now):
            return self._stalled(now)
        if _past(self._replace_at(now), now):
            # One session is closed before the next is opened: the limit of sessions holds, and in
            # a quiet moment nobody misses the second between them.
            return [CloseAgent(), *self._let_go(now, replay=False), *self.connect(now)]
        return []

    def _stalled_at(self) -> float | None:
        """An agent that waits for answers of ours does not stall."""
        parts = self._parts
        if not parts.line.ready or parts.functions.waiting:
            return None
        return parts.patience.stalled_at

    def _stalled(self, now: float) -> list[Command]:
        self._stalls += 1
        if self._stalls >= STALLS_AT_MOST:
            return [CloseAgent(), *self._let_go(now, replay=False), *self._parts.apologise(now)]
        return [CloseAgent(), *self.lost(now, "retry")]

    def _replace_at(self, now: float) -> float | None:
        old_at = self._parts.line.old_at(now)
        if old_at is None or self._parts.busy() or self._parts.ending.begun:
            return None
        return max(old_at, self._parts.quiet_since() + QUIET_S)


def _past(at: float | None, now: float) -> bool:
    return at is not None and at <= now
