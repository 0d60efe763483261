"""How a tool can fail, and what may be said about it; foreign errors are mapped to these.

::

    ToolError            code: stable word for logs, metrics and ``Failed.code``
     ├─ BadArguments     the agent asked wrongly: never retried       → it asks the caller again
     ├─ Unavailable      queue or booking system is away (retryable)  → within the budget only
     ├─ Unsure           an effect was sent and nobody answered       → look it up, never repeat
     ├─ Withdrawn        the effect was given up before it was begun  → it never happens
     ├─ BudgetSpent      nobody waits any more                        → stop, undo nothing by guess
     └─ LeaseLost        another worker may have the job by now       → stop, record nothing

What the business may answer ("that time is taken") is no error but an outcome. Across a process
an error is data: the worker sends ``Failed(code, say)``, never an exception.
"""

from typing import ClassVar


class ToolError(Exception):
    """A tool could not answer.

    ``say`` is written for the caller's ear, or (``BadArguments``) for the model; it never holds
    what a caller said. ``reason`` is for logs only.
    """

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, say: str, *, reason: str = "") -> None:
        super().__init__(reason or say)
        self.say = say
        self.reason = reason


class BadArguments(ToolError):
    """The agent's arguments do not fit the tool; ``say`` tells the model what to change."""

    code = "bad_arguments"


class Unavailable(ToolError):
    """What the tool needs is away for the moment: the queue, the database, a booking system."""

    code = "unavailable"
    retryable = True


class Unsure(ToolError):
    """An effect was asked for outside and may have happened: looked up, never guessed."""

    code = "doubt"


class Withdrawn(ToolError):
    """The effect was given up in the ledger; this request of it does nothing any more.

    Worth another attempt only because the ledger tells whether it was given up for good.
    """

    code = "withdrawn"
    retryable = True


class BudgetSpent(ToolError):
    """The time the caller was to wait is over."""

    code = "budget_spent"


class LeaseLost(ToolError):
    """This process was frozen or cut off; the job is, or soon will be, another worker's."""

    code = "lease_lost"
