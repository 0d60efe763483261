"""What becomes of a function call after its time: given up, in doubt, decided, said, seen to be."""

from typing import Any

import msgspec
import pytest

from bridge.call.commands import Command, GiveUpTool, RunTool, Save
from bridge.call.conversation import FunctionCallNote
from bridge.call.events import AgentAudio, AgentLost, OutcomeArrived, Wakeup
from bridge.call.functions import GIVE_UP_S
from bridge.call.news import AGAIN_S, SAID_WITHIN_S, TRIES_AT_MOST
from bridge.call.upkeep import QUIET_S, REPLY_PAUSE_S
from bridge.wire import deepgram
from tests.call.calls import (
    BOOK,
    FIND,
    Call,
    a_conversation,
    agent_text,
    asks,
    caller_words,
    cancels,
    mark,
    phrase,
    ready_call,
    sound,
    started_call,
    user_text,
)
from tools.catalog import CATALOG, EFFECT_BUDGET_S, READ_BUDGET_S
from tools.contract import Done, Failed

BOOKED = '{"result":"booked","say":"Ann Lee is booked."}'
TAKEN = '{"result":"slot_taken","say":"That time is gone."}'
BOOKING = CATALOG["book_appointment"]
NOT_DONE = BOOKING.not_done
CONFIRMING = deepgram.UpdateSpeak(
    speak=deepgram.Speak(provider=deepgram.DeepgramSpeak(model="aura-2-pandora-en"))
)

CANCEL = '{"appointment_id":"0123456789abcdef0123456789abcdef","phone":"+15550100123"}'


def done(content: str = BOOKED, *, id: str = "fc1", tool: str = "book_appointment"):
    return OutcomeArrived(outcome=Done(function_call_id=id, tool=tool, content=content))


def failed(code: str, *, id: str = "fc1", tool: str = "book_appointment", say: str = NOT_DONE):
    return OutcomeArrived(outcome=Failed(function_call_id=id, tool=tool, code=code, say=say))


def answers(commands: list[Command]) -> dict[str, dict[str, Any]]:
    return {
        one.id: msgspec.json.decode(one.content)
        for one in commands
        if isinstance(one, deepgram.FunctionCallResponse)
    }


def given_up(commands: list[Command]) -> list[str]:
    return [one.job.function_call_id for one in commands if isinstance(one, GiveUpTool)]


def injected(commands: list[Command]) -> list[str]:
    return [one.message for one in commands if isinstance(one, deepgram.InjectAgentMessage)]


def prompted(commands: list[Command]) -> list[str]:
    return [one.prompt for one in commands if isinstance(one, deepgram.UpdatePrompt)]


def told(commands: list[Command]) -> list[tuple[str, str]]:
    return [
        (one["function_call_id"], one["as"])
        for command in commands
        if isinstance(command, RunTool) and command.job.tool == "note_told"
        for one in msgspec.json.decode(command.job.arguments)["told"]
    ]


def asking_call(tool: str = "book_appointment", arguments: str = BOOK, **options: Any) -> Call:
    """Asked at 3.0 s."""
    call = ready_call(**({"fillers": ()} | options))
    call.at(3.0, user_text("Nine, please."), asks(tool, arguments))
    return call


def doubtful_call(**options: Any) -> Call:
    """The booking asked for at 3.0 s is in doubt at 4.0 s; the caller was told so by 6.0 s."""
    call = asking_call(**options)
    call.at(4.0, failed("doubt", say=BOOKING.fallback))
    says(call, 4.5, BOOKING.fallback, 1.0)
    return call


def says(call: Call, at: float, text: str, seconds: float = 1.0) -> list[Command]:
    """The agent says something, and it is heard to its end."""
    sent = call.at(at, agent_text(text), AgentAudio(sound(seconds)), deepgram.AgentAudioDone())
    marks = [one.mark.name for one in sent if hasattr(one, "mark")]
    return [*sent, *call.at(at + seconds, mark(marks[-1]))]


def wake_until(call: Call, at: float) -> list[Command]:
    commands: list[Command] = []
    while (due := call.session.next_wakeup()) is not None and due <= at:
        commands += call.wake()
    return commands


# --- given up in time ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "arguments", "budget_s"),
    [("find_slots", FIND, READ_BUDGET_S), ("book_appointment", BOOK, EFFECT_BUDGET_S)],
)
def test_shortly_before_its_deadline_a_job_is_given_up(tool, arguments, budget_s) -> None:
    call = asking_call(tool, arguments)

    assert call.session.next_wakeup() == 3.0 + budget_s - GIVE_UP_S
    assert given_up(call.wake()) == ["fc1"]


def test_a_job_is_given_up_once() -> None:
    call = asking_call()
    call.wake()

    assert call.session.next_wakeup() == 3.0 + EFFECT_BUDGET_S


def test_what_was_answered_in_time_is_not_given_up() -> None:
    call = asking_call()
    call.at(4.0, done())

    assert given_up(wake_until(call, 12.0)) == []


def test_what_certainly_never_runs_is_told_so() -> None:
    call = asking_call()
    call.wake()

    told = answers(call.at(10.8, failed("withdrawn")))

    assert told == {"fc1": {"error": "withdrawn", "say": NOT_DONE}}


def test_a_read_that_was_withdrawn_says_what_is_said_when_no_answer_came() -> None:
    call = asking_call("find_slots", FIND)
    call.wake()

    told = answers(call.at(5.8, failed("withdrawn", tool="find_slots", say="")))

    assert told == {"fc1": {"error": "withdrawn", "say": CATALOG["find_slots"].fallback}}


def test_what_may_still_run_is_in_doubt() -> None:
    call = asking_call()
    call.wake()

    told = answers(call.at(10.8, failed("doubt", say=BOOKING.fallback)))

    assert told == {"fc1": {"error": "doubt", "say": BOOKING.fallback}}


def test_without_any_word_of_the_queue_the_call_answers_by_itself() -> None:
    call = asking_call()
    call.wake()

    assert answers(call.wake()) == {"fc1": {"error": "doubt", "say": BOOKING.fallback}}
    assert call.now == 3.0 + EFFECT_BUDGET_S


@pytest.mark.parametrize("code", ["full", "breaker", "no_worker"])
def test_a_refusal_is_answered_at_once(code: str) -> None:
    call = asking_call()

    assert answers(call.at(3.01, failed(code))) == {"fc1": {"error": code, "say": NOT_DONE}}


def test_what_was_done_is_not_denied_when_it_is_asked_for_again() -> None:
    call = asking_call()
    call.at(4.0, done())
    call.at(6.0, asks("book_appointment", BOOK, id="again"))

    told_again = answers(call.at(6.1, failed("breaker", id="again")))

    assert told_again["again"]["result"] == "booked"


def test_what_was_ended_since_may_be_denied() -> None:
    call = asking_call()
    call.at(4.0, done())
    call.at(5.0, asks("cancel_appointment", CANCEL, id="off"))
    call.at(5.1, done('{"result":"cancelled"}', id="off", tool="cancel_appointment"))
    call.at(6.0, asks("book_appointment", BOOK, id="again"))

    told_again = answers(call.at(6.1, failed("breaker", id="again")))

    assert told_again["again"]["error"] == "breaker"


def test_an_effect_that_the_agent_dropped_is_given_up_in_its_time_too() -> None:
    call = asking_call()
    call.at(3.2, cancels("fc1", "book_appointment"))

    assert given_up(wake_until(call, 12.0)) == ["fc1"]


def test_a_request_that_waits_for_an_earlier_one_gives_that_up() -> None:
    call = asking_call()
    call.at(3.2, AgentLost(code="closed"))
    call.at(3.5, deepgram.Welcome(request_id="r2"), deepgram.SettingsApplied())
    call.at(4.0, asks("book_appointment", BOOK, id="new"))

    assert given_up(call.at(4.0 + EFFECT_BUDGET_S - GIVE_UP_S, Wakeup())) == ["fc1"]
    told = answers(call.at(11.9, failed("withdrawn")))
    assert told == {"new": {"error": "withdrawn", "say": NOT_DONE}}


def test_the_doubt_of_a_request_that_waited_for_an_earlier_one_is_resolved_by_that() -> None:
    call = asking_call()
    call.at(3.2, AgentLost(code="closed"))
    call.at(3.5, deepgram.Welcome(request_id="r2"), deepgram.SettingsApplied())
    call.at(4.0, asks("book_appointment", BOOK, id="new"))
    call.at(5.0, failed("doubt", say=BOOKING.fallback))

    assert prompted(call.at(6.0, done(id="fc1"))) != []
    first, new = call.conversation.function_calls
    assert (first.outcome, new.outcome) == ("joined", "done")


# --- said at the next quiet moment -----------------------------------------------------------


def test_the_agent_knows_at_once_what_became_of_a_doubt() -> None:
    call = doubtful_call()

    (fact,) = prompted(call.at(7.0, done()))

    assert BOOKED in fact


@pytest.mark.parametrize(
    ("outcome", "say"),
    [
        (done(), "Ann Lee is booked."),
        (done(TAKEN), "That time is gone."),
        (failed("withdrawn"), NOT_DONE),
    ],
)
def test_good_and_bad_news_are_said_when_nobody_speaks(outcome, say: str) -> None:
    call = doubtful_call()
    call.at(7.0, outcome)

    assert call.session.next_wakeup() == 7.0
    assert injected(call.wake()) == [say]


def test_news_wait_for_a_pause() -> None:
    call = asking_call()
    call.at(4.0, failed("doubt", say=BOOKING.fallback))
    call.at(4.5, agent_text("I'm still on it."), AgentAudio(sound(2.0)), deepgram.AgentAudioDone())
    call.at(5.0, done())

    assert call.session.next_wakeup() == 4.5 + 2.0 + QUIET_S


def test_a_reply_whose_end_is_not_announced_is_waited_for_a_little_longer() -> None:
    call = asking_call()
    call.at(4.0, failed("doubt", say=BOOKING.fallback))
    call.at(4.5, agent_text("I'm still on it."), AgentAudio(sound(2.0)))
    call.at(5.0, done())

    assert call.session.next_wakeup() == 4.5 + 2.0 + REPLY_PAUSE_S


def test_news_are_not_said_over_the_caller() -> None:
    call = doubtful_call()
    call.at(6.9, deepgram.UserStartedSpeaking())
    call.at(7.0, done())

    assert injected(wake_until(call, 8.3)) == []


def test_news_are_not_said_while_an_answer_is_owed() -> None:
    call = doubtful_call()
    call.at(6.8, user_text("Is it done?"))
    call.at(7.0, done())

    assert injected(wake_until(call, 10.0)) == []


def test_news_are_not_said_while_a_function_call_is_open() -> None:
    call = doubtful_call()
    call.at(6.8, asks("find_slots", FIND, id="fc2"))
    call.at(7.0, done())

    assert injected(wake_until(call, 9.0)) == []


def test_news_wait_for_the_greeting() -> None:
    left = FunctionCallNote(
        function_call_id="fc1", tool="book_appointment", arguments=BOOK, at_s=1.0, outcome="doubt"
    )
    call = started_call(conversation=a_conversation(function_calls=[left]), fillers=())
    call.at(0.1, done())

    assert injected(call.at(0.2, Wakeup())) == []


def test_what_was_withdrawn_and_came_true_is_said() -> None:
    call = asking_call()
    call.at(3.2, deepgram.UserStartedSpeaking())
    call.at(3.3, cancels("fc1", "book_appointment"))
    call.at(4.0, user_text("One more thing."))
    says(call, 4.2, "Yes?")
    call.at(5.5, done())

    assert injected(wake_until(call, 7.0)) == ["Ann Lee is booked."]


def test_good_news_are_said_as_confirmations_are() -> None:
    call = doubtful_call(voices={"confirmation": CONFIRMING})
    call.at(7.0, done())

    assert CONFIRMING in call.wake()
    call.at(7.2, agent_text("Ann Lee is booked."), AgentAudio(sound(2.0)))
    assert call.at(7.5, deepgram.UserStartedSpeaking()) == []  # finished whoever speaks


def test_bad_news_are_not() -> None:
    call = doubtful_call(voices={"confirmation": CONFIRMING})
    call.at(7.0, done(TAKEN))

    assert CONFIRMING not in call.wake()


def test_what_is_written_for_the_agent_is_not_said_to_the_caller() -> None:
    call = doubtful_call()

    (fact,) = prompted(call.at(7.0, failed("bad_arguments", say="start is past.")))

    assert fact.endswith("Tell the caller at the next opportunity.")
    assert injected(wake_until(call, 30.0)) == ["Are you still there?"]


def test_news_without_words_are_left_to_the_agent() -> None:
    call = doubtful_call()

    (fact,) = prompted(call.at(7.0, done('{"result":"booked"}')))

    assert fact.endswith("Tell the caller at the next opportunity.")


def test_two_news_are_said_one_after_the_other() -> None:
    call = doubtful_call()
    other = BOOK.replace("09:00", "10:00")
    call.at(7.0, asks("book_appointment", other, id="fc2"))
    call.at(7.1, failed("doubt", id="fc2", say=BOOKING.fallback))
    says(call, 7.2, BOOKING.fallback)
    call.at(9.0, done(), done('{"result":"booked","say":"And that too."}', id="fc2"))

    first = injected(wake_until(call, 10.0))
    says(call, 10.0, "Ann Lee is booked.")

    assert first == ["Ann Lee is booked."]
    assert injected(wake_until(call, 12.5)) == ["And that too."]


# --- seen to be said -------------------------------------------------------------------------


def injected_call(**options: Any) -> Call:
    """The agent was given the good news at 7.0 s."""
    call = doubtful_call(**options)
    call.at(7.0, done())
    assert injected(call.wake()) == ["Ann Lee is booked."]
    return call


def test_what_was_said_and_heard_is_said_no_more() -> None:
    call = injected_call()

    assert told(says(call, 7.4, "Ann Lee is booked.")) == [("fc1", "done")]
    assert injected(wake_until(call, 15.0)) == []


def test_what_was_refused_is_said_again() -> None:
    call = injected_call()
    call.at(7.1, deepgram.InjectionRefused())

    assert injected(wake_until(call, 7.1 + AGAIN_S + 0.1)) == ["Ann Lee is booked."]


def test_what_was_dropped_without_a_word_is_said_again() -> None:
    call = injected_call()

    assert injected(wake_until(call, 7.0 + SAID_WITHIN_S)) == []
    again = injected(wake_until(call, 7.0 + SAID_WITHIN_S + AGAIN_S))
    assert again == ["Ann Lee is booked."]


def test_meanwhile_a_silent_caller_is_not_asked_whether_she_is_there() -> None:
    call = doubtful_call(idle_after_s=2.0)
    call.at(6.0, done())
    call.wake()

    assert injected(wake_until(call, 6.4 + SAID_WITHIN_S)) == []


def test_what_is_refused_for_ever_is_left_to_the_agent() -> None:
    call = injected_call(idle_after_s=1000.0)
    commands: list[Command] = []
    for _ in range(TRIES_AT_MOST):
        commands += call.at(call.now + 0.1, deepgram.InjectionRefused())
        commands += wake_until(call, call.now + 5.0)

    assert len(injected(commands)) == TRIES_AT_MOST - 1
    (left,) = prompted(commands)
    assert "Ann Lee is booked." in left
    assert told(wake_until(call, 60.0)) == []


def test_what_the_caller_talked_over_is_said_again() -> None:
    call = injected_call(protect_confirmations=False)
    call.at(7.4, agent_text("Ann Lee is booked."), AgentAudio(sound(1.5)))
    call.at(7.6, deepgram.UserStartedSpeaking())
    call.at(8.0, user_text("Hello?"))
    says(call, 8.2, "Yes?")

    assert injected(wake_until(call, 12.0)) == ["Ann Lee is booked."]


def test_what_the_caller_heard_nearly_all_of_is_not() -> None:
    call = injected_call(protect_confirmations=False)
    call.at(7.4, agent_text("Ann Lee is booked."), AgentAudio(sound(1.2)))

    commands = call.at(7.4 + 1.1, deepgram.UserStartedSpeaking())

    assert told([*commands, *call.at(9.0, user_text("Good."))]) == [("fc1", "done")]


def test_a_caller_who_speaks_first_puts_the_news_off() -> None:
    call = injected_call()
    call.at(7.1, deepgram.UserStartedSpeaking())
    call.at(8.0, user_text("Hello?"))
    says(call, 8.2, "Yes, I'm here.")

    assert injected(wake_until(call, 10.5)) == ["Ann Lee is booked."]


def test_a_lost_line_puts_the_news_off() -> None:
    call = injected_call()
    call.at(7.1, AgentLost(code="closed"))
    call.at(7.4, deepgram.Welcome(request_id="r2"), deepgram.SettingsApplied())
    says(call, 7.5, "Sorry, go on.")

    assert injected(wake_until(call, 12.0)) == ["Ann Lee is booked."]


def test_news_that_the_next_session_finishes_are_not_said_a_third_time() -> None:
    call = injected_call()
    call.at(7.4, agent_text("Ann Lee is booked."), AgentAudio(sound(0.2)))
    call.at(7.5, AgentLost(code="closed"))
    picked_up = call.at(8.0, deepgram.Welcome(request_id="r2"), deepgram.SettingsApplied())

    assert injected(picked_up) == ["Ann Lee is booked."]
    assert told(says(call, 8.2, "Ann Lee is booked.")) == [("fc1", "done")]
    assert injected(wake_until(call, 15.0)) == []


def test_a_voice_whose_words_got_lost_counts() -> None:
    call = injected_call()
    call.at(7.4, AgentAudio(sound(1.0)), deepgram.AgentAudioDone())

    assert told(wake_until(call, 12.0)) == [("fc1", "done")]


def test_words_that_stay_without_a_voice_do_not() -> None:
    call = injected_call(stall_after_s=2.0)
    call.at(7.4, agent_text("Ann Lee is booked."))
    call.at(9.4, Wakeup())  # the line is opened anew
    call.at(9.6, deepgram.Welcome(request_id="r2"))

    assert injected(call.at(9.7, deepgram.SettingsApplied())) == ["Ann Lee is booked."]


def test_news_that_were_begun_and_not_finished_are_said_again() -> None:
    call = injected_call()
    says(call, 7.4, "Ann.", 0.3)

    assert injected(wake_until(call, 12.0)) == ["Ann Lee is booked."]


# --- the same wish under another id ----------------------------------------------------------


def test_what_was_answered_under_another_id_meanwhile_is_not_said() -> None:
    call = doubtful_call()
    call.at(7.0, user_text("Please try again."), asks("book_appointment", BOOK, id="fc2"))
    call.at(7.1, done(id="fc2"))
    says(call, 7.5, "Ann Lee is booked.")

    assert prompted(call.at(9.0, done(id="fc1"))) == []
    assert injected(wake_until(call, 15.0)) == []


def test_news_in_waiting_are_dropped_when_the_same_is_asked_again_and_answered() -> None:
    call = doubtful_call()
    call.at(6.8, user_text("Please try again."))
    call.at(7.0, done())
    call.at(7.1, asks("book_appointment", BOOK, id="fc2"))
    call.at(7.2, done(id="fc2"))
    says(call, 7.5, "Ann Lee is booked.")

    assert injected(wake_until(call, 15.0)) == []


def test_news_that_the_agent_was_given_and_did_not_begin_are_dropped_too() -> None:
    call = injected_call()
    call.at(7.1, asks("book_appointment", BOOK, id="fc2"))
    call.at(7.2, done(id="fc2"))
    says(call, 7.5, "Ann Lee is booked.")

    assert injected(wake_until(call, 19.0)) == []


def test_what_became_of_the_first_answers_who_asked_again() -> None:
    call = asking_call()
    call.at(3.2, cancels("fc1", "book_appointment"))
    call.at(4.0, asks("book_appointment", BOOK, id="fc2"))

    commands = call.at(4.5, done(id="fc1"))

    assert answers(commands) == {"fc2": msgspec.json.decode(BOOKED)}
    assert prompted(commands) == []
    first, second = call.conversation.function_calls
    assert (first.outcome, second.outcome) == ("joined", "done")


def test_its_own_outcome_then_tells_nothing_new() -> None:
    call = asking_call()
    call.at(3.2, cancels("fc1", "book_appointment"))
    call.at(4.0, asks("book_appointment", BOOK, id="fc2"))
    call.at(4.5, done(id="fc1"))

    assert call.at(4.6, done(id="fc2")) == []


def test_a_failure_of_the_first_is_no_news_while_the_second_runs() -> None:
    call = asking_call()
    call.at(3.2, cancels("fc1", "book_appointment"))
    call.at(4.0, asks("book_appointment", BOOK, id="fc2"))

    commands = call.at(4.5, failed("withdrawn", id="fc1"))

    assert commands == [Save()]
    assert answers(call.at(5.0, done(id="fc2"))) == {"fc2": msgspec.json.decode(BOOKED)}


def test_of_two_doubts_of_one_wish_the_good_outcome_counts() -> None:
    call = doubtful_call()
    call.at(7.0, asks("book_appointment", BOOK, id="fc2"))
    call.at(7.1, failed("doubt", id="fc2", say=BOOKING.fallback))
    says(call, 7.5, BOOKING.fallback)

    assert prompted(call.at(9.0, failed("withdrawn", id="fc1"))) == []
    assert len(prompted(call.at(9.1, done(id="fc2")))) == 1
    assert injected(wake_until(call, 10.5)) == ["Ann Lee is booked."]


def test_a_refusal_while_the_first_may_come_true_is_a_doubt() -> None:
    call = doubtful_call()
    call.at(7.0, asks("book_appointment", BOOK, id="fc2"))

    commands = call.at(7.1, failed("breaker", id="fc2"))

    assert answers(commands) == {"fc2": {"error": "doubt", "say": BOOKING.fallback}}
    first, second = call.conversation.function_calls
    assert (first.outcome, second.outcome) == ("joined", "doubt")
    call.at(9.0, done(id="fc1"))
    assert call.conversation.function_calls[1].outcome == "done"


def test_a_doubt_that_comes_twice_changes_nothing() -> None:
    call = doubtful_call()

    assert call.at(7.0, failed("doubt", say=BOOKING.fallback)) == []
    assert prompted(call.at(8.0, done())) != []


def test_a_doubt_about_what_an_earlier_session_asked_is_kept_in_mind() -> None:
    call = asking_call()
    call.at(3.2, AgentLost(code="closed"))
    call.at(3.3, failed("doubt", say=BOOKING.fallback))
    call.at(3.5, deepgram.Welcome(request_id="r2"), deepgram.SettingsApplied())

    assert call.conversation.function_calls[0].outcome == "doubt"
    assert prompted(call.at(8.0, done())) != []


# --- over the end of a stream ----------------------------------------------------------------


def left_by_an_earlier_stream(**fields: Any) -> Call:
    known: dict[str, Any] = {
        "function_call_id": "fc1",
        "tool": "book_appointment",
        "arguments": BOOK,
        "at_s": 1.0,
        "effect": True,
        "outcome": "doubt",
    }
    talk = a_conversation(
        utterances=[caller_words("Book nine.")],
        function_calls=[FunctionCallNote(**(known | fields))],
    )
    call = started_call(conversation=talk, fillers=())
    call.at(0.3, deepgram.Welcome(request_id="r"), deepgram.SettingsApplied())
    says(call, 0.5, "Sorry, the line was cut.")
    return call


@pytest.mark.parametrize("outcome", ["doubt", "", "cancelled", "agent_lost"])
def test_what_an_earlier_stream_left_open_is_news_in_the_next(outcome: str) -> None:
    call = left_by_an_earlier_stream(outcome=outcome)
    call.at(3.0, done())

    assert injected(wake_until(call, 4.0)) == ["Ann Lee is booked."]


@pytest.mark.parametrize(
    ("outcome", "response", "say"),
    [
        ("done", BOOKED, "Ann Lee is booked."),
        ("withdrawn", '{"error":"withdrawn","say":"Not now."}', "Not now."),
    ],
)
def test_what_an_earlier_stream_knew_and_could_not_say_is_said(outcome, response, say) -> None:
    call = left_by_an_earlier_stream(outcome=outcome, response=response, told_as="doubt")

    assert injected(wake_until(call, 4.0)) == [say]


def test_what_it_said_is_not() -> None:
    call = left_by_an_earlier_stream(outcome="done", response=BOOKED, told_as="done")

    assert injected(wake_until(call, 4.0)) == []


@pytest.mark.parametrize(
    "fields", [{"outcome": "done"}, {"arguments": "{}"}, {"tool": "order_pizza"}]
)
def test_what_an_earlier_stream_settled_or_never_asked_is_not(fields: dict[str, str]) -> None:
    call = left_by_an_earlier_stream(**fields)

    assert call.at(3.0, done()) == []


def test_news_that_come_while_nobody_listens_are_said_to_the_next_session() -> None:
    call = doubtful_call()
    call.at(7.0, AgentLost(code="closed"))
    assert prompted(call.at(7.1, done())) == []
    call.at(7.4, deepgram.Welcome(request_id="r2"), deepgram.SettingsApplied())
    says(call, 7.6, "Sorry, go on.")

    assert injected(wake_until(call, 12.0)) == ["Ann Lee is booked."]


def test_a_filler_does_not_count_as_the_news() -> None:
    call = injected_call()
    call.at(7.2, phrase("filler", "One moment.", 0.5))

    assert told(wake_until(call, 7.0 + SAID_WITHIN_S)) == []
