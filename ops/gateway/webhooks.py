"""Webhooks: checked on their raw bytes, stored by the daemon, acknowledged only then (lesson D13).

This is raw ASGI: the framework would cost more than the work, and whoever can reach the port may call it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from adapters.channels.woocommerce import protocol as woocommerce
from config.schema import Account, WooCommerceAccount
from ops.gateway.bodies import BodyReader
from ops.gateway.client import DaemonClient, Lane
from ops.gateway.link import DaemonMisread, DaemonRefused, DaemonUnavailable
from ops.gateway.problems import Problem, explain_failure

PREFIX = "/webhooks/"
ROUTE = "/webhooks/{account}"

_encode_headers = msgspec.json.Encoder().encode


class WebhookGuard(Protocol):
    """What a channel's webhooks look like. Pure; one per account, it knows the account's secret."""

    kept_headers: Iterable[str]
    """Lower-case names of the headers that are stored with the body."""

    def is_ping(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether this only asks if anybody is there; it need not be signed and is not stored."""
        ...

    def is_genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the account's secret signed these bytes."""
        ...

    def name_delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        """Name the delivery so that a repeat is recognised (lesson D11)."""
        ...


class WooCommerceGuard:
    """WooCommerce: HMAC-SHA256 over the body."""

    kept_headers: Iterable[str] = tuple(sorted(woocommerce.KEPT_HEADERS))

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def is_ping(self, headers: Mapping[str, str], body: bytes) -> bool:
        """See `WebhookGuard`."""
        return woocommerce.is_creation_ping(headers, body)

    def is_genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        """See `WebhookGuard`."""
        return woocommerce.verify_signature(self._secret, body, headers.get(woocommerce.SIGNATURE_HEADER, ""))

    def name_delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        """See `WebhookGuard`."""
        return woocommerce.delivery_key(headers, body)


def build_guard(account: Account) -> WebhookGuard | None:
    """Build the guard of one account; None when it has no secret: then its webhooks are refused."""
    match account:
        case WooCommerceAccount(webhook_secret=secret):
            return None if secret is None else WooCommerceGuard(secret.reveal())


class WebhookDoor:
    """Takes deliveries in."""

    def __init__(self, accounts: Iterable[Account], daemon: DaemonClient, bodies: BodyReader) -> None:
        self._guards = {str(account.id): build_guard(account) for account in accounts}
        self._daemon = daemon
        self._bodies = bodies

    def knows(self, account: str) -> bool:
        """Whether the configuration has this account; nothing else may become a metrics label."""
        return account in self._guards

    async def take(
        self,
        method: str,
        account: str,
        raw_headers: Iterable[tuple[bytes, bytes]],
        receive: Callable[[], Awaitable[Any]],
    ) -> str:
        """Take one delivery; return `stored`, `repeat` or `ping` once it is safe.

        Raises:
            Problem: refused; the shop sees that it failed. Some try again, WooCommerce leaves it to our polls.
            ClientGone: the shop hung up before its delivery was complete.
        """
        if method != "POST":
            raise Problem("BADMETHOD", "webhooks are delivered with POST", headers={"allow": "POST"})
        guard = self._find_guard(account)
        body = await self._bodies.read(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw_headers}
        if guard.is_ping(headers, body):
            return "ping"
        if not guard.is_genuine(headers, body):
            challenge = {"www-authenticate": 'Signature realm="lastunit"'}
            raise Problem("FORGED", "the signature is missing or does not fit the body", headers=challenge)
        kept = {name: headers[name] for name in guard.kept_headers if name in headers}
        return await self._store(account, guard.name_delivery(headers, body), _encode_headers(kept), body)

    def _find_guard(self, account: str) -> WebhookGuard:
        if account not in self._guards:
            raise Problem("NOSUCHACCOUNT", f"{account[:63]!r} is not in the configuration")
        guard = self._guards[account]
        if guard is None:
            raise Problem("NOTSIGNED", f"account {account} has no webhook_secret, so its webhooks are refused")
        return guard

    async def _store(self, account: str, key: str, headers: bytes, body: bytes) -> str:
        try:
            outcome = await self._daemon.call(Lane.WEBHOOK, "WEBHOOK", account, key, headers, body)
        except (DaemonRefused, DaemonUnavailable) as error:
            raise explain_failure(error) from error
        if outcome not in {"STORED", "REPEAT"}:
            raise explain_failure(DaemonMisread(f"the answer to WEBHOOK is {outcome!r:.40}"))
        return str(outcome).lower()


def name_outcome(problem: Problem) -> str:
    """Say in one word what became of a refused delivery: a metrics label."""
    if problem.status >= 500:
        return "failed"
    return {"FORGED": "forged", "TOOBIG": "too_big", "NOTSIGNED": "switched_off"}.get(problem.document.code, "refused")
