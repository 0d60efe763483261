"""A calendar that is away: the agent is told once, and told again when it is back."""

import pytest

from bridge.call.commands import Command
from bridge.call.events import AgentLost, OutcomeArrived
from bridge.wire import deepgram
from tests.call.calls import FIND, Call, asks, ready_call
from tools.contract import Done, Failed


def prompted(commands: list[Command]) -> list[str]:
    return [one.prompt for one in commands if isinstance(one, deepgram.UpdatePrompt)]


def ask(call: Call, id: str, code: str = "") -> list[str]:
    """What the agent is told beside the answer; the function call is refused with this code."""
    call.at(call.now + 1.0, asks("find_slots", FIND, id=id))
    known = {"function_call_id": id, "tool": "find_slots"}
    if code:
        return prompted(
            call.at(call.now, OutcomeArrived(outcome=Failed(code=code, say="Not now.", **known)))
        )
    return prompted(call.at(call.now, OutcomeArrived(outcome=Done(content="{}", **known))))


@pytest.mark.parametrize("code", ["breaker", "full", "no_worker"])
def test_several_refusals_running_are_told_once(code: str) -> None:
    call = ready_call()

    assert ask(call, "a", code) == []
    (away,) = ask(call, "b", code)
    assert "offer to take a message" in away
    assert ask(call, "c", code) == []


def test_the_agent_knows_before_it_has_its_answer() -> None:
    call = ready_call()
    ask(call, "a", "breaker")
    call.at(4.0, asks("find_slots", FIND, id="b"))
    refused = Failed(function_call_id="b", tool="find_slots", code="breaker", say="Not now.")

    first, second, _ = call.at(4.0, OutcomeArrived(outcome=refused))

    assert isinstance(first, deepgram.UpdatePrompt)
    assert isinstance(second, deepgram.FunctionCallResponse)


def test_an_answer_ends_it() -> None:
    call = ready_call()
    ask(call, "a", "breaker")
    ask(call, "b", "breaker")

    (back,) = ask(call, "c")

    assert "can be reached again" in back
    assert ask(call, "d") == []


def test_an_answer_in_between_makes_refusals_no_series() -> None:
    call = ready_call()
    ask(call, "a", "breaker")
    ask(call, "b")

    assert ask(call, "c", "breaker") == []


def test_other_failures_are_no_refusals() -> None:
    call = ready_call()

    assert [ask(call, id, "unavailable") for id in "abc"] == [[], [], []]


def test_other_tools_know_nothing_of_the_calendar() -> None:
    quiet = ready_call()
    for id in "abc":
        quiet.at(quiet.now + 1.0, asks("take_message", '{"message":"Hello."}', id=id))
        refused = Failed(function_call_id=id, tool="order_pizza", code="full", say="Not now.")

        assert prompted(quiet.at(quiet.now, OutcomeArrived(outcome=refused))) == []


def test_a_new_session_is_told_anew() -> None:
    call = ready_call()
    ask(call, "a", "breaker")
    ask(call, "b", "breaker")
    call.at(5.0, AgentLost(code="closed"))
    call.at(5.5, deepgram.Welcome(request_id="r2"), deepgram.SettingsApplied())

    assert len(ask(call, "c", "breaker")) == 1
