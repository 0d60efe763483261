"""Function calls asked and not answered, each with its deadline: every one gets one answer.

Leaves running them to the workers and the words to the catalogue. Shortly before its deadline a job
is to be given up, so that what is then said of it is true. An effect that was answered with "nobody
knows yet", or that the agent withdrew, is remembered while it may still come true. What was open
when the agent's line was lost is carried over: a new session knows nothing of its id, but will ask
the same again.
"""

from typing import Final

import msgspec

from tools.catalog import Tool
from tools.contract import Done, ToolJob, ToolOutcome, is_final

GIVE_UP_S: Final = 0.3
"""So long before its deadline a job is given up: the queue has to say what is true of it."""


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A function call the agent waits for."""

    function_call_id: str
    tool: Tool
    job: ToolJob
    """What runs for it: its own job, or one that an earlier session of the agent asked for."""
    asked_at: float
    asked_s: float
    """The same in seconds into the call."""
    thought_signature: str | None = None
    wish: str = ""
    """What was asked, whatever its id: the same for the same tool and arguments."""

    @property
    def deadline_at(self) -> float:
        """When it has to be answered in the worker's place."""
        return self.asked_at + self.tool.budget_s


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """An effect nobody waits for that may still come true."""

    tool: Tool
    wish: str
    asked_as: str
    """The id under which the agent asked for it last."""
    job: ToolJob | None = None
    """Set while it is to be given up at its deadline."""
    give_up_at: float = 0.0


class FunctionCalls:
    """The open function calls of one call."""

    def __init__(self) -> None:
        self._pending: dict[str, Pending] = {}
        self._open: dict[str, Open] = {}
        self._carried: dict[str, Pending] = {}
        self._known: dict[str, ToolOutcome] = {}
        self._given_up: set[str] = set()
        self._last_done: tuple[str, Done] | None = None

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

    # --- deadlines ---------------------------------------------------------------------------

    def to_give_up(self, now: float) -> list[ToolJob]:
        """The jobs whose last moment has come; each is told once."""
        jobs = [job for job, at in self._last_moments() if at <= now]
        self._given_up.update(job.function_call_id for job in jobs)
        return jobs

    def expired(self, now: float) -> list[Pending]:
        """Those whose deadline passed, no longer waited for; effects stay open."""
        late = [pending for pending in self._pending.values() if pending.deadline_at <= now]
        for pending in late:
            self._abandon(pending)
        return late

    def _last_moments(self) -> list[tuple[ToolJob, float]]:
        waited_for = [(one.job, one.deadline_at - GIVE_UP_S) for one in self._pending.values()]
        others = [(one.job, one.give_up_at) for one in self._open.values() if one.job is not None]
        return [
            (job, at)
            for job, at in (*waited_for, *others)
            if job.function_call_id not in self._given_up
        ]

    @property
    def next_deadline(self) -> float | None:
        """When the first of them is to be given up, or answered in the worker's place."""
        deadlines = [pending.deadline_at for pending in self._pending.values()]
        return min([*deadlines, *(at for _, at in self._last_moments())], default=None)

    # --- effects of which nobody knows yet ---------------------------------------------------

    def doubt(self, answered: Pending) -> None:
        """It was answered with "nobody knows yet": its effect may still come true."""
        self._keep_open(answered)

    def adopt(self, function_call_id: str, tool: Tool, wish: str) -> None:
        """An earlier stream of the call left this effect in doubt."""
        self._open[function_call_id] = Open(tool=tool, wish=wish, asked_as=function_call_id)

    def cancel(self, function_call_id: str) -> Pending | None:
        """The agent withdrew it: an effect may be committed all the same."""
        pending = self._pending.get(function_call_id)
        if pending is not None:
            self._abandon(pending)
        return pending

    def open_effect(self, outcome: ToolOutcome) -> Open | None:
        """The effect that this outcome decides; it is open no more if it is decided."""
        known = self._open.get(outcome.function_call_id)
        if known is not None and is_final(outcome):
            del self._open[outcome.function_call_id]
        return known

    def wanted_again(self, wish: str) -> bool:
        """True if the same is waited for, or open, under another id."""
        waited_for = any(pending.wish == wish for pending in self._pending.values())
        return waited_for or any(one.wish == wish for one in self._open.values())

    def answer_wish(self, wish: str) -> Pending | None:
        """The same wish, asked again under another id, is being answered."""
        for pending in self._pending.values():
            if pending.wish == wish:
                return self._pending.pop(pending.function_call_id)
        return None

    def readdress(self, wish: str, function_call_id: str) -> dict[str, str]:
        """What is open of this wish is asked for under this id now; returns job → its old id."""
        same = {job_id: one for job_id, one in self._open.items() if one.wish == wish}
        for job_id, one in same.items():
            self._open[job_id] = msgspec.structs.replace(one, asked_as=function_call_id)
        return {job_id: one.asked_as for job_id, one in same.items()}

    def came_true(self, wish: str, outcome: Done) -> None:
        """This effect happened. Only the last one is known to stand: the next may have ended it."""
        self._last_done = wish, outcome

    def stands(self, wish: str) -> Done | None:
        """How this wish came true, if nothing else did since."""
        if self._last_done is None or self._last_done[0] != wish:
            return None
        return self._last_done[1]

    def decided(self, wish: str) -> list[str]:
        """It is known what became of this wish; returns the ids under which it was open too."""
        same = [job_id for job_id, one in self._open.items() if one.wish == wish]
        return [self._open.pop(job_id).asked_as for job_id in same]

    def _abandon(self, pending: Pending) -> None:
        del self._pending[pending.function_call_id]
        if pending.tool.effect:
            self._keep_open(pending)

    def _keep_open(self, pending: Pending) -> None:
        self._open[pending.job.function_call_id] = Open(
            tool=pending.tool,
            wish=pending.wish,
            asked_as=pending.function_call_id,
            job=pending.job,
            give_up_at=pending.deadline_at - GIVE_UP_S,
        )

    # --- over a change of the agent's session ------------------------------------------------

    def forget_all(self) -> list[str]:
        """Nobody waits for anything any more; returns the ids that were open."""
        open_ids = list(self._pending)
        for function_call_id in open_ids:
            self._abandon(self._pending[function_call_id])
        return open_ids

    def carry(self) -> None:
        """The session that asked is gone: what is open goes on, and waits to be asked again."""
        for pending in list(self._pending.values()):
            # What joined an earlier request has no job of its own: that one's outcome is awaited.
            self._carried[pending.job.function_call_id] = pending
            self._abandon(pending)

    def join(self, pending: Pending) -> str | None:
        """Wait for the outcome of the same request of an earlier session, if it is under way.

        Returns the id under which it was asked then.
        """
        for job_id, carried in self._carried.items():
            if carried.wish == pending.wish:
                self.ask(msgspec.structs.replace(pending, job=carried.job))
                self._open.pop(job_id, None)
                del self._carried[job_id]
                return carried.function_call_id
        return None

    def joined(self, outcome: ToolOutcome) -> Pending | None:
        """Who waits for the outcome of a request that an earlier session made, if anybody does."""
        for pending in self._pending.values():
            if pending.job.function_call_id == outcome.function_call_id:
                return self._pending.pop(pending.function_call_id)
        return None

    def arrived(self, outcome: ToolOutcome) -> bool:
        """True if an earlier session asked for it and nobody has since.

        It is kept for who will; a failure is not, that may be tried anew.
        """
        if not is_final(outcome):
            return outcome.function_call_id in self._carried
        carried = self._carried.pop(outcome.function_call_id, None)
        if carried is not None and isinstance(outcome, Done):
            self._known[carried.wish] = outcome
        return carried is not None

    def take_known(self, wish: str) -> ToolOutcome | None:
        """What an earlier session's request of the same came to; once only."""
        return self._known.pop(wish, None)

    def forget_known(self) -> None:
        """The talk went on: whoever asks the same now wants it as it is now."""
        self._known.clear()

    # --- what the call asks ------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """True while the agent waits for anything."""
        return bool(self._pending)

    @property
    def filler_since(self) -> float | None:
        """Since when the oldest open function call that deserves a filler has been waiting."""
        asked = [pending.asked_at for pending in self._pending.values() if pending.tool.filler]
        return min(asked, default=None)
