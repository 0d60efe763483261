"""One call's decisions: the table of contents of what happens to it.

Owns the order of things (greeting, agent, talk, end) and composes the parts. Leaves the floor to
``turns``, what the caller hears to ``speaking``, function calls to ``answers``.
"""

import math
from collections.abc import Mapping

import msgspec

from bridge.call.answers import Answers
from bridge.call.commands import (
    CloseAgent,
    Command,
    ConfigureAgent,
    ConnectAgent,
    End,
    FetchPhrase,
    HangUp,
    NextStep,
    Save,
    SendVoice,
)
from bridge.call.conversation import Conversation, Utterance
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
from bridge.call.fillers import Fillers
from bridge.call.functions import FunctionCalls
from bridge.call.hearing import Hearing
from bridge.call.manners import Manners
from bridge.call.speaking import Speaking
from bridge.call.timings import Stamps
from bridge.call.turns import Turns
from bridge.errors import InvalidTransition
from bridge.wire import deepgram, twilio
from tools.catalog import Tool
from tools.contract import ToolOutcome

APOLOGY_PATIENCE_S = 2.0
"""No apology of ours by then: Twilio says it."""
LAST_MARK_PATIENCE_S = 2.0
"""How long after the last words the call waits for their mark."""
GONE_PATIENCE_S = 6.0
"""After hanging up, so long until the call ends whether or not its line was closed."""

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
        self.stamps = Stamps()
        self.stray_bytes = 0
        """Agent audio of cut turns that was thrown away."""
        self._manners = manners
        self._speaking = Speaking(conversation)
        self._turns = Turns()
        self._functions = FunctionCalls()
        self._answers = Answers(conversation, self._functions, catalog)
        self._fillers = Fillers(manners.fillers, after_s=manners.filler_after_s)
        self._now = 0.0
        self._began_at = 0.0
        self._elapsed_before_s = conversation.elapsed_s
        self._resumed = conversation.begun
        self._greeting_until: float | None = None
        self._agent_until: float | None = None
        self._welcomed = False
        self._configured = False
        self._ready = False
        self._agent_greets = False
        self._hearing = Hearing(group_bytes=manners.group_bytes, kept_bytes=manners.kept_bytes)
        self._asked_filler: float | None = None
        self._closing: NextStep | None = None
        self._closing_reason = ""
        self._close_mark: str | None = None
        self._close_until: float | None = None
        self._hung_up = False
        self._ended = False
        conversation.stream_lost()

    @property
    def unsent_bytes(self) -> int:
        """Caller audio that was dropped because the agent was not ready in time."""
        return self._hearing.dropped_bytes

    @property
    def late_outcomes(self) -> int:
        """Outcomes nobody waited for any more."""
        return self._answers.late

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
        if self._ended or (self._hung_up and not isinstance(event, _AFTER_HANGING_UP)):
            return []
        match event:
            case twilio.Media():
                return self._caller_audio(event.media.payload)
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
                self._welcomed = True
                return self._configure(now)
            case deepgram.SettingsApplied():
                return self._agent_ready(now)
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
                return self._speaking.voice_done(now)
            case deepgram.FunctionCallRequest():
                return self._ask(event.functions, now)
            case deepgram.FunctionCallCancelled():
                return self._withdraw(event.functions, now)
            case deepgram.LatencyReport():
                self._note_latencies(event, now)
            case OutcomeArrived():
                return self._answer(event.outcome, now)
            case PhraseReady():
                return self._phrase_ready(event, now)
            case PhraseMissing():
                return self._phrase_missing(event, now)
            case AgentLost():
                return self._agent_lost(now)
            case deepgram.Error():
                # "Fatal: treat as end of session" (deepgram-voice-agent.md section 3).
                return [CloseAgent(), *self._agent_lost(now)]
            case Wakeup():
                return self._wake(now)
            case _:
                pass
        return []

    def next_wakeup(self) -> float | None:
        """The instant at which ``Wakeup`` is due; None once the call has ended."""
        if self._ended:
            return None
        if self._hung_up:
            return self._close_until
        at = math.inf if self._closing else self._longest_until
        for due in (
            self._greeting_until,
            self._agent_until,
            self._turns.latched_until,
            self._functions.next_deadline,
            self._filler_due(),
            self._close_until,
        ):
            if due is not None and due < at:
                at = due
        return at

    @property
    def _longest_until(self) -> float:
        """Counted from the call's beginning, whichever stream it was."""
        return self._began_at - self._elapsed_before_s + self._manners.longest_call_s

    # --- beginning ---------------------------------------------------------------------------

    def _begin(self, start: twilio.Start, now: float) -> list[Command]:
        if self._speaking.stream_sid:
            return []
        self._speaking.stream_sid = start.stream_sid
        self._began_at = now
        self._agent_until = now + self._manners.agent_patience_s
        commands: list[Command] = [ConnectAgent()]
        if not self._resumed:
            self.stamps.begin("greeting", now)
            self._greeting_until = now + self._manners.greeting_patience_s
            commands.insert(0, FetchPhrase(kind="greeting", text=self._manners.greeting))
        return commands

    def _configure(self, now: float) -> list[Command]:
        """Settings are sent once the agent listens and it is known who greets."""
        if not self._welcomed or self._configured or self._greeting_until is not None:
            return []
        self._configured = True
        return [ConfigureAgent(greet=self._agent_greets)]

    def _agent_ready(self, now: float) -> list[Command]:
        if self._ready or self._closing:
            return []
        self._ready = True
        self._agent_until = None
        kept = self._hearing.open()
        commands: list[Command] = [SendVoice(kept)] if kept else []
        if self._resumed:
            # Refused if the caller is speaking: then there is no silence to be filled.
            commands.append(deepgram.InjectAgentMessage(message=self._manners.resumed))
        return commands

    # --- sound -------------------------------------------------------------------------------

    def _caller_audio(self, audio: bytes) -> list[Command]:
        piece = self._hearing.hear(audio)
        return [SendVoice(piece)] if piece else []

    def _agent_audio(self, audio: bytes, now: float) -> list[Command]:
        if self._turns.latched or self._closing or not audio:
            self.stray_bytes += len(audio)
            return []
        if self._speaking.begins:
            at_s = self._at_s(now)
            self.stamps.end("greeting", now, at_s)
            self.stamps.end("reply", now, at_s)
        return self._speaking.voice(audio, now)

    def _mark_came_back(self, name: str, now: float) -> list[Command]:
        if not self._speaking.reached(name, now):
            return []
        heard_out = self._speaking.settle(now)
        if name == self._close_mark:
            return self._hang_up(now)
        return [self._save(now)] if heard_out else []

    # --- talk --------------------------------------------------------------------------------

    def _caller_begins(self, now: float) -> list[Command]:
        self._turns.caller_begins()
        self.stamps.drop("reply")
        audible = self._speaking.audible(now)
        if self._closing or not (audible or self._speaking.reply_open):
            return []
        if self._speaking.reply_open or self._speaking.agent_spoke_last:
            self._turns.latch(now)
        if audible:
            self.conversation.interruptions += 1
        return [*self._speaking.cut(now), self._save(now)]

    def _caller_done(self, now: float) -> None:
        if self._turns.caller_speaking:
            self.stamps.begin("reply", now)
        self._turns.caller_ends()

    def _caller_said(self, text: str, now: float) -> list[Command]:
        self._caller_done(now)
        commands = self._speaking.turn_over(now)
        self.conversation.say(Utterance(speaker="caller", text=text, at_s=self._at_s(now)))
        return [*commands, self._save(now)]

    def _agent_said(self, text: str, now: float) -> list[Command]:
        words = Utterance(speaker="agent", text=text, at_s=self._at_s(now))
        if self._turns.latched or self._closing:
            # Said by the agent, but of a cut turn: the caller hears none of it.
            self.conversation.say(msgspec.structs.replace(words, cut=True))
            return [self._save(now)]
        return [*self._speaking.words(words), self._save(now)]

    def _note_latencies(self, report: deepgram.LatencyReport, now: float) -> None:
        at_s = self._at_s(now)
        for stage, seconds in (
            ("speech", report.stt_latency),
            ("thinking", report.ttt_token_latency),
            ("voice", report.tts_latency),
            ("total", report.total_latency),
        ):
            if seconds is not None and stage != "speech":
                self.stamps.add(stage, seconds, at_s)

    # --- phrases -----------------------------------------------------------------------------

    def _phrase_ready(self, phrase: PhraseReady, now: float) -> list[Command]:
        words = Utterance(speaker="agent", text=phrase.text, at_s=self._at_s(now), source="phrase")
        match phrase.kind:
            case "greeting" if self._greeting_until is not None:
                self._greeting_until = None
                self.stamps.end("greeting", now, self._at_s(now))
                commands = self._speaking.phrase(words, phrase.audio, now)
                return [*commands, *self._configure(now), self._save(now)]
            case "filler" if self._filler_wanted(now):
                commands = self._speaking.filler(words, phrase.audio, now)
                return [*commands, self._save(now)]
            case "apology" if self._closing and self._close_mark is None:
                commands = self._speaking.phrase(words, phrase.audio, now)
                self._close_mark = self._last_mark(commands)
                self._close_until = self._speaking.end_at + LAST_MARK_PATIENCE_S
                return commands
            case _:
                return []

    def _phrase_missing(self, phrase: PhraseMissing, now: float) -> list[Command]:
        if phrase.kind == "greeting" and self._greeting_until is not None:
            return self._let_agent_greet(now)
        if phrase.kind == "apology" and self._closing and self._close_mark is None:
            self._closing = "apology"
            return self._hang_up(now)
        return []

    def _let_agent_greet(self, now: float) -> list[Command]:
        self._greeting_until = None
        self._agent_greets = True
        return self._configure(now)

    @staticmethod
    def _last_mark(commands: list[Command]) -> str | None:
        marks = [command.mark.name for command in commands if isinstance(command, twilio.SendMark)]
        return marks[-1] if marks else None

    def _filler_wanted(self, now: float) -> bool:
        return (
            self._functions.waiting
            and self._asked_filler == self._functions.filler_since
            and not self._turns.caller_speaking
            and not self._speaking.playing(now)
            and not self._closing
        )

    def _filler_due(self) -> float | None:
        """When to ask for a filler; never over the caller, never over the agent."""
        if self._turns.caller_speaking or self._closing:
            return None
        return self._fillers.due_at(
            self._functions.filler_since, silent_since=self._speaking.end_at
        )

    # --- function calls ----------------------------------------------------------------------

    def _ask(self, asked: list[deepgram.FunctionCall], now: float) -> list[Command]:
        if self._closing:
            return []
        self._turns.release()
        commands = self._answers.ask(asked, now, self._at_s(now))
        return [*commands, self._save(now)] if commands else []

    def _answer(self, outcome: ToolOutcome, now: float) -> list[Command]:
        asked_at = self._functions.asked_at(outcome.function_call_id)
        if asked_at is not None:
            self.stamps.add("function_call", now - asked_at, self._at_s(now))
        commands = self._answers.answer(outcome, self._at_s(now), agent_listens=self._ready)
        return [*commands, self._save(now)] if commands is not None else []

    def _withdraw(self, cancelled: list[deepgram.CancelledFunction], now: float) -> list[Command]:
        changed = self._answers.withdraw([call.id for call in cancelled], self._at_s(now))
        return [self._save(now)] if changed else []

    # --- time --------------------------------------------------------------------------------

    def _wake(self, now: float) -> list[Command]:
        if self._close_until is not None and self._close_until <= now:
            return self._end("", now) if self._hung_up else self._hang_up(now)
        if self._hung_up:
            return []
        if now >= self._longest_until and not self._closing:
            self._closing, self._closing_reason = "goodbye", "goodbye"
            return self._hang_up(now)
        commands: list[Command] = []
        if self._greeting_until is not None and self._greeting_until <= now:
            commands += self._let_agent_greet(now)
        if self._agent_until is not None and self._agent_until <= now:
            return [*commands, CloseAgent(), *self._agent_lost(now)]
        latched_until = self._turns.latched_until
        if latched_until is not None and latched_until <= now:
            self._turns.release()
        commands += self._answers.expire(now, self._at_s(now))
        filler_due = self._filler_due()
        since = self._functions.filler_since
        if filler_due is not None and filler_due <= now and since is not None:
            self._asked_filler = since
            commands.append(FetchPhrase(kind="filler", text=self._fillers.take(since)))
        return [*commands, self._save(now)] if commands else []

    # --- ending ------------------------------------------------------------------------------

    def _agent_lost(self, now: float) -> list[Command]:
        """Without an agent the call ends politely: our own words, then the next step."""
        if self._closing:
            return []
        self._closing, self._closing_reason = "human", "agent_lost"
        self._ready = False
        self._hearing.close()
        self._agent_until = self._greeting_until = None
        self._close_until = now + APOLOGY_PATIENCE_S
        self._turns.release()
        self._answers.give_up(self._at_s(now))
        commands = self._speaking.turn_over(now)
        return [*commands, FetchPhrase(kind="apology", text=self._manners.apology), self._save(now)]

    def _hang_up(self, now: float) -> list[Command]:
        next_step = self._closing or "goodbye"
        if self._close_mark is None and self._close_until is not None:
            next_step = "apology"
        self._hung_up = True
        self._close_mark = None
        self._close_until = now + GONE_PATIENCE_S
        return [HangUp(next_step=next_step)]

    def _end(self, reason: str, now: float) -> list[Command]:
        if self._hung_up:
            reason = self._closing_reason
        self._speaking.settle(now)
        self._speaking.cut(now)
        self._save(now)
        # A lost line is no end: another stream may continue the call.
        self.conversation.ended = "" if reason == "caller_line_lost" else reason
        self._ended = True
        return [CloseAgent(), End(reason=reason)]

    def _save(self, now: float) -> Save:
        self.conversation.elapsed_s = self._at_s(now)
        return Save()

    def _at_s(self, now: float) -> float:
        return self._elapsed_before_s + now - self._began_at
