"""The files that platforms read agree with each other and with the code."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import admin.settings
import bridge.settings
import worker.settings
from admin import procfile
from admin.surroundings import read_env_file

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "tests/requirements.txt")
STRUCTS = (bridge.settings.Settings, worker.settings.Settings, admin.settings.Settings)

CHECK = {"interval", "timeout", "grace_period", "method", "path", "protocol", "headers",
         "tls_skip_verify"}  # fmt: skip
SERVICE = {"internal_port", "auto_stop_machines", "auto_start_machines", "min_machines_running",
           "processes", "concurrency"}  # fmt: skip
FLY_KEYS: dict[str, set[str]] = {
    "": {"app", "primary_region", "kill_signal", "kill_timeout", "swap_size_mb", "console_command",
         "experimental", "build", "deploy", "env", "processes", "mounts", "http_service",
         "services", "checks", "files", "restart", "vm", "statics", "metrics"},
    "build": {"builder", "args", "buildpacks", "image", "dockerfile", "ignorefile",
              "build-target"},
    "deploy": {"strategy", "max_unavailable", "wait_timeout", "release_command",
               "release_command_timeout", "release_command_vm"},
    "http_service": {*SERVICE, "force_https", "tls_options", "http_options", "checks"},
    "http_service.concurrency": {"type", "soft_limit", "hard_limit"},
    "http_service.checks": CHECK,
    "services": {*SERVICE, "protocol", "ports", "tcp_checks", "http_checks"},
    "services.ports": {"port", "start_port", "end_port", "handlers", "force_https"},
    "services.http_checks": CHECK,
    "vm": {"size", "memory", "cpus", "cpu_kind", "processes"},
}  # fmt: skip
"""What flyctl knows (internal/appconfig/config.go and service.go, main, read 2026-11-22).

``fly config validate`` without ``--strict`` lets an unknown key pass and ignores it.
"""


@pytest.fixture(scope="module")
def fly() -> dict[str, Any]:
    return tomllib.loads((ROOT / "fly.toml").read_text())


@pytest.fixture(scope="module")
def lines() -> dict[str, str]:
    return procfile.read(ROOT / "Procfile")


def tables(value: Any, name: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every table with its dotted name; free-form tables are left out."""
    if isinstance(value, list):
        return [found for each in value for found in tables(each, name)]
    if not isinstance(value, dict) or name in ("env", "processes"):
        return []
    inner = [tables(each, f"{name}.{key}".lstrip(".")) for key, each in value.items()]
    return [(name, value), *(found for each in inner for found in each)]


def seconds(text: str | int) -> int:
    if isinstance(text, int):
        return text
    unit = {"s": 1, "m": 60}[text[-1]]
    return int(text[:-1]) * unit


def test_fly_and_procfile_name_and_start_the_same_processes(
    fly: dict[str, Any], lines: dict[str, str]
) -> None:
    assert {"release": fly["deploy"]["release_command"], **fly["processes"]} == lines


def test_every_key_of_fly_toml_is_one_that_fly_reads(fly: dict[str, Any]) -> None:
    unknown = [(name, set(table) - FLY_KEYS[name]) for name, table in tables(fly)]

    assert [found for found in unknown if found[1]] == []


def test_a_machine_of_calls_is_drained_before_it_is_killed_and_never_stopped_when_idle(
    fly: dict[str, Any],
) -> None:
    assert fly["kill_signal"] == "SIGTERM"
    assert float(fly["env"]["DRAIN_S"]) < fly["kill_timeout"] <= 300
    assert seconds(fly["deploy"]["wait_timeout"]) > fly["kill_timeout"]
    service = fly["http_service"]
    assert service["processes"] == ["web"]
    assert service["auto_stop_machines"] == "off"
    assert service["concurrency"]["type"] == "connections"
    assert [check["path"] for check in service["checks"]] == ["/readyz"]


def test_the_ports_are_those_on_which_the_processes_listen(fly: dict[str, Any]) -> None:
    assert "PORT" not in fly["env"]
    defaults = {"bridge": bridge.settings.Settings, "admin": admin.settings.Settings}
    ports = {
        name: {field.name: field.default for field in msgspec.structs.fields(struct)}["port"]
        for name, struct in defaults.items()
    }
    assert fly["http_service"]["internal_port"] == ports["bridge"]
    assert [service["internal_port"] for service in fly["services"]] == [ports["admin"]]


def test_the_environment_of_fly_holds_settings_and_no_secret(fly: dict[str, Any]) -> None:
    assert fly["env"].keys() <= settings()
    assert not {name for name in fly["env"] if re.search("TOKEN|KEY|SECRET|URL", name)}


def test_the_image_has_every_package_from_the_hashed_lock_and_no_root() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = set(re.findall(r"^COPY ([^-\s]\S*)", text, re.MULTILINE))

    assert {"admin", "bridge", "tools", "worker", "Procfile"} <= copied
    assert "--require-hashes -r requirements.txt" in text
    assert re.search(r"^USER (?!root)", text, re.MULTILINE)
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    assert copied <= kept


def pins(lock: str) -> dict[str, tuple[str, str]]:
    """Package → version and marker; every pin must carry hashes."""
    found = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", (ROOT / lock).read_text()):
        pin, *hashes = [part for part in re.split(r" \\\n\s+", entry.split("\n    #")[0])]
        requirement = Requirement(pin)
        assert hashes, pin
        assert all(each.startswith("--hash=sha256:") for each in hashes), pin
        name = canonicalize_name(requirement.name)
        found[name] = (str(requirement.specifier).lstrip("="), str(requirement.marker or ""))
    return found


def test_the_locks_pin_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = project["project"]["dependencies"]
    extras = [
        each for extra in project["project"]["optional-dependencies"].values() for each in extra
    ]
    for lock, wanted in zip(
        LOCKS, (asked, [*asked, *extras, *project["dependency-groups"]["dev"]]), strict=True
    ):
        pinned = pins(lock)
        for requirement in map(Requirement, wanted):
            version, _ = pinned[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), (
                f"{lock}: {requirement} against {version}"
            )


def test_tests_run_on_the_versions_that_are_deployed() -> None:
    runtime, everything = map(pins, LOCKS)

    assert {name: pin[0] for name, pin in runtime.items()}.items() <= {
        name: pin[0] for name, pin in everything.items()
    }.items()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host(lock: str) -> None:
    assert not re.search(r"https?:|index-url|find-links", (ROOT / lock).read_text())


def settings() -> set[str]:
    """Every environment variable that a process reads."""
    return {field.encode_name for struct in STRUCTS for field in msgspec.structs.fields(struct)}


def test_the_example_environment_names_only_settings_and_every_one_without_a_default() -> None:
    text = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))
    needed = {
        field.encode_name
        for struct in STRUCTS
        for field in msgspec.structs.fields(struct)
        if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
    }

    assert named <= settings()
    assert needed <= named
    assert read_env_file(ROOT / ".env.example").keys() <= named


def test_the_readme_lists_every_setting() -> None:
    table = (ROOT / "README.md").read_text()
    missing = [name for name in sorted(settings()) if f"| `{name}`" not in table]

    assert missing == []


def test_this_python_is_one_that_the_project_promises() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = Requirement(f"python{project['requires-python']}").specifier

    assert promised.contains(default_environment()["python_full_version"])
    assert promised.contains((ROOT / ".python-version").read_text().strip())
