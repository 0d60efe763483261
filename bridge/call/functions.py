"""Function calls asked and not answered, each with its deadline: every one gets one answer.

Leaves running them to the workers and the words to the catalogue. A function call that was
answered in a worker's place, or withdrawn by the agent, is remembered while its effect may still
come true, so that the agent learns of it. One that was open when the agent's line was lost is
carried over: a new session knows nothing of its id, but will ask the same again.
"""

import msgspec

from tools.catalog import Tool
from tools.contract import Done, ToolOutcome


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A function call the agent waits for."""

    function_call_id: str
    tool: Tool
    asked_at: float
    deadline_at: float
    thought_signature: str | None = None
    wish: str = ""
    """What was asked, whatever its id: the same for the same tool and arguments."""


class FunctionCalls:
    """The open function calls of one call."""

    def __init__(self) -> None:
        self._pending: dict[str, Pending] = {}
        self._orphans: dict[str, Tool] = {}
        self._carried: dict[str, str] = {}
        self._joined: dict[str, str] = {}
        self._known: dict[str, ToolOutcome] = {}

    def ask(self, pending: Pending) -> None:
        """The agent waits for this one from now on."""
        self._pending[pending.function_call_id] = pending

    def knows(self, function_call_id: str) -> bool:
        """True while the agent waits for it."""
        return function_call_id in self._pending

    def asked_at(self, function_call_id: str) -> float | None:
        """When it was asked; None if nobody waits for it."""
        pending = self._pending.get(function_call_id)
        return None if pending is None else pending.asked_at

    def answer(self, function_call_id: str) -> Pending | None:
        """It is being answered; None if nobody waits for it."""
        return self._pending.pop(function_call_id, None)

    def expired(self, now: float) -> list[Pending]:
        """Those whose deadline passed, no longer waited for; effects become orphans."""
        late = [pending for pending in self._pending.values() if pending.deadline_at <= now]
        for pending in late:
            self._abandon(pending)
        return late

    def doubt(self, answered: Pending) -> None:
        """It was answered with "nobody knows yet": its effect may still come true."""
        self._orphans[answered.function_call_id] = answered.tool

    def cancel(self, function_call_id: str) -> Pending | None:
        """The agent withdrew it: an effect may be committed all the same."""
        pending = self._pending.get(function_call_id)
        if pending is not None:
            self._abandon(pending)
        return pending

    def forget_all(self) -> list[str]:
        """Nobody waits for anything any more; returns the ids that were open."""
        open_ids = list(self._pending)
        for function_call_id in open_ids:
            self._abandon(self._pending[function_call_id])
        return open_ids

    # --- over a change of the agent's session ------------------------------------------------

    def carry(self) -> None:
        """The session that asked is gone: what is open goes on, and waits to be asked again."""
        ran_as = {joined: first for first, joined in self._joined.items()}
        for pending in list(self._pending.values()):
            # What joined an earlier request has no job of its own: that one's outcome is awaited.
            first = ran_as.get(pending.function_call_id, pending.function_call_id)
            self._carried[first] = pending.wish
            self._abandon(pending)

    def join(self, pending: Pending) -> bool:
        """Wait for the outcome of the same request of an earlier session, if it is under way."""
        for carried, wish in self._carried.items():
            if wish == pending.wish:
                self._pending[pending.function_call_id] = pending
                self._joined[carried] = pending.function_call_id
                del self._carried[carried]
                return True
        return False

    def was_carried(self, function_call_id: str) -> bool:
        """True if an earlier session of the agent asked for it and had no answer."""
        return function_call_id in self._carried or function_call_id in self._joined

    def arrived(self, outcome: ToolOutcome) -> Pending | None:
        """An outcome of an earlier session's request: who asked for the same since, if anybody.

        Where nobody did it is kept for who will; a failure is not, that may be tried anew.
        """
        function_call_id = outcome.function_call_id
        wish = self._carried.pop(function_call_id, None)
        if wish is not None and isinstance(outcome, Done):
            self._known[wish] = outcome
        joined = self._joined.pop(function_call_id, None)
        return None if joined is None else self._pending.pop(joined, None)

    def take_known(self, wish: str) -> ToolOutcome | None:
        """What an earlier session's request of the same came to; once only."""
        return self._known.pop(wish, None)

    def forget_known(self) -> None:
        """The talk went on: whoever asks the same now wants it as it is now."""
        self._known.clear()

    def take_orphan(self, function_call_id: str) -> Tool | None:
        """The tool of an effect that came true after nobody waited for it; once only."""
        return self._orphans.pop(function_call_id, None)

    def _abandon(self, pending: Pending) -> None:
        del self._pending[pending.function_call_id]
        if pending.tool.effect:
            self._orphans[pending.function_call_id] = pending.tool

    @property
    def waiting(self) -> bool:
        """True while the agent waits for anything."""
        return bool(self._pending)

    @property
    def filler_since(self) -> float | None:
        """Since when the oldest open function call that deserves a filler has been waiting."""
        asked = [pending.asked_at for pending in self._pending.values() if pending.tool.filler]
        return min(asked, default=None)

    @property
    def next_deadline(self) -> float | None:
        """When the first of them has to be answered in the worker's place."""
        return min((pending.deadline_at for pending in self._pending.values()), default=None)
