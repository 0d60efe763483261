"""A tool made of steps: what waits for what, what may fail, and how long each may take.

Pure of what the steps do. A chain is refused when it is written down wrongly, not when a caller
waits for it; whatever a step does, ``run`` comes to its end within the time it was given.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from tools.errors import BudgetSpent, LeaseLost, ToolError

NOT_BEGUN: Final = "a step before it stopped the chain"

Answers = Mapping[str, Any]
"""Step → its answer, of the steps it depends on that had one."""


def _never(_answer: Any) -> bool:
    return False


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do on the way."""

    name: str
    run: Callable[[Answers], Awaitable[Any]]
    depends_on: tuple[str, ...] = ()
    """Begun when all of these have come to their end, whichever."""
    critical: bool = True
    """Without its answer nothing that depends on it is begun, nor what depends on that."""
    stops: Callable[[Any], bool] = _never
    """True for an answer after which the same holds, critical or not."""
    weight: int = 1
    """Its part of the time, against the other steps of the way it lies on."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a step."""

    state: Literal["answered", "stopped", "failed", "not_begun"]
    """``stopped``: it answered, and the answer stops what depends on it."""
    answer: Any = None
    error: ToolError | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of every step; some of it may be worth telling though the last one failed."""

    steps: Mapping[str, Ended]

    def answer(self, name: str) -> Any:
        """The step's answer, or None if it has none."""
        return self.steps[name].answer

    def must(self, name: str) -> Any:
        """The step's answer.

        Raises:
            ToolError: why it has none.
        """
        ended = self.steps[name]
        if ended.error is not None:
            raise ended.error
        if ended.state == "not_begun":
            raise ToolError("I can't do that just now.", reason=NOT_BEGUN)
        return ended.answer


class Chain:
    """Steps that wait for one another.

    Raises:
        ValueError: two steps of one name, one that depends on an unknown step or on itself by any
            way, or a weight below one.
    """

    def __init__(self, *steps: Step) -> None:
        self._steps = {step.name: step for step in steps}
        if len(self._steps) != len(steps):
            raise ValueError("two steps of one name")
        if light := sorted(step.name for step in steps if step.weight < 1):
            raise ValueError(f"no weight: {', '.join(light)}")
        for step in steps:
            if unknown := sorted(set(step.depends_on) - self._steps.keys()):
                raise ValueError(f"{step.name} depends on no such step: {', '.join(unknown)}")
        self._heaviest = _heaviest_ways(steps)

    async def run(self, budget_s: float) -> Report:
        """Begin each step as soon as it can be; independent ones at once.

        A step may take as much of the time that is left as its weight is of the heaviest way from
        it to the end, so what an early step does not use is there for the later ones.

        Raises:
            LeaseLost: in a step; the others are cancelled, the job is another worker's.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + budget_s
        ended: dict[str, Ended] = {}
        running: dict[asyncio.Task[Ended], str] = {}
        try:
            while len(ended) < len(self._steps):
                for step in self._ready(ended, running.values()):
                    if self._is_stopped(step, ended):
                        ended[step.name] = Ended(state="not_begun")
                        continue
                    left_s = ends_at - loop.time()
                    may_take_s = left_s * step.weight / self._heaviest[step.name]
                    running[asyncio.create_task(_run(step, ended, may_take_s))] = step.name
                if running:
                    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        ended[running.pop(task)] = task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return Report(steps=ended)

    def _ready(self, ended: Mapping[str, Ended], running: Collection[str]) -> list[Step]:
        """Those that wait for nobody any more."""
        return [
            step
            for name, step in self._steps.items()
            if name not in ended and name not in running and ended.keys() >= set(step.depends_on)
        ]

    def _is_stopped(self, step: Step, ended: Mapping[str, Ended]) -> bool:
        return any(
            ended[name].state in ("stopped", "not_begun")
            or (ended[name].state == "failed" and self._steps[name].critical)
            for name in step.depends_on
        )


async def _run(step: Step, ended: Mapping[str, Ended], may_take_s: float) -> Ended:
    answers = {
        name: ended[name].answer for name in step.depends_on if ended[name].state == "answered"
    }
    try:
        async with asyncio.timeout(may_take_s) as bound:
            answer = await step.run(answers)
    except LeaseLost:
        raise
    except ToolError as error:
        return Ended(state="failed", error=error)
    except TimeoutError:
        if not bound.expired():
            raise
        late = BudgetSpent("That took too long.", reason=f"step {step.name} took too long")
        return Ended(state="failed", error=late)
    return Ended(state="stopped" if step.stops(answer) else "answered", answer=answer)


def _heaviest_ways(steps: Sequence[Step]) -> dict[str, int]:
    """Step → weight of the heaviest way from it, itself included, to an end of the chain.

    Raises:
        ValueError: some of them wait for one another.
    """
    heaviest: dict[str, int] = {}
    after = {step.name: [each for each in steps if step.name in each.depends_on] for step in steps}
    left = list(steps)
    while left:
        known = [step for step in left if all(each.name in heaviest for each in after[step.name])]
        if not known:
            raise ValueError(f"steps wait in a circle: {', '.join(step.name for step in left)}")
        for step in known:
            behind = max((heaviest[each.name] for each in after[step.name]), default=0)
            heaviest[step.name] = step.weight + behind
        left = [step for step in left if step not in known]
    return heaviest
