"""Five hundred callers while everything breaks: not one booking twice, lost, or made up."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

CALLS = 500 if sys.version_info < (3, 13) else 100
"""Where both Pythons are tried, the second need not show it all again."""
PATIENTLY_S = 600.0


def ordeal(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "admin.cli", "chaos", "bookings", *words],
        capture_output=True,
        text=True,
        timeout=PATIENTLY_S,
        check=False,
    )


def test_every_promise_is_kept_under_fire(tmp_path: Path) -> None:
    ended = ordeal("--calls", str(CALLS), "--at-once", "60", "--keep", str(tmp_path), "--json")

    report = msgspec.json.decode(ended.stdout or "{}")
    assert (ended.returncode, report.get("failures")) == (0, []), ended.stdout + ended.stderr
    assert report["calls"] == CALLS
    assert report["verdict"]["bookings"] > CALLS / 4
    assert {"worker"} < report["blows"].keys()
    assert report["worker_deaths"] >= report["blows"]["worker"] > 0


@pytest.mark.parametrize("words", [("--calls", "0"), ("--at-once", "0"), ("--database", "oracle")])
def test_what_cannot_be_run_is_told(words: tuple[str, ...]) -> None:
    ended = ordeal(*words)

    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    assert ended.stderr.startswith("holdfast: ")
