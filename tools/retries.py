"""What is tried again, how often, and never past the job's budget: the only policy there is.

How often and for how long is the tool's own (``catalog.Tries``). Only failures marked
``retryable`` are tried again. A body with an effect may be repeated, even after an attempt that
timed out, because every attempt meets the same row of the ledger. Crashed workers are another
matter: the queue hands their jobs to others.
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

from tools.catalog import Tries
from tools.errors import BudgetSpent, ToolError, Unavailable

ATTEMPT_SHARE: Final = 0.6
"""Part of the budget one attempt may take: what hangs leaves time for a second one."""

Answer = TypeVar("Answer")


def attempt_s(budget_s: float, tries: Tries | None = None) -> float:
    """Seconds one attempt may take with that much left."""
    share = budget_s * ATTEMPT_SHARE
    return min(share, tries.attempt_s) if tries else share


async def within(
    budget_s: float, attempt: Callable[[], Awaitable[Answer]], *, tries: Tries | None = None
) -> Answer:
    """The answer of the first attempt that succeeds.

    Raises:
        BudgetSpent: the time was over before an attempt came to an end.
        ToolError: what the last attempt raised.
    """
    bound_s = attempt_s(budget_s, tries)
    try:
        async with asyncio.timeout(budget_s) as whole:
            try:
                return await _bounded(attempt, bound_s)
            except ToolError as error:
                if not error.retryable:
                    raise
                left_s = (whole.when() or 0.0) - asyncio.get_running_loop().time()
                again = _after(error, lambda: _bounded(attempt, bound_s))
                return await _retrying(left_s, tries or Tries(attempt_s=bound_s))(again)
    except TimeoutError:
        if not whole.expired():
            raise
        raise BudgetSpent("That took too long.", reason="budget spent in an attempt") from None


def _retrying(left_s: float, tries: Tries) -> AsyncRetrying:
    """Made once something has failed: it takes longer than many a body."""
    return AsyncRetrying(
        stop=stop_after_attempt(tries.most) | stop_before_delay(left_s),
        wait=wait_random_exponential(multiplier=tries.first_wait_s, max=tries.longest_wait_s),
        retry=retry_if_exception(lambda error: isinstance(error, ToolError) and error.retryable),
        reraise=True,
    )


def _after(
    error: ToolError, attempt: Callable[[], Awaitable[Answer]]
) -> Callable[[], Awaitable[Answer]]:
    """Fails once with the error of the attempt that was made already."""
    failed = [error]

    async def again() -> Answer:
        if failed:
            raise failed.pop()
        return await attempt()

    return again


async def _bounded(attempt: Callable[[], Awaitable[Answer]], seconds: float) -> Answer:
    try:
        async with asyncio.timeout(seconds) as bound:
            return await attempt()
    except TimeoutError:
        if not bound.expired():
            raise
        raise Unavailable("That took too long.", reason="attempt timed out") from None
