"""Webhook deliveries: a queue, a few workers, one try each.

Source: class-wc-webhook.php, deliver, deliver_ping, generate_signature and get_new_delivery_id.
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable

import msgspec

from ops.emulator.clock import Clock
from ops.emulator.faults import Dice
from ops.emulator.model import Change
from ops.emulator.post import PostClient, Unreachable
from ops.emulator.subscriptions import Subscriptions, Webhook
from ops.emulator.wire import Site

PENDING_MAX = 100_000  # beyond this a delivery is lost, and counted so
DELIVERY_SECONDS = 60
PING_SECONDS = 5  # WordPress' default for outgoing requests
_AGENT = "WooCommerce/9.4.0 Hookshot (WordPress/6.7)"
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#039;", "'"), ("&amp;", "&"))

Payload = Callable[[Change], bytes | None]


class DeliveryCounts(msgspec.Struct):
    """What became of deliveries. `lost` never left, on purpose; `dropped` had nobody to go to any more."""

    queued: int = 0
    sent: int = 0
    failed: int = 0
    lost: int = 0
    repeated: int = 0
    wrong_signature: int = 0
    dropped: int = 0
    pending: int = 0
    pings: int = 0
    pings_failed: int = 0


class Deliveries:
    """Queues what changed for who listens; `payload` renders a resource as it is when its turn has come."""

    def __init__(self, hooks: Subscriptions, dice: Dice, site: Site, clock: Clock, payload: Payload) -> None:
        self.counts = DeliveryCounts()
        self._hooks = hooks
        self._dice = dice
        self._site = site
        self._clock = clock
        self._payload = payload
        self._client = PostClient()
        self._ready: asyncio.Queue[tuple[int, Change]] = asyncio.Queue()

    def announce(self, change: Change) -> None:
        """Queue a change for every active webhook of its topic, unless chance loses it."""
        faults = self._dice.faults
        for webhook in self._hooks.listeners(change):
            if self._dice.happens(faults.webhook_loss_share) or self.counts.pending >= PENDING_MAX:
                self.counts.lost += 1
                continue
            self._queue(webhook.id, change)
            if self._dice.happens(faults.webhook_repeat_share):
                self.counts.repeated += 1
                self._queue(webhook.id, change)

    async def work(self) -> None:
        """Deliver for ever; run a few of these."""
        while True:
            webhook_id, change = await self._ready.get()
            self.counts.pending -= 1
            webhook = self._hooks.webhooks.get(webhook_id)
            body = self._payload(change)
            if webhook is None or webhook.status != "active" or body is None:
                self.counts.dropped += 1
            else:
                await self._deliver(webhook, body)

    async def ping(self, webhook_id: int) -> None:
        """Tell a new listener that it is one: unsigned, form-encoded. Failing changes nothing but the count."""
        webhook = self._hooks.webhooks[webhook_id]
        headers = {"User-Agent": _AGENT, "Content-Type": "application/x-www-form-urlencoded"}
        body = f"webhook_id={webhook_id}".encode()
        self.counts.pings += 1
        try:
            status = await self._client.post(webhook.delivery_url, headers, body, timeout_seconds=PING_SECONDS)
        except Unreachable:
            status = 0
        webhook.pending_delivery = status != 200
        self.counts.pings_failed += webhook.pending_delivery

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def _queue(self, webhook_id: int, change: Change) -> None:
        self.counts.queued += 1
        self.counts.pending += 1
        delay = self._dice.delivery_delay_seconds()
        if delay:
            asyncio.get_running_loop().call_later(delay, self._ready.put_nowait, (webhook_id, change))
        else:
            self._ready.put_nowait((webhook_id, change))

    async def _deliver(self, webhook: Webhook, body: bytes) -> None:
        secret = webhook.secret
        if self._dice.happens(self._dice.faults.webhook_wrong_signature_share):
            self.counts.wrong_signature += 1
            secret += "?"
        headers = {
            "User-Agent": _AGENT,
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": f"{self._site.home_url}/",
            "X-WC-Webhook-Topic": webhook.topic,
            "X-WC-Webhook-Resource": webhook.resource,
            "X-WC-Webhook-Event": webhook.event,
            "X-WC-Webhook-Signature": sign(secret, body),
            "X-WC-Webhook-ID": str(webhook.id),
            "X-WC-Webhook-Delivery-ID": delivery_id(webhook.id, int(self._clock.now().timestamp())),
        }
        try:
            status = await self._client.post(webhook.delivery_url, headers, body, timeout_seconds=DELIVERY_SECONDS)
        except Unreachable:
            status = 0
        delivered = 200 <= status < 303
        self.counts.sent += delivered
        self.counts.failed += not delivered
        webhook.settle(delivered=delivered)


def sign(secret: str, body: bytes) -> str:
    """Sign a body; the stored secret is decoded from HTML entities first, as `wp_specialchars_decode` does."""
    for entity, character in _ENTITIES:
        secret = secret.replace(entity, character)
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def delivery_id(webhook_id: int, second: int) -> str:
    """Name a delivery. Two within one second share the name; so do they in core."""
    return hmac.new(b"the shop's salt", f"{webhook_id}{second}".encode(), hashlib.sha256).hexdigest()[:32]
