"""The worker as processes: settings, logs, signals, and the loop between start and stop."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Mapping
from typing import TextIO, cast

from tools import logs, reports
from tools.claims import Claims
from tools.environment import BadSetting
from worker.loop import ToolWorker
from worker.parent import Parent
from worker.post import Post, ThreadlessOutlet
from worker.resources import Resources, open_resources
from worker.rounds import rounds_of
from worker.run import JobRun, check_bodies
from worker.settings import Settings, load

NewRun = Callable[[Resources], JobRun]
"""Makes what runs the jobs of a process."""


def main(environ: Mapping[str, str], *, new_run: NewRun = JobRun) -> int:
    """Run workers until SIGTERM or SIGINT; the process's exit code, 2 for a wrong setting.

    It forks a process for each group of queues, and returns in each of those, too. Migrations are
    not its business: they run at release.
    """
    try:
        settings = load(environ)
    except BadSetting as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201 - there is no log yet
        return 2
    check_bodies()
    new_loop = loop_factory()
    outlet = cast(TextIO, ThreadlessOutlet(sys.stderr))
    logs.configure("worker", level=settings.log_level, stream=outlet)
    parent = Parent(
        settings.redis_url,
        settings.groups,
        processes=settings.worker_processes,
        drain_s=settings.worker_drain_s,
        hangs_after_s=settings.worker_hangs_after_s,
    )
    post = parent.run()
    if post is None:
        return 0
    logs.configure("worker", level=settings.log_level)
    reports.start(settings.sentry_dsn, process="worker")
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(settings, post, new_run=new_run, environ=environ))
    return 0


async def serve(
    settings: Settings,
    post: Post | None = None,
    *,
    new_run: NewRun = JobRun,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Serve until told to stop, finishing what runs; being told again changes nothing.

    Without a post there is no parent, and this process serves all the queues.
    """
    queues, token = (post.queues, post.token) if post else (settings.queues, "")
    async with open_resources(settings, environ) as resources:
        worker = ToolWorker(
            settings.redis_url,
            Claims(settings.redis_url, queues, token=token),
            new_run(resources),
            slots=settings.worker_slots,
            drain_s=settings.worker_drain_s,
        )
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, worker.stop)
        heart = asyncio.create_task(_beat(post, worker, settings.worker_retires_after))
        try:
            async with rounds_of(resources, queues).going():
                await worker.main()
        finally:
            heart.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heart
            await worker.close()


async def _beat(post: Post | None, worker: ToolWorker, retires_after: int) -> None:
    """Tell the parent that the loop turns, until there is no parent: then stop."""
    while post is not None:
        done = worker.jobs_complete + worker.jobs_failed
        if not post.beat(retires=0 < retires_after <= done):
            worker.stop()
            return
        await asyncio.sleep(post.beat_every_s)


def loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    """uvloop takes about a fifth off a job's round trip; where it is not built, asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop
