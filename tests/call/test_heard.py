"""Said and heard are two things: what the conversation may claim of the caller's ear."""

import pytest

from bridge.call.commands import Save
from bridge.call.conversation import MS_PER_CHARACTER, Conversation, FunctionCallNote, Utterance
from bridge.call.events import AgentAudio, CallerGone
from bridge.wire import deepgram
from tests.call.calls import (
    Call,
    a_conversation,
    agent_text,
    caller_words,
    mark,
    ready_call,
    send_mark,
    sound,
    speaking_call,
    stop,
    user_text,
)

BARGE_IN = deepgram.UserStartedSpeaking()
EIGHT_WORDS = "one two three four five six seven eight"


def test_a_reply_that_was_played_was_heard() -> None:
    call = speaking_call(text=EIGHT_WORDS, seconds=2.0)

    commands = call.at(5.0, mark("0:2"))

    assert commands == [Save()]
    assert call.conversation.utterances[-1].heard_out
    assert call.heard()[-1] == EIGHT_WORDS


def test_a_cut_reply_was_heard_up_to_the_share_of_its_audio() -> None:
    call = speaking_call(text=EIGHT_WORDS, seconds=4.0)

    call.at(5.0, BARGE_IN)

    last = call.conversation.utterances[-1]
    assert (last.cut, last.sent_ms, last.heard_ms) == (True, 4000, 2000)
    assert call.heard()[-1] == "one two three four"
    assert last.text == EIGHT_WORDS


def test_of_a_reply_cut_at_once_nothing_was_heard() -> None:
    call = speaking_call()

    call.at(3.0, BARGE_IN)

    assert call.heard()[-1] == ""


def test_a_reply_whose_audio_is_not_all_there_is_measured_by_its_usual_length() -> None:
    call = ready_call()
    call.at(2.0, agent_text(EIGHT_WORDS), AgentAudio(sound(0.5)))

    call.at(2.5, BARGE_IN)

    assert len(EIGHT_WORDS) * MS_PER_CHARACTER > 500
    assert call.heard()[-1] == "one two"


def test_sentences_whose_words_ran_ahead_of_their_audio_share_it_by_length() -> None:
    call = ready_call()
    call.at(2.0, agent_text("aaaa aaaa"), agent_text("bbbb bbbb"), agent_text("cccc cccc"))
    call.at(2.1, AgentAudio(sound(3.0)), deepgram.AgentAudioDone())

    call.at(2.1 + 1.5, BARGE_IN)

    assert call.heard()[-3:] == ["aaaa aaaa", "bbbb", ""]


def test_sentences_whose_words_came_with_their_audio_share_it_just_so() -> None:
    call = ready_call()
    for text in ("aaaa aaaa", "bbbb bbbb", "cccc cccc"):
        call.at(2.1, agent_text(text), AgentAudio(sound(1.0)))
    call.at(2.1, deepgram.AgentAudioDone())

    call.at(2.1 + 1.5, BARGE_IN)

    assert call.heard()[-3:] == ["aaaa aaaa", "bbbb", ""]


def test_a_mark_stands_between_sentences() -> None:
    call = ready_call()
    call.at(2.0, agent_text("One."), AgentAudio(sound(0.5)))

    assert call.at(2.1, agent_text("Two.")) == [send_mark("0:2"), Save()]


def test_words_that_come_behind_their_audio_belong_to_it() -> None:
    call = ready_call()
    call.at(2.0, AgentAudio(sound(1.0)), agent_text("Hello there."), deepgram.AgentAudioDone())

    call.at(3.1, mark("0:2"))

    assert call.heard()[-1] == "Hello there."
    assert call.conversation.utterances[-1].heard_ms == 1000


def test_words_of_a_cut_turn_are_noted_as_unheard() -> None:
    call = speaking_call()
    call.at(4.0, BARGE_IN)

    call.at(4.1, agent_text("Or at ten."))

    assert call.words()[-1] == ("agent", "Or at ten.")
    assert call.heard()[-1] == ""


def test_a_reply_whose_end_was_not_announced_counts_as_heard_when_its_length_fits() -> None:
    call = ready_call()
    call.at(2.0, agent_text(EIGHT_WORDS), AgentAudio(sound(len(EIGHT_WORDS) * 0.055)))
    call.at(6.0, mark("0:2"))

    call.at(6.5, BARGE_IN)

    assert call.heard()[-1] == EIGHT_WORDS
    assert not call.conversation.utterances[-1].cut


def test_a_reply_that_stopped_short_was_heard_only_so_far() -> None:
    call = ready_call()
    call.at(2.0, agent_text(EIGHT_WORDS), AgentAudio(sound(1.0)))
    call.at(3.0, mark("0:2"))

    call.at(3.5, BARGE_IN)

    assert call.heard()[-1] == "one two three"


def test_the_callers_words_close_a_reply_whose_end_was_not_announced() -> None:
    call = ready_call()
    call.at(2.0, agent_text("Which day?"), AgentAudio(sound(0.7)))
    call.at(5.0, user_text("Tuesday."))

    call.at(6.0, AgentAudio(sound(1.0)), agent_text("Tuesday it is."))
    call.at(7.0, deepgram.AgentAudioDone(), mark("0:3"))

    assert call.words()[-3:] == [
        ("agent", "Which day?"),
        ("caller", "Tuesday."),
        ("agent", "Tuesday it is."),
    ]
    assert call.conversation.utterances[-1].heard_ms == 1000


def test_the_callers_words_over_a_reply_do_not_end_its_playback() -> None:
    call = ready_call()
    call.at(2.0, agent_text(EIGHT_WORDS), AgentAudio(sound(2.0)))
    call.at(2.5, user_text("Hm."))

    call.at(4.0, mark("0:2"))

    assert call.heard()[-1] == EIGHT_WORDS


def test_when_the_caller_hangs_up_in_the_middle_the_rest_was_not_heard() -> None:
    call = speaking_call(text=EIGHT_WORDS, seconds=4.0)

    call.at(5.0, stop())

    assert call.heard()[-1] == "one two three four"


def test_words_without_audio_were_not_heard_when_the_call_ends() -> None:
    call = ready_call()
    call.at(2.0, agent_text("Goodbye."))

    call.at(2.0, CallerGone())

    assert call.heard()[-1] == ""


def test_a_stream_that_continues_a_call_takes_what_nobody_saw_played_as_unheard() -> None:
    left = a_conversation(
        utterances=[
            Utterance(
                speaker="agent", text="All heard.", at_s=0, complete=True, sent_ms=9, heard_ms=9
            ),
            caller_words("Yes."),
            Utterance(
                speaker="agent",
                text=EIGHT_WORDS,
                at_s=1,
                complete=True,
                sent_ms=4000,
                heard_ms=2000,
            ),
            Utterance(speaker="agent", text="And this.", at_s=2),
        ]
    )

    call = Call(left)

    assert call.heard() == ["All heard.", "one two three four", ""]


def test_what_the_caller_said_is_never_cut() -> None:
    assert caller_words("Tuesday.", cut=True).heard_text == "Tuesday."


def test_a_cut_utterance_that_was_heard_to_its_end_keeps_its_last_word() -> None:
    one = Utterance(
        speaker="agent", text="a b c", at_s=0, sent_ms=900, heard_ms=900, complete=True, cut=True
    )

    assert one.heard_text == "a b c"


def test_turns_are_the_utterances_between_changes_of_the_floor() -> None:
    call = ready_call()
    call.at(2.0, agent_text("One."), agent_text("Two."), user_text("Three."))

    turns = call.conversation.turns()

    assert [(turn.speaker, len(turn.utterances)) for turn in turns] == [("agent", 3), ("caller", 1)]


def test_a_function_call_asked_again_replaces_its_earlier_note() -> None:
    talk: Conversation = a_conversation()
    for at_s in (1.0, 2.0):
        talk.ask(FunctionCallNote(function_call_id="1", tool="t", arguments="{}", at_s=at_s))

    assert [note.at_s for note in talk.function_calls] == [2.0]


def test_seconds_of_the_call_are_written_with_every_change() -> None:
    call = ready_call()

    call.at(2.5, user_text("Hello."))

    assert call.conversation.elapsed_s == pytest.approx(2.5)
