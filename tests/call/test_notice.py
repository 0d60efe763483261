"""The legal line: heard to its end in every call, whoever says it and whoever speaks."""

from typing import Any

import pytest

from bridge.call.commands import (
    Command,
    ConfigureAgent,
    ConnectAgent,
    FetchPhrase,
    PlayVoice,
    Save,
)
from bridge.call.events import AgentAudio, AgentLost, PhraseMissing, Wakeup
from bridge.call.notice import TIMES_AT_MOST
from bridge.call.patience import FALSE_START_S
from bridge.wire import deepgram, twilio
from tests.call.calls import (
    COVER,
    GREETING,
    NOTICE,
    STREAM,
    Call,
    a_conversation,
    agent_text,
    agent_words,
    phrase,
    send_mark,
    sound,
    start,
    started_call,
    user_text,
)

BARGE_IN = deepgram.UserStartedSpeaking()
CLEAR = twilio.Clear(stream_sid=STREAM)
WELCOME = deepgram.Welcome(request_id="r")
REQUEST = deepgram.InjectAgentMessage(message=NOTICE, behavior="queue")
LINE = sound(2.0, b"\x10")
"""The notice's sound."""
GONE = PhraseMissing(kind="notice", text=NOTICE)


def noticed_call(**options: Any) -> Call:
    """Asked for both phrases at 0."""
    return started_call(**({"notice": NOTICE} | options))


def greeted_call(**options: Any) -> Call:
    """The greeting plays from 0 to 1 s; the notice is not there yet."""
    call = noticed_call(**options)
    call.at(0.0, phrase("greeting", GREETING, 1.0))
    return call


def ready_call_without_audio(**options: Any) -> Call:
    """The greeting was heard, the notice cannot be had, the agent listens since 0.5 s."""
    call = greeted_call(**options)
    call.at(0.2, GONE)
    call.at(0.3, WELCOME)
    call.at(0.5, deepgram.SettingsApplied())
    return call


def played(commands: list[Command]) -> list[bytes]:
    return [one.audio for one in commands if isinstance(one, PlayVoice)]


def injected(commands: list[Command]) -> list[Command]:
    return [one for one in commands if isinstance(one, deepgram.InjectAgentMessage)]


# --- as a phrase of ours ---------------------------------------------------------------------


def test_a_practice_with_a_notice_asks_for_it_with_the_greeting() -> None:
    assert Call(notice=NOTICE).at(0.0, start()) == [
        FetchPhrase(kind="greeting", text=GREETING, context="greeting"),
        FetchPhrase(kind="notice", text=NOTICE, context="greeting"),
        ConnectAgent(),
    ]


def test_a_notice_that_is_there_first_waits_for_the_greeting() -> None:
    call = noticed_call()

    assert call.at(0.0, phrase("notice", NOTICE, 2.0)) == []
    assert played(call.at(0.1, phrase("greeting", GREETING, 1.0))) == [sound(1.0, b"\x10"), LINE]


def test_a_notice_that_comes_later_is_played_behind_the_greeting() -> None:
    commands = greeted_call().at(0.4, phrase("notice", NOTICE, 2.0))

    assert commands == [PlayVoice(LINE), send_mark("0:2")]


def test_a_caller_who_interrupts_the_greeting_hears_the_notice_at_once() -> None:
    call = greeted_call()
    call.at(0.0, phrase("notice", NOTICE, 2.0))

    commands = call.at(0.5, BARGE_IN)

    assert [commands[0], *played(commands)] == [CLEAR, LINE]


def test_a_notice_that_was_heard_is_not_said_again() -> None:
    call = greeted_call()
    call.at(0.0, phrase("notice", NOTICE, 2.0))
    call.at(4.0, AgentAudio(sound(2.0)))

    assert played(call.at(5.0, BARGE_IN)) == []
    assert played(call.at(6.0, user_text("Hello."))) == []


def test_a_notice_that_comes_in_the_middle_of_a_reply_waits_for_its_end() -> None:
    call = greeted_call()
    call.at(0.3, WELCOME)
    call.at(0.5, deepgram.SettingsApplied())
    call.at(1.5, agent_text("Yes?"), AgentAudio(sound(0.5)))

    assert call.at(1.6, phrase("notice", NOTICE, 2.0)) == []
    assert played(call.at(1.8, deepgram.AgentAudioDone())) == [LINE]


def test_a_notice_that_came_in_a_reply_without_an_end_waits_for_the_callers_words() -> None:
    call = greeted_call()
    call.at(1.5, agent_text("Yes?"), AgentAudio(sound(0.5)))
    call.at(1.6, phrase("notice", NOTICE, 2.0))

    assert played(call.at(4.0, user_text("A cleaning."))) == [LINE]


def test_without_a_notice_nothing_follows_the_greeting() -> None:
    call = started_call()

    assert played(call.at(0.0, phrase("greeting", GREETING, 1.0))) == [sound(1.0, b"\x10")]


def test_a_notice_that_comes_after_the_last_words_were_begun_is_not_said() -> None:
    call = greeted_call()
    call.at(0.5, AgentLost(code="refused", status=401))

    assert call.at(0.6, phrase("notice", NOTICE, 2.0)) == []


# --- by the agent ----------------------------------------------------------------------------


def test_a_notice_that_cannot_be_had_is_said_by_the_agent_as_soon_as_it_listens() -> None:
    call = greeted_call()
    call.at(0.2, GONE)
    call.at(0.3, WELCOME)

    assert call.at(0.5, deepgram.SettingsApplied()) == [REQUEST]


def test_an_agent_that_listens_already_says_it_at_once() -> None:
    call = greeted_call()
    call.at(0.3, WELCOME)
    call.at(0.5, deepgram.SettingsApplied())

    assert call.at(0.7, GONE) == [REQUEST]


def test_the_agent_is_asked_for_it_once() -> None:
    call = ready_call_without_audio()

    assert REQUEST not in call.at(1.5, user_text("Hello."))


def test_said_by_the_agent_in_sentences_it_is_said() -> None:
    call = ready_call_without_audio(notice="This is recorded. It helps us.")
    call.at(0.8, agent_text("This is recorded."), AgentAudio(sound(1.0)))
    call.at(0.9, agent_text("It helps us."), AgentAudio(sound(1.0)), deepgram.AgentAudioDone())

    assert not injected(call.at(4.0, user_text("Hello.")))


def test_said_by_the_agent_it_is_finished_whoever_speaks() -> None:
    call = ready_call_without_audio()
    call.at(1.5, agent_text(NOTICE), AgentAudio(sound(2.0)))

    assert call.at(2.0, BARGE_IN) == []


def test_what_the_agent_says_before_it_is_not_protected() -> None:
    call = ready_call_without_audio()
    call.at(1.5, agent_text("Hello."), AgentAudio(sound(2.0)))

    assert call.at(2.0, BARGE_IN) == [CLEAR, REQUEST, Save()]


@pytest.mark.parametrize(
    "refusal",
    [
        deepgram.InjectionRefused(),
        deepgram.Warning(code="INJECT_AGENT_MESSAGE_DURING_USER_SPEECH"),
    ],
    ids=["message", "warning"],
)
def test_refused_it_is_asked_for_again_when_the_caller_has_spoken(refusal: Any) -> None:
    call = ready_call_without_audio()
    call.at(0.6, refusal)

    assert REQUEST in call.at(2.0, user_text("Hello."))


def test_refused_while_nobody_speaks_it_is_asked_for_again_after_a_while() -> None:
    call = ready_call_without_audio()
    call.at(2.0, deepgram.InjectionRefused())

    assert call.at(2.0 + FALSE_START_S, Wakeup()) == [REQUEST]


def test_an_agent_that_refuses_it_for_ever_is_not_asked_for_ever() -> None:
    call = ready_call_without_audio()
    asked = 1
    for second in range(1, 30):
        call.at(second - 0.5, deepgram.InjectionRefused())
        asked += call.at(float(second), user_text("Hello.")).count(REQUEST)

    assert asked == TIMES_AT_MOST


def test_a_line_that_is_lost_before_it_was_said_leaves_it_to_the_next_session() -> None:
    call = ready_call_without_audio()
    call.at(0.6, AgentLost(code="closed"))
    call.at(0.8, WELCOME)

    assert call.at(1.0, deepgram.SettingsApplied())[0] == REQUEST


# --- with the agent's own greeting -----------------------------------------------------------


def agents_greeting(**options: Any) -> Call:
    """The agent is asked to greet; it listens since 0.5 s."""
    call = noticed_call(**options)
    call.at(0.2, PhraseMissing(kind="greeting", text=GREETING), GONE)
    call.at(0.3, WELCOME)
    call.at(0.5, deepgram.SettingsApplied())
    return call


def test_an_agent_that_greets_says_the_notice_with_it() -> None:
    call = noticed_call()
    call.at(0.2, PhraseMissing(kind="greeting", text=GREETING), GONE)

    assert call.at(0.3, WELCOME) == [ConfigureAgent(greet=True)]
    assert call.at(0.5, deepgram.SettingsApplied()) == []


def test_its_greeting_is_finished_because_the_notice_is_part_of_it() -> None:
    call = agents_greeting()
    call.at(0.8, agent_text(GREETING), AgentAudio(sound(1.0)))
    call.at(0.9, agent_text(NOTICE), AgentAudio(sound(2.0)))

    assert call.at(1.0, BARGE_IN) == []


def test_said_with_the_greeting_the_notice_is_not_said_again() -> None:
    call = agents_greeting()
    call.at(0.8, agent_text(f"{GREETING} {NOTICE}"), AgentAudio(sound(3.0)))

    assert call.at(0.9, deepgram.AgentAudioDone()) == []
    assert REQUEST not in call.at(5.0, user_text("Hello."))


def test_a_notice_of_ours_is_not_said_before_the_agents_greeting() -> None:
    call = noticed_call()
    call.at(0.2, PhraseMissing(kind="greeting", text=GREETING))

    assert call.at(0.4, phrase("notice", NOTICE, 2.0)) == []


def test_nor_before_a_greeting_that_is_late() -> None:
    call = noticed_call()
    call.at(0.2, PhraseMissing(kind="greeting", text=GREETING))
    call.at(2.5, Wakeup(), phrase("cover", COVER, 1.0))

    assert call.at(2.6, phrase("notice", NOTICE, 2.0)) == []


def test_a_line_lost_before_the_greetings_end_leaves_the_notice_to_us() -> None:
    call = noticed_call()
    call.at(0.2, PhraseMissing(kind="greeting", text=GREETING), phrase("notice", NOTICE, 2.0))
    call.at(0.3, WELCOME)
    call.at(0.5, deepgram.SettingsApplied())
    call.at(0.8, agent_text(GREETING), AgentAudio(sound(3.0)))
    call.at(0.9, AgentLost(code="closed"))
    call.at(1.1, WELCOME)

    assert played(call.at(1.3, deepgram.SettingsApplied())) == [LINE]


# --- over streams ----------------------------------------------------------------------------


def test_a_stream_that_continues_a_call_says_a_notice_that_was_broken_off() -> None:
    before = a_conversation(
        utterances=[agent_words(GREETING), agent_words(NOTICE, heard_ms=100.0, source="phrase")]
    )
    call = Call(before, notice=NOTICE)

    commands = call.at(0.0, start("MZ2"))

    assert commands[0] == FetchPhrase(kind="notice", text=NOTICE, context="greeting")
    assert played(call.at(0.1, phrase("notice", NOTICE, 2.0))) == [LINE]


def test_a_stream_that_continues_a_call_says_no_notice_that_was_heard() -> None:
    before = a_conversation(utterances=[agent_words(GREETING), agent_words(NOTICE)])

    assert Call(before, notice=NOTICE).at(0.0, start("MZ2")) == [ConnectAgent()]
