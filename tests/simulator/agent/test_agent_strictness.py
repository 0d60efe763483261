"""What ``Settings`` and updates are refused for: each rule of the reference, one change each."""

import copy
import json
from pathlib import Path

import pytest

from bridge.simulator.strict.messages import client_message
from bridge.simulator.strict.settings import settings as check
from bridge.simulator.strict.shapes import Refused

GOLDEN = Path(__file__).parents[2] / "golden" / "deepgram"
ABSENT = object()


def changed(settings, path, value):
    """A copy with one field set, or left out."""
    body = copy.deepcopy(settings)
    *parents, name = path
    inner = body
    for parent in parents:
        inner = inner[parent]
    if value is ABSENT:
        del inner[name]
    else:
        inner[name] = value
    return body


UNPARSABLE, INVALID = "UNPARSABLE_CLIENT_MESSAGE", "INVALID_SETTINGS"
AGENT = ("agent",)
LISTEN = ("agent", "listen", "provider")
THINK = ("agent", "think")
FUNCTION = ("agent", "think", "functions", 0)
SPEAK = ("agent", "speak", "provider")
OUTPUT = ("audio", "output")
NOVA = {"type": "deepgram", "version": "v1", "model": "nova-3"}
EXTERNAL = {"url": "https://llm.example/v1"}

REFUSED = [
    # the message
    (("audio",), ABSENT, UNPARSABLE),
    (("agent",), ABSENT, UNPARSABLE),
    (("settings",), {}, UNPARSABLE),
    (("tags",), "dental", UNPARSABLE),
    (("mip_opt_out",), "true", UNPARSABLE),
    (("flags",), {"histories": True}, UNPARSABLE),
    (("flags",), {"history": 1}, UNPARSABLE),
    (("agent",), "0b0e9f1a-5a0e-4f3e-9c1f-2d6f1f0c7a10", "INVALID_AGENT_ID"),
    # audio
    (("audio", "input"), {"encoding": "mulaw"}, UNPARSABLE),
    (("audio", "input", "sample_rate"), 8000.0, UNPARSABLE),
    (("audio", "input", "sample_rate"), "8000", UNPARSABLE),
    (("audio", "input", "encoding"), "ulaw", UNPARSABLE),
    ((*OUTPUT, "encoding"), "mp4", UNPARSABLE),
    ((*OUTPUT, "container"), "webm", UNPARSABLE),
    ((*OUTPUT, "sample_rate"), 44100, INVALID),
    ((*OUTPUT, "bitrate"), 48000, INVALID),
    ((*OUTPUT, "container"), "ogg", INVALID),
    # agent
    ((*AGENT, "language"), "en", UNPARSABLE),
    ((*AGENT, "think_live"), {"provider": {"type": "deepgram", "version": "v1"}}, UNPARSABLE),
    ((*AGENT, "greeting"), None, UNPARSABLE),
    ((*AGENT, "messages"), [], UNPARSABLE),
    ((*AGENT, "context"), {"messages": [{"type": "History", "role": "agent", "content": ""}]},
     UNPARSABLE),
    ((*AGENT, "context"), {"messages": [{"role": "user", "content": ""}]}, UNPARSABLE),
    ((*AGENT, "context"), {"messages": [{"type": "History", "function_calls": [{"id": "1"}]}]},
     UNPARSABLE),
    # listen
    ((*LISTEN, "version"), ABSENT, INVALID),
    ((*LISTEN, "version"), "v3", UNPARSABLE),
    ((*LISTEN, "type"), "whisper", UNPARSABLE),
    ((*LISTEN, "model"), ABSENT, UNPARSABLE),
    ((*LISTEN, "model"), "nova-3", INVALID),
    ((*LISTEN, "model"), "flux-general-de", INVALID),
    ((*LISTEN, "endpointing"), 300, UNPARSABLE),
    ((*LISTEN, "smart_format"), True, UNPARSABLE),
    ((*LISTEN, "eot_threshold"), 0.4, INVALID),
    ((*LISTEN, "eot_threshold"), 1.1, INVALID),
    ((*LISTEN, "eot_threshold"), "0.7", UNPARSABLE),
    ((*LISTEN, "eager_eot_threshold"), 0.8, INVALID),
    ((*LISTEN, "eager_eot_threshold"), 0.2, INVALID),
    ((*LISTEN, "eot_timeout_ms"), 5000.5, UNPARSABLE),
    ((*LISTEN, "language_hints"), ["en"], INVALID),
    (LISTEN, NOVA | {"eot_threshold": 0.7}, UNPARSABLE),
    (LISTEN, NOVA | {"model": "flux-general-en"}, INVALID),
    # think
    ((*THINK, "provider"), ABSENT, UNPARSABLE),
    (THINK, [], INVALID),
    ((*THINK, "provider"), {"type": "openai", "model": "gpt-4.1-mini"}, UNPARSABLE),
    ((*THINK, "provider"), {"type": "open_ai"}, UNPARSABLE),
    ((*THINK, "provider"), {"type": "open_ai", "model": "gpt-17"}, INVALID),
    ((*THINK, "provider"), {"type": "open_ai", "model": "gpt-4.1", "temperature": 2.1}, INVALID),
    ((*THINK, "provider"), {"type": "anthropic", "model": "claude-haiku-4-5", "temperature": 1.1},
     INVALID),
    ((*THINK, "provider"), {"type": "groq", "model": "openai/gpt-oss-20b"}, INVALID),
    ((*THINK, "provider"), {"type": "aws_bedrock", "model": "any"}, INVALID),
    ((*THINK, "provider"), {"type": "deepgram", "model": "think-fast"}, INVALID),
    ((*THINK, "provider"), {"type": "open_ai", "model": "gpt-4.1", "reasoning_mode": "max"},
     UNPARSABLE),
    ((*THINK, "context_length"), 4000, INVALID),
    ((*THINK, "endpoint"), {"headers": {}}, UNPARSABLE),
    # functions
    ((*FUNCTION, "name"), ABSENT, UNPARSABLE),
    ((*FUNCTION, "name"), "find slots", INVALID),
    ((*FUNCTION, "parameters"), [], UNPARSABLE),
    ((*FUNCTION, "parameters"), {"type": "string"}, INVALID),
    ((*FUNCTION, "defer_until_eot"), "yes", UNPARSABLE),
    ((*FUNCTION, "initial_agent_filler"), True, INVALID),
    ((*FUNCTION, "agent_filler_max_count"), 2, INVALID),
    ((*FUNCTION, "agent_filler_interval_ms"), 2000, INVALID),
    ((*FUNCTION, "strict"), True, UNPARSABLE),
    # speak
    (("agent", "speak"), [], INVALID),
    ((*SPEAK, "language"), "en", UNPARSABLE),
    ((*SPEAK, "model"), ABSENT, UNPARSABLE),
    ((*SPEAK, "model"), "aura-2-nobody-en", INVALID),
    ((*SPEAK, "model"), "flux-kit-en", INVALID),
    ((*SPEAK, "version"), "v2", INVALID),
    ((*SPEAK, "speed"), 0.6, INVALID),
    ((*SPEAK, "expressivity"), 1, UNPARSABLE),
    (SPEAK, {"type": "eleven_labs", "model_id": "turbo"}, INVALID),
    (SPEAK, {"type": "open_ai", "model": "tts-1", "voice": "alloy"}, INVALID),
    (SPEAK, {"type": "festival"}, UNPARSABLE),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "code"), REFUSED)
def test_settings_are_refused_for(settings, path, value, code):
    with pytest.raises(Refused) as refusal:
        check(changed(settings(), path, value))

    assert refusal.value.code == code
    assert refusal.value.description


ALLOWED = [
    (("tags",), ["dental"]),
    (("mip_opt_out",), True),
    (("experimental",), True),
    (("flags",), {"history": False}),
    (("audio", "output"), {"encoding": "mulaw"}),
    (LISTEN, NOVA | {"language": "multi", "keyterms": ["Okafor"], "smart_format": True}),
    ((*LISTEN, "eager_eot_threshold"), 0.7),
    ((*LISTEN, "eot_threshold"), 1.0),
    (LISTEN, {"type": "deepgram", "version": "v2", "model": "flux-general-multi",
              "language_hints": ["en", "es"]}),
    ((*THINK, "provider"), {"type": "anthropic", "model": "claude-haiku-4-5", "temperature": 1}),
    (THINK, {"provider": {"type": "google"}, "endpoint": EXTERNAL, "context_length": "max"}),
    (THINK, {"provider": {"type": "open_ai", "model": "own"}, "endpoint": EXTERNAL,
             "context_length": 9000}),
    (THINK, {"provider": {"type": "groq", "model": "own"}, "endpoint": EXTERNAL}),
    ((*FUNCTION, "endpoint"), {"url": "https://tools.example/", "method": "post"}),
    (SPEAK, {"type": "deepgram", "model": "flux-kit-en", "version": "v2", "speed": 0.55,
             "expressivity": -2}),
    (("agent", "speak"), [{"provider": {"type": "deepgram", "model": "aura-2-zeus-en"}}] * 2),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), ALLOWED)
def test_settings_are_accepted_with(settings, path, value):
    check(changed(settings(), path, value))


def test_a_flux_voice_cannot_come_in_a_container(settings):
    body = changed(settings(), SPEAK, {"type": "deepgram", "version": "v2", "model": "flux-kit-en"})
    body["audio"]["output"]["container"] = "wav"

    with pytest.raises(Refused, match=INVALID):
        check(body)


def test_the_voice_is_a_flux_voice_when_none_is_named(settings):
    body = changed(settings(), ("agent", "speak"), ABSENT)
    body["audio"]["output"]["container"] = "wav"

    with pytest.raises(Refused, match=INVALID):
        check(body)


def test_what_settings_say_is_taken_over(settings):
    body = changed(settings(greeting="Hello."), (*LISTEN, "eot_timeout_ms"), 7000)

    accepted = check(body)

    assert accepted.greeting == "Hello."
    assert accepted.timeout_ms == 7000
    assert accepted.flux
    assert [name for name, function in accepted.functions.items() if function.deferred] == [
        "book_appointment"
    ]


NOT_FOR_US = {
    "inject-dynamic-agent-message": UNPARSABLE,  # Think Live, by invitation only
    "update-think-live": UNPARSABLE,
    "settings-stored-agent": "INVALID_AGENT_ID",
    "settings-other-voices": INVALID,  # another sound than the telephone's
}


def goldens():
    """Name and message of every golden client message."""
    for path in sorted(GOLDEN.glob("*.json")):
        golden = json.loads(path.read_bytes())
        if golden["direction"] == "to_agent":
            yield pytest.param(path.stem, golden["message"], id=path.stem)


@pytest.mark.parametrize(("name", "message"), list(goldens()))
def test_documented_messages_are_accepted_and_odd_ones_refused(name, message):
    check_one = check if message["type"] == "Settings" else client_message
    expected = UNPARSABLE if name.startswith("odd-") else NOT_FOR_US.get(name)

    if expected is None:
        check_one(message)
    else:
        with pytest.raises(Refused) as refusal:
            check_one(message)
        assert refusal.value.code == expected


@pytest.mark.parametrize("kind", ["KeepAlive", "ForceEndTurn"])
def test_the_plain_messages_are_accepted(kind):
    client_message({"type": kind})


def test_a_description_never_ends_in_python(settings):
    with pytest.raises(Refused) as refusal:
        check(changed(settings(), (*LISTEN, "eot_threshold"), 0.4))

    assert refusal.value.description == (
        "Settings.agent.listen.provider.eot_threshold: must be between 0.5 and 1"
    )
    assert json.dumps(refusal.value.description)
