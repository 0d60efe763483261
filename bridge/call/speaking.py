"""The agent's side as the caller hears it: replies and phrases sent, marked, heard, thrown away.

Composes ``playback`` (where in the audio the caller is) and ``replies`` (whose words that audio
was), and writes both into the conversation. Leaves to ``session`` when any of it happens.
"""

from bridge.call.commands import Command, PlayVoice
from bridge.call.conversation import Conversation, Utterance
from bridge.call.playback import Playback
from bridge.call.replies import Replies
from bridge.wire import mulaw, twilio

MARK_EVERY_BYTES = mulaw.SAMPLE_RATE_HZ
"""A mark at least behind every second of audio, so that the playback clock is corrected often."""


SEAM_S = 0.5
"""Between two pieces of one reply there may be so much silence."""


class Speaking:
    """What goes to the caller's ear, on one stream."""

    def __init__(self, conversation: Conversation) -> None:
        self.stream_sid = ""
        self._playback = Playback()
        self._replies = Replies(conversation)
        self._voiced: int | None = None
        self._filler: int | None = None
        self._protected_from: float | None = None

    # --- what the session asks ---------------------------------------------------------------

    @property
    def begins(self) -> bool:
        """True if the next agent audio is the first of its reply."""
        return self._replies.open is None or self._replies.open != self._voiced

    @property
    def reply_open(self) -> bool:
        """True while words or audio of a reply are still coming."""
        return self._replies.open is not None

    @property
    def agent_spoke_last(self) -> bool:
        """True if the newest audio is the agent's own, not a phrase of ours."""
        return self._replies.agent_spoke_last

    def audible(self, now: float) -> bool:
        """True while the caller hears, or may still hear, something that was sent."""
        return self._playback.audible(now)

    def playing(self, now: float) -> bool:
        """True while, by the estimate, something sent is still to be heard."""
        return self._playback.playing(now)

    @property
    def end_at(self) -> float:
        """When everything sent will have been heard, by the estimate."""
        return self._playback.end_at

    def protected(self, now: float) -> bool:
        """True while the caller hears, or is about to, what is finished whoever speaks."""
        return self._protected_from is not None and now >= self._protected_from and self.near(now)

    def near(self, now: float) -> bool:
        """True while something sent plays, by the estimate, or did so a moment ago.

        Neither a mark that never returns nor a reply whose end is never announced prolongs it: it
        decides whether the caller is listened to.
        """
        return now < self._playback.end_at + SEAM_S

    # --- what is sent ------------------------------------------------------------------------

    def protect(self, now: float) -> None:
        """What is sent from here on is finished whoever speaks, up to the end of its reply."""
        self._protected_from = max(now, self._playback.end_at)

    def _unprotect(self, now: float) -> None:
        if self._protected_from is not None and not self._playback.audible(now):
            self._protected_from = None

    def voice(self, audio: bytes, now: float) -> list[Command]:
        """Audio of the agent's reply; a filler that still plays gives way to it."""
        commands: list[Command] = []
        if self.begins:
            commands += self._take_over(now)
            self._unprotect(now)
            self._voiced = (
                self._replies.begin() if self._replies.open is None else self._replies.open
            )
        assert self._voiced is not None
        self._playback.send(len(audio), now, self._voiced)
        commands.append(PlayVoice(audio))
        if self._playback.unmarked_bytes >= MARK_EVERY_BYTES:
            commands += self.mark()
        return commands

    def _take_over(self, now: float) -> list[Command]:
        filler, self._filler = self._filler, None
        if filler is None or not self._playback.audible(now):
            return []
        return self._clear(now)

    def words(self, words: Utterance) -> list[Command]:
        """A sentence of the agent's reply, with a mark behind the one before it."""
        commands = self.mark()
        self._replies.say(words)
        return commands

    def voice_done(self, now: float) -> list[Command]:
        """All audio of the reply was sent; of a reply without audio that says nothing."""
        if self.begins:
            return []
        self._replies.finish()
        commands = self.mark()
        self.settle(now)
        return commands

    def phrase(
        self, words: Utterance, audio: bytes, now: float, *, protected: bool = False
    ) -> list[Command]:
        """A phrase is a reply of ours in one piece, with a mark behind it."""
        self._unprotect(now)
        if protected:
            self.protect(now)
        return self._phrase(words, audio, now)[0]

    def filler(self, words: Utterance, audio: bytes, now: float) -> list[Command]:
        """A phrase that the answer may cut."""
        if self._replies.open == self._voiced:
            self._close_reply()  # heard out; what comes after the filler is the answer
            self.settle(now)
        commands, self._filler = self._phrase(words, audio, now)
        return commands

    def _phrase(self, words: Utterance, audio: bytes, now: float) -> tuple[list[Command], int]:
        commands = self.mark()
        reply = self._replies.say_phrase(words)
        self._playback.send(len(audio), now, reply)
        return [*commands, PlayVoice(audio), *self.mark()], reply

    def mark(self) -> list[Command]:
        """A mark behind everything sent so far, unless there is one."""
        name = self._playback.mark()
        if name is None:
            return []
        return [twilio.SendMark(stream_sid=self.stream_sid, mark=twilio.MarkBody(name=name))]

    def turn_over(self, now: float) -> list[Command]:
        """Nothing more of the open reply will come: it ends with what was sent."""
        commands = self.mark()
        self._close_reply()
        self.settle(now)
        return commands

    # --- what is heard -----------------------------------------------------------------------

    def reached(self, mark: str, now: float) -> bool:
        """A mark came back; False if it means nothing any more, or never did."""
        return self._playback.reached(mark, now)

    def settle(self, now: float) -> bool:
        """Write down what was heard by now; true if a reply was heard to its end."""
        heard_out = False
        for heard in self._playback.settle(now, keep=self._replies.open):
            over = heard.in_full and heard.reply != self._replies.open
            self._replies.note(heard, over=over)
            heard_out = heard_out or over
        return heard_out

    def cut(self, now: float) -> list[Command]:
        """The agent is silent from here on: what was not heard never will be."""
        commands = self._clear(now)
        self._close_reply()
        self._filler = None
        self._protected_from = None
        return commands

    def _clear(self, now: float) -> list[Command]:
        for heard in self._playback.clear(now).heard:
            self._replies.note(heard, over=True)
        return [twilio.Clear(stream_sid=self.stream_sid)]

    def _close_reply(self) -> None:
        self._replies.close(voiced=self._replies.open == self._voiced)
