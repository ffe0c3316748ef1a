"""A channel's orders in memory, in pages, with webhooks that carry what the test puts into them."""

import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import msgspec

from engine.domain.errors import MalformedReply, NotSent
from engine.domain.orders import OrderSnapshot
from engine.domain.units import AccountId, OrderId
from engine.ports import (
    Clock,
    NoHint,
    OrderHint,
    OrderPage,
    SeenListing,
    UnreadableOrder,
    WebhookDelivery,
    WebhookHealth,
    WebhookHint,
)
from tests.fakes.channel import FakeChannel
from tests.fakes.orders import SHOP

T = TypeVar("T")

_HINT: msgspec.json.Decoder[WebhookHint] = msgspec.json.Decoder(WebhookHint)


def webhook_of(hint: WebhookHint | OrderSnapshot) -> bytes:
    """Return the body of a delivery that tells this."""
    return msgspec.json.encode(OrderHint(snapshot=hint) if isinstance(hint, OrderSnapshot) else hint)


def unreadable_body(order: OrderSnapshot) -> bytes:
    """Return an order as the channel sends it when nobody can read it."""
    return f"what is {order.order_id}?".encode()


class OrderFeed(FakeChannel):
    """One account with orders. Pages of two, oldest change first, as stamped by the channel."""

    subscribes = True

    def __init__(self, clock: Clock, *, account: AccountId = SHOP, page_orders: int = 2) -> None:
        super().__init__(random.Random(1), account=account, latency_seconds=(0.01, 0.01))
        self.orders: dict[OrderId, OrderSnapshot] = {}
        self.unreadable: dict[OrderId, tuple[datetime | None, str]] = {}
        self.asked_after: list[datetime] = []
        """`modified_after` of each first page."""
        self.refetched: list[OrderId] = []
        self.health = WebhookHealth(active=1)
        self.fails_at_page: int | None = None
        """This page (from 0) and all after it cannot be read."""
        self.fails_at_order = False
        self.reads_html = False
        """A newer version of the adapter knows what to make of HTML: nothing."""
        self._clock = clock
        self._page_orders = page_orders

    def put(self, *snapshots: OrderSnapshot) -> None:
        """Let orders be as told, at the channel."""
        self.orders.update((snapshot.order_id, snapshot) for snapshot in snapshots)

    async def read_orders(self, modified_after: datetime, cursor: str | None) -> OrderPage:
        if cursor is None:
            self.asked_after.append(modified_after)
        await self._call("read_orders")
        page = int(cursor or 0)
        if self.fails_at_page is not None and page >= self.fails_at_page:
            raise NotSent(self.account, "read_orders", f"page {page} timed out")
        changed = [order for order in self.orders.values() if order.modified_at > modified_after]
        changed.sort(key=lambda order: (order.modified_at, order.order_id))
        start, end = page * self._page_orders, (page + 1) * self._page_orders
        await self._answer()
        return OrderPage(
            orders=tuple(self._read(order) for order in changed[start:end] if order.order_id not in self.unreadable),
            cursor=str(page + 1) if end < len(changed) else None,
            unreadable=tuple(
                UnreadableOrder(order.order_id, *self.unreadable[order.order_id], body=unreadable_body(order))
                for order in changed[start:end]
                if order.order_id in self.unreadable
            ),
        )

    async def read_order(self, order_id: OrderId) -> OrderSnapshot | None:
        await self._call("read_order")
        self.refetched.append(order_id)
        if self.fails_at_order:
            raise NotSent(self.account, "read_order", "refused")
        await self._answer()
        if order_id in self.unreadable:
            raise MalformedReply(self.account, "read_order", self.unreadable[order_id][1])
        known = self.orders.get(order_id)
        return None if known is None else self._read(known)

    async def ensure_webhooks(self) -> WebhookHealth:
        await self._call("ensure_webhooks")
        health, self.health = self.health, WebhookHealth(active=1)
        return health

    def parse_webhook(self, delivery: WebhookDelivery) -> WebhookHint:
        if self.reads_html and delivery.body == b"<html>":
            return NoHint(reason="a page for people")
        try:
            return _HINT.decode(delivery.body)
        except msgspec.MsgspecError as error:
            raise MalformedReply(self.account, "webhook", str(error)) from error

    def _read(self, order: OrderSnapshot) -> OrderSnapshot:
        return msgspec.structs.replace(order, read_at=self._clock.now())


class OpenGate:
    """Lets every call through."""

    async def call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        return await call()


class HeardByPusher:
    """Keeps what an intake tells the pusher of its account."""

    def __init__(self) -> None:
        self.behind: str | None = "not polled yet"
        self.polls: list[str | None] = []
        """One per poll: None when caught up, else why not."""
        self.hints: list[SeenListing] = []

    def orders_caught_up(self) -> None:
        self.behind = None
        self.polls.append(None)

    def orders_behind(self, reason: str) -> None:
        self.behind = reason
        self.polls.append(reason)

    def listing_hint(self, seen: SeenListing) -> None:
        self.hints.append(seen)
