"""What a worker reads from its environment, once, at its start."""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tools import addresses, connections, database, environment, logs, reports, texts
from tools.catalog import QUEUED, QUEUES
from tools.database import DEFAULT_URL
from tools.environment import BadSetting

OFF = "off"

LONGEST_WAIT_S: Final = max(tool.budget_s for tool in QUEUED.values() if not tool.internal)


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """The worker's settings; the names are those of the environment in lower case."""

    redis_url: str = "redis://localhost:6379/0"
    """``redis://``, ``rediss://`` or ``unix://``."""
    database_url: str = DEFAULT_URL
    """``postgresql://`` or ``sqlite:///``."""
    worker_queues: str = "booking;lookup;messages;settle,summary"
    """Groups of queues by semicolons, a process of its own for each; in a group queues by commas,
    most urgent first."""
    worker_processes: Annotated[int, Meta(ge=1, le=64)] = 1
    """For each group."""
    worker_slots: Annotated[int, Meta(ge=1, le=1000)] = 10
    """Jobs at once from each queue; a tool that hangs fills its own queue's slots only."""
    worker_drain_s: Annotated[float, Meta(ge=0, le=300)] = LONGEST_WAIT_S + 1.0
    """Seconds that running jobs have to finish once the worker is told to stop; the rest is given
    back. What no caller waits for may have a longer budget: others do it as well."""
    worker_hangs_after_s: Annotated[float, Meta(ge=1, le=600)] = 10.0
    """A process whose event loop stands still for so long is killed and its jobs are freed."""
    worker_retires_after: Annotated[int, Meta(ge=0)] = 0
    """Jobs after which a process finishes what runs and another takes its place; 0: never."""
    summary_url: str = ""
    """Base of an OpenAI-compatible API that condenses what was said; empty: nobody is asked."""
    summary_model: str = ""
    summary_api_key: str = ""
    twilio_account_sid: str = ""
    """The account that text messages are sent by; empty: none are sent."""
    twilio_auth_token: str = ""
    """Two, separated by a comma, while one is being rotated: the first is used."""
    twilio_api_key_sid: str = ""
    """Used in place of the token, which opens the whole account."""
    twilio_api_key_secret: str = ""
    twilio_api_url: str = "https://api.twilio.com"
    """Another region's, or the simulator's; ``off``: no text messages are sent."""
    sentry_dsn: str = ""
    log_level: str = "INFO"

    @property
    def twilio_credentials(self) -> tuple[str, str] | None:
        """User and password of Twilio's REST API; None where no text messages are sent."""
        if not self.twilio_account_sid or self.twilio_api_url == OFF:
            return None
        if self.twilio_api_key_sid:
            return self.twilio_api_key_sid, self.twilio_api_key_secret
        token = self.twilio_auth_token.partition(",")[0].strip()
        return (self.twilio_account_sid, token) if token else None

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The names in ``worker_queues``, by the process that serves them."""
        return tuple(_names(group) for group in self.worker_queues.split(";"))

    @property
    def queues(self) -> tuple[str, ...]:
        """Every name in ``worker_queues``."""
        return tuple(dict.fromkeys(name for group in self.groups for name in group))


def load(environ: Mapping[str, str]) -> Settings:
    """The settings of this process.

    Raises:
        BadSetting: one is wrong; the message names it, never its value.
    """
    settings = environment.read(
        Settings,
        environ,
        redis_url=connections.check_url,
        database_url=database.check_url,
        worker_queues=_check_queues,
        summary_url=addresses.check_url,
        summary_api_key=addresses.check_key,
        twilio_account_sid=texts.check_account,
        twilio_api_url=_check_twilio_url,
        sentry_dsn=reports.check_dsn,
        log_level=logs.level_number,
    )
    if settings.summary_url and not settings.summary_model:
        raise BadSetting("SUMMARY_MODEL: required where SUMMARY_URL is set")
    if bool(settings.twilio_api_key_sid) != bool(settings.twilio_api_key_secret):
        raise BadSetting("TWILIO_API_KEY_SID, TWILIO_API_KEY_SECRET: one without the other")
    return settings


def _check_twilio_url(url: str) -> None:
    if url != OFF:
        addresses.check_url(url)


def _check_queues(names: str) -> None:
    if not set(_names(names.replace(";", ","))) <= set(QUEUES):
        raise ValueError(f"expected names out of {', '.join(QUEUES)}, by commas and semicolons")


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",")))
