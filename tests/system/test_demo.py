"""``make demo``: one spoken call, shown to have booked what was said."""

import json
import os
import subprocess
import sys
from pathlib import Path

from admin.surroundings import without_ours

ROOT = Path(__file__).parents[2]


def test_the_demo_shows_a_booking_that_was_heard_confirmed(tmp_path: Path) -> None:
    hostile = {"DATABASE_URL": "postgresql://prod/real", "REDIS_URL": "redis://prod:1",
               "DEEPGRAM_API_KEY": "a-real-key", "TWILIO_AUTH_TOKEN": "a-real-token"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "admin.cli", "demo", "--json", "--state", str(tmp_path)],
        cwd=ROOT,
        env={**without_ours(os.environ), **hostile},
        capture_output=True,
        text=True,
        timeout=120,
    )

    proof = json.loads(done.stdout)
    assert (done.returncode, proof["missing"]) == (0, []), done.stderr
    assert proof["appointment"]["patient_name"] == "Ines Moreau"
    assert proof["appointment"]["call_sid"] == proof["call_sid"]
    assert proof["text"].startswith("Hillside Dental: Ines, your appointment is booked for ")
    assert proof["cut_ms"] > 0
    assert {call["name"] for call in proof["function_calls"]} >= {"find_slots", "book_appointment"}
    assert Path(proof["wav"]).stat().st_size > 100_000
    assert not (tmp_path / "run.json").exists()
    for word in ("caller", "agent", "barge-in", "find_slots answered after"):
        assert word in done.stderr
