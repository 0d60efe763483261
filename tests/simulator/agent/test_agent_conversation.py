"""Turns, tools, barge-in and injections, over real sockets."""

import asyncio
import json

import pytest

from bridge.simulator.scenario import Action, AgentRule, Ask, Faults
from bridge.wire.mulaw import silence
from tests.simulator.agent.scripts import (
    BOOK,
    BOOK_ME,
    EAGER_ONLY_MS,
    FIND,
    LATER,
    LONG,
    LOOK,
    THANKS,
    ask,
    hears,
    inject,
    say,
    scenario,
)


async def test_a_turn_is_heard_answered_and_recorded(dial, voices):
    async with dial(scenario(hears("cleaning", say("One moment. Which day?")))) as client:
        client.forget()
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    texts = [(m["role"], m["content"]) for m in client.messages("ConversationText")]
    history = [(m["role"], m["content"]) for m in client.messages("History")]
    assert texts == [("user", BOOK_ME), ("assistant", "One moment."), ("assistant", "Which day?")]
    assert history == texts
    assert client.kinds()[:4] == [
        "UserStartedSpeaking",
        "ConversationText",
        "History",
        "EndOfTurn",
    ]
    assert client.sound_seen() == voices.render("One moment.", "agent") + voices.render(
        "Which day?", "agent"
    )


async def test_latencies_come_one_field_a_message(dial):
    async with dial(scenario(hears("cleaning", say("Which day?")))) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    reports = [set(m) - {"type"} for m in client.messages("LatencyReport")]
    assert all(len(report) == 1 for report in reports)
    assert set().union(*reports) == {
        "stt_latency",
        "ttt_token_latency",
        "ttt_text_latency",
        "tts_latency",
        "total_latency",
    }


async def test_nova_sends_no_end_of_turn_and_history_can_be_switched_off(dial, settings):
    quiet = settings(listen={"provider": {"type": "deepgram", "model": "nova-3"}})
    quiet["flags"] = {"history": False}
    async with dial(scenario(hears("cleaning", say("Which day?"))), apply=quiet) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    assert not {"EndOfTurn", "History"} & set(client.kinds())


async def test_a_tool_is_asked_and_its_answer_spoken_and_remembered(dial):
    call = scenario(hears("cleaning", ask(FIND), say("{slots.say}")))
    async with dial(call) as client:
        await client.say(BOOK_ME)
        request = await client.until("FunctionCallRequest")
        await client.answer(request["functions"][0], {"say": "Tuesday at nine."})
        await client.until("AgentAudioDone")

    asked = request["functions"][0]
    assert (asked["name"], asked["client_side"]) == ("find_slots", True)
    assert json.loads(asked["arguments"]) == {"service": "cleaning"}
    assert client.texts()[-1] == "Tuesday at nine."
    record = next(m for m in client.messages("History") if "function_calls" in m)
    assert record["function_calls"][0]["response"] == '{"say": "Tuesday at nine."}'
    assert [m["id"] for m in client.messages("FunctionCallResponse")] == [asked["id"]]


async def test_several_tools_come_in_one_request_and_all_answers_are_waited_for(dial):
    call = scenario(hears("cleaning", ask(FIND, LOOK), say("{slots.say} {found.say}")))
    async with dial(call) as client:
        await client.say(BOOK_ME)
        request = await client.until("FunctionCallRequest")
        first, second = request["functions"]
        await client.answer(second, {"say": "You have none."})
        await client.until("FunctionCallResponse")
        assert len(client.texts()) < 2
        await client.answer(first, {"say": "Tuesday at nine."})
        await client.until("AgentAudioDone")

    texts = client.texts()
    assert texts == [BOOK_ME, "Tuesday at nine.", "You have none."]


async def test_an_answer_is_used_in_the_next_tools_arguments(dial):
    call = scenario(
        hears("cleaning", ask(FIND), say("{slots.say}")),
        hears("bye", ask(BOOK), say("{book_appointment.say}"), needs=["slots"]),
    )
    async with dial(call) as client:
        await client.say(BOOK_ME)
        request = await client.until("FunctionCallRequest")
        offers = [{"start": "2026-12-01T09:30-05:00"}]
        await client.answer(request["functions"][0], {"say": "At nine.", "offers": offers})
        await client.until("AgentAudioDone")
        await client.say(THANKS)
        request = await client.until("FunctionCallRequest")

    assert json.loads(request["functions"][0]["arguments"]) == {"start": "2026-12-01T09:30-05:00"}


async def test_a_tool_that_settings_did_not_name_ends_the_session(dial):
    async with dial(scenario(hears("cleaning", ask(Ask(tool="order_pizza"))))) as client:
        await client.say(BOOK_ME)
        assert await client.until_closed() == 1005

    assert client.seen[-1]["code"] == "NON_EXISTENT_FUNCTION_CALLED"


async def test_a_reading_tool_is_asked_on_suspicion_and_withdrawn_when_the_caller_goes_on(dial):
    call = scenario(
        hears("another day", ask(FIND), say("{slots.say}")),
        hears("cleaning", ask(FIND), say("{slots.say}")),
    )
    async with dial(call) as client:
        client.forget()
        await client.say(BOOK_ME, then_silent_ms=EAGER_ONLY_MS)
        early = (await client.until("FunctionCallRequest"))["functions"][0]
        assert "ConversationText" not in client.kinds()
        await client.say(LATER)
        cancelled = await client.until("FunctionCallCancelled")
        late = (await client.until("FunctionCallRequest"))["functions"][0]
        await client.answer(early, {"say": "too late"})
        await client.answer(late, {"say": "Wednesday."})
        await client.until("AgentAudioDone")

    assert cancelled["functions"] == [{"id": early["id"], "name": "find_slots"}]
    texts = client.texts()
    assert texts == [f"{BOOK_ME} {LATER}", "Wednesday."]


async def test_a_deferred_tool_waits_for_the_turn_to_be_confirmed(dial):
    async with dial(scenario(hears("cleaning", ask(FIND, BOOK), say("Done.")))) as client:
        await client.say(BOOK_ME, then_silent_ms=EAGER_ONLY_MS)
        first = await client.until("FunctionCallRequest")
        assert "EndOfTurn" not in client.kinds()
        await client.sound(silence(400))
        second = await client.until("FunctionCallRequest")

    assert [call["name"] for call in first["functions"]] == ["find_slots"]
    assert [call["name"] for call in second["functions"]] == ["book_appointment"]
    assert "EndOfTurn" in client.kinds()


async def test_barge_in_stops_the_speech_and_the_caller_is_answered_anew(dial, emulator, voices):
    emulator.options.pace = 1
    call = scenario(
        hears("cleaning", say(LONG + " " + LONG)), hears("another day", say("Which day?"))
    )
    async with dial(call) as client:
        await client.say(BOOK_ME)
        await client.until("ConversationText")
        await client.until("ConversationText")
        client.forget()
        await client.say(LATER)
        await client.until("UserStartedSpeaking")
        await client.until("AgentAudioDone")
        cut = client.sound_seen()
        assert len(cut) < len(voices.render(LONG, "agent"))
        client.forget()
        await client.until("AgentAudioDone")

    assert client.sound_seen() == voices.render("Which day?", "agent")


async def test_barge_in_cancels_a_function_call_after_the_turn_was_confirmed(dial):
    call = scenario(hears("cleaning", ask(BOOK), say("Done.")), hears("another", say("Sure.")))
    async with dial(call) as client:
        await client.say(BOOK_ME)
        asked = (await client.until("FunctionCallRequest"))["functions"][0]
        await client.say(LATER)
        cancelled = await client.until("FunctionCallCancelled")
        await client.answer(asked, {"say": "booked"})
        await client.until("AgentAudioDone")

    assert cancelled["functions"][0]["id"] == asked["id"]
    texts = client.texts()
    assert texts == [BOOK_ME, LATER, "Sure."]


@pytest.mark.parametrize("stray_ms", [0, 200])
async def test_stray_audio_may_follow_a_barge_in(dial, emulator, stray_ms):
    emulator.options.pace = 1
    call = scenario(hears("cleaning", say(LONG)), faults=Faults(stray_audio_ms=stray_ms))
    async with dial(call) as client:
        await client.say(BOOK_ME)
        await client.until("ConversationText")
        await client.until("ConversationText")
        await client.say(LATER)
        await client.until("UserStartedSpeaking")
        client.forget()
        await client.until("AgentAudioDone")

    assert len(client.sound_seen()) == stray_ms * 8


async def test_the_end_of_audio_may_never_be_told(dial):
    call = scenario(
        hears("cleaning", say("Which day?"), Action(warning="GPT_4O_STREAM_END_ERROR")),
        faults=Faults(omit_audio_done=True),
    )
    async with dial(call) as client:
        await client.say(BOOK_ME)
        await client.until("Warning")

    assert "sound" in client.kinds()
    assert "AgentAudioDone" not in client.kinds()


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (Action(error="FAILED_TO_THINK"), 1005),
        (Action(drop=True), 1006),
        (Action(close=True), 1000),
    ],
)
async def test_a_scenario_can_end_the_session_behind_a_sentence(dial, action, code):
    async with dial(scenario(hears("cleaning", say("Which day?"), action))) as client:
        await client.say(BOOK_ME)
        assert await client.until_closed() == code

    assert "AgentAudioDone" in client.kinds()


async def test_slow_thinking_is_warned_of_every_five_seconds(dial, emulator):
    emulator.options.pace = 1000
    async with dial(scenario(hears("cleaning", say("Which day?"), think_ms=11_000))) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    warnings = [m["code"] for m in client.messages("Warning")]
    assert warnings == ["SLOW_THINK_REQUEST"] * 2


async def test_speech_that_no_line_knows_is_heard_all_the_same(dial, voices):
    async with dial(scenario(AgentRule(do=[say("Pardon?")]))) as client:
        await client.say("Nobody announced these words.")
        await client.until("AgentAudioDone")

    texts = client.texts()
    assert texts == ["(inaudible)", "Pardon?"]


async def test_forcing_the_end_of_a_turn_ends_it_at_once(dial):
    async with dial(scenario(hears("cleaning", say("Which day?")))) as client:
        await client.say(BOOK_ME, then_silent_ms=0)
        await client.send({"type": "ForceEndTurn"})
        await client.send({"type": "ForceEndTurn"})
        end = await client.until("EndOfTurn")
        await client.until("AgentAudioDone")

    assert end["trigger"] == "manual"


async def test_a_threshold_of_one_leaves_the_end_of_a_turn_to_the_timeout(dial, settings):
    provider = {
        "type": "deepgram",
        "version": "v2",
        "model": "flux-general-en",
        "eot_threshold": 1.0,
        "eot_timeout_ms": 900,
    }
    patient = settings(listen={"provider": provider})
    async with dial(scenario(hears("cleaning", say("Which day?"))), apply=patient) as client:
        await client.say(BOOK_ME, then_silent_ms=1000)
        end = await client.until("EndOfTurn")

    assert end["trigger"] == "timeout"


async def test_a_turn_ends_by_timeout_when_the_client_withholds_its_audio(dial, settings):
    provider = {
        "type": "deepgram",
        "version": "v2",
        "model": "flux-general-en",
        "eot_timeout_ms": 100,
    }
    call = scenario(hears("cleaning", say("Which day?")))
    async with dial(call, apply=settings(listen={"provider": provider})) as client:
        await client.say(BOOK_ME, then_silent_ms=0)
        end = await client.until("EndOfTurn")

    assert end["trigger"] == "timeout"


# --- injections ------------------------------------------------------------------------------


@pytest.mark.parametrize("behavior", [None, "default", "queue", "interrupt"])
async def test_an_injected_line_is_spoken_when_nobody_has_the_floor(dial, voices, behavior):
    async with dial(scenario()) as client:
        await client.send(inject("One moment, please.", behavior))
        await client.until("AgentAudioDone")

    assert client.kinds()[2:] == ["ConversationText", "History", "sound", "AgentAudioDone"]
    assert client.sound_seen() == voices.render("One moment, please.", "agent")


async def test_a_default_injection_is_refused_while_the_agent_speaks(dial, emulator):
    emulator.options.pace = 1
    async with dial(scenario()) as client:
        await client.send(inject(LONG))
        await client.until("ConversationText")
        await client.send(inject("One moment."))
        refusal = await client.until("InjectionRefused")

    assert refusal["message"]


async def test_refusals_can_come_as_warnings(dial, emulator):
    emulator.options.pace = 1
    emulator.options.refusals = "both"
    async with dial(scenario()) as client:
        await client.send(inject(LONG))
        await client.until("ConversationText")
        await client.send(inject("One moment."))
        await client.until("InjectionRefused")
        warning = await client.until("Warning")

    assert warning["code"] == "INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH"


async def test_a_queued_injection_is_spoken_behind_everything(dial, voices):
    async with dial(scenario()) as client:
        await client.send(inject("One moment."))
        await client.send(inject("Almost done.", "queue"))
        await client.until("AgentAudioDone")

    assert client.sound_seen() == voices.render("One moment.", "agent") + voices.render(
        "Almost done.", "agent"
    )


async def test_an_interrupting_injection_replaces_what_is_being_said(dial, emulator, voices):
    emulator.options.pace = 1
    async with dial(scenario()) as client:
        await client.send(inject(LONG))
        await client.until("ConversationText")
        await client.send(inject("Stop.", "interrupt"))
        await client.until("AgentAudioDone")
        client.forget()
        await client.until("AgentAudioDone")

    assert client.sound_seen() == voices.render("Stop.", "agent")


@pytest.mark.parametrize("behavior", ["default", "queue"])
async def test_injections_are_refused_while_the_caller_speaks(dial, behavior):
    async with dial(scenario()) as client:
        await client.say(BOOK_ME, then_silent_ms=0)
        await client.until("UserStartedSpeaking")
        await client.send(inject("One moment.", behavior))
        await client.until("InjectionRefused")


async def test_an_interrupting_injection_speaks_over_the_caller(dial):
    async with dial(scenario()) as client:
        await client.say(BOOK_ME, then_silent_ms=0)
        await client.until("UserStartedSpeaking")
        await client.send(inject("One moment.", "interrupt"))
        told = await client.until("ConversationText")

    assert told["content"] == "One moment."


async def test_a_queued_filler_is_spoken_while_a_tool_runs(dial):
    async with dial(scenario(hears("cleaning", ask(FIND), say("{slots.say}")))) as client:
        await client.say(BOOK_ME)
        asked = (await client.until("FunctionCallRequest"))["functions"][0]
        if "EndOfTurn" not in client.kinds():
            await client.until("EndOfTurn")
        await client.send(inject("Let me check.", "queue"))
        await client.until("AgentAudioDone")
        await client.answer(asked, {"say": "Tuesday."})
        await client.until("AgentAudioDone")

    texts = client.texts()
    assert texts == [BOOK_ME, "Let me check.", "Tuesday."]


async def test_injected_words_of_the_caller_are_answered(dial):
    async with dial(scenario(hears("pressed 1", say("Thank you.")))) as client:
        client.forget()
        await client.send({"type": "InjectUserMessage", "content": "The caller pressed 1."})
        await client.until("AgentAudioDone")

    texts = client.texts()
    assert client.kinds()[0] == "UserStartedSpeaking"
    assert texts == ["The caller pressed 1.", "Thank you."]


# --- what was before --------------------------------------------------------------------------


async def test_a_session_given_its_history_knows_what_was_answered(dial, settings):
    call = scenario(
        hears("cleaning", ask(FIND), say("{slots.say}"), once=True),
        hears("bye", ask(BOOK), say("Done."), needs=["slots"]),
        AgentRule(do=[say("What was that?")]),
    )
    offers = json.dumps({"offers": [{"start": "2026-12-01T11:00-05:00"}]})
    record = {
        "id": "call_1",
        "name": "find_slots",
        "client_side": True,
        "arguments": "{}",
        "response": offers,
    }
    messages = [
        {"type": "History", "role": "user", "content": BOOK_ME},
        {"type": "History", "function_calls": [record]},
        {"type": "History", "role": "assistant", "content": "Eleven?"},
    ]
    async with dial(call, apply=settings(context={"messages": messages})) as client:
        assert client.kinds() == ["Welcome", "SettingsApplied"]
        await client.say(THANKS)
        request = await client.until("FunctionCallRequest")

    assert json.loads(request["functions"][0]["arguments"]) == {"start": "2026-12-01T11:00-05:00"}


async def test_a_session_without_its_history_knows_nothing(dial):
    call = scenario(hears("bye", ask(BOOK), needs=["slots"]), AgentRule(do=[say("What was that?")]))
    async with dial(call) as client:
        await client.say(THANKS)
        await client.until("AgentAudioDone")

    assert client.seen[-1] == {"type": "AgentAudioDone"}
    assert "FunctionCallRequest" not in client.kinds()


async def test_fifty_sessions_talk_at_once_without_mixing(dial):
    async def one(number):
        call = scenario(
            hears("cleaning", say(f"You are number {number}.")), lines=[BOOK_ME, f"{number}"]
        )
        async with dial(call, call_sid=f"CA{number}") as client:
            await client.say(BOOK_ME)
            await client.until("AgentAudioDone")
            return client.texts()

    said = await asyncio.gather(*(one(number) for number in range(50)))

    assert said == [[BOOK_ME, f"You are number {number}."] for number in range(50)]


async def test_silence_is_no_turn(dial):
    async with dial(scenario(AgentRule(do=[say("Pardon?")]))) as client:
        client.forget()
        await client.sound(silence(3000))
        await client.send({"type": "UpdatePrompt", "prompt": "still here"})
        await client.until("PromptUpdated")

    assert client.kinds() == ["PromptUpdated"]


async def test_latencies_can_come_as_a_flood(dial):
    async with dial(scenario(faults=Faults(latency_flood=True))) as client:
        await client.sound(silence(2000))
        await client.send({"type": "UpdatePrompt", "prompt": "still here"})
        await client.until("PromptUpdated")

    assert len(client.messages("LatencyReport")) == 10


async def test_an_agent_may_wait_for_ever_though_it_was_answered(dial):
    call = scenario(
        hears("cleaning", ask(FIND), say("{slots.say}")), faults=Faults(lost_answers=True)
    )
    async with dial(call) as client:
        await client.say(BOOK_ME)
        asked = (await client.until("FunctionCallRequest"))["functions"][0]
        await client.answer(asked, {"say": "Tuesday."})
        await client.until("FunctionCallResponse")
        await client.send({"type": "UpdatePrompt", "prompt": "still here"})
        await client.until("PromptUpdated")

    assert client.texts() == [BOOK_ME]


async def test_settings_and_the_end_of_audio_can_come_late(dial, settings):
    call = scenario(faults=Faults(settings_delay_ms=500, audio_done_delay_ms=500))
    async with dial(call, apply=settings(greeting="Hello.")) as client:
        await client.until("AgentAudioDone")

    assert client.texts() == ["Hello."]


async def test_a_server_side_tool_is_not_ours_to_answer(dial, settings):
    body = settings()
    body["agent"]["think"]["functions"][0]["endpoint"] = {"url": "https://tools.example/"}
    async with dial(scenario(hears("cleaning", ask(FIND), say("Done."))), apply=body) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    assert client.messages("FunctionCallRequest")[0]["functions"][0]["client_side"] is False
    assert client.messages("FunctionCallResponse")[0]["content"] == "{}"
    assert client.texts() == [BOOK_ME, "Done."]


async def test_experimental_sessions_are_told_when_the_agent_begins_to_speak(dial, settings):
    body = settings() | {"experimental": True}
    async with dial(scenario(hears("cleaning", say("Which day?"))), apply=body) as client:
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    (began,) = client.messages("AgentStartedSpeaking")
    assert set(began) == {"type", "total_latency", "tts_latency", "ttt_latency"}


async def test_an_answer_without_an_id_is_matched_by_its_name(dial):
    async with dial(scenario(hears("cleaning", ask(FIND), say("{slots.say}")))) as client:
        await client.say(BOOK_ME)
        await client.until("FunctionCallRequest")
        await client.send(
            {"type": "FunctionCallResponse", "name": "find_slots", "content": '{"say":"Nine."}'}
        )
        await client.until("AgentAudioDone")

    assert client.texts() == [BOOK_ME, "Nine."]
