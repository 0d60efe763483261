"""What an operator can put right: said in one sentence, without a stack trace.

OperatorError
 ├─ ProcfileError     the Procfile is missing or unreadable
 ├─ ServerMissing     no Valkey or Redis to embed
 ├─ AlreadyRunning    another run uses the same directory
 ├─ PortTaken         something else listens there
 ├─ ChildDied         a process of the run ended by itself
 ├─ NotReady          a process of the run lives, but nothing can be asked of it
 └─ SettingsRefused   the environment lacks something or holds nonsense
"""

from typing import ClassVar


class OperatorError(Exception):
    """The message says what is wrong and what to do."""

    exit_status: ClassVar[int] = 1


class ProcfileError(OperatorError):
    """The Procfile is missing or one of its lines is none."""


class ServerMissing(OperatorError):
    """No Valkey or Redis server binary is to be found on this machine."""


class AlreadyRunning(OperatorError):
    """Another run uses the same state directory."""


class PortTaken(OperatorError):
    """Something else listens on a port that the run was told to use."""


class ChildDied(OperatorError):
    """A child ended that should have lived."""


class NotReady(OperatorError):
    """A process lives but did not become ready in time."""


class SettingsRefused(OperatorError):
    """The process cannot start from this environment; never repeats a value of it."""

    exit_status = 2
