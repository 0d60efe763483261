"""Errors to Sentry, when an address is set, with everything about a person left out.

The defaults of the client are not enough: it sends local variables, bodies of failing requests,
and a transaction per WebSocket named by its whole URL.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import sentry_sdk
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import Dsn

MASK: Final = "•••"
_NUMBERS: Final = re.compile(r"\+?[0-9][0-9 ().\-]{5,}[0-9]")
"""Phone numbers, dates of birth, and anything as long."""
_DROPPED: Final = ("request", "user", "extra", "breadcrumbs", "server_name", "modules")


def start(dsn: str, *, process: str, release: str = "") -> None:
    """Report errors of this process; without an address nothing is started."""
    if not dsn:
        return
    sentry_sdk.init(
        dsn,
        release=release or None,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        traces_sample_rate=None,
        before_send=scrub,
    )
    sentry_sdk.set_tag("process", process)


def check_dsn(dsn: str) -> None:
    """Whether ``start`` can do with this address.

    Raises:
        ValueError: it is neither empty nor a DSN.
    """
    try:
        if dsn:
            Dsn(dsn)
    except ValueError:
        raise ValueError("expected a DSN of Sentry, https://KEY@HOST/PROJECT") from None


def scrub(event: Event, _hint: Hint) -> Event | None:
    """The event without request, user and extras, and without long numbers anywhere.

    A caller who hangs up (``WebSocketDisconnect``) is no error.
    """
    raised = [each.get("type") for each in (event.get("exception") or {}).get("values", ())]
    if "WebSocketDisconnect" in raised:
        return None
    kept = {key: value for key, value in event.items() if key not in _DROPPED}
    return cast(Event, _masked(kept))


def _masked(value: Any) -> Any:
    match value:
        case str():
            return _NUMBERS.sub(MASK, value)
        case Mapping():
            return {
                key: each if key in ("event_id", "timestamp", "trace_id") else _masked(each)
                for key, each in value.items()
            }
        case list() | tuple():
            return [_masked(each) for each in value]
        case _:
            return value
