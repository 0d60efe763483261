"""Barge-ins and the clears that followed them, brought together from two processes' notes.

Both ends are on one machine and stamp with CLOCK_MONOTONIC. Leaves judging to ``load_report``.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise

from bridge.simulator.stamps import Delays

__all__ = ["clears_after"]

_Instants = Mapping[str, Sequence[int]]


def clears_after(barged_in: _Instants, cleared: _Instants) -> tuple[Delays, int]:
    """From each barge-in to the first clear behind it; and how many no clear followed.

    Args:
        barged_in: By call, nanoseconds in order: when the agent said that the caller speaks.
        cleared: By call, nanoseconds in order: when the caller's side was told to clear.
    """
    delays, missed = Delays(), 0
    for call_sid, instants in barged_in.items():
        clears = cleared.get(call_sid, ())
        for began_ns, next_ns in pairwise([*instants, None]):
            assert began_ns is not None
            at = bisect_left(clears, began_ns)
            if at == len(clears) or (next_ns is not None and clears[at] >= next_ns):
                missed += 1
            else:
                delays.add((clears[at] - began_ns) // 1000)
    return delays, missed
