"""What both sides of the queue sign: a job, and the outcome it always gets.

Leaves how they travel to ``queue`` and what they do to the bodies. Both are stored and may be
read by a process one version older or newer: new fields have defaults, none changes its meaning.
"""

import msgspec

VERSION = 1
"""Version of the envelope. A worker that does not know it answers ``Failed(code="version")``."""


class ToolJob(msgspec.Struct, frozen=True, kw_only=True):
    """One function call on its way to a worker."""

    function_call_id: str
    """Deepgram's ``functions[].id``."""
    call_sid: str
    practice: str
    """Id of the practice profile; the database separates practices by it."""
    tool: str
    arguments: str
    """JSON text as the agent sent it; decoded and checked in the worker once more."""
    budget_s: float
    """Seconds from ``asked_utc`` after which nobody waits."""
    effect: bool = False
    """True when the tool changes something outside; such a job is never repeated blindly."""
    idempotency_key: str = ""
    """Names the effect by its meaning, the same for every attempt and every repeated request."""
    asked_utc: float = 0.0
    """Epoch seconds, stamped by ``ToolQueue.submit``: the core has no wall clock."""
    version: int = VERSION

    @property
    def job_id(self) -> str:
        """The queue's id of the job: asking twice for the same function call runs once."""
        return f"{self.call_sid}:{self.function_call_id}"


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done", tag_field="outcome"):
    """The tool answered; "slot taken" is an answer too."""

    function_call_id: str
    tool: str
    content: str
    """JSON text for the agent: an object whose ``say`` is written to be spoken."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed", tag_field="outcome"):
    """The tool could not answer."""

    function_call_id: str
    tool: str
    code: str
    """Stable word. Nothing was done and nothing will be: ``bad_arguments unknown_tool version
    full breaker no_worker withdrawn unavailable budget_spent internal``. ``doubt`` (effects
    only): nobody knows yet whether it happened; a second outcome follows when somebody does."""
    say: str
    """What the agent may tell the caller."""


ToolOutcome = Done | Failed

IN_DOUBT = "doubt"


def is_final(outcome: ToolOutcome) -> bool:
    """False while another outcome of the same job is to be expected."""
    return isinstance(outcome, Done) or outcome.code != IN_DOUBT
