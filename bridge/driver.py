"""The only shell around a call: feeds ``CallSession`` its events and performs what it commands.

Holds no rule about talking. Owns the links, the timer, and the work that takes time (connecting,
fetching, queueing, saving), none of which a frame ever waits for.

Everything runs on one event loop, and ``CallSession.receive`` never waits; so events need no
queue between the sockets and the call: a frame is read, decided and written in one callback.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
import structlog

from bridge.call.commands import (
    CancelTool,
    CloseAgent,
    Command,
    ConfigureAgent,
    ConnectAgent,
    End,
    FetchPhrase,
    GiveUpTool,
    HangUp,
    NextStep,
    PlayVoice,
    RunTool,
    Save,
    SendVoice,
)
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
from bridge.call.session import CallSession
from bridge.errors import AgentUnavailable, BridgeError, CallHeldElsewhere, StateUnavailable
from bridge.ports import Agent, Caller, OpenAgent, Persona, Phrases, Recorder, Tools
from bridge.saver import Keeper, Saver
from bridge.wire import deepgram, twilio
from tools.catalog import CATALOG
from tools.contract import IN_DOUBT, Failed, ToolJob, ToolOutcome
from tools.errors import ToolError

PIECE_BYTES: Final = 4000
"""Phrases go to Twilio in pieces of half a second."""
LAST_JOBS_S: Final = 2.0
"""So long after the call its last jobs may take to be queued: more than the queue itself tries."""

_FRAMES: Final = frozenset({twilio.Media, AgentAudio})
"""Events that come by the hundred a second; hardly ever one of them makes a wake-up earlier."""

log = structlog.get_logger()


class CallDriver:
    """Runs one media stream of one call, from ``start`` to the last save.

    ::

        driver = CallDriver(session, ...)
        driver.caller = link
        await driver.run(start, closed=wait_for_the_socket_to_close)
    """

    caller: Caller

    def __init__(
        self,
        session: CallSession,
        *,
        open_agent: OpenAgent,
        persona: Persona,
        tools: Tools,
        keeper: Keeper,
        phrases: Phrases,
        recorder: Recorder | None = None,
    ) -> None:
        self.session = session
        self.counts: Counter[str] = Counter()
        """What was unreadable, unsaved or dropped, by word."""
        self._open_agent = open_agent
        self._persona = persona
        self._tools = tools
        self._keeper = keeper
        self._phrases = phrases
        self._recorder = recorder
        self._agent: Agent | None = None
        self._line: _LineEar | None = None
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Event] = deque()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._partings: set[asyncio.Task[None]] = set()
        self._errands: set[asyncio.Task[None]] = set()
        """Jobs of the bridge's own on their way to the queue: a call that ends cancels none."""
        self._over = asyncio.Event()
        self._reason = ""
        self._log = log.bind(
            call_sid=session.conversation.call_sid, generation=session.conversation.generation
        )
        self._saver = Saver(
            keeper,
            log=self._log,
            counts=self.counts,
            held_elsewhere=lambda: self.hang_up("held_elsewhere"),
        )

    # --- life --------------------------------------------------------------------------------

    async def run(
        self, start: twilio.Start, *, closed: Callable[[], Coroutine[Any, Any, int]]
    ) -> str:
        """From ``start`` to the end; returns why it ended.

        ``closed`` waits for the end of the caller's socket and returns its close code. When this
        method returns the socket may be closed: nothing is sent any more.
        """
        call_sid = self.session.conversation.call_sid
        self._log = self._log.bind(stream_sid=start.stream_sid)
        self._tools.attach(call_sid, self._outcome)
        saver = asyncio.create_task(self._saver.run(), name="saver")
        watcher = asyncio.create_task(self._watch(closed), name="caller watcher")
        try:
            self.feed(start)
            await self._over.wait()
        finally:
            self._stop_timer()
            self._close_agent()
            watcher.cancel()
            saver.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(watcher, saver, *self._tasks, return_exceptions=True)
        return self._reason

    async def finish(self) -> None:
        """The last save, the last jobs, the agent's goodbye: the caller's socket needs nobody."""
        await self._saver.finish(self.session.conversation.ended)
        if self._errands:
            _, late = await asyncio.wait(self._errands, timeout=LAST_JOBS_S)
            for task in late:
                task.cancel()
        self._tools.detach(self.session.conversation.call_sid, self._outcome)
        await asyncio.gather(*self._partings, return_exceptions=True)
        self._tell_the_log()

    def hang_up(self, reason: str) -> None:
        """Stop driving this stream at once, as on a shutdown; what was said is saved."""
        self._reason = self._reason or reason
        self.feed(CallerGone())  # so that the call knows what was heard to the last
        self._over.set()

    def _stop(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._over.set()

    async def _watch(self, closed: Callable[[], Coroutine[Any, Any, int]]) -> None:
        try:
            code = await closed()
        except OSError:  # however it ended, the line is gone
            code = 0
        self.feed(CallerGone(code=code))

    # --- events in ---------------------------------------------------------------------------

    def feed(self, event: Event) -> None:
        """One event enters the call, and what it commands is done before this returns."""
        if self._busy:
            self._inbox.append(event)
            return
        self._busy = True
        try:
            self._handle(event)
            while self._inbox:
                self._handle(self._inbox.popleft())
        except Exception:
            self._log.exception("call_failed", code="bridge_error")
            self._inbox.clear()
            self._stop("bridge_error")
        finally:
            self._busy = False
        if type(event) not in _FRAMES or self.session.frames_count:
            self._set_timer()

    def _handle(self, event: Event) -> None:
        now = self._loop.time()
        if self._recorder is not None:
            self._recorder.record(event, now)
        for command in self.session.receive(event, now):
            self._perform(command)

    def caller_message(self, message: twilio.FromTwilio) -> None:
        """From the caller's link."""
        self.feed(message)

    def caller_unreadable(self, what: str) -> None:
        """From the caller's link."""
        self._count("caller_protocol", what)

    # Of the agent's lines only the newest counts; ``_LineEar`` sees to that.

    def _agent_message(self, message: deepgram.FromAgent) -> None:
        match message:
            case deepgram.ConversationText():
                message = msgspec.structs.replace(
                    message, content=self._persona.plain(message.content)
                )
            case deepgram.Error():
                self.counts[f"agent_error:{_word(message.code)}"] += 1
                self._log.warning("agent_error", code=message.code)
            case deepgram.Warning():
                self.counts[f"agent_warning:{_word(message.code)}"] += 1
                self._log.info("agent_warning", code=message.code)
            case deepgram.Welcome():
                self._log.info("agent_connected", request_id=message.request_id)
            case _:
                pass
        self.feed(message)

    def _agent_lost(self, lost: AgentLost) -> None:
        self._line = None
        self._let_agent_go()
        self.feed(lost)

    def _outcome(self, outcome: ToolOutcome) -> None:
        if self._over.is_set():
            return
        self._log.info(
            "outcome",
            function_call_id=outcome.function_call_id,
            tool=outcome.tool,
            outcome=outcome.code if isinstance(outcome, Failed) else "done",
        )
        self.feed(OutcomeArrived(outcome=outcome))

    def _count(self, word: str, what: str) -> None:
        self.counts[word] += 1
        if self.counts[word] == 1:  # one line tells of it; the counter has the rest
            self._log.warning("unreadable", code=word, what=what)

    # --- commands out ------------------------------------------------------------------------

    def _perform(self, command: Command) -> None:
        match command:
            case SendVoice():
                if self._agent is not None:
                    self._agent.send_voice(command.audio)
            case PlayVoice():
                self._play(command.audio)
            case twilio.SendMark() | twilio.Clear():
                self.caller.send(command)
            case deepgram.InjectAgentMessage():
                text = self._persona.spoken(command.message or "")
                self._tell_agent(msgspec.structs.replace(command, message=text))
            case (
                deepgram.FunctionCallResponse()
                | deepgram.UpdatePrompt()
                | deepgram.UpdateListen()
                | deepgram.UpdateSpeak()
                | deepgram.InjectUserMessage()
            ):
                self._tell_agent(command)
            case Save():
                self._saver.want()
            case FetchPhrase():
                self._fetch(command)
            case RunTool():
                self._log.info(
                    "function_call",
                    function_call_id=command.job.function_call_id,
                    tool=command.job.tool,
                )
                ours = CATALOG[command.job.tool].internal
                self._begin(self._submit(command.job), among=self._errands if ours else None)
            case GiveUpTool():
                self._begin(self._give_up(command.job))
            case CancelTool():
                self._begin(self._cancel(command))
            case ConnectAgent():
                self._line = _LineEar(self)
                self._begin(self._connect(self._line))
            case ConfigureAgent():
                self._tell_agent(self._persona.settings(greet=command.greet))
            case CloseAgent():
                self._close_agent()
            case HangUp():
                self._begin(self._hang_up(command.next_step))
            case End():
                self._stop(command.reason)

    def _play(self, audio: bytes) -> None:
        if len(audio) <= PIECE_BYTES:
            self.caller.play(audio)
            return
        for start in range(0, len(audio), PIECE_BYTES):
            self.caller.play(audio[start : start + PIECE_BYTES])

    def _tell_agent(self, message: deepgram.ToAgent) -> None:
        if self._agent is not None:
            self._agent.send_message(message)

    def _fetch(self, wanted: FetchPhrase) -> None:
        audio = self._phrases.at_hand(wanted.text, wanted.context)
        if audio is not None:
            self.feed(PhraseReady(kind=wanted.kind, text=wanted.text, audio=audio))
        else:
            self._begin(self._fetch_slowly(wanted))

    def _close_agent(self) -> None:
        self._line = None
        self._let_agent_go()

    def _let_agent_go(self) -> None:
        agent, self._agent = self._agent, None
        if agent is not None:
            self.counts["agent_audio_dropped"] += agent.dropped_bytes
            self._begin(agent.close(), among=self._partings)

    def _begin(
        self,
        work: Coroutine[Any, Any, None],
        *,
        among: set[asyncio.Task[None]] | None = None,
    ) -> None:
        task = asyncio.create_task(work)
        tasks = self._tasks if among is None else among
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(self._look_at)

    def _look_at(self, done: "asyncio.Task[None]") -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            self._log.error("work_failed", code="bridge_error", exc_info=error)

    # --- work that takes time ----------------------------------------------------------------

    async def _connect(self, line: "_LineEar") -> None:
        try:
            await self._open_agent(line)
        except AgentUnavailable as error:
            self.counts[f"agent_refused:{error.status or 'unreachable'}"] += 1
            self._log.warning("agent_unavailable", code=error.code, reason=str(error))
            if line is self._line:
                self._agent_lost(
                    AgentLost(
                        code=error.code,
                        status=error.status or 0,
                        retry_after_s=error.retry_after_s or 0.0,
                    )
                )

    async def _fetch_slowly(self, wanted: FetchPhrase) -> None:
        kind, text = wanted.kind, wanted.text
        try:
            audio = await self._phrases.get(kind, text, wanted.context)
        except BridgeError as error:
            self._log.warning("phrase_missing", code=error.code, kind=kind)
            self.feed(PhraseMissing(kind=kind, text=text))
        else:
            self.feed(PhraseReady(kind=kind, text=text, audio=audio))

    async def _cancel(self, unwanted: CancelTool) -> None:
        call_sid = self.session.conversation.call_sid
        try:
            await self._tools.cancel(call_sid, unwanted.function_call_id, unwanted.tool)
        except ToolError as error:  # it then runs in vain
            self._log.info("tool_not_cancelled", code=error.code, tool=unwanted.tool)

    async def _give_up(self, job: ToolJob) -> None:
        self._outcome(await self._tools.give_up(job))

    async def _submit(self, job: ToolJob) -> None:
        try:
            await self._tools.submit(job)
        except ToolError as error:
            self._log.warning("tool_not_queued", code=error.code, tool=job.tool)
            self._outcome(
                Failed(
                    function_call_id=job.function_call_id,
                    tool=job.tool,
                    # Redis fell silent after it may have taken the job (tools/queue.py).
                    code=IN_DOUBT if job.effect and error.retryable else error.code,
                    say=error.say,
                )
            )

    async def _hang_up(self, next_step: NextStep) -> None:
        try:
            await self._keeper.plan(next_step)
        except (StateUnavailable, CallHeldElsewhere) as error:
            self._log.warning("next_step_not_kept", code=error.code)
        self.feed(CallerGone())

    # --- time --------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        at = self.session.next_wakeup()
        if at == self._timer_at:
            return
        self._stop_timer()
        if at is not None and not self._over.is_set():
            self._timer_at = at
            self._timer = self._loop.call_at(at, self._wake)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._timer_at = None

    def _wake(self) -> None:
        self._timer = self._timer_at = None
        self.feed(Wakeup())

    def _tell_the_log(self) -> None:
        conversation = self.session.conversation
        self._log.info(
            "call_ended",
            reason=self._reason,
            practice=conversation.practice,
            seconds=round(conversation.elapsed_s, 3),
            turns=len(conversation.turns()),
            interruptions=conversation.interruptions,
            function_calls=len(conversation.function_calls),
            late_outcomes=self.session.late_outcomes,
            stray_bytes=self.session.stray_bytes,
            unsent_bytes=self.session.unsent_bytes,
            caller_dropped=self.caller.dropped_texts,
            withheld_bytes=self.session.withheld_bytes,
            agent_sessions=self.session.agent_sessions,
            line=msgspec.to_builtins(self.session.quality),
            median_ms=self.session.stamps.medians_ms(),
            **self.counts,
        )


class _LineEar:
    """One line to the agent: what it says counts while it is the call's newest."""

    def __init__(self, driver: CallDriver) -> None:
        self._driver = driver
        self._error = ""

    def agent_opened(self, agent: Agent) -> None:
        driver = self._driver
        if driver._line is self:
            driver._agent = agent
        else:
            driver._begin(agent.close(), among=driver._partings)

    def agent_audio(self, audio: bytes) -> None:
        driver = self._driver
        if driver._line is self:
            driver.feed(AgentAudio(audio))

    def agent_message(self, message: deepgram.FromAgent) -> None:
        if self._driver._line is self:
            if isinstance(message, deepgram.Error):
                self._error = message.code
            self._driver._agent_message(message)

    def agent_unreadable(self, what: str) -> None:
        self._driver._count("agent_protocol", what)

    def agent_closed(self, code: int | None) -> None:
        driver = self._driver
        if driver._line is self:
            word = self._error or "closed"
            driver.counts[f"agent_lost:{_word(word)}"] += 1
            driver._log.warning("agent_lost", code=word, close_code=code)
            driver._agent_lost(AgentLost(code=word))


def _word(code: str) -> str:
    """A code of the agent's as part of a counter's name: none of them is longer."""
    return code[:60]
