"""The agent's line kept up: opened, configured, opened again when lost, replaced when it is old.

A new session of the agent knows nothing but what ``Settings`` tell it, so the thread of the talk
is picked up by us: the caller's words that had no answer are given again, or the agent's own that
she did not hear. Leaves whether to try again to ``agent_line``, and the words of the history to
``persona``.
"""

from typing import Final

from bridge.call.commands import CloseAgent, Command, ConfigureAgent, ConnectAgent, SendVoice
from bridge.call.parts import Parts
from bridge.call.patience import past
from bridge.call.phrases import Phrases
from bridge.call.thread import unsaid
from bridge.call.troubles import Class
from bridge.call.unanswered import unanswered
from bridge.wire import deepgram, mulaw

QUIET_S: Final = 1.0
"""A pause this long is a moment at which nobody is about to go on."""
REPLY_PAUSE_S: Final = 4.0
"""Unless a reply of the agent is open: then it may only be slow."""
SPOKEN_BYTES: Final = mulaw.SAMPLE_RATE_HZ
"""A second of her voice is more than a cough."""
STALLS_AT_MOST: Final = 2
"""An agent that stalls in so many sessions running is not there."""


class Upkeep:
    """The agent's line of one call."""

    def __init__(self, parts: Parts, phrases: Phrases) -> None:
        self.mid_talk = False
        """True while the line is down and somebody was in the middle of something."""
        self._parts = parts
        self._phrases = phrases
        self._greeted_here = False
        self._said_again = 0
        self._said_before: int | None = None
        self._given: list[str] = []
        self._given_begun = False
        self._kept_since = 0.0
        self._stalls = 0
        self._deaf = False

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
        self._greeted_here = opening.agent_greets and not self._parts.greeted
        if self._greeted_here and opening.notice.text:
            self._parts.speaking.protect_next = True
        return [ConfigureAgent(greet=self._greeted_here)]

    def applied(self, now: float) -> list[Command]:
        """The agent listens: what was kept for it is sent, and the thread is picked up."""
        parts = self._parts
        if parts.line.open_until is None:
            return []
        first = parts.line.sessions == 0
        parts.line.applied(now)
        commands = self._phrases.notice(now)
        commands += self._pick_up(first, now)
        commands += [SendVoice(piece) for piece in parts.ear.open()]
        self.mid_talk = False
        return commands

    def _pick_up(self, first: bool, now: float) -> list[Command]:
        parts = self._parts
        if self._greeted_here:
            parts.patience.owe(now)
            return []
        words = self._words(now)
        if words:
            return words
        if parts.ear.spoke_since(max(self._kept_since, now - parts.ear.replay_s)):
            # She has the floor: what she says comes with the sound that was kept.
            parts.patience.caller_began(now)
            return []
        rest = self.rest(now)
        if rest:
            return rest
        if (first and parts.resumed) or self.mid_talk:
            return parts.inject(parts.manners.resumed, now)
        return []

    def thread(self, now: float) -> list[Command]:
        """The caller's words that had no answer, or the agent's that she did not hear."""
        return self._words(now) or self.rest(now)

    def _words(self, now: float) -> list[Command]:
        words = unanswered(self._parts.conversation)
        if not words:
            return []
        self._given = words.split()
        self._given_begun = False
        self._parts.turns.release()
        self._parts.patience.owe(now)
        return [deepgram.InjectUserMessage(content=words)]

    def still_owed(self, now: float) -> None:
        """She said nothing new: then what she said before is waiting for its answer."""
        patience = self._parts.patience
        if patience.owed_since is None and unanswered(self._parts.conversation):
            patience.owe(now)

    def rest(self, now: float) -> list[Command]:
        """What was begun to be said and the caller did not hear."""
        text = self._unsaid()
        if not text:
            return self._phrases.notice(now)
        self._said_before = self._said_again
        self._said_again = len(self._parts.conversation.utterances)
        return self._parts.inject(text, now)

    def _unsaid(self) -> str:
        return unsaid(self._parts.conversation, since=self._said_again, ours=self._parts.bridging)

    # --- what the agent makes of it ----------------------------------------------------------

    def begun_by_us(self) -> bool:
        """True if the utterance that is announced is the words that the agent was given.

        They are told as if the caller began to speak (deepgram-voice-agent.md 2.9), once.
        """
        begun, self._given_begun = self._given_begun, bool(self._given)
        return bool(self._given) and not begun

    def told_back(self, text: str) -> bool:
        """True if these are the words that the agent was given: nobody said them again."""
        given, self._given = self._given, []
        return bool(given) and _plain(given) == _plain(text.split())

    def refused(self) -> None:
        """The agent would not have it, or is gone: what was to be said is still to be said."""
        self._given = []
        self._parts.opening.notice.over()
        if self._said_before is not None:
            self._said_again = self._said_before
            self._said_before = None

    def agent_spoke(self) -> None:
        """The agent is there, and has what it was given."""
        self._stalls = 0
        self._given = []
        self._said_before = None

    def caller_said(self) -> None:
        """The agent hears her."""
        self._deaf = False

    # --- down --------------------------------------------------------------------------------

    def lost(
        self, now: float, trouble: Class, *, status: int = 0, not_before_s: float = 0.0
    ) -> list[Command]:
        """The line is gone: again if that is worth it, else the call ends with an apology."""
        parts = self._parts
        line = parts.line
        if line.again_at is not None:
            return []
        busy = parts.busy()
        replay = parts.turns.caller_speaking or parts.ear.spoke_since(now - QUIET_S)
        commands = self._let_go(now, replay=replay)
        self.mid_talk = self.mid_talk or busy or bool(self._unsaid())
        if not line.lost(now, trouble, status=status, not_before_s=not_before_s):
            return [*commands, *parts.apologise(now)]
        parts.functions.carry()
        if line.again_at is not None and line.again_at <= now:
            commands += self.connect(now)
        return [*commands, parts.save(now)]

    def deaf(self, now: float) -> list[Command]:
        """She spoke and nothing came back: a new session may hear her. Once, until one does."""
        self._deaf = True
        self.mid_talk = True
        self._parts.ear.noticed()
        return [CloseAgent(), *self.lost(now, "retry")]

    def deaf_at(self) -> float | None:
        """When an agent that shows no sign of what the caller says counts as deaf."""
        parts = self._parts
        if self._deaf or parts.ear.spoken_bytes < SPOKEN_BYTES:
            return None
        since = parts.ear.spoken_since + parts.manners.stall_after_s
        return max(since, parts.quiet_since() + QUIET_S)

    def _let_go(self, now: float, *, replay: bool) -> list[Command]:
        """Nothing of this session will come any more."""
        parts = self._parts
        if parts.line.ready:
            self._kept_since = now - parts.ear.replay_s if replay else now
        parts.ear.close(replay=replay)
        parts.turns.caller_ends()
        parts.patience.nothing_owed()
        parts.tuning.new_session()
        parts.news.put_off(now)
        parts.outage.new_session()
        self.refused()
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
        if past(line.again_at, now):
            return self.connect(now)
        if past(line.open_until, now):
            return [CloseAgent(), *self.lost(now, "retry")]
        if past(self._stalled_at(), now):
            return self._stalled(now)
        if past(self._replace_at(now), now):
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
        return None if old_at is None else self.quiet_at(old_at)

    def quiet_at(self, since: float) -> float | None:
        """When nobody speaks or is about to, from then on; None while somebody waits for a word."""
        parts = self._parts
        if not parts.line.ready or parts.busy() or parts.ending.begun:
            return None
        pause_s = REPLY_PAUSE_S if parts.speaking.reply_open else QUIET_S
        return max(since, parts.quiet_since() + pause_s)


def _plain(words: list[str]) -> list[str]:
    """What is left of words when nobody promises how they are written."""
    return ["".join(filter(str.isalnum, word)).casefold() for word in words]
