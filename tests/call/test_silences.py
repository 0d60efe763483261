"""What is said into a silence, and what is not: fillers, prompts, a sentence that goes on."""

from typing import Any

import pytest

from bridge.call.commands import (
    Command,
    FetchPhrase,
    HangUp,
    PlayVoice,
    Save,
    SendVoice,
)
from bridge.call.events import AgentAudio, OutcomeArrived, PhraseMissing, Wakeup
from bridge.call.hearing import FILL_EVERY_S, MISSING_AFTER_S
from bridge.call.patience import FALSE_START_S, FALSE_STARTS_AT_MOST, REFUSED_AT_MOST
from bridge.wire import deepgram, mulaw, twilio
from tests.call.calls import (
    BOOK,
    FILLERS,
    FIND,
    GREETING,
    STREAM,
    UNHEARD,
    Call,
    agent_text,
    asks,
    cancels,
    mark,
    media,
    phrase,
    ready_call,
    sound,
    speaking_call,
    started_call,
    user_text,
)
from tools.contract import Done

BEGINS = deepgram.UserStartedSpeaking()
REFUSED = deepgram.InjectionRefused()
CLEAR = twilio.Clear(stream_sid=STREAM)
VOICE = b"\x20" * mulaw.FRAME_BYTES
ROOM = b"\x7d" * mulaw.FRAME_BYTES
PROMPTS = ("Are you there?", "Hello?")
THREE = ("One.", "Two.", "Three.")


def say(text: str) -> deepgram.InjectAgentMessage:
    return deepgram.InjectAgentMessage(message=text)


def give(words: str) -> deepgram.InjectUserMessage:
    return deepgram.InjectUserMessage(content=words)


def wake_until(call: Call, at: float) -> list[Command]:
    """What every wake-up until then commands, but for the silence sent where no frames come."""
    commands: list[Command] = []
    while (due := call.session.next_wakeup()) is not None and due <= at:
        commands += call.wake()
    return [one for one in commands if not isinstance(one, SendVoice)]


def wake_to(call: Call, wanted: Command) -> bool:
    """Wake up until that is commanded; False if the call is ended before."""
    while wanted not in call.wake():
        if call.session.parts.ending.begun:
            return False
    return True


def fillers(commands: list[Command]) -> list[str]:
    return [one.text for one in commands if isinstance(one, FetchPhrase) and one.kind == "filler"]


def speaks(call: Call, since: float, seconds: float, frame: bytes = VOICE) -> None:
    for number in range(round(seconds * 50)):
        call.at(since + number * 0.02, media(frame))


# --- fillers ---------------------------------------------------------------------------------


def booking_call(**options: Any) -> Call:
    """A slow booking is under way since 3.0 s."""
    call = ready_call(**options)
    call.at(3.0, user_text("Nine, please."), asks("book_appointment", BOOK))
    return call


def test_a_long_wait_has_two_fillers_that_differ() -> None:
    call = booking_call(filler_after_s=1.2, second_filler_after_s=4.0)
    assert fillers(wake_until(call, 4.2)) == [FILLERS[0]]
    call.at(4.2, phrase("filler", FILLERS[0], 1.0))

    assert fillers(wake_until(call, 9.2)) == [FILLERS[1]]


def test_the_second_one_counts_its_silence_from_the_end_of_the_first() -> None:
    call = booking_call(filler_after_s=1.2, second_filler_after_s=4.0)
    wake_until(call, 4.2)
    call.at(4.2, phrase("filler", FILLERS[0], 1.0))

    assert call.session.next_wakeup() == pytest.approx(4.2 + 1.0 + 4.0)


def test_a_wait_has_no_third_filler() -> None:
    call = booking_call(fillers=THREE, second_filler_after_s=1.0)
    said = fillers(wake_until(call, 4.2))
    call.at(4.2, phrase("filler", said[-1], 0.5))
    said += fillers(wake_until(call, 6.0))
    call.at(6.0, phrase("filler", said[-1], 0.5))

    assert fillers(wake_until(call, 10.9)) == []
    assert said == ["One.", "Two."]


def test_the_next_wait_goes_on_with_the_fillers_in_turn() -> None:
    call = booking_call(fillers=THREE, second_filler_after_s=1.0)
    wake_until(call, 4.2)
    done = Done(function_call_id="fc1", tool="book_appointment", content="{}")
    call.at(4.3, OutcomeArrived(outcome=done))
    call.at(4.5, AgentAudio(sound(1.0)), deepgram.AgentAudioDone())
    call.at(8.0, user_text("And Friday?"), asks("find_slots", FIND, id="fc2"))

    assert fillers(wake_until(call, 9.2)) == ["Two."]


def test_a_practice_with_one_filler_says_it_once_a_wait() -> None:
    call = booking_call(fillers=("One moment.",), second_filler_after_s=1.0)
    wake_until(call, 4.2)
    call.at(4.2, phrase("filler", "One moment.", 0.5))

    assert fillers(wake_until(call, 10.9)) == []


def test_the_same_filler_named_twice_is_one() -> None:
    call = booking_call(fillers=("One moment.", "One moment."), second_filler_after_s=1.0)
    wake_until(call, 4.2)
    call.at(4.2, phrase("filler", "One moment.", 0.5))

    assert fillers(wake_until(call, 10.9)) == []


def test_an_agent_that_is_slow_by_itself_is_bridged_too() -> None:
    call = ready_call(agent_filler_after_s=2.5)
    call.at(3.0, user_text("Hello."))

    assert call.session.next_wakeup() == 5.5
    assert fillers(call.wake()) == [FILLERS[0]]


def test_the_agents_first_sound_ends_the_wait() -> None:
    call = ready_call(agent_filler_after_s=2.5)
    call.at(3.0, user_text("Hello."))
    call.at(5.0, AgentAudio(sound(0.5)))

    assert fillers(wake_until(call, 10.0)) == []


def test_an_agent_that_is_slow_after_an_answer_is_bridged_too() -> None:
    call = ready_call(agent_filler_after_s=2.5)
    call.at(3.0, user_text("A time?"), asks("find_slots", FIND))
    done = Done(function_call_id="fc1", tool="find_slots", content="{}")
    call.at(3.5, OutcomeArrived(outcome=done))

    assert fillers(wake_until(call, 6.0)) == [FILLERS[0]]


def test_no_filler_is_played_over_a_caller_who_has_begun_to_speak() -> None:
    call = ready_call()
    speaks(call, 1.0, 2.0, ROOM)
    call.at(3.0, user_text("A time?"), asks("find_slots", FIND))
    wake_until(call, 4.2)
    speaks(call, 4.2, 0.1)

    assert call.at(4.3, phrase("filler", FILLERS[0], 1.0)) == []


def test_a_filler_that_cannot_be_had_is_followed_by_the_next() -> None:
    call = booking_call(second_filler_after_s=1.0)
    wake_until(call, 4.2)
    call.at(4.3, PhraseMissing(kind="filler", text=FILLERS[0]))

    assert fillers(wake_until(call, 5.0)) == [FILLERS[1]]


def test_while_one_filler_is_fetched_no_other_is() -> None:
    call = booking_call(second_filler_after_s=1.0)
    wake_until(call, 4.2)

    assert fillers(wake_until(call, 10.9)) == []


def test_a_phrase_that_nobody_asked_for_is_not_played() -> None:
    assert booking_call().at(4.0, phrase("filler", FILLERS[0], 1.0)) == []
    assert booking_call().at(4.0, phrase("cover", "One moment, I'm still here.", 1.0)) == []


# --- a caller who says nothing ---------------------------------------------------------------


def silent_call(**options: Any) -> Call:
    """The greeting was heard until 1.0 s; then nobody says anything."""
    return ready_call(**({"idle_after_s": 10.0, "still_there": PROMPTS} | options))


def answered(call: Call, at: float, text: str) -> None:
    """The agent says what it was given, for a second."""
    call.at(at, agent_text(text), AgentAudio(sound(1.0)), deepgram.AgentAudioDone())


def test_a_silent_caller_is_asked_whether_she_is_there() -> None:
    call = silent_call()

    assert call.session.next_wakeup() == 11.0
    assert call.wake() == [say("Are you there?")]


def test_she_is_asked_otherwise_the_next_time_and_then_said_goodbye_to() -> None:
    call = silent_call()
    call.wake()
    answered(call, 11.5, "Are you there?")
    assert wake_until(call, 22.5) == [say("Hello?")]
    answered(call, 23.0, "Hello?")

    assert wake_until(call, 34.0) == [FetchPhrase(kind="goodbye", text=UNHEARD), Save()]
    call.at(34.1, phrase("goodbye", UNHEARD, 2.0))
    assert call.at(36.2, mark("0:4")) == [HangUp(next_step="hangup")]


def test_a_caller_who_answered_is_asked_from_the_beginning_the_next_time() -> None:
    call = silent_call()
    call.wake()
    answered(call, 11.5, "Are you there?")
    call.at(14.0, user_text("Yes."), AgentAudio(sound(1.0)), deepgram.AgentAudioDone())

    assert wake_until(call, 25.0) == [say("Are you there?")]


def test_the_silence_counts_from_the_end_of_what_she_hears() -> None:
    call = silent_call()
    call.at(3.0, user_text("Hello."), AgentAudio(sound(8.0)), deepgram.AgentAudioDone())

    assert call.session.next_wakeup() == pytest.approx(11.0 + 10.0)


def test_the_silence_counts_from_her_last_sound() -> None:
    call = silent_call()
    speaks(call, 1.5, 1.0, ROOM)
    speaks(call, 2.5, 0.5)
    speaks(call, 3.0, 7.7, ROOM)

    assert wake_until(call, 12.9) == []
    assert wake_until(call, 13.1) == [say("Are you there?")]


def test_a_caller_who_is_waiting_is_not_asked() -> None:
    call = silent_call(fillers=(), stall_after_s=60.0)
    call.at(3.0, user_text("Nine, please."))

    assert wake_until(call, 40.0) == []


def test_a_caller_who_waits_for_a_tool_is_not_asked() -> None:
    call = silent_call(fillers=(), idle_after_s=2.0)
    call.at(3.0, user_text("Nine, please."), asks("book_appointment", BOOK))

    assert wake_until(call, 10.6) == []


def test_a_reply_whose_end_is_never_announced_does_not_keep_her_waiting_for_ever() -> None:
    call = silent_call()
    call.at(3.0, user_text("Hello."), agent_text("Which day?"), AgentAudio(sound(0.8)))

    assert wake_until(call, 14.0) == [say("Are you there?")]


def test_a_caller_on_a_line_that_carries_nothing_is_said_goodbye_to() -> None:
    call = silent_call(still_there=())

    assert wake_until(call, 11.0) == [FetchPhrase(kind="goodbye", text=UNHEARD), Save()]


def test_a_prompt_that_was_refused_is_asked_again() -> None:
    call = silent_call()
    call.wake()
    call.at(11.1, REFUSED)

    assert wake_until(call, 13.2) == [say("Are you there?")]


def test_a_refusal_of_something_else_takes_no_prompt_back() -> None:
    call = silent_call()
    call.wake()
    answered(call, 11.5, "Are you there?")
    call.at(15.0, REFUSED)

    assert wake_until(call, 26.0) == [say("Hello?")]


def test_an_agent_that_refuses_every_prompt_leaves_her_in_a_silence_that_ends() -> None:
    call = silent_call()
    asked = 0
    while not call.session.parts.ending.begun:
        if (
            say("Are you there?") in (said := wake_until(call, call.now + 10.0))
            or say("Hello?") in said
        ):
            asked += 1
            call.at(call.now, REFUSED)

    assert asked == len(PROMPTS) + REFUSED_AT_MOST
    assert call.now <= 1.0 + 10.0 * (asked + 1)


def test_a_refusal_that_is_told_twice_is_one() -> None:
    call = silent_call()
    call.wake()
    answered(call, 11.5, "Are you there?")
    assert wake_until(call, 22.5) == [say("Hello?")]
    call.at(22.6, REFUSED, deepgram.Warning(code="INJECT_AGENT_MESSAGE_DURING_USER_SPEECH"))

    assert wake_until(call, 33.0) == [say("Hello?")]


def test_refusals_before_her_last_words_count_no_more() -> None:
    call = silent_call(still_there=("Are you there?",))
    for _ in range(REFUSED_AT_MOST):
        wake_to(call, say("Are you there?"))
        call.at(call.now, REFUSED)
    call.at(call.now, user_text("Hm."))
    answered(call, call.now, "Yes?")
    for _ in range(REFUSED_AT_MOST):
        wake_to(call, say("Are you there?"))
        call.at(call.now, REFUSED)

    assert wake_to(call, say("Are you there?"))


# --- a sound that was no utterance -----------------------------------------------------------

LONG = "We are open from eight in the morning until six in the evening."


def coughed_call(**options: Any) -> Call:
    """The agent was cut at 4.0 s, one second into its sentence, by a sound without words."""
    call = speaking_call(text=LONG, seconds=4.0, **options)
    call.at(4.0, BEGINS)
    return call


def test_the_agent_goes_on_where_it_was_cut() -> None:
    call = coughed_call()

    assert call.session.next_wakeup() == 4.0 + FALSE_START_S
    assert call.wake() == [say(LONG)]


def test_it_does_not_while_a_voice_is_heard() -> None:
    call = coughed_call()
    speaks(call, 4.0, 0.6, ROOM)
    speaks(call, 4.6, 1.0)

    assert wake_until(call, 5.58 + FALSE_START_S - 0.02) == []
    assert wake_until(call, 5.62 + FALSE_START_S) == [say(LONG)]


def test_it_does_not_when_her_words_come() -> None:
    call = coughed_call(fillers=())
    call.at(5.0, user_text("On Sunday, too?"))

    assert wake_until(call, 10.0) == []


def test_what_it_says_then_is_played_although_the_latch_was_on() -> None:
    call = coughed_call()
    call.wake()

    assert call.at(5.8, AgentAudio(sound(0.1))) == [PlayVoice(sound(0.1))]


def test_what_goes_on_is_said_once() -> None:
    call = coughed_call()
    call.wake()
    call.at(5.8, agent_text(LONG), AgentAudio(sound(4.0)), deepgram.AgentAudioDone())

    assert wake_until(call, 20.0) == []


def test_cut_once_more_it_goes_on_once_more() -> None:
    call = coughed_call()
    call.wake()
    call.at(5.8, agent_text(LONG), AgentAudio(sound(4.0)), deepgram.AgentAudioDone())
    call.at(6.5, BEGINS)

    assert wake_until(call, 6.5 + FALSE_START_S) == [say(LONG)]


def test_a_refusal_while_the_agent_believes_that_she_speaks_is_not_the_last_word() -> None:
    call = coughed_call()
    call.wake()
    call.at(5.6, REFUSED)

    assert wake_until(call, 5.5 + FALSE_START_S) == [say(LONG)]


def test_what_was_said_again_is_not_said_a_third_time_because_something_else_is_refused() -> None:
    call = coughed_call()
    call.wake()
    call.at(5.8, agent_text(LONG), AgentAudio(sound(4.0)), deepgram.AgentAudioDone())
    call.at(10.0, REFUSED)

    assert wake_until(call, 20.0) == []


def test_an_agent_that_refuses_for_ever_is_not_asked_for_ever() -> None:
    call = coughed_call(idle_after_s=1000.0)
    asked = 0
    while call.now < 60.0:
        if call.wake() == [say(LONG)]:
            asked += 1
            call.at(call.now, REFUSED)

    assert asked == FALSE_STARTS_AT_MOST


def test_after_the_next_sound_it_is_asked_as_often_again() -> None:
    call = coughed_call(idle_after_s=1000.0)
    for at in (4.0, 40.0):
        call.at(at, BEGINS)
        asked = 0
        while (due := call.session.next_wakeup()) is not None and due < at + 30.0:
            if call.wake() == [say(LONG)]:
                asked += 1
                call.at(call.now, REFUSED)

        assert asked == FALSE_STARTS_AT_MOST


def test_a_filler_that_was_cut_is_not_taken_up() -> None:
    call = ready_call(agent_filler_after_s=1.0)
    call.at(3.0, user_text("Hello."))
    wake_until(call, 4.0)
    call.at(4.0, phrase("filler", FILLERS[0], 2.0))
    call.at(4.2, BEGINS)

    assert wake_until(call, 4.2 + FALSE_START_S) == []


def test_the_greeting_is_taken_up_by_the_agent() -> None:
    call = started_call()
    call.at(0.0, phrase("greeting", GREETING, 3.0), deepgram.Welcome(request_id="r"))
    call.at(0.3, deepgram.SettingsApplied())
    call.at(1.0, BEGINS)

    assert wake_until(call, 1.0 + FALSE_START_S) == [say(GREETING)]


def test_a_cough_while_nobody_spoke_leads_to_nothing() -> None:
    call = ready_call(idle_after_s=1000.0)
    call.at(3.0, BEGINS)

    assert wake_until(call, 60.0) == []
    assert not call.session.parts.busy()


def test_a_cough_behind_her_words_keeps_them_waiting_for_their_answer() -> None:
    call = ready_call(agent_filler_after_s=2.5)
    call.at(3.0, user_text("A cleaning, please."))
    call.at(3.2, BEGINS)

    assert fillers(wake_until(call, 3.2 + FALSE_START_S + 2.5)) == [FILLERS[0]]


def test_if_the_agent_says_nothing_to_them_by_itself_it_is_given_them_again() -> None:
    call = ready_call(fillers=())
    call.at(3.0, user_text("A cleaning, please."))
    call.at(3.2, BEGINS)

    last = 3.2 + FALSE_STARTS_AT_MOST * FALSE_START_S
    assert wake_until(call, last - 0.1) == []
    assert wake_until(call, last) == [give("A cleaning, please.")]


def test_a_cough_that_withdrew_a_request_does_not_leave_her_without_an_answer() -> None:
    call = ready_call(fillers=())
    call.at(3.0, user_text("A cleaning, please."), asks("find_slots", FIND))
    call.at(3.2, BEGINS, cancels("fc1"))

    assert give("A cleaning, please.") in wake_until(call, 12.0)


def test_a_cough_while_a_tool_works_changes_nothing() -> None:
    call = booking_call(fillers=())
    call.at(3.2, BEGINS)

    assert wake_until(call, 10.6) == []


def test_a_sound_over_what_is_finished_in_any_case_has_nothing_said_twice() -> None:
    call = ready_call()
    call.at(3.0, user_text("Nine, please."), asks("book_appointment", BOOK))
    booked = '{"result":"booked","say":"Booked."}'
    done = Done(function_call_id="fc1", tool="book_appointment", content=booked)
    call.at(3.5, OutcomeArrived(outcome=done))
    call.at(4.0, agent_text(LONG), AgentAudio(sound(4.0)))
    call.at(4.2, BEGINS)

    assert wake_until(call, 19.0) == []


# --- a line that carries no frames -----------------------------------------------------------


def test_silence_takes_the_place_of_frames_that_do_not_come() -> None:
    call = ready_call()
    call.at(3.0, media(ROOM))

    assert call.session.next_wakeup() == 3.0 + MISSING_AFTER_S
    assert call.wake() == [SendVoice(mulaw.silence(100))]
    assert call.session.next_wakeup() == pytest.approx(3.0 + MISSING_AFTER_S + FILL_EVERY_S)


def test_frames_that_come_again_end_it() -> None:
    call = ready_call()
    call.at(3.0, media(ROOM))
    call.wake()
    call.at(3.35, media(ROOM))

    assert call.session.next_wakeup() == 3.35 + MISSING_AFTER_S


def test_a_line_that_stops_in_the_middle_of_a_group_is_filled_all_the_same() -> None:
    call = ready_call(group_bytes=5 * mulaw.FRAME_BYTES)
    call.at(3.0, media(ROOM))

    assert call.wake() == [SendVoice(ROOM + mulaw.silence(100))]


def test_silence_that_is_too_short_for_a_group_waits_for_more() -> None:
    call = ready_call(group_bytes=7 * mulaw.FRAME_BYTES)
    call.at(3.0, media(ROOM))

    assert call.wake() == []
    assert call.wake() == [SendVoice(ROOM + mulaw.silence(200))]


def test_while_nobody_listens_nothing_is_filled() -> None:
    call = started_call()
    call.at(0.1, media(ROOM))

    assert call.at(0.1 + MISSING_AFTER_S, Wakeup()) == []


def test_a_line_that_never_carried_a_frame_is_left_to_keep_alive() -> None:
    call = ready_call(idle_after_s=100.0)

    assert wake_until(call, 100.9) == []


# --- noise, refusals, and replies without an end ---------------------------------------------


def test_a_caller_of_whom_only_noise_is_heard_is_asked_in_the_end() -> None:
    call = silent_call()
    asked: list[Command] = []
    for bang_s in range(2, 31, 4):
        asked += wake_until(call, float(bang_s))
        call.session.parts.ear.voice_at = float(bang_s)  # a door, every four seconds
    assert asked == []

    assert wake_until(call, 1.0 + 3 * 10.0) == [say("Are you there?")]


def test_a_voice_of_a_reply_whose_end_was_never_announced_answers_what_was_asked_in_it() -> None:
    call = ready_call()
    call.at(3.0, user_text("A time?"), agent_text("Let me look."), AgentAudio(sound(0.5)))
    call.at(3.5, asks("find_slots", FIND))
    call.at(
        4.0,
        OutcomeArrived(outcome=Done(function_call_id="fc1", tool="find_slots", content="{}")),
    )

    call.at(4.5, agent_text("Nine is free."), AgentAudio(sound(1.0)))

    assert call.session.parts.patience.owed_since is None
