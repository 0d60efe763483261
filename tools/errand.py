"""What a body needs to know about the job it runs, besides the arguments."""

from collections.abc import Callable

import msgspec

from tools.errors import LeaseLost


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf a tool runs."""

    practice: str
    call_sid: str = ""
    job_id: str = ""
    """The queue's id of the job: ``call_sid:function_call_id``."""
    entry_id: str = ""
    """The ledger's row of the effect; empty for a tool that only reads."""
    idempotency_key: str = ""
    """The effect by its meaning."""
    attempt_s: float = 5.0
    """Seconds in which this attempt has to come to its end."""
    still_mine: Callable[[], bool] = lambda: True
    """False once another worker may have taken the job over; costs no round trip."""

    def must_still_be_mine(self) -> None:
        """Call it last before an effect.

        Raises:
            LeaseLost: this process was frozen or cut off for so long that another worker may be
                doing the same thing by now.
        """
        if not self.still_mine():
            raise LeaseLost("I'm still confirming that.")
