"""The caller herself: hears what is played to her, follows her script, speaks, keeps both tracks.

Driven by ticks of 20 ms with ``now`` as an argument. Leaves the telephone line, and with it
whether anybody hears her, to ``bridge.simulator.caller``.
"""

from collections.abc import Sequence

import msgspec

from bridge.simulator import events
from bridge.simulator.diary import Diary
from bridge.simulator.hearing import Ear, Utterance
from bridge.simulator.line import Track
from bridge.simulator.microphone import Microphone
from bridge.simulator.room import Echo, Room
from bridge.simulator.sayings import Saying
from bridge.simulator.scenario import CallerStep, Scenario
from bridge.simulator.script import Scene, Script
from bridge.wire import mulaw

__all__ = ["Deed", "Person", "Said"]

_BREATH_S = 0.1
"""Whoever was audible so short a while ago is speaking still."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the caller said, on the timeline of the call."""

    text: str
    start: int
    """Position of the first loud sample."""
    end: int
    """Position behind the last loud sample."""
    has_words: bool = True
    """False for a cough, a door, ...: nobody has to answer it."""
    audible: tuple[Utterance, ...] = ()
    """Where she was heard, if there were pauses in it; else from start to end."""

    @property
    def stretches(self) -> tuple[Utterance, ...]:
        """Where she was heard."""
        return self.audible or (Utterance(self.start, self.end),)


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What 20 ms of the caller come to."""

    frame: bytes
    speaking: bool
    press: str | None = None
    hang_up: bool = False
    stall_ms: int | None = None
    """From this frame on her line is dead for so long."""
    hold_ms: int | None = None
    """From this frame on her line is held for so long."""


class _Spell(msgspec.Struct, frozen=True, kw_only=True):
    """Something that befalls the line while she speaks."""

    at: float
    stall_ms: int | None
    hold_ms: int | None


class Person:
    """One caller for one call.

    ``sayings`` has the sound of every step of the scenario, None where it has none. The ``scene``
    is what she knows; the line writes into it what only the line can tell (stream begun, marks,
    clears).
    """

    def __init__(
        self,
        scenario: Scenario,
        sayings: Sequence[Saying | None],
        diary: Diary,
        began_at: float,
        room: Room | None = None,
    ) -> None:
        self.heard = Track(began_at)
        self.spoken = Track(began_at)
        self.said: list[Said] = []
        self.scene = Scene()
        self.script = Script(scenario.caller, began_at)
        self._sayings = sayings
        self._diary = diary
        self._microphone = Microphone(scenario.seed, room)
        self._echo = Echo(room or Room())
        self._ear = Ear()
        self._listened_to = 0
        self._hearing = False
        self._heard_ms = 0.0
        self._saying: CallerStep | None = None
        self._busy_until: float | None = None
        self._spell: _Spell | None = None
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
        self.scene.agent_audible_at = self._ear.audible_at
        if self._hearing and (began or self._ear.silent_s(now) >= self._ear.pause_s):
            self._hearing = False
            self._diary.note(events.AgentSilent, now, heard_ms=self._heard_ms)
        if began:
            self._hearing = True
            began_at = self._ear.began_at or now
            self.scene.agent_began.append(began_at)
            gap_ms = None if self._asked_at is None else (began_at - self._asked_at) * 1000
            self._asked_at = None
            self._diary.note(events.AgentAudible, began_at, gap_ms=gap_ms)
        if self._hearing:
            self._heard_ms = ((self._ear.audible_at or now) - (self._ear.began_at or now)) * 1000

    def _act(self, now: float) -> Deed:
        step = self.script.due(self.scene, now) if self.idle else None
        if step is not None:
            self._begin(step, now)
        elif self._talked_over(now):
            self._stop(now)
        heard = self._microphone.hear()
        frame = self._with_echo(heard.frame, now)
        # A frame goes out when its last sample is spoken: it lies before now.
        self.spoken.lay(self.spoken.position(now) - mulaw.FRAME_BYTES, frame)
        if heard.speaking:
            self.scene.caller_audible_at = now
        spell = self._befallen(now)
        return Deed(
            frame=frame,
            speaking=heard.speaking,
            press=step.press if step is not None else None,
            hang_up=step is not None and step.hangup,
            stall_ms=spell.stall_ms if spell is not None else None,
            hold_ms=spell.hold_ms if spell is not None else None,
        )

    def _begin(self, step: CallerStep, now: float) -> None:
        if step.stall_ms is not None or step.hold_ms is not None:
            at = now + step.from_ms / 1000
            self._spell = _Spell(at=at, stall_ms=step.stall_ms, hold_ms=step.hold_ms)
        saying = self._sayings[self.script.begun - 1]
        if saying is not None:
            self._say(step, saying, now)
            return
        if step.wait_ms is not None:
            self._busy_until = now + step.wait_ms / 1000
            self._diary.note(events.CallerWaited, now, wait_ms=step.wait_ms)
            return
        if step.press is not None:
            self._diary.note(events.KeyPressed, now, digit=step.press)
        if step.noise_dbfs is not None:
            self._microphone.surround(step.noise_dbfs)
        self.script.done(now)

    def _say(self, step: CallerStep, saying: Saying, now: float) -> None:
        begins = self.spoken.position(now) - mulaw.FRAME_BYTES
        audible = tuple(Utterance(begins + u.start, begins + u.end) for u in saying.audible)
        self.said.append(
            Said(
                text=saying.text,
                start=audible[0].start,
                end=audible[-1].end,
                has_words=saying.has_words,
                audible=audible,
            )
        )
        self._microphone.say(saying.frames)
        self._saying = step
        self._asked_at = None
        over_agent_ms = None
        if self._hearing and self._ear.began_at is not None:
            over_agent_ms = (now - self._ear.began_at) * 1000
        self._diary.note(
            events.CallerSpoke,
            now,
            text=saying.text,
            duration_ms=mulaw.duration_ms(saying.length_bytes),
            over_agent_ms=over_agent_ms,
        )

    def _talked_over(self, now: float) -> bool:
        """Whether the agent has been speaking for so long while she does that she gives way."""
        step, began_at = self._saying, self._ear.began_at
        if step is None or step.yield_ms is None or began_at is None:
            return False
        both_since = max(began_at, self.spoken.instant(self.said[-1].start))
        talking = self._ear.silent_s(now) < _BREATH_S
        return talking and (now - both_since) * 1000 >= step.yield_ms

    def _stop(self, now: float) -> None:
        self._microphone.stop()
        last = self.said[-1]
        end = max(last.start, self.spoken.position(now) - mulaw.FRAME_BYTES)
        kept = tuple(Utterance(u.start, min(u.end, end)) for u in last.stretches if u.start < end)
        self.said[-1] = msgspec.structs.replace(last, end=min(last.end, end), audible=kept)

    def _befallen(self, now: float) -> _Spell | None:
        spell = self._spell
        if spell is None or now < spell.at:
            return None
        self._spell = None
        for trouble, lasting_ms in (("stall", spell.stall_ms), ("hold", spell.hold_ms)):
            if lasting_ms is not None:
                self._diary.note(events.LineTroubled, now, trouble=trouble, lasting_ms=lasting_ms)
        return spell

    def _with_echo(self, frame: bytes, now: float) -> bytes:
        if not self._echo.audible:
            return frame
        end = self.heard.position(now) - self._echo.lag_bytes
        played = self.heard.between(max(0, end - mulaw.FRAME_BYTES), max(0, end))
        return self._echo.over(frame, played) if len(played) == len(frame) else frame

    def _after(self, now: float) -> None:
        if self._saying is not None and not self._microphone.busy:
            last = self.said[-1]
            self._diary.note(events.CallerFinished, now, text=last.text)
            self._saying = None
            self._asked_at = self.spoken.instant(last.end) if last.has_words else None
            self.script.done(now)
        if self._busy_until is not None and now >= self._busy_until:
            self._busy_until = None
            self.script.done(now)
