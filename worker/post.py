"""What binds a worker to its parent: its post, its heartbeat, an end with the parent's."""

import contextlib
import ctypes
import io
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import Final, TextIO

import msgspec

BEATS: Final = b"."
RETIRES: Final = b"r"
_PR_SET_PDEATHSIG: Final = 1
"""prctl(2): the signal this process gets when its parent dies. Linux only."""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told at its birth."""

    queues: tuple[str, ...]
    token: str
    """By which the parent frees what it held."""
    heart: int
    """File descriptor of a pipe to the parent."""
    beat_every_s: float

    def beat(self, *, retires: bool = False) -> bool:
        """Say that the event loop turns; False when there is no parent any more.

        With ``retires`` also that this worker has done its share: another takes its place.
        """
        try:
            os.write(self.heart, RETIRES if retires else BEATS)
        except BlockingIOError:  # the parent stands still; it will see that we did not
            return True
        except OSError:
            return False
        return True


def bond() -> Callable[[int], None]:
    """What ties a child to its parent's life; loads what it needs before the fork.

    Where the system cannot do it (macOS) a child notices by its next heartbeat, and drains.
    """
    if not sys.platform.startswith("linux"):
        return lambda parent: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def tie(parent: int) -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between the fork and the line above
            os.kill(os.getpid(), signal.SIGKILL)

    return tie


class ThreadlessOutlet(io.TextIOBase):
    """A stream that never waits and never fails, without a thread: what finds no room is gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        """Whether a person looks on."""
        return self._stream.isatty()

    def write(self, text: str) -> int:
        """Write a line, if whoever reads them keeps up; 4,096 bytes fit where there is room."""
        with contextlib.suppress(OSError, ValueError):
            if select.select([], [self._stream], [], 0)[1]:
                os.write(self._stream.fileno(), text.encode(errors="replace"))
        return len(text)
