from bridge.call.commands import (
    CloseAgent,
    ConfigureAgent,
    ConnectAgent,
    FetchPhrase,
    PlayVoice,
    Save,
)
from bridge.call.events import AgentAudio, PhraseMissing
from bridge.wire import deepgram
from tests.call.calls import (
    APOLOGY,
    GREETING,
    Call,
    a_conversation,
    agent_text,
    agent_words,
    caller_words,
    phrase,
    ready_call,
    send_mark,
    sound,
    start,
    started_call,
)

WELCOME = deepgram.Welcome(request_id="r")


def test_a_call_that_starts_asks_for_its_greeting_and_for_the_agent_at_once() -> None:
    commands = Call().at(0.0, start())

    assert commands == [
        FetchPhrase(kind="greeting", text=GREETING, context="greeting"),
        ConnectAgent(),
    ]


def test_a_second_start_changes_nothing() -> None:
    call = started_call()

    assert call.at(0.1, start("MZ2")) == []


def test_the_greeting_from_the_cache_is_played_with_a_mark_behind_it() -> None:
    call = started_call()

    commands = call.at(0.01, phrase("greeting", GREETING, 1.0))

    assert commands == [PlayVoice(sound(1.0, b"\x10")), send_mark("0:1"), Save()]


def test_the_agent_that_was_there_first_is_told_that_the_greeting_was_said() -> None:
    call = started_call()
    call.at(0.01, WELCOME)

    commands = call.at(0.02, phrase("greeting", GREETING, 1.0))

    assert ConfigureAgent(greet=False) in commands


def test_the_agent_that_comes_later_is_told_that_the_greeting_was_said() -> None:
    call = started_call()
    call.at(0.01, phrase("greeting", GREETING, 1.0))

    assert call.at(0.3, WELCOME) == [ConfigureAgent(greet=False)]


def test_the_agent_is_not_configured_before_it_is_known_who_greets() -> None:
    call = started_call()

    assert call.at(0.01, WELCOME) == []


def test_the_agent_is_configured_once() -> None:
    call = started_call()
    call.at(0.01, phrase("greeting", GREETING, 1.0), WELCOME)

    assert call.at(0.4, WELCOME) == []


def test_without_audio_for_the_greeting_the_agent_greets() -> None:
    call = started_call()
    call.at(0.01, WELCOME)

    commands = call.at(0.05, PhraseMissing(kind="greeting", text=GREETING))

    assert commands == [ConfigureAgent(greet=True)]


def test_a_greeting_that_does_not_come_in_time_is_left_to_the_agent() -> None:
    call = started_call(greeting_patience_s=0.25)
    call.at(0.01, WELCOME)

    assert call.session.next_wakeup() == 0.25
    assert call.wake() == [ConfigureAgent(greet=True)]


def test_a_greeting_that_comes_too_late_is_not_played() -> None:
    call = started_call()
    call.at(0.01, WELCOME)
    call.wake()

    assert call.at(0.4, phrase("greeting", GREETING, 1.0)) == []


def test_a_missing_greeting_that_comes_too_late_changes_nothing() -> None:
    call = ready_call()

    assert call.at(2.0, PhraseMissing(kind="greeting", text=GREETING)) == []


def test_the_agents_own_greeting_is_played_and_noted() -> None:
    call = started_call()
    call.at(0.01, WELCOME, PhraseMissing(kind="greeting", text=GREETING))
    call.at(0.3, deepgram.SettingsApplied())

    commands = call.at(0.4, agent_text(GREETING), AgentAudio(sound(0.1)))

    assert commands == [Save(), PlayVoice(sound(0.1))]
    assert call.words() == [("agent", GREETING)]
    assert [one.stage for one in call.session.stamps.latencies] == ["greeting"]


def test_a_call_that_goes_on_is_not_greeted_again() -> None:
    call = Call(a_conversation(utterances=[caller_words("Hello?")], elapsed_s=30.0))

    assert call.at(0.0, start()) == [ConnectAgent()]
    assert call.at(0.2, WELCOME) == [ConfigureAgent(greet=False)]


def test_a_call_that_goes_on_counts_its_seconds_from_where_it_was() -> None:
    call = Call(a_conversation(utterances=[caller_words("Hello?")], elapsed_s=30.0))
    call.at(100.0, start())

    call.at(102.0, agent_text("Yes?"))

    assert call.conversation.utterances[-1].at_s == 32.0


def test_an_agent_that_is_not_ready_in_time_is_tried_once_more() -> None:
    call = started_call(agent_patience_s=8.0)
    call.at(0.0, phrase("greeting", GREETING, 1.0))

    assert call.session.next_wakeup() == 8.0
    assert call.wake() == [CloseAgent(), ConnectAgent(), Save()]


def test_an_agent_that_is_never_ready_is_given_up() -> None:
    call = started_call(agent_patience_s=8.0, reconnect_within_s=8.0)
    call.at(0.0, phrase("greeting", GREETING, 1.0))
    call.wake()

    assert call.session.next_wakeup() == 16.0
    assert call.wake() == [CloseAgent(), FetchPhrase(kind="apology", text=APOLOGY), Save()]


def test_an_agent_that_is_ready_is_waited_for_no_more() -> None:
    call = ready_call(agent_patience_s=5.0, idle_after_s=100.0)

    assert call.session.next_wakeup() == 1.0 + 100.0


def test_a_second_acknowledgement_of_the_settings_changes_nothing() -> None:
    assert ready_call().at(2.0, deepgram.SettingsApplied()) == []


def test_a_call_that_goes_on_is_not_left_in_silence() -> None:
    went_before = a_conversation(utterances=[agent_words("Hello.")])
    call = started_call(conversation=went_before, resumed="Please go on.")
    call.at(0.1, deepgram.Welcome(request_id="r2"))

    commands = call.at(0.2, deepgram.SettingsApplied())

    assert commands == [deepgram.InjectAgentMessage(message="Please go on.")]
