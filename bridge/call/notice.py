"""The legal line: heard to its end in every call, whoever says it and whoever speaks.

Knows whether it was said and by whom it is to be; leaves saying it to ``phrases``.
"""

from typing import Final

from bridge.call.conversation import Conversation
from bridge.call.events import PhraseReady

TIMES_AT_MOST: Final = 3
"""So often it is begun: whoever interrupts it more often has been told enough."""


class Notice:
    """The notice of one call."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.audio: PhraseReady | None = None
        """It as a phrase of ours."""
        self.missing = False
        """It cannot be had as one: the agent is to say it."""
        self.asked = False
        """The agent was asked to say it, and has neither said nor refused it."""
        self._plain = _plain(text)
        self._begun = 0

    def due(self, conversation: Conversation) -> bool:
        """True while it is still to be said."""
        return (
            bool(self._plain)
            and not self.asked
            and self._begun < TIMES_AT_MOST
            and not self.said(conversation)
        )

    def begin(self) -> None:
        """It is about to be said."""
        self._begun += 1

    def said(self, conversation: Conversation) -> bool:
        """True if it was, or is being, said: at once, or as sentences of the agent's."""
        words = (
            one.text for one in conversation.utterances if one.speaker == "agent" and not one.cut
        )
        return self._plain in _plain(" ".join(words))

    def has(self, sentence: str) -> bool:
        """True if this sentence of the agent's is part of it."""
        plain = _plain(sentence)
        return bool(plain) and plain in self._plain

    def over(self) -> None:
        """Whatever the agent was asked to say, it will not say it any more."""
        self.asked = False


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
