"""One media stream as Twilio sees it: numbers its messages, plays what it is sent, echoes marks.

Pure: text in, text out, ``now`` as an argument. Leaves the socket, callbacks and what follows a
lost stream to ``bridge.simulator.caller``.
"""

import random
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import msgspec

from bridge.simulator import checks
from bridge.simulator.checks import ClearQueue, Fault, MarkHere, Play
from bridge.simulator.knobs import Weather
from bridge.simulator.line import Cleared, Line, Track

__all__ = ["MediaStream", "MediaTaken", "Reaction"]

_FIRST_TIMESTAMP_MS = (150, 175)
"""Seen in traces: 155 and 171 (twilio-voice.md 2.3)."""

_TICK_MS = 1438 / 72
"""72 chunks in 1,438 ms (2.3): Twilio's clock and the sender's are not the same one."""

_ODD_SIZES_BYTES = (20, 320)

_TIMESTAMP_JITTER_MS = 0.45
"""Rounding the real offset gives steps of 19, 20 and 21."""


class MediaTaken(msgspec.Struct, frozen=True):
    """Agent sound was queued."""

    byte_count: int


class Reaction(msgspec.Struct, kw_only=True):
    """What came of one message of the bridge."""

    replies: list[str] = []
    echoed: list[str] = []
    """Names of the marks in ``replies``."""
    did: MediaTaken | Cleared | MarkHere | Fault | None = None


class MediaStream:
    """One ``<Stream>`` from its ``start`` to its ``stop``.

    ``heard`` is the call's track of what the caller hears; ``parameters`` are the TwiML's.
    """

    def __init__(
        self,
        *,
        account_sid: str,
        call_sid: str,
        stream_sid: str,
        parameters: Mapping[str, str],
        heard: Track,
        opened_at: float,
        first_media_at: float,
        weather: Weather,
        seed: int,
    ) -> None:
        self.stream_sid = stream_sid
        self.line = Line(heard, opened_at)
        self.first_media_at = first_media_at
        self.lost_frames = 0
        """Frames that the weather swallowed."""
        self._account_sid = account_sid
        self._call_sid = call_sid
        self.parameters = dict(parameters)
        self._weather = weather
        self._chance = random.Random(f"stream {seed}")
        self._sequence_number = 0
        self._chunk = 0
        self._ticks = 0
        self._first_timestamp_ms = self._chance.randint(*_FIRST_TIMESTAMP_MS)
        self._uncut = b""
        self._held: list[str] = []
        self._held_until = 0.0
        self._clears_at: list[float] = []

    def opening(self) -> list[str]:
        """``connected`` and ``start``."""
        connected = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        start = {
            "accountSid": self._account_sid,
            "streamSid": self.stream_sid,
            "callSid": self._call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self.parameters,
        }
        return [_text(connected), self._numbered("start", start)]

    def frame(self, sound: bytes, *, speaking: bool, now: float) -> list[str]:
        """20 ms of the caller as the messages that go out now: none, one, or a burst."""
        if now < self.first_media_at:
            return []
        offset_ms = self._ticks * _TICK_MS + self._chance.uniform(0, _TIMESTAMP_JITTER_MS)
        self._ticks += 1
        weather = self._weather
        if not (weather.silence_suppressed and not speaking) and not self._stalled(now):
            for piece in self._pieces(sound):
                self._hold(piece, self._first_timestamp_ms + round(offset_ms))
        if now >= self._held_until and self._chance.random() < weather.burst_share:
            self._held_until = now + self._chance.uniform(0, weather.longest_hold_s)
        if now < self._held_until:
            return []
        released, self._held = self._held, []
        return released

    def press(self, digit: str) -> str:
        """One key."""
        return self._numbered("dtmf", {"track": "inbound_track", "digit": digit})

    def stop(self) -> str:
        """The last message: the stream was stopped or the call is over."""
        return self._numbered("stop", {"accountSid": self._account_sid, "callSid": self._call_sid})

    def receive(self, frame: str | bytes, now: float) -> Reaction:
        """One message of the bridge."""
        match checks.read(frame, self.stream_sid):
            case Play(sound=sound):
                self.line.play(sound, now)
                return Reaction(did=MediaTaken(len(sound)))
            case MarkHere() as mark:
                return self._echoing(self.line.mark(mark.name, now), did=mark)
            case ClearQueue() if self._weather.clear_delay_s:
                self._clears_at.append(now + self._weather.clear_delay_s)
                return Reaction()
            case ClearQueue():
                return self._cleared(now)
            case fault:
                return Reaction(did=fault)

    def advance(self, now: float) -> list[Reaction]:
        """What has come due: marks the playhead has passed, and clears that were on their way."""
        reactions: list[Reaction] = []
        while self._clears_at and self._clears_at[0] <= now:
            due_at = self._clears_at.pop(0)
            reactions.append(self._echoing(self.line.advance(due_at)))
            reactions.append(self._cleared(due_at))
        reactions.append(self._echoing(self.line.advance(now)))
        return [reaction for reaction in reactions if reaction.replies or reaction.did]

    def _cleared(self, now: float) -> Reaction:
        cleared = self.line.clear(now)
        return self._echoing(list(cleared.marks), did=cleared)

    def _echoing(self, names: list[str], did: MarkHere | Cleared | None = None) -> Reaction:
        replies = [self._numbered("mark", {"name": name}) for name in names]
        return Reaction(replies=replies, echoed=names, did=did)

    def _hold(self, piece: bytes, timestamp_ms: int) -> None:
        self._chunk += 1
        text = self._numbered(
            "media",
            {
                "track": "inbound",
                "chunk": str(self._chunk),
                "timestamp": str(timestamp_ms),
                "payload": b64encode(piece).decode("ascii"),
            },
        )
        if self._chance.random() < self._weather.lost_share:
            self.lost_frames += 1
        else:
            self._held.append(text)

    def _pieces(self, sound: bytes) -> list[bytes]:
        if not self._weather.odd_sizes:
            return [sound]
        self._uncut += sound
        pieces: list[bytes] = []
        size = self._chance.randint(*_ODD_SIZES_BYTES)
        while len(self._uncut) >= size:
            pieces.append(self._uncut[:size])
            self._uncut = self._uncut[size:]
            size = self._chance.randint(*_ODD_SIZES_BYTES)
        return pieces

    def _stalled(self, now: float) -> bool:
        at_s = self._weather.stall_at_s
        return at_s is not None and 0 <= now - self.first_media_at - at_s < self._weather.stall_s

    def _numbered(self, event: str, body: dict[str, Any]) -> str:
        # Whole numbers travel as strings, those inside mediaFormat do not (2.1).
        self._sequence_number += 1
        return _text(
            {
                "event": event,
                "sequenceNumber": str(self._sequence_number),
                "streamSid": self.stream_sid,
                event: body,
            }
        )


def _text(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
