"""The worker as a process: settings, logs, signals, and the loop between start and stop."""

import asyncio
import signal
import sys
from collections.abc import Mapping

import structlog

from tools import logs, reports
from tools.claims import Claims
from tools.environment import BadSetting
from worker.loop import ToolWorker
from worker.resources import open_resources
from worker.run import JobRun, check_bodies
from worker.settings import Settings, load

log = structlog.get_logger()


def main(environ: Mapping[str, str]) -> int:
    """Run a worker until SIGTERM or SIGINT; the process's exit code, 2 for a wrong setting.

    Migrations are not its business: they run at release.
    """
    try:
        settings = load(environ)
    except BadSetting as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201 - there is no log yet
        return 2
    logs.configure("worker", level=settings.log_level)
    reports.start(settings.sentry_dsn, process="worker")
    check_bodies()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(settings))
    return 0


async def serve(settings: Settings) -> None:
    """Serve until told to stop, finishing what runs; being told again changes nothing."""
    async with open_resources(settings) as resources:
        worker = ToolWorker(
            settings.redis_url,
            Claims(settings.redis_url, settings.queues),
            JobRun(resources),
            slots=settings.worker_slots,
            drain_s=settings.worker_drain_s,
        )
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, worker.stop)
        try:
            await worker.main()
        finally:
            await worker.close()


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    """uvloop takes about a fifth off a job's round trip; where it is not built, asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop
