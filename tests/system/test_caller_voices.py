"""Callers who are hard to understand, through the real processes: what reaches the agent."""

import pytest

from bridge.simulator.scenario import Action, AgentRule, CallerStep, Scenario
from tests.system.test_whole_calls import ASKS, notes

pytestmark = pytest.mark.usefixtures("no_fault_of_ours")


def call(*steps: CallerStep, **line: object) -> Scenario:
    return Scenario(
        name="hard-to-understand",
        summary="The agent says goodbye to whatever it hears.",
        caller=[*steps, CallerStep(hangup=True, after_agent_ms=300)],
        agent=[AgentRule(do=[Action(say="Goodbye.")])],
        line=line,
    )


async def test_an_agent_hears_a_spelled_name_and_a_quiet_line_in_a_noisy_room(house) -> None:
    scenario = call(
        CallerStep(spell="ANNA", letter_gap_ms=200, after_agent_ms=300),
        CallerStep(say=ASKS, gain_db=-8.0, after_agent_ms=300),
        room={"noise_dbfs": -50.0, "noise": "babble"},
    )

    report = await house.call(scenario)

    assert report.ok, (report.outcome, report.why, report.warnings)
    assert [note["text"] for note in await notes(house, report, "heard")] == ["A N N A", ASKS]
    assert report.figures.unanswered == []


async def test_a_call_outlives_a_line_that_goes_quiet_and_one_that_comes_in_bursts(house) -> None:
    scenario = call(
        CallerStep(stall_ms=2500, after_agent_ms=200),
        CallerStep(say=ASKS, after_step_ms=3000),
        weather={"burst_share": 0.02, "jitter_ms": 40, "odd_sizes": True},
    )

    report = await house.call(scenario)

    assert report.ok, (report.outcome, report.why, report.warnings)
    assert [note["text"] for note in await notes(house, report, "heard")] == [ASKS]
    assert report.figures.undelivered_speech_ms == 0
