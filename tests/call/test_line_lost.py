"""The agent's line is lost: opened again, the talk picked up, nothing said twice or left unsaid."""

from typing import Any

import pytest

from bridge.call.agent_line import DELAYS_S, JITTER
from bridge.call.commands import (
    CloseAgent,
    Command,
    ConfigureAgent,
    ConnectAgent,
    FetchPhrase,
    HangUp,
    PlayVoice,
    Save,
    SendVoice,
)
from bridge.call.events import AgentAudio, AgentLost, PhraseMissing, Wakeup
from bridge.call.upkeep import QUIET_S, REPLY_PAUSE_S
from bridge.wire import deepgram, mulaw, twilio
from tests.call.calls import (
    APOLOGY,
    BOOK,
    COVER,
    FILLERS,
    FIND,
    GREETING,
    STREAM,
    Call,
    a_conversation,
    agent_text,
    agent_words,
    asks,
    caller_words,
    mark,
    media,
    phrase,
    ready_call,
    sound,
    speaking_call,
    start,
    started_call,
    user_text,
)

LOST = AgentLost(code="closed")
WELCOME = deepgram.Welcome(request_id="r2")
APPLIED = deepgram.SettingsApplied()
BEGINS = deepgram.UserStartedSpeaking()
RESUMED = "Sorry, the line was cut."
SORRY = deepgram.InjectAgentMessage(message=RESUMED)
VOICE = b"\x20" * mulaw.FRAME_BYTES
ROOM = b"\x7d" * mulaw.FRAME_BYTES


def say(text: str) -> deepgram.InjectAgentMessage:
    return deepgram.InjectAgentMessage(message=text)


def give(words: str) -> deepgram.InjectUserMessage:
    return deepgram.InjectUserMessage(content=words)


def up(call: Call, at: float) -> list[Command]:
    """The next session listens; what it is told."""
    call.at(at, WELCOME)
    return [one for one in call.at(at, APPLIED) if not isinstance(one, SendVoice)]


def lose(call: Call, at: float, *, after_s: float = 0.5) -> list[Command]:
    """Lost, and there again a little later; what the next session is told."""
    call.at(at, LOST)
    return up(call, at + after_s)


def line(call: Call, since: float, seconds: float, frame: bytes = VOICE) -> bytes:
    """The caller's line for so long; what the agent heard of it."""
    heard = b""
    for number in range(round(seconds * 50)):
        commands = call.at(since + number * 0.02, media(frame))
        heard += b"".join(one.audio for one in commands if isinstance(one, SendVoice))
    return heard


def wait(call: Call, since: float, seconds: float) -> list[Command]:
    """She is silent for so long, and the call wakes up whenever it wants to."""
    commands: list[Command] = []
    for number in range(round(seconds * 50)):
        commands += wake_until(call, since + number * 0.02)
        call.at(since + number * 0.02, media(ROOM))
    return commands


def fetched(commands: list[Command]) -> list[tuple[str, str]]:
    return [(one.kind, one.text) for one in commands if isinstance(one, FetchPhrase)]


def wake_until(call: Call, at: float) -> list[Command]:
    """What every wake-up until then commands, but for the silence sent where no frames come."""
    commands: list[Command] = []
    while (due := call.session.next_wakeup()) is not None and due <= at:
        commands += call.wake()
    return [one for one in commands if not isinstance(one, SendVoice)]


# --- opened again ----------------------------------------------------------------------------


def test_a_lost_line_is_opened_again_at_once() -> None:
    assert ready_call().at(5.0, LOST) == [ConnectAgent(), Save()]


def test_an_error_is_the_end_of_a_session_and_it_is_closed_first() -> None:
    commands = ready_call().at(5.0, deepgram.Error(code="SERVER_GOING_AWAY"))

    assert commands == [CloseAgent(), ConnectAgent(), Save()]


def test_a_second_attempt_waits_for_its_time() -> None:
    call = ready_call()
    call.at(15.0, LOST)

    assert call.at(15.1, LOST) == [Save()]
    due = call.session.next_wakeup()
    assert due is not None
    assert 15.1 + DELAYS_S[1] * (1 - JITTER) <= due <= 15.1 + DELAYS_S[1] * (1 + JITTER)
    assert call.wake() == [ConnectAgent()]


def test_while_an_attempt_waits_a_line_cannot_be_lost_once_more() -> None:
    call = ready_call()
    call.at(15.0, LOST, LOST)

    assert call.at(15.2, LOST) == []


def test_a_refusal_that_names_its_wait_is_believed() -> None:
    call = ready_call(reconnect_within_s=60.0)
    call.at(15.0, AgentLost(code="refused", status=503, retry_after_s=7.0))

    assert [one for one in wake_until(call, 21.9) if one == ConnectAgent()] == []
    assert call.at(22.0, Wakeup())[:1] == [ConnectAgent()]


def test_settings_that_are_never_applied_are_waited_for_no_longer_than_patience_lasts() -> None:
    call = ready_call(agent_patience_s=8.0)
    call.at(15.0, LOST)
    call.at(15.1, WELCOME)

    assert call.session.next_wakeup() == 23.0
    assert call.wake() == [CloseAgent(), Save()]


def test_a_session_that_was_given_up_is_not_listened_to_when_it_comes_after_all() -> None:
    call = ready_call(agent_patience_s=8.0)
    call.at(15.0, LOST)
    call.wake()
    call.at(23.1, APPLIED)
    assert call.at(23.2, media(VOICE)) == []

    assert ConnectAgent() in wake_until(call, 25.0)


def test_a_line_that_cannot_be_had_ends_the_call_with_an_apology_and_a_person() -> None:
    call = ready_call(agent_patience_s=4.0, reconnect_within_s=20.0)
    call.at(15.0, LOST)

    commands = wake_until(call, 40.0)

    assert fetched(commands)[-1] == ("apology", APOLOGY)
    assert commands[-1] == HangUp(next_step="apology")
    assert commands.count(ConnectAgent()) <= 4


def test_a_session_that_falls_as_soon_as_it_listens_is_not_opened_for_ever() -> None:
    call = ready_call(reconnect_within_s=20.0)
    call.at(3.0, user_text("Hello?"))
    sessions = 0
    while not call.session.parts.ending.begun:
        call.at(call.now + 0.1, deepgram.Error(code="FAILED_TO_THINK"))
        wake_until(call, call.now + 20.0)
        if not call.session.parts.ending.begun:
            up(call, call.now + 0.3)
            sessions += 1

    assert sessions <= 6
    assert call.now < 60.0


@pytest.mark.parametrize("code", ["INVALID_SETTINGS", "USER_AUDIO_FORMAT"])
def test_what_no_new_session_would_mend_ends_the_call(code: str) -> None:
    commands = ready_call().at(5.0, deepgram.Error(code=code))

    assert fetched(commands) == [("apology", APOLOGY)]


# --- idle ------------------------------------------------------------------------------------


def test_a_line_lost_while_nobody_spoke_is_not_spoken_of() -> None:
    call = speaking_call(seconds=1.0)
    call.at(4.0, mark("0:2"))

    assert lose(call, 8.0) == []
    assert fetched(wake_until(call, 9.0)) == []


def test_it_is_not_covered_either_however_long_it_takes() -> None:
    call = speaking_call(seconds=1.0)
    call.at(4.0, mark("0:2"))
    call.at(8.0, LOST)

    assert fetched(wake_until(call, 15.0)) == []


def test_a_line_lost_behind_a_reply_that_still_plays_was_missed_by_nobody() -> None:
    call = speaking_call(seconds=3.0)

    assert lose(call, 4.0) == []
    assert fetched(wake_until(call, 7.0)) == []


def test_the_next_session_does_not_greet() -> None:
    call = ready_call()
    call.at(5.0, LOST)

    assert call.at(5.3, WELCOME) == [ConfigureAgent(greet=False)]


# --- the agent in mid-sentence ---------------------------------------------------------------

LONG = "We are open from eight in the morning until six in the evening."


def cut_off_call(**options: Any) -> Call:
    """The line is lost at 4.0 s; of four seconds of speech one was sent, and played by then."""
    call = ready_call(**options)
    call.at(3.0, user_text("When are you open?"), agent_text(LONG), AgentAudio(sound(1.0)))
    call.at(4.0, mark("0:2"), LOST)
    return call


def test_a_sentence_that_was_broken_off_is_said_again() -> None:
    assert up(cut_off_call(), 4.5) == [say(LONG)]


def test_it_is_said_once() -> None:
    call = cut_off_call()
    up(call, 4.5)
    call.at(4.9, agent_text(LONG), AgentAudio(sound(4.0)), deepgram.AgentAudioDone())

    assert lose(call, 9.5) == []


def test_broken_off_once_more_it_is_said_once_more_not_twice() -> None:
    call = cut_off_call()
    up(call, 4.5)
    call.at(4.9, agent_text(LONG), AgentAudio(sound(1.0)))
    call.at(5.9, LOST)
    wake_until(call, 7.5)

    assert up(call, 8.0) == [say(LONG)]


def test_it_is_said_by_the_session_after_if_the_next_one_is_lost_before_it_could() -> None:
    call = cut_off_call()
    up(call, 4.5)
    call.at(4.6, LOST)
    wake_until(call, 6.5)

    assert up(call, 7.0) == [say(LONG)]


def test_it_is_said_however_lately_she_spoke_before_it() -> None:
    call = ready_call()
    line(call, 1.0, 1.5, ROOM)
    line(call, 2.5, 0.4)
    call.at(3.0, user_text("When?"), agent_text(LONG), AgentAudio(sound(0.5)))
    call.at(3.95, LOST)

    assert up(call, 4.4) == [say(LONG)]


def test_a_talk_that_was_picked_up_is_no_longer_broken() -> None:
    call = cut_off_call(resumed=RESUMED)
    up(call, 4.5)
    call.at(4.9, agent_text(LONG), AgentAudio(sound(4.0)), deepgram.AgentAudioDone())

    assert lose(call, 11.0) == []
    assert fetched(wake_until(call, 12.0)) == []


def test_sentences_that_were_all_sent_are_not_said_again() -> None:
    call = ready_call()
    call.at(3.0, user_text("When?"), agent_text("At eight."), AgentAudio(sound(0.6)))

    assert say("At eight.") not in lose(call, 3.1)


def test_what_was_sent_will_be_heard_and_is_not_said_again() -> None:
    call = ready_call()
    call.at(3.0, user_text("When?"), agent_text(LONG), AgentAudio(sound(4.0)))

    assert lose(call, 3.2) == []


def test_only_the_sentences_that_are_missing_are_said_again() -> None:
    call = ready_call()
    call.at(3.0, user_text("When?"), agent_text("At eight."), agent_text(LONG))
    call.at(3.1, AgentAudio(sound(0.8)))

    assert lose(call, 4.0) == [say(LONG)]


def test_a_broken_sentence_is_covered_if_the_silence_is_felt() -> None:
    call = cut_off_call(cover_after_s=0.4)

    assert call.session.next_wakeup() == pytest.approx(4.4)
    assert fetched(call.wake()) == [("cover", COVER)]


def test_a_broken_sentence_is_not_covered_while_its_sound_still_plays() -> None:
    call = ready_call(cover_after_s=0.4)
    call.at(3.0, user_text("When?"), agent_text(LONG), AgentAudio(sound(2.0)))
    call.at(3.5, LOST)

    assert call.session.next_wakeup() == pytest.approx(5.0 + 0.4)


def test_a_line_that_is_there_again_before_the_silence_is_felt_is_not_covered() -> None:
    call = cut_off_call(cover_after_s=0.4)
    up(call, 4.3)

    assert fetched(wake_until(call, 5.0)) == []


# --- the caller in mid-sentence --------------------------------------------------------------


def heard_by_the_next(call: Call, at: float) -> bytes:
    call.at(at, WELCOME)
    commands = call.at(at, APPLIED)
    return b"".join(one.audio for one in commands if isinstance(one, SendVoice))


def test_the_end_of_what_was_sent_and_what_came_since_reach_the_next_session() -> None:
    call = ready_call()
    line(call, 2.0, 1.0, ROOM)
    call.at(3.0, BEGINS)
    line(call, 3.0, 1.0)
    call.at(4.0, LOST)
    line(call, 4.0, 0.5)

    assert heard_by_the_next(call, 4.5).count(VOICE) == 75


def test_at_most_two_seconds_of_it_are_played_again() -> None:
    call = ready_call()
    call.at(3.0, BEGINS)
    line(call, 3.0, 3.0)
    call.at(6.0, LOST)
    line(call, 6.0, 1.0)

    assert len(heard_by_the_next(call, 7.0)) == 2 * mulaw.SAMPLE_RATE_HZ


def test_words_that_were_understood_already_are_not_played_again() -> None:
    call = ready_call()
    call.at(2.9, BEGINS)
    line(call, 3.0, 1.0)
    call.at(4.0, user_text("A cleaning, please."))
    call.at(4.1, BEGINS)
    line(call, 4.1, 0.2)
    call.at(4.3, LOST)

    assert heard_by_the_next(call, 4.8).count(VOICE) == 10


def test_a_word_that_the_agent_had_not_announced_yet_is_played_again_too() -> None:
    call = ready_call()
    line(call, 2.0, 2.0, ROOM)
    line(call, 4.0, 0.2)
    call.at(4.2, LOST)

    assert heard_by_the_next(call, 4.7).count(VOICE) == 10


def test_nothing_is_played_again_of_a_caller_who_listened() -> None:
    call = ready_call()
    line(call, 2.0, 3.0, ROOM)
    call.at(5.0, LOST)

    assert heard_by_the_next(call, 5.5) == b""


def test_what_an_earlier_session_heard_is_not_played_to_the_one_after_the_next() -> None:
    call = ready_call()
    line(call, 1.0, 2.0, ROOM)
    lose(call, 3.0)
    line(call, 3.5, 0.2)
    call.at(3.7, BEGINS, LOST)
    wake_until(call, 5.5)

    assert heard_by_the_next(call, 6.0).count(ROOM) == 0


def test_what_was_grouped_for_a_lost_session_is_not_sent_to_the_next() -> None:
    call = ready_call(group_bytes=3 * mulaw.FRAME_BYTES)
    line(call, 3.0, 0.02, ROOM)
    lose(call, 3.1)

    assert line(call, 3.6, 0.06) == VOICE * 3


def test_what_she_says_while_nobody_listens_is_kept_no_longer_than_it_is_worth() -> None:
    call = ready_call(replay_bytes=16_000)
    call.at(5.0, LOST)
    line(call, 5.0, 3.0)

    assert len(heard_by_the_next(call, 8.0)) == 16_000
    assert call.session.unsent_bytes == 8000


def test_nobody_speaks_over_a_caller_whose_words_are_on_their_way() -> None:
    call = ready_call(resumed=RESUMED)
    call.at(3.0, BEGINS)
    line(call, 3.0, 1.0)
    call.at(4.0, LOST)
    line(call, 4.0, 0.5)

    assert up(call, 4.5) == []


def test_nor_is_the_agents_sentence_said_again_over_her() -> None:
    call = cut_off_call()
    line(call, 4.0, 0.6)

    assert up(call, 4.6) == []


def test_if_it_was_no_word_after_all_the_agents_sentence_is_said_then() -> None:
    call = cut_off_call()
    line(call, 4.0, 0.6)
    up(call, 4.6)
    line(call, 4.6, 1.0, ROOM)

    assert say(LONG) in wake_until(call, 6.2)


def test_a_caller_whose_words_were_lost_is_asked_to_say_them_again() -> None:
    call = ready_call(resumed=RESUMED)
    call.at(3.0, BEGINS)
    line(call, 3.0, 1.0)
    call.at(4.0, LOST)
    line(call, 4.0, 2.5, ROOM)

    assert up(call, 6.5) == [SORRY]


def test_a_caller_who_pauses_is_covered_but_not_one_who_goes_on() -> None:
    call = ready_call(cover_after_s=0.4)
    line(call, 2.0, 1.0, ROOM)
    call.at(3.0, BEGINS)
    line(call, 3.0, 1.0)
    call.at(4.0, LOST)
    line(call, 4.0, 1.0)

    assert call.session.next_wakeup() == pytest.approx(4.98 + 0.4)


def test_a_cover_that_comes_in_her_pause_is_played() -> None:
    call = ready_call(cover_after_s=0.4)
    line(call, 1.0, 2.0, ROOM)
    call.at(3.0, BEGINS)
    line(call, 3.0, 1.0)
    call.at(4.0, LOST)
    wake_until(call, 4.5)

    assert PlayVoice(sound(1.0, b"\x10")) in call.at(4.5, phrase("cover", COVER, 1.0))


def test_a_cover_that_comes_when_she_has_gone_on_is_not_played() -> None:
    call = ready_call(cover_after_s=0.4)
    line(call, 2.0, 1.0, ROOM)
    call.at(3.0, BEGINS)
    line(call, 3.0, 1.0)
    call.at(4.0, LOST)
    assert fetched(wake_until(call, 4.5)) == [("cover", COVER)]
    line(call, 4.5, 0.2)

    assert call.at(4.7, phrase("cover", COVER, 1.0)) == []


# --- the caller's words without an answer ----------------------------------------------------


def waiting_call(**options: Any) -> Call:
    """She said what she wants at 3.0 s; the line is lost at 3.2 s, before any answer."""
    call = ready_call(**options)
    call.at(3.0, user_text("A cleaning, please."))
    call.at(3.2, LOST)
    return call


def given_call() -> Call:
    """The cover plays since 3.7 s, for 1.5 s; the next session has her words since 3.9 s."""
    call = waiting_call()
    wake_until(call, 3.7)
    call.at(3.7, phrase("cover", COVER, 1.5))
    up(call, 3.9)
    return call


def test_the_next_session_is_given_her_words_to_answer() -> None:
    assert up(waiting_call(), 3.7) == [give("A cleaning, please.")]


def test_words_that_are_told_back_are_not_noted_twice() -> None:
    call = waiting_call()
    up(call, 3.7)
    call.at(3.8, BEGINS, user_text("A cleaning, please."))

    assert [text for who, text in call.words() if who == "caller"] == ["A cleaning, please."]


def test_they_are_given_again_after_another_loss_but_not_doubled() -> None:
    call = waiting_call()
    up(call, 3.7)
    call.at(3.8, BEGINS, user_text("A cleaning, please."))
    call.at(4.0, LOST)
    wake_until(call, 6.0)

    assert up(call, 6.5) == [give("A cleaning, please.")]


def test_said_by_herself_once_more_they_are_noted_once_more() -> None:
    call = waiting_call()
    up(call, 3.7)
    call.at(3.8, user_text("A cleaning, please."))
    call.at(5.0, user_text("A cleaning, please."))

    assert [text for who, text in call.words() if who == "caller"] == ["A cleaning, please."] * 2


def test_words_of_hers_that_come_in_place_of_those_given_are_her_own() -> None:
    call = waiting_call()
    up(call, 3.7)
    call.at(3.8, user_text("Hello?"))

    assert call.words()[-1] == ("caller", "Hello?")


def test_the_words_that_were_given_interrupt_nothing_of_ours() -> None:
    call = waiting_call()
    assert fetched(wake_until(call, 3.7)) == [("cover", COVER)]
    call.at(3.7, phrase("cover", COVER, 1.5))
    up(call, 3.9)

    assert call.at(4.0, BEGINS) == []
    assert call.conversation.interruptions == 0


def test_given_once_more_they_interrupt_nothing_once_more() -> None:
    call = waiting_call()
    up(call, 3.3)
    call.at(3.4, BEGINS, user_text("A cleaning, please."))
    call.at(3.5, LOST)
    wake_until(call, 4.0)
    call.at(4.0, phrase("cover", COVER, 3.0))
    wake_until(call, 5.0)
    up(call, 5.2)

    assert call.at(5.3, BEGINS) == []


@pytest.mark.parametrize("sign", [deepgram.InjectionRefused(), AgentAudio(sound(2.0))])
def test_words_that_are_not_told_back_do_not_keep_her_from_interrupting(sign: Any) -> None:
    call = given_call()
    call.at(4.0, sign)

    assert twilio.Clear(stream_sid=STREAM) in call.at(4.2, BEGINS)


def test_a_caller_who_then_speaks_herself_does() -> None:
    call = given_call()
    call.at(4.0, BEGINS)

    assert twilio.Clear(stream_sid=STREAM) in call.at(4.1, BEGINS)


def test_the_answer_takes_the_covers_place() -> None:
    call = given_call()
    call.at(4.0, BEGINS, user_text("A cleaning, please."))

    commands = call.at(4.5, agent_text("Which day?"), AgentAudio(sound(0.8)))

    assert twilio.Clear(stream_sid=STREAM) in commands
    assert PlayVoice(sound(0.8)) in commands


def test_words_that_the_agent_would_not_take_are_given_again() -> None:
    call = waiting_call()
    up(call, 3.7)
    call.at(3.8, deepgram.InjectionRefused())

    assert give("A cleaning, please.") in wake_until(call, 12.0)


def test_her_words_after_a_sentence_that_she_interrupted_are_given_alone() -> None:
    call = speaking_call(seconds=3.0)
    call.at(4.0, BEGINS)
    call.at(4.5, user_text("Wednesday, rather."))

    assert lose(call, 4.7) == [give("Wednesday, rather.")]


# --- the cover -------------------------------------------------------------------------------


def covered_call(**options: Any) -> Call:
    """The cover plays from 3.6 to 4.6 s."""
    call = waiting_call(cover_after_s=0.4, **options)
    wake_until(call, 3.6)
    call.at(3.6, phrase("cover", COVER, 1.0))
    return call


def test_a_cover_is_played_while_the_line_is_down() -> None:
    call = waiting_call()
    wake_until(call, 3.6)

    assert PlayVoice(sound(1.0, b"\x10")) in call.at(3.6, phrase("cover", COVER, 1.0))


def test_a_cover_that_comes_when_the_line_is_up_is_not_played() -> None:
    call = waiting_call()
    wake_until(call, 3.6)
    up(call, 3.7)

    assert call.at(3.8, phrase("cover", COVER, 1.0)) == []


def test_a_long_silence_is_covered_again_with_other_words() -> None:
    call = covered_call(second_filler_after_s=4.0, agent_patience_s=30.0)

    assert fetched(wake_until(call, 8.7)) == [("cover", FILLERS[0])]
    call.at(8.7, phrase("cover", FILLERS[0], 1.0))
    assert fetched(wake_until(call, 14.0)) == [("cover", FILLERS[1])]


def test_a_practice_without_fillers_says_its_cover_once() -> None:
    call = covered_call(fillers=(), agent_patience_s=30.0)

    assert fetched(wake_until(call, 20.0)) == []


def test_a_cover_that_cannot_be_had_is_followed_by_another() -> None:
    call = waiting_call(agent_patience_s=30.0)
    wake_until(call, 3.6)
    call.at(3.7, PhraseMissing(kind="cover", text=COVER))

    assert fetched(wake_until(call, 8.0)) == [("cover", FILLERS[0])]


def test_a_filler_that_comes_too_late_does_not_stand_in_the_covers_way() -> None:
    call = ready_call()
    call.at(3.0, user_text("A cleaning."), asks("find_slots", FIND))
    assert fetched(wake_until(call, 4.2)) == [("filler", FILLERS[0])]
    call.at(4.3, LOST)
    assert fetched(wake_until(call, 4.8)) == [("cover", COVER)]
    call.at(4.9, phrase("filler", FILLERS[0], 1.0))

    assert PlayVoice(sound(1.0, b"\x10")) in call.at(5.0, phrase("cover", COVER, 1.0))


def test_a_filler_after_a_cover_says_something_else_than_the_cover_did() -> None:
    call = covered_call(agent_patience_s=30.0)
    wake_until(call, 8.7)
    call.at(8.7, phrase("cover", FILLERS[0], 1.0))
    up(call, 10.0)
    call.at(10.1, BEGINS, user_text("A cleaning, please."))

    assert fetched(wake_until(call, 12.7)) == [("filler", FILLERS[1])]


def test_the_next_loss_is_covered_from_the_beginning() -> None:
    call = covered_call()
    up(call, 5.0)
    call.at(5.1, agent_text("Which day?"), AgentAudio(sound(0.8)))
    call.at(30.0, user_text("Tuesday."))
    call.at(30.2, LOST)

    assert fetched(wake_until(call, 30.6)) == [("cover", COVER)]


def test_told_that_something_was_wrong_she_is_told_that_it_is_over() -> None:
    call = ready_call(resumed=RESUMED, agent_patience_s=30.0)
    call.at(5.0, LOST)
    line(call, 5.0, 0.5)
    assert fetched(wake_until(call, 8.1)) == [("cover", COVER)]

    assert up(call, 9.0) == [SORRY]


def test_a_caller_who_says_something_while_nobody_listens_is_not_left_in_silence() -> None:
    call = ready_call(agent_filler_after_s=2.5, agent_patience_s=30.0)
    line(call, 4.0, 1.0, ROOM)
    call.at(5.0, LOST)
    line(call, 5.0, 1.0, ROOM)
    line(call, 6.0, 0.5)

    assert call.session.next_wakeup() == pytest.approx(6.48 + 2.5)
    assert fetched(call.wake()) == [("cover", COVER)]


def test_nobody_covers_a_call_that_is_being_ended() -> None:
    call = waiting_call()
    call.at(3.3, AgentLost(code="refused", status=401))

    assert ("cover", COVER) not in fetched(wake_until(call, 5.0))


# --- while the greeting is said --------------------------------------------------------------


def test_a_line_that_is_lost_during_the_greeting_leaves_it_playing() -> None:
    call = started_call()
    call.at(0.0, phrase("greeting", GREETING, 3.0))
    call.at(0.3, WELCOME)
    call.at(0.5, APPLIED)

    assert call.at(1.0, LOST) == [ConnectAgent(), Save()]
    assert call.at(1.2, WELCOME) == [ConfigureAgent(greet=False)]
    assert call.at(1.4, APPLIED) == []


def test_an_agent_that_was_lost_before_it_greeted_greets() -> None:
    call = started_call()
    call.at(0.1, PhraseMissing(kind="greeting", text=GREETING))
    call.at(0.3, WELCOME)
    call.at(0.5, APPLIED)
    call.at(0.6, LOST)

    assert call.at(0.9, WELCOME) == [ConfigureAgent(greet=True)]


def test_an_agent_that_was_lost_while_it_greeted_says_the_greeting_again_and_no_other() -> None:
    call = started_call()
    call.at(0.1, PhraseMissing(kind="greeting", text=GREETING))
    call.at(0.3, WELCOME)
    call.at(0.5, APPLIED, agent_text(GREETING), AgentAudio(sound(0.3)))
    call.at(0.8, LOST)

    assert call.at(1.0, WELCOME) == [ConfigureAgent(greet=False)]
    assert call.at(1.2, APPLIED) == [say(GREETING)]


def test_a_caller_whom_nobody_greets_is_not_left_in_silence() -> None:
    call = started_call(agent_filler_after_s=2.5)
    call.at(0.1, PhraseMissing(kind="greeting", text=GREETING))

    assert call.session.next_wakeup() == 2.5
    assert fetched(call.wake()) == [("cover", COVER)]


def test_a_cover_is_no_greeting() -> None:
    call = started_call()
    call.at(0.1, PhraseMissing(kind="greeting", text=GREETING))
    call.wake()
    call.at(2.6, phrase("cover", COVER, 1.0))

    assert call.at(4.0, WELCOME) == [ConfigureAgent(greet=True)]


def test_an_agent_that_cannot_be_had_at_all_is_apologised_for() -> None:
    call = started_call(reconnect_within_s=5.0)
    call.at(0.0, phrase("greeting", GREETING, 1.0))
    call.at(0.3, AgentLost(code="unreachable"))

    assert ("apology", APOLOGY) in fetched(wake_until(call, 30.0))


# --- another stream --------------------------------------------------------------------------


def continued_call(*said: Any, **options: Any) -> Call:
    call = Call(a_conversation(utterances=list(said), elapsed_s=30.0), resumed=RESUMED, **options)
    call.at(0.0, start())
    return call


def test_a_stream_that_continues_a_call_gives_the_words_that_had_no_answer() -> None:
    call = continued_call(agent_words("Which day?"), caller_words("Tuesday."))

    assert up(call, 0.5) == [give("Tuesday.")]


def test_a_stream_that_continues_a_call_in_silence_says_so() -> None:
    call = continued_call(caller_words("Tuesday."), agent_words("Nine is free."))

    assert up(call, 0.5) == [SORRY]


def test_a_stream_that_continues_a_call_is_covered_if_it_takes_long() -> None:
    call = continued_call(agent_words("Which day?"), agent_filler_after_s=2.5)

    assert call.session.next_wakeup() == 2.5
    assert fetched(call.wake()) == [("cover", COVER)]


# --- a stalled agent -------------------------------------------------------------------------


def test_an_agent_that_gives_no_sign_is_replaced() -> None:
    call = ready_call(stall_after_s=9.0, fillers=())
    call.at(3.0, user_text("A cleaning, please."))

    assert call.session.next_wakeup() == 12.0
    assert call.wake() == [CloseAgent(), ConnectAgent(), Save()]
    assert up(call, 12.5) == [give("A cleaning, please.")]


def test_an_agent_that_gives_no_sign_twice_is_not_there() -> None:
    call = ready_call(stall_after_s=9.0, fillers=())
    call.at(3.0, user_text("A cleaning, please."))
    call.wake()
    up(call, 12.5)

    assert call.session.next_wakeup() == 21.5
    assert call.wake() == [CloseAgent(), FetchPhrase(kind="apology", text=APOLOGY), Save()]


def test_an_agent_that_spoke_in_between_has_another_chance() -> None:
    call = ready_call(stall_after_s=9.0, fillers=())
    call.at(3.0, user_text("A cleaning, please."))
    call.wake()
    up(call, 12.5)
    call.at(13.0, agent_text("Which day?"), AgentAudio(sound(1.0)), deepgram.AgentAudioDone())
    call.at(30.0, user_text("Tuesday."))

    assert call.session.next_wakeup() == 39.0
    assert ConnectAgent() in call.wake()


def test_an_agent_that_writes_and_does_not_speak_is_replaced() -> None:
    call = ready_call(stall_after_s=9.0, fillers=())
    call.at(3.0, user_text("A cleaning, please."), agent_text("Which day?"))

    assert call.session.next_wakeup() == 12.0
    assert ConnectAgent() in call.wake()
    assert up(call, 12.5) == [give("A cleaning, please.")]


def test_an_agent_that_ignores_what_it_was_to_say_is_replaced() -> None:
    call = ready_call(idle_after_s=5.0, still_there=("Are you there?",), stall_after_s=9.0)
    assert call.at(6.0, Wakeup()) == [say("Are you there?")]

    assert CloseAgent() in wake_until(call, 15.0)


# --- a deaf agent ----------------------------------------------------------------------------


def test_a_caller_who_spoke_to_a_deaf_agent_is_given_another() -> None:
    call = ready_call(stall_after_s=9.0, idle_after_s=12.0, resumed=RESUMED)
    line(call, 2.0, 1.0, ROOM)
    line(call, 3.0, 1.5)

    commands = wait(call, 4.5, 8.5)

    assert commands[:2] == [CloseAgent(), ConnectAgent()]
    assert up(call, 13.5) == [SORRY]


def test_she_is_not_given_another_before_it_had_its_time() -> None:
    call = ready_call(stall_after_s=9.0, idle_after_s=12.0)
    line(call, 1.0, 2.0, ROOM)
    line(call, 3.0, 1.5)

    assert CloseAgent() not in wait(call, 4.5, 7.4)


def test_nor_while_she_is_still_speaking() -> None:
    call = ready_call(stall_after_s=9.0, idle_after_s=12.0)
    line(call, 1.0, 2.0, ROOM)
    for second in range(3, 16):
        line(call, second, 0.6)
        assert CloseAgent() not in wait(call, second + 0.6, 0.4)

    assert CloseAgent() in wait(call, 16.0, 1.0)


def test_an_agent_that_heard_her_and_is_deaf_again_is_replaced_again() -> None:
    call = ready_call(stall_after_s=9.0, idle_after_s=12.0)
    line(call, 1.0, 2.0, ROOM)
    line(call, 3.0, 1.5)
    assert CloseAgent() in wait(call, 4.5, 8.0)
    up(call, 12.8)
    assert not call.session.frames_count
    call.at(14.0, user_text("Hello?"), AgentAudio(sound(0.5)), deepgram.AgentAudioDone())
    wait(call, 14.0, 2.0)
    line(call, 16.0, 1.5)

    assert CloseAgent() in wait(call, 17.5, 9.0)


def test_frames_bring_that_moment_forward_and_say_so() -> None:
    call = ready_call()
    line(call, 2.0, 1.0, ROOM)
    assert not call.session.frames_count

    line(call, 3.0, 1.5)

    assert call.session.frames_count


def test_a_frame_counts_while_nobody_listens() -> None:
    call = ready_call()
    call.at(3.0, LOST)

    assert call.session.frames_count


def test_the_first_frame_of_all_counts_too() -> None:
    call = ready_call()
    counts = []
    for number in range(2):
        call.at(3.0 + number * 0.02, media(ROOM))
        counts.append(call.session.frames_count)

    assert counts == [True, False]


def test_the_agents_own_voice_coming_back_makes_nobody_deaf() -> None:
    call = ready_call()
    line(call, 1.0, 2.0, ROOM)
    call.at(3.0, agent_text(LONG), AgentAudio(sound(4.0, VOICE[:1])), deepgram.AgentAudioDone())
    line(call, 3.0, 1.5)

    assert not call.session.frames_count


def test_a_caller_whom_the_agent_hears_makes_nobody_deaf() -> None:
    call = ready_call(stall_after_s=9.0, fillers=())
    line(call, 2.0, 1.0, ROOM)
    line(call, 3.0, 1.5)
    call.at(4.5, BEGINS)

    assert CloseAgent() not in wake_until(call, 9.0)
    assert not call.session.frames_count


def test_her_words_make_nobody_deaf_either() -> None:
    call = ready_call(idle_after_s=12.0, still_there=("Are you there?",))
    line(call, 2.0, 1.0, ROOM)
    line(call, 3.0, 1.5)
    call.at(4.5, user_text("Hello."), agent_text("Yes?"), AgentAudio(sound(0.5)))
    call.at(4.5, deepgram.AgentAudioDone())

    assert wait(call, 4.5, 12.6) == [say("Are you there?")]


def test_an_utterance_of_which_no_words_come_is_a_sign_of_deafness_too() -> None:
    call = ready_call(idle_after_s=60.0)
    line(call, 2.0, 1.0, ROOM)
    call.at(3.0, BEGINS)
    line(call, 3.0, 1.5)

    assert CloseAgent() in wait(call, 4.5, 6.5)


def test_words_that_are_known_are_rather_given_once_more() -> None:
    call = ready_call(idle_after_s=60.0, fillers=())
    line(call, 1.0, 2.0, ROOM)
    call.at(3.0, user_text("A cleaning, please."), BEGINS)
    line(call, 3.0, 1.5)

    commands = wait(call, 4.5, 6.5)

    assert give("A cleaning, please.") in commands
    assert CloseAgent() not in commands


def test_a_cough_of_which_no_words_come_is_not() -> None:
    call = ready_call(idle_after_s=60.0)
    line(call, 2.0, 1.0, ROOM)
    call.at(3.0, BEGINS)
    line(call, 3.0, 0.2)

    assert CloseAgent() not in wait(call, 3.2, 8.0)


def test_deafness_that_a_new_session_does_not_mend_is_not_mended_for_ever() -> None:
    call = ready_call(stall_after_s=9.0, idle_after_s=12.0, still_there=())
    line(call, 2.0, 1.0, ROOM)
    line(call, 3.0, 1.5)
    assert CloseAgent() in wait(call, 4.5, 8.5)
    up(call, 13.2)
    call.at(13.4, agent_text("Sorry."), AgentAudio(sound(0.5)), deepgram.AgentAudioDone())
    wait(call, 13.4, 0.6)
    line(call, 14.0, 1.5)

    assert fetched(wait(call, 15.5, 13.0)) == [("goodbye", "I can't hear you. Goodbye.")]


# --- roll-over -------------------------------------------------------------------------------


def old_call(**options: Any) -> Call:
    """Ready since 0.5 s; old from 100.5 s."""
    return ready_call(**({"roll_over_after_s": 100.0, "idle_after_s": 1000.0} | options))


def test_an_old_session_is_replaced_at_a_quiet_moment() -> None:
    call = old_call()

    assert call.session.next_wakeup() == 100.5
    assert call.wake() == [CloseAgent(), ConnectAgent()]
    assert up(call, 101.0) == []
    assert call.session.next_wakeup() == 201.0


def test_it_waits_for_a_pause_behind_what_is_said() -> None:
    call = old_call()
    call.at(100.0, user_text("Hello."), agent_text("Yes?"), AgentAudio(sound(2.0)))
    call.at(100.1, deepgram.AgentAudioDone())

    assert call.session.next_wakeup() == pytest.approx(102.0 + QUIET_S)


def test_a_reply_whose_end_was_not_announced_may_go_on_for_longer() -> None:
    call = old_call()
    call.at(100.0, user_text("Hello."), agent_text("Yes?"), AgentAudio(sound(2.0)))

    assert call.session.next_wakeup() == pytest.approx(102.0 + REPLY_PAUSE_S)


def test_it_waits_for_the_callers_own_pause() -> None:
    call = old_call()
    line(call, 99.0, 1.0, ROOM)
    line(call, 100.0, 3.0)

    assert wake_until(call, 103.9) == []
    assert CloseAgent() in wake_until(call, 104.1)


@pytest.mark.parametrize(
    "busy",
    [BEGINS, user_text("Hello."), asks("book_appointment", BOOK)],
    ids=["she speaks", "she waits", "something is asked for"],
)
def test_a_session_that_is_needed_is_not_replaced(busy: Any) -> None:
    call = old_call(stall_after_s=1000.0, fillers=())
    call.at(100.0, busy)

    assert CloseAgent() not in wake_until(call, 101.4)


def test_a_session_that_is_needed_for_ever_goes_on_until_it_ends() -> None:
    call = old_call(stall_after_s=1000.0, fillers=())
    call.at(100.0, user_text("Hello."))

    commands = call.at(600.0, deepgram.Error(code="MAXIMUM_SESSION_LENGTH_REACHED"))

    assert commands[:2] == [CloseAgent(), ConnectAgent()]


def test_the_agents_own_warning_makes_a_session_old() -> None:
    call = ready_call(idle_after_s=1000.0)
    call.at(50.0, deepgram.Warning(code="MAXIMUM_SESSION_LENGTH_APPROACHING"))

    assert call.session.next_wakeup() == 50.0
    assert call.wake() == [CloseAgent(), ConnectAgent()]


@pytest.mark.parametrize("code", ["SLOW_THINK_REQUEST", "A_CODE_NOBODY_KNOWS"])
def test_other_warnings_do_not(code: str) -> None:
    call = ready_call(idle_after_s=1000.0)

    assert call.at(50.0, deepgram.Warning(code=code)) == []
    assert wake_until(call, 60.0) == []


def test_words_said_during_the_change_reach_the_new_session() -> None:
    call = old_call()
    call.wake()
    line(call, 100.6, 0.3)

    assert heard_by_the_next(call, 101.0).count(VOICE) == 15


def test_a_new_session_that_cannot_be_had_is_a_lost_line() -> None:
    call = old_call()
    call.wake()

    commands = call.at(100.7, AgentLost(code="refused", status=429))

    assert commands == [Save()]
    assert ConnectAgent() in wake_until(call, 103.0)


# --- while the call is being ended -----------------------------------------------------------


def ending_call() -> Call:
    """The longest call's goodbye is being fetched."""
    call = ready_call(longest_call_s=10.0)
    call.at(10.0, Wakeup())
    return call


@pytest.mark.parametrize(
    "event", [LOST, deepgram.Error(code="SERVER_GOING_AWAY"), WELCOME, APPLIED]
)
def test_a_line_that_is_lost_or_comes_while_the_call_is_ended_changes_nothing(event: Any) -> None:
    assert ending_call().at(10.5, event) == []


def test_a_caller_who_is_silent_is_said_goodbye_to_although_the_line_is_lost() -> None:
    call = ready_call(idle_after_s=5.0, still_there=())
    assert fetched(call.at(6.0, Wakeup())) == [("goodbye", "I can't hear you. Goodbye.")]
    call.at(6.1, LOST)
    call.at(6.2, phrase("goodbye", "I can't hear you. Goodbye.", 2.0))

    assert call.at(8.3, mark("0:2")) == [HangUp(next_step="hangup")]


def test_an_echo_of_given_words_is_known_however_it_is_written() -> None:
    call = ready_call()
    call.at(3.0, user_text("Do you have a time?"))
    call.at(3.1, AgentLost(code="closed"))
    call.at(3.4, deepgram.Welcome(request_id="r2"))
    call.at(3.6, deepgram.SettingsApplied())

    call.at(3.7, user_text("do you have a time"))

    assert [text for speaker, text in call.words() if speaker == "caller"] == [
        "Do you have a time?"
    ]
