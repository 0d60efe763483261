"""What of the agent is changed in mid-call: how it listens, and in which voice it speaks.

Updates are sent and never waited for: their acknowledgement may come 18 s later
(deepgram-voice-agent.md 2.3). Leaves the messages themselves to ``persona``.
"""

from bridge.call.commands import Command
from bridge.call.manners import Manners, VoiceContext
from bridge.wire import deepgram


class Tuning:
    """The listening and the voice of one call's agent."""

    def __init__(self, manners: Manners) -> None:
        self.context: VoiceContext = "information"
        """Whose voice speaks now, the agent's and that of our phrases."""
        self.spelling = False
        self._manners = manners

    def agent_said(self, text: str) -> list[Command]:
        """Asked to spell, the caller needs longer pauses than talk has."""
        if self.spelling or self._manners.spelling is None:
            return []
        if not _mentions(text, self._manners.spelling_cues):
            return []
        self.spelling = True
        return [self._manners.spelling]

    def caller_said(self, text: str) -> list[Command]:
        """Her turn is over: what she spelled is spelled, and the matter is grave or is not."""
        commands = self._listen_as_usual()
        grave = _mentions(text, self._manners.serious_cues)
        return [*commands, *self._speak("serious" if grave else "information")]

    def something_done(self) -> list[Command]:
        """The agent is about to say that something was done."""
        return self._speak("confirmation")

    def new_session(self) -> None:
        """Settings begin with the usual listening and the usual voice."""
        self.spelling = False
        self.context = "information"

    def _listen_as_usual(self) -> list[Command]:
        was, self.spelling = self.spelling, False
        return [self._manners.listening] if was and self._manners.listening is not None else []

    def _speak(self, context: VoiceContext) -> list[Command]:
        before, self.context = self._voice(self.context), context
        voice = self._voice(context)
        return [voice] if voice is not None and voice != before else []

    def _voice(self, context: VoiceContext) -> deepgram.UpdateSpeak | None:
        return self._manners.voices.get(context, self._manners.usual_voice)


def _mentions(text: str, cues: tuple[str, ...]) -> bool:
    words = text.casefold()
    return any(cue in words for cue in cues)
