"""One call's decisions: the table of contents of what happens to it.

Owns the order of things (greeting, agent, talk, end) and composes the parts. Leaves the agent's
line and its loss to ``upkeep``, what is said into a silence to ``silence``, function calls to
``requests``, and everything smaller to the parts that ``parts`` lists.
"""

import math
from collections.abc import Mapping

import msgspec

from bridge.call.commands import CloseAgent, Command, End, RunTool, SendVoice
from bridge.call.conversation import Conversation, Utterance
from bridge.call.details import save_point
from bridge.call.events import (
    AgentAudio,
    AgentLost,
    CallerGone,
    Event,
    OutcomeArrived,
    PhraseMissing,
    PhraseReady,
    Wakeup,
)
from bridge.call.farewell import Farewell
from bridge.call.manners import Manners
from bridge.call.parts import Parts
from bridge.call.patience import past
from bridge.call.phrases import Phrases
from bridge.call.quality import Quality
from bridge.call.requests import Requests
from bridge.call.silence import Silence
from bridge.call.timings import Stamps
from bridge.call.troubles import REFUSED_INJECTIONS, WARNINGS, of_error, of_handshake
from bridge.call.upkeep import SPOKEN_BYTES, Upkeep
from bridge.call.window import due, job
from bridge.errors import InvalidTransition
from bridge.wire import deepgram, twilio
from tools.catalog import Tool

_AFTER_HANGING_UP = (twilio.Stop, twilio.Mark, CallerGone, Wakeup)


class CallSession:
    """One call, from the first ring to the last word.

    Pure: reads no clock, opens nothing. Drive it from a single task::

        commands = session.receive(event, now)   # each event, in the order it came
        at = session.next_wakeup()               # None, or the instant to feed Wakeup()

    ``now`` and ``at`` are seconds on one monotonic clock.
    """

    def __init__(
        self, conversation: Conversation, *, manners: Manners, catalog: Mapping[str, Tool]
    ) -> None:
        self.conversation = conversation
        self.stray_bytes = 0
        """Agent audio of cut turns that was thrown away."""
        self.parts = parts = Parts(conversation, manners=manners, catalog=catalog)
        self._manners = manners
        self._phrases = Phrases(parts)
        self._upkeep = Upkeep(parts, self._phrases)
        self._silence = Silence(parts, self._upkeep)
        self._requests = Requests(parts, self._upkeep)
        self._farewell = Farewell(parts)
        self._speaking = parts.speaking
        self._turns = parts.turns
        self._patience = parts.patience
        self._ending = parts.ending
        self._opening = parts.opening
        self._line = parts.line
        self._ear = parts.ear
        self._soft = manners.barge_in == "soft"
        self._now = 0.0
        self._told_poor = False
        self._ended = False
        conversation.stream_lost()

    @property
    def stamps(self) -> Stamps:
        """The latencies of this stream."""
        return self.parts.stamps

    @property
    def unsent_bytes(self) -> int:
        """Caller audio that was dropped because the agent was not ready in time."""
        return self._ear.dropped_bytes

    @property
    def withheld_bytes(self) -> int:
        """Caller speech that never reached the agent because it had no right to the floor."""
        return self._ear.withheld_bytes

    @property
    def agent_sessions(self) -> int:
        """How many sessions of the agent this stream had."""
        return self._line.sessions

    @property
    def quality(self) -> Quality:
        """How good the caller's line was."""
        return self._ear.quality.report()

    @property
    def late_outcomes(self) -> int:
        """Outcomes nobody waited for any more."""
        return self.parts.answers.late

    # --- the table of contents ---------------------------------------------------------------

    def receive(self, event: Event, now: float) -> list[Command]:
        """What one event asks to be done, in order.

        Never raises for what a peer said.

        Raises:
            InvalidTransition: the driver's clock ran backwards.
        """
        if now < self._now:
            raise InvalidTransition(f"now went back by {self._now - now:.6f} s")
        self._now = now
        if self._ended or (self._ending.hung_up and not isinstance(event, _AFTER_HANGING_UP)):
            return []
        match event:
            case twilio.Media():
                return self._caller_audio(event.media.payload, now)
            case AgentAudio():
                return self._agent_audio(event.audio, now)
            case twilio.Start():
                return self._begin(event, now)
            case twilio.Mark():
                return self._mark_came_back(event.mark.name, now)
            case twilio.Stop():
                return self._end("caller_hung_up", now)
            case CallerGone():
                return self._end("caller_line_lost", now)
            case deepgram.Welcome():
                self._line.welcomed = True
                return self._upkeep.configure()
            case deepgram.SettingsApplied() if not self._ending.begun:
                return self._upkeep.applied(now)
            case deepgram.UserStartedSpeaking():
                return self._caller_begins(now)
            case deepgram.ConversationText(role="user"):
                return self._caller_said(event.content, now)
            case deepgram.ConversationText():
                return self._agent_said(event.content, now)
            case deepgram.EndOfTurn():
                self._caller_done(now)
            case deepgram.AgentThinking() | deepgram.AgentStartedSpeaking():
                self._turns.release()
            case deepgram.AgentAudioDone():
                return [*self._speaking.voice_done(now), *self._reply_over(now)]
            case deepgram.FunctionCallRequest():
                return self._requests.ask(event.functions, now)
            case deepgram.FunctionCallCancelled():
                return self._requests.withdraw(event.functions, now)
            case deepgram.LatencyReport():
                self._note_latencies(event, now)
            case deepgram.InjectionRefused():
                return self._injection_refused(now)
            case deepgram.Warning():
                return self._warned(event.code, now)
            case OutcomeArrived():
                return self._requests.answer(event.outcome, now)
            case PhraseReady():
                return self._phrase_ready(event, now)
            case PhraseMissing():
                return self._phrase_missing(event, now)
            case AgentLost() if not self._ending.begun:
                return self._upkeep.lost(
                    now,
                    of_handshake(event.status),
                    status=event.status,
                    not_before_s=event.retry_after_s,
                )
            case deepgram.Error() if not self._ending.begun:
                # "Fatal: treat as end of session" (deepgram-voice-agent.md section 3).
                trouble = of_error(event.code, applied=self._line.ready)
                return [CloseAgent(), *self._upkeep.lost(now, trouble)]
            case Wakeup():
                return self._wake(now)
            case _:
                pass
        return []

    @property
    def frames_count(self) -> bool:
        """True while a mere frame may bring ``next_wakeup`` forward, so that it is to be asked.

        The voice of a caller whom nobody listens to is what a call wakes up for.
        """
        return (
            not self._line.ready
            or self._ear.first
            or (self._ear.spoken_bytes >= SPOKEN_BYTES and not self._turns.caller_speaking)
        )

    def next_wakeup(self) -> float | None:
        """The instant at which ``Wakeup`` is due; None once the call has ended."""
        if self._ended:
            return None
        if self._ending.hung_up:
            return self._ending.due_at
        at = math.inf if self._ending.begun else self.parts.longest_until
        for due_at in (
            self._opening.until,
            self._turns.latched_until,
            self._ending.due_at,
            self._farewell.due_at(),
            *self._requests.due_at(),
            *self._upkeep.due_at(self._now),
            *self._silence.due_at(),
        ):
            if due_at is not None and due_at < at:
                at = due_at
        return at

    # --- beginning ---------------------------------------------------------------------------

    def _begin(self, start: twilio.Start, now: float) -> list[Command]:
        if self._speaking.stream_sid:
            return []
        self._speaking.stream_sid = start.stream_sid
        self.parts.began_at = now
        self._requests.begin(now)
        if not self.conversation.save_points:
            save_point(self.conversation, 0.0, "beginning")
        if not self.parts.resumed:
            self.stamps.begin("greeting", now)
        return [*self._phrases.begin(now), *self._upkeep.connect(now)]

    # --- sound -------------------------------------------------------------------------------

    def _caller_audio(self, audio: bytes, now: float) -> list[Command]:
        piece = self._ear.hear(audio, now, self._speaking.floor(now, soft=self._soft))
        return [SendVoice(piece)] if piece else []

    def _agent_audio(self, audio: bytes, now: float) -> list[Command]:
        if self._turns.latched or self._ending.begun or not audio:
            self.stray_bytes += len(audio)
            return []
        if self._speaking.begins:
            self._agent_begins(now)
        elif self._patience.owed_since is not None:
            # Of a reply whose end was not announced before it was asked something.
            self._agent_answers(now)
        commands = self._speaking.voice(audio, now)
        if len(commands) > 1 and isinstance(commands[0], twilio.Clear):
            self._ear.quality.hushed(now)
        self._ear.quality.spoke(audio, now)
        return commands

    def _agent_begins(self, now: float) -> None:
        at_s = self.parts.at_s(now)
        self.stamps.end("greeting", now, at_s)
        self.stamps.end("reply", now, at_s)
        self._turns.nobody_speaks()
        self._agent_answers(now)
        self._upkeep.agent_spoke()
        self._requests.agent_speaks()

    def _agent_answers(self, now: float) -> None:
        self._patience.agent_showed(now)
        self.parts.fillers.over()

    def _mark_came_back(self, name: str, now: float) -> list[Command]:
        if not self._speaking.reached(name, now):
            return []
        heard_out = self._speaking.settle(now)
        if self._ending.heard(name):
            return self._hang_up(now)
        if not heard_out:
            return []
        return [*self._requests.heard(now), *self._farewell.step(now), self.parts.save(now)]

    def _reply_over(self, now: float) -> list[Command]:
        commands = [*self._phrases.notice(now), *self._requests.heard(now)]
        return [*commands, *self._farewell.step(now)]

    # --- talk --------------------------------------------------------------------------------

    def _caller_begins(self, now: float) -> list[Command]:
        if self._upkeep.begun_by_us():
            return []
        self._ear.noticed()
        self._turns.caller_begins()
        self.parts.news.put_off(now)
        self._patience.caller_began(now)
        self.parts.fillers.over()
        self.stamps.drop("reply")
        # A protected passage is finished; what she says is withheld for the agent meanwhile.
        if self._ending.begun or self._speaking.protected(now):
            return []
        audible = self._speaking.audible(now)
        if not (audible or self._speaking.reply_open):
            return []
        if self._speaking.reply_open or self._speaking.agent_spoke_last:
            self._turns.latch(now)
        if audible:
            self.conversation.interruptions += 1
        self._ear.quality.hushed(now)
        self._opening.notice.over()
        commands = [*self._speaking.cut(now), *self._phrases.notice(now)]
        return [*commands, *self._requests.heard(now), self.parts.save(now)]

    def _caller_done(self, now: float) -> None:
        if self._turns.caller_speaking:
            self.stamps.begin("reply", now)
        self._turns.caller_ends()

    def _caller_said(self, text: str, now: float) -> list[Command]:
        self._caller_done(now)
        commands = self._speaking.turn_over(now)
        self._ear.noticed()
        self.parts.news.put_off(now)
        if self._upkeep.told_back(text):
            return [*commands, *self.parts.tuning.caller_said(text), self.parts.save(now)]
        self.conversation.say(Utterance(speaker="caller", text=text, at_s=self.parts.at_s(now)))
        if self._ending.begun:
            return [*commands, self.parts.save(now)]
        self._ear.turn_over()
        self._upkeep.caller_said()
        self._speaking.protect_next = False
        self.parts.functions.forget_known()
        self._patience.caller_said(now)
        self.parts.fillers.over()
        commands += self._phrases.notice(now)
        commands += self._requests.heard(now)
        commands += self._farewell.caller_said()
        commands += self.parts.tuning.caller_said(text)
        commands += self._tell_of_a_poor_line()
        commands += self._summarise()
        return [*commands, self.parts.save(now)]

    def _tell_of_a_poor_line(self) -> list[Command]:
        if self._told_poor or not self._manners.poor_line or self._ear.quality.poor() is None:
            return []
        self._told_poor = True
        return [deepgram.UpdatePrompt(prompt=self._manners.poor_line)]

    def _summarise(self) -> list[Command]:
        wanted = due(
            self.conversation,
            turns=self._manners.window_turns,
            tokens=self._manners.window_tokens,
            budget=self._manners.token_budget,
            beside=self._manners.beside_tokens,
        )
        return [] if wanted is None else [RunTool(job=job(self.conversation, wanted))]

    def _agent_said(self, text: str, now: float) -> list[Command]:
        words = Utterance(speaker="agent", text=text, at_s=self.parts.at_s(now))
        if self._turns.latched or self._ending.begun:
            # Said by the agent, but of a cut turn: the caller hears none of it.
            self.conversation.say(msgspec.structs.replace(words, cut=True))
            return [self.parts.save(now)]
        if self._speaking.begins:
            self._patience.owe(now)  # words are a sign of life, but the voice is still to come
        if self._opening.notice.asked and self._opening.notice.has(text):
            self._opening.notice.over()
            self._speaking.protect_next = True
        self._requests.agent_speaks()
        commands = self._speaking.words(words)
        return [*commands, *self.parts.tuning.agent_said(text), self.parts.save(now)]

    def _injection_refused(self, now: float) -> list[Command]:
        self._patience.refused(now)
        self._upkeep.refused()
        return self._requests.not_said(now)

    def _warned(self, code: str, now: float) -> list[Command]:
        if code in REFUSED_INJECTIONS:
            return self._injection_refused(now)
        if WARNINGS.get(code) == "retry":
            self._line.age()
        return []

    def _note_latencies(self, report: deepgram.LatencyReport, now: float) -> None:
        at_s = self.parts.at_s(now)
        for stage, seconds in (
            ("thinking", report.ttt_token_latency),
            ("voice", report.tts_latency),
            ("total", report.total_latency),
        ):
            if seconds is not None:
                self.stamps.add(stage, seconds, at_s)

    # --- phrases -----------------------------------------------------------------------------

    def _phrase_ready(self, phrase: PhraseReady, now: float) -> list[Command]:
        match phrase.kind:
            case "greeting" if self._opening.until is not None:
                self.stamps.end("greeting", now, self.parts.at_s(now))
                commands = self._phrases.greeting(phrase, now)
                return [*commands, *self._upkeep.configure(), self.parts.save(now)]
            case "notice":
                self._opening.notice.audio = phrase
                return self._phrases.notice(now)
            case "filler" | "cover" if self._silence.wanted(phrase, now):
                return [*self._phrases.filler(phrase, now), self.parts.save(now)]
            case "apology" | "goodbye" if self._ending.wants(phrase.kind):
                return self._phrases.last_words(phrase, now)
            case _:
                return []

    def _phrase_missing(self, phrase: PhraseMissing, now: float) -> list[Command]:
        match phrase.kind:
            case "greeting" if self._opening.until is not None:
                self._opening.let_agent_greet()
                return self._upkeep.configure()
            case "notice":
                self._opening.notice.missing = True
                return self._phrases.notice(now)
            case "filler" | "cover":
                self._silence.missing(phrase)
            case "apology" | "goodbye" if self._ending.wants(phrase.kind):
                return self._hang_up(now)
            case _:
                pass
        return []

    # --- time --------------------------------------------------------------------------------

    def _wake(self, now: float) -> list[Command]:
        if past(self._ending.due_at, now):
            return self._end("", now) if self._ending.hung_up else self._hang_up(now)
        if self._ending.hung_up:
            return []
        if now >= self.parts.longest_until and not self._ending.begun:
            return [CloseAgent(), *self.parts.end("longest_call", now)]
        commands: list[Command] = []
        if past(self._opening.until, now):
            self._opening.let_agent_greet()
            commands += self._upkeep.configure()
        if past(self._turns.latched_until, now):
            self._turns.release()
        if not self._ending.begun:
            commands += self._upkeep.wake(now)
        commands += self._requests.wake(now)
        commands += self._silence.wake(now)
        commands += self._farewell.step(now)
        return commands

    # --- ending ------------------------------------------------------------------------------

    def _hang_up(self, now: float) -> list[Command]:
        return [self._ending.hang_up(now)]

    def _end(self, reason: str, now: float) -> list[Command]:
        if self._ending.hung_up:
            reason = self._ending.reason
        self._speaking.settle(now)
        self._speaking.cut(now)
        self.parts.save(now)
        # A lost line is no end: another stream may continue the call.
        ends = reason != "caller_line_lost"
        last = self._requests.over(now, call_ends=ends)
        self.conversation.ended = reason if ends else ""
        self._ended = True
        return [*last, CloseAgent(), End(reason=reason)]
