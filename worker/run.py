"""Runs one job: decode, budget, body, outcome. Also checks the table of which body does which tool.

Whatever happens in a body, an outcome comes out. Leaves what an effect needs besides (the ledger)
to ``effects``, claiming and recording to ``loop``.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import structlog

from tools.catalog import CATALOG, Tool, decode_arguments
from tools.contract import VERSION, Done, Failed, ToolJob, ToolOutcome
from tools.errand import Errand
from tools.errors import BudgetSpent, LeaseLost, ToolError, Unavailable
from tools.retries import attempt_s, within
from worker.bodies import BODIES, Body
from worker.effects import EffectRun, Request
from worker.resources import Resources

TRIES_OF_A_READ: Final = 2
TRIES_OF_AN_EFFECT: Final = 3
"""Workers that may die over one job before it counts as poison; an effect gets one more, to find
out what became of it."""
TRIES_OF_WHAT_IS_OWED: Final = 30
"""What must not be forgotten waits for a database that is away: some minutes, with every try."""
TOO_LATE_S: Final = 0.05
"""With less left than that nothing is begun."""

log = structlog.get_logger()


def check_bodies(
    catalog: Mapping[str, Tool] = CATALOG, bodies: Mapping[str, Body] = BODIES
) -> None:
    """Refuse to start when the catalogue and the table of bodies differ.

    What a call does by itself has its body there, and none here.

    Raises:
        RuntimeError: names the tools that one of them lacks.
    """
    queued = {name for name, tool in catalog.items() if tool.place == "worker"}
    if missing := sorted(queued ^ bodies.keys()):
        raise RuntimeError(f"catalogue and bodies differ: {', '.join(missing)}")


def most_tries(tool: Tool) -> int:
    """How often a job of this tool may be claimed."""
    if tool.owed:
        return TRIES_OF_WHAT_IS_OWED
    return TRIES_OF_AN_EFFECT if tool.effect else TRIES_OF_A_READ


class JobRun:
    """Runs jobs with these bodies and resources."""

    def __init__(
        self,
        resources: Resources,
        *,
        bodies: Mapping[str, Body] = BODIES,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._resources = resources
        self._bodies = bodies
        self._wall_clock = wall_clock
        self._effects = EffectRun(resources)

    async def outcome(
        self, job: ToolJob, *, tries: int, still_mine: Callable[[], bool]
    ) -> ToolOutcome:
        """What became of a job; every failure but one is an outcome too.

        Raises:
            LeaseLost: the job is another worker's by now; there is nothing to record.
        """
        if job.version > VERSION:
            return _failed(job, "version", "I can't do that just now.")
        tool = CATALOG.get(job.tool)
        if tool is None or job.tool not in self._bodies:
            return _failed(job, "unknown_tool", "I can't do that.")
        try:
            arguments = decode_arguments(tool, job.arguments)
        except ToolError as error:
            return _failed(job, error.code, error.say)
        left_s = job.asked_utc + job.budget_s - self._wall_clock()
        if tool.owed:  # nobody waits, and it is wanted at any time
            left_s = max(left_s, tool.budget_s)
        poisonous, late = tries > most_tries(tool), left_s < TOO_LATE_S
        if poisonous:
            log.error("job_poisonous", tries=tries)
        if tool.effect:
            request = Request(
                job=job,
                tool=tool,
                arguments=arguments,
                body=self._bodies[tool.name],
                tries=tries,
                still_mine=still_mine,
            )
            if poisonous or (late and tool.late == "look"):
                return await self._effects.look(request)
            return await self._effects.do(request, tool.budget_s if late else left_s)
        if poisonous or late:
            return _failed(job, "internal" if poisonous else "budget_spent", tool.fallback)
        return await self._read(job, tool, arguments, left_s, still_mine)

    async def _read(
        self,
        job: ToolJob,
        tool: Tool,
        arguments: msgspec.Struct,
        left_s: float,
        still_mine: Callable[[], bool],
    ) -> ToolOutcome:
        body = self._bodies[tool.name]
        errand = Errand(
            practice=job.practice,
            call_sid=job.call_sid,
            job_id=job.job_id,
            attempt_s=attempt_s(left_s, tool.tries),
            still_mine=still_mine,
        )
        try:
            answer = await within(
                left_s, lambda: body(arguments, self._resources, errand), tries=tool.tries
            )
        except LeaseLost:
            raise
        except (BudgetSpent, Unavailable) as error:
            log.warning("job_unanswered", code=error.code, reason=error.reason)
            if tool.owed:
                raise LeaseLost("It is tried again.", reason=error.reason) from error
            return _failed(job, error.code, tool.fallback)
        except ToolError as error:
            return _failed(job, error.code, error.say)
        except Exception:
            log.exception("job_failed")
            return _failed(job, "internal", tool.fallback)
        return Done(
            function_call_id=job.function_call_id,
            tool=tool.name,
            content=msgspec.json.encode(answer).decode(),
        )


def _failed(job: ToolJob, code: str, say: str) -> Failed:
    return Failed(function_call_id=job.function_call_id, tool=job.tool, code=code, say=say)
