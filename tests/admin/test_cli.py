"""The command: its words, its refusals, and how little it loads."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from admin import cli, load
from admin.errors import OperatorError

ROOT = Path(__file__).parents[2]


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])

    said = capsys.readouterr().out
    assert ended.value.code == 0
    for verb in ("bridge", "worker", "admin", "migrate", "seed", "simulator", "dev", "demo",
                 "call", "load", "scenarios", "bench", "queues",
                 "phrases"):  # fmt: skip
        assert re.search(rf"^    {verb}\s", said, re.MULTILINE), verb


@pytest.mark.parametrize("words", [[], ["nothing"], ["phrases"], ["call"], ["load", "--calls=x"]])
def test_words_that_are_none_end_with_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)

    assert ended.value.code == 2


def test_a_refusal_is_one_line_and_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)

    assert cli.main(["queues", "--state", str(tmp_path)]) == 1

    assert capsys.readouterr().err.startswith("holdfast: nothing runs in")


def test_asking_for_help_loads_none_of_the_packages_that_work() -> None:
    script = (
        "import sys, admin.cli\n"
        "try: admin.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'bridge', 'tools', 'worker', 'litestar', 'sqlalchemy'} & set(sys.modules)))"
    )

    output = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout

    assert output.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"frame_ms": 30}, "--frame-ms"),
        ({"frame_ms": 0}, "--frame-ms"),
        ({"barge_ins_per_minute": -1.0}, "--barge-ins-per-minute"),
        ({"barge_ins_per_minute": 121.0}, "--barge-ins-per-minute"),
    ],
)
async def test_a_load_that_no_agent_can_speak_is_refused(
    tmp_path: Path, more: dict[str, float], named: str
) -> None:
    with pytest.raises(OperatorError, match=named):
        await load.run({}, tmp_path, calls=1, seconds=1.0, as_json=False, **more)


async def test_a_load_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="more than 0"):
        await load.run({}, tmp_path, calls=0, seconds=1.0, as_json=False)


def test_seeding_a_file_that_is_no_practice_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/x.db")

    assert cli.main(["seed", str(tmp_path / "missing.toml")]) == 1

    assert "missing.toml" in capsys.readouterr().err
