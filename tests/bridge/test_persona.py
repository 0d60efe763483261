"""What the agent is told, held against the official SDK's own types."""

from typing import Any

import msgspec
import pytest
from deepgram.agent.v1.types import AgentV1Settings, AgentV1UpdateListen, AgentV1UpdateSpeak
from msgspec import UNSET

from bridge.call.conversation import Conversation, FunctionCallNote, Remembered, Utterance
from bridge.call.manners import Manners
from bridge.persona import PROMPT_LIMIT, SPOKEN_STYLE, history, manners_for, plain, settings_for
from bridge.persona import spoken as aloud
from bridge.profile import PACKAGED, Listening, Speaking, Thinking, Voice, Voices, load_profiles
from bridge.profile.tables import (
    BargeIn,
    Endpoint,
    Memory,
    Patience,
    Quality,
    Sound,
    SpeakingFallback,
    Spelling,
)
from bridge.simulator.strict.accepted import Accepted
from bridge.simulator.strict.listen import listen as check_listen
from bridge.simulator.strict.messages import client_message
from bridge.simulator.strict.settings import settings as check_settings
from bridge.simulator.strict.speak import speak as check_speak
from bridge.wire import deepgram
from tests.bridge.practices import hillside
from tools.arguments import RememberDetails
from tools.catalog import CATALOG, decode_arguments

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


def as_sent(message: deepgram.ToAgent) -> dict[str, Any]:
    sent: dict[str, Any] = msgspec.json.decode(deepgram.encode(message))
    return sent


def unknown_to(model: Any) -> set[str]:
    """Fields that an SDK model took in without knowing them: its models allow any."""
    if isinstance(model, list):
        return set().union(*(unknown_to(item) for item in model))
    if not hasattr(type(model), "model_fields"):
        return set()
    found = set(model.model_extra or {})
    return found.union(*(unknown_to(getattr(model, name)) for name in type(model).model_fields))


PACKAGED_PROFILES = load_profiles(PACKAGED, known_tools=CATALOG).all()
HOUSE = Endpoint(url="https://llm.example/v1", headers={"authorization": "Bearer k"})
EVERYTHING = hillside(
    tags=("pilot",),
    listening=Listening(
        model="flux-general-multi",
        eot_threshold=0.8,
        eager_eot_threshold=0.5,
        keyterms=("crown",),
        language_hints=("en", "es"),
    ),
    spelling=Spelling(cues=("spell",), keyterms=("alpha",)),
    thinking=(
        Thinking(provider="open_ai", model="gpt-5-mini", reasoning_mode="low"),
        Thinking(provider="open_ai", model="gpt-4o", endpoint=HOUSE, context_length=9000),
        Thinking(provider="anthropic", model="claude-sonnet-4-20250514", temperature=1.0),
        Thinking(provider="google", model="gemini-2.5-flash", version="v1beta"),
        Thinking(provider="groq", model="openai/gpt-oss-20b", endpoint=HOUSE),
    ),
    speaking=Speaking(model="flux-kit-en", speed=1.05, expressivity=1),
    speaking_fallback=(
        SpeakingFallback(model="aura-2-mars-en", speed=0.9),
        SpeakingFallback(
            provider="eleven_labs",
            model="eleven_turbo_v2_5",
            language="en",
            endpoint=Endpoint(url="wss://voice.example/v1"),
        ),
        SpeakingFallback(
            provider="cartesia", model="sonic-2", voice="v-1", language="en", volume=1.2
        ),
        SpeakingFallback(
            provider="open_ai",
            model="tts-1",
            voice="alloy",
            endpoint=Endpoint(url="https://voice.example/v1"),
        ),
    ),
    voices=Voices(confirmation=Voice(speed=0.9), serious=Voice(model="aura-2-mars-en", speed=1.0)),
    pronunciation={},
)
"""A practice that uses every key there is."""


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


# --- whether they would take it -----------------------------------------------------------------

PRACTICES = pytest.mark.parametrize(
    "profile", [*PACKAGED_PROFILES, EVERYTHING], ids=lambda profile: profile.speaking.model
)


@PRACTICES
@pytest.mark.parametrize("greet", [True, False])
@pytest.mark.parametrize("conversation", [talk(), BUSY], ids=["new", "busy"])
def test_the_official_sdk_knows_everything_that_we_send(
    profile, conversation: Conversation, greet: bool
) -> None:
    message = settings_for(profile, conversation, catalog=CATALOG, greet=greet, now_utc=NOON_UTC)

    read = AgentV1Settings.model_validate(as_sent(message))

    assert read.agent.listen.provider.model == profile.listening.model
    assert unknown_to(read) == set()


@PRACTICES
@pytest.mark.parametrize("greet", [True, False])
def test_the_emulated_agent_takes_what_we_send(profile, greet: bool) -> None:
    message = settings_for(profile, BUSY, catalog=CATALOG, greet=greet, now_utc=NOON_UTC)

    accepted = check_settings(as_sent(message))

    assert accepted.flux
    assert set(accepted.functions) == set(profile.tools)


@PRACTICES
def test_both_take_what_is_changed_in_mid_call(profile) -> None:
    manners = manners_for(profile, longest_call_s=100.0)
    updates = [manners.listening, manners.spelling, manners.usual_voice, *manners.voices.values()]

    for update in updates:
        sent = as_sent(update)
        client_message(sent)
        if isinstance(update, deepgram.UpdateListen):
            check_listen(sent["listen"], "UpdateListen.listen", Accepted(), update=True)
            assert unknown_to(AgentV1UpdateListen.model_validate(sent)) == set()
        else:
            check_speak(sent["speak"], "UpdateSpeak.speak", Accepted())
            assert unknown_to(AgentV1UpdateSpeak.model_validate(sent)) == set()


def test_wideband_is_linear_16_khz_without_a_header_both_ways() -> None:
    message = settings(sound=Sound(wideband=True))

    assert as_sent(message)["audio"] == {
        "input": {"encoding": "linear16", "sample_rate": 16000},
        "output": {"encoding": "linear16", "sample_rate": 16000, "container": "none"},
    }
    assert unknown_to(AgentV1Settings.model_validate(as_sent(message))) == set()
    assert check_settings(as_sent(message)).flux


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


def test_an_agent_that_greets_says_the_notice_too() -> None:
    phrases = msgspec.structs.replace(hillside().phrases, greeting="Hello.", notice="It listens.")

    assert settings(greet=True, phrases=phrases).agent.greeting == "Hello. It listens."


def test_an_agent_that_continues_has_the_history_and_no_greeting() -> None:
    agent = settings(BUSY).agent

    assert agent.greeting is UNSET
    assert len(agent.context.messages) == 2


def test_an_agent_without_a_history_is_given_none() -> None:
    assert settings(talk()).agent.context is UNSET


def test_every_tool_with_an_effect_waits_for_the_end_of_the_turn() -> None:
    functions = settings().agent.think[0].functions

    deferred = {one.name for one in functions if one.defer_until_eot is True}
    assert deferred == {
        "book_appointment",
        "book_with_insurance",
        "reschedule_appointment",
        "cancel_appointment",
        "update_patient_notes",
        "take_message",
        "transfer_to_human",
        "end_call",
        "start_over",
    }
    assert all(one.defer_until_eot is UNSET for one in functions if one.name not in deferred)


def test_a_tool_of_the_bridges_own_is_offered_to_nobody() -> None:
    functions = settings(tools=("find_slots", "summarise")).agent.think[0].functions

    assert [function.name for function in functions] == ["find_slots"]


def test_a_tool_that_is_not_to_be_had_is_left_out() -> None:
    catalog = {name: tool for name, tool in CATALOG.items() if name != "book_appointment"}

    message = settings_for(hillside(), talk(), catalog=catalog, greet=False, now_utc=NOON_UTC)

    names = [function.name for function in message.agent.think[0].functions]
    assert names == [name for name in hillside().tools if name != "book_appointment"]


def test_details_are_asked_for_by_the_practices_names() -> None:
    practice = hillside(details={"bicycle": "Make and kind.", "day": "The day wanted."})
    message = settings_for(practice, talk(), catalog=CATALOG, greet=False, now_utc=NOON_UTC)

    (noting,) = (f for f in message.agent.think[0].functions if f.name == "remember_details")

    details = noting.parameters["properties"]["details"]
    assert details["properties"] == {
        "bicycle": {"type": "string", "description": "Make and kind."},
        "day": {"type": "string", "description": "The day wanted."},
    }
    assert details["additionalProperties"] is False
    sent = msgspec.json.encode({"details": dict.fromkeys(details["properties"], "x")}).decode()
    assert isinstance(decode_arguments(CATALOG[noting.name], sent), RememberDetails)


def test_every_model_of_the_chain_has_prompt_and_tools() -> None:
    chain = settings().agent.think

    assert [think.provider.model for think in chain] == ["gpt-4.1-mini", "claude-haiku-4-5"]
    assert len({(think.prompt, len(think.functions)) for think in chain}) == 1


def providers(*models: Thinking) -> list[dict[str, Any]]:
    think = as_sent(settings(thinking=models))["agent"]["think"]
    return [{**entry["provider"], "endpoint": entry.get("endpoint")} for entry in think]


def test_a_model_has_its_practices_temperature_or_the_usual_one() -> None:
    own, usual, reasoning, both = providers(
        Thinking(provider="open_ai", model="m", temperature=0.0),
        Thinking(provider="anthropic", model="m"),
        Thinking(provider="open_ai", model="m", reasoning_mode="low"),
        Thinking(provider="groq", model="m", reasoning_mode="low", temperature=0.7),
    )

    assert (own["temperature"], usual["temperature"], both["temperature"]) == (0.0, 0.3, 0.7)
    assert "temperature" not in reasoning


def test_a_model_at_an_address_of_ones_own() -> None:
    google, other = providers(
        Thinking(provider="google", endpoint=HOUSE),
        Thinking(provider="open_ai", model="m", endpoint=Endpoint(url="https://x.example")),
    )

    assert google["endpoint"] == {
        "url": "https://llm.example/v1",
        "headers": {"authorization": "Bearer k"},
    }
    assert "model" not in google
    assert other["endpoint"] == {"url": "https://x.example"}


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


def test_where_one_voice_has_a_pace_every_voice_names_its_own() -> None:
    practice = hillside(voices=Voices(serious=Voice(speed=0.9)))
    manners = manners_for(practice, longest_call_s=100.0)

    assert manners.usual_voice.speak.provider.speed == 1.0
    assert {context: update.speak.provider.speed for context, update in manners.voices.items()} == {
        "serious": 0.9
    }


def test_behind_a_voice_stand_those_for_when_it_fails() -> None:
    practice = hillside(
        speaking_fallback=(SpeakingFallback(model="aura-2-mars-en"),),
        voices=Voices(serious=Voice(model="aura-2-luna-en")),
    )
    message = settings_for(practice, talk(), catalog=CATALOG, greet=False, now_utc=NOON_UTC)
    serious = manners_for(practice, longest_call_s=100.0).voices["serious"]

    chains = [message.agent.speak, serious.speak]

    assert [[one.provider.model for one in chain] for chain in chains] == [
        ["aura-2-thalia-en", "aura-2-mars-en"],
        ["aura-2-luna-en", "aura-2-mars-en"],
    ]


def test_a_flux_voice_is_version_2() -> None:
    provider = settings(speaking=Speaking(model="flux-kit-en")).agent.speak.provider

    assert (provider.version, settings().agent.speak.provider.version) == ("v2", UNSET)


# --- the prompt ------------------------------------------------------------------------------


def prompt(conversation: Conversation | None = None, **changes: Any) -> str:
    told: str = settings(conversation, **changes).agent.think[0].prompt
    return told


def test_how_to_speak_is_always_told() -> None:
    assert SPOKEN_STYLE in prompt(prompt="Be brief.")
    assert "no markdown" in SPOKEN_STYLE


def test_how_to_pronounce_is_told() -> None:
    told = prompt(pronunciation={"Okafor": "oʊˈkɑːfɔːr"})

    assert r'Okafor → \{"word": "Okafor", "pronounce": "oʊˈkɑːfɔːr"\}' in told
    assert "pronounce" not in prompt(pronunciation={})


BOOKED = FunctionCallNote(
    function_call_id="fc1",
    tool="book_appointment",
    arguments="{}",
    at_s=3.0,
    effect=True,
    response='{"result":"booked","say":"Ann Lee is booked for nine."}',
    answered_s=4.0,
    outcome="done",
)


def test_a_call_that_begins_is_told_of_no_past() -> None:
    assert "This call is going on" not in prompt()


def test_a_call_that_goes_on_is_told_what_was_done_known_and_said() -> None:
    past = talk(calls=[BOOKED, msgspec.structs.replace(BOOKED, function_call_id="2", outcome="")])
    past.details = {
        "name": [Remembered(value="Anne", at_s=1.0), Remembered(value="Ann", at_s=2.0)],
        "day": [Remembered(value="", at_s=2.0)],
    }
    past.summary = "She asked about parking."

    told = prompt(past).partition("This call is going on already")[2]

    assert "Done in this call, not to be done again: Ann Lee is booked for nine." in told
    assert "not confirmed, so it may be done or not: book_appointment." in told
    assert "Known from the caller, not to be asked again: name: Ann." in told
    assert "What was said before in this call: She asked about parking." in told


def test_a_booking_that_was_not_made_is_not_told_as_done() -> None:
    taken = msgspec.structs.replace(BOOKED, response='{"result":"slot_taken","say":"No."}')

    assert "Done in this call" not in prompt(talk(calls=[taken]))


def test_a_prompt_is_never_longer_than_the_agent_reads() -> None:
    past = talk()
    past.summary = "x" * 9000

    told = prompt(past, prompt="y" * 20_000)

    assert len(told) == PROMPT_LIMIT


# --- our words in the agent's mouth ------------------------------------------------------------


def test_a_text_of_ours_is_sent_with_its_pronunciations_and_kept_without() -> None:
    practice = hillside(pronunciation={"Okafor": "oʊˈkɑːfɔːr"})

    sent = aloud(practice, "Doctor Okafor is in.")

    assert sent == r'Doctor \{"word": "Okafor", "pronounce": "oʊˈkɑːfɔːr"\} is in.'
    assert plain(sent) == "Doctor Okafor is in."


def test_the_agent_greets_with_its_pronunciations() -> None:
    greeting = settings(greet=True, pronunciation={"Hillside": "ˈhɪlsaɪd"}).agent.greeting

    assert r'\{"word": "Hillside", "pronounce": "ˈhɪlsaɪd"\}' in greeting


# --- history ---------------------------------------------------------------------------------


def test_the_history_holds_what_was_heard_not_what_was_said() -> None:
    cut = agent_said(
        "one two three four", 1.0, complete=True, sent_ms=2000, heard_ms=1000, cut=True
    )

    assert [step.content for step in history(talk(cut))] == ["one two"]


def test_what_was_not_heard_at_all_is_no_part_of_the_history() -> None:
    assert history(talk(agent_said("Hello.", 1.0, cut=True))) == []


def test_words_and_function_calls_stand_in_the_order_of_time() -> None:
    answered = talk(
        *BUSY.utterances, agent_said("Nine.", 4.0, sent_ms=500), calls=BUSY.function_calls
    )

    steps = history(answered)

    assert [step.content for step in steps] == [
        "Hello.",
        "A cleaning on Tuesday, please.",
        UNSET,
        "Nine.",
    ]
    assert [step.role for step in steps] == ["assistant", "user", UNSET, "assistant"]
    assert steps[2].function_calls[0].response == '{"say":"Nine."}'


def test_the_callers_words_without_an_answer_are_left_for_the_new_session_to_answer() -> None:
    steps = history(BUSY)

    assert [step.content for step in steps] == ["Hello.", UNSET]


def test_what_was_summarised_is_no_part_of_the_history_but_what_was_done_is() -> None:
    past = talk(
        agent_said("Hello.", 0.0, sent_ms=500),
        caller_said("Nine, please.", 2.0),
        agent_said("Booked.", 5.0, sent_ms=500),
        calls=[BOOKED],
    )
    past.summarised, past.since_s = 2, 4.5

    steps = history(past)

    assert [step.content for step in steps] == [UNSET, "Booked."]
    assert steps[0].function_calls[0].id == "fc1"


def test_a_function_call_without_an_answer_is_no_part_of_the_history() -> None:
    open_call = FunctionCallNote(
        function_call_id="fc1", tool="find_slots", arguments="{}", at_s=1.0
    )

    assert history(talk(calls=[open_call])) == []


# --- manners ---------------------------------------------------------------------------------


def manners(**changes: Any) -> Manners:
    return manners_for(hillside(**changes), longest_call_s=100.0)


def test_a_practice_that_says_nothing_has_the_cores_own_manners() -> None:
    plainest = hillside(patience=Patience(), spelling=None)
    own = {"greeting", "fillers", "apology", "longest_call_s", "listening", "usual_voice",
           "details", "beside_tokens", "can_transfer"}  # fmt: skip

    made = msgspec.structs.asdict(manners_for(plainest, longest_call_s=100.0))
    usual = msgspec.structs.asdict(Manners(greeting="", apology=""))

    assert {name for name, value in made.items() if value != usual[name]} == own


def test_every_word_and_number_of_a_practice_reaches_its_calls() -> None:
    words = {"greeting": "g", "notice": "n", "fillers": ("f",), "cover": "c", "apology": "a",
             "unheard": "u", "time_is_up": "t", "resumed": "r", "still_there": ("s",),
             "goodbye": "b", "put_through": "p", "nobody_there": "x"}  # fmt: skip
    waits = {"filler_after_s": 0.1, "second_filler_after_s": 0.2, "agent_filler_after_s": 0.3,
             "stall_after_s": 2.4, "idle_after_s": 3.5, "cover_after_s": 0.6,
             "greeting_patience_s": 0.7, "agent_patience_s": 1.8, "reconnect_within_s": 1.9,
             "roll_over_after_s": 61.0}  # fmt: skip
    memory = {"window_turns": 2, "window_tokens": 200, "token_budget": 501}

    made = msgspec.structs.asdict(
        manners(
            phrases=msgspec.structs.replace(hillside().phrases, **words),
            patience=Patience(**waits),
            memory=Memory(**memory),
            barge_in=BargeIn(mode="soft", shortest_ms=300, protect_confirmations=False),
            sound=Sound(group_ms=60, kept_s=3, replay_s=0.5, noise_gate=True, even_volume=True),
            quality=Quality(poor_line="Ask her to move."),
            details={"day": "The day.", "name": "The name."},
        )
    )

    expected = {
        **words,
        **waits,
        **memory,
        "longest_call_s": 100.0,
        "barge_in": "soft",
        "soft_ms": 300,
        "protect_confirmations": False,
        "group_bytes": 480,
        "kept_bytes": 24_000,
        "replay_bytes": 4_000,
        "noise_gate": True,
        "even_volume": True,
        "poor_line": "Ask her to move.",
        "details": ("day", "name"),
    }
    assert {name: made[name] for name in expected} == expected


def test_spelling_changes_what_it_says_and_the_way_back_changes_it_back() -> None:
    made = manners(
        listening=Listening(eot_threshold=0.7, eager_eot_threshold=0.5, keyterms=("crown",)),
        spelling=Spelling(cues=("SPELL",), eot_threshold=0.9, eot_timeout_ms=8000, keyterms=("a",)),
    )
    there, back = made.spelling.listen.provider, made.listening.listen.provider

    assert (there.eot_threshold, there.eot_timeout_ms, there.keyterms) == (0.9, 8000, ["a"])
    assert (back.eot_threshold, back.eot_timeout_ms, back.keyterms) == (0.7, 5000, ["crown"])
    assert there.eager_eot_threshold == back.eager_eot_threshold == 0.5
    assert made.spelling_cues == ("spell",)


def test_keyterms_of_spelling_are_taken_back_even_where_there_are_no_others() -> None:
    made = manners(listening=Listening(), spelling=Spelling(cues=("spell",), keyterms=("a",)))

    assert made.listening.listen.provider.keyterms == []


def test_while_spelling_the_usual_keyterms_stay_unless_there_are_others() -> None:
    made = manners(listening=Listening(keyterms=("crown",)), spelling=Spelling(cues=("spell",)))

    assert made.spelling.listen.provider.keyterms == ["crown"]


def test_languages_are_named_in_every_update_since_one_without_them_clears_them() -> None:
    listening = Listening(model="flux-general-multi", language_hints=("en", "es"))
    made = manners(listening=listening, spelling=Spelling(cues=("spell",)))

    for update in (made.listening, made.spelling):
        assert update.listen.provider.language_hints == ["en", "es"]


def test_a_context_whose_voice_is_the_usual_one_has_none_of_its_own() -> None:
    voices = Voices(
        information=Voice(model="aura-2-luna-en"),
        greeting=Voice(model="aura-2-luna-en"),
        serious=Voice(speed=0.9),
        serious_cues=("It HURTS",),
    )
    made = manners(voices=voices)

    assert set(made.voices) == {"serious"}
    assert made.usual_voice.speak.provider.model == "aura-2-luna-en"
    assert made.serious_cues == ("it hurts",)


def test_what_stands_beside_the_talk_is_counted() -> None:
    beside = manners().beside_tokens

    assert manners(prompt=hillside().prompt.strip() + "four" * 100).beside_tokens == beside + 100
    assert manners(tools=("find_slots",)).beside_tokens < beside
