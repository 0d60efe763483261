"""The shape of every log line, the same in each process: an event's name and its fields.

One search by ``call_sid`` follows a function call from the bridge through the queue into a worker.
Whatever a caller said, or could be known by, stands only under a key that begins with ``pii.``;
such values are masked unless ``show_pii`` is asked for.
"""

import atexit
import io
import logging
import queue
import sys
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final, TextIO, cast

import structlog

MASK: Final = "•••"
LINES_WAITING: Final = 10_000
LAST_LINES_S: Final = 1.0
GATHER_S: Final = 0.02
"""How long lines are gathered before they are written: to wake a thread for each would cost who
writes them far more than the line."""
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
    lines_out = stream if stream is not None else cast(TextIO, Outlet(sys.stderr))
    number = level_number(level)

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
    watched = (stream or sys.stderr).isatty()
    ending: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if watched
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=lines_out),
        cache_logger_on_first_use=True,
    )
    lines = logging.StreamHandler(lines_out)
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    logging.basicConfig(handlers=[lines], level=number, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def level_number(level: str) -> int:
    """The level as the standard library counts it.

    Raises:
        ValueError: there is no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError("expected DEBUG, INFO, WARNING or ERROR")
    return number


class Outlet(io.TextIOBase):
    """A stream that whoever writes to it never waits for, and that never fails.

    Log lines leave a process through a pipe, and whoever reads it may be slow, or dead. Neither may
    hold up or end a call: lines wait in a bounded queue for a thread of their own, the newest are
    dropped when it is full, and what cannot be written is gone.
    """

    def __init__(self, stream: TextIO) -> None:
        self.dropped = 0
        """Lines that found the queue full."""
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(LINES_WAITING)
        self._closing = threading.Event()
        self._writer = threading.Thread(target=self._write_all, name="log lines", daemon=True)
        self._writer.start()
        atexit.register(self.close)

    def write(self, text: str) -> int:
        """Take a line; it is written soon."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self.dropped += 1
        return len(text)

    def flush(self) -> None:
        """Nothing: lines are written as fast as they are read."""

    def close(self) -> None:
        """Write what waits, for ``LAST_LINES_S`` at most."""
        self._closing.set()
        with suppress(queue.Full):
            self._lines.put_nowait(None)
        self._writer.join(LAST_LINES_S)

    def _write_all(self) -> None:
        while (text := self._lines.get()) is not None:
            self._closing.wait(GATHER_S)
            lines, last = [text], False
            with suppress(queue.Empty):
                while not last:
                    text = self._lines.get_nowait()
                    last = text is None
                    lines.append(text or "")
            with suppress(OSError, ValueError):
                self._stream.write("".join(lines))
                self._stream.flush()
            if last:
                return


def mask_pii(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Keep that there was something, not what."""
    for key in event:
        if key.startswith("pii."):
            event[key] = MASK
    return event
