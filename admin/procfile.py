"""The Procfile: which processes there are and the line that starts each; runs nothing itself."""

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from admin.errors import ProcfileError

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*)")


def find() -> Path:
    """The Procfile of this checkout, or the copy that an installed package carries.

    Raises:
        ProcfileError: neither is there.
    """
    package = Path(__file__).resolve().parent
    for path in (package.parent / "Procfile", package / "Procfile"):
        if path.is_file():
            return path
    raise ProcfileError("no Procfile beside the packages: name one with --procfile")


def read(path: Path) -> dict[str, str]:
    """Process name to command line, in the file's order.

    Raises:
        ProcfileError: names the file and the line.
    """
    lines: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ProcfileError(f"{path}:{number}: not 'name: command': {line!r}")
        if match["name"] in lines:
            raise ProcfileError(f"{path}:{number}: {match['name']!r} is there twice")
        lines[match["name"]] = match["command"]
    return lines


def arguments(command: str) -> list[str]:
    """The argument vector of a Procfile line.

    ``holdfast …`` runs with this interpreter, so nothing need be on the PATH; any other line goes
    through the shell, as on the platforms that read this file.
    """
    words = shlex.split(command)
    if words[0] == "holdfast":
        return holdfast(*words[1:])
    return ["/bin/sh", "-c", f"exec {command}"]


def holdfast(*words: str) -> list[str]:
    """The argument vector of ``holdfast`` with these words."""
    return [sys.executable, "-m", "admin.cli", *words]


def module_path(environ: Mapping[str, str]) -> str:
    """A ``PYTHONPATH`` by which :func:`holdfast` works from any directory."""
    root = str(Path(__file__).resolve().parent.parent)
    return ":".join(filter(None, [root, environ.get("PYTHONPATH", "")]))
