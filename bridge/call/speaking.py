"""The agent's side as the caller hears it: replies and phrases sent, marked, heard, thrown away.

Composes ``playback`` (where in the audio the caller is) and ``replies`` (whose words that audio
was), and writes both into the conversation. Leaves to ``session`` when any of it happens.
"""

from bridge.call.commands import Command, PlayVoice
from bridge.call.conversation import Conversation, Utterance
from bridge.call.floor_gate import Floor
from bridge.call.playback import Playback
from bridge.call.replies import Replies
from bridge.wire import mulaw, twilio

MARK_EVERY_BYTES = mulaw.SAMPLE_RATE_HZ
"""A mark at least behind every second of audio, so that the playback clock is corrected often."""


SEAM_S = 0.5
"""Between two pieces of one reply there may be so much silence."""
SEAM_BYTES = round(SEAM_S * mulaw.SAMPLE_RATE_HZ)
LONGEST_PROTECTED_BYTES = 10 * mulaw.SAMPLE_RATE_HZ
"""Of a reply: what was done is told by then, and nobody is kept from speaking any longer."""


class Speaking:
    """What goes to the caller's ear, on one stream."""

    def __init__(self, conversation: Conversation) -> None:
        self.stream_sid = ""
        self._playback = Playback()
        self._replies = Replies(conversation)
        self._voiced: int | None = None
        self._filler: int | None = None
        self.protect_next = False
        """True: the agent's next words are finished whoever speaks."""
        self._protected_from: int | None = None
        self._protected_to: int | None = None
        """Position at which a protected passage ends; None while more of it may come."""
        self._protected_most = LONGEST_PROTECTED_BYTES

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
        """True while the caller hears, or is about to, what is finished whoever speaks.

        What was sent is heard a little later than the estimate thinks, hence the seam.
        """
        begin, playback = self._protected_from, self._playback
        if begin is None:
            return False
        # ``playback.position`` without the call: this is asked for every frame.
        at = playback.sent_bytes + (now - playback.end_at) * mulaw.SAMPLE_RATE_HZ
        end = playback.sent_bytes if self._protected_to is None else self._protected_to
        return begin <= at < end + SEAM_BYTES and at < begin + self._protected_most + SEAM_BYTES

    def floor(self, now: float, *, soft: bool) -> Floor:
        """Whether the caller may take the floor; ``soft``: only by a sound that lasts.

        Neither a mark that never returns nor a reply whose end is never announced keeps it from
        her: it decides whether she is listened to.
        """
        if self._protected_from is not None and self.protected(now):
            return "protected"
        return "soft" if soft and now < self._playback.end_at + SEAM_S else "open"

    # --- what is sent ------------------------------------------------------------------------

    def _protect(self, most_bytes: int = LONGEST_PROTECTED_BYTES) -> None:
        """What is sent from here on is finished whoever speaks."""
        if self._protected_from is None:
            self._protected_from = self._playback.sent_bytes
            self._protected_most = most_bytes
        self._protected_to = None
        self.protect_next = False

    def _end_protection(self, now: float) -> None:
        """What is sent from here on is none of the passage that was protected so far."""
        if self._protected_from is None:
            return
        if self._protected_to is None:
            self._protected_to = self._playback.sent_bytes
        if self._playback.position(now) >= self._protected_to + SEAM_BYTES:
            self._protected_from = None

    def voice(self, audio: bytes, now: float) -> list[Command]:
        """Audio of the agent's reply; a filler that still plays gives way to it."""
        commands: list[Command] = []
        if self.begins:
            commands += self._take_over(now)
            self._end_protection(now)
            if self.protect_next:
                self._protect()
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
        if self.protect_next and not self.begins:
            self._protect()  # what was done is told in the middle of a reply
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
        self._end_protection(now)
        if protected:
            self._protect(max(len(audio), LONGEST_PROTECTED_BYTES))
        return self._phrase(words, audio, now)[0]

    def filler(self, words: Utterance, audio: bytes, now: float) -> list[Command]:
        """A phrase that the answer may cut."""
        if self._replies.open == self._voiced:
            self._close_reply()  # heard out; what comes after the filler is the answer
            self.settle(now)
        self._end_protection(now)
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
