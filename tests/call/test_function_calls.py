import msgspec
import pytest

from bridge.call.commands import CancelTool, FetchPhrase, PlayVoice, RunTool, Save
from bridge.call.events import AgentAudio, AgentLost, OutcomeArrived, Wakeup
from bridge.call.functions import GIVE_UP_S
from bridge.call.patience import FALSE_START_S
from bridge.wire import deepgram, twilio
from tests.call.calls import (
    BOOK,
    CALL,
    FILLERS,
    FIND,
    STREAM,
    Call,
    agent_text,
    asks,
    cancels,
    mark,
    phrase,
    ready_call,
    send_mark,
    sound,
    user_text,
)
from tools.catalog import CATALOG, EFFECT_BUDGET_S, READ_BUDGET_S
from tools.contract import Done, Failed, ToolJob


def done(content: str = '{"say":"Nine."}', *, id: str = "fc1", tool: str = "find_slots"):
    return OutcomeArrived(outcome=Done(function_call_id=id, tool=tool, content=content))


def failed(code: str = "unavailable", *, id: str = "fc1", tool: str = "find_slots"):
    return OutcomeArrived(outcome=Failed(function_call_id=id, tool=tool, code=code, say="Not now."))


def answers(commands: list) -> list[tuple[str, str]]:
    return [
        (command.id, command.content)
        for command in commands
        if isinstance(command, deepgram.FunctionCallResponse)
    ]


def content(answer: tuple[str, str]) -> dict:
    return msgspec.json.decode(answer[1])


def asking_call(**options) -> Call:
    """Asked at 3.0 s, the caller's turn confirmed."""
    call = ready_call(**options)
    call.at(3.0, user_text("A cleaning."), asks("find_slots", FIND))
    return call


# --- asked and answered ----------------------------------------------------------------------


def test_a_function_call_becomes_a_job() -> None:
    commands = ready_call().at(3.0, asks("find_slots", FIND))

    job = ToolJob(
        function_call_id="fc1",
        call_sid=CALL,
        practice="hillside",
        tool="find_slots",
        arguments=FIND,
        budget_s=READ_BUDGET_S,
    )
    assert commands == [RunTool(job=job), Save()]


def test_a_job_with_an_effect_carries_the_name_of_its_effect() -> None:
    (run, _) = ready_call().at(3.0, asks("book_appointment", BOOK))

    assert run.job.effect
    assert run.job.idempotency_key.startswith("book:")


def test_arguments_that_came_as_an_object_are_handed_on_as_text() -> None:
    (run, _) = ready_call().at(3.0, asks("find_slots", {"service": "cleaning"}))

    assert run.job.arguments == FIND


def test_the_outcome_is_the_agents_answer() -> None:
    commands = asking_call().at(3.5, done('{"say":"Nine."}'))

    response = deepgram.FunctionCallResponse(id="fc1", name="find_slots", content='{"say":"Nine."}')
    assert commands == [response, Save()]


def test_a_failure_is_an_answer_too() -> None:
    commands = asking_call().at(3.5, failed())

    assert content(answers(commands)[0]) == {"error": "unavailable", "say": "Not now."}


def test_each_of_several_function_calls_is_asked_for() -> None:
    call = ready_call()
    both = [
        *asks("find_slots", FIND, id="a").functions,
        *asks("find_slots", FIND, id="b").functions,
    ]

    commands = call.at(3.0, deepgram.FunctionCallRequest(functions=both))

    assert [one.job.function_call_id for one in commands[:2]] == ["a", "b"]


def test_a_function_that_the_agent_runs_itself_is_none_of_ours() -> None:
    assert ready_call().at(3.0, asks("find_slots", FIND, client_side=False)) == []


def test_an_unknown_tool_is_answered_at_once_with_those_there_are() -> None:
    commands = ready_call().at(3.0, asks("order_pizza"))

    answer = content(answers(commands)[0])
    assert answer["error"] == "unknown_tool"
    assert "find_slots, book_appointment, book_with_insurance" in answer["say"]


def test_bad_arguments_are_answered_at_once_with_what_to_change() -> None:
    commands = ready_call().at(3.0, asks("find_slots", '{"from_day":"soon"}'))

    assert content(answers(commands)[0]) == {
        "error": "bad_arguments",
        "say": "Missing: service. Ask the caller if you do not know.",
    }


def test_the_same_function_call_asked_twice_runs_and_is_answered_once() -> None:
    call = asking_call()

    assert call.at(3.1, asks("find_slots", FIND)) == []
    assert len(answers(call.at(3.5, done(), done()))) == 1


def test_a_thought_signature_comes_back_with_the_answer() -> None:
    call = ready_call()
    call.at(3.0, asks("find_slots", FIND, thought_signature="sig"))

    (response, _) = call.at(3.5, done())

    assert response.thought_signature == "sig"


def test_a_thought_signature_comes_back_with_an_answer_of_our_own() -> None:
    (response, _) = ready_call().at(3.0, asks("order_pizza", thought_signature="sig"))

    assert response.thought_signature == "sig"


@pytest.mark.parametrize("null", [None, msgspec.UNSET])
def test_without_a_thought_signature_none_is_written(null) -> None:
    call = ready_call()
    call.at(3.0, asks("find_slots", FIND, thought_signature=null))

    (response, _) = call.at(3.5, done())

    assert "thought_signature" not in deepgram.encode(response)


def test_the_conversation_knows_what_was_asked_and_answered() -> None:
    call = asking_call()

    call.at(3.5, done('{"say":"Nine."}'))

    (note,) = call.conversation.function_calls
    assert (note.tool, note.response, note.outcome) == ("find_slots", '{"say":"Nine."}', "done")
    assert (note.at_s, note.answered_s) == (3.0, 3.5)


def test_the_time_a_function_call_took_is_stamped() -> None:
    call = asking_call()

    call.at(3.5, done())

    latencies = {one.stage: one.seconds for one in call.session.stamps.latencies}
    assert latencies["function_call"] == pytest.approx(0.5)


def test_an_outcome_nobody_asked_for_is_counted_and_dropped() -> None:
    call = ready_call()

    assert call.at(3.0, done(id="other")) == []
    assert call.session.late_outcomes == 1


# --- deadlines and withdrawals ---------------------------------------------------------------


def test_at_its_deadline_a_read_is_answered_in_the_workers_place() -> None:
    call = asking_call(fillers=())
    call.wake()

    assert call.session.next_wakeup() == 3.0 + READ_BUDGET_S
    answer = content(answers(call.wake())[0])
    assert answer == {"error": "budget_spent", "say": CATALOG["find_slots"].fallback}


def test_at_its_deadline_an_effect_is_in_doubt_and_nothing_untrue_is_said_of_it() -> None:
    call = ready_call(fillers=())
    call.at(3.0, asks("book_appointment", BOOK))
    call.wake()

    assert call.session.next_wakeup() == 3.0 + EFFECT_BUDGET_S
    answer = content(answers(call.wake())[0])
    assert answer == {"error": "doubt", "say": CATALOG["book_appointment"].fallback}


def test_a_late_outcome_of_a_read_is_dropped() -> None:
    call = asking_call(fillers=())
    call.wake()
    call.wake()

    assert call.at(7.0, done()) == []


def late_booking() -> Call:
    call = ready_call(fillers=())
    call.at(3.0, asks("book_appointment", BOOK))
    call.at(11.0, Wakeup())
    return call


def test_the_agent_is_told_of_an_effect_that_came_true_late() -> None:
    call = late_booking()

    commands = call.at(12.0, done('{"result":"booked","say":"Done."}', tool="book_appointment"))

    update, save = commands
    assert isinstance(update, deepgram.UpdatePrompt)
    assert '{"result":"booked","say":"Done."}' in update.prompt
    assert save == Save()
    assert call.conversation.function_calls[0].outcome == "done"


def test_the_agent_is_told_of_it_once() -> None:
    call = late_booking()
    call.at(12.0, done(tool="book_appointment"))

    assert call.at(12.1, done(tool="book_appointment")) == []


def test_an_effect_that_failed_late_is_told_too() -> None:
    update, _ = late_booking().at(12.0, failed(tool="book_appointment"))

    assert '"Not now."' in update.prompt


def test_an_effect_that_came_true_after_the_agent_was_lost_is_kept_in_the_conversation() -> None:
    call = ready_call(fillers=())
    call.at(3.0, asks("book_appointment", BOOK))
    call.at(3.5, AgentLost(code="refused", status=401))

    assert call.at(4.0, done(tool="book_appointment")) == [Save()]
    assert call.conversation.function_calls[0].outcome == "done"


def test_a_withdrawn_read_is_not_answered() -> None:
    call = asking_call()

    assert call.at(3.2, cancels("fc1")) == [
        CancelTool(function_call_id="fc1", tool="find_slots"),
        Save(),
    ]
    assert call.at(3.5, done()) == []
    assert call.conversation.function_calls[0].outcome == "cancelled"


def test_a_withdrawn_effect_that_came_true_is_told_to_the_agent() -> None:
    call = ready_call()
    call.at(3.0, asks("book_appointment", BOOK))
    call.at(3.2, cancels("fc1", "book_appointment"))

    commands = call.at(3.5, done(tool="book_appointment"))

    assert isinstance(commands[0], deepgram.UpdatePrompt)


def test_a_withdrawal_of_what_was_never_asked_changes_nothing() -> None:
    assert ready_call().at(3.0, cancels("other")) == []


def test_open_function_calls_are_given_up_with_the_agent() -> None:
    call = asking_call()

    call.at(3.5, AgentLost(code="refused", status=401))

    assert call.conversation.function_calls[0].outcome == "agent_lost"
    assert answers(call.at(4.0, done())) == []


def test_a_lost_agent_asks_for_nothing() -> None:
    call = ready_call()
    call.at(3.0, AgentLost(code="refused", status=401))

    assert call.at(3.1, asks("book_appointment", BOOK)) == []


# --- fillers ---------------------------------------------------------------------------------


def test_a_filler_is_fetched_after_some_silence() -> None:
    call = asking_call(filler_after_s=1.2)

    assert call.session.next_wakeup() == 4.2
    assert call.wake() == [FetchPhrase(kind="filler", text=FILLERS[0])]


def test_the_filler_is_played_with_a_mark_behind_it() -> None:
    call = asking_call()
    call.wake()

    commands = call.at(4.3, phrase("filler", FILLERS[0], 1.0))

    assert commands == [PlayVoice(sound(1.0, b"\x10")), send_mark("0:2"), Save()]


def test_one_wait_has_one_filler() -> None:
    call = asking_call()
    call.wake()
    call.at(4.3, phrase("filler", FILLERS[0], 1.0))

    assert call.session.next_wakeup() == 3.0 + READ_BUDGET_S - GIVE_UP_S


def test_the_next_wait_has_another_filler() -> None:
    call = asking_call()
    call.wake()
    call.at(4.3, done(), AgentAudio(sound(1.0)))
    call.at(9.0, asks("find_slots", FIND, id="fc2"))

    assert call.wake() == [FetchPhrase(kind="filler", text=FILLERS[1])]


def test_the_agents_own_words_put_the_filler_off() -> None:
    call = asking_call(filler_after_s=1.2)

    call.at(3.1, agent_text("Let me look."), AgentAudio(sound(1.0)))

    assert call.session.next_wakeup() == pytest.approx(3.1 + 1.0 + 1.2)


def test_no_filler_is_fetched_while_the_caller_speaks() -> None:
    call = asking_call()

    call.at(3.5, deepgram.UserStartedSpeaking())

    while (due := call.session.next_wakeup()) is not None and due < 3.5 + FALSE_START_S:
        assert call.wake() == []


def test_a_sound_that_was_no_utterance_keeps_no_filler_away() -> None:
    call = asking_call()
    call.at(3.5, deepgram.UserStartedSpeaking())

    assert call.at(3.5 + FALSE_START_S, Wakeup()) == []
    assert call.wake() == [FetchPhrase(kind="filler", text=FILLERS[0])]


def test_a_filler_that_comes_while_the_caller_speaks_is_not_played() -> None:
    call = asking_call()
    call.wake()
    call.at(4.25, deepgram.UserStartedSpeaking())

    assert call.at(4.3, phrase("filler", FILLERS[0], 1.0)) == []


def test_a_filler_that_comes_while_the_agent_speaks_is_not_played() -> None:
    call = asking_call()
    call.wake()
    call.at(4.25, AgentAudio(sound(1.0)))

    assert call.at(4.3, phrase("filler", FILLERS[0], 1.0)) == []


def test_a_filler_that_comes_after_the_answer_is_not_played() -> None:
    call = asking_call()
    call.wake()
    call.at(4.25, done())

    assert call.at(4.3, phrase("filler", FILLERS[0], 1.0)) == []


def test_a_filler_of_an_earlier_wait_is_not_played_in_the_next() -> None:
    call = asking_call()
    call.wake()
    call.at(4.25, done(), asks("find_slots", FIND, id="fc2"))

    assert call.at(4.3, phrase("filler", FILLERS[0], 1.0)) == []


def test_without_fillers_a_practice_waits_in_silence() -> None:
    assert asking_call(fillers=()).session.next_wakeup() == 3.0 + READ_BUDGET_S - GIVE_UP_S


def test_a_tool_that_wants_none_gets_no_filler() -> None:
    quiet = msgspec.structs.replace(CATALOG["find_slots"], filler=False)

    call = asking_call(catalog={"find_slots": quiet})

    assert call.session.next_wakeup() == 3.0 + READ_BUDGET_S - GIVE_UP_S


def call_with_filler() -> Call:
    """The filler (1 s) plays since 4.3 s."""
    call = asking_call()
    call.wake()
    call.at(4.3, phrase("filler", FILLERS[0], 1.0))
    return call


def test_the_filler_is_cut_when_the_answers_audio_begins() -> None:
    call = call_with_filler()
    call.at(4.5, done(), agent_text("Nine is free."))

    commands = call.at(4.8, AgentAudio(sound(0.1)))

    assert commands == [twilio.Clear(stream_sid=STREAM), PlayVoice(sound(0.1))]


def test_a_cut_filler_is_no_interruption_by_the_caller() -> None:
    call = call_with_filler()
    call.at(4.5, done())
    call.at(4.8, AgentAudio(sound(0.1)))

    assert call.conversation.interruptions == 0
    assert call.conversation.utterances[-1].cut


def test_a_filler_that_was_heard_out_needs_no_clear() -> None:
    call = call_with_filler()
    call.at(5.3, mark("0:2"))
    call.at(5.5, done())

    assert call.at(5.8, AgentAudio(sound(0.1))) == [PlayVoice(sound(0.1))]


def test_the_answer_after_a_filler_is_a_reply_of_its_own() -> None:
    call = ready_call()
    call.at(3.0, user_text("A cleaning."), agent_text("Let me look."), AgentAudio(sound(0.8)))
    call.at(3.0, asks("find_slots", FIND))
    call.at(3.8, mark("0:2"))
    call.wake()
    call.at(5.0, phrase("filler", FILLERS[0], 1.0))

    call.at(5.5, done(), AgentAudio(sound(1.0)), agent_text("Nine is free."))
    call.at(6.0, deepgram.UserStartedSpeaking())

    look, filler, nine = call.conversation.utterances[-3:]
    assert (look.heard_text, look.cut) == ("Let me look.", False)
    assert (filler.source, filler.heard_ms) == ("phrase", 500)
    assert (nine.text, nine.heard_ms) == ("Nine is free.", 500)


def test_words_that_came_before_the_filler_keep_the_audio_that_comes_behind_it() -> None:
    call = asking_call()
    call.at(3.1, agent_text("Let me look."))
    call.wake()
    call.at(4.3, phrase("filler", FILLERS[0], 0.5))

    call.at(5.0, AgentAudio(sound(0.8)), deepgram.AgentAudioDone())
    call.at(5.9, mark("1:3"), mark("0:3"))

    look = next(one for one in call.conversation.utterances if one.text == "Let me look.")
    assert (look.sent_ms, look.heard_ms) == (800, 800)


def test_an_effect_answered_with_doubt_that_came_true_is_told_to_the_agent() -> None:
    call = ready_call()
    call.at(3.0, asks("book_appointment", BOOK))
    call.at(4.0, failed("doubt", tool="book_appointment"))

    [told, saved] = call.at(6.0, done(tool="book_appointment"))

    assert isinstance(told, deepgram.UpdatePrompt)
    assert saved == Save()
