"""A call that the agent ends, or puts through: its last words heard, then the step that follows."""

from typing import Any

import msgspec
import pytest

from bridge.call.commands import Command, End, FetchPhrase, HangUp
from bridge.call.ending import LAST_MARK_PATIENCE_S, LAST_WORDS_PATIENCE_S
from bridge.call.events import AgentAudio, AgentLost, CallerGone, OutcomeArrived, PhraseMissing
from bridge.call.farewell import LAST_WORDS_S
from bridge.call.upkeep import REPLY_PAUSE_S
from bridge.wire import deepgram
from tests.call.calls import (
    FIND,
    Call,
    agent_text,
    asks,
    mark,
    phrase,
    ready_call,
    sound,
    user_text,
)
from tools.contract import Done

GOODBYE = "Bye for now."
PUT_THROUGH = "I'm putting you through."
NOBODY = "There is nobody there."
WORDS = {"goodbye": GOODBYE, "put_through": PUT_THROUGH, "nobody_there": NOBODY}
TRANSFER = '{"reason":"a complaint"}'


def leaving_call(tool: str = "end_call", arguments: str = "{}", **options: Any) -> Call:
    """Asked for at 3.0 s."""
    call = ready_call(**({"fillers": (), "can_transfer": True} | WORDS | options))
    call.at(3.0, user_text("That's all."), asks(tool, arguments))
    return call


def says(call: Call, at: float, text: str, seconds: float = 1.0) -> list[Command]:
    """The agent says something, and it is heard to its end."""
    sent = call.at(at, agent_text(text), AgentAudio(sound(seconds)), deepgram.AgentAudioDone())
    marks = [one.mark.name for one in sent if hasattr(one, "mark")]
    return [*sent, *call.at(at + seconds, mark(marks[-1]))]


def steps(commands: list[Command]) -> list[str]:
    return [one.next_step for one in commands if isinstance(one, HangUp)]


def answer(commands: list[Command]) -> dict[str, Any]:
    (content,) = [one.content for one in commands if isinstance(one, deepgram.FunctionCallResponse)]
    return msgspec.json.decode(content)


# --- what the agent is told ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "can_transfer", "result", "say"),
    [
        ("end_call", True, "ending", GOODBYE),
        ("transfer_to_human", True, "putting_through", PUT_THROUGH),
        ("transfer_to_human", False, "nobody_there", NOBODY),
    ],
)
def test_it_is_answered_at_once_with_what_to_say(tool, can_transfer, result, say) -> None:
    call = ready_call(can_transfer=can_transfer, **WORDS)

    told = answer(call.at(3.0, asks(tool)))

    assert (told["result"], told["say"]) == (result, say)


# --- heard and left --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "step", "reason"),
    [
        ("end_call", "hangup", "agent_hung_up"),
        ("transfer_to_human", "transfer", "transferred"),
    ],
)
def test_when_its_last_words_were_heard_the_call_is_left(tool, step, reason) -> None:
    call = leaving_call(tool)

    assert steps(says(call, 3.5, "Goodbye then.")) == [step]
    assert call.at(4.6, CallerGone())[-1] == End(reason=reason)
    assert call.conversation.ended == reason


def test_before_they_were_heard_it_is_not() -> None:
    call = leaving_call()

    sent = call.at(3.5, agent_text(GOODBYE), AgentAudio(sound(1.0)), deepgram.AgentAudioDone())

    assert steps(sent) == []
    assert call.session.next_wakeup() == 4.5 + LAST_MARK_PATIENCE_S


def test_a_mark_that_never_comes_back_is_not_waited_for_without_end() -> None:
    call = leaving_call()
    call.at(3.5, agent_text(GOODBYE), AgentAudio(sound(1.0)), deepgram.AgentAudioDone())

    assert steps(call.wake()) == ["hangup"]


def test_a_goodbye_whose_end_is_not_announced_is_heard_out() -> None:
    call = leaving_call()
    sent = call.at(3.5, agent_text(GOODBYE), AgentAudio(sound(1.0)))
    marks = [one.mark.name for one in sent if hasattr(one, "mark")]

    assert steps(call.at(4.5, mark(marks[-1]))) == []
    assert call.session.next_wakeup() == 4.5 + REPLY_PAUSE_S
    assert steps(call.wake()) == ["hangup"]


def test_a_goodbye_that_was_said_before_it_was_asked_is_enough() -> None:
    call = ready_call(fillers=(), **WORDS)
    call.at(3.0, user_text("That's all."))
    says(call, 3.2, GOODBYE)
    call.at(4.3, asks("end_call"))

    assert call.session.next_wakeup() == 4.3 + LAST_WORDS_S
    assert steps(call.wake()) == ["hangup"]


@pytest.mark.parametrize(
    ("tool", "text", "step", "without"),
    [
        ("end_call", GOODBYE, "hangup", "goodbye"),
        ("transfer_to_human", PUT_THROUGH, "transfer", "human"),
    ],
)
def test_an_agent_without_last_words_is_spoken_for(tool, text, step, without) -> None:
    heard, unheard = leaving_call(tool), leaving_call(tool)

    for call in (heard, unheard):
        assert call.session.next_wakeup() == 3.0 + LAST_WORDS_S
        assert FetchPhrase(kind="goodbye", text=text) in call.wake()
    heard.at(7.1, phrase("goodbye", text, 1.0))

    assert steps(heard.at(8.1, mark("0:2"))) == [step]
    assert steps(unheard.at(7.1, PhraseMissing(kind="goodbye", text=text))) == [without]


def test_a_lost_line_is_spoken_for_at_once() -> None:
    call = leaving_call()
    call.at(3.2, AgentLost(code="closed"))

    assert FetchPhrase(kind="goodbye", text=GOODBYE) in call.wake()
    assert call.now == 3.2
    assert call.session.next_wakeup() == 3.2 + LAST_WORDS_PATIENCE_S


def test_what_is_under_way_is_waited_for() -> None:
    call = leaving_call()
    call.at(3.1, asks("find_slots", FIND, id="fc2"))

    assert steps(says(call, 3.2, "One moment.")) == []
    call.at(
        4.5, OutcomeArrived(outcome=Done(function_call_id="fc2", tool="find_slots", content="{}"))
    )
    assert steps(says(call, 4.6, GOODBYE)) == ["hangup"]


# --- the caller has something more to say ----------------------------------------------------


def test_a_caller_who_speaks_into_the_goodbye_is_listened_to() -> None:
    call = leaving_call()
    call.at(3.5, agent_text(GOODBYE), AgentAudio(sound(2.0)))
    call.at(4.0, deepgram.UserStartedSpeaking())
    assert call.session.parts.ending.begun is False

    commands = call.at(5.0, user_text("One more thing."))

    (told,) = [one.prompt for one in commands if isinstance(one, deepgram.UpdatePrompt)]
    assert "end_call once more" in told
    assert steps(says(call, 5.5, "Of course, what is it?")) == []


def test_an_agent_that_cannot_be_told_is_not() -> None:
    call = leaving_call()
    call.at(3.4, deepgram.UserStartedSpeaking())
    call.at(3.5, AgentLost(code="closed"))

    commands = call.at(3.6, user_text("One more thing."))

    assert not [one for one in commands if isinstance(one, deepgram.UpdatePrompt)]


def test_a_cough_into_the_goodbye_keeps_nobody_on_the_line() -> None:
    call = leaving_call()
    call.at(3.5, agent_text(GOODBYE), AgentAudio(sound(2.0)), deepgram.AgentAudioDone())
    call.at(3.8, deepgram.UserStartedSpeaking())
    commands = call.wake()

    assert deepgram.InjectAgentMessage(message=GOODBYE) in commands
    assert steps(says(call, call.now + 0.5, GOODBYE)) == ["hangup"]


def test_a_transfer_is_not_taken_back() -> None:
    call = leaving_call("transfer_to_human", TRANSFER)
    call.at(3.2, deepgram.UserStartedSpeaking())
    call.at(4.0, user_text("Thank you."))

    assert steps(says(call, 4.5, PUT_THROUGH)) == ["transfer"]


def test_nor_is_it_by_a_goodbye() -> None:
    call = leaving_call("transfer_to_human", TRANSFER)
    call.at(3.1, asks("end_call", id="fc2"))

    assert steps(says(call, 3.5, PUT_THROUGH)) == ["transfer"]


def test_the_last_words_before_a_transfer_are_finished_whoever_speaks() -> None:
    call = leaving_call("transfer_to_human", TRANSFER)
    call.at(3.5, agent_text(PUT_THROUGH), AgentAudio(sound(2.0)), deepgram.AgentAudioDone())

    assert call.at(4.0, deepgram.UserStartedSpeaking()) == []
