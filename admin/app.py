"""The admin process: wires the views to the owners of what they show, and serves them.

The same routes can be mounted in the bridge (``ADMIN_IN_WEB=1``), where one process must do.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import msgspec
import structlog
import uvicorn
from litestar import Litestar, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from admin import problems, queues, settings
from admin.auth import Doorkeeper, Token
from admin.errors import SettingsRefused
from admin.phrases import flush_phrases, list_phrases
from admin.settings import Settings
from bridge.phrases import PhraseCache
from tools import logs, reports
from tools.environment import BadSetting, listen
from tools.queue import ToolQueue

ROOT = "/admin"
SHUTDOWN_S = 5
"""Requests get so long to finish after SIGTERM; an open stream would otherwise hold us for ever."""

log = structlog.get_logger()

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """The process runs."""

    status: str = "ok"


@get("/healthz", sync_to_thread=False, include_in_schema=False)
def healthz() -> Alive:
    """Whether the process runs; asks nobody else, needs no token."""
    return Alive()


def create_admin(tokens: tuple[Token, ...], redis_url: str) -> tuple[Router, Lifespan]:
    """The admin routes, and the life of what they use; opens nothing yet.

    Args:
        tokens: Who may come in; without any, nobody can.
        redis_url: Where phrases and queues are.
    """
    cache = PhraseCache(redis_url, speech=None, wall_clock=time.time)
    queue = ToolQueue(redis_url)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(cache)
            await stack.enter_async_context(queue)
            yield

    router = Router(
        ROOT,
        route_handlers=[list_phrases, flush_phrases, *queues.HANDLERS],
        guards=[Doorkeeper(tokens)],
        dependencies={
            "cache": Provide(lambda: cache, sync_to_thread=False),
            "queue": Provide(lambda: queue, sync_to_thread=False),
        },
        exception_handlers=problems.HANDLERS,
        cache_control=CacheControlHeader(no_store=True),
        tags=["admin"],
    )
    return router, lifespan


def create_app(settings: Settings) -> Litestar:
    """The admin app of a process of its own."""
    router, lifespan = create_admin(settings.tokens, settings.redis_url)
    return Litestar(
        route_handlers=[healthz, router],
        lifespan=[lifespan],
        exception_handlers=problems.HANDLERS,
        openapi_config=_documents(settings.tokens),
        logging_config=None,
    )


def _documents(tokens: tuple[Token, ...]) -> OpenAPIConfig:
    """The schema as JSON, behind the same door; the usual pages load scripts from elsewhere."""
    return OpenAPIConfig(
        title="Holdfast admin",
        version="1",
        path=f"{ROOT}/schema",
        render_plugins=[JsonRenderPlugin()],
        openapi_router=Router(
            f"{ROOT}/schema",
            route_handlers=[],
            guards=[Doorkeeper(tokens)],
            include_in_schema=False,
        ),
    )


def main(environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM.

    Raises:
        SettingsRefused: from this environment it does not start.
    """
    found = settings.load(environ)
    logs.configure("admin", level=found.log_level)
    reports.start(found.sentry_dsn, process="admin")
    app: Any = create_app(found)
    try:
        listening = listen(found.host, found.port)
    except BadSetting as error:
        raise SettingsRefused(str(error)) from error
    # Its lines about starting and stopping say less than ours.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    host, port = listening.getsockname()[:2]
    log.info("listening", host=host, port=port, tokens=len(found.tokens))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # addresses and paths of operators are the audit log's
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    return 0 if server.started else 1
