"""The only shell around a call: feeds ``CallSession`` its events and performs what it commands.

Holds no rule about talking. Owns the links, the timer, and the work that takes time (connecting,
fetching, queueing, saving), none of which a frame ever waits for.

Everything runs on one event loop, and ``CallSession.receive`` never waits; so events need no
queue between the sockets and the call: a frame is read, decided and written in one callback.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

import structlog

from bridge.call.commands import (
    CloseAgent,
    Command,
    ConfigureAgent,
    ConnectAgent,
    End,
    FetchPhrase,
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
    PhraseKind,
    PhraseMissing,
    PhraseReady,
    Wakeup,
)
from bridge.call.session import CallSession
from bridge.errors import AgentUnavailable, BridgeError, CallHeldElsewhere, StateUnavailable
from bridge.saver import Keeper, Saver
from bridge.wire import deepgram, twilio
from tools.contract import Failed, ToolJob, ToolOutcome
from tools.errors import ToolError

PIECE_BYTES: Final = 4000
"""Phrases go to Twilio in pieces of half a second."""

_FRAMES: Final = frozenset({twilio.Media, AgentAudio})
"""Events that come by the hundred a second; none of them makes a wake-up earlier."""

log = structlog.get_logger()


class Caller(Protocol):
    """The caller's line."""

    dropped_texts: int

    def play(self, audio: bytes) -> None: ...  # noqa: D102 - see CallerLink
    def send(self, message: twilio.SendMark | twilio.Clear) -> None: ...  # noqa: D102


class Agent(Protocol):
    """The agent's line."""

    dropped_bytes: int

    def send_voice(self, audio: bytes) -> None: ...  # noqa: D102 - see AgentLink
    def send_message(self, message: deepgram.ToAgent) -> None: ...  # noqa: D102
    def close(self) -> Coroutine[Any, Any, None]: ...  # noqa: D102


class Tools(Protocol):
    """The tool queue."""

    def attach(self, call_sid: str, deliver: Callable[[ToolOutcome], None]) -> None: ...  # noqa: D102
    def detach(self, call_sid: str, deliver: Callable[[ToolOutcome], None]) -> None: ...  # noqa: D102
    async def submit(self, job: ToolJob) -> None: ...  # noqa: D102


class Phrases(Protocol):
    """The phrase cache; bound to this call's practice."""

    def at_hand(self, text: str) -> bytes | None: ...  # noqa: D102
    async def get(self, kind: PhraseKind, text: str) -> bytes: ...  # noqa: D102


class Recorder(Protocol):
    """Keeps the events of a call so that they can be played into a session again."""

    def record(self, event: Event, now: float) -> None: ...  # noqa: D102


OpenAgent = Callable[["CallDriver"], Coroutine[Any, Any, object]]
"""Connects; the driver itself is the ear that hears of it, before this returns."""
MakeSettings = Callable[[bool], deepgram.Settings]


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
        settings: MakeSettings,
        tools: Tools,
        keeper: Keeper,
        phrases: Phrases,
        recorder: Recorder | None = None,
    ) -> None:
        self.session = session
        self.counts: Counter[str] = Counter()
        """What was unreadable, unsaved or dropped, by word."""
        self._open_agent = open_agent
        self._settings = settings
        self._tools = tools
        self._keeper = keeper
        self._phrases = phrases
        self._recorder = recorder
        self._agent: Agent | None = None
        self._agent_error = ""
        self._agent_given_up = False
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Event] = deque()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._partings: set[asyncio.Task[None]] = set()
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
            self._tools.detach(call_sid, self._outcome)
            self._close_agent()
            watcher.cancel()
            saver.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(watcher, saver, *self._tasks, return_exceptions=True)
        return self._reason

    async def finish(self) -> None:
        """The last save and the agent's goodbye, once the caller's socket needs nobody."""
        await self._saver.finish(self.session.conversation.ended)
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
        if type(event) not in _FRAMES:
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

    def agent_opened(self, agent: Agent) -> None:
        """From the agent's link, before its first message."""
        self._agent = agent
        if self._agent_given_up:
            self._close_agent()

    def agent_audio(self, audio: bytes) -> None:
        """From the agent's link."""
        if not self._agent_given_up:
            self.feed(AgentAudio(audio))

    def agent_message(self, message: deepgram.FromAgent) -> None:
        """From the agent's link."""
        if self._agent_given_up:
            return
        match message:
            case deepgram.Error():
                self._agent_error = message.code
                self._log.warning("agent_error", code=message.code)
            case deepgram.Warning():
                self._log.info("agent_warning", code=message.code)
            case deepgram.Welcome():
                self._log.info("agent_connected", request_id=message.request_id)
        self.feed(message)

    def agent_unreadable(self, what: str) -> None:
        """From the agent's link."""
        self._count("agent_protocol", what)

    def agent_closed(self, code: int | None) -> None:
        """From the agent's link."""
        if not self._agent_given_up:
            self._agent_given_up = True
            self._log.warning("agent_lost", code=self._agent_error or "closed", close_code=code)
            self.feed(AgentLost(code=self._agent_error or "closed"))

    def _outcome(self, outcome: ToolOutcome) -> None:
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
            case (
                deepgram.FunctionCallResponse()
                | deepgram.UpdatePrompt()
                | deepgram.InjectAgentMessage()
            ):
                self._tell_agent(command)
            case Save():
                self._saver.want()
            case FetchPhrase():
                self._fetch(command.kind, command.text)
            case RunTool():
                self._log.info(
                    "function_call",
                    function_call_id=command.job.function_call_id,
                    tool=command.job.tool,
                )
                self._begin(self._submit(command.job))
            case ConnectAgent():
                self._begin(self._connect())
            case ConfigureAgent():
                self._tell_agent(self._settings(command.greet))
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

    def _fetch(self, kind: PhraseKind, text: str) -> None:
        audio = self._phrases.at_hand(text)
        if audio is not None:
            self.feed(PhraseReady(kind=kind, text=text, audio=audio))
        else:
            self._begin(self._fetch_slowly(kind, text))

    def _close_agent(self) -> None:
        self._agent_given_up = True
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

    async def _connect(self) -> None:
        try:
            await self._open_agent(self)
        except AgentUnavailable as error:
            self._log.warning("agent_unavailable", code=error.code, reason=str(error))
            if not self._agent_given_up:
                self._agent_given_up = True
                self.feed(AgentLost(code=error.code, status=error.status or 0))

    async def _fetch_slowly(self, kind: PhraseKind, text: str) -> None:
        try:
            audio = await self._phrases.get(kind, text)
        except BridgeError as error:
            self._log.warning("phrase_missing", code=error.code, kind=kind)
            self.feed(PhraseMissing(kind=kind, text=text))
        else:
            self.feed(PhraseReady(kind=kind, text=text, audio=audio))

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
                    code="doubt" if job.effect and error.retryable else error.code,
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
            median_ms=self.session.stamps.medians_ms(),
            **self.counts,
        )
