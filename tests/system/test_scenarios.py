"""``holdfast scenarios``: a few of them through processes of their own, and one that must fail."""

import json
import os
import subprocess
import sys
from pathlib import Path

from admin.surroundings import without_ours

ROOT = Path(__file__).parents[2]
SOON_OVER = ("barge-in-greeting", "same-call-twice", "cough-soft", "transfer", "longest-call")
IMPOSSIBLE = """
name = "impossible"
summary = "Expects what nobody says."

[expect]
heard = ["We sell bread."]

[[caller]]
hangup = true
after_agent_ms = 300
"""


def played(*words: str) -> subprocess.CompletedProcess[str]:
    hostile = {"DATABASE_URL": "postgresql://prod/real", "DEEPGRAM_API_KEY": "a-real-key"}
    return subprocess.run(
        [sys.executable, "-m", "admin.cli", "scenarios", *words],
        cwd=ROOT,
        env={**without_ours(os.environ), **hostile},
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_scenarios_are_played_judged_and_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    wrong = tmp_path / "impossible.toml"
    wrong.write_text(IMPOSSIBLE)
    state = tmp_path / "state"

    done = played(*SOON_OVER, str(wrong), "--json", "--write", str(page), "--state", str(state))

    run = json.loads(done.stdout)
    failures = {each["name"]: each["failures"] for each in run["scenarios"] if not each["ok"]}
    assert failures.keys() == {"impossible"}, failures
    assert "We sell bread" in failures["impossible"][0]
    assert "Thank you for calling Hillside Dental" in failures["impossible"][0]
    assert (done.returncode, run["passed"], run["failed"]) == (1, len(SOON_OVER), 1)
    for each in run["scenarios"]:
        assert Path(each["wav"]).stat().st_size > 50_000
        assert f"| `{each['name']}` | {each['shows']} |" in page.read_text()
    assert not (state / "run.json").exists()


def test_scenarios_that_all_pass_end_with_0(tmp_path: Path) -> None:
    done = played("silent", "--state", str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().splitlines()[-1].startswith("1 passed; ")
