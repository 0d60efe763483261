"""When a line is called poor, and when no longer."""

from typing import Any

import pytest

from bridge.call.verdict import Fault, Figures, judge


def figures(**measured: Any) -> Figures:
    good: dict[str, Any] = {
        "level_dbfs": -26.0,
        "noise_dbfs": -60.0,
        "clipping_share": 0.0,
        "echo": 0.1,
        "echo_comparisons": 9,
        "echo_voice_share": 0.0,
    }
    return Figures(**(good | measured))


POOR: list[tuple[Fault, dict[str, float]]] = [
    ("clipping", {"clipping_share": 0.01}),
    ("quiet", {"level_dbfs": -41.0}),
    ("noisy", {"noise_dbfs": -39.0}),
    ("echo", {"echo": 0.6, "echo_voice_share": 0.15}),
]
BETTER: list[tuple[Fault, dict[str, float]]] = [
    ("clipping", {"clipping_share": 0.004}),
    ("quiet", {"level_dbfs": -37.0}),
    ("noisy", {"noise_dbfs": -43.0}),
    ("echo", {"echo": 0.5, "echo_voice_share": 0.15}),
]
GOOD: list[tuple[Fault, dict[str, float]]] = [
    ("clipping", {"clipping_share": 0.002}),
    ("quiet", {"level_dbfs": -36.0}),
    ("noisy", {"noise_dbfs": -44.0}),
    ("echo", {"echo": 0.4, "echo_voice_share": 0.15}),
]


def test_a_good_line_has_no_fault() -> None:
    assert judge(figures(), None) is None


@pytest.mark.parametrize(("fault", "measured"), POOR)
def test_a_poor_line_has_a_name(fault: Fault, measured: dict[str, float]) -> None:
    assert judge(figures(**measured), None) == fault


@pytest.mark.parametrize(("fault", "measured"), BETTER)
def test_a_line_that_is_a_little_better_is_as_it_was(
    fault: Fault, measured: dict[str, float]
) -> None:
    assert judge(figures(**measured), fault) == fault
    assert judge(figures(**measured), None) is None


@pytest.mark.parametrize(("fault", "measured"), GOOD)
def test_a_line_that_is_clearly_better_is_good(fault: Fault, measured: dict[str, float]) -> None:
    assert judge(figures(**measured), fault) is None


def test_of_two_faults_the_one_to_mend_first_is_named() -> None:
    assert judge(figures(level_dbfs=-45.0, noise_dbfs=-50.0), None) == "quiet"


def test_a_fault_that_stays_is_not_renamed_because_another_came() -> None:
    assert judge(figures(noise_dbfs=-35.0, clipping_share=0.05), "noisy") == "noisy"


def test_another_fault_follows_one_that_is_gone() -> None:
    assert judge(figures(clipping_share=0.05), "noisy") == "clipping"


@pytest.mark.parametrize(("noise_dbfs", "poor"), [(-34.0, "noisy"), (-36.0, None), (None, None)])
def test_without_enough_voice_only_loud_noise_is_a_fault(
    noise_dbfs: float | None, poor: str | None
) -> None:
    assert judge(figures(level_dbfs=None, noise_dbfs=noise_dbfs), None) == poor


def test_a_voice_without_any_pause_is_not_called_noisy() -> None:
    assert judge(figures(noise_dbfs=None), None) is None


@pytest.mark.parametrize(
    "measured", [{"echo_comparisons": 3}, {"echo_voice_share": 0.1}, {"echo": 0.5}]
)
def test_an_echo_that_is_unsure_or_harmless_is_no_fault(measured: dict[str, float]) -> None:
    loud = {"echo": 0.9, "echo_voice_share": 0.5}

    assert judge(figures(**(loud | measured)), None) is None
