"""Which words and which audio belong to one reply of the agent, and so what of them was heard.

Sentences and audio of a reply arrive interleaved: its first text comes before its first audio,
further texts somewhere between (deepgram-voice-agent.md section 3), and nothing says where in the
audio a word lies. So the audio of a reply is shared out over all of its words by their length.
Leaves the position in the audio to ``playback``.
"""

from collections.abc import Iterator

import msgspec

from bridge.call.conversation import MS_PER_CHARACTER, Conversation, Utterance
from bridge.call.playback import Heard
from bridge.wire import mulaw

BYTES_PER_CHARACTER = MS_PER_CHARACTER * mulaw.SAMPLE_RATE_HZ / 1000
NEARLY = 0.7
"""A reply whose end was never announced, but which was heard out, counts as whole when it had this
share of the length its words would usually take; voices differ by about as much."""


class _Reply(msgspec.Struct, kw_only=True):
    number: int
    spoken: bool
    places: list[int] = []
    done: bool = False


class Replies:
    """The agent's side of the talk, written into the conversation as it becomes known."""

    def __init__(self, conversation: Conversation) -> None:
        self.open: int | None = None
        """Number of the reply whose words and audio are still coming."""
        self._conversation = conversation
        self._last = _Reply(number=0, spoken=False)
        self._unsettled: dict[int, _Reply] = {}

    @property
    def agent_spoke_last(self) -> bool:
        """True if the newest audio is the agent's own, not a phrase of ours."""
        return self._last.spoken

    def begin(self) -> int:
        """The agent begins a reply; returns its number."""
        self.open = self._add(spoken=True).number
        return self.open

    def say(self, utterance: Utterance) -> None:
        """A sentence of the open reply, or of a new one."""
        reply = self._unsettled[self.begin() if self.open is None else self.open]
        reply.places.append(self._conversation.say(utterance))

    def say_phrase(self, utterance: Utterance) -> int:
        """A phrase of ours, all of whose audio is there; returns its number."""
        reply = self._add(spoken=False)
        reply.places.append(self._conversation.say(utterance))
        reply.done = True
        return reply.number

    def finish(self) -> None:
        """All audio of the open reply was sent."""
        if self.open is not None:
            self._unsettled[self.open].done = True
            self.open = None

    def close(self, *, voiced: bool) -> None:
        """The open reply is over, as far as one can tell; unheard if it had no audio."""
        number, self.open = self.open, None
        if number is not None and not voiced:
            self.note(Heard(reply=number, sent_bytes=0, heard_bytes=0), over=True)

    def note(self, heard: Heard, *, over: bool) -> None:
        """Write down how much of a reply was sent and heard; ``over``: it will not be more."""
        reply = self._unsettled[heard.reply]
        if over and heard.in_full and heard.sent_bytes >= NEARLY * self._usual_bytes(reply):
            reply.done = True
        for place, sent_bytes, heard_bytes, whole_bytes in self._shares(reply, heard):
            self._conversation.note_playback(
                place,
                sent_bytes=sent_bytes,
                heard_bytes=heard_bytes,
                complete=reply.done,
                cut=over and heard_bytes < whole_bytes,
            )
        if over:
            del self._unsettled[heard.reply]

    def _add(self, *, spoken: bool) -> _Reply:
        self._last = _Reply(number=self._last.number + 1, spoken=spoken)
        self._unsettled[self._last.number] = self._last
        return self._last

    def _lengths(self, reply: _Reply) -> list[int]:
        return [max(1, len(self._conversation.utterances[at].text)) for at in reply.places]

    def _usual_bytes(self, reply: _Reply) -> int:
        return round(sum(self._lengths(reply)) * BYTES_PER_CHARACTER)

    def _shares(self, reply: _Reply, heard: Heard) -> Iterator[tuple[int, int, int, int]]:
        """Place, bytes sent, bytes heard and whole length of each sentence of the reply."""
        lengths = self._lengths(reply)
        characters = sum(lengths)
        whole = heard.sent_bytes
        if not reply.done:
            whole = max(whole, self._usual_bytes(reply))
        passed = 0
        for place, length in zip(reply.places, lengths, strict=True):
            start, passed = whole * passed // characters, passed + length
            end = whole * passed // characters
            yield (
                place,
                min(max(heard.sent_bytes, start), end) - start,
                min(max(heard.heard_bytes, start), end) - start,
                end - start,
            )
