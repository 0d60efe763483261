from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call import window
from bridge.call.conversation import Conversation, Summarising, Utterance
from bridge.call.details import remember, start_over
from bridge.call.window import SummaryWanted, due, estimate, job, kept, take
from tests.call.talks import a_read, a_talk, agent, booking, caller
from tools.arguments import Said, Summarise
from tools.catalog import CATALOG, decode_arguments
from tools.contract import Done, Failed, ToolJob

LIMITS: dict[str, int] = {"turns": 15, "tokens": 2000, "budget": 8000}


def turns(count: int, *, text: str = "Yes, please.", since_s: float = 0.0) -> list[Utterance]:
    """So many turns of one utterance each, a second apart, the caller's first."""
    sides = (caller, agent)
    return [sides[n % 2](text, since_s + n) for n in range(count)]


def wanted(conversation: Conversation, **limits: int) -> SummaryWanted | None:
    return due(conversation, **(LIMITS | limits))


def asked(conversation: Conversation, **limits: int) -> ToolJob:
    """The job for the summary that is due."""
    summary = wanted(conversation, **limits)
    assert summary is not None
    return job(conversation, summary)


def contents(job: ToolJob) -> Summarise:
    arguments = decode_arguments(CATALOG["summarise"], job.arguments)
    assert isinstance(arguments, Summarise)
    return arguments


def summary_for(job: ToolJob, text: Any = "She wants a cleaning.") -> Done:
    content = msgspec.json.encode({"result": "summary", "summary": text}).decode()
    return Done(function_call_id=job.function_call_id, tool=job.tool, content=content)


def failure_for(job: ToolJob) -> Failed:
    return Failed(function_call_id=job.function_call_id, tool=job.tool, code="unavailable", say="")


# --- how much it is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 4), ("Yes", 5), ("a" * 400, 104), ("é" * 4, 6), ("予約" * 100, 154), ("\ud800", 5)],
)
def test_tokens_are_estimated_by_a_rule_of_thumb(text: str, tokens: int) -> None:
    assert estimate(text) == tokens


# --- when --------------------------------------------------------------------------------------


def test_fifteen_turns_need_no_summary_and_sixteen_do() -> None:
    assert wanted(a_talk(*turns(15))) is None
    assert wanted(a_talk(*turns(16))) == SummaryWanted(until=10, why="turns")


def test_a_turn_of_many_utterances_is_one_turn() -> None:
    assert wanted(a_talk(*[caller("And.", float(n)) for n in range(40)])) is None


def test_few_but_long_turns_need_one() -> None:
    talk = a_talk(*turns(6, text="word " * 300))

    assert wanted(talk) == SummaryWanted(until=4, why="tokens")


def test_long_answers_of_tools_count_too() -> None:
    talk = a_talk(
        *turns(8), function_calls=[a_read(2.5, 2.7, response='{"say":"' + "x" * 9000 + '"}')]
    )

    assert wanted(talk) == SummaryWanted(until=3, why="tokens")


def test_a_budget_nearly_spent_needs_one_whatever_spent_it() -> None:
    talk = a_talk(*turns(10))

    assert wanted(talk, budget=1000, beside=700) is None
    assert wanted(talk, budget=1000, beside=800) == SummaryWanted(until=7, why="budget")


def test_of_a_long_monologue_the_last_utterance_stays() -> None:
    talk = a_talk(*[caller("word " * 900, float(n)) for n in range(3)])

    assert wanted(talk) == SummaryWanted(until=2, why="tokens")


def test_one_utterance_alone_is_never_summarised() -> None:
    assert wanted(a_talk(caller("word " * 9000, 1.0))) is None


def test_words_that_were_not_heard_weigh_nothing() -> None:
    unheard = agent("word " * 9000, 2.0, cut=True)

    assert wanted(a_talk(caller("Hello.", 1.0), unheard, caller("Wait.", 3.0))) is None


# --- what --------------------------------------------------------------------------------------


def test_the_job_holds_what_was_said_and_done_before_the_window_and_the_earlier_summary() -> None:
    talk = a_talk(
        *turns(16),
        function_calls=[a_read(3.5, 3.8), a_read(12.5, 12.8)],
        summary="She greeted.",
        elapsed_s=16.0,
    )

    summarise = contents(asked(talk))

    assert summarise.earlier == "She greeted."
    assert [said.by for said in summarise.said[:6]] == [
        "caller", "agent", "caller", "agent", "tool", "caller",
    ]  # fmt: skip
    assert len(summarise.said) == 11
    assert Said(by="tool", text="Nine is free.") in summarise.said


def test_the_job_is_the_internal_tools_with_its_own_budget() -> None:
    sent = asked(a_talk(*turns(16)))

    assert sent.tool == window.TOOL
    assert CATALOG[sent.tool].internal
    assert (sent.budget_s, sent.effect, sent.call_sid) == (15.0, False, "CA1")


def test_of_what_the_agent_said_only_what_was_heard_is_summarised() -> None:
    cut = agent("one two three four", 1.0, complete=True, sent_ms=2000, heard_ms=1000, cut=True)
    unheard = agent("five six", 2.0, cut=True)

    summarise = contents(asked(a_talk(cut, unheard, *turns(16, since_s=3.0))))

    assert summarise.said[:2] == (
        Said(by="agent", text="one two"),
        Said(by="caller", text="Yes, please."),
    )


def test_what_the_call_noted_by_itself_is_not_sent_along() -> None:
    note = a_read(2.5, 2.5, tool="remember_details", response='{"say":"x"}')

    summarise = contents(asked(a_talk(*turns(16), function_calls=[note])))

    assert "tool" not in {said.by for said in summarise.said}


def test_a_job_is_never_too_long_for_the_worker_and_its_oldest_words_are_left_out() -> None:
    talk = a_talk(*turns(80, text="“Größe” " * 500))

    sent = asked(talk)

    assert len(sent.arguments) <= CATALOG["summarise"].longest_arguments
    assert 10 < len(contents(sent).said) < 40


def test_a_function_call_and_its_answer_are_never_parted() -> None:
    """The cut would fall at 10 s; a function call lies open there since 8.5 s."""
    talk = a_talk(*turns(16), function_calls=[a_read(8.5, 12.5)])

    assert wanted(talk) == SummaryWanted(until=8, why="turns")


def test_a_function_call_that_waits_for_its_answer_holds_the_cut_back() -> None:
    talk = a_talk(*turns(16), function_calls=[a_read(8.5, None)], elapsed_s=16.0)

    assert wanted(talk) == SummaryWanted(until=8, why="turns")


def test_a_function_call_whose_answer_was_lost_holds_nothing_back_for_ever() -> None:
    talk = a_talk(*turns(16), function_calls=[a_read(8.5, None)], elapsed_s=90.0)

    assert wanted(talk) == SummaryWanted(until=10, why="turns")


def test_with_everything_held_back_there_is_nothing_to_summarise() -> None:
    talk = a_talk(*turns(16), function_calls=[a_read(-0.5, None)], elapsed_s=16.0, since_s=-1.0)

    assert wanted(talk) is None


# --- how it is taken ---------------------------------------------------------------------------


def test_a_summary_takes_the_place_of_what_it_stands_for() -> None:
    talk = a_talk(*turns(16))

    assert take(talk, summary_for(asked(talk)))

    assert (talk.summary, talk.summarised) == ("She wants a cleaning.", 10)
    assert wanted(talk) is None
    assert len(talk.utterances) == 16


def test_details_are_never_summarised_away() -> None:
    talk = a_talk(*turns(16))
    remember(talk, {"name": "Ann Lee"}, 0.5, ("name",))

    take(talk, summary_for(asked(talk)))

    assert talk.known == {"name": "Ann Lee"}


@pytest.mark.parametrize("text", ["", "  ", None, 7])
def test_a_summary_without_words_changes_nothing(text: Any) -> None:
    talk = a_talk(*turns(16))

    assert not take(talk, summary_for(asked(talk), text))

    assert (talk.summary, talk.summarised) == ("", 0)


def test_a_summary_that_is_no_json_changes_nothing() -> None:
    talk = a_talk(*turns(16))
    sent = asked(talk)

    assert not take(
        talk, Done(function_call_id=sent.function_call_id, tool="summarise", content="{")
    )


def test_a_summary_is_taken_at_a_bounded_length() -> None:
    talk = a_talk(*turns(16))

    take(talk, summary_for(asked(talk), "x" * 100_000))

    assert len(talk.summary) == window.LONGEST_SUMMARY


def test_a_summary_that_comes_after_the_caller_started_over_is_dropped() -> None:
    talk = a_talk(*turns(16))
    sent = asked(talk)
    start_over(talk, 17.0)

    assert not take(talk, summary_for(sent))

    assert talk.summary == ""


def test_an_outcome_nobody_asked_for_changes_nothing() -> None:
    talk = a_talk(*turns(16))
    sent = asked(talk)

    assert not take(talk, msgspec.structs.replace(summary_for(sent), function_call_id="fc1"))


def test_the_next_summary_is_of_what_came_since_and_is_given_the_first() -> None:
    talk = a_talk(*turns(16))
    take(talk, summary_for(asked(talk)))
    talk.utterances += turns(12, text="No.", since_s=16.0)

    second = contents(asked(talk))

    assert second.earlier == "She wants a cleaning."
    assert [said.text for said in second.said] == ["Yes, please."] * 6 + ["No."] * 6


# --- when it does not come ---------------------------------------------------------------------


def test_a_failure_changes_nothing_and_it_is_asked_for_again_ever_more_rarely() -> None:
    talk = a_talk(*turns(15))
    asked_after: list[int] = []
    for n in range(15, 75):
        talk.utterances += turns(1, since_s=float(n)) if n % 2 == 0 else [agent("Yes.", float(n))]
        summary = wanted(talk)
        if summary is not None:
            asked_after.append(n + 1)
            assert not take(talk, failure_for(job(talk, summary)))

    assert asked_after == [16, 20, 28, 44, 60]
    assert (talk.summary, talk.summarised) == ("", 0)


def test_every_try_has_an_id_of_its_own_so_that_a_kept_failure_answers_none_of_them() -> None:
    talk = a_talk(*turns(16))
    first = asked(talk)
    talk.utterances += turns(4, since_s=16.0)
    second = asked(talk)

    assert first.job_id != second.job_id
    assert not take(talk, summary_for(first))
    assert take(talk, summary_for(second))
    assert talk.summarising == Summarising()


def test_another_bridge_takes_the_summary_that_the_first_one_asked_for() -> None:
    talk = a_talk(*turns(16))
    sent = asked(talk)
    taken_over = msgspec.msgpack.decode(msgspec.msgpack.encode(talk), type=Conversation)

    assert take(taken_over, summary_for(sent))


# --- what a new session is given ---------------------------------------------------------------


def test_a_new_session_is_given_the_summary_and_what_came_since() -> None:
    talk = a_talk(*turns(16), function_calls=[a_read(3.5, 3.8), a_read(12.5, 12.8)])
    take(talk, summary_for(asked(talk)))

    given_to_it = kept(talk)

    assert given_to_it.summary == "She wants a cleaning."
    assert list(given_to_it.utterances) == talk.utterances[10:]
    assert [note.at_s for note in given_to_it.function_calls] == [12.5]


def test_what_was_booked_is_given_even_if_it_lies_before_the_window() -> None:
    talk = a_talk(*turns(16), function_calls=[booking()])
    take(talk, summary_for(asked(talk)))

    assert kept(talk).function_calls == [booking()]


def test_a_function_call_without_an_answer_is_not_given() -> None:
    assert kept(a_talk(*turns(2), function_calls=[a_read(1.0, None)])).function_calls == []


def test_after_starting_over_it_is_given_that_and_what_was_said_since() -> None:
    talk = a_talk(*turns(4), function_calls=[a_read(1.0, 1.5)])
    over = a_read(4.0, 4.0, tool="start_over")
    talk.ask(over)
    start_over(talk, 4.0)
    talk.utterances += turns(1, text="A filling.", since_s=5.0)

    given_to_it = kept(talk)

    assert [each.text for each in given_to_it.utterances] == ["A filling."]
    assert given_to_it.function_calls == [over]


def test_beyond_the_hard_limit_the_oldest_words_fall_out() -> None:
    talk = a_talk(
        *turns(20, text="word " * 40),
        function_calls=[a_read(2.5, 2.8), booking(), a_read(18.5, 18.8)],
    )

    given_to_it = kept(talk, most_tokens=300)

    assert list(given_to_it.utterances) == talk.utterances[15:]
    assert given_to_it.function_calls == [booking(), talk.function_calls[2]]


# --- whatever was said -------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["caller", "agent"]), st.text(max_size=60)),
        st.tuples(st.sampled_from(["ask", "answer", "summary", "failure", "over"]), st.just("")),
    ),
    max_size=80,
)


def play(talk: Conversation, steps: Sequence[tuple[str, str]], turns: int, tokens: int) -> None:
    """Each step a second after the one before; whatever is due is asked for."""
    waiting: ToolJob | None = None
    for n, (step, text) in enumerate(steps):
        talk.elapsed_s = at_s = float(n)
        match step:
            case "caller":
                talk.say(caller(text, at_s))
            case "agent":
                talk.say(agent(text, at_s))
            case "ask":
                talk.ask(a_read(at_s, None))
            case "answer":
                for note in talk.function_calls:
                    if note.answered_s is None:
                        talk.answer(note.function_call_id, response="{}", at_s=at_s, outcome="done")
            case "over":
                start_over(talk, at_s)
            case _ if waiting is not None:
                take(talk, summary_for(waiting) if step == "summary" else failure_for(waiting))
                waiting = None
        if (summary := due(talk, turns=turns, tokens=tokens, budget=8000)) is not None:
            waiting = job(talk, summary)
            assert_parts_no_call(talk)


def assert_parts_no_call(talk: Conversation) -> None:
    """A function call asked before the cut was answered by then, or its answer is lost."""
    cut_s = talk.summarising.since_s
    for note in talk.function_calls:
        if talk.since_s <= note.at_s < cut_s:
            answered = note.answered_s is not None and note.answered_s <= cut_s
            lost = note.answered_s is None and talk.elapsed_s - note.at_s >= 60.0
            assert answered or lost


@given(steps=STEPS, turns=st.integers(1, 6), tokens=st.integers(10, 80))
def test_whatever_was_said_the_window_parts_no_function_call_from_its_answer(
    steps: list[tuple[str, str]], turns: int, tokens: int
) -> None:
    talk = a_talk()

    play(talk, steps, turns, tokens)

    given_to_it = kept(talk)
    assert list(given_to_it.utterances) == talk.utterances[talk.summarised :]
    assert given_to_it.function_calls == [
        note
        for note in talk.function_calls
        if note.response is not None and note.at_s >= talk.since_s
    ]
    assert len(talk.summary) <= window.LONGEST_SUMMARY


@given(steps=STEPS, most_tokens=st.integers(0, 200))
def test_whatever_was_said_a_new_session_is_never_given_more_than_the_limit(
    steps: list[tuple[str, str]], most_tokens: int
) -> None:
    talk = a_talk()
    play(talk, steps, turns=6, tokens=80)

    given_to_it = kept(talk, most_tokens=most_tokens)

    weight = sum(estimate(each.text) for each in given_to_it.utterances)
    assert weight <= max(0, most_tokens - estimate(talk.summary))
    whole = kept(talk).utterances
    assert list(given_to_it.utterances) == whole[len(whole) - len(given_to_it.utterances) :]
