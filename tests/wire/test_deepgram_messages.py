"""Voice Agent messages: what the goldens and the SDK do not say."""

import json

import pytest

from bridge.wire import deepgram
from bridge.wire.reading import Malformed


@pytest.mark.parametrize("arguments", ['{"day":"tue"}', {"day": "tue"}])
def test_arguments_are_json_text_whichever_way_they_came(arguments) -> None:
    call = deepgram.FunctionCall(id="fc_1", name="find_slots", arguments=arguments)

    assert call.arguments_json == '{"day":"tue"}'


def test_what_was_not_set_is_not_written() -> None:
    settings = deepgram.Settings(audio=deepgram.Audio(), agent=deepgram.Agent())

    assert deepgram.encode(settings) == '{"type":"Settings","audio":{},"agent":{}}'


def test_a_latency_report_holds_only_the_stages_it_measured() -> None:
    report = deepgram.LatencyReport(tts_latency=0.11)

    assert deepgram.encode(report) == '{"type":"LatencyReport","tts_latency":0.11}'


@pytest.mark.parametrize(
    "fields", [{}, {"message": "Hello.", "is_dynamic": True}, {"is_dynamic": False}]
)
def test_an_injected_line_is_given_or_left_to_think_live_never_both(fields) -> None:
    with pytest.raises(ValueError, match="either a message or"):
        deepgram.InjectAgentMessage(**fields)
    with pytest.raises(Malformed, match="InjectAgentMessage: unexpected value"):
        deepgram.to_agent.read(json.dumps({"type": "InjectAgentMessage", **fields}))


@pytest.mark.parametrize("field", ["role", "content", "function_calls"])
def test_history_of_the_other_shape_may_be_null(field) -> None:
    read = deepgram.from_agent.read(json.dumps({"type": "History", field: None}))

    assert not getattr(read, field)


def test_a_listener_without_a_version_is_malformed_since_the_server_takes_it_for_nova() -> None:
    flux = {"listen": {"provider": {"type": "deepgram", "model": "flux-general-en"}}}

    with pytest.raises(Malformed, match=r"UpdateListen: .*version"):
        deepgram.to_agent.read(json.dumps({"type": "UpdateListen", **flux}))
