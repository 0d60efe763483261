"""Whatever two peers may send, in whatever order: the promises that always hold."""

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.call import recording
from bridge.call.commands import (
    CloseAgent,
    Command,
    ConnectAgent,
    End,
    FetchPhrase,
    GiveUpTool,
    HangUp,
    PlayVoice,
    RunTool,
    SendVoice,
)
from bridge.call.events import (
    AgentAudio,
    AgentLost,
    CallerGone,
    OutcomeArrived,
    PhraseMissing,
    PhraseReady,
    Wakeup,
)
from bridge.call.patience import FALSE_START_S
from bridge.wire import deepgram, twilio
from bridge.wire.twilio import Clear, SendMark
from tests.call.calls import (
    APOLOGY,
    BOOK,
    COVER,
    FILLERS,
    FIND,
    GREETING,
    NOTICE,
    STREAM,
    UNHEARD,
    Call,
    a_conversation,
    agent_text,
    asks,
    cancels,
    mark,
    media,
    phrase,
    sound,
    start,
    stop,
    user_text,
)
from tools.contract import Done, Failed


def json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


ids = st.sampled_from(["a", "b", "c"])
kinds = st.sampled_from(
    [
        ("greeting", GREETING),
        ("notice", NOTICE),
        ("filler", FILLERS[0]),
        ("cover", COVER),
        ("apology", APOLOGY),
        ("goodbye", UNHEARD),
    ]
)
texts = st.text(max_size=40)

asked = st.one_of(
    st.builds(lambda id: asks("find_slots", FIND, id=id), ids),
    st.builds(lambda id: asks("book_appointment", BOOK, id=id), ids),
    st.builds(lambda id: asks("find_slots", "not JSON", id=id), ids),
    st.builds(lambda id: asks("order_pizza", "{}", id=id), ids),
    st.builds(lambda id: asks("find_slots", FIND, id=id, client_side=False), ids),
    st.builds(
        lambda id, day: asks("remember_details", json({"details": {"day": day}}), id=id),
        ids,
        st.sampled_from(["Tuesday", "Wednesday", None]),
    ),
    st.builds(lambda id: asks("start_over", "{}", id=id), ids),
    st.builds(lambda id: asks("transfer_to_human", "{}", id=id), ids),
    st.builds(lambda id: asks("end_call", "{}", id=id), ids),
)
contents = st.sampled_from(['{"say":"x"}', '{"result":"booked","say":"Booked."}', "no JSON"])
codes = st.sampled_from(["unavailable", "doubt", "doubt", "withdrawn", "breaker", "bad_arguments"])
tools = st.sampled_from(["find_slots", "book_appointment"])
outcomes = st.one_of(
    st.builds(
        lambda id, tool, content: OutcomeArrived(
            outcome=Done(function_call_id=id, tool=tool, content=content)
        ),
        ids,
        tools,
        contents,
    ),
    st.builds(
        lambda id, tool, code: OutcomeArrived(
            outcome=Failed(function_call_id=id, tool=tool, code=code, say="Not now.")
        ),
        ids,
        tools,
        codes,
    ),
)
middle = st.one_of(
    st.builds(lambda n: media(b"\x40" * n), st.integers(0, 400)),
    st.builds(lambda n: AgentAudio(b"\x41" * n), st.integers(0, 12000)),
    st.builds(lambda e, n: mark(f"{e}:{n}"), st.integers(0, 3), st.integers(1, 8)),
    st.builds(user_text, texts),
    st.builds(agent_text, texts),
    asked,
    st.builds(cancels, ids),
    outcomes,
    st.builds(
        lambda kind, n: PhraseReady(kind=kind[0], text=kind[1], audio=b"\x42" * n),
        kinds,
        st.integers(0, 12000),
    ),
    st.builds(lambda kind: PhraseMissing(kind=kind[0], text=kind[1]), kinds),
    st.sampled_from(
        [
            deepgram.Welcome(request_id="r"),
            deepgram.SettingsApplied(),
            deepgram.UserStartedSpeaking(),
            deepgram.UserStartedSpeaking(),
            deepgram.EndOfTurn(),
            deepgram.AgentThinking(),
            deepgram.AgentStartedSpeaking(),
            deepgram.AgentAudioDone(),
            deepgram.LatencyReport(ttt_token_latency=0.3),
            deepgram.Warning(code="SLOW_THINK_REQUEST"),
            deepgram.Warning(code="MAXIMUM_SESSION_LENGTH_APPROACHING"),
            deepgram.Warning(code="INJECT_AGENT_MESSAGE_DURING_USER_SPEECH"),
            deepgram.InjectionRefused(),
            deepgram.Error(code="SERVER_GOING_AWAY"),
            deepgram.Error(code="A_CODE_NOBODY_KNOWS"),
            AgentLost(code="closed"),
            AgentLost(code="refused", status=429),
            AgentLost(code="refused", status=503, retry_after_s=2.5),
            deepgram.Welcome(request_id="r"),
            deepgram.SettingsApplied(),
            twilio.Connected(protocol="Call", version="1.0.0"),
            Wakeup(),
            start(),
        ]
    ),
)
endings = st.sampled_from(
    [
        stop(),
        CallerGone(),
        AgentLost(code="refused", status=401),
        deepgram.Error(code="INVALID_SETTINGS"),
    ]
)
waits_ms = st.sampled_from([0, 0, 1, 20, 200, 1000, 3000, 9000])
scripts = st.lists(
    st.tuples(waits_ms, st.one_of(middle, middle, middle, middle, endings)), max_size=60
)


LISTEN = deepgram.UpdateListen(
    listen=deepgram.Listen(provider=deepgram.ListenFlux(model="flux-general-en"))
)
manner = st.sampled_from(
    [
        {},
        {"notice": NOTICE},
        {"barge_in": "soft", "soft_ms": 100, "idle_after_s": 5.0, "stall_after_s": 3.0},
        {"listening": LISTEN, "spelling": LISTEN, "spelling_cues": ("a",)},
        {"fillers": (), "details": ("day",), "roll_over_after_s": 4.0, "window_turns": 3},
        {"poor_line": "", "reconnect_within_s": 3.0, "protect_confirmations": False},
        {"can_transfer": True, "fillers": (), "protect_confirmations": False},
    ]
)
"""Practices that differ in how they listen, interrupt and wait."""


class Watched(Call):
    """A call that wakes up when it asks to, and remembers everything."""

    def __init__(self, **manners: Any) -> None:
        super().__init__(**({"longest_call_s": 60.0} | manners))
        self.events: list[tuple[Any, float]] = []
        self.commands: list[Command] = []

    def feed(self, event: Any, now: float) -> list[Command]:
        self.events.append((event, now))
        commands = self.at(now, event)
        self.commands += commands
        ended = any(isinstance(command, End) for command in self.commands)
        assert ended or self.session.next_wakeup() is not None
        return commands

    def go_to(self, now: float) -> None:
        """Wake up at every instant that was asked for until then."""
        at_this_instant = 0
        while (due := self.session.next_wakeup()) is not None and due <= now:
            at_this_instant = 0 if due > self.now else at_this_instant + 1
            assert at_this_instant < 20, "the wake-ups make no progress"
            self.feed(Wakeup(), max(due, self.now))

    def play(self, script: list, *, connected: bool = False) -> None:
        now = 0.0
        self.feed(start(), now)
        if connected:
            self.feed(deepgram.Welcome(request_id="r"), now)
            self.feed(phrase("greeting", GREETING, 0.1), now)
            self.feed(deepgram.SettingsApplied(), now)
        for wait_ms, event in script:
            now += wait_ms / 1000
            self.go_to(now)
            self.feed(event, now)


@given(scripts, manner)
def test_no_order_of_events_raises_or_leaves_a_call_without_a_next_step(
    script: list, manners: dict[str, Any]
) -> None:
    call = Watched(**manners)

    call.play(script)
    call.go_to(1e6)

    assert call.session.next_wakeup() is None
    assert isinstance(call.commands[-1], End)


@given(scripts, manner)
def test_a_call_ends_once_and_hangs_up_once(script: list, manners: dict[str, Any]) -> None:
    call = Watched(**manners)

    call.play(script)
    call.go_to(1e6)

    kinds = Counter(type(command) for command in call.commands)
    assert kinds[End] == 1
    assert kinds[HangUp] <= 1


# --- when to wake up -------------------------------------------------------------------------


@given(scripts, manner)
def test_no_frame_brings_the_next_wake_up_forward_unless_the_call_says_so(
    script: list, manners: dict[str, Any]
) -> None:
    """What the driver relies on: it asks for the next wake-up after every event but frames."""
    call = Watched(**manners)
    call.feed(start(), 0.0)
    now = 0.0
    for wait_ms, event in script:
        now += wait_ms / 1000
        call.go_to(now)
        before = call.session.next_wakeup()
        call.feed(event, now)
        after = call.session.next_wakeup()
        if isinstance(event, twilio.Media | AgentAudio) and before is not None:
            assert after is not None
            assert after >= before or call.session.frames_count


class Alone(Watched):
    """A call of which nobody hears anything any more: no phrase, no agent, no caller."""

    def feed(self, event: Any, now: float) -> list[Command]:
        commands = super().feed(event, now)
        for command in commands:
            match command:
                case FetchPhrase():
                    self.feed(PhraseMissing(kind=command.kind, text=command.text), now)
                case ConnectAgent():
                    self.feed(AgentLost(code="unreachable"), now)
                case _:
                    pass
        return commands


@given(scripts, manner)
def test_a_call_that_is_left_alone_ends_by_itself(script: list, manners: dict[str, Any]) -> None:
    call = Watched(**(manners | {"longest_call_s": 100_000.0}))
    call.play(script)

    call.__class__ = Alone
    call.go_to(call.now + 300.0)

    assert call.session.next_wakeup() is None


# --- what an agent may be told ---------------------------------------------------------------


@given(scripts, manner)
def test_nothing_is_told_to_an_agent_whose_settings_are_not_applied(
    script: list, manners: dict[str, Any]
) -> None:
    """A message before that ends the session; an agent that has none says nothing either."""
    call = Heeded(**manners)

    call.play(script)
    call.go_to(call.now + 60.0)


TOLD = (
    SendVoice
    | deepgram.InjectAgentMessage
    | deepgram.InjectUserMessage
    | deepgram.UpdatePrompt
    | deepgram.UpdateListen
    | deepgram.UpdateSpeak
)


class Heeded(Watched):
    """A call whose agent keeps to the protocol."""

    def __init__(self, **manners: Any) -> None:
        super().__init__(**manners)
        self.connecting = self.applied = False

    def feed(self, event: Any, now: float) -> list[Command]:
        match event:
            case deepgram.SettingsApplied():
                self.applied = self.applied or self.connecting
            case AgentLost() | deepgram.Error():
                self.connecting = self.applied = False
            case deepgram.ConversationText() | deepgram.FunctionCallRequest() if not self.applied:
                return []
            case _:
                pass
        commands = super().feed(event, now)
        for command in commands:
            match command:
                case CloseAgent():
                    self.connecting = self.applied = False
                case ConnectAgent():
                    self.connecting = True
                case _ if isinstance(command, TOLD):
                    assert self.applied
                case _:
                    pass
        return commands


# --- what was cut stays cut ------------------------------------------------------------------

words_of_the_agent = st.sampled_from(["Nine is free.", "Ten, then?", "I see."])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("speaks"), st.integers(1, 8000)),
        st.tuples(st.just("says"), words_of_the_agent),
        st.tuples(st.just("is done"), st.none()),
        st.tuples(st.just("barges in"), st.none()),
        st.tuples(st.just("stray"), st.integers(1, 4000)),
        st.tuples(st.just("asks for a time"), st.none()),
        st.tuples(st.just("waits"), st.sampled_from([0.02, 0.3, 1.0])),
    ),
    max_size=40,
)


@given(steps, manner)
def test_no_frame_of_a_cut_reply_is_played(script: list, manners: dict[str, Any]) -> None:
    """Every reply has a sound of its own, so that the caller's ear can tell them apart."""
    call = Watched(**manners)
    call.feed(start(), 0.0)
    call.feed(phrase("greeting", GREETING, 0.5), 0.0)
    call.feed(deepgram.Welcome(request_id="r"), 0.1)
    call.feed(deepgram.SettingsApplied(), 0.2)
    now, reply, cut_at, spoke = 0.2, 1, -10.0, False
    for what, value in script:
        commands: list[Command] = []
        match what:
            case "speaks" if cut_at < 0:
                call.feed(AgentAudio(bytes([reply]) * value), now)
                spoke = True
            case "stray" if 0 <= now - cut_at < FALSE_START_S:  # then the agent is asked to go on
                commands = call.feed(AgentAudio(bytes([reply]) * value), now)
            case "says" if cut_at < 0:
                call.feed(agent_text(value), now)
                spoke = True
            case "is done":
                call.feed(deepgram.AgentAudioDone(), now)
            case "barges in":
                cleared = Clear(stream_sid=STREAM) in call.feed(deepgram.UserStartedSpeaking(), now)
                if cleared and spoke:
                    cut_at = now
            case "asks for a time":
                call.feed(user_text("A time, please."), now)
                reply, cut_at, spoke = reply % 250 + 1, -10.0, False
            case "waits":
                now += value
                call.go_to(now)
            case _:
                pass
        if what == "stray":
            assert not any(isinstance(command, PlayVoice) for command in commands)


# --- every function call ---------------------------------------------------------------------


@given(scripts, manner)
def test_a_function_call_is_answered_once_unless_it_is_withdrawn_or_the_line_is_lost(
    script: list, manners: dict[str, Any]
) -> None:
    call = Asked(**(manners | {"longest_call_s": 1000.0, "idle_after_s": 500.0}))
    call.play(script)
    call.go_to(call.now + 20.0)

    assert not call.waiting or call.session.parts.ending.begun


dealings = st.lists(
    st.one_of(
        st.tuples(st.just("asks"), st.sampled_from(["09:00", "10:00"])),
        st.tuples(
            st.sampled_from(["first answers", "last answers"]),
            st.sampled_from(["booked", "slot_taken", "doubt", "doubt", "withdrawn"]),
        ),
        st.tuples(st.just("is heard"), st.sampled_from(["Booked for you.", "Hm.", "I'm on it."])),
        st.tuples(st.just("withdraws"), st.none()),
        st.tuples(st.just("speaks"), st.none()),
        st.tuples(st.just("refuses"), st.none()),
        st.tuples(st.just("loses the line"), st.none()),
        st.tuples(st.just("waits"), st.sampled_from([0.5, 1.5, 5.0, 9.0])),
    ),
    max_size=40,
)


@given(dealings, st.booleans())
def test_the_caller_is_told_of_an_outcome_at_most_once(script: list, protects: bool) -> None:
    call = Watched(
        fillers=(), protect_confirmations=protects, idle_after_s=100.0, longest_call_s=1000.0
    )
    call.feed(start(), 0.0)
    call.feed(phrase("greeting", GREETING, 0.1), 0.0)
    call.feed(deepgram.Welcome(request_id="r"), 0.1)
    call.feed(deepgram.SettingsApplied(), 0.2)
    asked: list[str] = []
    for what, value in script:
        now = call.now
        match what:
            case "asks":
                asked.append(f"fc{len(asked)}")
                call.feed(asks("book_appointment", BOOK.replace("09:00", value), id=asked[-1]), now)
            case "first answers" | "last answers" if asked:
                id = asked[0 if what == "first answers" else -1]
                call.feed(decided(id, value), now)
            case "is heard":
                call.feed(agent_text(value), now)
                call.feed(AgentAudio(sound(1.0)), now)
                call.feed(deepgram.AgentAudioDone(), now)
                call.go_to(now + 1.0)
                marks = [one.mark.name for one in call.commands if isinstance(one, SendMark)]
                call.feed(mark(marks[-1]), max(call.now, now + 1.0))
            case "withdraws" if asked:
                call.feed(cancels(asked[-1], "book_appointment"), now)
            case "speaks":
                call.feed(deepgram.UserStartedSpeaking(), now)
                call.feed(user_text("And then?"), now)
            case "refuses":
                call.feed(deepgram.InjectionRefused(), now)
            case "loses the line":
                call.feed(AgentLost(code="closed"), now)
                call.feed(deepgram.Welcome(request_id="r"), now)
                call.feed(deepgram.SettingsApplied(), now)
            case "waits":
                call.go_to(now + value)
                call.now = max(call.now, now + value)
            case _:
                pass
    call.feed(stop(), call.now)

    jobs = [one.job for one in call.commands if isinstance(one, RunTool)]
    noted = [job for job in jobs if job.tool == "note_told"]
    told = [one for job in noted for one in msgspec.json.decode(job.arguments)["told"]]
    known = Counter(one["function_call_id"] for one in told if one["as"] != "doubt")
    assert all(times == 1 for times in known.values())
    assert len({job.function_call_id for job in noted}) == len(noted)
    assert [job.tool for job in jobs].count("free_holds") <= 1


def decided(id: str, word: str) -> OutcomeArrived:
    if word in ("doubt", "withdrawn"):
        failed = Failed(function_call_id=id, tool="book_appointment", code=word, say="Not now.")
        return OutcomeArrived(outcome=failed)
    content = json({"result": word, "say": f"{word} for you."})
    done = Done(function_call_id=id, tool="book_appointment", content=content)
    return OutcomeArrived(outcome=done)


@given(scripts, manner)
def test_no_job_is_given_up_more_often_than_it_was_asked(
    script: list, manners: dict[str, Any]
) -> None:
    call = Watched(**manners)
    call.play(script, connected=True)
    call.go_to(1e6)

    asked = Counter(one.job.function_call_id for one in call.commands if isinstance(one, RunTool))
    given_up = Counter(
        one.job.function_call_id for one in call.commands if isinstance(one, GiveUpTool)
    )
    assert given_up <= asked


class Asked(Heeded):
    """A call that knows what its agent waits for, from what passes alone."""

    def __init__(self, **manners: Any) -> None:
        super().__init__(**manners)
        self.waiting: set[str] = set()

    def feed(self, event: Any, now: float) -> list[Command]:
        over = self.session.next_wakeup() is None
        commands = super().feed(event, now)
        if over:
            self.waiting.clear()
            return commands
        match event:
            case deepgram.FunctionCallRequest() if self.applied:
                self.waiting |= {one.id for one in event.functions if one.client_side}
            case deepgram.FunctionCallCancelled():
                self.waiting -= {one.id for one in event.functions}
            case AgentLost() | deepgram.Error():
                self.waiting.clear()
            case _:
                pass
        for command in commands:
            match command:
                case deepgram.FunctionCallResponse():
                    assert command.id in self.waiting, "answered twice, or never asked"
                    self.waiting.remove(command.id)
                case CloseAgent() | End():
                    self.waiting.clear()
                case _:
                    pass
        return commands


@given(scripts)
def test_nobody_is_said_to_have_heard_more_than_was_sent(script: list) -> None:
    call = Watched()
    call.play(script)

    sent = sum(len(one.audio) for one in call.commands if isinstance(one, PlayVoice))
    utterances = call.conversation.utterances
    assert all(0 <= one.heard_ms <= one.sent_ms + 1e-9 for one in utterances)
    assert sum(one.sent_ms for one in utterances) <= sent / 8 + 1e-6
    assert all(one.text.startswith(one.heard_text) for one in utterances)


@settings(max_examples=50)
@given(scripts, manner)
def test_a_recorded_call_played_again_decides_the_same(
    script: list, manners: dict[str, Any]
) -> None:
    call = Watched(**manners)
    call.play(script)
    call.go_to(1e6)
    lines = [recording.encode(event, now) for event, now in call.events]

    again = Call(a_conversation(), **({"longest_call_s": 60.0} | manners))

    assert recording.replay(lines, again.session) == call.commands
    assert again.conversation == call.conversation


def test_sound_is_what_it_says() -> None:
    assert len(sound(0.02)) == 160
