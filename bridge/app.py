"""The bridge's composition root: reads settings, opens resources, wires everything, serves.

``main`` runs the process; ``create_app`` makes the Litestar application, also for ``admin``, which
may mount its own routes beside the bridge's.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import structlog
import uvicorn
import uvloop
from litestar import Litestar
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsPlugin
from litestar.types import ControllerRouterHandler

from bridge import settings as environment
from bridge.call.local import check_local
from bridge.caller import MediaProtocol
from bridge.desk import Desk, Live
from bridge.line_gate import LineGate
from bridge.phrases import PhraseCache
from bridge.profile import PACKAGED, load_profiles
from bridge.routes import handlers
from bridge.settings import Settings
from bridge.speech import Speech
from bridge.store import ConversationStore
from tools import logs, reports
from tools.catalog import OFFERED
from tools.environment import listen
from tools.queue import ToolQueue

LARGEST_FRAME_BYTES: Final = 64 * 1024
"""Twilio's frames have about 400 bytes; larger ones are closed with 1009."""
STOP_S: Final = 3
"""After draining, so long may plain HTTP requests take to end."""
SAME_SIGNAL_S: Final = 2.0
"""Heroku may repeat SIGTERM; only one that comes later than this means "now"."""

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]

log = structlog.get_logger()


def create_app(
    settings: Settings,
    *,
    live: Live | None = None,
    extra_handlers: Sequence[ControllerRouterHandler] = (),
    extra_lifespans: Sequence[Lifespan] = (),
) -> Litestar:
    """The bridge as an application. It must be served by ``serve``: media needs its protocol."""
    live = live or Live()
    check_local()
    directory = Path(settings.profiles_dir) if settings.profiles_dir else PACKAGED
    profiles = load_profiles(directory, known_tools=OFFERED)
    store = ConversationStore(settings.redis_url, wall_clock=time.time)
    queue = ToolQueue(settings.redis_url)
    client = httpx.AsyncClient(timeout=httpx.Timeout(10.0, connect=3.0))
    speech = Speech(client, api_url=settings.deepgram_api_url, api_key=settings.deepgram_api_key)
    phrases = PhraseCache(settings.redis_url, speech=speech, wall_clock=time.time)

    @asynccontextmanager
    async def resources(_: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(store.aclose)
            await stack.enter_async_context(client)
            await stack.enter_async_context(phrases)
            await stack.enter_async_context(queue)
            phrases.warm(profiles.all())
            yield

    desk = Desk(
        settings=settings,
        profiles=profiles,
        store=store,
        phrases=phrases,
        queue=queue,
        gate=LineGate(),
        live=live,
    )
    return Litestar(
        route_handlers=[*handlers(desk), *extra_handlers],
        lifespan=[resources, *extra_lifespans],
        plugins=[ProblemDetailsPlugin(ProblemDetailsConfig(enable_for_all_http_exceptions=True))],
        openapi_config=None,
        logging_config=None,
    )


class Server(uvicorn.Server):
    """uvicorn that lets calls end.

    Every server cuts open WebSockets on SIGTERM (uvicorn with 1012, within 0.1 s). Here the first
    signal only begins the drain: not ready any more, live calls go on until the last has ended or
    the time is up; then they are closed with 1000, after which Twilio asks where to go on.
    """

    def __init__(self, config: uvicorn.Config, *, live: Live, drain_s: float) -> None:
        super().__init__(config)
        self._live = live
        self._drain_s = drain_s
        self._first_signal_at: float | None = None
        self._drain: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: object) -> None:
        """A signal: the first drains, a later one ends at once."""
        now = time.monotonic()
        if self._first_signal_at is None:
            self._first_signal_at = now
            self._live.draining = True
            self._loop.call_soon_threadsafe(self._begin_drain)
        elif now - self._first_signal_at > SAME_SIGNAL_S:
            self.should_exit = True

    def _begin_drain(self) -> None:
        self._drain = asyncio.get_running_loop().create_task(self._let_calls_end())

    async def _let_calls_end(self) -> None:
        log.info("draining", calls=len(self._live.drivers), seconds=self._drain_s)
        try:
            async with asyncio.timeout(self._drain_s):
                await self._live.none_left.wait()
        except TimeoutError:
            for driver in list(self._live.drivers):
                driver.hang_up("drained")
            await self._live.none_left.wait()
        self.should_exit = True


async def serve(app: Litestar, settings: Settings, live: Live) -> None:
    """Serve until told to stop, and then until the calls have ended or ``drain_s`` is over."""
    config = uvicorn.Config(
        app,
        ws=MediaProtocol,
        ws_per_message_deflate=False,
        ws_max_size=LARGEST_FRAME_BYTES,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        timeout_graceful_shutdown=STOP_S,
        timeout_keep_alive=75,
        proxy_headers=True,
        forwarded_allow_ips="*",
        access_log=False,
        log_config=None,
        lifespan="on",
        backlog=2048,
    )
    listening = listen(settings.host, settings.port)
    host, port = listening.getsockname()[:2]
    log.info("listening", host=host, port=port, public_url=settings.public_url)
    await Server(config, live=live, drain_s=settings.drain_s).serve(sockets=[listening])


async def run(
    settings: Settings,
    *,
    extra_handlers: Sequence[ControllerRouterHandler] = (),
    extra_lifespans: Sequence[Lifespan] = (),
) -> None:
    """The whole process, on a running loop."""
    live = Live()
    app = create_app(
        settings, live=live, extra_handlers=extra_handlers, extra_lifespans=extra_lifespans
    )
    await serve(app, settings, live)


def main(
    environ: Mapping[str, str],
    *,
    extra_handlers: Sequence[ControllerRouterHandler] = (),
    extra_lifespans: Sequence[Lifespan] = (),
) -> None:
    """The ``web`` process.

    Raises:
        BadConfiguration: a setting or a profile is wrong.
        BadSetting: nobody can listen where ``HOST`` and ``PORT`` say.
    """
    settings = environment.load(environ)
    logs.configure("bridge", level=settings.log_level)
    # Every call is two lines there, with its URL; ours say more.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    reports.start(settings.sentry_dsn, process="bridge")
    uvloop.run(run(settings, extra_handlers=extra_handlers, extra_lifespans=extra_lifespans))
