"""The agent tuned in mid-call: how it listens while she spells, and in which voice it speaks."""

from typing import Any

import pytest

from bridge.call.commands import Command, FetchPhrase
from bridge.call.events import AgentAudio, AgentLost, OutcomeArrived
from bridge.wire import deepgram
from tests.call.calls import (
    BOOK,
    FIND,
    Call,
    agent_text,
    asks,
    ready_call,
    sound,
    user_text,
)
from tools.contract import Done


def listen(threshold: float) -> deepgram.UpdateListen:
    provider = deepgram.ListenFlux(model="flux-general-en", eot_threshold=threshold)
    return deepgram.UpdateListen(listen=deepgram.Listen(provider=provider))


def voice(model: str) -> deepgram.UpdateSpeak:
    return deepgram.UpdateSpeak(speak=deepgram.Speak(provider=deepgram.DeepgramSpeak(model=model)))


USUAL, CLOSELY = listen(0.7), listen(0.9)
CALM, BRIGHT, PLAIN = voice("aura-2-athena-en"), voice("aura-2-iris-en"), voice("aura-2-luna-en")
BOOKED = '{"result":"booked","say":"Booked."}'


def tuned_call(**options: Any) -> Call:
    known: dict[str, Any] = {
        "listening": USUAL,
        "spelling": CLOSELY,
        "spelling_cues": ("spell", "letter by letter"),
        "voices": {"serious": CALM, "confirmation": BRIGHT},
        "usual_voice": PLAIN,
        "serious_cues": ("pain", "blood"),
    }
    return ready_call(**(known | options))


def updates(commands: list[Command]) -> list[Command]:
    return [
        one for one in commands if isinstance(one, deepgram.UpdateListen | deepgram.UpdateSpeak)
    ]


# --- spelling --------------------------------------------------------------------------------


def test_asked_to_spell_the_caller_is_listened_to_for_longer() -> None:
    assert updates(tuned_call().at(3.0, agent_text("Could you spell that?"))) == [CLOSELY]


def test_cues_are_found_however_they_are_written() -> None:
    assert updates(tuned_call().at(3.0, agent_text("Letter by LETTER, please."))) == [CLOSELY]


def test_other_words_of_the_agent_change_nothing() -> None:
    assert updates(tuned_call().at(3.0, agent_text("Which day?"))) == []


def test_asked_twice_it_is_told_once() -> None:
    call = tuned_call()
    call.at(3.0, agent_text("Could you spell that?"))

    assert updates(call.at(3.5, agent_text("Please spell it."))) == []


def test_what_she_spelled_ends_it() -> None:
    call = tuned_call()
    call.at(3.0, agent_text("Could you spell that?"))

    assert updates(call.at(6.0, user_text("L, E, E."))) == [USUAL]


def test_the_acknowledgement_is_not_waited_for() -> None:
    call = tuned_call()
    call.at(3.0, agent_text("Could you spell that?"))
    call.at(6.0, user_text("L, E, E."))

    assert updates(call.at(7.0, agent_text("Please spell it again."))) == [CLOSELY]
    assert call.at(18.0, deepgram.ListenUpdated(), deepgram.SpeakUpdated()) == []


def test_words_of_hers_that_nobody_asked_to_spell_change_nothing() -> None:
    assert updates(tuned_call().at(3.0, user_text("Hello."))) == []


def test_a_practice_without_a_way_for_spelling_has_none() -> None:
    assert updates(tuned_call(spelling=None).at(3.0, agent_text("Could you spell that?"))) == []


def test_without_a_usual_way_there_is_none_to_return_to() -> None:
    call = tuned_call(listening=None)
    call.at(3.0, agent_text("Could you spell that?"))

    assert updates(call.at(6.0, user_text("L, E, E."))) == []


def test_a_new_session_listens_as_usual() -> None:
    call = tuned_call()
    call.at(3.0, agent_text("Could you spell that?"), AgentAudio(sound(1.5)))
    call.at(3.1, AgentLost(code="closed"))
    call.at(3.4, deepgram.Welcome(request_id="r2"))
    call.at(3.6, deepgram.SettingsApplied())

    assert updates(call.at(6.0, user_text("L, E, E."))) == []


def test_what_the_agent_says_after_it_was_cut_changes_nothing() -> None:
    call = tuned_call()
    call.at(3.0, agent_text("Which day?"), AgentAudio(sound(2.0)))
    call.at(3.5, deepgram.UserStartedSpeaking())

    assert updates(call.at(3.6, agent_text("Could you spell that?"))) == []


# --- voices ----------------------------------------------------------------------------------


def test_a_grave_matter_is_spoken_of_in_another_voice() -> None:
    assert updates(tuned_call().at(3.0, user_text("I am in PAIN."))) == [CALM]


def test_it_is_as_long_as_the_matter_is() -> None:
    call = tuned_call()
    call.at(3.0, user_text("I am in pain."))

    assert updates(call.at(6.0, user_text("There is blood, too."))) == []
    assert updates(call.at(9.0, user_text("Thank you."))) == [PLAIN]


def confirmed(call: Call, at: float) -> list[Command]:
    """Something was booked; what that commands."""
    call.at(at, asks("book_appointment", BOOK))
    done = Done(function_call_id="fc1", tool="book_appointment", content=BOOKED)
    return call.at(at + 0.5, OutcomeArrived(outcome=done))


def test_what_was_done_is_told_in_another_voice_which_is_there_before_the_answer() -> None:
    commands = confirmed(tuned_call(), 3.0)

    assert commands[0] == BRIGHT
    assert isinstance(commands[1], deepgram.FunctionCallResponse)


def test_the_usual_voice_returns_with_the_callers_next_words() -> None:
    call = tuned_call()
    confirmed(call, 3.0)

    assert updates(call.at(6.0, user_text("Thank you."))) == [PLAIN]


def test_a_booking_that_came_to_nothing_is_told_in_the_usual_voice() -> None:
    call = tuned_call()
    call.at(3.0, asks("book_appointment", BOOK))
    taken = Done(function_call_id="fc1", tool="book_appointment", content='{"result":"taken"}')

    assert updates(call.at(3.5, OutcomeArrived(outcome=taken))) == []


def test_a_practice_with_one_voice_is_told_of_none() -> None:
    call = tuned_call(voices={}, usual_voice=PLAIN)

    assert updates(confirmed(call, 3.0)) == []
    assert updates(call.at(6.0, user_text("I am in pain."))) == []


def test_a_context_without_a_voice_of_its_own_has_the_usual_one() -> None:
    call = tuned_call(voices={"confirmation": BRIGHT})
    confirmed(call, 3.0)

    assert updates(call.at(6.0, user_text("I am in pain."))) == [PLAIN]


def test_our_own_phrases_are_spoken_in_the_voice_of_the_moment() -> None:
    call = tuned_call()
    call.at(3.0, user_text("I am in pain."), asks("find_slots", FIND))

    (filler,) = [one for one in call.wake() if isinstance(one, FetchPhrase)]

    assert filler.context == "serious"


def test_a_new_session_speaks_in_the_usual_voice_until_it_knows_better() -> None:
    call = tuned_call()
    call.at(3.0, user_text("I am in pain."))
    call.at(3.1, AgentLost(code="closed"))
    call.at(3.4, deepgram.Welcome(request_id="r2"))
    call.at(3.6, deepgram.SettingsApplied())

    told_back = call.at(3.7, deepgram.UserStartedSpeaking(), user_text("I am in pain."))

    assert updates(told_back) == [CALM]


@pytest.mark.parametrize("acknowledgement", [deepgram.SpeakUpdated(), deepgram.PromptUpdated()])
def test_acknowledgements_mean_nothing(acknowledgement: Any) -> None:
    assert tuned_call().at(3.0, acknowledgement) == []
