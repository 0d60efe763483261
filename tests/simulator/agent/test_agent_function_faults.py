"""Function calls withdrawn, repeated and oddly written; injections and updates that go wrong."""

import json

import pytest

from bridge.simulator.faults import Faults
from bridge.simulator.scenario import Action, AgentRule, Ask
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
    words,
)

COUGH = bytes(range(256)) * 10


async def functions_of(client):
    """What the next request asks."""
    return (await client.until("FunctionCallRequest"))["functions"]


def ids(functions):
    return [function["id"] for function in functions]


# --- repeated and withdrawn ------------------------------------------------------------------


async def test_one_tool_may_be_asked_twice_in_one_request(dial, noted):
    twice = Ask(tool="find_slots", arguments={"service": "cleaning"}, times=2)
    async with dial(scenario(hears("cleaning", ask(twice, LOOK), say("Done.")))) as client:
        await client.say(BOOK_ME)
        asked = await functions_of(client)
        for function in asked:
            await client.answer(function, "{}")
        await client.until("AgentAudioDone")

    assert [function["name"] for function in asked] == [
        "find_slots",
        "find_slots",
        "lookup_appointment",
    ]
    assert len(set(ids(asked))) == 3
    assert asked[0]["arguments"] == asked[1]["arguments"]
    assert len(noted("answered")) == 3


@pytest.mark.parametrize("tool", ["find_slots", "book_appointment"])
async def test_a_function_call_may_be_withdrawn_by_itself_and_asked_anew(dial, noted, tool):
    fickle = Ask(tool=tool, cancel_after_ms=2000, again=2, save_as="answer")
    async with dial(scenario(hears("cleaning", ask(fickle), say("{answer.say}")))) as client:
        await client.say(BOOK_ME)
        first = (await functions_of(client))[0]
        cancelled = await client.until("FunctionCallCancelled")
        second = (await functions_of(client))[0]
        await client.until("FunctionCallCancelled")
        third = (await functions_of(client))[0]
        await client.answer(first, {"say": "too late"})
        await client.answer(third, {"say": "At nine."})
        await client.until("AgentAudioDone")

    assert cancelled["functions"] == [{"id": first["id"], "name": tool}]
    assert len({first["id"], second["id"], third["id"]}) == 3
    assert client.texts() == [BOOK_ME, "At nine."]
    assert [note.function_call_id for note in noted("cancelled")] == [first["id"], second["id"]]
    assert [note.function_call_id for note in noted("late")] == [first["id"]]
    assert [note.function_call_id for note in noted("answered")] == [third["id"]]


async def test_what_was_asked_anew_as_often_as_it_should_be_is_withdrawn_no_more(dial, noted):
    fickle = Ask(tool="find_slots", cancel_after_ms=10, again=1, save_as="slots")
    clock = Ask(tool="lookup_appointment", cancel_after_ms=5000)
    async with dial(scenario(hears("cleaning", ask(fickle, clock), say("{slots.say}")))) as client:
        await client.send(words(BOOK_ME))
        await functions_of(client)
        last = (await functions_of(client))[0]
        while noted("cancelled")[-1].name != "lookup_appointment":
            await client.receive()
        await client.answer(last, {"say": "At nine."})
        await client.until("AgentAudioDone")

    assert [note.name for note in noted("cancelled")] == ["find_slots", "lookup_appointment"]
    assert client.texts() == [BOOK_ME, "At nine."]


async def test_an_answer_in_time_keeps_a_function_call_from_being_withdrawn(dial, emulator):
    emulator.options.pace = 1
    slow = Ask(tool="find_slots", cancel_after_ms=3_600_000, save_as="slots")
    async with dial(scenario(hears("cleaning", ask(slow), say("{slots.say}")))) as client:
        await client.send(words(BOOK_ME))
        asked = (await functions_of(client))[0]
        await client.answer(asked, {"say": "At nine."})
        await client.until("AgentAudioDone")

    assert "FunctionCallCancelled" not in client.kinds()
    assert client.texts() == [BOOK_ME, "At nine."]


async def test_the_agent_goes_on_without_what_was_withdrawn_for_good(dial):
    lost = Ask(tool="find_slots", cancel_after_ms=10, save_as="slots")
    async with dial(scenario(hears("cleaning", ask(lost, LOOK), say("{found.say}")))) as client:
        await client.say(BOOK_ME)
        _, look = await functions_of(client)
        await client.until("FunctionCallCancelled")
        await client.answer(look, {"say": "You have none."})
        await client.until("AgentAudioDone")

    record = next(m for m in client.messages("History") if "function_calls" in m)
    assert [call["name"] for call in record["function_calls"]] == ["lookup_appointment"]
    assert client.texts() == [BOOK_ME, "You have none."]


async def test_what_a_cough_withdrew_is_asked_again_under_a_new_id(dial):
    call = scenario(
        hears("cleaning", ask(BOOK), say("Booked.")),
        AgentRule(hears=["bye"], think_ms=10, do=[Action(ask_again=True), say("Booked now.")]),
    )
    async with dial(call) as client:
        await client.say(BOOK_ME)
        first = (await functions_of(client))[0]
        await client.sound(COUGH + silence(1000))
        await client.until("FunctionCallCancelled")
        await client.say(THANKS)
        again = (await functions_of(client))[0]
        await client.answer(again, "{}")
        await client.until("AgentAudioDone")

    assert (again["name"], again["arguments"]) == (first["name"], first["arguments"])
    assert again["id"] != first["id"]
    assert client.texts() == [BOOK_ME, THANKS, "Booked now."]


async def test_with_nothing_withdrawn_the_last_question_is_asked_again(dial):
    again = AgentRule(hears=["bye"], think_ms=10, do=[Action(ask_again=True)])
    async with dial(scenario(hears("cleaning", ask(FIND)), again)) as client:
        await client.say(BOOK_ME)
        first = (await functions_of(client))[0]
        await client.answer(first, "{}")
        await client.until("History")
        await client.say(THANKS)
        second = (await functions_of(client))[0]

    assert (second["name"], second["arguments"]) == (first["name"], first["arguments"])
    assert second["id"] != first["id"]


async def test_with_nothing_ever_asked_nothing_is_asked_again(dial, noted):
    again = AgentRule(think_ms=10, do=[Action(ask_again=True), say("Fine.")])
    async with dial(scenario(again)) as client:
        await client.say(THANKS)
        await client.until("AgentAudioDone")

    assert client.texts() == [THANKS, "Fine."]
    assert noted("asked") == []


@pytest.mark.parametrize("named", [False, True])
async def test_an_answered_call_of_an_abandoned_reply_may_be_cancelled_too(dial, emulator, named):
    call = scenario(hears("cleaning", ask(FIND), say(LONG)), faults=Faults(cancel_answered=named))
    async with dial(call) as client:
        await client.send(words(BOOK_ME))
        asked = (await functions_of(client))[0]
        await client.answer(asked, "{}")
        emulator.options.pace = 1
        while "sound" not in client.kinds():
            await client.receive()
        await client.say(LATER, then_silent_ms=0)
        await client.until("UserStartedSpeaking")
        await client.settled()

    cancelled = [m["functions"] for m in client.messages("FunctionCallCancelled")]
    assert cancelled == ([[{"id": asked["id"], "name": "find_slots"}]] if named else [])


async def test_a_deferred_call_whose_turn_resumes_is_never_sent_and_never_cancelled(dial, noted):
    async with dial(
        scenario(hears("another", say("Sure.")), hears("cleaning", ask(BOOK)))
    ) as client:
        await client.say(BOOK_ME, then_silent_ms=EAGER_ONLY_MS)
        for _ in range(5):
            await client.settled()
        await client.say(LATER)
        await client.until("AgentAudioDone")

    assert not {"FunctionCallRequest", "FunctionCallCancelled"} & set(client.kinds())
    assert noted("asked") == noted("cancelled") == []


# --- how they are written --------------------------------------------------------------------


async def test_arguments_may_arrive_as_an_object(dial):
    call = scenario(hears("cleaning", ask(FIND)), faults=Faults(arguments_as_objects=True))
    async with dial(call) as client:
        await client.say(BOOK_ME)
        asked = (await functions_of(client))[0]

    assert asked["arguments"] == {"service": "cleaning"}


@pytest.mark.parametrize("returned", [False, True])
async def test_it_is_noted_whether_a_signature_comes_back(dial, noted, returned):
    call = scenario(
        hears("cleaning", ask(FIND), say("Done.")), faults=Faults(thought_signatures=True)
    )
    async with dial(call) as client:
        await client.say(BOOK_ME)
        asked = (await functions_of(client))[0]
        answer = {
            "type": "FunctionCallResponse",
            "id": asked["id"],
            "name": asked["name"],
            "content": "{}",
        }
        signed = {"thought_signature": asked["thought_signature"]}
        await client.send(answer | (signed if returned else {}))
        await client.until("AgentAudioDone")

    assert [note.name for note in noted("unsigned")] == ([] if returned else ["find_slots"])


# --- injections ------------------------------------------------------------------------------


async def test_the_first_injections_may_be_refused_whoever_has_the_floor(dial, voices, noted):
    faults = Faults(refuse_injections=2, refusals="both")
    async with dial(scenario(faults=faults)) as client:
        for behavior in ("queue", "interrupt", "default"):
            await client.send(inject(f"To {behavior}.", behavior))
        await client.until("AgentAudioDone")

    assert client.texts() == ["To default."]
    assert len(client.messages("InjectionRefused")) == len(client.messages("Warning")) == 2
    assert [note.name for note in noted("refused")] == ["injection"] * 2
    assert [note.name for note in noted("injected")] == ["queue", "interrupt", "default"]


async def test_a_scenario_says_how_refusals_are_told(dial):
    async with dial(scenario(faults=Faults(refuse_injections=1, refusals="warning"))) as client:
        await client.send(inject("One moment.", "queue"))
        await client.settled()

    assert client.kinds()[2:] == ["Warning", "PromptUpdated"]


async def test_an_injection_may_be_neither_spoken_nor_refused(dial, noted):
    async with dial(scenario(faults=Faults(ignore_injections=1))) as client:
        client.forget()
        await client.send(inject("First."))
        await client.send(inject("Second."))
        await client.until("AgentAudioDone")

    assert client.kinds() == ["ConversationText", "History", "sound", "AgentAudioDone"]
    assert client.texts() == ["Second."]
    assert [note.text for note in noted("ignored")] == ["First."]


async def test_words_of_the_caller_may_be_refused_while_the_agent_speaks(dial, emulator, noted):
    emulator.options.pace = 1
    async with dial(scenario(faults=Faults(refuse_user_words=True))) as client:
        await client.send(inject(LONG))
        await client.until("ConversationText")
        await client.send(words("The caller pressed 1."))
        await client.until("InjectionRefused")
        await client.settled()

    assert "UserStartedSpeaking" not in client.kinds()
    assert [note.name for note in noted("refused")] == ["words"]
    assert [note.text for note in noted("injected_words")] == ["The caller pressed 1."]


# --- updates ---------------------------------------------------------------------------------

PROMPT = {"type": "UpdatePrompt", "prompt": "The caller is known."}
TUNED = {
    "type": "UpdateListen",
    "listen": {
        "provider": {
            "type": "deepgram",
            "version": "v2",
            "model": "flux-general-en",
            "eot_threshold": 1.0,
            "eot_timeout_ms": 900,
        }
    },
}
VOICE = {
    "type": "UpdateSpeak",
    "speak": {"provider": {"type": "deepgram", "model": "aura-2-zeus-en"}},
}


async def test_acknowledgements_may_be_late_and_nothing_waits_for_them(dial, noted):
    call = scenario(hears("cleaning", say("Which day?")), faults=Faults(ack_delay_ms=200_000))
    async with dial(call) as client:
        await client.send(TUNED)
        await client.send(PROMPT)
        await client.say(BOOK_ME, then_silent_ms=1000)
        await client.until("ConversationText")
        assert not {"ListenUpdated", "PromptUpdated"} & set(client.kinds())
        await client.until("PromptUpdated")

    assert "ListenUpdated" in client.kinds()
    assert client.texts()[:1] == [BOOK_ME]
    assert [(note.name, note.ms) for note in noted("acknowledged")] == [
        ("ListenUpdated", 200_000),
        ("PromptUpdated", 200_000),
    ]


async def test_updates_of_one_kind_may_share_an_acknowledgement(dial, noted):
    faults = Faults(ack_delay_ms=10_000, collapse_acks=True)
    async with dial(scenario(faults=faults)) as client:
        await client.send(TUNED)
        await client.send(TUNED)
        await client.send(VOICE)
        await client.until("SpeakUpdated")
        await client.send(TUNED)
        await client.until("ListenUpdated")

    kinds = [message["type"] for message in client.seen]
    assert kinds[2:] == ["ListenUpdated", "SpeakUpdated", "ListenUpdated"]
    assert [note.name for note in noted("updated")] == [
        "UpdateListen",
        "UpdateListen",
        "UpdateSpeak",
        "UpdateListen",
    ]


async def test_acknowledgements_may_never_come(dial, noted):
    async with dial(scenario(faults=Faults(omit_acks=True))) as client:
        client.forget()
        await client.send(PROMPT)
        await client.send(inject("Hello."))
        await client.until("AgentAudioDone")

    assert "PromptUpdated" not in client.kinds()
    assert [json.loads(note.content) for note in noted("updated")] == [PROMPT]


async def test_tuned_listening_ends_a_turn_as_it_was_told(dial, noted):
    async with dial(scenario(hears("cleaning", say("Which day?")))) as client:
        await client.send(TUNED)
        await client.say(BOOK_ME, then_silent_ms=800)
        await client.settled()
        assert "EndOfTurn" not in client.kinds()
        await client.sound(silence(200))
        end = await client.until("EndOfTurn")

    assert end["trigger"] == "timeout"
    assert json.loads(noted("updated")[0].content) == TUNED


async def test_what_an_update_of_listening_leaves_out_keeps_its_value(dial):
    provider = {"type": "deepgram", "version": "v2", "model": "flux-general-en"}
    only_words = {
        "type": "UpdateListen",
        "listen": {"provider": provider | {"keyterms": ["crown"]}},
    }
    async with dial(scenario(hears("cleaning", say("Which day?")))) as client:
        await client.send(TUNED)
        await client.send(only_words)
        await client.say(BOOK_ME, then_silent_ms=1000)
        end = await client.until("EndOfTurn")

    assert end["trigger"] == "timeout"


@pytest.mark.parametrize(("threshold", "silent_ms"), [(0.75, 560), (0.85, 840), (0.9, 1120)])
async def test_a_higher_threshold_waits_longer_for_the_end_of_a_turn(
    dial, settings, noted, threshold, silent_ms
):
    provider = TUNED["listen"]["provider"] | {"eot_threshold": threshold, "eot_timeout_ms": 5000}
    patient = settings(listen={"provider": provider})
    async with dial(scenario(hears("cleaning", say("Which day?"))), apply=patient) as client:
        await client.say(BOOK_ME, then_silent_ms=silent_ms - 60)
        await client.settled()
        assert noted("heard") == []
        await client.sound(silence(60))
        await client.until("EndOfTurn")


async def test_each_sentence_is_noted_with_the_voice_that_speaks_it(dial, noted):
    async with dial(scenario()) as client:
        await client.send(inject("Before."))
        await client.until("AgentAudioDone")
        await client.send(VOICE)
        await client.send(inject("After."))
        await client.until("AgentAudioDone")

    assert [(note.text, note.name) for note in noted("said")] == [
        ("Before.", "aura-2-thalia-en"),
        ("After.", "aura-2-zeus-en"),
    ]
