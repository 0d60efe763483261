"""What every test may lean on: a real Valkey of its own, and no way out of this machine."""

import ipaddress
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings

from admin import valkey

# On its first run Hypothesis reads our whole code before it draws: that, and how busy the machine
# is, is no failure of what is tried.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def _is_local(host: object) -> bool:
    name = str(host).strip("[]").split("%")[0]
    if name in ("", "localhost", "None"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback or name in ("0.0.0.0", "::")
    except ValueError:
        return False


def _keep_inside(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: a test that reaches for the outside fails where it does so."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
        host = host.decode() if isinstance(host, bytes) else host
    else:
        return
    if host is not None and not _is_local(host):
        raise PermissionError(f"tests stay on this machine: {event} to {host!r}")


sys.addaudithook(_keep_inside)


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A server of this test process's own (one per xdist worker), as ``unix://…``."""
    with valkey.running() as url:
        yield url


@pytest.fixture
def redis_url(valkey_url: str) -> str:
    """The same server, emptied for this test."""
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    return valkey_url
