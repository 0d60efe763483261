"""The tool queues seen by an operator; their keys stay ``tools.queue``'s own."""

import msgspec
from litestar import get
from litestar.di import NamedDependency

from tools.queue import QueueDepth, ToolQueue


class Queues(msgspec.Struct, frozen=True, kw_only=True):
    """Every queue, as it is now."""

    queues: list[QueueDepth]


async def look(queue: ToolQueue) -> Queues:
    """The queues as one answer, for the API and the command alike."""
    return Queues(queues=await queue.depth())


@get("/queues", summary="How full the tool queues are")
async def list_queues(queue: NamedDependency[ToolQueue]) -> Queues:
    """Waiting and running jobs, the age of the oldest, and live workers, by queue."""
    return await look(queue)
