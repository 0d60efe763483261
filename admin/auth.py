"""Who may use the admin API: bearer tokens with a role, compared in constant time.

Leaves what each route needs to the route: a handler that changes something needs an operator
unless it says otherwise in ``opt["role"]``.
"""

import hashlib
import hmac
from enum import IntEnum
from typing import Any

import msgspec
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler

from admin.errors import SettingsRefused

SHORTEST_TOKEN = 16
"""Characters; a shorter token could be found by trying."""
_READING = {"GET", "HEAD", "OPTIONS"}
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="holdfast"'}


class Role(IntEnum):
    """What a token allows; the higher role may do what the lower one may."""

    VIEWER = 1
    OPERATOR = 2


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """One configured token, as its digest: the token itself is kept nowhere."""

    role: Role
    digest: bytes


def read_tokens(text: str) -> tuple[Token, ...]:
    """The tokens of ``ADMIN_TOKENS``: ``token`` (an operator's) or ``role:token``, by commas.

    Raises:
        SettingsRefused: no token, a short one, or an unknown role; says which, not what.
    """
    tokens = []
    for number, entry in enumerate(filter(None, map(str.strip, text.split(","))), start=1):
        role_name, colon, secret = entry.rpartition(":")
        if colon and role_name.upper() not in Role.__members__:
            raise SettingsRefused(
                f"ADMIN_TOKENS: entry {number} has a role other than viewer or operator"
            )
        if len(secret) < SHORTEST_TOKEN:
            raise SettingsRefused(
                f"ADMIN_TOKENS: entry {number} is shorter than {SHORTEST_TOKEN} characters; "
                'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(24))"'
            )
        role = Role[role_name.upper()] if colon else Role.OPERATOR
        tokens.append(Token(role=role, digest=_digest(secret)))
    if not tokens:
        raise SettingsRefused(
            "ADMIN_TOKENS: none configured, and admin does not start open; set at least one token"
        )
    return tuple(tokens)


def role_of(presented: str, tokens: tuple[Token, ...]) -> Role | None:
    """The role a presented token has. Takes as long for a wrong token as for a right one."""
    digest = _digest(presented)
    found = None
    for token in tokens:
        if hmac.compare_digest(digest, token.digest):
            found = token.role if found is None else max(found, token.role)
    return found


class Doorkeeper:
    """The guard of every admin route."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens

    def __call__(
        self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        """Let the request in or not.

        Raises:
            NotAuthorizedException: 401, no token or an unknown one.
            PermissionDeniedException: 403, the token's role does not reach.
        """
        scheme, _, presented = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not presented.strip():
            raise NotAuthorizedException("a bearer token is needed", headers=_CHALLENGE)
        role = role_of(presented.strip(), self._tokens)
        if role is None:
            raise NotAuthorizedException("this token is not known", headers=_CHALLENGE)
        if role < needed_role(handler):
            raise PermissionDeniedException("this takes an operator's token")


def needed_role(handler: BaseRouteHandler) -> Role:
    """What a route needs: what it says, else an operator for whatever does more than read."""
    if (said := handler.opt.get("role")) is not None:
        return Role(said)
    methods: set[str] = getattr(handler, "http_methods", set())
    return Role.VIEWER if methods and methods <= _READING else Role.OPERATOR


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
