"""Errors of the admin API as problem details (RFC 9457, ``application/problem+json``)."""

from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from bridge.errors import StateUnavailable
from tools.errors import Unavailable

log = structlog.get_logger()


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, for a person and for a script."""

    status: int
    title: str
    """The status's own words."""
    detail: str = ""
    type: str = "about:blank"
    errors: list[Any] = []
    """Which parameters were wrong, and how."""


def answer_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """A refusal that Litestar or a handler raised."""
    errors = error.extra if isinstance(error, ValidationException) else None
    return _answer(
        error.status_code,
        error.detail,
        errors=errors if isinstance(errors, list) else [],
        headers=error.headers,
    )


def answer_away(
    request: Request[Any, Any, Any], error: StateUnavailable | Unavailable
) -> Response[bytes]:
    """Redis does not answer: nobody's fault who asked."""
    return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "Redis cannot be reached just now")


def answer_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Anything else is ours: logged with its trace, told without it."""
    log.error("admin_request_failed", path=request.url.path, exc_info=error)
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a fault of the server; see its log")


HANDLERS: dict[int | type[Exception], Any] = {
    HTTPException: answer_http_error,
    StateUnavailable: answer_away,
    Unavailable: answer_away,
    Exception: answer_bug,
}
"""For ``exception_handlers`` of a router or an app."""


def _answer(
    status: int, detail: str, *, errors: list[Any] | None = None, headers: Any = None
) -> Response[bytes]:
    problem = Problem(
        status=status, title=HTTPStatus(status).phrase, detail=detail, errors=errors or []
    )
    return Response(
        msgspec.json.encode(problem),
        status_code=status,
        media_type="application/problem+json",
        headers=headers,
    )
