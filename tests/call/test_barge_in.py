from typing import Any

import pytest

from bridge.call.commands import PlayVoice, Save
from bridge.call.events import AgentAudio, Wakeup
from bridge.call.turns import LATCH_S
from bridge.wire import deepgram, twilio
from tests.call.calls import (
    FILLERS,
    FIND,
    GREETING,
    STREAM,
    agent_text,
    asks,
    mark,
    phrase,
    ready_call,
    send_mark,
    sound,
    speaking_call,
    started_call,
    user_text,
)

BARGE_IN = deepgram.UserStartedSpeaking()
CLEAR = twilio.Clear(stream_sid=STREAM)


def test_the_caller_barges_in_and_what_was_not_heard_is_cleared() -> None:
    assert speaking_call().at(4.0, BARGE_IN) == [CLEAR, Save()]


def test_a_barge_in_is_counted_once() -> None:
    call = speaking_call()

    assert call.at(4.0, BARGE_IN)
    assert call.at(4.1, BARGE_IN) == []
    assert call.conversation.interruptions == 1


def test_the_caller_who_speaks_while_nothing_plays_interrupts_nothing() -> None:
    call = ready_call()

    assert call.at(2.5, BARGE_IN) == []
    assert call.conversation.interruptions == 0


def test_the_caller_who_speaks_after_the_last_mark_interrupts_nothing() -> None:
    call = speaking_call(seconds=2.0)
    call.at(5.0, mark("0:2"))

    assert call.at(5.1, BARGE_IN) == []


def test_as_long_as_a_mark_is_out_its_audio_may_be_heard_and_is_cleared() -> None:
    call = speaking_call(seconds=2.0)

    assert call.at(5.05, BARGE_IN) == [CLEAR, Save()]


def test_the_caller_may_barge_into_the_greeting() -> None:
    call = started_call()
    call.at(0.0, phrase("greeting", GREETING, 3.0), deepgram.Welcome(request_id="r"))
    call.at(0.3, deepgram.SettingsApplied())

    assert call.at(1.0, BARGE_IN) == [CLEAR, Save()]
    assert call.heard() == ["Thank you"]


def test_after_barging_into_the_greeting_the_agents_reply_is_played_at_once() -> None:
    call = started_call()
    call.at(0.0, phrase("greeting", GREETING, 3.0))
    call.at(1.0, BARGE_IN)

    assert call.at(1.5, AgentAudio(sound(0.1))) == [PlayVoice(sound(0.1))]


def test_late_frames_of_the_cut_reply_are_latched_out() -> None:
    call = speaking_call()
    call.at(4.0, BARGE_IN)

    assert call.at(4.05, AgentAudio(sound(0.2))) == []
    assert call.session.stray_bytes == 1600


@pytest.mark.parametrize(
    "release",
    [
        user_text("Wait."),
        deepgram.EndOfTurn(),
        asks("find_slots", FIND),
        deepgram.AgentThinking(),
        deepgram.AgentStartedSpeaking(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_the_agents_next_turn_releases_the_latch(release: Any) -> None:
    call = speaking_call()
    call.at(4.0, BARGE_IN)
    call.at(4.5, release)

    assert call.at(4.6, AgentAudio(sound(0.1))) == [PlayVoice(sound(0.1))]


@pytest.mark.parametrize(
    "message",
    [
        deepgram.AgentAudioDone(),
        agent_text("at half past ten."),
        deepgram.LatencyReport(stt_latency=0.1),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_the_cut_turn_still_says_does_not_release_the_latch(message: Any) -> None:
    call = speaking_call()
    call.at(4.0, BARGE_IN)
    call.at(4.01, message)

    assert call.at(4.02, AgentAudio(sound(0.1))) == []


def test_the_latch_gives_way_by_itself_when_nothing_releases_it() -> None:
    call = speaking_call()
    call.at(4.0, BARGE_IN)
    call.at(4.0 + LATCH_S, Wakeup())

    assert call.at(8.0, AgentAudio(sound(0.1))) == [PlayVoice(sound(0.1))]


def test_a_reply_of_which_only_words_came_is_cut_too() -> None:
    call = ready_call()
    call.at(2.0, agent_text("Tuesday is free."))

    call.at(2.1, BARGE_IN)

    assert call.heard()[-1] == ""
    assert call.at(2.2, AgentAudio(sound(0.1))) == []
    assert call.conversation.interruptions == 0


def test_a_mark_that_a_clear_returned_does_not_count_as_played() -> None:
    call = speaking_call(text="Tuesday at nine is free.", seconds=2.0)
    call.at(4.0, BARGE_IN)

    assert call.at(4.1, mark("0:2")) == []
    assert call.heard()[-1] == "Tuesday at"


def test_a_late_mark_of_the_cut_turn_does_not_move_the_clock_of_the_next() -> None:
    call = speaking_call()
    call.at(4.0, BARGE_IN)
    call.at(4.5, user_text("Wednesday."), agent_text("Yes."), AgentAudio(sound(2.0)))
    call.at(4.6, mark("0:2"))
    call.at(5.5, BARGE_IN)

    assert call.conversation.utterances[-1].heard_ms == pytest.approx(1000)


def test_a_mark_nobody_sent_changes_nothing() -> None:
    assert speaking_call().at(3.5, mark("0:999")) == []


def test_marks_of_the_next_turn_carry_a_new_epoch() -> None:
    call = speaking_call()
    call.at(4.0, BARGE_IN)
    call.at(4.5, user_text("Wait."), AgentAudio(sound(0.2)))

    assert call.at(4.6, deepgram.AgentAudioDone()) == [send_mark("1:3")]


def test_a_barge_in_while_our_filler_plays_clears_it_and_lets_the_answer_through() -> None:
    call = ready_call()
    call.at(2.5, BARGE_IN)
    call.at(3.0, user_text("A cleaning."), asks("find_slots", FIND))
    call.wake()
    call.at(4.3, phrase("filler", FILLERS[0], 1.0))

    assert call.at(4.6, BARGE_IN) == [CLEAR, Save()]
    assert call.at(4.9, AgentAudio(sound(0.1))) == [PlayVoice(sound(0.1))]
