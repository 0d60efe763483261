"""How a text frame becomes a typed message: known, unknown or malformed, never a surprise.

Each wire module makes one ``Reader`` from its union. Counting what was unknown or malformed is
left to the links.
"""

import re
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

MAX_KIND_CHARACTERS = 64

_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)

_AT = re.compile(r" - at `(\$[^`]*)`\Z")


class Unknown(msgspec.Struct, frozen=True):
    """A message of a kind we do not know; vendors add them unannounced, and the call goes on."""

    kind: str


class Malformed(ValueError):
    """Not JSON, or a known message with a bad shape; the text names the path, never the value."""


class Reader(Generic[T]):
    """Decodes the text frames of one direction of one protocol.

    ``union`` is a union of tagged structs; numbers may arrive as strings (Twilio's do).
    """

    def __init__(self, union: Any, *, tag_field: str) -> None:
        self._decode = msgspec.json.Decoder(union, strict=False).decode
        structs = getattr(union, "__args__", (union,))
        self._known = frozenset(struct.__struct_config__.tag for struct in structs)
        envelope: Any = msgspec.defstruct("Envelope", [("kind", str)], rename={"kind": tag_field})
        self._decode_envelope = msgspec.json.Decoder(envelope).decode

    def read(self, text: str | bytes) -> T | Unknown:
        """One text frame as a message.

        Raises:
            Malformed: not JSON, not an object with a kind, or a known kind with a bad shape.
        """
        try:
            message: T = self._decode(text)
            return message
        except _UNREADABLE as error:
            problem = _without_value(error)
        # Raised out here so that no error of the decoder is chained: it quotes what was said.
        kind = self._kind(text)
        if kind is None:
            raise Malformed(problem)
        if kind in self._known:
            raise Malformed(f"{kind}: {problem}")
        return Unknown(kind[:MAX_KIND_CHARACTERS])

    def _kind(self, text: str | bytes) -> str | None:
        try:
            kind: str = self._decode_envelope(text).kind
        except _UNREADABLE:
            return None
        return kind


def _without_value(error: Exception) -> str:
    if not isinstance(error, msgspec.ValidationError):
        return f"not JSON: {type(error).__name__}"
    text = str(error)
    if text.startswith(("Expected ", "Object missing required field ")):
        return text  # these name our types and fields, and the path
    at = _AT.search(text)
    return "unexpected value" + (f" - at `{at[1]}`" if at else "")
