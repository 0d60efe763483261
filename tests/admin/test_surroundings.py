"""What a local run fills in, and what it leaves as the operator set it."""

import os
import socket
import stat
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from admin.errors import PortTaken, SettingsRefused
from admin.state import RunFile, StateDirectory
from admin.surroundings import (
    FREE_PORTS,
    LONGEST_SOCKET_PATH,
    HeldPort,
    Ports,
    Surroundings,
    compose,
    read_env_file,
    without_ours,
)


@pytest.fixture
def state(tmp_path: Path):
    directory = StateDirectory(tmp_path)
    yield directory
    directory.close()


def composed(state: StateDirectory, **environ: str) -> Surroundings:
    with ExitStack() as stack:
        return compose(environ, state, FREE_PORTS, stack)


def test_an_empty_environment_is_filled_in_completely(state: StateDirectory) -> None:
    here = composed(state)

    assert here.environ["PUBLIC_URL"] == here.web_url
    assert here.environ["REDIS_URL"].startswith("unix:///")
    assert here.environ["DATABASE_URL"] == f"sqlite:///{state.path}/holdfast.db"
    assert here.environ["DEEPGRAM_API_URL"] == here.simulator_url
    assert here.environ["TWILIO_API_URL"] == here.simulator_url
    assert here.environ["HOST"] == "127.0.0.1"
    assert len(here.environ["TWILIO_ACCOUNT_SID"]) == 34
    assert len(here.environ["ADMIN_TOKENS"].partition(":")[2]) >= 16


def test_what_is_set_stays_and_starts_nothing(state: StateDirectory) -> None:
    given = {
        "REDIS_URL": "redis://elsewhere",
        "DATABASE_URL": "postgresql://elsewhere/x",
        "DEEPGRAM_API_KEY": "real",
        "TWILIO_AUTH_TOKEN": "real",
        "TWILIO_ACCOUNT_SID": "ACreal",
        "PUBLIC_URL": "https://calls.example.com",
        "ADMIN_TOKENS": "viewer:one-of-a-good-length",
    }

    here = composed(state, **given)

    assert given.items() <= here.environ.items()
    assert (here.simulator_port, here.valkey_socket) == (None, None)
    assert "DEEPGRAM_AGENT_URL" not in here.environ
    assert "TWILIO_API_URL" not in here.environ
    assert set(here.made_up) & given.keys() == set()


def test_credentials_that_were_made_up_are_sent_to_nobody(state: StateDirectory) -> None:
    here = composed(state, DEEPGRAM_API_KEY="real", TWILIO_API_URL="https://api.twilio.com")

    assert here.environ["TWILIO_API_URL"] == "off"


def test_a_variable_that_is_set_to_nothing_is_not_set(state: StateDirectory) -> None:
    assert composed(state, REDIS_URL="").environ["REDIS_URL"].startswith("unix:")


def test_each_process_has_its_own_port(state: StateDirectory) -> None:
    here = composed(state)

    assert here.of("web")["PORT"] == str(here.web_port)
    assert here.of("admin")["PORT"] == str(here.admin_port)
    assert "PORT" not in here.of("worker")


def test_a_port_in_use_is_told(state: StateDirectory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, ExitStack() as stack:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            compose({}, state, Ports(web=port, admin=0, simulator=0), stack)


def test_a_held_port_is_for_the_process_it_was_held_for() -> None:
    held = HeldPort(0)
    try:
        with socket.create_server(("127.0.0.1", held.number)) as server:
            assert server.getsockname()[1] == held.number
    finally:
        held.close()


def test_the_run_file_is_for_its_owner_only(state: StateDirectory) -> None:
    composed(state).run_file().write(state.path)

    assert stat.S_IMODE((state.path / "run.json").stat().st_mode) == 0o600
    found = RunFile.read(state.path)
    assert found is not None
    assert found.pid == os.getpid()


@pytest.mark.parametrize("text", ["", "{", '{"pid": "x"}'])
def test_a_run_file_that_is_none_is_no_run(state: StateDirectory, text: str) -> None:
    (state.path / "run.json").write_text(text)

    assert RunFile.read(state.path) is None


def test_an_env_file_is_read_as_a_shell_would(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# settings\n\nPLAIN=value # why\nexport QUOTED='two words'\nEMPTY=\nURL=https://x/?a=b\n"
    )

    assert read_env_file(file) == {
        "PLAIN": "value",
        "QUOTED": "two words",
        "EMPTY": "",
        "URL": "https://x/?a=b",
    }
    assert read_env_file(tmp_path / "missing") == {}


@pytest.mark.parametrize("line", ["NAME", "s3cret value", "QUOTED='open s3cret"])
def test_a_wrong_line_of_an_env_file_is_told_by_its_number_only(tmp_path: Path, line: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"FINE=yes\n{line}\n")

    with pytest.raises(SettingsRefused, match=r"\.env:2") as refused:
        read_env_file(file)

    assert "s3cret" not in str(refused.value)


def test_a_run_that_must_not_touch_what_is_real_sees_none_of_our_settings() -> None:
    environ = {"PATH": "/bin", "REDIS_URL": "x", "TWILIO_AUTH_TOKEN": "x", "ADMIN_TOKENS": "x"}

    assert without_ours(environ) == {"PATH": "/bin"}


def test_the_server_is_reached_in_the_state_directory_unless_that_lies_too_deep(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        short = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hf-"))).resolve()
        deep = tmp_path / ("d" * 100)
        for path in (short, deep):
            state = StateDirectory(path)
            stack.callback(state.close)
            here = compose({}, state, FREE_PORTS, stack)

            inside = here.valkey_socket == str(path / "valkey.sock")
            assert inside is (path == short)
            assert len(here.valkey_socket) <= LONGEST_SOCKET_PATH


def test_what_a_run_keeps_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "holdfast" / "demo"
    for _ in range(2):
        StateDirectory(path).close()
        assert [each.stat().st_mode & 0o777 for each in (path.parent, path)] == [0o700, 0o700]
        path.chmod(0o755)  # as an earlier version left it


def test_a_directory_that_was_there_before_stays_as_open_as_it_was(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    StateDirectory(tmp_path).close()

    assert tmp_path.stat().st_mode & 0o777 == 0o755
