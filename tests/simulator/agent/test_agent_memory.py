"""What a session knows of the talk before it: history, prompt, and which session it is."""

import json

import pytest

from bridge.simulator.scenario import AgentRule
from tests.simulator.agent.scripts import (
    BOOK_ME,
    FIND,
    LATER,
    THANKS,
    ask,
    hears,
    say,
    scenario,
    words,
)

HISTORY = [
    {"type": "History", "role": "user", "content": BOOK_ME},
    {
        "type": "History",
        "function_calls": [
            {
                "id": "call_1",
                "name": "find_slots",
                "client_side": True,
                "arguments": '{"service":"cleaning"}',
                "response": '{"say":"Nine thirty, with Doctor Okafor."}',
            }
        ],
    },
    {"type": "History", "role": "assistant", "content": "Nine thirty, with Doctor Okafor."},
]


def only_if(**condition):
    """Says yes where the condition holds, and no elsewhere."""
    return (
        AgentRule(hears=["bye"], think_ms=0, do=[say("Yes.")], **condition),
        AgentRule(think_ms=0, do=[say("No.")]),
    )


async def answer_of(client):
    await client.send(words(THANKS))
    await client.until("AgentAudioDone")
    return client.texts()[-1]


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ({"remembers": ["cleaning please", "Okafor"]}, "Yes."),
        ({"remembers": ["service cleaning"]}, "Yes."),
        ({"remembers": ["cleaning", "filling"]}, "No."),
        ({"remembers": ["nothing of the kind"]}, "No."),
        ({"forgets": ["filling"]}, "Yes."),
        ({"forgets": ["filling", "okafor"]}, "No."),
        ({"prompt_has": ["answer the phone"]}, "Yes."),
        ({"prompt_has": ["answer the door"]}, "No."),
        ({"session": 1}, "Yes."),
        ({"session": 2}, "No."),
    ],
)
async def test_a_rule_may_depend_on_what_the_session_was_told(dial, settings, condition, answer):
    told = settings(context={"messages": HISTORY})
    async with dial(scenario(*only_if(**condition)), apply=told) as client:
        assert await answer_of(client) == answer


async def test_what_was_said_in_this_session_is_no_history(dial):
    async with dial(scenario(*only_if(remembers=["cleaning"]))) as client:
        await client.send(words(BOOK_ME))
        await client.until("AgentAudioDone")

        assert await answer_of(client) == "No."


async def test_a_rule_may_wait_for_the_second_session(dial):
    async with dial(scenario(*only_if(session=2))) as client:
        first = await answer_of(client)
    async with dial() as client:
        second = await answer_of(client)

    assert (first, second) == ("No.", "Yes.")


async def test_the_prompt_is_that_of_the_last_update(dial, settings):
    think = settings()["agent"]["think"] | {"prompt": "You sell flowers."}
    rules = (
        hears("one", say("Both."), prompt_has=["answer the phone", "caller is known"]),
        hears("two", say("Flowers."), prompt_has=["sell flowers"]),
        AgentRule(think_ms=0, do=[say("Neither.")]),
    )
    answers = []
    async with dial(scenario(*rules)) as client:

        async def hear(text):
            await client.send(words(text))
            await client.until("AgentAudioDone")
            answers.append(client.texts()[-1])

        await hear("one")
        await client.send({"type": "UpdatePrompt", "prompt": "The caller is known."})
        await hear("one")
        await hear("two")
        await client.send({"type": "UpdateThink", "think": think})
        await hear("one")
        await hear("two")

    assert answers == ["Neither.", "Both.", "Neither.", "Neither.", "Flowers."]


async def test_rules_for_once_and_for_what_was_answered_hold_over_sessions(dial, settings):
    call = scenario(
        hears("cleaning", ask(FIND), say("{slots.say}"), once=True),
        hears("cleaning", say("Again? {slots.say}"), needs=["slots"]),
        AgentRule(think_ms=0, do=[say("What was that?")]),
    )
    async with dial(call) as client:
        await client.send(words(BOOK_ME))
        asked = (await client.until("FunctionCallRequest"))["functions"][0]
        await client.answer(asked, {"say": "At nine."})
        await client.until("AgentAudioDone")
        history = [
            {name: value for name, value in message.items() if value is not None}
            for message in client.messages("History")
        ]
    async with dial(apply=settings(context={"messages": history})) as client:
        await client.send(words(BOOK_ME))
        await client.until("AgentAudioDone")

    assert [sorted(message) for message in history] == [
        ["content", "role", "type"],
        ["function_calls", "type"],
        ["content", "role", "type"],
    ]
    assert client.texts() == [BOOK_ME, "Again?", "At nine."]


async def test_a_later_sessions_rule_is_not_used_up_by_the_history_of_an_earlier_one(
    dial, settings
):
    call = scenario(
        hears("cleaning", say("Welcome back."), session=2, once=True),
        hears("cleaning", say("Which day?")),
    )
    async with dial(call) as client:
        await client.send(words(BOOK_ME))
        await client.until("AgentAudioDone")
    async with dial(apply=settings(context={"messages": HISTORY})) as client:
        await client.send(words(BOOK_ME))
        await client.until("AgentAudioDone")

    assert client.texts() == [BOOK_ME, "Welcome back."]


async def test_function_calls_become_history(dial):
    async with dial(scenario(hears("cleaning", ask(FIND), say("Done.")))) as client:
        await client.send(words(BOOK_ME))
        asked = (await client.until("FunctionCallRequest"))["functions"][0]
        await client.answer(asked, "nothing free")
        await client.until("AgentAudioDone")

    record = next(m for m in client.messages("History") if "function_calls" in m)
    assert record["function_calls"] == [
        {
            "id": asked["id"],
            "name": "find_slots",
            "client_side": True,
            "arguments": asked["arguments"],
            "response": "nothing free",
        }
    ]


async def test_settings_are_noted_with_the_history_they_brought(dial, settings, noted):
    async with dial(scenario(), apply=settings(context={"messages": HISTORY})):
        pass

    (note,) = noted("settings")
    assert json.loads(note.content)["agent"]["context"]["messages"] == HISTORY


async def test_injected_words_are_answered_by_the_rules_that_spoken_words_are(dial):
    async with dial(scenario(hears("another day", say("Which one?")))) as client:
        await client.send(words(LATER))
        await client.until("AgentAudioDone")
        await client.say(LATER)
        await client.until("AgentAudioDone")

    assert client.texts() == [LATER, "Which one?"] * 2
