import pytest

from bridge.call.commands import CloseAgent, End, FetchPhrase, HangUp, PlayVoice, RunTool, Save
from bridge.call.ending import GONE_PATIENCE_S, LAST_MARK_PATIENCE_S, LAST_WORDS_PATIENCE_S
from bridge.call.events import AgentAudio, AgentLost, CallerGone, PhraseMissing, Wakeup
from bridge.errors import InvalidTransition
from bridge.wire import deepgram
from tests.call.calls import (
    APOLOGY,
    FIND,
    GREETING,
    TIME_IS_UP,
    Call,
    a_conversation,
    agent_text,
    asks,
    caller_words,
    mark,
    media,
    phrase,
    ready_call,
    send_mark,
    sound,
    speaking_call,
    start,
    started_call,
    stop,
    user_text,
)

LOST = AgentLost(code="refused", status=401)
HUNG_UP = [CloseAgent(), End(reason="caller_hung_up")]


# --- the caller goes -------------------------------------------------------------------------


def call_with_function_call() -> Call:
    call = ready_call()
    call.at(3.0, asks("find_slots", FIND))
    return call


def call_with_lost_agent() -> Call:
    call = ready_call()
    call.at(3.0, LOST)
    return call


def greeted_call() -> Call:
    call = started_call()
    call.at(0.0, phrase("greeting", GREETING, 1.0))
    return call


@pytest.mark.parametrize(
    "state",
    [
        started_call,
        greeted_call,
        ready_call,
        speaking_call,
        call_with_function_call,
        call_with_lost_agent,
    ],
)
def test_the_caller_may_hang_up_at_any_moment(state) -> None:
    call = state()

    commands = call.at(5.0, stop())

    assert [one for one in commands if not isinstance(one, RunTool)] == HUNG_UP
    assert call.conversation.ended == "caller_hung_up"


def test_a_lost_line_ends_the_stream_but_not_the_call() -> None:
    call = ready_call()

    assert call.at(5.0, CallerGone(code=1006)) == [CloseAgent(), End(reason="caller_line_lost")]
    assert call.conversation.ended == ""


def test_after_the_end_nothing_is_commanded() -> None:
    call = ready_call()
    call.at(5.0, stop())

    later = call.at(
        6.0, media(sound(0.02)), AgentAudio(b"1"), user_text("Hello?"), CallerGone(), Wakeup()
    )

    assert later == []
    assert call.session.next_wakeup() is None


def test_a_clock_that_runs_backwards_is_a_bug_of_ours() -> None:
    call = ready_call()

    with pytest.raises(InvalidTransition, match=r"now went back by 0\.5"):
        call.at(0.5, Wakeup())


# --- the agent goes --------------------------------------------------------------------------


def test_a_lost_agent_is_apologised_for() -> None:
    commands = ready_call().at(3.0, LOST)

    assert commands == [FetchPhrase(kind="apology", text=APOLOGY), Save()]


def test_an_error_that_no_new_session_would_mend_is_the_agents_end() -> None:
    commands = ready_call().at(3.0, deepgram.Error(code="INVALID_SETTINGS"))

    assert commands == [CloseAgent(), FetchPhrase(kind="apology", text=APOLOGY), Save()]


def test_an_agent_is_lost_once() -> None:
    assert call_with_lost_agent().at(3.1, LOST) == []


def test_the_call_is_hung_up_when_the_apology_was_heard() -> None:
    call = call_with_lost_agent()

    played = call.at(3.1, phrase("apology", APOLOGY, 2.0))
    heard = call.at(5.2, mark("0:2"))

    assert played == [PlayVoice(sound(2.0, b"\x10")), send_mark("0:2")]
    assert heard == [HangUp(next_step="human")]


def test_the_apology_comes_behind_what_the_agent_said_last() -> None:
    call = ready_call()
    call.at(3.0, agent_text("Nine is free."), AgentAudio(sound(0.5)))
    call.at(3.1, LOST)

    commands = call.at(3.1, phrase("apology", APOLOGY, 2.0))

    assert commands == [PlayVoice(sound(2.0, b"\x10")), send_mark("0:3")]
    assert call.session.next_wakeup() == pytest.approx(3.0 + 0.5 + 2.0 + LAST_MARK_PATIENCE_S)


def test_the_apology_is_not_waited_for_without_end() -> None:
    call = call_with_lost_agent()

    assert call.session.next_wakeup() == 3.0 + LAST_WORDS_PATIENCE_S
    assert call.wake() == [HangUp(next_step="apology")]


def test_without_audio_for_the_apology_it_is_left_to_twilio() -> None:
    call = call_with_lost_agent()

    commands = call.at(3.1, PhraseMissing(kind="apology", text=APOLOGY))

    assert commands == [HangUp(next_step="apology")]


def test_the_apologys_mark_is_not_waited_for_without_end() -> None:
    call = call_with_lost_agent()
    call.at(3.0, phrase("apology", APOLOGY, 2.0))

    assert call.session.next_wakeup() == 5.0 + LAST_MARK_PATIENCE_S
    assert call.wake() == [HangUp(next_step="human")]


def test_an_apology_without_sound_is_left_to_twilio() -> None:
    call = call_with_lost_agent()
    call.at(3.0, phrase("apology", APOLOGY, 0.0))

    assert call.wake() == [HangUp(next_step="apology")]


def test_an_apology_that_comes_after_hanging_up_is_not_played() -> None:
    call = call_with_lost_agent()
    call.wake()

    assert call.at(5.1, phrase("apology", APOLOGY, 2.0)) == []


def test_the_caller_cannot_barge_into_the_apology() -> None:
    call = call_with_lost_agent()
    call.at(3.0, phrase("apology", APOLOGY, 2.0))

    assert call.at(3.5, deepgram.UserStartedSpeaking()) == []


def test_what_the_caller_says_into_the_apology_is_kept_and_asks_for_nothing() -> None:
    call = call_with_lost_agent()

    assert call.at(3.1, user_text("Hello?")) == [Save()]
    assert call.words()[-1] == ("caller", "Hello?")


def test_what_a_lost_agent_says_was_not_heard() -> None:
    call = call_with_lost_agent()

    call.at(3.1, agent_text("Hello?"))

    assert call.heard()[-1] == ""


def test_an_agent_that_comes_too_late_is_not_given_the_call() -> None:
    call = started_call(reconnect_within_s=1.0)
    call.wake()  # the greeting is left to the agent
    call.at(8.0, Wakeup())  # which does not come

    assert call.at(8.5, deepgram.SettingsApplied(), media(sound(0.02))) == []


def test_a_lost_agent_waits_for_no_greeting() -> None:
    call = started_call()
    call.at(0.1, LOST)

    assert call.at(0.2, phrase("greeting", GREETING, 1.0)) == []


def test_the_call_ends_when_the_line_was_closed_after_hanging_up() -> None:
    call = call_with_lost_agent()
    call.wake()

    assert call.at(5.2, CallerGone()) == [CloseAgent(), End(reason="agent_lost")]
    assert call.conversation.ended == "agent_lost"


def test_the_call_ends_even_if_nobody_closes_the_line() -> None:
    call = call_with_lost_agent()
    call.wake()

    assert call.session.next_wakeup() == 5.0 + GONE_PATIENCE_S
    assert call.wake() == [CloseAgent(), End(reason="agent_lost")]


def test_a_wake_up_that_comes_too_early_after_hanging_up_changes_nothing() -> None:
    call = call_with_lost_agent()
    call.wake()

    assert call.at(5.1, Wakeup()) == []


def test_a_line_lost_during_the_apology_leaves_the_call_to_another_stream() -> None:
    call = call_with_lost_agent()
    call.at(3.0, phrase("apology", APOLOGY, 2.0))

    assert call.at(3.5, CallerGone()) == [CloseAgent(), End(reason="caller_line_lost")]


def test_marks_that_come_back_after_hanging_up_still_count_as_heard() -> None:
    call = call_with_lost_agent()
    call.at(3.0, phrase("apology", APOLOGY, 2.0))
    call.wake()

    call.at(7.2, mark("0:2"))

    assert call.conversation.utterances[-1].heard_out


# --- the call is too long --------------------------------------------------------------------


def test_the_longest_call_ends_with_a_goodbye() -> None:
    call = ready_call(longest_call_s=10.0)

    assert call.session.next_wakeup() == 10.0
    assert call.wake() == [CloseAgent(), FetchPhrase(kind="goodbye", text=TIME_IS_UP), Save()]
    call.at(10.0, phrase("goodbye", TIME_IS_UP, 2.0))
    assert call.at(12.1, mark("0:2")) == [HangUp(next_step="hangup")]


def test_a_goodbye_that_cannot_be_had_is_left_to_twilio() -> None:
    call = ready_call(longest_call_s=10.0)
    call.wake()

    commands = call.at(10.1, PhraseMissing(kind="goodbye", text=TIME_IS_UP))

    assert commands == [HangUp(next_step="goodbye")]


def test_the_longest_call_ends_once() -> None:
    call = ready_call(longest_call_s=10.0)
    call.wake()
    call.wake()

    assert call.session.next_wakeup() == 10.0 + LAST_WORDS_PATIENCE_S + GONE_PATIENCE_S
    assert call.wake() == [CloseAgent(), End(reason="longest_call")]


def test_after_hanging_up_nothing_is_asked_of_the_agent_any_more() -> None:
    call = ready_call(longest_call_s=10.0)
    call.wake()
    call.wake()

    assert call.at(12.1, media(sound(0.02)), asks("find_slots", FIND)) == []


def test_the_apology_is_finished_even_if_the_call_is_too_long() -> None:
    call = ready_call(longest_call_s=4.0)
    call.at(3.5, LOST)
    call.at(3.5, phrase("apology", APOLOGY, 2.0))

    assert call.at(4.0, Wakeup()) == []
    assert call.session.next_wakeup() == pytest.approx(3.5 + 2.0 + LAST_MARK_PATIENCE_S)
    assert call.at(5.6, mark("0:2")) == [HangUp(next_step="human")]


def test_the_longest_call_is_counted_from_the_calls_own_beginning() -> None:
    went_before = a_conversation(elapsed_s=30.0, utterances=[caller_words("Hello.")])

    call = started_call(conversation=went_before, longest_call_s=32.0, agent_patience_s=500.0)

    assert call.session.next_wakeup() == 2.0


def test_a_start_after_the_end_changes_nothing() -> None:
    call = ready_call()
    call.at(5.0, stop())

    assert call.at(6.0, start()) == []
