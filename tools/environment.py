"""How a process reads the environment it starts in, and says in one sentence what is wrong there.

Leaves which settings there are to ``bridge``, ``worker`` and ``admin``. No message repeats a value:
addresses hold passwords.
"""

import errno
import re
import socket
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec

BACKLOG: Final = 2048
_PLACED: Final = re.compile(r"(?P<what>.*) - at `\$\.(?P<name>\w+)`")
_GOT: Final = re.compile(r", got `\w+`$")

Kind = TypeVar("Kind", bound=msgspec.Struct)


class BadSetting(ValueError):
    """A variable is missing or wrong; the message begins with its name."""


def read(kind: type[Kind], environ: Mapping[str, str], **checks: Callable[[str], object]) -> Kind:
    """The settings in an environment. A variable that is set to nothing counts as not set.

    Args:
        kind: What is read; its fields are renamed to the variables' names.
        environ: All variables; those that are not ours are passed over.
        checks: Field → what raises ``ValueError`` for a text that is none of its sort.

    Raises:
        BadSetting: of those that are missing all are named, otherwise the first wrong one.
    """
    given = {name: value for name, value in environ.items() if value}
    fields = msgspec.structs.fields(kind)
    if missing := [f.encode_name for f in fields if f.required and f.encode_name not in given]:
        raise BadSetting(f"{', '.join(missing)}: required")
    try:
        settings = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(_in_our_words(str(error))) from None
    for field in fields:
        if check := checks.get(field.name):
            try:
                check(getattr(settings, field.name))
            except ValueError as error:
                raise BadSetting(f"{field.encode_name}: {error}") from None
    return settings


def listen(host: str, port: int) -> socket.socket:
    """The socket of a server, bound, so that nothing says it listens before it does.

    Raises:
        BadSetting: ``HOST`` is not this machine's, or ``PORT`` is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise BadSetting(_why_not(error)) from None
    listening.setblocking(False)
    return listening


def _why_not(error: Exception) -> str:
    match error:
        case OSError(errno=errno.EADDRINUSE):
            return "PORT: something else listens there already"
        case OSError(errno=errno.EACCES):
            return "PORT: this user may not listen there"
        case _:
            return "HOST: not an address of this machine"


def _in_our_words(message: str) -> str:
    """msgspec's sentence with the name in front; what it got it only knows as text."""
    placed = _PLACED.fullmatch(message)
    if placed is None:
        return message
    what = _GOT.sub("", placed["what"]).replace("`", "")
    return f"{placed['name']}: {what[:1].lower()}{what[1:]}"
