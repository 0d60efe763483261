"""Child processes that cannot outlive us: own session, tied to the parent's life."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

STOP_GRACE_S = 10.0
"""Seconds between SIGTERM and SIGKILL for a child that has nothing to drain."""

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal this process gets when its parent dies. Linux only."""


def tie_to_parent(signum: int = signal.SIGTERM) -> Callable[[], None] | None:
    """A ``preexec_fn`` by which the kernel stops the child when we are killed.

    Everything that may allocate or lock is done here, before the fork. The signal comes when the
    *thread* that started the child ends, so start children from the main thread. None where the
    system cannot do it (macOS): there a killed parent leaves its children to be stopped by hand.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:  # it died between the fork and the line above
            os.kill(os.getpid(), signal.SIGKILL)

    return in_child
