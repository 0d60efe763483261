"""The tool queues seen and mended by an operator; their keys stay ``tools.queue``'s own."""

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import Parameter

from tools.dead import DeadLetter
from tools.gauges import Breaker, Ended, QueueDepth
from tools.queue import ToolQueue

SHOWN = 50
"""Of a long list, unless more is asked for."""
MOST = 1000
_ALL = 2 * MOST  # the list is trimmed now and then, not at every entry

Limit = Annotated[int, Parameter(ge=1, le=MOST, description="At most so many, the newest first.")]
DryRun = Annotated[bool, Parameter(description="Only count what would be forgotten.")]
JobId = Annotated[str, Parameter(description="As listed: the call's sid, a colon, and its own.")]


class Queues(msgspec.Struct, frozen=True, kw_only=True):
    """Every queue, as it is now."""

    queues: list[QueueDepth]
    breakers: list[Breaker]
    """Those that are not closed."""
    dead: int
    """Dead letters."""


class Dead(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that nobody runs again by himself."""

    dead: list[DeadLetter]


class Breakers(msgspec.Struct, frozen=True, kw_only=True):
    """Backends that jobs are kept from for a moment, because they failed too often."""

    breakers: list[Breaker]


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that ended lately."""

    ended: list[Ended]


class Retried(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter that was put on its queue once more."""

    job_id: str
    """It is another job, for what was said about the first one stays true."""


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """A waiting job that will never run."""

    job_id: str


class Purged(msgspec.Struct, frozen=True, kw_only=True):
    """What a purge did, or would do."""

    letters: int
    dry_run: bool


async def look(queue: ToolQueue) -> Queues:
    """The queues as one answer, for the API and the command alike."""
    return Queues(
        queues=await queue.depth(),
        breakers=await queue.breakers(),
        dead=len(await queue.dead(_ALL)),
    )


async def purge(queue: ToolQueue, *, dry_run: bool) -> Purged:
    """Forget every dead letter, or count them."""
    letters = len(await queue.dead(_ALL)) if dry_run else await queue.purge_dead()
    return Purged(letters=letters, dry_run=dry_run)


@get("/queues", summary="How full the tool queues are")
async def list_queues(queue: NamedDependency[ToolQueue]) -> Queues:
    """Waiting and running jobs, the age of the oldest, and live workers, by queue."""
    return await look(queue)


@get("/queues/dead", summary="List dead letters")
async def list_dead(queue: NamedDependency[ToolQueue], limit: Limit = SHOWN) -> Dead:
    """Jobs that killed their workers or failed by a mistake of ours, with the reason."""
    return Dead(dead=await queue.dead(limit))


@delete("/queues/dead", status_code=200, summary="Forget dead letters")
async def purge_dead(queue: NamedDependency[ToolQueue], dry_run: DryRun = False) -> Purged:
    """Forget all of them; none can be tried again then."""
    return await purge(queue, dry_run=dry_run)


@post("/queues/dead/{job_id:str}/retry", status_code=200, summary="Try a dead letter again")
async def retry_dead(queue: NamedDependency[ToolQueue], job_id: JobId) -> Retried:
    """Once more, with a budget from now, behind all that callers wait for."""
    again = await queue.retry(job_id)
    if again is None:
        raise NotFoundException("there is no such dead letter, or its job is kept no longer")
    return Retried(job_id=again)


@delete("/queues/jobs/{job_id:str}", status_code=200, summary="Cancel a waiting job")
async def drop_job(queue: NamedDependency[ToolQueue], job_id: JobId) -> Dropped:
    """It never runs, and its call is told so; one that began is left to end."""
    if not await queue.drop(job_id):
        raise NotFoundException("no such job waits; it may have begun")
    return Dropped(job_id=job_id)


@get("/queues/breakers", summary="List breakers that are not closed")
async def list_breakers(queue: NamedDependency[ToolQueue]) -> Breakers:
    """By practice and backend: whether it is open, and since when."""
    return Breakers(breakers=await queue.breakers())


@get("/queues/log", summary="List jobs that ended lately")
async def list_ended(queue: NamedDependency[ToolQueue], limit: Limit = SHOWN) -> Log:
    """Outcome, tries, worker, and how long each waited and took."""
    return Log(ended=await queue.ended(limit))


HANDLERS = [
    list_queues,
    list_dead,
    purge_dead,
    retry_dead,
    drop_job,
    list_breakers,
    list_ended,
]
