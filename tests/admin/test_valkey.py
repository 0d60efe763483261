"""The embedded server: starts, answers, keeps what it is told to keep, goes away."""

from pathlib import Path

import pytest
import redis

from admin import valkey
from admin.errors import ServerMissing


def test_the_server_answers_on_its_socket_and_is_gone_afterwards() -> None:
    with valkey.running() as url:
        socket_path = Path(url.removeprefix("unix://"))
        assert valkey.answers(socket_path)

    assert not valkey.answers(socket_path)
    assert not socket_path.exists()


def test_with_a_data_directory_the_next_server_finds_what_the_last_one_stored(
    tmp_path: Path,
) -> None:
    with valkey.running(tmp_path) as url, redis.Redis.from_url(url) as client:
        client.set("kept", "yes")

    with valkey.running(tmp_path) as url, redis.Redis.from_url(url) as client:
        assert client.get("kept") == b"yes"


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("a file where a directory must be")

    with pytest.raises(valkey.ServerFailed, match="appendonly"), valkey.running(tmp_path):
        pass


def test_without_any_binary_the_message_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("platform.machine", lambda: "riscv64")

    with pytest.raises(ServerMissing, match="REDIS_URL"):
        valkey.find_server()


def test_a_test_empties_the_server_it_is_given(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
