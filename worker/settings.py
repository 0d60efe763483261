"""What a worker reads from its environment, once, at its start."""

from collections.abc import Mapping

import msgspec

from tools.catalog import LONGEST_BUDGET_S, QUEUES
from tools.database import DEFAULT_URL


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """The worker's settings; the names are those of the environment in lower case."""

    redis_url: str = "redis://localhost:6379/0"
    """``redis://``, ``rediss://`` or ``unix://``."""
    database_url: str = DEFAULT_URL
    """``postgresql://`` or ``sqlite:///``."""
    worker_queues: str = ",".join(QUEUES)
    """Queues this process serves, most urgent first, separated by commas."""
    worker_slots: int = 10
    """Jobs at once from each queue; a tool that hangs fills its own queue's slots only."""
    worker_drain_s: float = LONGEST_BUDGET_S + 1.0
    """Seconds that running jobs have to finish once the worker is told to stop."""
    sentry_dsn: str = ""
    log_level: str = "INFO"

    @property
    def queues(self) -> tuple[str, ...]:
        """The names in ``worker_queues``."""
        return tuple(dict.fromkeys(name.strip() for name in self.worker_queues.split(",")))

    def __post_init__(self) -> None:
        if unknown := [name for name in self.queues if name not in QUEUES]:
            raise ValueError(
                f"WORKER_QUEUES names {', '.join(unknown) or 'nothing'}; "
                f"there are {', '.join(QUEUES)}"
            )
        if self.worker_slots < 1:
            raise ValueError("WORKER_SLOTS must be at least 1")


def load(environ: Mapping[str, str]) -> Settings:
    """The settings in an environment. A variable that is set to nothing counts as not set.

    Raises:
        ValueError: a value is none of its kind; the message names the variable.
    """
    given = {name: value for name, value in environ.items() if value}
    return msgspec.convert(given, Settings, strict=False)
