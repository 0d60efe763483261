"""What became of an effect that was in doubt, told to whoever holds the call by then.

Puts the final outcome where the doubt was kept, so that a bridge that takes the call over finds it
too. Leaves finding out to the settler, and saying it to the call.
"""

import time
from types import TracebackType
from typing import Self

from tools import keys, scripts
from tools.catalog import QUEUED
from tools.connections import connect
from tools.contract import ToolOutcome, is_final
from tools.records import ResultRecord, encode_outcome, encode_result


class LateOutcomes:
    """Announces final outcomes. Redis errors come through as they are: announce again later."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url)
        self._announce = self._redis.register_script(scripts.ANNOUNCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._redis.aclose()

    async def announce(self, call_sid: str, outcome: ToolOutcome) -> int:
        """Put a final outcome in place of a doubt and publish it; how many bridges listen.

        A result that is final already stays as it is, but is published over again. Doing it twice
        is no harm: a call that has a final outcome takes no other.

        Raises:
            ValueError: the outcome is a doubt itself, or of no tool of ours: our mistake.
        """
        tool = QUEUED.get(outcome.tool)
        if tool is None or not is_final(outcome):
            raise ValueError(f"nothing to announce about {outcome.tool}")
        job_id = f"{call_sid}:{outcome.function_call_id}"
        now_ms = int(time.time() * 1000)
        result = ResultRecord(
            tool=outcome.tool,
            outcome=outcome,
            job_id=job_id,
            queue_key=keys.queue_key(tool.queue),
            tries=0,
            queued_ms=now_ms,
            started_ms=now_ms,
            finished_ms=now_ms,
        )
        heard_by: int = await self._announce(
            keys=[keys.queue_key(tool.queue), keys.outcomes_channel(call_sid)],
            args=[job_id, encode_result(result), keys.RESULT_KEPT_MS, encode_outcome(outcome)],
        )
        return heard_by
