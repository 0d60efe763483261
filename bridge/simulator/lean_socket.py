"""A WebSocket that costs next to nothing, so that the load's own ends do not blur its figures.

Whole text and binary messages, pings and closes; no fragments, no extensions. A client masks with
a key of zeros: legal bytes, no work for us, the same work for the peer. Leaves what messages mean
to ``load_agent`` and ``load_callers``; everything else in the simulator uses ``websockets``.
"""

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

__all__ = ["Broken", "LeanSocket", "accept_key", "request_of"]

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_FINAL = 0x80
_MASKED = 0x80
_ZEROS = bytes(4)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ONE_BYTE, _TWO_BYTES, _EIGHT_BYTES = 125, 126, 127
_CLIENT_KEY = b64encode(b"a load generator").decode()


class Broken(Exception):
    """The peer's bytes are not what this socket understands."""


def accept_key(key: str) -> str:
    """What a server answers to a client's key (RFC 6455, 4.2.2)."""
    return b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()


def request_of(url: str, headers: Mapping[str, str]) -> bytes:
    """The opening request of a client."""
    parts = urlsplit(url)
    lines = [
        f"GET {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {_CLIENT_KEY}",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class LeanSocket(asyncio.Protocol):
    """One end of a socket; subclasses say what a head and a message mean.

    ``on_head`` gets everything before the first frame; it returns whether frames follow.
    """

    masks = False
    """True for a client."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._buffer = b""
        self._open = False

    def on_head(self, head: bytes) -> bool:
        """The HTTP head has come."""
        raise NotImplementedError

    def on_text(self, text: bytes) -> None:
        """A text message has come."""

    def on_binary(self, sound: bytes) -> None:
        """A binary message has come."""

    def on_gone(self) -> None:
        """Nothing will come any more."""

    def send_text(self, text: bytes) -> None:
        """Sends one text message."""
        self._send(TEXT, text)

    def send_binary(self, sound: bytes) -> None:
        """Sends one binary message."""
        self._send(BINARY, sound)

    def close(self) -> None:
        """Says goodbye with 1000 and hangs up."""
        if self.transport is not None and not self.transport.is_closing():
            self._send(CLOSE, b"\x03\xe8")
            self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is up."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not of that class

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone."""
        self.on_gone()

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes have come."""
        self._buffer = self._buffer + data if self._buffer else data
        if not self._open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self._buffer = rest
            self._open = self.on_head(head)
        if self._open:
            self._read_frames()

    def _read_frames(self) -> None:
        data, at, size = self._buffer, 0, len(self._buffer)
        while size - at >= 2:
            first, second = data[at], data[at + 1]
            begin, length = at + 2, second & 0x7F
            if length == _TWO_BYTES:
                begin, length = at + 4, int.from_bytes(data[at + 2 : at + 4])
            elif length == _EIGHT_BYTES:
                begin, length = at + 10, int.from_bytes(data[at + 2 : at + 10])
            if second & _MASKED:
                begin += 4
            if begin + length > size:
                break
            payload = data[begin : begin + length]
            if second & _MASKED:
                payload = _unmasked(payload, data[begin - 4 : begin])
            at = begin + length
            self._on_frame(first, payload)
        self._buffer = data[at:]

    def _on_frame(self, first: int, payload: bytes) -> None:
        if not first & _FINAL or first & 0x70:
            raise Broken("a fragment or an extension")
        match first & 0x0F:
            case 1:
                self.on_text(payload)
            case 2:
                self.on_binary(payload)
            case 8:
                self.close()
            case 9:
                self._send(PONG, payload)

    def _send(self, opcode: int, payload: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        length = len(payload)
        mask = _MASKED if self.masks else 0
        if length <= _ONE_BYTE:
            head = bytes((_FINAL | opcode, mask | length))
        elif length < 1 << 16:
            head = bytes((_FINAL | opcode, mask | _TWO_BYTES)) + length.to_bytes(2)
        else:
            head = bytes((_FINAL | opcode, mask | _EIGHT_BYTES)) + length.to_bytes(8)
        self.transport.write(head + _ZEROS + payload if mask else head + payload)


def _unmasked(payload: bytes, key: bytes) -> bytes:
    length = len(payload)
    mask = (key * (length // len(key) + 1))[:length]
    return (int.from_bytes(payload) ^ int.from_bytes(mask)).to_bytes(length)
