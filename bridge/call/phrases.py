"""Our own words as their sound arrives: which are still wanted, and what is then played.

Leaves which fillers and covers there are to ``silence``, and who greets to ``opening``.
"""

from bridge.call.commands import Command, FetchPhrase
from bridge.call.conversation import Utterance
from bridge.call.events import PhraseReady
from bridge.call.parts import Parts
from bridge.wire import deepgram


class Phrases:
    """What one call says by itself."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def begin(self, now: float) -> list[Command]:
        """The first words are asked for: those that no earlier stream of the call has said."""
        parts = self._parts
        commands: list[Command] = []
        if not parts.resumed:
            commands.append(parts.opening.begin(now))
        notice = parts.opening.notice
        if notice.text and not notice.said(parts.conversation):
            commands.append(FetchPhrase(kind="notice", text=notice.text, context="greeting"))
        return commands

    # --- what is at hand ---------------------------------------------------------------------

    def greeting(self, phrase: PhraseReady, now: float) -> list[Command]:
        """The greeting plays, and the notice behind it."""
        self._parts.opening.greeted()
        return [*self._say(phrase, now), *self.notice(now)]

    def filler(self, phrase: PhraseReady, now: float) -> list[Command]:
        """A silence is bridged; the agent's answer may cut it."""
        self._parts.ear.quality.spoke(phrase.audio, now)
        return self._parts.speaking.filler(self._words(phrase, now), phrase.audio, now)

    def last_words(self, phrase: PhraseReady, now: float) -> list[Command]:
        """Goodbye, or an apology; the call is hung up when they were heard."""
        commands = self._say(phrase, now)
        self._parts.ending.saying(commands, self._parts.speaking.end_at)
        return commands

    # --- the notice --------------------------------------------------------------------------

    def notice(self, now: float) -> list[Command]:
        """The legal line, where it is due and no reply is under way; ask whenever one is over."""
        parts = self._parts
        notice = parts.opening.notice
        if parts.speaking.reply_open or parts.ending.begun or not parts.greeted:
            return []
        if not notice.due(parts.conversation):
            return []
        if notice.audio is not None:
            notice.begin()
            return self._say(notice.audio, now, protected=True)
        if not notice.missing or not parts.line.ready:
            return []
        notice.begin()
        notice.asked = True
        parts.patience.owe(now)
        return [deepgram.InjectAgentMessage(message=notice.text, behavior="queue")]

    # --- saying it ---------------------------------------------------------------------------

    def _say(self, phrase: PhraseReady, now: float, *, protected: bool = False) -> list[Command]:
        self._parts.ear.quality.spoke(phrase.audio, now)
        words = self._words(phrase, now)
        return self._parts.speaking.phrase(words, phrase.audio, now, protected=protected)

    def _words(self, phrase: PhraseReady, now: float) -> Utterance:
        at_s = self._parts.at_s(now)
        return Utterance(speaker="agent", text=phrase.text, at_s=at_s, source="phrase")
