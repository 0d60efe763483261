"""What the admin process reads from its environment, once, at start."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from admin.auth import Token, read_tokens
from admin.errors import SettingsRefused
from tools import connections, environment, logs, reports
from tools.environment import BadSetting


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """The admin process's settings; each field is an environment variable in capitals."""

    admin_tokens: str = ""
    """Bearer tokens by commas, each ``token`` or ``role:token``; without any: no start."""
    redis_url: str = "redis://localhost:6379/0"
    host: str = "0.0.0.0"  # a server in a container answers on every address
    port: Annotated[int, Meta(ge=0, le=65535)] = 8081
    sentry_dsn: str = ""
    log_level: str = "INFO"

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Who may come in."""
        return read_tokens(self.admin_tokens)


def load(environ: Mapping[str, str]) -> Settings:
    """The settings of this process, tokens checked.

    Raises:
        SettingsRefused: one is missing or wrong; the message names it, never its value.
    """
    try:
        settings = environment.read(
            Settings,
            environ,
            redis_url=connections.check_url,
            sentry_dsn=reports.check_dsn,
            log_level=logs.level_number,
        )
    except BadSetting as error:
        raise SettingsRefused(str(error)) from error
    read_tokens(settings.admin_tokens)
    return settings
