"""The caller herself: hears what is played to her, follows her script, speaks, keeps both tracks.

Driven by ticks of 20 ms with ``now`` as an argument. Leaves the telephone line, and with it
whether anybody hears her, to ``bridge.simulator.caller``.
"""

from collections.abc import Mapping

import msgspec

from bridge.simulator import events
from bridge.simulator.diary import Diary
from bridge.simulator.hearing import Ear, audible_part
from bridge.simulator.line import Track
from bridge.simulator.microphone import Microphone
from bridge.simulator.scenario import CallerStep, Scenario
from bridge.simulator.script import Scene, Script
from bridge.wire import mulaw

__all__ = ["Deed", "Person", "Said"]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the caller said, on the timeline of the call."""

    text: str
    start: int
    """Position of the first loud sample."""
    end: int
    """Position behind the last loud sample."""


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What 20 ms of the caller come to."""

    frame: bytes
    speaking: bool
    press: str | None = None
    hang_up: bool = False


class Person:
    """One caller for one call.

    ``clips`` has the sound of every line of the scenario. The ``scene`` is what she knows; the
    line writes into it what only the line can tell (stream begun, marks, clears).
    """

    def __init__(
        self, scenario: Scenario, clips: Mapping[str, bytes], diary: Diary, began_at: float
    ) -> None:
        self.heard = Track(began_at)
        self.spoken = Track(began_at)
        self.said: list[Said] = []
        self.scene = Scene()
        self.script = Script(scenario.caller, began_at)
        self._clips = clips
        self._diary = diary
        self._microphone = Microphone(scenario.seed)
        self._ear = Ear()
        self._listened_to = 0
        self._hearing = False
        self._heard_ms = 0.0
        self._saying: str | None = None
        self._busy_until: float | None = None
        self._asked_at: float | None = None
        """When she finished a line that nobody has answered yet."""

    @property
    def idle(self) -> bool:
        """Whether she waits for the moment of her next step."""
        return self._saying is None and self._busy_until is None

    def speaking_since_ms(self, now: float) -> float | None:
        """Milliseconds since the first loud sample of what she is saying; None when silent."""
        if self._saying is None:
            return None
        return (now - self.spoken.instant(self.said[-1].start)) * 1000

    def tick(self, now: float) -> Deed:
        """The next 20 ms, ending now: listens first, then acts."""
        self._listen(now)
        deed = self._act(now)
        self._after(now)
        return deed

    def _listen(self, now: float) -> None:
        playhead = self.heard.position(now)
        sound = self.heard.between(self._listened_to, playhead)
        began = self._ear.listen(sound, self.heard.instant(self._listened_to))
        self._listened_to = playhead
        self.scene.agent_began_at = self._ear.began_at
        self.scene.agent_audible_at = self._ear.audible_at
        if self._hearing and (began or self._ear.silent_s(now) >= self._ear.pause_s):
            self._hearing = False
            self._diary.note(events.AgentSilent, now, heard_ms=self._heard_ms)
        if began:
            self._hearing = True
            began_at = self._ear.began_at or now
            gap_ms = None if self._asked_at is None else (began_at - self._asked_at) * 1000
            self._asked_at = None
            self._diary.note(events.AgentAudible, began_at, gap_ms=gap_ms)
        if self._hearing:
            self._heard_ms = ((self._ear.audible_at or now) - (self._ear.began_at or now)) * 1000

    def _act(self, now: float) -> Deed:
        step = self.script.due(self.scene, now) if self.idle else None
        press, hang_up = None, False
        if step is not None:
            press, hang_up = step.press, step.hangup
            self._begin(step, now)
        speaking = self._microphone.speaking
        frame = self._microphone.frame()
        # A frame goes out when its last sample is spoken: it lies before now.
        self.spoken.lay(self.spoken.position(now) - mulaw.FRAME_BYTES, frame)
        if speaking:
            self.scene.caller_audible_at = now
        return Deed(frame=frame, speaking=speaking, press=press, hang_up=hang_up)

    def _begin(self, step: CallerStep, now: float) -> None:
        if step.say is not None:
            self._say(step.say, step.cut_ms, now)
        elif step.wait_ms is not None:
            self._busy_until = now + step.wait_ms / 1000
            self._diary.note(events.CallerWaited, now, wait_ms=step.wait_ms)
        elif step.press is not None:
            self._diary.note(events.KeyPressed, now, digit=step.press)
            self.script.done(now)

    def _say(self, text: str, cut_ms: int | None, now: float) -> None:
        clip = self._clips[text]
        if cut_ms is not None:
            clip = clip[: cut_ms * mulaw.BYTES_PER_MS]
        audible = audible_part(clip)
        start = self.spoken.position(now) - mulaw.FRAME_BYTES
        self.said.append(Said(text=text, start=start + audible.start, end=start + audible.end))
        self._microphone.say(clip)
        self._saying = text
        self._asked_at = None
        over_agent_ms = None
        if self._hearing and self._ear.began_at is not None:
            over_agent_ms = (now - self._ear.began_at) * 1000
        self._diary.note(
            events.CallerSpoke,
            now,
            text=text,
            duration_ms=mulaw.duration_ms(len(clip)),
            over_agent_ms=over_agent_ms,
        )

    def _after(self, now: float) -> None:
        if self._saying is not None and not self._microphone.speaking:
            self._diary.note(events.CallerFinished, now, text=self._saying)
            self._saying = None
            self._asked_at = self.spoken.instant(self.said[-1].end)
            self.script.done(now)
        if self._busy_until is not None and now >= self._busy_until:
            self._busy_until = None
            self.script.done(now)
