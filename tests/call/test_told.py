"""What the caller was told of each effect: noted once she has heard it, and not before."""

from typing import Any

import msgspec
import pytest

from bridge.call.commands import CloseAgent, Command, End, RunTool
from bridge.call.events import AgentAudio, AgentLost, CallerGone, OutcomeArrived
from bridge.wire import deepgram
from tests.call.calls import (
    BOOK,
    CALL,
    FIND,
    Call,
    a_conversation,
    agent_text,
    asks,
    cancels,
    mark,
    phrase,
    ready_call,
    sound,
    stop,
    user_text,
)
from tools.catalog import CATALOG, SETTLE_BUDGET_S
from tools.contract import Done, Failed

SAY = "Ann Lee is booked for a cleaning."
BOOKED = '{"result":"booked","say":"Ann Lee is booked for a cleaning."}'
TAKEN = '{"result":"slot_taken","say":"That time is gone."}'


def done(content: str = BOOKED, *, id: str = "fc1", tool: str = "book_appointment"):
    return OutcomeArrived(outcome=Done(function_call_id=id, tool=tool, content=content))


def failed(code: str, say: str, *, id: str = "fc1", tool: str = "book_appointment"):
    return OutcomeArrived(outcome=Failed(function_call_id=id, tool=tool, code=code, say=say))


def jobs(commands: list[Command], tool: str = "note_told") -> list[Any]:
    return [one.job for one in commands if isinstance(one, RunTool) and one.job.tool == tool]


def told(commands: list[Command]) -> list[tuple[str, str]]:
    return [
        (one["function_call_id"], one["as"])
        for job in jobs(commands)
        for one in msgspec.json.decode(job.arguments)["told"]
    ]


def answered_call(outcome: OutcomeArrived | None = None, **options: Any) -> Call:
    """Asked at 3.0 s, answered at 4.0 s."""
    call = ready_call(**({"fillers": (), "protect_confirmations": False} | options))
    call.at(3.0, user_text("Nine, please."), asks("book_appointment", BOOK))
    call.at(4.0, done() if outcome is None else outcome)
    return call


def says(call: Call, at: float, *sentences: str, seconds: float = 1.0) -> list[Command]:
    """The agent says something, and it is heard to its end."""
    sent: list[Command] = []
    for sentence in sentences:
        sent += call.at(at, agent_text(sentence), AgentAudio(sound(seconds)))
    sent += call.at(at, deepgram.AgentAudioDone())
    marks = [one.mark.name for one in sent if hasattr(one, "mark")]
    return [*sent, *call.at(at + seconds * len(sentences), mark(marks[-1]))]


# --- heard -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "say", "word"),
    [
        (done(), SAY, "done"),
        (done(TAKEN), "That time is gone.", "refused"),
        (failed("no_worker", "Not now, I'm afraid."), "Not now, I'm afraid.", "refused"),
        (failed("doubt", "I'm still confirming."), "I'm still confirming.", "doubt"),
    ],
)
def test_what_was_heard_is_noted(outcome: OutcomeArrived, say: str, word: str) -> None:
    call = answered_call(outcome)

    assert told(says(call, 4.3, say)) == [("fc1", word)]
    assert call.conversation.function_calls[0].told_as == word


def test_it_is_a_job_of_its_own() -> None:
    (job,) = jobs(says(answered_call(), 4.3, SAY))

    assert (job.function_call_id, job.call_sid, job.practice) == ("told-1-1", CALL, "hillside")
    assert (job.tool, job.budget_s, job.effect) == ("note_told", SETTLE_BUDGET_S, False)


def test_another_stream_of_the_call_names_its_jobs_anew() -> None:
    call = answered_call(conversation=a_conversation(generation=2))

    assert [one.function_call_id for one in jobs(says(call, 4.3, SAY))] == ["told-2-1"]


def test_it_is_noted_once() -> None:
    call = answered_call()
    says(call, 4.3, SAY)

    assert told([*says(call, 7.0, "Anything else?"), *call.at(9.0, stop())]) == []


def test_before_it_was_heard_nothing_is_noted() -> None:
    call = answered_call()

    commands = call.at(4.3, agent_text(SAY), AgentAudio(sound(2.0)), deepgram.AgentAudioDone())

    assert told(commands) == []


def test_what_comes_together_is_noted_together() -> None:
    call = ready_call(fillers=(), protect_confirmations=False)
    call.at(3.0, user_text("Both, please."), asks("book_appointment", BOOK))
    call.at(3.0, asks("book_appointment", BOOK.replace("09:00", "10:00"), id="fc2"))
    call.at(4.0, done(), done(id="fc2"))

    (job,) = jobs(says(call, 4.3, SAY, "And so is the other."))

    assert [one["function_call_id"] for one in msgspec.json.decode(job.arguments)["told"]] == [
        "fc1",
        "fc2",
    ]


def test_in_words_of_its_own_the_agent_tells_it_too() -> None:
    assert told(says(answered_call(), 4.3, "That's all booked.")) == [("fc1", "done")]


def test_one_moment_tells_nothing() -> None:
    call = answered_call()

    assert told(says(call, 4.3, "One moment.")) == []
    assert told(says(call, 6.0, SAY)) == [("fc1", "done")]


def test_an_answer_without_words_is_told_by_whatever_the_agent_says() -> None:
    call = answered_call(done('{"result":"booked"}'))

    assert told(says(call, 4.3, "Booked.")) == [("fc1", "done")]


def test_a_filler_tells_nothing() -> None:
    call = ready_call(fillers=(SAY,), filler_after_s=0.5, protect_confirmations=False)
    call.at(3.0, user_text("Nine, please."), asks("book_appointment", BOOK))
    call.wake()
    call.at(3.6, phrase("filler", SAY, 1.0))
    call.at(4.0, done(), agent_text(SAY))

    assert told(call.at(4.6, mark("0:2"))) == []  # the filler was heard out, the answer was not
    assert told(says(call, 5.0, "Nine it is.")) == [("fc1", "done")]


def test_a_read_is_not_noted() -> None:
    call = ready_call(fillers=())
    call.at(3.0, user_text("When?"), asks("find_slots", FIND))
    call.at(3.5, done('{"say":"Nine is free."}', tool="find_slots"))

    assert told(says(call, 4.0, "Nine is free.")) == []


def test_what_was_refused_before_it_was_queued_is_not_noted() -> None:
    call = ready_call(fillers=())
    call.at(3.0, user_text("Nine."), asks("book_appointment", "{}"))

    assert told(says(call, 4.0, "What is your name?")) == []


# --- talked over -----------------------------------------------------------------------------


def test_what_was_talked_over_is_not_noted() -> None:
    call = answered_call()
    call.at(4.3, agent_text(SAY), AgentAudio(sound(2.0)), deepgram.AgentAudioDone())
    call.at(4.8, deepgram.UserStartedSpeaking())
    commands = call.at(5.5, user_text("Wait."))

    assert told([*commands, *says(call, 6.0, "Yes, what is it that I can do?")]) == []


def test_what_was_heard_before_it_was_talked_over_is() -> None:
    call = answered_call()
    call.at(4.3, agent_text(SAY), AgentAudio(sound(2.0)))
    call.at(4.3, agent_text("Is there anything else?"), AgentAudio(sound(2.0)))

    assert told(call.at(4.3 + 2.2, deepgram.UserStartedSpeaking())) == [("fc1", "done")]


def test_words_of_the_caller_that_belong_to_the_request_end_nothing() -> None:
    """A function call may come before the words that asked for it."""
    call = ready_call(fillers=(), protect_confirmations=False)
    call.at(3.0, asks("book_appointment", BOOK))
    call.at(3.1, done())
    call.at(3.2, user_text("Nine, please."))

    assert told(says(call, 3.5, SAY)) == [("fc1", "done")]


def test_new_words_of_the_caller_before_it_was_told_end_it() -> None:
    call = answered_call()
    call.at(8.0, user_text("Hello?"))

    assert told(says(call, 8.2, "Yes, I am here for you all day.")) == []


def test_what_is_finished_though_she_speaks_is_noted_when_it_was_heard() -> None:
    call = answered_call(protect_confirmations=True)
    call.at(4.3, agent_text(SAY), AgentAudio(sound(2.0)), deepgram.AgentAudioDone())
    call.at(5.0, user_text("Good."))

    assert told(call.at(6.3, mark("0:2"))) == [("fc1", "done")]


def test_what_the_next_session_has_to_finish_is_noted_then() -> None:
    call = answered_call()
    call.at(4.3, agent_text(SAY), AgentAudio(sound(0.4)))
    call.at(4.5, AgentLost(code="closed"))
    call.at(4.8, deepgram.Welcome(request_id="r2"), deepgram.SettingsApplied())

    assert told(says(call, 5.0, SAY, seconds=2.0)) == [("fc1", "done")]


# --- under another id ------------------------------------------------------------------------


def test_what_ran_is_named_not_what_asked_last() -> None:
    call = ready_call(fillers=(), protect_confirmations=False)
    call.at(3.0, user_text("Nine, please."), asks("book_appointment", BOOK))
    call.at(3.2, AgentLost(code="closed"))
    call.at(3.5, deepgram.Welcome(request_id="r2"), deepgram.SettingsApplied())
    call.at(4.0, asks("book_appointment", BOOK, id="new"))
    call.at(4.5, done(id="fc1"))

    assert told(says(call, 5.0, SAY)) == [("fc1", "done")]
    assert call.conversation.function_calls[-1].told_as == "done"


def test_a_doubt_and_what_became_of_it_are_both_noted() -> None:
    call = answered_call(failed("doubt", "I'm still confirming."))
    doubt = told(says(call, 4.3, "I'm still confirming."))
    call.at(7.0, done())
    call.wake()

    assert doubt == [("fc1", "doubt")]
    assert told(says(call, 7.3, SAY)) == [("fc1", "done")]


def test_a_doubt_says_what_was_asked_for_should_no_worker_know() -> None:
    call = answered_call(failed("doubt", "I'm still confirming."))
    (job,) = jobs(says(call, 4.3, "I'm still confirming."))

    (noted,) = msgspec.json.decode(job.arguments)["told"]

    assert (noted["tool"], noted["arguments"]) == ("book_appointment", BOOK)


def test_what_the_queue_answers_to_it_changes_nothing() -> None:
    call = answered_call()
    says(call, 4.3, SAY)

    assert call.at(6.0, done("{}", id="told-1-1", tool="note_told")) == []
    assert call.at(6.0, failed("unavailable", "", id="told-1-1", tool="note_told")) == []
    assert call.session.late_outcomes == 0


# --- the end ---------------------------------------------------------------------------------


def test_what_was_heard_by_the_end_is_noted_before_the_call_is_let_go() -> None:
    call = answered_call()
    call.at(4.3, agent_text(SAY), AgentAudio(sound(2.0)), deepgram.AgentAudioDone())

    commands = call.at(6.2, stop())

    assert told(commands) == [("fc1", "done")]
    assert commands[-2:] == [CloseAgent(), End(reason="caller_hung_up")]


def test_what_was_said_too_late_is_not() -> None:
    call = answered_call()
    call.at(4.3, agent_text(SAY), AgentAudio(sound(2.0)), deepgram.AgentAudioDone())

    assert told(call.at(4.6, stop())) == []


def test_news_that_were_being_said_at_the_end_are_noted_if_they_were_heard() -> None:
    call = answered_call(failed("doubt", "I'm still confirming."))
    says(call, 4.3, "I'm still confirming.")
    call.at(7.0, done())
    call.wake()
    call.at(7.3, agent_text(SAY), AgentAudio(sound(1.0)), deepgram.AgentAudioDone())

    assert told(call.at(8.25, stop())) == [("fc1", "done")]


def test_what_was_answered_and_never_said_is_not_noted() -> None:
    assert told(answered_call().at(4.1, stop())) == []


@pytest.mark.parametrize(
    "tool", ["find_slots", "book_appointment", "book_with_insurance", "reschedule_appointment"]
)
def test_times_that_were_held_for_the_call_are_freed_at_its_end(tool: str) -> None:
    call = ready_call(fillers=())
    call.at(3.0, user_text("Nine?"), asks(tool, FIND if tool == "find_slots" else BOOK))

    (job,) = jobs(call.at(5.0, stop()), "free_holds")

    assert (job.function_call_id, job.arguments) == ("free-holds-1", "{}")
    assert job.budget_s == CATALOG["free_holds"].budget_s


def test_a_call_that_asked_for_no_time_frees_none() -> None:
    call = ready_call(fillers=())
    call.at(3.0, asks("check_insurance", '{"insurance":"Aetna"}'))

    assert jobs(call.at(5.0, stop()), "free_holds") == []


def test_a_call_that_goes_on_on_another_stream_keeps_them() -> None:
    call = ready_call(fillers=())
    call.at(3.0, asks("find_slots", FIND))

    assert jobs(call.at(5.0, CallerGone(code=1006)), "free_holds") == []


def test_a_withdrawn_request_is_noted_when_its_outcome_was_said() -> None:
    call = ready_call(fillers=(), protect_confirmations=False)
    call.at(3.0, user_text("Nine, please."), asks("book_appointment", BOOK))
    call.at(3.2, cancels("fc1", "book_appointment"))
    says(call, 3.5, "Yes?")
    call.at(5.0, done())
    call.wake()

    assert told(says(call, 6.0, SAY)) == [("fc1", "done")]
