"""``holdfast queues``: what the admin API shows and mends of the tool queues, on a terminal."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from admin import queues
from admin.errors import NotReady, OperatorError
from admin.queues import Dead, Dropped, Log, Retried
from admin.verbs import print_json, redis_url
from bridge.simulator.report import table
from tools.errors import Unavailable
from tools.queue import ToolQueue


async def show(environ: Mapping[str, str], state: Path, *, as_json: bool) -> int:
    """Print how full the queues are, and what is wrong with them."""
    async with _queue(environ, state) as queue:
        answer = await queues.look(queue)
    if as_json:
        print_json(answer)
        return 0
    rows = [["queue", "waiting", "running", "oldest", "workers"]]
    rows += [
        [
            each.queue,
            str(each.waiting),
            str(each.running),
            f"{each.oldest_waiting_s:.1f} s",
            str(each.workers),
        ]
        for each in answer.queues
    ]
    print(table(rows))
    for breaker in answer.breakers:
        does = "keeps jobs away" if breaker.open else "lets one job at a time through"
        print(f"breaker {breaker.name} {does}, since {breaker.since_s:.0f} s")
    if answer.dead:
        print(f"{answer.dead} dead letters: holdfast queues dead")
    return 0


async def dead(environ: Mapping[str, str], state: Path, *, limit: int, as_json: bool) -> int:
    """Print the dead letters."""
    _check(limit)
    async with _queue(environ, state) as queue:
        answer = Dead(dead=await queue.dead(limit))
    if as_json:
        print_json(answer)
        return 0
    rows = [["job", "tool", "why", "tries", "died (UTC)", "worker"]]
    rows += [
        [each.job_id, each.tool, each.code, str(each.tries), _clock(each.died_utc), each.worker]
        for each in answer.dead
    ]
    print(table(rows) if answer.dead else "no dead letters")
    return 0


async def log(environ: Mapping[str, str], state: Path, *, limit: int, as_json: bool) -> int:
    """Print the jobs that ended last."""
    _check(limit)
    async with _queue(environ, state) as queue:
        answer = Log(ended=await queue.ended(limit))
    if as_json:
        print_json(answer)
        return 0
    rows = [["job", "tool", "outcome", "tries", "waited", "took", "ended (UTC)"]]
    rows += [
        [
            each.job_id,
            each.tool,
            each.outcome + ", late" * each.late,
            str(each.tries),
            f"{each.waited_ms} ms",
            f"{each.took_ms} ms",
            _clock(each.ended_utc),
        ]
        for each in answer.ended
    ]
    print(table(rows) if answer.ended else "no job has ended yet")
    return 0


async def retry(environ: Mapping[str, str], state: Path, job_id: str, *, as_json: bool) -> int:
    """Have a dead letter run once more.

    Raises:
        OperatorError: there is none of that id, or its job is kept no longer.
    """
    async with _queue(environ, state) as queue:
        again = await queue.retry(job_id)
    if again is None:
        raise OperatorError("there is no such dead letter, or its job is kept no longer")
    if as_json:
        print_json(Retried(job_id=again))
    else:
        print(f"on its queue again, as {again}")
    return 0


async def drop(environ: Mapping[str, str], state: Path, job_id: str, *, as_json: bool) -> int:
    """Take a waiting job off its queue.

    Raises:
        OperatorError: none of that id waits.
    """
    async with _queue(environ, state) as queue:
        dropped = await queue.drop(job_id)
    if not dropped:
        raise OperatorError("no such job waits; it may have begun")
    if as_json:
        print_json(Dropped(job_id=job_id))
    else:
        print("taken off; its call is told that it was not done")
    return 0


async def purge(environ: Mapping[str, str], state: Path, *, dry_run: bool, as_json: bool) -> int:
    """Forget every dead letter, or count them."""
    async with _queue(environ, state) as queue:
        answer = await queues.purge(queue, dry_run=dry_run)
    if as_json:
        print_json(answer)
    else:
        does = "would be" if dry_run else "are"
        print(f"{answer.letters} dead letters {does} forgotten")
    return 0


@asynccontextmanager
async def _queue(environ: Mapping[str, str], state: Path) -> AsyncIterator[ToolQueue]:
    try:
        async with ToolQueue(redis_url(environ, state)) as queue:
            yield queue
    except Unavailable as error:
        raise NotReady("Redis cannot be reached") from error


def _check(limit: int) -> None:
    if limit < 1:
        raise OperatorError("--limit is more than 0")


def _clock(utc: float) -> str:
    return datetime.fromtimestamp(utc, UTC).strftime("%m-%d %H:%M:%S")
