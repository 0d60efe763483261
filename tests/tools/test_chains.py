import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bridge.virtual_time import VirtualTimeLoop
from tools.chains import Answers, Chain, Report, Step
from tools.errors import BudgetSpent, LeaseLost, ToolError, Unavailable

LONG_S = 60.0


def run(chain: Chain, budget_s: float = LONG_S) -> tuple[Report, float]:
    """What became of it, and how long it took by the loop's clock."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        began_at = runner.get_loop().time()
        report = runner.run(chain.run(budget_s))
        return report, runner.get_loop().time() - began_at


def answers(value: Any, *, after_s: float = 0.0) -> Callable[[Answers], Any]:
    async def body(_: Answers) -> Any:
        await asyncio.sleep(after_s)
        return value

    return body


async def fails(_: Answers) -> Any:
    raise Unavailable("Away.", reason="away")


async def hangs(_: Answers) -> Any:
    await asyncio.Event().wait()


def step(name: str, *depends_on: str, run: Any = None, **traits: Any) -> Step:
    return Step(name=name, depends_on=depends_on, run=run or answers(name), **traits)


def states(report: Report) -> dict[str, str]:
    return {name: ended.state for name, ended in report.steps.items()}


def test_a_step_is_given_the_answers_of_those_it_depends_on_and_no_others() -> None:
    given_to: dict[str, Any] = {}

    async def last(answers: Answers) -> str:
        given_to.update(answers)
        return "end"

    report, _ = run(Chain(step("a"), step("b"), step("c"), step("d", "a", "c", run=last)))

    assert given_to == {"a": "a", "c": "c"}
    assert report.must("d") == "end"


def test_steps_that_depend_on_nothing_run_at_once() -> None:
    slow = answers("x", after_s=10.0)

    _, took_s = run(Chain(*(step(f"s{n}", run=slow) for n in range(5))))

    assert took_s == pytest.approx(10.0)


def test_a_step_begins_as_soon_as_it_can_whatever_else_still_runs() -> None:
    chain = Chain(
        step("slow", run=answers("x", after_s=20.0)),
        step("quick", run=answers("x", after_s=1.0)),
        step("next", "quick", run=answers("x", after_s=19.0)),
    )

    _, took_s = run(chain)

    assert took_s == pytest.approx(20.0)


def test_a_failed_critical_step_stops_what_depends_on_it_and_nothing_else() -> None:
    chain = Chain(
        step("a", run=fails),
        step("b", "a"),
        step("c", "b", critical=False),
        step("other"),
        step("after", "other"),
    )

    report, _ = run(chain)

    assert states(report) == {
        "a": "failed", "b": "not_begun", "c": "not_begun", "other": "answered", "after": "answered",
    }  # fmt: skip
    assert report.answer("after") == "after"
    with pytest.raises(Unavailable):
        report.must("a")
    with pytest.raises(ToolError, match="stopped the chain"):
        report.must("c")


def test_a_failed_step_that_is_not_critical_is_missing_and_reported() -> None:
    async def last(answers: Answers) -> list[str]:
        return sorted(answers)

    report, _ = run(
        Chain(step("a", run=fails, critical=False), step("b"), step("c", "a", "b", run=last))
    )

    assert report.must("c") == ["b"]
    assert report.answer("a") is None
    assert isinstance(report.steps["a"].error, Unavailable)


@pytest.mark.parametrize("critical", [True, False])
def test_an_answer_that_stops_stops_critical_or_not(critical: bool) -> None:
    chain = Chain(
        step("a", run=answers("no"), stops=lambda answer: answer == "no", critical=critical),
        step("b", "a"),
    )

    report, _ = run(chain)

    assert states(report) == {"a": "stopped", "b": "not_begun"}
    assert report.answer("a") == "no"


def test_a_step_that_hangs_leaves_the_next_one_its_part_of_the_time() -> None:
    chain = Chain(
        step("a", run=hangs, critical=False),
        step("b", "a", run=answers("late", after_s=39.0), weight=3),
    )

    report, took_s = run(chain, 60.0)

    assert report.must("b") == "late"
    assert isinstance(report.steps["a"].error, BudgetSpent)
    assert took_s == pytest.approx(15.0 + 39.0)


def test_what_an_early_step_does_not_use_is_there_for_the_later_ones() -> None:
    chain = Chain(step("a"), step("b", "a", run=answers("late", after_s=59.0)))

    report, _ = run(chain, 60.0)

    assert report.must("b") == "late"


def test_a_lost_lease_cancels_what_still_runs() -> None:
    cancelled = []

    async def cancelled_in_time(_: Answers) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def lost(_: Answers) -> None:
        raise LeaseLost("Stop.")

    with pytest.raises(LeaseLost):
        run(Chain(step("a", run=cancelled_in_time), step("b", run=lost)))
    assert cancelled == [True]


def test_a_mistake_in_a_step_is_no_outcome() -> None:
    async def wrong(_: Answers) -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        run(Chain(step("a", run=wrong, critical=False), step("b", run=hangs)))


def test_a_timeout_of_the_steps_own_is_not_taken_for_the_chains() -> None:
    async def impatient(_: Answers) -> None:
        async with asyncio.timeout(1.0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        run(Chain(step("a", run=impatient)))


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ([step("a", "a")], "a circle: a"),
        ([step("a", "c"), step("b", "a"), step("c", "b"), step("d")], "a circle: a, b, c"),
        ([step("a", "b")], "a depends on no such step: b"),
        ([step("a"), step("a")], "two steps of one name"),
        ([step("a", weight=0)], "no weight: a"),
    ],
)
def test_a_chain_that_cannot_be_run_is_refused_where_it_is_written(
    steps: list[Step], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Chain(*steps)


# --- any graph ---------------------------------------------------------------------------------

ENDINGS = {
    "answers": lambda: answers("x"),
    "answers late": lambda: answers("x", after_s=7.0),
    "fails": lambda: fails,
    "hangs": lambda: hangs,
    "stops": lambda: answers("no"),
}


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[Step, str]]:
    """Up to eight steps, each depending on some before it, in any order, with any ending."""
    graph = []
    for n in range(draw(st.integers(1, 8))):
        ending = draw(st.sampled_from(sorted(ENDINGS)))
        before = [f"s{m}" for m in range(n)]
        on = draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        graph.append(
            (
                step(
                    f"s{n}",
                    *on,
                    run=ENDINGS[ending](),
                    critical=draw(st.booleans()),
                    stops=lambda answer: answer == "no",
                    weight=draw(st.integers(1, 4)),
                ),
                ending,
            )
        )
    return draw(st.permutations(graph))


@given(graphs(), st.floats(0.5, 100.0))
def test_any_chain_ends_in_time_with_every_step_accounted_for(
    graph: list[tuple[Step, str]], budget_s: float
) -> None:
    begun: list[str] = []
    ended_before: dict[str, set[str]] = {}
    finished: set[str] = set()

    def watched(wanted: Step) -> Step:
        async def body(given: Answers) -> Any:
            begun.append(wanted.name)
            ended_before[wanted.name] = set(finished)
            assert set(given) <= set(wanted.depends_on)
            try:
                return await wanted.run(given)
            finally:
                finished.add(wanted.name)

        return Step(
            name=wanted.name,
            run=body,
            depends_on=wanted.depends_on,
            critical=wanted.critical,
            stops=wanted.stops,
            weight=wanted.weight,
        )

    steps = {each.name: each for each, _ in graph}
    report, took_s = run(Chain(*(watched(each) for each, _ in graph)), budget_s)

    assert took_s <= budget_s + 1e-6
    assert report.steps.keys() == steps.keys()
    assert len(begun) == len(set(begun))
    for name, ended in report.steps.items():
        before = {each: report.steps[each].state for each in steps[name].depends_on}
        is_stopped = any(
            state in ("stopped", "not_begun") or (state == "failed" and steps[each].critical)
            for each, state in before.items()
        )
        assert (ended.state == "not_begun") == is_stopped == (name not in begun)
        if not is_stopped:
            begun_ones = {each for each in before if each in begun}
            assert begun_ones <= ended_before[name]
    for each, ending in graph:
        state = report.steps[each.name].state
        if state != "not_begun":
            may_be = {"hangs": {"failed"}, "fails": {"failed"}, "stops": {"stopped"}}
            assert state in may_be.get(ending, {"answered", "failed"})
