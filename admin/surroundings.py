"""What a run on one machine sets for its processes where the environment is silent.

Owns the local addresses, ports and throw-away credentials; ``launcher`` starts what they name.
"""

import os
import secrets
import shlex
import socket
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import msgspec

from admin import valkey
from admin.errors import PortTaken, SettingsRefused
from admin.procfile import module_path
from admin.state import RunFile, StateDirectory

_OUR_FAMILIES = ("ADMIN_", "DEEPGRAM_", "TWILIO_", "WORKER_")
_OUR_NAMES = {
    "DATABASE_URL",
    "HOST",
    "PORT",
    "PROFILES_DIR",
    "PUBLIC_URL",
    "REDIS_URL",
    "SENTRY_DSN",
}

LONGEST_SOCKET_PATH = 100
"""Bytes; systems allow 104 to 108."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Where the parts listen on this machine; 0 takes a free port."""

    web: int = 8080
    admin: int = 8081
    simulator: int = 8082


FREE_PORTS = Ports(web=0, admin=0, simulator=0)


class HeldPort:
    """A port nobody else is given until the process it is meant for listens on it.

    On Linux a bound socket that does not listen lets another bind the same port when both say
    SO_REUSEADDR, as asyncio's and uvicorn's servers do. Elsewhere it is only looked up.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError as error:
            self._socket.close()
            raise PortTaken(f"port {port} is in use: {error.strerror}") from error
        self.number: int = self._socket.getsockname()[1]
        if not sys.platform.startswith("linux"):
            self._socket.close()

    def close(self) -> None:
        """The port's owner listens, or never will."""
        self._socket.close()


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """One run's addresses and what its processes find in their environment."""

    environ: dict[str, str]
    web_port: int
    admin_port: int
    simulator_port: int | None
    """None: real Deepgram, by ``DEEPGRAM_API_KEY``."""
    valkey_socket: str | None
    """None: a Redis that runs already, by ``REDIS_URL``."""
    made_up: tuple[str, ...]
    """Names of the variables that this run set itself."""

    @property
    def web_url(self) -> str:
        """The bridge, on this machine."""
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def admin_url(self) -> str:
        """The admin API, on this machine."""
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def simulator_url(self) -> str | None:
        """The emulated agent's control address."""
        port = self.simulator_port
        return None if port is None else f"http://127.0.0.1:{port}"

    def run_file(self) -> RunFile:
        """What another terminal needs; of secrets only those this run made up."""
        return RunFile(
            pid=os.getpid(),
            web_url=self.web_url,
            admin_url=self.admin_url,
            simulator_url=self.simulator_url,
            environ={name: self.environ[name] for name in self.made_up},
        )

    def of(self, process: str) -> dict[str, str]:
        """The environment of one process: all of it, and its own ``PORT``."""
        ports = {"web": self.web_port, "admin": self.admin_port}
        own = {"PORT": str(ports[process])} if process in ports else {}
        return {**self.environ, **own}


def compose(
    environ: Mapping[str, str], state: StateDirectory, ports: Ports, stack: ExitStack
) -> Surroundings:
    """Fill in what ``environ`` leaves out.

    Args:
        environ: As the operator set it; what is there stays.
        state: Where files go.
        ports: Wanted ports.
        stack: Held ports and the socket's directory are let go with it.

    Raises:
        PortTaken: a wanted port is in use.
    """
    found = {name: value for name, value in environ.items() if value}

    def port_of(wanted: int) -> int:
        held = HeldPort(wanted)
        stack.callback(held.close)
        return held.number

    web_port, admin_port = port_of(ports.web), port_of(ports.admin)
    mine = {"PUBLIC_URL": f"http://127.0.0.1:{web_port}", "HOST": "127.0.0.1"}
    valkey_socket = None
    if "REDIS_URL" not in found:
        valkey_socket = str(state.path / "valkey.sock")
        if len(os.fsencode(valkey_socket)) > LONGEST_SOCKET_PATH:
            short = stack.enter_context(tempfile.TemporaryDirectory(prefix="hf-"))
            valkey_socket = f"{short}/valkey.sock"
        mine["REDIS_URL"] = valkey.url_of(Path(valkey_socket))
    mine["DATABASE_URL"] = f"sqlite:///{state.path / 'holdfast.db'}"
    simulator_port = None
    if "DEEPGRAM_API_KEY" not in found:
        simulator_port = port_of(ports.simulator)
        mine["DEEPGRAM_API_KEY"] = "simulated"
        for name in ("DEEPGRAM_AGENT_URL", "DEEPGRAM_API_URL"):
            found.pop(name, None)  # without a key they lead nowhere
        mine["DEEPGRAM_AGENT_URL"] = f"ws://127.0.0.1:{simulator_port}/v1/agent/converse"
        mine["DEEPGRAM_API_URL"] = f"http://127.0.0.1:{simulator_port}"
    if "TWILIO_AUTH_TOKEN" not in found:
        mine["TWILIO_ACCOUNT_SID"] = f"AC{secrets.token_hex(16)}"
        mine["TWILIO_AUTH_TOKEN"] = secrets.token_hex(16)
        found.pop("TWILIO_API_URL", None)  # what was made up here is sent to nobody else
        mine["TWILIO_API_URL"] = mine.get("DEEPGRAM_API_URL", "off")
    mine["ADMIN_TOKENS"] = f"operator:{secrets.token_urlsafe(24)}"
    made_up = tuple(name for name in mine if name not in found)
    fixed = {"PYTHONPATH": module_path(environ), "PYTHONUNBUFFERED": "1"}
    return Surroundings(
        environ={**environ, **mine, **found, **fixed},
        web_port=web_port,
        admin_port=admin_port,
        simulator_port=simulator_port,
        valkey_socket=valkey_socket,
        made_up=made_up,
    )


def read_env_file(path: Path = Path(".env")) -> dict[str, str]:
    """``NAME=value`` lines, values quoted as a shell would; no file is an empty one.

    Raises:
        SettingsRefused: a line is none; its number is told, not its text.
    """
    found: dict[str, str] = {}
    if not path.is_file():
        return found
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise SettingsRefused(f"{path}:{number}: {error}") from error
        for word in words[words[:1] == ["export"] :]:
            name, equals, value = word.partition("=")
            if not equals or not name.isidentifier():
                raise SettingsRefused(f"{path}:{number}: not NAME=value")
            found[name] = value
    return found


def without_ours(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without any setting of ours: for runs that must not touch what is real."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _OUR_NAMES and not name.startswith(_OUR_FAMILIES)
    }
