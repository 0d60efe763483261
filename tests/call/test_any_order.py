"""Whatever two peers may send, in whatever order: the promises that always hold."""

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.call import recording
from bridge.call.commands import Command, End, HangUp, PlayVoice, RunTool
from bridge.call.events import (
    AgentAudio,
    AgentLost,
    CallerGone,
    OutcomeArrived,
    PhraseMissing,
    PhraseReady,
    Wakeup,
)
from bridge.wire import deepgram, twilio
from tests.call.calls import (
    APOLOGY,
    BOOK,
    FILLERS,
    FIND,
    GREETING,
    Call,
    a_conversation,
    agent_text,
    asks,
    cancels,
    mark,
    media,
    sound,
    start,
    stop,
    user_text,
)
from tools.contract import Done, Failed

ids = st.sampled_from(["a", "b", "c"])
kinds = st.sampled_from([("greeting", GREETING), ("filler", FILLERS[0]), ("apology", APOLOGY)])
texts = st.text(max_size=40)

asked = st.one_of(
    st.builds(lambda id: asks("find_slots", FIND, id=id), ids),
    st.builds(lambda id: asks("book_appointment", BOOK, id=id), ids),
    st.builds(lambda id: asks("find_slots", "not JSON", id=id), ids),
    st.builds(lambda id: asks("order_pizza", "{}", id=id), ids),
    st.builds(lambda id: asks("find_slots", FIND, id=id, client_side=False), ids),
)
outcomes = st.builds(
    lambda id, good: OutcomeArrived(
        outcome=Done(function_call_id=id, tool="find_slots", content='{"say":"x"}')
        if good
        else Failed(function_call_id=id, tool="find_slots", code="unavailable", say="x")
    ),
    ids,
    st.booleans(),
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
            deepgram.InjectionRefused(),
            twilio.Connected(protocol="Call", version="1.0.0"),
            Wakeup(),
            start(),
        ]
    ),
)
endings = st.sampled_from(
    [stop(), CallerGone(), AgentLost(code="closed"), deepgram.Error(code="FAILED_TO_THINK")]
)
waits_ms = st.sampled_from([0, 0, 1, 20, 200, 1000, 3000, 9000])
scripts = st.lists(
    st.tuples(waits_ms, st.one_of(middle, middle, middle, middle, endings)), max_size=60
)


class Watched(Call):
    """A call that wakes up when it asks to, and remembers everything."""

    def __init__(self, **manners: Any) -> None:
        super().__init__(**manners)
        self.events: list[tuple[Any, float]] = []
        self.commands: list[Command] = []

    def feed(self, event: Any, now: float) -> list[Command]:
        self.events.append((event, now))
        commands = self.at(now, event)
        self.commands += commands
        return commands

    def go_to(self, now: float) -> None:
        """Wake up at every instant that was asked for until then."""
        at_this_instant = 0
        while (due := self.session.next_wakeup()) is not None and due <= now:
            at_this_instant = 0 if due > self.now else at_this_instant + 1
            assert at_this_instant < 20, "the wake-ups make no progress"
            self.feed(Wakeup(), max(due, self.now))

    def play(self, script: list) -> None:
        now = 0.0
        self.feed(start(), now)
        for wait_ms, event in script:
            now += wait_ms / 1000
            self.go_to(now)
            self.feed(event, now)


@given(scripts)
def test_no_order_of_events_raises_or_leaves_a_call_without_a_next_step(script: list) -> None:
    call = Watched(longest_call_s=60.0)

    call.play(script)
    call.go_to(1e6)

    assert call.session.next_wakeup() is None
    assert isinstance(call.commands[-1], End)


@given(scripts)
def test_a_call_ends_once_and_hangs_up_once(script: list) -> None:
    call = Watched(longest_call_s=60.0)

    call.play(script)
    call.go_to(1e6)

    kinds = Counter(type(command) for command in call.commands)
    assert kinds[End] == 1
    assert kinds[HangUp] <= 1


@given(scripts)
def test_no_audio_of_a_cut_turn_is_played_while_it_is_latched_out(script: list) -> None:
    call = Watched()
    call.feed(start(), 0.0)
    now, latched = 0.0, False
    for wait_ms, event in script:
        now += wait_ms / 1000
        call.go_to(now)
        if now > call.now:
            latched = latched and call.session._turns.latched
        commands = call.feed(event, now)
        if latched and isinstance(event, AgentAudio):
            assert not any(isinstance(command, PlayVoice) for command in commands)
        latched = call.session._turns.latched


@given(scripts)
def test_every_function_call_is_answered_once_withdrawn_or_outlived(script: list) -> None:
    call = Watched(longest_call_s=1000.0, agent_patience_s=1000.0)
    call.play(script)
    live = call.session.next_wakeup() is not None and not call.session.parts.ending.begun
    call.go_to(call.now + 20.0)

    answered = Counter(
        command.id
        for command in call.commands
        if isinstance(command, deepgram.FunctionCallResponse)
    )
    run = Counter(
        command.job.function_call_id for command in call.commands if isinstance(command, RunTool)
    )
    requests = Counter(
        one.id
        for event, _ in call.events
        if isinstance(event, deepgram.FunctionCallRequest)
        for one in event.functions
        if one.client_side
    )
    withdrawn = Counter(
        one.id
        for event, _ in call.events
        if isinstance(event, deepgram.FunctionCallCancelled)
        for one in event.functions
    )
    for id, count in requests.items():
        assert answered[id] <= count
        if live and not withdrawn[id]:
            assert answered[id] >= 1
            assert answered[id] >= run[id]


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
@given(scripts)
def test_a_recorded_call_played_again_decides_the_same(script: list) -> None:
    call = Watched(longest_call_s=60.0)
    call.play(script)
    call.go_to(1e6)
    lines = [recording.encode(event, now) for event, now in call.events]

    again = Call(a_conversation(), longest_call_s=60.0)

    assert recording.replay(lines, again.session) == call.commands
    assert again.conversation == call.conversation


def test_sound_is_what_it_says() -> None:
    assert len(sound(0.02)) == 160
