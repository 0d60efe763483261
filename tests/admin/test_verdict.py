"""When a scenario's call may be said to have come to what it should: each promise can be broken."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from admin.evidence import Evidence
from admin.recognition import HeardLine
from admin.verdict import failures
from bridge.simulator.board import Note
from bridge.simulator.expect import Booked, Expect
from tools.schedule import Appointment

GREETING = "Thank you for calling Hillside Dental. How can I help you?"
FILLERS = ("One moment, please.", "Let me check that for you.")
OFFER = "I have Wednesday at one or three in the afternoon."
BOOKED = "Ines Moreau is booked for a cleaning on Wednesday."
WEDNESDAY = datetime(2026, 11, 25, 13, tzinfo=UTC)


def line(text: str, at_s: float = 0.0, *, words: str | None = None, **more: Any) -> HeardLine:
    fields: dict[str, Any] = {"from_start": True, "to_end": words is None} | more
    return HeardLine(
        at_s=at_s, until_s=at_s + 2, line=text, words=text if words is None else words, **fields
    )


def spoken(*texts: str) -> list[HeardLine]:
    return [line(text, at_s=4.0 * number) for number, text in enumerate((GREETING, *texts))]


def note(kind: str, **more: Any) -> Note:
    return Note(at=1.0, kind=kind, **more)


SESSION = [note("session"), note("settings", content='{"agent":{}}')]


def call(**more: Any) -> Evidence:
    """A call that comes to nothing, as it should, but for what is said of it."""
    fields: dict[str, Any] = {
        "outcome": "caller_hung_up",
        "why": "her script says so",
        "duration_s": 20.0,
        "heard": spoken(),
        "greeting": GREETING,
        "fillers": FILLERS,
        "notes": SESSION,
    }
    return Evidence(**(fields | more))


def noted(*notes: Note) -> Evidence:
    return call(notes=[*SESSION, *notes])


def appointment(**more: Any) -> Appointment:
    fields: dict[str, Any] = {
        "id": "1", "practice": "hillside", "patient_name": "Ines Moreau", "phone": "+12125550142",
        "provider": "Maya Torres", "service": "cleaning", "start": WEDNESDAY,
        "end": WEDNESDAY + timedelta(minutes=30), "call_sid": "CA1", "booked_utc": WEDNESDAY,
        "status": "booked",
    }  # fmt: skip
    return Appointment(**(fields | more))


def session_with(**agent: Any) -> list[Note]:
    content = msgspec.json.encode({"agent": agent}).decode()
    return [note("session"), note("settings", content=content)]


INES = Booked(patient_name="Ines Moreau", service="cleaning", weekday="wednesday", time="13:00")

# What is expected, a call that keeps it, a call that breaks it, and a word of what is then said.
CASES: dict[str, tuple[Expect, Evidence, Evidence, str]] = {
    "outcome": (
        Expect(outcome="bridge_hung_up"),
        call(outcome="bridge_hung_up"),
        call(),
        "her script says so",
    ),
    "streams": (Expect(streams=(1, 2)), call(streams=2), call(streams=3), "1 to 2 expected, 3"),
    "warnings": (Expect(), call(), call(warnings=[31951]), "31951 came"),
    "warnings asked for": (
        Expect(warnings=(31951,)),
        call(warnings=[31951, 31951]),
        call(),
        "31951 expected: none",
    ),
    "verbs": (
        Expect(verbs=("Say", "Dial")),
        call(verbs=["Connect", "Say", "Dial"]),
        call(verbs=["Connect", "Dial", "Say"]),
        "Connect, Dial, Say",
    ),
    "heard": (
        Expect(heard=("how can I help", OFFER)),
        call(heard=spoken(OFFER)),
        call(heard=[line(OFFER), line(GREETING, 4.0)]),
        "after “how can I help”",
    ),
    "heard over several lines": (
        Expect(heard=("Which suits you? Goodbye.",)),
        call(heard=spoken("Which suits you?", "Goodbye.")),
        call(heard=spoken("Which suits you?", OFFER, "Goodbye.")),
        "Which suits you? | I have",
    ),
    "heard, cut before its words": (
        Expect(heard=("three in the afternoon",)),
        call(heard=spoken(OFFER)),
        call(heard=[*spoken(), line(OFFER, 4.0, words="I have Wednesday at one")]),
        "I have Wednesday at one",
    ),
    "heard once": (
        Expect(heard_once=(OFFER,)),
        call(heard=spoken(OFFER)),
        call(heard=spoken(OFFER, OFFER)),
        "2 times",
    ),
    "heard once, not at all": (
        Expect(heard_once=(OFFER,)),
        call(heard=spoken(OFFER)),
        call(),
        "0 times",
    ),
    "heard at most once": (
        Expect(heard_at_most_once=(OFFER,)),
        call(),
        call(heard=spoken(OFFER, OFFER)),
        "2 times",
    ),
    "never heard": (
        Expect(never_heard=("booked for",)),
        call(heard=spoken(OFFER)),
        call(heard=spoken(BOOKED)),
        "booked for",
    ),
    "in full": (
        Expect(in_full=("is booked for",)),
        call(heard=spoken(BOOKED)),
        call(heard=[*spoken(), line(BOOKED, 4.0, words="Ines Moreau is booked for a")]),
        "is booked for a”",
    ),
    "in full, without a gap": (
        Expect(in_full=("is booked for",)),
        call(heard=[*spoken(), line(BOOKED, 4.0, gaps_ms=100.0)]),
        call(heard=[*spoken(), line(BOOKED, 4.0, gaps_ms=900.0)]),
        "in full",
    ),
    "in full, not at all": (
        Expect(in_full=("is booked for",)),
        call(heard=spoken(BOOKED)),
        call(),
        "nothing of it",
    ),
    "cut": (
        Expect(cut=("I have Wednesday",)),
        call(heard=[*spoken(), line(OFFER, 4.0, words="I have Wednesday at")]),
        call(heard=spoken(OFFER)),
        "to its end",
    ),
    "cut, not at all": (
        Expect(cut=("I have Wednesday",)),
        call(heard=[*spoken(), line(OFFER, 4.0, words="I have Wednesday at")]),
        call(),
        "was not heard",
    ),
    "greeted once": (Expect(), call(), call(heard=spoken(GREETING)), "greetings: 1 expected, 2"),
    "greeted at all": (Expect(), call(), call(heard=[]), "greetings: 1 expected, 0"),
    "not greeted": (Expect(greetings=0), call(heard=[]), call(), "greetings: 0 expected, 1"),
    "fillers": (
        Expect(fillers=2),
        call(heard=spoken(*FILLERS)),
        call(heard=spoken(FILLERS[0])),
        "fillers: 2 expected, 1",
    ),
    "no filler twice running": (
        Expect(),
        call(heard=spoken(*FILLERS, FILLERS[0])),
        call(heard=spoken(FILLERS[0], FILLERS[0])),
        "the same filler twice",
    ),
    "no filler twice running in one wait": (
        Expect(),
        call(heard=spoken(FILLERS[0], OFFER, FILLERS[0])),
        call(heard=spoken(OFFER, FILLERS[1], FILLERS[1])),
        "the same filler twice",
    ),
    "no stray sound": (
        Expect(),
        call(),
        call(heard=[*spoken(), line(OFFER, 9.0, words="in the afternoon.", from_start=False)]),
        "stray sound at 9.0 s",
    ),
    "altered": (
        Expect(altered=True),
        call(unknown_at_s=[7.25], heard=[*spoken(), line(OFFER, 9.0, from_start=False)]),
        call(unknown_at_s=[7.25], heard=[]),
        "greetings",
    ),
    "no unknown sound": (Expect(), call(), call(unknown_at_s=[7.25]), "7.2 s"),
    "interruptions": (
        Expect(interruptions=3),
        call(interruptions=3),
        call(interruptions=2),
        "interruptions: 3 expected, 2",
    ),
    "clears": (Expect(clears=(0, 1)), call(clears=1), call(clears=2), "clears: 0 to 1"),
    "silence": (
        Expect(longest_silence_ms=5000),
        call(longest_silence_ms=4999.0),
        call(longest_silence_ms=5100.0),
        "5,100 ms",
    ),
    "turn gap": (
        Expect(turn_gap_ms=2000),
        call(turn_gaps_ms=[700.0, 1900.0]),
        call(turn_gaps_ms=[700.0, 2100.0]),
        "2,100 ms",
    ),
    "booked": (
        Expect(booked=(INES,)),
        call(booked=[appointment()]),
        call(),
        "booked: nothing",
    ),
    "booked for the right day": (
        Expect(booked=(INES,)),
        call(booked=[appointment()]),
        call(booked=[appointment(start=WEDNESDAY + timedelta(days=1))]),
        "Thursday 13:00",
    ),
    "booked once": (
        Expect(booked=(INES,)),
        call(booked=[appointment()]),
        call(booked=[appointment(), appointment(id="2")]),
        "bookings 1 expected: 2",
    ),
    "booked twice when both are wanted": (
        Expect(booked=(INES, INES)),
        call(booked=[appointment(), appointment(id="2")]),
        call(booked=[appointment()]),
        "booking expected",
    ),
    "nothing booked": (Expect(), call(), call(booked=[appointment()]), "bookings 0 expected: 1"),
    "sessions": (
        Expect(sessions=2),
        noted(note("session")),
        call(),
        "sessions of the agent: 2 expected, 1",
    ),
    "refused handshakes": (
        Expect(refused_sessions=1),
        noted(note("refused", name="handshake", code="429")),
        noted(note("refused", name="injection")),
        "refused handshakes: 1 expected, 0",
    ),
    "agent's errors": (
        Expect(agent_errors=("SERVER_GOING_AWAY",)),
        noted(note("error", code="SERVER_GOING_AWAY")),
        call(),
        "SERVER_GOING_AWAY",
    ),
    "no error of the agent": (
        Expect(),
        call(),
        noted(note("error", code="INVALID_SETTINGS", content="speak is missing")),
        "speak is missing",
    ),
    "agent heard": (
        Expect(agent_heard=("I'd like a cleaning", "thank you")),
        noted(note("heard", text="Hi, I'd like a cleaning."), note("heard", text="Thank you!")),
        noted(note("heard", text="Hi, I'd like"), note("heard", text="Thank you!")),
        "Hi, I'd like | Thank you!",
    ),
    "agent never heard": (
        Expect(agent_never_heard=("inaudible",)),
        call(),
        noted(note("heard", text="(inaudible)")),
        "inaudible",
    ),
    "asked": (
        Expect(asked={"find_slots": (1, 2)}),
        noted(note("asked", name="find_slots")),
        noted(*[note("asked", name="find_slots")] * 3),
        "function calls of find_slots: 1 to 2 expected, 3",
    ),
    "asked nothing else": (
        Expect(asked={"find_slots": 1}),
        noted(note("asked", name="find_slots")),
        noted(note("asked", name="find_slots"), note("asked", name="book_appointment")),
        "book_appointment: 0 expected, 1",
    ),
    "answered": (
        Expect(answered=1),
        noted(note("answered", content="{}")),
        noted(note("late", content="{}")),
        "answered function calls: 1 expected, 0",
    ),
    "cancelled": (
        Expect(cancelled=1),
        noted(note("cancelled")),
        call(),
        "cancelled function calls: 1",
    ),
    "answers": (
        Expect(answers=("call you back",)),
        noted(note("answered", content='{"say":"Someone will call you back."}')),
        noted(note("answered", content='{"say":"Booked."}')),
        "Booked",
    ),
    "updates": (
        Expect(updates=("UpdateListen", "UpdateListen")),
        noted(note("updated", name="UpdateListen"), note("updated", name="UpdateListen")),
        noted(note("updated", name="UpdateListen")),
        "updates UpdateListen, UpdateListen expected: UpdateListen",
    ),
    "told": (
        Expect(told=("quieter place", "are you still there")),
        noted(
            note("updated", name="UpdatePrompt", content='{"prompt":"Ask for a quieter place."}'),
            note("injected", text="Are you still there?"),
        ),
        noted(note("injected", text="Are you still there?")),
        "quieter place",
    ),
    "never told": (
        Expect(never_told=("still there",)),
        call(),
        noted(note("injected", text="Are you still there?")),
        "still there",
    ),
    "handed over": (
        Expect(handed_over=("I have Wednesday",)),
        call(notes=session_with(context={"messages": [{"content": "I have Wednesday at"}]})),
        call(notes=session_with(prompt="Be kind.")),
        "I have Wednesday",
    ),
    "handed over to the last session": (
        Expect(handed_over=("Wednesday",), sessions=2),
        call(notes=[*session_with(), *session_with(prompt="Wednesday")]),
        call(notes=[*session_with(prompt="Wednesday"), *session_with()]),
        "Wednesday",
    ),
    "not handed over": (
        Expect(not_handed_over=("three in the afternoon",)),
        call(notes=session_with(prompt="I have Wednesday at one")),
        call(notes=session_with(prompt=OFFER)),
        "three in the afternoon",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_promise_that_is_kept_passes(name: str) -> None:
    expect, kept, _, _ = CASES[name]

    assert failures(expect, kept) == []


@pytest.mark.parametrize("name", CASES)
def test_a_promise_that_is_broken_is_told_with_what_was_there_instead(name: str) -> None:
    expect, _, broken, says = CASES[name]

    told = failures(expect, broken)

    assert told
    assert any(says in each for each in told), told


def test_every_expectation_there_is_has_a_case_in_which_it_fails() -> None:
    judged = {
        field
        for expect, _, _, _ in CASES.values()
        for field in Expect.__struct_fields__
        if getattr(expect, field) != getattr(Expect(), field)
    }

    assert judged >= {*Expect.__struct_fields__} - {"longest_silence_ms"}


def test_texts_are_compared_by_their_words() -> None:
    heard = spoken("I'm sorry, we don't have that.")

    assert failures(Expect(heard=("im sorry we dont have that",)), call(heard=heard)) == []
