"""One timer that serves every call of a load process, 20 ms after 20 ms.

The calls are spread over the 20 ms as real ones would be. Late ticks are made up for, and counted:
a generator that cannot keep time must not be taken for a slow bridge.
"""

import asyncio
import time
from typing import Protocol

from bridge.simulator.stamps import Delays
from bridge.wire import mulaw

__all__ = ["Pacer", "Ticked"]

_SLOTS = 10
"""A slot every 2 ms."""
_SLOT_NS = mulaw.FRAME_MS * 1_000_000 // _SLOTS


class Ticked(Protocol):
    """Something that has a turn every 20 ms."""

    def tick(self) -> None:
        """Its turn."""


class Pacer:
    """Ticks its members; ``lateness`` says how far behind its own clock it was."""

    def __init__(self) -> None:
        self.lateness = Delays()
        self._slots: list[list[Ticked]] = [[] for _ in range(_SLOTS)]
        self._next_slot = 0
        self._due_ns = time.monotonic_ns()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins; call it inside the loop."""
        self._due_ns = time.monotonic_ns()
        self._again()

    def stop(self) -> None:
        """Ends."""
        if self._timer is not None:
            self._timer.cancel()

    def join(self, member: Ticked) -> None:
        """One more to tick, in the emptiest slot."""
        min(self._slots, key=len).append(member)

    def leave(self, member: Ticked) -> None:
        """One less."""
        for slot in self._slots:
            if member in slot:
                slot.remove(member)

    def _fire(self) -> None:
        now_ns = time.monotonic_ns()
        while self._due_ns <= now_ns:
            slot = self._slots[self._next_slot]
            if slot:
                self.lateness.add((now_ns - self._due_ns) // 1000)
            for member in tuple(slot):
                member.tick()
            self._next_slot = (self._next_slot + 1) % _SLOTS
            self._due_ns += _SLOT_NS
        self._again()

    def _again(self) -> None:
        delay_s = max(0.0, (self._due_ns - time.monotonic_ns()) / 1e9)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._fire)
