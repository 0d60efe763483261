"""Scenarios as they are read, seated, and told; whole ones run in ``tests/system``."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from admin import cli, scenarios
from admin.errors import OperatorError
from admin.evidence import Evidence
from admin.houses import enter_practices, gather_practices
from admin.recognition import HeardLine
from admin.scenario_report import Result, Run, as_page, as_text, result
from bridge.simulator.expect import House
from bridge.simulator.scenario import Scenario
from bridge.simulator.voices import AGENT, CALLER, Voices
from tools import migrations
from tools.calendar import Calendar
from tools.database import open_engine

ROOT = Path(__file__).parents[2]


def scenario(name: str, house: House | None = None) -> Scenario:
    return Scenario(name=name, summary=f"Shows {name}.", house=house or House())


def heard(words: str, **more: bool) -> HeardLine:
    fields = {"from_start": True, "to_end": True} | more
    return HeardLine(at_s=0.4, until_s=3.7, line=words, words=words, **fields)


def evidence(**more: object) -> Evidence:
    fields: dict[str, object] = {
        "outcome": "caller_hung_up", "why": "her script says so", "duration_s": 20.04,
        "heard": [heard("Good morning."), heard("We offer", to_end=False)],
        "turn_gaps_ms": [700.0, 650.0, 900.0], "barge_in_stop_ms": [60.0, 80.0],
        "first_media_ms": 5.26, "longest_silence_ms": 912.4, "interruptions": 2,
    }  # fmt: skip
    return Evidence(**(fields | more))


def run_of(*results: Result) -> Run:
    passed = sum(each.ok for each in results)
    return Run(
        ok=passed == len(results),
        passed=passed,
        failed=len(results) - passed,
        parallel=4,
        took_s=61.0,
        failures=[],
        scenarios=list(results),
    )


GOOD = result(scenario("good"), [], evidence(), "CA1", "good.wav")
BAD = result(scenario("bad"), ["clears: 0 expected, 1 counted"], evidence(), "CA2", "bad.wav")


def test_a_scenario_passes_when_nothing_failed() -> None:
    assert (GOOD.ok, BAD.ok) == (True, False)


def test_a_call_comes_to_its_figures() -> None:
    figures = GOOD.figures

    assert figures is not None
    assert msgspec.structs.asdict(figures) == {
        "duration_s": 20.0,
        "first_frame_ms": 5.3,
        "turn_gap_p50_ms": 700.0,
        "barge_in_stop_ms": 80.0,
        "longest_silence_ms": 912,
        "interruptions": 2,
        "fillers": 0,
        "function_calls": 0,
    }


def test_a_call_without_answers_has_no_figures_of_them() -> None:
    silent = evidence(turn_gaps_ms=[], barge_in_stop_ms=[], first_media_ms=None)

    figures = result(scenario("silent"), [], silent, "CA3", "").figures

    assert figures is not None
    assert figures.turn_gap_p50_ms is figures.barge_in_stop_ms is figures.first_frame_ms is None


def test_the_terminal_is_told_what_she_heard_and_what_failed() -> None:
    text = as_text(run_of(GOOD, BAD))

    assert "Good morning. / We offer –" in text
    assert "FAILED bad: clears: 0 expected, 1 counted" in text
    assert text.endswith("1 passed, 1 failed; 4 at a time, 61 s in all")


def test_the_document_has_a_row_for_each_scenario_whatever_its_words() -> None:
    odd = msgspec.structs.replace(GOOD, shows="One | two.")

    page = as_page(run_of(odd, BAD))

    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows[0].startswith("| `good` | One \\| two. | Good morning. / We offer – | passed |")
    assert "FAILED: clears: 0 expected, 1 counted" in rows[1]
    assert {row.replace("\\|", "").count("|") for row in rows} == {13}


def test_a_call_that_could_not_be_placed_has_a_row_too() -> None:
    failed = Result(name="lost", shows="Nothing.", ok=False, failures=["no bridge"])

    assert "| `lost` | Nothing. | nothing | FAILED: no bridge |" in as_page(run_of(failed))
    assert "FAILED lost: no bridge" in as_text(run_of(failed))


def test_calls_of_a_house_whose_worker_sleeps_begin_together_and_first() -> None:
    asleep = House(worker_asleep_ms=(1000, 2000))
    longer = House(worker_asleep_ms=(1000, 9000))
    wanted = [scenario("a"), scenario("b", asleep), scenario("c", longer), scenario("d", asleep)]

    seated = scenarios.sittings_of(wanted)

    assert [[each.name for each in sitting] for sitting in seated] == [["b", "d"], ["c"], ["a"]]


def test_no_name_is_every_scenario_and_an_unknown_one_is_told() -> None:
    assert len(scenarios.read([])) >= 40
    with pytest.raises(OperatorError, match="no-such"):
        scenarios.read(["no-such"])


def test_the_list_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["scenarios", "--list", "cleaning", "lookup"]) == 0

    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == ["cleaning", "lookup"]


def test_nothing_at_a_time_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["scenarios", "silent", "--parallel", "-1", "--state", str(tmp_path)]

    assert cli.main(words) == 1
    assert "--parallel" in capsys.readouterr().err


def test_every_scenario_has_its_own_caller_and_a_line_that_says_what_it_shows() -> None:
    shipped = scenarios.read([])

    numbers = [each.from_number for each in shipped if not each.from_number.startswith("+1555")]
    assert len(set(numbers)) == len(numbers)
    for each in shipped:
        assert each.summary.endswith("."), each.name
        assert len(each.summary) <= 120, each.name


def test_every_scenario_dials_a_practice_and_expects_something(tmp_path: Path) -> None:
    profiles = gather_practices(tmp_path / "profiles")

    for each in scenarios.read([]):
        assert profiles.of_number(each.to_number) is not None, each.name
        assert each.expect.heard or each.expect.in_full, each.name


def test_whatever_a_scenario_says_by_itself_sounds_the_same_on_every_machine(
    tmp_path: Path,
) -> None:
    voices = Voices()
    profiles = gather_practices(tmp_path / "profiles")
    spoken = {
        action.say
        for each in scenarios.read([])
        for rule in each.agent
        for action in rule.do
        if action.say and "{" not in action.say
    }
    for number in {each.to_number for each in scenarios.read([])}:
        phrases = profiles.of_number(number).phrases
        spoken |= {phrases.greeting, *phrases.fillers, *filter(None, [phrases.notice])}

    assert [text for text in spoken if not voices.ships(text, AGENT)] == []
    lines = {line for each in scenarios.read([]) for line in each.caller_lines()}
    assert [text for text in lines if not voices.ships(text, CALLER)] == []


async def test_every_practice_has_a_calendar_of_its_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/holdfast.db"
    await asyncio.to_thread(migrations.upgrade, url)
    profiles = gather_practices(tmp_path / "profiles")

    await enter_practices(url, profiles, tmp_path / "practices")

    engine = open_engine(url)
    try:
        practices = Calendar(engine).practices
        for profile in profiles.all():
            practice = await practices.practice(profile.id)
            assert practice is not None, profile.id
            assert await practices.services(practice)
            assert str(practice.zone) == profile.time_zone
    finally:
        await engine.dispose()
