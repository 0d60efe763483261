"""What each process of the Procfile says about an environment it cannot start from."""

import socket
import subprocess
from pathlib import Path

import pytest

from admin import procfile

ROOT = Path(__file__).parents[2]
LINES = procfile.read(ROOT / "Procfile")
NEEDED = {
    "web": {
        "PUBLIC_URL": "http://127.0.0.1:1",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "0" * 32,
        "DEEPGRAM_API_KEY": "none",
        "PORT": "0",
    },
    "worker": {},
    "admin": {"ADMIN_TOKENS": "a-token-of-an-operator", "PORT": "0"},
    "release": {},
}
EVERYWHERE = [
    ("REDIS_URL", "http://hush@localhost:6379/0"),
    ("REDIS_URL", "bogus://hush"),
    ("REDIS_URL", "redis://:hush@localhost:99999/0"),
    ("REDIS_URL", "redis://:hush@localhost:abc/0"),
    ("REDIS_URL", "redis://localhost/hush"),
    ("SENTRY_DSN", "hush"),
    ("SENTRY_DSN", "https://hush@sentry.example.com:999999/1"),
    ("LOG_LEVEL", "hush"),
]
SERVERS = [("PORT", "hush"), ("PORT", "70000"), ("HOST", "192.0.2.1"), ("HOST", "hush.invalid")]
DATABASES = [
    "mysql://root:hush@localhost/x",
    "hush",
    "postgresql://root:hush@localhost:abc/x",
    "postgresql://root:hush@localhost/x?sslmode=hush",
    "sqlite://",
]
CASES = [
    *((name, *case) for name in ("web", "worker", "admin") for case in EVERYWHERE),
    *((name, *case) for name in ("web", "admin") for case in SERVERS),
    *((name, "DATABASE_URL", url) for name in ("worker", "release") for url in DATABASES),
    ("release", "DATABASE_URL", "postgresql://root:hush@127.0.0.1:9/x"),
    ("release", "DATABASE_URL", "sqlite:////nowhere/hush/holdfast.db"),
    ("web", "PROFILES_DIR", "/nowhere/hush"),
    ("web", "DRAIN_S", "nan"),
    ("worker", "WORKER_QUEUES", "hush"),
    ("worker", "WORKER_SLOTS", "100000000"),
    ("worker", "WORKER_DRAIN_S", "-3"),
    ("admin", "ADMIN_TOKENS", "hush"),
]


def refusal(name: str, **environ: str) -> str:
    """What the process says, which is one line, as it refuses to start."""
    done = subprocess.run(
        procfile.arguments(LINES[name]),
        cwd="/",
        env={"PYTHONPATH": str(ROOT), **NEEDED[name], **environ},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(("name", "variable", "value"), CASES)
def test_a_wrong_variable_is_named_in_one_line_and_its_value_is_not(
    name: str, variable: str, value: str
) -> None:
    said = refusal(name, **{variable: value})

    assert f": {variable}: " in said
    assert "hush" not in said


@pytest.mark.parametrize("name", ["web", "admin"])
def test_a_port_that_is_taken_is_told_and_nobody_claims_to_listen(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = refusal(name, HOST="127.0.0.1", PORT=str(other.getsockname()[1]))

    assert ": PORT: something else listens there already" in said


def test_everything_that_is_missing_is_named_at_once() -> None:
    said = refusal("web", PUBLIC_URL="", DEEPGRAM_API_KEY="")

    assert ": PUBLIC_URL, DEEPGRAM_API_KEY: required" in said
