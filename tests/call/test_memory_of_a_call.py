"""What a call notes by itself: details, points to return to, the summary, a poor line."""

from typing import Any

import msgspec
import pytest

from bridge.call.commands import Command, FetchPhrase, RunTool, Save
from bridge.call.events import AgentAudio, AgentLost, OutcomeArrived
from bridge.call.window import TOOL
from bridge.wire import deepgram, mulaw
from tests.call import sounds
from tests.call.calls import (
    BOOK,
    FILLERS,
    Call,
    agent_text,
    asks,
    media,
    phrase,
    ready_call,
    sound,
    start,
    user_text,
)
from tools.contract import Done, Failed

POOR = "The line is poor."
TUESDAY = '{"details":{"day":"Tuesday"}}'


def told(commands: list[Command]) -> dict:
    """The content of the one answer among them."""
    (answer,) = [one for one in commands if isinstance(one, deepgram.FunctionCallResponse)]
    return msgspec.json.decode(answer.content)


# --- tools of the call's own -----------------------------------------------------------------


def test_a_detail_is_noted_and_answered_at_once_without_a_job() -> None:
    call = ready_call(details=("day",))

    commands = call.at(3.0, asks("remember_details", TUESDAY))

    assert told(commands)["known"] == {"day": "Tuesday"}
    assert [type(one) for one in commands] == [deepgram.FunctionCallResponse, Save]
    assert call.conversation.known == {"day": "Tuesday"}


def test_the_answer_has_the_requests_own_id_and_signature() -> None:
    call = ready_call(details=("day",))

    (answer, _) = call.at(3.0, asks("remember_details", TUESDAY, id="r1", thought_signature="s"))

    assert isinstance(answer, deepgram.FunctionCallResponse)
    assert (answer.id, answer.thought_signature) == ("r1", "s")


def test_it_is_noted_as_answered() -> None:
    call = ready_call(details=("day",))

    call.at(3.0, asks("remember_details", TUESDAY))

    (note,) = call.conversation.function_calls
    assert (note.outcome, note.answered_s) == ("done", 3.0)


def test_a_practice_that_takes_no_such_detail_takes_none() -> None:
    call = ready_call(details=("name",))

    assert told(call.at(3.0, asks("remember_details", TUESDAY)))["not_taken"] == ["day"]


def test_wrong_arguments_of_such_a_tool_are_answered_with_what_to_change() -> None:
    call = ready_call(details=("day",))

    assert told(call.at(3.0, asks("remember_details", "{}")))["error"] == "bad_arguments"


def test_after_such_an_answer_the_agent_owes_the_next_word() -> None:
    call = ready_call(details=("day",), stall_after_s=5.0, fillers=())

    call.at(3.0, asks("remember_details", TUESDAY))

    assert call.session.next_wakeup() == 8.0


def test_the_summarys_tool_is_the_calls_own_business() -> None:
    answer = told(ready_call().at(3.0, asks(TOOL, '{"said":[]}')))

    assert answer["error"] == "unknown_tool"
    assert TOOL not in answer["say"]


# --- points to return to ---------------------------------------------------------------------


def test_the_beginning_is_a_point_to_return_to() -> None:
    call = ready_call()

    assert [(one.why, one.at_s) for one in call.conversation.save_points] == [("beginning", 0.0)]


def test_a_stream_that_continues_a_call_adds_none() -> None:
    before = ready_call(details=("day",))
    before.at(3.0, asks("remember_details", TUESDAY))

    call = Call(before.conversation)
    call.at(0.0, start("MZ2"))

    assert len(call.conversation.save_points) == 1


def test_starting_over_forgets_what_was_said_since() -> None:
    call = ready_call(details=("day",))
    call.at(3.0, asks("remember_details", TUESDAY))

    answer = told(call.at(5.0, asks("start_over", "{}", id="so")))

    assert answer["forgotten"] == ["day"]
    assert call.conversation.known == {}


def test_what_was_done_is_a_point_to_return_to_and_stays_done() -> None:
    call = ready_call(details=("day",))
    call.at(3.0, asks("remember_details", TUESDAY), asks("book_appointment", BOOK, id="b"))
    booked = '{"result":"booked","say":"Ann is booked."}'
    done = Done(function_call_id="b", tool="book_appointment", content=booked)
    call.at(4.0, OutcomeArrived(outcome=done))

    answer = told(call.at(5.0, asks("start_over", "{}", id="so")))

    assert [one.why for one in call.conversation.save_points] == ["beginning", "book_appointment"]
    assert (answer["known"], answer["done"]) == ({"day": "Tuesday"}, ["Ann is booked."])


def test_a_booking_that_was_refused_is_none() -> None:
    call = ready_call()
    call.at(3.0, asks("book_appointment", BOOK))
    taken = Done(function_call_id="fc1", tool="book_appointment", content='{"result":"taken"}')

    call.at(4.0, OutcomeArrived(outcome=taken))

    assert len(call.conversation.save_points) == 1


# --- the summary -----------------------------------------------------------------------------


def long_talk(**options: Any) -> tuple[Call, list[Command]]:
    """Nine turns; what they commanded."""
    call = ready_call(**({"window_turns": 4} | options))
    commands: list[Command] = []
    for turn in range(4):
        at = 3.0 + 4 * turn
        commands += call.at(at, user_text(f"Question {turn}?"))
        call.at(at + 1, agent_text(f"Answer {turn}."))
    return call, commands


def summary_asked(commands: list[Command]) -> list[RunTool]:
    return [one for one in commands if isinstance(one, RunTool) and one.job.tool == TOOL]


@pytest.mark.parametrize("turns", [4, 40])
def test_a_talk_longer_than_its_window_is_summarised(turns: int) -> None:
    asked = summary_asked(long_talk(window_turns=turns)[1])

    assert bool(asked) is (turns == 4)


def test_a_summary_that_comes_stands_for_what_it_summed_up() -> None:
    call, _ = long_talk()
    wanted = call.conversation.summarising
    summary = Done(
        function_call_id=wanted.function_call_id, tool=TOOL, content='{"summary":"They talked."}'
    )

    assert call.at(30.0, OutcomeArrived(outcome=summary)) == [Save()]
    assert call.conversation.summary == "They talked."
    assert call.conversation.summarised == wanted.until
    assert call.session.late_outcomes == 0


def test_a_summary_that_failed_changes_nothing() -> None:
    call, _ = long_talk()
    failed = Failed(
        function_call_id=call.conversation.summarising.function_call_id,
        tool=TOOL,
        code="unavailable",
        say="",
    )

    assert call.at(30.0, OutcomeArrived(outcome=failed)) == []
    assert call.conversation.summary == ""


def test_a_summary_is_asked_for_by_the_callers_turn_and_no_filler_waits_for_it() -> None:
    call = ready_call(window_turns=3, agent_filler_after_s=100.0, stall_after_s=200.0)
    call.at(3.0, user_text("One?"))
    call.at(4.0, agent_text("Yes."))

    commands = call.at(5.0, user_text("Two?"))

    (asked,) = summary_asked(commands)
    assert asked.job.function_call_id == call.conversation.summarising.function_call_id
    assert call.session.next_wakeup() == 105.0


def test_a_summary_that_comes_while_the_line_is_down_is_taken_all_the_same() -> None:
    call, _ = long_talk()
    wanted = call.conversation.summarising
    call.at(29.0, AgentLost(code="closed"))
    summary = Done(
        function_call_id=wanted.function_call_id, tool=TOOL, content='{"summary":"They talked."}'
    )

    assert call.at(30.0, OutcomeArrived(outcome=summary)) == [Save()]


@pytest.mark.parametrize("beside", [0, 7000])
def test_what_prompt_and_tools_take_counts_towards_the_budget(beside: int) -> None:
    call = ready_call(window_turns=100, window_tokens=5000, token_budget=8000, beside_tokens=beside)
    commands = call.at(3.0, user_text("One? " * 100))
    commands += call.at(4.0, agent_text("Yes. " * 100))
    commands += call.at(5.0, user_text("Two?"))

    assert bool(summary_asked(commands)) is bool(beside)


# --- a poor line -----------------------------------------------------------------------------


def heard(call: Call, sound: bytes, since: float) -> float:
    """The caller's line carries this; returns when it is over."""
    for start_at in range(0, len(sound), mulaw.FRAME_BYTES):
        since += 0.02
        call.at(since, media(sound[start_at : start_at + mulaw.FRAME_BYTES]))
    return since


def noisy_call(**options: Any) -> tuple[Call, float]:
    talk = sounds.mixed(sounds.talk(20, -30), sounds.noise(20, -38))
    call = ready_call(**({"poor_line": POOR, "idle_after_s": 500.0} | options))
    return call, heard(call, sounds.on_the_line(talk), 2.0)


def prompts(commands: list[Command]) -> list[str]:
    return [one.prompt for one in commands if isinstance(one, deepgram.UpdatePrompt)]


def test_the_agent_is_told_of_a_poor_line_with_the_callers_next_words() -> None:
    call, now = noisy_call()

    assert prompts(call.at(now, user_text("Hello?"))) == [POOR]
    assert call.session.quality.poor == "noisy"


def test_it_is_told_once() -> None:
    call, now = noisy_call()
    call.at(now, user_text("Hello?"))

    assert prompts(call.at(now + 5, user_text("Hello?"))) == []


def test_a_practice_may_leave_it_untold() -> None:
    call, now = noisy_call(poor_line="")

    assert prompts(call.at(now, user_text("Hello?"))) == []


def test_of_a_good_line_nothing_is_told() -> None:
    call = ready_call(poor_line=POOR, idle_after_s=500.0)
    talk = sounds.mixed(sounds.talk(20, -24), sounds.noise(20, -60))
    now = heard(call, sounds.on_the_line(talk), 2.0)

    assert prompts(call.at(now, user_text("Hello?"))) == []


# --- what of the line is the agent's own voice -----------------------------------------------

QUIET = b"\x7d" * mulaw.FRAME_BYTES


def is_heard(call: Call, since: float, seconds: float) -> bool:
    """Whether the agent counts as audible on the line, so long after that."""
    for number in range(round(seconds * 50)):
        call.at(since + number * 0.02, media(QUIET))
    return call.session.parts.ear.quality.agent_audible


def listening_call() -> Call:
    """A line that carries frames; the greeting and its echo are over at 3.0 s."""
    call = ready_call(idle_after_s=500.0)
    assert not is_heard(call, 1.0, 2.0)
    return call


def asked_for_a_filler(call: Call) -> None:
    call.at(3.0, user_text("Hello."))
    while not any(isinstance(one, FetchPhrase) for one in call.wake()):
        pass


def test_the_agent_is_heard_on_the_line_while_it_speaks_and_a_little_longer() -> None:
    call = listening_call()
    call.at(3.0, AgentAudio(sound(1.0)))

    assert is_heard(call, 3.0, 1.2)
    assert not is_heard(call, 4.2, 0.6)


def test_so_is_a_phrase_of_ours() -> None:
    call = ready_call(idle_after_s=500.0)

    assert is_heard(call, 1.0, 0.5)


def test_and_a_filler() -> None:
    call = listening_call()
    asked_for_a_filler(call)
    call.at(6.0, phrase("filler", FILLERS[0], 1.0))

    assert is_heard(call, 6.0, 0.5)


def test_what_the_caller_cut_is_not() -> None:
    call = listening_call()
    call.at(3.0, AgentAudio(sound(4.0)))
    call.at(3.1, deepgram.UserStartedSpeaking())

    assert not is_heard(call, 3.1, 0.7)


def test_nor_is_a_filler_that_the_answer_cut() -> None:
    call = listening_call()
    asked_for_a_filler(call)
    call.at(6.0, phrase("filler", FILLERS[0], 4.0))
    call.at(6.1, AgentAudio(sound(0.2)))

    assert not is_heard(call, 6.1, 0.9)


# --- the caller's sound, altered on wish -----------------------------------------------------


def on_its_way(call: Call, sound: bytes) -> bytes:
    """What the agent hears of it."""
    passed = b""
    for number, start_at in enumerate(range(0, len(sound), mulaw.FRAME_BYTES)):
        frame = sound[start_at : start_at + mulaw.FRAME_BYTES]
        for command in call.at(2.0 + number * 0.02, media(frame)):
            passed += getattr(command, "audio", b"")
    return passed


SOFT_TALK = sounds.on_the_line(
    sounds.mixed(
        sounds.talk(3, -36) + sounds.nothing(1) + sounds.talk(2, -36), sounds.noise(6, -62)
    )
)


def test_without_a_wish_the_sound_is_the_callers_own() -> None:
    assert on_its_way(ready_call(idle_after_s=500.0), SOFT_TALK) == SOFT_TALK


def test_a_quiet_line_is_silent_between_the_words() -> None:
    passed = on_its_way(ready_call(noise_gate=True, idle_after_s=500.0), SOFT_TALK)

    assert len(passed) == len(SOFT_TALK)
    assert mulaw.silence(100) in passed
    assert mulaw.silence(100) not in SOFT_TALK


def test_an_even_voice_is_as_loud_as_voices_are() -> None:
    passed = on_its_way(ready_call(even_volume=True, idle_after_s=500.0), SOFT_TALK)

    assert len(passed) == len(SOFT_TALK)
    assert mulaw.level_dbfs(passed[-8000:]) > mulaw.level_dbfs(SOFT_TALK[-8000:]) + 3


def test_what_was_measured_is_the_line_and_not_what_was_made_of_it() -> None:
    call = ready_call(even_volume=True, noise_gate=True, idle_after_s=500.0)
    plain = ready_call(idle_after_s=500.0)
    on_its_way(call, SOFT_TALK)
    on_its_way(plain, SOFT_TALK)

    assert call.session.quality == plain.session.quality


def test_a_call_knows_how_many_sessions_of_the_agent_it_had() -> None:
    call = ready_call()
    call.at(5.0, AgentLost(code="closed"))
    call.at(5.2, deepgram.Welcome(request_id="r2"))
    call.at(5.4, deepgram.SettingsApplied())

    assert call.session.agent_sessions == 2
