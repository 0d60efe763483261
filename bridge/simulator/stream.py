"""One media stream as Twilio sees it: numbers its messages, plays what it is sent, echoes marks.

Pure: text in, text out, ``now`` as an argument. Leaves what becomes of its messages on their way
to ``network``, and the socket, callbacks and what follows a lost stream to
``bridge.simulator.caller``.
"""

import random
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from bridge.simulator import checks
from bridge.simulator.checks import ClearQueue, Fault, MarkHere, Play
from bridge.simulator.knobs import Weather
from bridge.simulator.line import Cleared, Line, Track
from bridge.simulator.network import Network, Parcel
from bridge.wire import mulaw

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

    echoed: list[str] = []
    """Names of the marks that go back."""
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
        self.parameters = dict(parameters)
        self.line = Line(heard, opened_at)
        self.first_media_at = first_media_at
        self.lost_frames = 0
        """Frames that the weather swallowed."""
        self.undelivered_speech_bytes = 0
        """How much the caller spoke in them, and before the first."""
        self._account_sid = account_sid
        self._call_sid = call_sid
        self._weather = weather
        self._chance = random.Random(f"stream {seed}")
        self.network = Network(weather, self._chance, first_media_at)
        self._sequence_number = 0
        self._chunk = 0
        self._ticks = 0
        self._first_timestamp_ms = self._chance.randint(*_FIRST_TIMESTAMP_MS)
        self._uncut = b""
        self._clears_at: list[float] = []
        self._played_since_clear = True

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

    def frame(self, sound: bytes, *, speaking: bool, now: float) -> list[Parcel]:
        """20 ms of the caller; returns what goes out now: nothing, one message, or a burst."""
        released = self.network.arrived(now)
        if now < self.first_media_at:
            self.undelivered_speech_bytes += len(sound) if speaking else 0
            return released
        suppressed = self._weather.silence_suppressed and not speaking
        if suppressed and len(self._uncut) >= _ODD_SIZES_BYTES[0]:
            rest, self._uncut = self._uncut, b""
            self._send_sound(rest, True, now)
        self._ticks += 1
        if self.network.stalled(now):
            self._uncut = b""
            self.lost_frames += 1
            self.undelivered_speech_bytes += len(sound) if speaking else 0
        elif not suppressed:
            for piece in self._pieces(sound):
                self._send_sound(piece, speaking, now)
        self.network.gust(now)
        return [*released, *self.network.arrived(now)]

    def press(self, digit: str, now: float) -> list[Parcel]:
        """One key."""
        text = self._numbered("dtmf", {"track": "inbound_track", "digit": digit})
        self.network.send(Parcel(text), now)
        return self.network.arrived(now)

    def stop(self) -> list[Parcel]:
        """The last messages: the stream was stopped or the call is over."""
        body = {"accountSid": self._account_sid, "callSid": self._call_sid}
        return [*self.network.rest(), Parcel(self._numbered("stop", body))]

    def receive(self, frame: str | bytes, now: float) -> Reaction:
        """One message of the bridge."""
        match checks.read(frame, self.stream_sid):
            case Play(sound=sound):
                self._played_since_clear = True
                self.line.play(sound, now)
                return Reaction(did=MediaTaken(len(sound)))
            case MarkHere() as mark:
                return self._echoing(self.line.mark(mark.name, now), now, did=mark)
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
            reactions.append(self._echoing(self.line.advance(due_at), due_at))
            reactions.append(self._cleared(due_at))
        reactions.append(self._echoing(self.line.advance(now), now))
        return [reaction for reaction in reactions if reaction.echoed or reaction.did]

    def _cleared(self, now: float) -> Reaction:
        cleared = self.line.clear(now, again=not self._played_since_clear)
        self._played_since_clear = False
        return self._echoing(list(cleared.marks), now, did=cleared)

    def _echoing(
        self, names: list[str], now: float, did: MarkHere | Cleared | None = None
    ) -> Reaction:
        for name in names:
            self.network.send(Parcel(self._numbered("mark", {"name": name})), now)
        return Reaction(echoed=names, did=did)

    def _send_sound(self, piece: bytes, speaking: bool, now: float) -> None:
        """A piece that ends where ``_uncut`` begins, numbered even when it gets lost."""
        self._chunk += 1
        begins = self._ticks * mulaw.FRAME_BYTES - len(self._uncut) - len(piece)
        offset_ms = begins / mulaw.FRAME_BYTES * _TICK_MS
        timestamp_ms = offset_ms + self._chance.uniform(0, _TIMESTAMP_JITTER_MS)
        text = self._numbered(
            "media",
            {
                "track": "inbound",
                "chunk": str(self._chunk),
                "timestamp": str(self._first_timestamp_ms + round(timestamp_ms)),
                "payload": b64encode(piece).decode("ascii"),
            },
        )
        speech_bytes = len(piece) if speaking else 0
        if self.network.loses():
            self.lost_frames += 1
            self.undelivered_speech_bytes += speech_bytes
        else:
            self.network.send(Parcel(text, is_sound=True, speech_bytes=speech_bytes), now)

    def _pieces(self, sound: bytes) -> Iterator[bytes]:
        if not self._weather.odd_sizes:
            yield sound
            return
        self._uncut += sound
        size = self._chance.randint(*_ODD_SIZES_BYTES)
        while len(self._uncut) >= size:
            piece, self._uncut = self._uncut[:size], self._uncut[size:]
            yield piece
            size = self._chance.randint(*_ODD_SIZES_BYTES)

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
