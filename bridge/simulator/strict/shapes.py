"""The two kinds of refusal, and checks for strings, numbers, lists and objects.

A message that cannot be read is ``UNPARSABLE_CLIENT_MESSAGE``; one that can be read but asks for
something impossible is ``INVALID_SETTINGS``.
"""

from collections.abc import Callable, Mapping
from typing import Any


class Refused(Exception):
    """The session ends with an ``Error``: ``code`` and a description.

    ``close_code`` is that of the socket; None leaves it to the call's scenario.
    """

    def __init__(self, code: str, description: str, close_code: int | None = None) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.close_code = close_code


def unparsable(description: str) -> Refused:
    """The message has not the shape it should have."""
    return Refused("UNPARSABLE_CLIENT_MESSAGE", description)


def invalid(description: str) -> Refused:
    """The message can be read, but asks for something that is not possible."""
    return Refused("INVALID_SETTINGS", description)


Check = Callable[[Any, str], None]


def text(value: Any, path: str) -> None:
    """A string."""
    if not isinstance(value, str):
        raise unparsable(f"{path}: expected a string")


def flag(value: Any, path: str) -> None:
    """A boolean."""
    if not isinstance(value, bool):
        raise unparsable(f"{path}: expected a boolean")


def whole(value: Any, path: str) -> None:
    """An integer; ``5000.0`` is none (section 2)."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise unparsable(f"{path}: expected an integer")


def number(value: Any, path: str) -> None:
    """A number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise unparsable(f"{path}: expected a number")


def anything(value: Any, path: str) -> None:
    """Any JSON."""


def texts(value: Any, path: str) -> None:
    """A list of strings."""
    each(text)(value, path)


def each(check: Check) -> Check:
    """A list, every element of it checked."""

    def check_list(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise unparsable(f"{path}: expected an array")
        for position, item in enumerate(value):
            check(item, f"{path}[{position}]")

    return check_list


def one_of(*allowed: str) -> Check:
    """One of these strings; another cannot be read."""

    def check_word(value: Any, path: str) -> None:
        text(value, path)
        if value not in allowed:
            raise unparsable(f"{path}: unknown variant `{value}`")

    return check_word


def between(low: float, high: float, *, integer: bool = False) -> Check:
    """A number in a range; outside of it the settings are invalid."""

    def check_range(value: Any, path: str) -> None:
        (whole if integer else number)(value, path)
        if not low <= value <= high:
            raise invalid(f"{path}: must be between {low:g} and {high:g}")

    return check_range


def strings_by_name(value: Any, path: str) -> None:
    """An object whose values are strings."""
    for name, item in object_of(value, path).items():
        text(item, f"{path}.{name}")


def fields(
    value: Any, path: str, *, required: Mapping[str, Check], optional: Mapping[str, Check]
) -> dict[str, Any]:
    """An object with these fields and no others."""
    found = object_of(value, path)
    for name in required:
        if name not in found:
            raise unparsable(f"{path}: missing field `{name}`")
    for name, item in found.items():
        check = required.get(name) or optional.get(name)
        if check is None:
            raise unparsable(f"{path}: unknown field `{name}`")
        check(item, f"{path}.{name}")
    return found


def object_of(value: Any, path: str) -> dict[str, Any]:
    """The value, which must be an object."""
    if not isinstance(value, dict):
        raise unparsable(f"{path}: expected an object")
    return value


def endpoint(value: Any, path: str) -> None:
    """An address of one's own for a model."""
    fields(value, path, required={"url": text}, optional={"headers": strings_by_name})


def credentials(value: Any, path: str) -> None:
    """Credentials at Amazon."""
    fields(
        value,
        path,
        required={
            "type": one_of("iam", "sts"),
            "region": text,
            "access_key_id": text,
            "secret_access_key": text,
        },
        optional={"session_token": text},
    )
