"""When the caller takes her next step: the triggers of a scenario, judged from what she hears.

Pure. Leaves doing it (voices, sockets) to ``bridge.simulator.caller``.
"""

from collections.abc import Sequence

import msgspec

from bridge.simulator.scenario import CallerStep

__all__ = ["Scene", "Script"]


class Scene(msgspec.Struct, kw_only=True):
    """What the caller knows at one instant; all instants on one clock, None = never yet."""

    stream_at: float | None = None
    """When the first frame of the first stream went out."""
    agent_began: list[float] = []
    """When each agent utterance of the call became audible, in order."""
    agent_audible_at: float | None = None
    """When the agent was last audible."""
    caller_audible_at: float | None = None
    """When the caller last spoke herself."""
    cleared_at: float | None = None
    """When queued agent speech was last thrown away."""
    marks: int = 0
    """Marks of the present stream that were reached."""


class Script:
    """A caller's steps, one after the other."""

    def __init__(self, steps: Sequence[CallerStep], began_at: float) -> None:
        self._steps = list(steps)
        self._next = 0
        self._done_at = began_at

    @property
    def finished(self) -> bool:
        """Whether no step is left."""
        return self._next == len(self._steps)

    @property
    def begun(self) -> int:
        """How many steps have begun: the last of them has this number less one."""
        return self._next

    @property
    def waiting_since(self) -> float:
        """When the previous step was over."""
        return self._done_at

    @property
    def waits_for(self) -> str:
        """The moment of the next step, in words for a report."""
        if self.finished:
            return "the other side to hang up"
        name, value = self._steps[self._next].trigger
        return f"step {self._next + 1} ({name} = {value})"

    def due(self, scene: Scene, now: float) -> CallerStep | None:
        """The next step if its moment has come; it counts as begun then."""
        if self.finished or not self._has_come(self._steps[self._next], scene, now):
            return None
        self._next += 1
        return self._steps[self._next - 1]

    def done(self, now: float) -> None:
        """The step begun last is over: the next one's trigger counts from here."""
        self._done_at = now

    def _has_come(self, step: CallerStep, scene: Scene, now: float) -> bool:
        name, value = step.trigger
        wait_s = value / 1000
        match name:
            case "at_ms":
                return scene.stream_at is not None and now - scene.stream_at >= wait_s
            case "barge_in_ms":
                began_at = self._broken_into(step, scene)
                return began_at is not None and now - began_at >= wait_s
            case "after_step_ms":
                return now - self._done_at >= wait_s
            case "at_mark":
                return scene.marks >= value
            case "after_silence_ms":
                return now - self._last_sound_at(scene) >= wait_s
            case _:
                # Speech cut by a clear was begun before this step: the answer is still to come.
                audible_at = scene.agent_audible_at
                spoken_since = max(self._done_at, scene.cleared_at or self._done_at)
                return (
                    audible_at is not None
                    and audible_at > spoken_since
                    and now - audible_at >= wait_s
                )

    def _broken_into(self, step: CallerStep, scene: Scene) -> float | None:
        """When the utterance began that a step barges in on; None while it has not."""
        if step.call_utterance is not None:
            began, number = scene.agent_began, step.call_utterance
        else:
            began = [at for at in scene.agent_began if at > self._done_at]
            number = step.utterance or max(1, len(began))
        return began[number - 1] if len(began) >= number else None

    def _last_sound_at(self, scene: Scene) -> float:
        audible_at = (self._done_at, scene.agent_audible_at, scene.caller_audible_at)
        return max(at for at in audible_at if at is not None)
