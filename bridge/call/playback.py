"""What was sent to the caller against what was heard: a playback clock corrected by marks.

Twilio plays what we send in order and in real time, and tells us by a mark's echo that it got so
far (twilio-voice.md 2.4). Between marks the position is estimated: ``end = max(now, end) + bytes``.
A ``clear`` returns pending marks as if they were played, so marks carry an epoch, and echoes of an
older epoch mean nothing.
"""

from collections import deque
from collections.abc import Iterator

import msgspec

from bridge.wire import mulaw


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one reply's audio was sent and heard, in bytes."""

    reply: int
    sent_bytes: int
    heard_bytes: int

    @property
    def in_full(self) -> bool:
        """True when nothing that was sent is still to be heard."""
        return self.heard_bytes >= self.sent_bytes


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """What a barge-in threw away."""

    unheard_ms: float
    heard: tuple[Heard, ...]
    """The replies not let go of yet, with what was heard of each."""


class _Span:
    __slots__ = ("end", "reply", "start")

    def __init__(self, reply: int, start: int, end: int) -> None:
        self.reply = reply
        self.start = start
        self.end = end


class Playback:
    """The caller's ear, as far as it can be known. Positions are bytes since the stream began."""

    def __init__(self) -> None:
        self.epoch = 0
        self.sent_bytes = 0
        """Position behind everything sent."""
        self.end_at = 0.0
        """When all of it will have been heard, by the estimate."""
        self._marked = 0
        self._marks: dict[str, int] = {}
        self._mark_number = 0
        self._spans: deque[_Span] = deque()
        self._tally: dict[int, list[int]] = {}

    def send(self, byte_count: int, now: float, reply: int) -> None:
        """So many bytes of this reply go to the caller now."""
        begin_at = self.end_at if self.end_at > now else now
        self.end_at = begin_at + byte_count / mulaw.SAMPLE_RATE_HZ
        start = self.sent_bytes
        self.sent_bytes = end = start + byte_count
        spans = self._spans
        if spans and spans[-1].reply == reply:
            spans[-1].end = end
        elif byte_count:  # a phrase without sound has no place in it
            spans.append(_Span(reply, start, end))
        tally = self._tally.get(reply)
        if tally is None:
            self._tally[reply] = [byte_count, 0]
        else:
            tally[0] += byte_count

    def position(self, now: float) -> float:
        """Where the caller's ear is; beyond everything sent when it was heard a while ago."""
        return self.sent_bytes + (now - self.end_at) * mulaw.SAMPLE_RATE_HZ

    @property
    def unmarked_bytes(self) -> int:
        """Bytes sent since the last mark."""
        return self.sent_bytes - self._marked

    def mark(self) -> str | None:
        """The name of a mark to send behind everything sent so far; None if one is there."""
        if self._marked == self.sent_bytes:
            return None
        self._marked = self.sent_bytes
        self._mark_number += 1
        name = f"{self.epoch}:{self._mark_number}"
        self._marks[name] = self.sent_bytes
        return name

    def reached(self, name: str, now: float) -> bool:
        """A mark came back; False if it means nothing any more, or never did."""
        position = self._marks.pop(name, None)
        if position is None:
            return False
        for earlier in [mark for mark, at in self._marks.items() if at < position]:
            del self._marks[earlier]
        self.end_at = now + (self.sent_bytes - position) / mulaw.SAMPLE_RATE_HZ
        return True

    def playing(self, now: float) -> bool:
        """True while something sent is, by the estimate, still to be heard."""
        return self.end_at > now

    def audible(self, now: float) -> bool:
        """True while something sent may still be heard: by the estimate, or for want of a mark.

        What was sent arrives later than the estimate thinks; a mark that is out says so.
        """
        return self.end_at > now or bool(self._marks)

    def unheard_bytes(self, now: float) -> int:
        """Bytes sent and, by the estimate, not heard yet."""
        if self.end_at <= now:
            return 0
        return min(self.sent_bytes, round((self.end_at - now) * mulaw.SAMPLE_RATE_HZ))

    def heard_position(self, now: float) -> int:
        """Bytes heard since the stream began."""
        return self.sent_bytes - self.unheard_bytes(now)

    def clear(self, now: float) -> Cut:
        """Everything not heard yet is thrown away; a new epoch begins."""
        unheard = self.unheard_bytes(now)
        heard = tuple(self.settle(now))
        self.epoch += 1
        self._marks.clear()
        self._spans.clear()
        self._tally.clear()
        self.sent_bytes -= unheard
        self._marked = self.sent_bytes
        self.end_at = now
        return Cut(unheard_ms=mulaw.duration_ms(unheard), heard=heard)

    def settle(self, now: float, *, keep: int | None = None) -> list[Heard]:
        """How much of each reply was heard by now; those heard in full are let go of.

        ``keep`` is the reply whose audio is still coming: it is never let go of.
        """
        heard_to = self.heard_position(now)
        spans = self._spans
        while spans and spans[0].start < heard_to:
            span = spans[0]
            until = min(span.end, heard_to)
            self._tally[span.reply][1] += until - span.start
            span.start = until
            if until < span.end:
                break
            spans.popleft()
        settled = list(self._heard())
        for heard in settled:
            if heard.in_full and heard.reply != keep:
                del self._tally[heard.reply]
        return settled

    def _heard(self) -> Iterator[Heard]:
        for reply, (sent, heard) in self._tally.items():
            yield Heard(reply=reply, sent_bytes=sent, heard_bytes=heard)
