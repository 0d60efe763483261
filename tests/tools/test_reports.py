from typing import Any

import sentry_sdk

from tools import reports


def event(**more: Any) -> Any:
    return {
        "event_id": "1234567890123456",
        "exception": {
            "values": [{"type": "ValueError", "value": "no patient at +1 (555) 010-0122"}]
        },
        **more,
    }


def test_numbers_are_masked_wherever_they_stand() -> None:
    scrubbed = reports.scrub(event(tags={"note": "born 1980-12-01"}), {})

    assert scrubbed is not None
    assert "555" not in str(scrubbed["exception"])
    assert "1980" not in str(scrubbed["tags"])
    assert scrubbed["event_id"] == "1234567890123456"


def test_request_user_and_extras_are_left_out() -> None:
    scrubbed = reports.scrub(
        event(request={"url": "x?token=1"}, user={"id": 1}, extra={"a": 1}), {}
    )

    assert scrubbed is not None
    assert not scrubbed.keys() & {"request", "user", "extra"}


def test_a_caller_who_hangs_up_is_no_error() -> None:
    gone = {"exception": {"values": [{"type": "WebSocketDisconnect", "value": ""}]}}

    assert reports.scrub(gone, {}) is None


def test_without_an_address_nothing_is_started() -> None:
    reports.start("", process="worker")

    assert not sentry_sdk.get_client().is_active()
