"""What the agent is told, held against the official SDK's own types."""

from typing import Any

import msgspec
import pytest
from deepgram.agent.v1.types import AgentV1Settings
from msgspec import UNSET

from bridge.call.conversation import Conversation, FunctionCallNote, Utterance
from bridge.persona import history, manners_for, settings_for
from bridge.profile import Listening, Speaking, Thinking
from bridge.wire import deepgram
from tests.bridge.practices import hillside
from tools.catalog import CATALOG

NOON_UTC = 1_780_315_200.0  # 2026-06-01T12:00:00Z, eight in the morning in New York


def talk(*utterances: Utterance, calls: list[FunctionCallNote] | None = None) -> Conversation:
    return Conversation(
        call_sid="CA1",
        practice="hillside",
        started_utc=NOON_UTC,
        utterances=list(utterances),
        function_calls=calls or [],
    )


def agent_said(text: str, at_s: float, **fields: Any) -> Utterance:
    return Utterance(speaker="agent", text=text, at_s=at_s, **fields)


def caller_said(text: str, at_s: float) -> Utterance:
    return Utterance(speaker="caller", text=text, at_s=at_s)


def settings(conversation: Conversation | None = None, *, greet: bool = False, **changes: Any):
    return settings_for(
        hillside(**changes),
        conversation or talk(),
        catalog=CATALOG,
        greet=greet,
        now_utc=NOON_UTC,
    )


BUSY = talk(
    agent_said("Hello.", 0.0, complete=True, sent_ms=500, heard_ms=500),
    caller_said("A cleaning on Tuesday, please.", 2.0),
    calls=[
        FunctionCallNote(
            function_call_id="fc1",
            tool="find_slots",
            arguments="{}",
            at_s=3.0,
            response='{"say":"Nine."}',
            outcome="done",
        )
    ],
)


@pytest.mark.parametrize("greet", [True, False])
@pytest.mark.parametrize("conversation", [talk(), BUSY], ids=["new", "busy"])
def test_the_official_sdk_accepts_what_we_send(conversation: Conversation, greet: bool) -> None:
    sent = msgspec.json.decode(deepgram.encode(settings(conversation, greet=greet)))

    read = AgentV1Settings.model_validate(sent)

    assert read.agent.listen.provider.model == "flux-general-en"


def test_the_sound_is_mulaw_without_a_header_both_ways() -> None:
    audio = settings().audio

    assert (audio.input.encoding, audio.input.sample_rate) == ("mulaw", 8000)
    assert (audio.output.encoding, audio.output.sample_rate) == ("mulaw", 8000)
    assert audio.output.container == "none"


def test_nothing_of_a_call_is_kept_by_the_vendor() -> None:
    assert settings().mip_opt_out is True


def test_an_agent_that_greets_has_the_greeting_and_no_history() -> None:
    agent = settings(BUSY, greet=True).agent

    assert (agent.greeting, agent.context) == (hillside().phrases.greeting, UNSET)


def test_an_agent_that_continues_has_the_history_and_no_greeting() -> None:
    agent = settings(BUSY).agent

    assert agent.greeting is UNSET
    assert len(agent.context.messages) == 3


def test_an_agent_without_a_history_is_given_none() -> None:
    assert settings(talk()).agent.context is UNSET


def test_every_tool_with_an_effect_waits_for_the_end_of_the_turn() -> None:
    functions = settings().agent.think[0].functions

    deferred = {function.name: function.defer_until_eot for function in functions}
    assert deferred == {
        "find_slots": UNSET,
        "book_appointment": True,
        "lookup_appointment": UNSET,
    }


def test_every_model_of_the_chain_has_prompt_and_tools() -> None:
    chain = settings().agent.think

    assert [think.provider.model for think in chain] == ["gpt-4.1-mini", "claude-haiku-4-5"]
    assert len({(think.prompt, len(think.functions)) for think in chain}) == 1


def test_google_may_think_too() -> None:
    think = settings(thinking=(Thinking(provider="google", model="gemini-3-flash"),)).agent.think

    assert type(think[0].provider) is deepgram.Google


def test_the_agent_knows_what_day_it_is_at_the_practice() -> None:
    prompt = settings().agent.think[0].prompt

    assert "Today is Monday, June 1, 2026 (2026-06-01)." in prompt
    assert "At the practice it is 08:00." in prompt


def test_the_day_is_that_of_the_practice() -> None:
    prompt = settings(time_zone="Pacific/Auckland").agent.think[0].prompt

    assert "Tuesday, June 2, 2026" in prompt


def test_how_it_listens_is_the_practices_choice() -> None:
    listening = Listening(eot_threshold=0.9, eot_timeout_ms=3000, keyterms=("crown",))
    provider = settings(listening=listening).agent.listen.provider

    assert (provider.eot_threshold, provider.eot_timeout_ms) == (0.9, 3000)
    assert provider.keyterms == ["crown"]


def test_without_keyterms_none_are_sent() -> None:
    assert settings(listening=Listening()).agent.listen.provider.keyterms is UNSET


def test_a_voice_at_its_own_pace_has_no_speed() -> None:
    assert settings().agent.speak.provider.speed is UNSET
    assert settings(speaking=Speaking(speed=0.9)).agent.speak.provider.speed == 0.9


# --- history ---------------------------------------------------------------------------------


def test_the_history_holds_what_was_heard_not_what_was_said() -> None:
    cut = agent_said(
        "one two three four", 1.0, complete=True, sent_ms=2000, heard_ms=1000, cut=True
    )

    assert [step.content for step in history(talk(cut))] == ["one two"]


def test_what_was_not_heard_at_all_is_no_part_of_the_history() -> None:
    assert history(talk(agent_said("Hello.", 1.0, cut=True))) == []


def test_words_and_function_calls_stand_in_the_order_of_time() -> None:
    steps = history(BUSY)

    assert [(step.role, step.content) for step in steps[:2]] == [
        ("assistant", "Hello."),
        ("user", "A cleaning on Tuesday, please."),
    ]
    assert steps[2].function_calls[0].response == '{"say":"Nine."}'


def test_a_function_call_without_an_answer_is_no_part_of_the_history() -> None:
    open_call = FunctionCallNote(
        function_call_id="fc1", tool="find_slots", arguments="{}", at_s=1.0
    )

    assert history(talk(calls=[open_call])) == []


def test_manners_are_the_practices_words() -> None:
    profile = hillside()

    manners = manners_for(profile, longest_call_s=100.0)

    assert (manners.greeting, manners.apology) == (
        profile.phrases.greeting,
        profile.phrases.apology,
    )
    assert (manners.fillers, manners.longest_call_s) == (profile.phrases.fillers, 100.0)
