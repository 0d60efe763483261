"""What is said into a silence: fillers, a cover for a lost line, "are you still there?".

A false start is a silence too: the agent fell silent for a sound that was no utterance, and is to
go on. Leaves how long each is waited for to ``patience`` and ``fillers``.
"""

from typing import Final

from bridge.call.commands import Command, FetchPhrase, SendVoice
from bridge.call.events import PhraseKind, PhraseMissing, PhraseReady
from bridge.call.parts import Parts
from bridge.call.patience import past
from bridge.call.upkeep import Upkeep

SPEAKS_S: Final = 0.4
"""Who was heard so lately has not finished."""


class Silence:
    """The silences of one call."""

    def __init__(self, parts: Parts, upkeep: Upkeep) -> None:
        self._parts = parts
        self._upkeep = upkeep
        self._asked: tuple[PhraseKind, str] | None = None
        self._asked_since: float | None = None
        self._covers = 0
        self._covered_since: float | None = None
        self._covered_at = 0.0

    def due_at(self) -> list[float | None]:
        """When there is something to say."""
        return [
            self._filler_at(),
            self._cover_at(),
            self._false_start_at(),
            self._idle_at(),
            self._parts.ear.fill_at,
        ]

    def wake(self, now: float) -> list[Command]:
        """What is due now."""
        commands: list[Command] = []
        if past(self._parts.ear.fill_at, now):
            filling = self._parts.ear.fill(now)
            if filling:
                commands.append(SendVoice(filling))
        if past(self._filler_at(), now):
            commands.append(self._ask("filler", self._parts.fillers.take()))
        elif past(self._cover_at(), now):
            commands.append(self._ask("cover", self._next_cover(now)))
        elif past(self._false_start_at(), now):
            commands += self._false_start(now)
        elif past(self._idle_at(), now):
            commands += self._idle(now)
        return commands

    # --- fillers and covers ------------------------------------------------------------------

    def wanted(self, phrase: PhraseReady, now: float) -> bool:
        """True if the phrase that was asked for still has its silence to fill."""
        since = self._asked_since
        if not self._no_more(phrase.kind, phrase.text):
            return False
        parts = self._parts
        # The agent may announce her a moment later, or nobody is there to do it.
        speaks = parts.turns.caller_speaking or parts.ear.spoke_since(now - SPEAKS_S)
        if speaks or parts.speaking.playing(now):
            return False
        if phrase.kind == "cover":
            return not parts.line.ready
        return parts.waiting_since is not None and parts.waiting_since == since

    def missing(self, phrase: PhraseMissing) -> None:
        """A phrase cannot be had."""
        self._no_more(phrase.kind, phrase.text)

    def _no_more(self, kind: PhraseKind, text: str) -> bool:
        """It is asked for no more; False if it was not, or another has been since."""
        if self._asked != (kind, text):
            return False
        self._asked = None
        return True

    def _ask(self, kind: PhraseKind, text: str) -> FetchPhrase:
        self._asked = kind, text
        self._asked_since = self._since()
        return FetchPhrase(kind=kind, text=text, context=self._parts.tuning.context)

    def _since(self) -> float | None:
        """Which silence it is: one phrase at a time is fetched for it."""
        since = self._parts.waiting_since
        return self._parts.line.down_since if since is None else since

    def _fetching(self) -> bool:
        return self._asked is not None and self._asked_since == self._since()

    def _filler_at(self) -> float | None:
        """Never over the caller, never over the agent."""
        parts = self._parts
        if self._fetching() or parts.turns.caller_speaking or parts.ending.begun:
            return None
        manners = parts.manners
        return parts.fillers.due_at(
            parts.waiting_since,
            after_s=manners.filler_after_s
            if parts.functions.filler_since is not None
            else manners.agent_filler_after_s,
            silent_since=parts.speaking.end_at,
        )

    def _cover_at(self) -> float | None:
        """While nobody listens, and she is waiting for something."""
        parts, manners = self._parts, self._parts.manners
        down_since = parts.line.down_since
        if down_since is None or self._fetching() or parts.ending.begun:
            return None
        if parts.opening.until is not None or not self._waits(down_since):
            return None
        covers = self._covers_of(down_since)
        others = len({*manners.fillers} - {manners.cover})
        if others < 2 and covers > others:
            return None  # the same would be said twice running
        if covers:
            wait_s = manners.second_filler_after_s
        elif self._upkeep.mid_talk:
            wait_s = manners.cover_after_s
        else:
            wait_s = manners.agent_filler_after_s
        return max(down_since, parts.quiet_since(), self._covered_at) + wait_s

    def _waits(self, down_since: float) -> bool:
        parts = self._parts
        return (
            self._upkeep.mid_talk
            or parts.ear.spoke_since(down_since)
            or (parts.resumed and not parts.line.sessions)
            or (parts.opening.agent_greets and not parts.greeted)
        )

    def _covers_of(self, down_since: float | None) -> int:
        """How often this loss of the line was covered."""
        return self._covers if self._covered_since == down_since else 0

    def _next_cover(self, now: float) -> str:
        down_since = self._parts.line.down_since
        self._covers = self._covers_of(down_since) + 1
        self._covered_since = down_since
        self._covered_at = now  # also if it cannot be had
        # Told that something is wrong, the caller is to be told that it is not any more.
        self._upkeep.mid_talk = True
        return self._parts.manners.cover if self._covers == 1 else self._parts.fillers.another()

    # --- a caller who says nothing -----------------------------------------------------------

    def _false_start_at(self) -> float | None:
        parts = self._parts
        if not parts.line.ready or parts.ending.begun:
            return None
        return parts.patience.false_start_at(parts.quiet_since())

    def _false_start(self, now: float) -> list[Command]:
        """Nothing was said after all: the agent goes on where it was cut."""
        parts = self._parts
        again = parts.patience.false_start(now)
        parts.turns.nobody_speaks()
        parts.speaking.settle(now)
        if parts.functions.waiting:
            return []
        rest = self._upkeep.rest(now)
        if rest or again:
            self._upkeep.still_owed(now)
            return rest
        thread = self._upkeep.thread(now)
        if not thread and self._upkeep.deaf_at() is not None:
            return self._upkeep.deaf(now)
        return thread

    def _idle_at(self) -> float | None:
        parts = self._parts
        if not parts.line.ready or parts.ending.begun or parts.busy():
            return None
        deaf_at = self._upkeep.deaf_at()
        if deaf_at is not None:
            return deaf_at
        return min(
            parts.patience.idle_at(parts.quiet_since()),
            parts.patience.unheard_at(parts.speaking.end_at),
        )

    def _idle(self, now: float) -> list[Command]:
        if self._upkeep.deaf_at() is not None:
            return self._upkeep.deaf(now)
        prompt = self._parts.patience.prompt()
        if prompt is None:
            return self._parts.end("caller_silent", now)
        return self._parts.inject(prompt, now)
