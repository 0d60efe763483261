"""How a text frame becomes a typed message: known, unknown or malformed, never a surprise.

Each wire module makes one ``Reader`` from its union. Counting what was unknown or malformed is
left to the links.
"""

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

MAX_KIND_CHARACTERS = 64


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
        self._tag_field = tag_field
        self._decode_envelope = msgspec.json.Decoder(dict[str, Any]).decode

    def read(self, text: str | bytes) -> T | Unknown:
        """One text frame as a message.

        Raises:
            Malformed: not JSON, not an object with a kind, or a known kind with a bad shape.
        """
        try:
            message: T = self._decode(text)
        except msgspec.ValidationError as wrong_shape:
            return self._unknown(text, wrong_shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as not_json:
            raise Malformed(f"not JSON: {type(not_json).__name__}") from not_json
        return message

    def _unknown(self, text: str | bytes, wrong_shape: msgspec.ValidationError) -> Unknown:
        try:
            kind = self._decode_envelope(text).get(self._tag_field)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as no_object:
            raise Malformed("not an object") from no_object
        if not isinstance(kind, str):
            raise Malformed("a message without a kind")
        if kind in self._known:
            raise Malformed(f"{kind}: {_path_only(wrong_shape)}") from wrong_shape
        return Unknown(kind[:MAX_KIND_CHARACTERS])


def _path_only(error: msgspec.ValidationError) -> str:
    # msgspec names types and the path; it repeats a value only for tags and enums, in quotes.
    text = str(error)
    return text if "'" not in text else "unexpected value at " + text.rsplit("at", 1)[-1].strip()
