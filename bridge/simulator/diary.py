"""Everything that happened in a call, in order: kept, told to whoever watches, written to a file.

One JSON object a line (F30). Messages on the socket go to the file only: there are fifty a second.
"""

from collections.abc import Callable
from typing import IO, Any, Literal, TypeVar

import msgspec

from bridge.simulator.events import CallEvent, SocketMessage

__all__ = ["Diary"]

E = TypeVar("E", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()


class Diary:
    """The events of one call."""

    def __init__(
        self,
        call_sid: str,
        began_at: float,
        *,
        on_event: Callable[[CallEvent], None] | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        self.events: list[CallEvent] = []
        self._call_sid = call_sid
        self.began_at = began_at
        self._on_event = on_event
        self._log = log

    def note(self, kind: Callable[..., CallEvent], at: float, **fields: Any) -> None:
        """Something happened at this instant."""
        event = kind(at=at, at_s=at - self.began_at, call_sid=self._call_sid, **fields)
        self._write(event)
        self.events.append(event)
        if self._on_event is not None:
            self._on_event(event)

    def message(self, side: Literal["sent", "received"], at: float, frame: str | bytes) -> None:
        """A message went over the socket."""
        if self._log is not None:
            self._write(
                SocketMessage(
                    at=at,
                    at_s=at - self.began_at,
                    call_sid=self._call_sid,
                    side=side,
                    kind=_kind(frame),
                    size_bytes=len(frame),
                )
            )

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def _write(self, event: CallEvent) -> None:
        if self._log is not None:
            self._log.write(_encoder.encode(event) + b"\n")


class _Envelope(msgspec.Struct):
    event: str = "?"


def _kind(frame: str | bytes) -> str:
    if isinstance(frame, bytes):
        return "binary"
    try:
        return msgspec.json.decode(frame, type=_Envelope).event
    except msgspec.DecodeError:
        return "?"
