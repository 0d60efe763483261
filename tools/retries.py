"""What is tried again, how often, and never past the job's budget: the only policy there is.

Only failures marked ``retryable`` are. A body with an effect may be repeated because the effect
carries its key. Crashed workers are another matter: the queue hands their jobs to others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from tools.errors import BudgetSpent, ToolError, Unavailable

TRIES: Final = 3
FIRST_WAIT_S: Final = 0.05
LONGEST_WAIT_S: Final = 0.4
ATTEMPT_SHARE: Final = 0.6
"""Part of the budget one attempt may take: what hangs leaves time for a second one."""

Answer = TypeVar("Answer")


async def within(
    budget_s: float, attempt: Callable[[], Awaitable[Answer]], *, tries: int = TRIES
) -> Answer:
    """The answer of the first attempt that succeeds.

    Raises:
        BudgetSpent: the time was over before an attempt came to an end.
        ToolError: what the last attempt raised.
    """
    retrying = AsyncRetrying(
        stop=stop_after_attempt(tries) | stop_before_delay(budget_s),
        wait=wait_random_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S),
        retry=retry_if_exception(lambda error: isinstance(error, ToolError) and error.retryable),
        reraise=True,
    )
    try:
        async with asyncio.timeout(budget_s) as whole:
            return await retrying(_bounded, attempt, budget_s * ATTEMPT_SHARE)
    except TimeoutError:
        if not whole.expired():
            raise
        raise BudgetSpent("That took too long.", reason="budget spent in an attempt") from None


async def _bounded(attempt: Callable[[], Awaitable[Answer]], seconds: float) -> Answer:
    try:
        async with asyncio.timeout(seconds) as bound:
            return await attempt()
    except TimeoutError:
        if not bound.expired():
            raise
        raise Unavailable("That took too long.", reason="attempt timed out") from None
