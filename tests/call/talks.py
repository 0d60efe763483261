"""A conversation under test, without the call around it."""

from typing import Any

from bridge.call.conversation import Conversation, FunctionCallNote, Utterance


def a_talk(*utterances: Utterance, **fields: Any) -> Conversation:
    known: dict[str, Any] = {"call_sid": "CA1", "practice": "hillside", "started_utc": 1.7e9}
    return Conversation(utterances=list(utterances), **(known | fields))


def caller(text: str, at_s: float) -> Utterance:
    return Utterance(speaker="caller", text=text, at_s=at_s)


def agent(text: str, at_s: float, **fields: Any) -> Utterance:
    return Utterance(speaker="agent", text=text, at_s=at_s, **fields)


def booking(**fields: Any) -> FunctionCallNote:
    """Asked after five seconds and done after six, unless the test says otherwise."""
    values: dict[str, Any] = {
        "function_call_id": "b1",
        "tool": "book_appointment",
        "arguments": "{}",
        "at_s": 5.0,
        "effect": True,
        "response": '{"result":"booked","say":"Ann Lee is booked for a cleaning."}',
        "answered_s": 6.0,
        "outcome": "done",
    }
    return FunctionCallNote(**(values | fields))


def a_read(at_s: float, answered_s: float | None, **fields: Any) -> FunctionCallNote:
    values: dict[str, Any] = {
        "function_call_id": f"r{at_s}",
        "tool": "find_slots",
        "arguments": '{"service":"cleaning"}',
        "at_s": at_s,
        "response": None if answered_s is None else '{"say":"Nine is free."}',
        "answered_s": answered_s,
        "outcome": "" if answered_s is None else "done",
    }
    return FunctionCallNote(**(values | fields))
