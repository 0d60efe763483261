"""Every code of the agent's, and what it means for the call."""

import pytest

from bridge.call.troubles import ERRORS, REFUSED_INJECTIONS, WARNINGS, of_error, of_handshake
from bridge.call.troubles import crowded as is_crowded

# Copied from deepgram-voice-agent.md section 3, where the two lists stand.
ERROR_CODES = [
    "INTERNAL_SERVER_ERROR",
    "CLIENT_MESSAGE_TIMEOUT",
    "UNPARSABLE_CLIENT_MESSAGE",
    "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS",
    "SETTINGS_ALREADY_APPLIED",
    "INVALID_SETTINGS",
    "FAILED_TO_START_LISTENING",
    "ASR_CONNECTION_CLOSED",
    "ASR_DRIVER_TIMEOUT",
    "USER_AUDIO_FORMAT",
    "FAILED_TO_THINK",
    "FAILED_TO_SPEAK",
    "SERVER_GOING_AWAY",
    "NON_EXISTENT_FUNCTION_CALLED",
    "AGENT_ID_NOT_SUPPORTED",
    "INVALID_AGENT_ID",
    "MAXIMUM_SESSION_LENGTH_REACHED",
]
WARNING_CODES = [
    "INJECT_AGENT_MESSAGE_DURING_USER_SPEECH",
    "INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH",
    "PROMPT_TOO_LONG",
    "THINK_REQUEST_FAILED",
    "SPEAK_REQUEST_FAILED",
    "FUNCTION_CALL_FAILED",
    "SLOW_THINK_REQUEST",
    "SLOW_SPEAK_REQUEST",
    "FORCE_END_TURN_UNSUPPORTED",
    "GPT_4O_STREAM_END_ERROR",
    "MAXIMUM_SESSION_LENGTH_APPROACHING",
    "VOICE_PROMPT_ADDED",
]
HOPELESS = {"INVALID_SETTINGS", "USER_AUDIO_FORMAT", "AGENT_ID_NOT_SUPPORTED", "INVALID_AGENT_ID"}


def test_every_error_is_classed_and_no_other() -> None:
    assert set(ERRORS) == set(ERROR_CODES)


def test_every_warning_is_classed_and_no_other() -> None:
    assert set(WARNINGS) == set(WARNING_CODES)


@pytest.mark.parametrize("code", ERROR_CODES)
def test_only_what_we_sent_or_who_we_are_ends_the_call(code: str) -> None:
    assert of_error(code, applied=True) == ("end" if code in HOPELESS else "retry")


def test_no_warning_ends_a_session() -> None:
    assert "end" not in WARNINGS.values()


def test_a_warning_leaves_the_session_as_it_is_but_for_its_age() -> None:
    renewing = {code for code, means in WARNINGS.items() if means == "retry"}

    assert renewing == {"MAXIMUM_SESSION_LENGTH_APPROACHING"}


def test_a_message_that_cannot_be_read_is_settings_before_they_are_applied() -> None:
    assert of_error("UNPARSABLE_CLIENT_MESSAGE", applied=False) == "end"


def test_other_errors_mean_the_same_before_and_after() -> None:
    assert of_error("INTERNAL_SERVER_ERROR", applied=False) == "retry"


def test_an_error_nobody_knows_is_a_passing_one() -> None:
    assert of_error("A_CODE_NOBODY_KNOWS", applied=True) == "retry"


def test_injections_are_refused_by_warnings_that_are_known() -> None:
    assert set(WARNING_CODES) >= REFUSED_INJECTIONS
    assert len(REFUSED_INJECTIONS) == 2


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (0, "retry"),
        (101, "retry"),
        (302, "retry"),
        (400, "end"),
        (401, "end"),
        (402, "end"),
        (403, "end"),
        (404, "end"),
        (429, "retry"),
        (500, "retry"),
        (502, "retry"),
        (503, "retry"),
    ],
)
def test_a_refused_handshake_is_worth_another_unless_it_is_our_fault(
    status: int, means: str
) -> None:
    assert of_handshake(status) == means


@pytest.mark.parametrize(
    ("status", "crowded"), [(0, False), (401, False), (429, True), (499, False), (500, True)]
)
def test_where_too_many_stand_already_nobody_runs_back_at_once(status: int, crowded: bool) -> None:
    assert is_crowded(status) is crowded
