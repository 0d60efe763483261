"""The shape of every log line, the same in each process: an event's name and its fields.

One search by ``call_sid`` follows a function call from the bridge through the queue into a worker.
Whatever a caller said, or could be known by, stands only under a key that begins with ``pii.``;
such values are masked unless ``show_pii`` is asked for.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

MASK: Final = "•••"
QUIET: Final = ("arq", "alembic", "sqlalchemy", "aiosqlite", "asyncpg", "httpx", "httpcore")
"""Libraries whose chatter is not ours; arq's holds arguments, and so patients."""


def configure(
    process: str,
    *,
    level: str = "INFO",
    stream: TextIO | None = None,
    show_pii: bool = False,
) -> None:
    """Set up structlog and the standard library's logging; JSON unless a person is watching.

    ``process`` is a field of every line: ``bridge``, ``worker``, ``admin``.

    Raises:
        ValueError: there is no such level.
    """
    stream = stream or sys.stderr
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"LOG_LEVEL names {level}; DEBUG, INFO, WARNING or ERROR it must be")

    def name_process(
        _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event.setdefault("process", process)
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_process,
        *([] if show_pii else [mask_pii]),
    ]
    watched = stream.isatty()
    ending: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if watched
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    lines = logging.StreamHandler(stream)
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    logging.basicConfig(handlers=[lines], level=number, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def mask_pii(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Keep that there was something, not what."""
    for key in event:
        if key.startswith("pii."):
            event[key] = MASK
    return event
