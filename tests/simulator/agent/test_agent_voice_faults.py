"""Oddities of the agent's voice, of its thinking and of what its messages look like."""

import json

import pytest

from bridge.simulator.faults import Faults
from bridge.simulator.scenario import Action, AgentRule, Listening
from bridge.wire import deepgram
from bridge.wire.mulaw import FRAME_BYTES, silence
from tests.simulator.agent.scripts import (
    BOOK_ME,
    EAGER_ONLY_MS,
    FIND,
    LATER,
    LONG,
    THANKS,
    ask,
    hears,
    inject,
    say,
    scenario,
    words,
)

LINE = hears("cleaning", say(LONG))


async def interrupted(client, emulator, *, by=LATER, **more):
    """The agent is speaking a long sentence when the caller begins to."""
    emulator.options.pace = 1
    await client.send(words(BOOK_ME))
    while "sound" not in client.kinds():
        await client.receive()
    client.forget()
    await client.say(by, **more)


# --- AgentAudioDone --------------------------------------------------------------------------


async def test_the_end_of_audio_may_be_told_before_the_audio_is_out(dial, voices):
    call = scenario(LINE, faults=Faults(audio_done_early_ms=1000))
    async with dial(call) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")
        early = len(client.sound_seen())
        await client.settled()
        while len(client.sound_seen()) < len(voices.render(LONG, "agent")):
            await client.receive()

    assert 0 < len(voices.render(LONG, "agent")) - early <= 8000
    assert len(client.messages("AgentAudioDone")) == 1


async def test_the_end_of_cut_audio_may_never_be_told(dial, emulator):
    call = scenario(
        LINE, hears("another day", say("Sure.")), faults=Faults(barge_in_audio_done="missing")
    )
    async with dial(call) as client:
        await interrupted(client, emulator)
        await client.until("AgentAudioDone")

    assert client.texts() == [LATER, "Sure."]


async def test_the_end_of_cut_audio_may_be_told_within_the_next_reply(dial, emulator):
    faults = Faults(barge_in_audio_done="late", audio_done_delay_ms=600)
    call = scenario(LINE, AgentRule(hears=["bye"], think_ms=0, do=[say(LONG)]), faults=faults)
    async with dial(call) as client:
        await interrupted(client, emulator, by=THANKS)
        await client.until("AgentAudioDone")
        cut_short = client.kinds()
        await client.until("AgentAudioDone")

    assert cut_short[-2:] == ["sound", "AgentAudioDone"]
    assert client.kinds()[len(cut_short) :][-1] == "AgentAudioDone"
    assert client.texts() == [THANKS, LONG]


# --- stray sound -----------------------------------------------------------------------------


async def test_stray_sound_may_come_late_and_is_noted(dial, emulator, noted):
    call = scenario(LINE, faults=Faults(stray_audio_ms=200, stray_delay_ms=50))
    async with dial(call) as client:
        await interrupted(client, emulator, then_silent_ms=0)
        await client.until("AgentAudioDone")
        assert client.sound_seen() == b""
        while not client.sound_seen():
            await client.receive()

    assert len(client.sound_seen()) == 200 * 8
    assert [note.ms for note in noted("stray")] == [200]


async def test_no_stray_sound_comes_behind_the_callers_words(dial, emulator, noted):
    call = scenario(
        LINE,
        hears("another day", say("Sure.")),
        faults=Faults(stray_audio_ms=200, stray_delay_ms=100),
    )
    async with dial(call) as client:
        await interrupted(client, emulator)
        await client.until("AgentAudioDone")
        client.forget()
        await client.until("AgentAudioDone")

    assert noted("stray") == []
    assert client.texts() == [LATER, "Sure."]


# --- words without sound, and no words at all ------------------------------------------------


async def test_the_first_replies_may_be_told_and_not_spoken(dial, voices, noted):
    call = scenario(
        hears("cleaning", say("Which day? Any?")),
        hears("another day", say("Sure.")),
        faults=Faults(mute_replies=1),
    )
    async with dial(call) as client:
        await client.say(BOOK_ME)
        while "Any?" not in client.texts():
            await client.receive()
        await client.say(LATER)
        await client.until("AgentAudioDone")

    assert client.texts() == [BOOK_ME, "Which day?", "Any?", LATER, "Sure."]
    assert client.sound_seen() == voices.render("Sure.", "agent")
    assert len(client.messages("AgentAudioDone")) == 1
    assert [note.text for note in noted("told")] == ["Which day?", "Any?"]


async def test_a_mute_agent_still_speaks_injected_lines(dial, voices):
    async with dial(scenario(LINE, faults=Faults(mute_replies=-1))) as client:
        await client.say(BOOK_ME)
        await client.until("EndOfTurn")
        await client.send(inject("One moment.", "queue"))
        await client.until("AgentAudioDone")

    assert client.sound_seen() == voices.render("One moment.", "agent")


async def test_an_agent_may_hear_the_words_and_never_answer(dial, noted):
    faults = Faults(stall_turns=1)
    call = scenario(hears("cleaning", ask(FIND)), hears("bye", say("Bye.")), faults=faults)
    async with dial(call) as client:
        await client.say(BOOK_ME)
        await client.until("EndOfTurn")
        for _ in range(5):
            await client.settled()
        await client.say(THANKS)
        await client.until("AgentAudioDone")

    assert client.texts() == [BOOK_ME, THANKS, "Bye."]
    assert noted("asked") == []


async def test_another_session_of_the_call_may_answer_what_the_first_did_not(dial):
    call = scenario(LINE, faults=Faults(stall_turns=1))
    async with dial(call) as client:
        await client.say(BOOK_ME)
        await client.until("EndOfTurn")
    async with dial() as client:
        await client.send(words(BOOK_ME))
        await client.until("AgentAudioDone")

    assert client.texts() == [BOOK_ME, LONG]


@pytest.mark.parametrize("how", ["spoken", "injected"])
async def test_an_agent_may_not_even_hear_the_words(dial, noted, how):
    call = scenario(LINE, hears("bye", say("Bye.")), faults=Faults(deaf_turns=1))
    async with dial(call) as client:
        client.forget()
        await (client.say(BOOK_ME) if how == "spoken" else client.send(words(BOOK_ME)))
        await client.say(THANKS)
        await client.until("AgentAudioDone")

    assert client.texts() == [THANKS, "Bye."]
    assert len(client.messages("UserStartedSpeaking")) == 1
    assert [note.text for note in noted("unheard")] == [BOOK_ME]


async def test_a_deaf_agent_stays_deaf_for_ever(dial, noted):
    async with dial(scenario(LINE, faults=Faults(deaf_turns=-1))) as client:
        client.forget()
        for _ in range(3):
            await client.say(BOOK_ME)
        await client.send({"type": "ForceEndTurn"})
        await client.settled()

    assert client.kinds() == ["PromptUpdated"]
    assert len(noted("unheard")) == 3


async def test_slow_thinking_may_go_without_its_warning(dial, emulator):
    emulator.options.pace = 1000
    slow = hears("cleaning", say("Which day?"), think_ms=11_000)
    async with dial(scenario(slow, faults=Faults(omit_slow_think=True))) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    assert "Warning" not in client.kinds()


async def test_failed_entries_of_a_chain_are_warned_of_once_a_reply(dial, noted):
    codes = ["THINK_REQUEST_FAILED", "SPEAK_REQUEST_FAILED"]
    call = scenario(
        hears("cleaning", say("One."), say("Two.")), faults=Faults(warn_before_reply=codes)
    )
    async with dial(call) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    assert [message["code"] for message in client.messages("Warning")] == codes
    assert [note.code for note in noted("warning")] == codes
    kinds = client.kinds()
    assert kinds.index("Warning") < kinds.index("sound")


# --- a cough ---------------------------------------------------------------------------------

COUGH = bytes(range(256)) * 10


async def test_a_cough_takes_the_floor_and_is_no_word(dial, emulator, noted):
    async with dial(scenario(LINE, AgentRule(do=[say("Pardon?")]))) as client:
        await client.send(words(BOOK_ME))
        emulator.options.pace = 1
        while "sound" not in client.kinds():
            await client.receive()
        client.forget()
        await client.sound(COUGH + silence(1000))
        await client.settled()

    assert client.kinds()[:2] == ["UserStartedSpeaking", "AgentAudioDone"]
    assert client.texts() == []
    assert client.sound_seen() == b""
    assert len(noted("false_start")) == 1
    assert [note.ms > 0 for note in noted("barge_in")] == [True]


async def test_how_long_an_unknown_sound_is_no_word_is_the_scenarios(dial):
    call = scenario(AgentRule(do=[say("Pardon?")]), listening=Listening(word_ms=300))
    async with dial(call) as client:
        await client.sound(COUGH + silence(1000))
        await client.until("AgentAudioDone")

    assert client.texts() == ["(inaudible)", "Pardon?"]


async def test_a_cough_before_words_is_not_told(dial, voices):
    async with dial(scenario(LINE)) as client:
        await client.sound(COUGH + silence(100))
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    assert client.texts()[0] == BOOK_ME


# --- what messages look like -----------------------------------------------------------------


async def test_latencies_may_come_whole_or_as_text(dial):
    faults = Faults(latency_whole=True, latency_as_text=True)
    async with dial(scenario(hears("cleaning", say("Which day?")), faults=faults)) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    (report,) = client.messages("LatencyReport")
    assert len(report) == 6
    assert {type(value) for value in report.values()} == {str}


async def test_thinking_and_the_beginning_of_speech_may_be_told(dial):
    faults = Faults(agent_thinking=True, agent_started_speaking=True)
    async with dial(scenario(hears("cleaning", say("Which day?")), faults=faults)) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    kinds = client.kinds()
    assert kinds.index("AgentThinking") < kinds.index("AgentStartedSpeaking") < kinds.index("sound")


async def test_by_itself_the_agent_tells_neither(dial):
    async with dial(scenario(hears("cleaning", say("Which day?")))) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    assert not {"AgentThinking", "AgentStartedSpeaking"} & set(client.kinds())


async def test_the_end_of_turn_may_go_untold(dial):
    faults = Faults(omit_end_of_turn=True)
    async with dial(scenario(hears("cleaning", say("Which day?")), faults=faults)) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    assert "EndOfTurn" not in client.kinds()


async def test_messages_and_fields_that_nobody_knows_come_between(dial):
    faults = Faults(unknown_messages=True)
    async with dial(scenario(hears("cleaning", ask(FIND), say("Yes.")), faults=faults)) as client:
        await client.say(BOOK_ME)
        asked = (await client.until("FunctionCallRequest"))["functions"][0]
        await client.answer(asked, "{}")
        await client.until("AgentAudioDone")

    known = [each for each in client.seen if isinstance(each, dict)]
    strange = client.messages("TurnForecast")
    assert len(strange) == len(known) // 2
    assert all("trace" in message for message in known if message not in strange)
    assert "priority" in asked
    assert {message["function_calls"] for message in client.messages("History")[:1]} == {None}


async def test_what_is_strange_is_read_by_the_wire_all_the_same(dial):
    async with dial(scenario(LINE, faults=Faults(unknown_messages=True))) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    read = [
        deepgram.from_agent.read(json.dumps(each)) for each in client.seen if isinstance(each, dict)
    ]
    assert deepgram.Unknown(kind="TurnForecast") in read
    assert deepgram.AgentAudioDone() in read


async def test_a_warning_may_come_behind_a_sentence(dial, noted):
    call = scenario(hears("cleaning", say("Which day?"), Action(warning="SLOW_SPEAK_REQUEST")))
    async with dial(call) as client:
        await client.say(BOOK_ME)
        await client.until("Warning")

    assert [note.code for note in noted("warning")] == ["SLOW_SPEAK_REQUEST"]


async def test_a_suspicion_that_a_cough_is_over_asks_nothing(dial, noted):
    async with dial(scenario(AgentRule(do=[ask(FIND)]))) as client:
        await client.sound(COUGH + silence(EAGER_ONLY_MS))
        await client.sound(COUGH[: 10 * FRAME_BYTES] + silence(1000))
        await client.settled()

    assert noted("asked") == []
