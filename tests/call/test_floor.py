"""The floor: what of the caller's sound reaches the agent while it speaks, and what is finished."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.commands import PlayVoice, Save, SendVoice
from bridge.call.events import AgentAudio, AgentLost, OutcomeArrived, Wakeup
from bridge.call.floor_gate import LEAD_BYTES, PAUSE_BYTES, WITHHELD_BYTES, FloorGate
from bridge.wire import deepgram, mulaw, twilio
from tests.call.calls import (
    BOOK,
    GREETING,
    NOTICE,
    STREAM,
    Call,
    agent_text,
    asks,
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

SOFT_MS = 240
SOFT_BYTES = SOFT_MS * mulaw.BYTES_PER_MS
FRAME = mulaw.FRAME_BYTES
SILENT = mulaw.silent(FRAME)
CLEAR = twilio.Clear(stream_sid=STREAM)
BOOKED = '{"result":"booked","say":"Booked."}'


class Line:
    """A caller's line behind a gate: every frame has bytes of its own, so that none is mistaken."""

    def __init__(self) -> None:
        self.gate = FloorGate(soft_bytes=SOFT_BYTES)
        self.sent: list[bytes] = []
        self.passed = b""

    def frames(self, count: int, floor: Any, *, speech: bool) -> bytes:
        """So many frames; returns what the agent heard of them."""
        heard = b""
        for _ in range(count):
            frame = len(self.sent).to_bytes(2, "big") * (FRAME // 2)
            self.sent.append(frame)
            heard += self.gate.pass_on(frame, floor, speech=speech)
        self.passed += heard
        return heard

    def all_of(self, first: int, behind: int) -> bytes:
        return b"".join(self.sent[first:behind])


def frames(milliseconds: int) -> int:
    return milliseconds // mulaw.FRAME_MS


# --- the gate: open --------------------------------------------------------------------------


def test_an_open_floor_passes_every_byte() -> None:
    line = Line()

    assert line.frames(10, "open", speech=True) == line.all_of(0, 10)
    assert line.gate.empty


# --- the gate: soft --------------------------------------------------------------------------


def test_a_cough_does_not_reach_the_agent_on_a_soft_floor() -> None:
    line = Line()
    line.frames(20, "soft", speech=False)
    line.frames(frames(SOFT_MS) - 1, "soft", speech=True)
    line.frames(50, "soft", speech=False)

    assert line.passed == mulaw.silent(len(line.passed))
    assert line.gate.withheld_bytes == SOFT_BYTES - FRAME


def test_a_short_answer_just_before_the_floor_opens_is_delivered() -> None:
    line = Line()
    line.frames(20, "soft", speech=False)
    line.frames(10, "soft", speech=True)
    line.frames(30, "soft", speech=False)

    assert line.sent[20] in line.frames(1, "open", speech=False)


def test_coughs_with_pauses_between_them_do_not_add_up() -> None:
    line = Line()
    for _ in range(5):
        line.frames(frames(SOFT_MS) - 1, "soft", speech=True)
        line.frames(PAUSE_BYTES // FRAME + 1, "soft", speech=False)

    assert line.passed == mulaw.silent(len(line.passed))


def test_syllables_with_short_gaps_between_them_are_one_utterance() -> None:
    line = Line()
    line.frames(frames(SOFT_MS) - 1, "soft", speech=True)
    line.frames(PAUSE_BYTES // FRAME, "soft", speech=False)

    heard = line.frames(1, "soft", speech=True)

    assert heard == b"".join(line.sent)


def test_a_long_utterance_passes_whole_with_its_soft_beginning() -> None:
    line = Line()
    line.frames(30, "soft", speech=False)
    line.frames(frames(SOFT_MS) - 1, "soft", speech=True)

    heard = line.frames(1, "soft", speech=True)

    lead = LEAD_BYTES // FRAME
    assert heard == line.all_of(30 - lead, len(line.sent))


def test_what_has_passed_goes_on_passing_frame_by_frame_through_its_pauses() -> None:
    line = Line()
    line.frames(frames(SOFT_MS), "soft", speech=True)

    for speech in (True, False, False, True):
        assert line.frames(1, "soft", speech=speech) == line.sent[-1]


def test_after_a_pause_the_next_sound_has_to_last_again() -> None:
    line = Line()
    line.frames(frames(SOFT_MS), "soft", speech=True)
    line.frames(PAUSE_BYTES // FRAME + 1, "soft", speech=False)

    assert line.frames(1, "soft", speech=True) == SILENT


def test_a_word_that_began_while_the_agent_spoke_is_delivered_when_it_is_silent() -> None:
    line = Line()
    line.frames(5, "soft", speech=True)

    assert line.frames(1, "open", speech=True) == line.all_of(0, 6)


def test_silence_that_was_withheld_is_not_delivered() -> None:
    line = Line()
    line.frames(40, "soft", speech=False)

    assert line.frames(1, "open", speech=False) == line.sent[-1]


def test_a_word_at_the_very_end_of_the_agents_speech_keeps_its_soft_beginning() -> None:
    line = Line()
    line.frames(40, "soft", speech=False)

    heard = line.frames(1, "open", speech=True)

    assert heard == line.all_of(40 - LEAD_BYTES // FRAME, 41)


# --- the gate: protected ---------------------------------------------------------------------


def test_during_a_protected_passage_the_agent_hears_silence_of_the_same_length() -> None:
    line = Line()

    heard = line.frames(50, "protected", speech=True)

    assert heard == mulaw.silent(50 * FRAME)


def test_what_was_said_during_a_protected_passage_is_delivered_behind_it() -> None:
    line = Line()
    line.frames(50, "protected", speech=True)

    assert line.frames(1, "open", speech=False) == line.all_of(0, 51)


def test_long_silence_behind_what_was_said_does_not_push_it_out() -> None:
    line = Line()
    line.frames(50, "protected", speech=True)
    line.frames(500, "protected", speech=False)

    heard = line.frames(1, "open", speech=False)

    assert heard.startswith(line.all_of(0, 50))
    assert len(heard) <= 50 * FRAME + PAUSE_BYTES + FRAME


def test_beyond_the_bound_the_oldest_speech_gives_way_and_is_counted() -> None:
    line = Line()
    most = WITHHELD_BYTES // FRAME
    line.frames(most + 10, "protected", speech=True)

    assert line.frames(1, "open", speech=True) == line.all_of(10, most + 11)
    assert line.gate.withheld_bytes == 10 * FRAME


def test_what_was_said_during_a_protected_passage_passes_a_soft_floor_behind_it() -> None:
    line = Line()
    line.frames(50, "protected", speech=True)
    line.frames(50, "protected", speech=False)

    assert line.frames(1, "soft", speech=False).startswith(line.all_of(0, 50))


def test_a_cough_during_a_protected_passage_does_not_pass_a_soft_floor_behind_it() -> None:
    line = Line()
    line.frames(3, "protected", speech=True)
    line.frames(50, "protected", speech=False)

    assert line.frames(1, "soft", speech=False) == SILENT
    assert line.frames(1, "open", speech=True).count(line.sent[0]) == 0


passages = st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=12)


@given(passages, st.booleans())
def test_nothing_said_in_a_protected_passage_is_lost_or_reordered(
    script: list, speech_behind: bool
) -> None:
    line = Line()
    spoken: list[bytes] = []
    for speech, count in script:
        first = len(line.sent)
        line.frames(count, "protected", speech=speech)
        if speech:
            spoken += line.sent[first:]

    heard = line.frames(1, "open", speech=speech_behind)

    kept = [heard[at : at + FRAME] for at in range(0, len(heard), FRAME)]
    order = [line.sent.index(one) for one in kept]
    assert order == sorted(set(order))
    if len(heard) <= WITHHELD_BYTES:
        assert set(spoken) <= set(kept)
        assert line.gate.withheld_bytes == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["open", "soft", "protected"]), st.booleans(), st.integers(1, 40)
        ),
        max_size=20,
    )
)
def test_whatever_the_floor_no_frame_is_heard_twice_or_out_of_turn(script: list) -> None:
    line = Line()
    for floor, speech, count in script:
        line.frames(count, floor, speech=speech)

    kept = [line.passed[at : at + FRAME] for at in range(0, len(line.passed), FRAME)]
    order = [line.sent.index(one) for one in kept if one != SILENT]
    assert order == sorted(set(order))


# --- the call: soft --------------------------------------------------------------------------

NOISE = b"\x7d" * FRAME
VOICE = b"\x20" * FRAME


def listened(call: Call, since: float, voice: bool, milliseconds: int) -> bytes:
    """The caller's line for so long; what the agent heard of it."""
    heard = b""
    for number in range(frames(milliseconds)):
        for command in call.at(since + number * 0.02, media(VOICE if voice else NOISE)):
            assert isinstance(command, SendVoice)
            heard += command.audio
    return heard


def soft_call(**options: Any) -> Call:
    """The agent speaks from 3.0 to 8.0 s to a caller whose short sounds do not count."""
    call = speaking_call(seconds=5.0, barge_in="soft", soft_ms=SOFT_MS, **options)
    listened(call, 3.0, voice=False, milliseconds=500)
    return call


def test_while_the_agent_speaks_to_a_soft_floor_a_cough_is_silence_to_it() -> None:
    heard = listened(soft_call(), 3.5, voice=True, milliseconds=200)

    assert heard == mulaw.silent(len(heard))


def test_while_the_agent_speaks_to_a_soft_floor_an_utterance_reaches_it_whole() -> None:
    heard = listened(soft_call(), 3.5, voice=True, milliseconds=600)

    assert heard.count(VOICE) == 30


def test_on_a_hard_floor_a_cough_reaches_the_agent() -> None:
    call = speaking_call(seconds=5.0)
    listened(call, 3.0, voice=False, milliseconds=500)

    assert VOICE in listened(call, 3.5, voice=True, milliseconds=40)


def test_when_the_agent_is_silent_a_soft_floor_is_open() -> None:
    call = soft_call()
    listened(call, 9.0, voice=False, milliseconds=100)

    assert listened(call, 9.2, voice=True, milliseconds=20) == VOICE


def test_coughs_that_the_agent_never_heard_are_counted() -> None:
    call = soft_call()
    listened(call, 3.5, voice=True, milliseconds=200)
    listened(call, 3.7, voice=False, milliseconds=1200)

    assert call.session.withheld_bytes == 200 * mulaw.BYTES_PER_MS


# --- the call: protected ---------------------------------------------------------------------


def booking_call(**options: Any) -> Call:
    """Booked at 3.5 s; the agent has not said so yet."""
    call = ready_call(**options)
    call.at(3.0, user_text("Nine, please."), asks("book_appointment", BOOK))
    call.at(
        3.5,
        OutcomeArrived(
            outcome=Done(function_call_id="fc1", tool="book_appointment", content=BOOKED)
        ),
    )
    return call


def confirming_call(**options: Any) -> Call:
    """The agent says since 4.0 s, for two seconds, that it is booked."""
    call = booking_call(**options)
    call.at(4.0, agent_text("You are booked for nine."), AgentAudio(sound(2.0)))
    return call


def test_what_was_done_is_told_to_its_end_whoever_speaks() -> None:
    call = confirming_call()

    assert call.at(4.5, deepgram.UserStartedSpeaking()) == []
    assert call.at(4.6, AgentAudio(sound(0.5))) == [PlayVoice(sound(0.5))]


def test_while_it_is_told_the_agent_does_not_hear_her() -> None:
    heard = listened(confirming_call(), 4.5, voice=True, milliseconds=100)

    assert heard == mulaw.silent(len(heard))


def test_what_she_said_meanwhile_reaches_the_agent_behind_it() -> None:
    call = confirming_call()
    listened(call, 4.5, voice=False, milliseconds=300)
    listened(call, 4.8, voice=True, milliseconds=200)
    listened(call, 5.0, voice=False, milliseconds=1500)

    [sent] = call.at(6.6, media(NOISE))

    assert isinstance(sent, SendVoice)
    assert sent.audio.count(VOICE) == 10


def test_the_next_thing_the_agent_says_can_be_interrupted_again() -> None:
    call = confirming_call()
    call.at(4.1, deepgram.AgentAudioDone())
    call.at(9.0, user_text("And parking?"))
    call.at(10.0, AgentAudio(sound(2.0)))

    assert CLEAR in call.at(10.1, deepgram.UserStartedSpeaking())


def test_a_reply_that_is_queued_behind_it_can_be_interrupted() -> None:
    call = confirming_call()
    call.at(4.1, deepgram.AgentAudioDone())
    call.at(4.2, agent_text("Anything else?"), AgentAudio(sound(3.0)))

    assert CLEAR in call.at(7.0, deepgram.UserStartedSpeaking())


def test_so_can_the_second_reply_behind_it() -> None:
    call = confirming_call()
    call.at(4.1, deepgram.AgentAudioDone())
    call.at(4.2, agent_text("Anything else?"), AgentAudio(sound(1.0)), deepgram.AgentAudioDone())
    call.at(4.3, agent_text("No?"), AgentAudio(sound(1.0)))

    assert call.at(5.9, deepgram.UserStartedSpeaking()) == []
    assert CLEAR in call.at(7.5, deepgram.UserStartedSpeaking())


def test_a_filler_that_still_plays_takes_nothing_from_the_protection() -> None:
    call = ready_call()
    call.at(3.0, user_text("Nine, please."), asks("book_appointment", BOOK))
    call.wake()
    call.at(4.3, phrase("filler", "One moment.", 2.0))
    done = Done(function_call_id="fc1", tool="book_appointment", content=BOOKED)
    call.at(4.5, OutcomeArrived(outcome=done))
    call.at(4.6, AgentAudio(sound(2.0)))

    assert call.at(4.7, deepgram.UserStartedSpeaking()) == []


def test_what_was_done_is_protected_also_in_the_middle_of_a_reply() -> None:
    call = ready_call()
    call.at(3.0, user_text("Nine, please."), agent_text("One moment."), AgentAudio(sound(0.5)))
    call.at(3.1, asks("book_appointment", BOOK))
    done = Done(function_call_id="fc1", tool="book_appointment", content=BOOKED)
    call.at(3.2, OutcomeArrived(outcome=done))
    call.at(3.3, agent_text("You are booked."), AgentAudio(sound(2.0)))

    assert call.at(4.0, deepgram.UserStartedSpeaking()) == []


def test_a_filler_behind_what_was_protected_can_be_interrupted() -> None:
    call = confirming_call(filler_after_s=1.0)
    call.at(8.0, asks("find_slots", '{"service":"cleaning"}', id="fc2"))
    call.wake()
    call.at(9.1, phrase("filler", "One moment.", 2.0))

    assert CLEAR in call.at(9.5, deepgram.UserStartedSpeaking())


def test_a_practice_may_leave_what_was_done_unprotected() -> None:
    call = confirming_call(protect_confirmations=False)

    assert CLEAR in call.at(4.5, deepgram.UserStartedSpeaking())


def test_a_booking_that_was_refused_is_not_protected() -> None:
    call = ready_call()
    call.at(3.0, user_text("Nine, please."), asks("book_appointment", BOOK))
    taken = Done(function_call_id="fc1", tool="book_appointment", content='{"result":"taken"}')
    call.at(3.5, OutcomeArrived(outcome=taken))
    call.at(4.0, AgentAudio(sound(2.0)))

    assert CLEAR in call.at(4.5, deepgram.UserStartedSpeaking())


def test_what_came_true_late_makes_the_next_reply_no_protected_one() -> None:
    call = ready_call(fillers=())
    call.at(3.0, asks("book_appointment", BOOK))
    call.at(11.0, Wakeup())  # answered in the worker's place
    done = Done(function_call_id="fc1", tool="book_appointment", content=BOOKED)
    call.at(12.0, OutcomeArrived(outcome=done))
    call.at(12.5, AgentAudio(sound(2.0)))

    assert CLEAR in call.at(13.0, deepgram.UserStartedSpeaking())


def test_new_words_of_the_caller_before_it_is_told_end_the_protection() -> None:
    call = booking_call()
    call.at(3.8, user_text("Hello?"))
    call.at(4.0, AgentAudio(sound(2.0)))

    assert CLEAR in call.at(4.5, deepgram.UserStartedSpeaking())


def test_a_protected_reply_whose_end_is_never_announced_does_not_deafen_the_agent() -> None:
    call = confirming_call()
    listened(call, 4.5, voice=False, milliseconds=100)

    assert listened(call, 6.6, voice=True, milliseconds=20).endswith(VOICE)


def test_a_mark_that_never_returns_does_not_deafen_the_agent() -> None:
    call = confirming_call()
    call.at(4.1, deepgram.AgentAudioDone())
    listened(call, 4.5, voice=False, milliseconds=100)

    assert listened(call, 60.0, voice=True, milliseconds=20).endswith(VOICE)


def test_a_line_that_is_lost_during_a_protected_passage_leaves_it_playing() -> None:
    call = confirming_call()

    commands = call.at(4.5, AgentLost(code="closed"))

    assert CLEAR not in commands


def test_what_she_said_in_it_reaches_the_next_session_of_the_agent() -> None:
    call = confirming_call()
    listened(call, 4.5, voice=False, milliseconds=300)
    listened(call, 4.8, voice=True, milliseconds=200)
    call.at(5.0, AgentLost(code="closed"))
    listened(call, 5.0, voice=False, milliseconds=1600)
    call.at(6.7, deepgram.Welcome(request_id="r2"))

    sent = call.at(6.8, deepgram.SettingsApplied())

    heard = b"".join(one.audio for one in sent if isinstance(one, SendVoice))
    assert heard.count(VOICE) == 10


@pytest.mark.parametrize("moment", [0.5, 1.5, 2.9])
def test_the_greeting_can_be_interrupted_and_the_notice_behind_it_cannot(moment: float) -> None:
    call = started_call(notice=NOTICE)
    call.at(0.0, phrase("greeting", GREETING, 1.0), phrase("notice", NOTICE, 2.0))

    cut = CLEAR in call.at(moment, deepgram.UserStartedSpeaking())

    assert cut is (moment < 1.0)


def test_a_greeting_of_the_agents_own_is_not_protected_without_a_notice() -> None:
    call = started_call()
    call.wake()
    call.at(0.3, deepgram.Welcome(request_id="r"))
    call.at(0.5, deepgram.SettingsApplied(), agent_text(GREETING), AgentAudio(sound(2.0)))

    assert call.at(1.0, deepgram.UserStartedSpeaking()) == [CLEAR, Save()]


def test_marks_of_a_protected_passage_keep_the_clock_right() -> None:
    call = started_call(notice=NOTICE)
    call.at(0.0, phrase("greeting", GREETING, 1.0), phrase("notice", NOTICE, 2.0))
    call.at(1.3, mark("0:1"))  # the line is 0.3 s later than the estimate

    assert call.at(3.2, deepgram.UserStartedSpeaking()) == []


def test_no_more_than_ten_seconds_of_a_reply_are_protected() -> None:
    call = booking_call()
    call.at(4.0, agent_text("Booked. And then there is this."), AgentAudio(sound(20.0)))

    protected = call.session.parts.speaking.protected

    assert (protected(13.9), protected(14.6)) == (True, False)
