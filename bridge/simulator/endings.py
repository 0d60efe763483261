"""How a session of the emulator ends, beside a refusal: raised in its parts, acted on by ``agent``.

A refusal is ``strict.shapes.Refused``: it ends a session with an ``Error``.
"""


class ClientLeft(Exception):
    """The client closed its socket."""


class Dropped(Exception):
    """The socket is to die: TCP is reset."""


class Cut(Exception):
    """TCP is to end without a close frame."""


class Closed(Exception):
    """The server is to close the session, without an ``Error``; ``code`` is its close code."""

    def __init__(self, code: int = 1000) -> None:
        super().__init__(str(code))
        self.code = code


class Hung(Exception):
    """The server is to say nothing any more, and to leave the socket as it is."""


def first_of(group: BaseExceptionGroup[Exception]) -> Exception:
    """The first ending in a group that may hold others."""
    ending = group.exceptions[0]
    return first_of(ending) if isinstance(ending, BaseExceptionGroup) else ending
