"""What the bridge reads from its environment, once, at start.

Leaves what a practice is like to ``bridge.profile``. Names are those the outside relies on; every
other setting has a default.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from bridge.errors import BadConfiguration
from tools import connections, environment, logs, reports
from tools.environment import BadSetting


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """The bridge's settings; each field is an environment variable in capitals."""

    public_url: str
    """Origin at which Twilio reaches the bridge; signatures are computed from it."""
    twilio_account_sid: str
    twilio_auth_token: str
    """Signs Twilio's requests; two, separated by a comma, while one is being rotated."""
    deepgram_api_key: str
    redis_url: str = "redis://localhost:6379/0"
    deepgram_agent_url: str = "wss://agent.deepgram.com/v1/agent/converse"
    deepgram_api_url: str = "https://api.deepgram.com"
    profiles_dir: str = ""
    """Folder of practice profiles; empty: those that come with the project."""
    host: str = "0.0.0.0"  # a server in a container answers on every address
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    drain_s: Annotated[float, Meta(ge=0, le=300)] = 20.0
    """Seconds that live calls get to end by themselves after SIGTERM; with the last saves and
    closes behind it, it fits into Heroku's thirty."""
    longest_call_s: Annotated[float, Meta(gt=0, le=21_600)] = 10_800.0
    """Seconds after which a call is ended politely. Deepgram ends a session at two hours, but the
    call has another by then."""
    start_patience_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """Seconds in which a media socket has to say ``start`` with a valid token."""
    resume_limit: Annotated[int, Meta(ge=0, le=20)] = 3
    """How often a call whose stream was lost is connected again."""
    admin_in_web: bool = False
    sentry_dsn: str = ""
    log_level: str = "INFO"

    @property
    def signing_tokens(self) -> list[str]:
        """The auth tokens, each of which may have signed a request."""
        return [token.strip() for token in self.twilio_auth_token.split(",") if token.strip()]

    @property
    def origin(self) -> str:
        """``PUBLIC_URL`` without a trailing slash."""
        return self.public_url.rstrip("/")

    @property
    def stream_url(self) -> str:
        """Where Twilio opens the media WebSocket."""
        scheme, rest = self.origin.split("://", 1)
        return f"{'wss' if scheme in ('https', 'wss') else 'ws'}://{rest}/twilio/media"

    def url(self, path: str) -> str:
        """An address of ours as Twilio sees it."""
        scheme, rest = self.origin.split("://", 1)
        return f"{'https' if scheme in ('https', 'wss') else 'http'}://{rest}{path}"


def load(environ: Mapping[str, str]) -> Settings:
    """The settings of this process.

    Raises:
        BadConfiguration: one is missing or wrong; the message names it, never its value.
    """
    try:
        settings = environment.read(
            Settings,
            environ,
            redis_url=connections.check_url,
            profiles_dir=_check_folder,
            sentry_dsn=reports.check_dsn,
            log_level=logs.level_number,
        )
    except BadSetting as error:
        raise BadConfiguration(str(error)) from error
    _check_url("PUBLIC_URL", settings.public_url, {"https", "wss"}, {"http", "ws"})
    _check_url("DEEPGRAM_AGENT_URL", settings.deepgram_agent_url, {"wss"}, {"ws"})
    _check_url("DEEPGRAM_API_URL", settings.deepgram_api_url, {"https"}, {"http"})
    if "?" in settings.public_url or "#" in settings.public_url:
        raise BadConfiguration("PUBLIC_URL: an origin has neither query nor fragment")
    if not settings.signing_tokens:
        raise BadConfiguration("TWILIO_AUTH_TOKEN: empty")
    return settings


def _check_folder(path: str) -> None:
    if path and not any(Path(path).glob("*.toml")):
        raise ValueError("no profile (*.toml) in this folder")


def _check_url(name: str, url: str, safe: set[str], loopback_only: set[str]) -> None:
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, host = "", None
    if not host or scheme not in safe | loopback_only:
        raise BadConfiguration(f"{name}: expected {' or '.join(sorted(safe))}://…") from None
    if scheme in loopback_only and not _is_loopback(host):
        raise BadConfiguration(f"{name}: {scheme}:// is for loopback addresses only")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
