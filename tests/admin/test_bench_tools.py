"""``holdfast bench tools``: what it measures, what it prints, when it complains."""

import json
import os

import pytest

from admin import bench_tools, cli
from admin.bench_tools import ARQ, FLOOR, OURS, Beside, RoundTrip, Size, ToolBench


def a_bench(*, over_floor: float = 2.5, idle: float = 4.0, hung_p99_ms: float = 8.0) -> ToolBench:
    def round_trip(way: str, over_floor: float) -> RoundTrip:
        return RoundTrip(
            way=way, in_flight=10, jobs=9, p50_ms=1.0, p95_ms=2.0, p99_ms=3.0, over_floor=over_floor
        )

    return ToolBench(
        machine="2 cores",
        round_trips=(round_trip(OURS, over_floor), round_trip(FLOOR, 1), round_trip(ARQ, 700)),
        idle_commands_a_second=idle,
        beside=Beside(
            jobs=9, quiet_p50_ms=1.0, quiet_p99_ms=5.0, hung_p50_ms=1.0, hung_p99_ms=hung_p99_ms
        ),
    )


def test_everything_is_measured_by_ends_of_its_own() -> None:
    size = Size(rounds=2, jobs=20, in_flight=(1, 10), idle_s=0.1)

    measured = bench_tools.measure(os.environ, size)

    assert {(each.way, each.in_flight): each.jobs for each in measured.round_trips} == {
        (OURS, 1): 40, (FLOOR, 1): 40, (ARQ, 1): 1,
        (OURS, 10): 40, (FLOOR, 10): 40, (ARQ, 10): 10,
    }  # fmt: skip
    assert all(0 < each.p50_ms <= each.p95_ms <= each.p99_ms for each in measured.round_trips)
    assert {each.over_floor for each in measured.round_trips if each.way == FLOOR} == {1}
    assert measured.beside.jobs == 40
    assert measured.idle_commands_a_second >= 0


@pytest.mark.parametrize(
    ("bench", "complaint"),
    [
        (a_bench(), None),
        (a_bench(over_floor=3.1), "10 in flight: 3.1 × the floor, bound 3"),
        (a_bench(idle=5.1), "a worker at rest: 5.1 commands/s, bound 5"),
        (a_bench(hung_p99_ms=15.1), "beside a queue that hangs: 3.0 × the usual p99, bound 3"),
    ],
)
def test_each_bound_is_told_and_ends_the_command(bench: ToolBench, complaint: str | None) -> None:
    assert bench.complaints() == ([complaint] if complaint else [])
    assert bench_tools.tell(bench, as_json=False) == (1 if complaint else 0)
    assert (f"NOT GOOD: {complaint}" in bench_tools.as_table(bench)) is bool(complaint)


def test_as_one_document_it_says_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_tools.tell(a_bench(idle=6.0), as_json=True) == 1

    said = json.loads(capsys.readouterr().out)
    assert said["failures"] == ["a worker at rest: 6.0 commands/s, bound 5"]
    assert {each["way"] for each in said["round_trips"]} == {OURS, FLOOR, ARQ}


def test_measuring_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "tools", "--rounds", "0"]) == 1

    assert "--rounds is more than 0" in capsys.readouterr().err
