"""Who may do what: bearer tokens with scopes."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from config.schema import Scope, Token
from ops.gateway.problems import Problem

CALLER_KEY = "lastunit.caller"
"""Where the ASGI scope keeps the token's name, for the log line."""
_CHALLENGE = 'Bearer realm="lastunit"'

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], None]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """One token, without the token."""

    name: str
    scopes: frozenset[Scope]
    digest: bytes
    """SHA-256 of the secret. Enough: tokens are long and random, not passwords."""


class Doorkeeper:
    """Knows every token by its digest."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._callers = tuple(
            Caller(name=token.name, scopes=frozenset(token.scopes), digest=_digest(token.secret.reveal().encode()))
            for token in tokens
        )

    def admit(self, authorization: str | None, scope: Scope) -> Caller:
        """Return the caller behind an Authorization header.

        Raises:
            Problem: 401 without a valid token, 403 when it lacks the scope.
        """
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Problem(
                "UNAUTHENTICATED", "send `Authorization: Bearer <token>`", headers={"www-authenticate": _CHALLENGE}
            )
        presented = _digest(secret.strip().encode("latin-1"))
        found: Caller | None = None
        for caller in self._callers:  # all of them: the time taken must not tell which one was near
            if hmac.compare_digest(caller.digest, presented):
                found = caller
        if found is None:
            challenge = f'{_CHALLENGE}, error="invalid_token"'
            raise Problem("UNAUTHENTICATED", "the token is not known", headers={"www-authenticate": challenge})
        if not found.scopes & {scope, "admin"}:
            challenge = f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'
            raise Problem(
                "FORBIDDEN", f"token {found.name} lacks scope {scope}", headers={"www-authenticate": challenge}
            )
        return found


def need(scope: Scope) -> Guard:
    """Build a guard that lets callers with `scope` pass and notes their name."""

    def guard(connection: Connection, _: BaseRouteHandler) -> None:
        doorkeeper: Doorkeeper = connection.app.state.doorkeeper
        caller = doorkeeper.admit(connection.headers.get("authorization"), scope)
        connection.scope[CALLER_KEY] = caller.name  # type: ignore[literal-required]  # our own key

    return guard


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
