"""``holdfast bench sound``: what it measures, what it prints, when it complains."""

import json

import pytest

from admin import bench, cli
from admin.bench import METER, Cost, SoundBench
from bridge.wire import mulaw


def a_bench(meter_us: float) -> SoundBench:
    def cost(name: str, mean_us: float) -> Cost:
        return Cost(name=name, mean_us=mean_us, median_us=1.0, p99_us=9.0, frames=1000)

    return SoundBench(
        machine="2 cores",
        meter_bound_us=4.0,
        costs=(cost("noise gate", 50.0), cost(METER, meter_us)),
    )


def test_the_talk_has_both_voices_in_whole_seconds() -> None:
    talk = bench.a_talk()

    steps = [step for second in talk for step in second]
    assert {len(second) for second in talk} == {50}
    assert {len(step.caller) for step in steps} == {mulaw.FRAME_BYTES}
    assert {len(step.agent) for step in steps} == {0, mulaw.FRAME_BYTES}
    assert {len(step.agent_wide) for step in steps} == {4 * mulaw.FRAME_BYTES}
    assert {step.speech for step in steps} == {True, False}


def test_the_core_that_is_measured_passes_every_frame_on() -> None:
    talk = bench.a_talk()
    for work in ("caller", "agent"):
        core = bench.Core()

        for second in talk:
            getattr(core, work)(second)

        assert core.passed == len(talk) * 50


def test_every_part_is_measured_with_as_many_frames() -> None:
    measured = bench.measure(rounds=1)

    assert METER in [cost.name for cost in measured.costs]
    assert {cost.frames for cost in measured.costs} == {len(bench.a_talk()) * 50}
    assert all(0 < cost.median_us <= cost.p99_us for cost in measured.costs)
    assert "Python 3." in measured.machine


@pytest.mark.parametrize(("meter_us", "good"), [(3.9, True), (4.1, False)])
def test_only_the_meter_has_a_bound(meter_us: float, good: bool) -> None:
    measured = a_bench(meter_us)

    assert (measured.complaints() == []) is good
    assert ("NOT GOOD: quality meter: 4.10 µs" in bench.as_table(measured)) is not good


def test_the_table_says_what_it_comes_to_at_a_hundred_calls() -> None:
    assert "1.6%" in bench.as_table(a_bench(3.2))


def test_the_exit_status_tells_whether_the_bound_is_kept() -> None:
    assert bench.tell(a_bench(3.9), as_json=False) == 0
    assert bench.tell(a_bench(4.1), as_json=True) == 1


def test_the_command_prints_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["bench", "sound", "--rounds", "1", "--json"])

    said = json.loads(capsys.readouterr().out)
    assert status == (1 if said["failures"] else 0)
    assert METER in [cost["name"] for cost in said["costs"]]


def test_measuring_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "sound", "--rounds", "0"]) == 1

    assert "--rounds is more than 0" in capsys.readouterr().err
