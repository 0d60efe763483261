"""Function calls that were open when the agent's line was lost: known, joined, kept; none twice."""

from typing import Any

import msgspec
import pytest

from bridge.call.commands import Command, RunTool, Save
from bridge.call.conversation import FunctionCallNote
from bridge.call.events import AgentAudio, AgentLost, OutcomeArrived
from bridge.call.functions import GIVE_UP_S
from bridge.call.unanswered import unanswered
from bridge.wire import deepgram
from tests.call.calls import (
    BOOK,
    FIND,
    Call,
    a_conversation,
    agent_text,
    agent_words,
    asks,
    caller_words,
    cancels,
    ready_call,
    sound,
    user_text,
)
from tools.catalog import EFFECT_BUDGET_S, READ_BUDGET_S
from tools.contract import Done, Failed

NINE = '{"say":"Nine."}'
BOOKED = '{"result":"booked","say":"Booked."}'
CONFIRMING = deepgram.UpdateSpeak(
    speak=deepgram.Speak(provider=deepgram.DeepgramSpeak(model="aura-2-pandora-en"))
)
USUAL = deepgram.UpdateSpeak(
    speak=deepgram.Speak(provider=deepgram.DeepgramSpeak(model="aura-2-helena-en"))
)


def done(content: str = NINE, *, id: str = "fc1", tool: str = "find_slots") -> OutcomeArrived:
    return OutcomeArrived(outcome=Done(function_call_id=id, tool=tool, content=content))


def failed(code: str, *, id: str = "fc1", tool: str = "find_slots") -> OutcomeArrived:
    return OutcomeArrived(outcome=Failed(function_call_id=id, tool=tool, code=code, say="Not now."))


def answers(commands: list[Command]) -> dict[Any, str]:
    return {
        one.id: one.content for one in commands if isinstance(one, deepgram.FunctionCallResponse)
    }


def runs(commands: list[Command]) -> list[str]:
    return [one.job.function_call_id for one in commands if isinstance(one, RunTool)]


def lose(call: Call, at: float, *meanwhile: Any) -> list[Command]:
    """The line is lost, and there again half a second later."""
    call.at(at, AgentLost(code="closed"))
    call.at(at + 0.1, *meanwhile)
    call.at(at + 0.3, deepgram.Welcome(request_id="r2"))
    return call.at(at + 0.5, deepgram.SettingsApplied())


def asking_call(request: str = "find_slots", arguments: str = FIND, **options: Any) -> Call:
    """Asked at 3.0 s."""
    call = ready_call(**options)
    call.at(3.0, user_text("A cleaning, please."), asks(request, arguments))
    return call


# --- what the next session asks again --------------------------------------------------------


def test_the_same_request_of_the_next_session_is_not_run_twice() -> None:
    call = asking_call()
    lose(call, 3.2)

    assert runs(call.at(4.0, asks("find_slots", FIND, id="new"))) == []


def test_it_is_answered_under_its_own_id_when_the_first_one_comes_to_something() -> None:
    call = asking_call()
    lose(call, 3.2)
    call.at(4.0, asks("find_slots", FIND, id="new"))

    assert answers(call.at(4.5, done(id="fc1"))) == {"new": NINE}


def test_the_same_wish_in_another_order_of_words_is_the_same() -> None:
    call = asking_call(arguments='{"service":"cleaning","part_of_day":"morning"}')
    lose(call, 3.2)

    again = '{"part_of_day":"morning", "service":"cleaning"}'
    assert runs(call.at(4.0, asks("find_slots", again, id="new"))) == []


def test_another_wish_is_run() -> None:
    call = asking_call()
    lose(call, 3.2)

    assert runs(call.at(4.0, asks("find_slots", '{"service":"filling"}', id="new"))) == ["new"]


def test_what_came_while_nobody_listened_answers_the_same_request_at_once() -> None:
    call = asking_call()
    lose(call, 3.2, done())

    assert answers(call.at(4.0, asks("find_slots", FIND, id="new"))) == {"new": NINE}


def test_it_answers_once_and_is_then_asked_anew() -> None:
    call = asking_call()
    lose(call, 3.2, done())
    call.at(4.0, asks("find_slots", FIND, id="new"))

    assert runs(call.at(5.0, asks("find_slots", FIND, id="newer"))) == ["newer"]


def test_when_the_talk_went_on_the_same_request_is_asked_anew() -> None:
    call = asking_call()
    lose(call, 3.2, done())
    call.at(60.0, user_text("What is free now?"))

    assert runs(call.at(60.1, asks("find_slots", FIND, id="new"))) == ["new"]


def test_a_failure_that_came_while_nobody_listened_is_no_answer_to_the_next_request() -> None:
    call = asking_call()
    lose(call, 3.2, failed("unavailable"))

    assert runs(call.at(4.0, asks("find_slots", FIND, id="new"))) == ["new"]


def test_a_line_lost_twice_still_knows_what_runs() -> None:
    call = asking_call("book_appointment", BOOK)
    lose(call, 3.2)
    call.at(4.0, asks("book_appointment", BOOK, id="second"))
    lose(call, 4.2)

    assert runs(call.at(6.0, asks("book_appointment", BOOK, id="third"))) == []
    told = call.at(6.5, done(BOOKED, id="fc1", tool="book_appointment"))
    assert answers(told) == {"third": BOOKED}


def test_what_came_between_two_losses_is_known_after_both() -> None:
    call = asking_call("book_appointment", BOOK)
    lose(call, 3.2)
    call.at(4.0, asks("book_appointment", BOOK, id="second"))
    lose(call, 4.2, done(BOOKED, id="fc1", tool="book_appointment"))

    told = call.at(6.0, asks("book_appointment", BOOK, id="third"))

    assert answers(told) == {"third": BOOKED}


def test_a_request_that_waits_for_an_earlier_one_has_its_own_deadline() -> None:
    call = asking_call(fillers=())
    lose(call, 3.2)
    call.at(4.0, asks("find_slots", FIND, id="new"))

    told: dict[Any, str] = {}
    while not told:
        told = answers(call.wake())

    assert call.now == 4.0 + READ_BUDGET_S
    assert list(told) == ["new"]


def test_a_read_that_was_joined_and_withdrawn_is_answered_to_nobody() -> None:
    call = asking_call()
    lose(call, 3.2)
    call.at(4.0, asks("find_slots", FIND, id="new"), cancels("new"))

    assert call.at(4.5, done(id="fc1")) == []


# --- what is kept ----------------------------------------------------------------------------


def test_an_outcome_that_came_while_nobody_listened_is_kept_for_the_history() -> None:
    call = asking_call()
    call.at(3.2, AgentLost(code="closed"))

    assert call.at(3.3, done()) == [Save()]
    (note,) = call.conversation.function_calls
    assert (note.outcome, note.response) == ("done", NINE)


def test_an_outcome_that_comes_to_the_next_session_is_kept_too() -> None:
    call = asking_call()
    lose(call, 3.2)

    assert call.at(4.5, done()) == [Save()]
    assert call.conversation.function_calls[0].response == NINE


def test_a_booking_that_came_true_for_an_earlier_session_is_told_to_the_next() -> None:
    call = asking_call("book_appointment", BOOK)
    lose(call, 3.2)

    (told, saved) = call.at(4.5, done(BOOKED, tool="book_appointment"))

    assert isinstance(told, deepgram.UpdatePrompt)
    assert BOOKED in told.prompt
    assert saved == Save()


def test_nothing_is_told_to_an_agent_that_has_no_settings_yet() -> None:
    call = asking_call(
        "book_appointment", BOOK, voices={"confirmation": CONFIRMING}, usual_voice=USUAL
    )
    call.at(3.2, AgentLost(code="closed"))
    call.at(3.3, deepgram.Welcome(request_id="r2"))

    assert call.at(3.4, done(BOOKED, tool="book_appointment")) == [Save()]


def test_a_booking_that_came_true_meanwhile_is_a_point_to_start_over_from() -> None:
    call = asking_call("book_appointment", BOOK)
    call.at(3.2, AgentLost(code="closed"))

    call.at(3.3, done(BOOKED, tool="book_appointment"))

    assert [point.why for point in call.conversation.save_points] == [
        "beginning",
        "book_appointment",
    ]


# --- the words that were to be answered ------------------------------------------------------


def given(commands: list[Command]) -> list[str]:
    return [one.content for one in commands if isinstance(one, deepgram.InjectUserMessage)]


def test_words_answered_with_a_promise_only_are_given_to_the_next_session() -> None:
    call = ready_call()
    call.at(3.0, user_text("A cleaning, please."), agent_text("Let me look."))
    call.at(3.1, AgentAudio(sound(0.8)), asks("find_slots", FIND))

    assert given(lose(call, 4.0)) == ["A cleaning, please."]


def test_a_request_that_came_before_the_words_were_confirmed_is_for_them_too() -> None:
    call = ready_call()
    call.at(2.8, asks("find_slots", FIND))
    call.at(3.0, user_text("A cleaning, please."), agent_text("Let me look."))
    call.at(3.1, AgentAudio(sound(0.8)))

    assert given(lose(call, 4.0)) == ["A cleaning, please."]


def test_words_that_were_answered_after_the_function_call_are_not_given_again() -> None:
    call = asking_call()
    call.at(3.5, done())
    call.at(3.8, agent_text("Nine is free."), AgentAudio(sound(0.9)))

    assert given(lose(call, 5.0)) == []


def test_only_the_last_words_are_given_not_those_that_were_answered_before() -> None:
    talk = a_conversation(
        utterances=[
            caller_words("Hi."),
            agent_words("Which day?"),
            msgspec.structs.replace(caller_words("Tuesday."), at_s=5.0),
        ],
        function_calls=[
            FunctionCallNote(function_call_id="1", tool="find_slots", arguments="{}", at_s=5.1)
        ],
    )

    assert unanswered(talk) == "Tuesday."


def test_things_she_said_one_after_the_other_are_given_together() -> None:
    talk = a_conversation(
        utterances=[
            agent_words("Hello."),
            caller_words("A cleaning."),
            agent_words("Which", sent_ms=500.0, heard_ms=0.0, cut=True),
            caller_words("On Tuesday."),
        ]
    )

    assert unanswered(talk) == "A cleaning. On Tuesday."


def test_a_phrase_of_ours_is_no_answer() -> None:
    talk = a_conversation(
        utterances=[caller_words("A cleaning."), agent_words("One moment.", source="phrase")]
    )

    assert unanswered(talk) == "A cleaning."


def test_noting_a_detail_is_no_promise_of_an_answer() -> None:
    call = ready_call(details=("day",))
    call.at(3.0, user_text("Tuesday."), agent_text("Tuesday, good."), AgentAudio(sound(0.9)))
    call.at(3.5, asks("remember_details", '{"details":{"day":"Tuesday"}}'))

    assert given(lose(call, 5.0)) == []


def test_a_request_whose_answer_is_known_promises_nothing_any_more() -> None:
    talk = a_conversation(
        utterances=[caller_words("Hi."), msgspec.structs.replace(agent_words("Nine."), at_s=2.0)],
        function_calls=[
            FunctionCallNote(
                function_call_id="1", tool="find_slots", arguments="{}", at_s=1.0, response=NINE
            )
        ],
    )

    assert unanswered(talk) == ""


def test_an_old_request_that_nobody_ever_answered_takes_nothing_from_later_answers() -> None:
    talk = a_conversation(
        utterances=[
            msgspec.structs.replace(caller_words("Hi."), at_s=60.0),
            msgspec.structs.replace(agent_words("Hello."), at_s=61.0),
        ],
        function_calls=[
            FunctionCallNote(function_call_id="1", tool="find_slots", arguments="{}", at_s=1.0)
        ],
    )

    assert unanswered(talk) == ""


@pytest.mark.parametrize("said", [[], [agent_words("Hello.")]])
def test_a_caller_who_said_nothing_waits_for_no_answer(said: list) -> None:
    assert unanswered(a_conversation(utterances=said)) == ""


# --- answers that are still missing ----------------------------------------------------------


def test_an_agent_that_waits_for_another_answer_does_not_stall() -> None:
    call = ready_call(stall_after_s=2.0, fillers=())
    call.at(3.0, user_text("A cleaning."), asks("book_appointment", BOOK, id="slow"))
    call.at(3.0, asks("find_slots", FIND, id="fast"))
    call.at(3.1, done(id="fast"))

    assert call.session.next_wakeup() == 3.0 + EFFECT_BUDGET_S - GIVE_UP_S


def test_words_before_a_function_call_make_no_stall_of_it() -> None:
    call = ready_call(stall_after_s=2.0, fillers=())
    call.at(3.0, user_text("Nine."), asks("book_appointment", BOOK), agent_text("One moment."))

    assert call.session.next_wakeup() == 3.0 + EFFECT_BUDGET_S - GIVE_UP_S


def test_after_the_last_answer_the_agent_owes_the_next_word() -> None:
    call = asking_call(stall_after_s=2.0, fillers=())

    call.at(3.5, done())

    assert call.session.next_wakeup() == 5.5


def test_a_withdrawn_request_leaves_the_callers_words_to_be_answered() -> None:
    call = asking_call(stall_after_s=2.0, fillers=())

    call.at(3.2, cancels("fc1"))

    assert call.session.next_wakeup() == 5.2


def test_a_request_that_is_withdrawn_because_she_goes_on_leaves_nothing_owed() -> None:
    call = asking_call(stall_after_s=9.0, idle_after_s=50.0)
    call.at(3.1, deepgram.UserStartedSpeaking())

    call.at(3.2, cancels("fc1"))

    assert call.session.parts.patience.owed_since is None
