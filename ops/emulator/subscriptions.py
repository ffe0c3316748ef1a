"""The shop's webhooks: who wants to hear of what, and when a listener is given up. No IO.

Source: class-wc-webhook.php, class-wc-webhook-data-store.php, class-wc-rest-webhooks-v1-controller.php.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import Any

import msgspec

from ops.emulator.messages import Refusal
from ops.emulator.model import Change

FAILURES_MAX = 5  # `woocommerce_max_webhook_delivery_failures`
_RESOURCES = frozenset({"coupon", "customer", "order", "product"})
_EVENTS = frozenset({"created", "updated", "deleted", "restored"})
_STATUSES = frozenset({"active", "paused", "disabled"})


class Webhook(msgspec.Struct, kw_only=True):
    """One subscription. `pending_delivery` until a ping has been answered with 200."""

    id: int
    created_at: datetime
    modified_at: datetime
    name: str = ""
    topic: str = ""
    delivery_url: str = ""
    secret: str = ""
    status: str = "active"
    failure_count: int = 0
    pending_delivery: bool = True

    @property
    def resource(self) -> str:
        """The half of the topic before the dot."""
        return self.topic.partition(".")[0]

    @property
    def event(self) -> str:
        """The half of the topic behind the dot."""
        return self.topic.partition(".")[2]

    def settle(self, *, delivered: bool) -> None:
        """Count a delivery. Core looks at the count before it adds to it, so the seventh failure in a row disables."""
        if delivered:
            self.failure_count = 0
        elif self.failure_count > FAILURES_MAX:
            self.status = "disabled"
        else:
            self.failure_count += 1


class Subscriptions:
    """All webhooks of a shop, by id."""

    def __init__(self) -> None:
        self.webhooks: dict[int, Webhook] = {}
        self._ids = count(1)

    def create(self, body: Mapping[str, Any], now: datetime) -> Webhook:
        """Add a webhook.

        Raises:
            Refusal: 400 for a missing or invalid topic, delivery URL or status.
        """
        webhook = Webhook(id=0, created_at=now, modified_at=now)
        _assign(webhook, {"topic": "", "delivery_url": "-", **body})
        webhook.id = next(self._ids)
        webhook.name = webhook.name or f"Webhook created on {now:%b %d, %Y @ %I:%M %p}"
        webhook.secret = webhook.secret or f"secret of webhook {webhook.id}"
        self.webhooks[webhook.id] = webhook
        return webhook

    def update(self, webhook_id: int, body: Mapping[str, Any], now: datetime) -> bool:
        """Change a webhook; return whether it must be pinged now. The failure count stays, as in core.

        Raises:
            Refusal: 400 for an unknown id or an invalid field.
        """
        webhook = self.find(webhook_id, status=400)
        before = (webhook.status, webhook.delivery_url)
        _assign(webhook, body)
        webhook.modified_at = now
        changed = before != (webhook.status, webhook.delivery_url)
        return webhook.status == "active" and (changed or webhook.pending_delivery)

    def delete(self, webhook_id: int) -> Webhook:
        """Forget a webhook; return what it was.

        Raises:
            Refusal: 404 for an unknown id.
        """
        webhook = self.find(webhook_id)
        del self.webhooks[webhook_id]
        return webhook

    def find(self, webhook_id: int, status: int = 404) -> Webhook:
        """Look a webhook up.

        Raises:
            Refusal: `woocommerce_rest_shop_webhook_invalid_id` with this status.
        """
        if webhook_id not in self.webhooks:
            raise Refusal("woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.", status)
        return self.webhooks[webhook_id]

    def listeners(self, change: Change) -> list[Webhook]:
        """List the active webhooks for this change, oldest first."""
        return [one for one in self.webhooks.values() if one.topic == change.topic and one.status == "active"]

    def disable_all(self) -> None:
        """Disable every webhook, as a plugin update or a careless colleague does."""
        for webhook in self.webhooks.values():
            webhook.status = "disabled"


def _assign(webhook: Webhook, body: Mapping[str, Any]) -> None:
    topic = str(body.get("topic", webhook.topic)).lower()
    resource, _, event = topic.partition(".")
    if resource != "action" and (resource not in _RESOURCES or event not in _EVENTS):
        raise Refusal("woocommerce_rest_shop_webhook_invalid_topic", "Webhook topic must be valid.", 400)
    url = str(body.get("delivery_url", webhook.delivery_url))
    if not url.startswith(("http://", "https://")):
        message = "Webhook delivery URL must be a valid URL starting with http:// or https://."
        raise Refusal("woocommerce_rest_shop_webhook_invalid_delivery_url", message, 400)
    status = body.get("status", webhook.status)
    if status not in _STATUSES:
        raise Refusal("woocommerce_rest_shop_webhook_invalid_status", "Webhook status must be valid.", 400)
    webhook.topic, webhook.delivery_url, webhook.status = topic, url, status
    webhook.name = body.get("name") or webhook.name
    webhook.secret = body.get("secret") or webhook.secret
