"""Whole nodes that notice and tell: one life after the other on the same store, each cut off without a word."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from adapters.store.memory import MemoryStore
from config.alerts import Alerts, WebhookDestination
from config.schema import Push, Secret, Settings, WooCommerceAccount
from engine.actors.journal import decode_events
from engine.actors.router import Waiter
from engine.domain.commands import AddSku, OpenStock
from engine.domain.errors import NotSent
from engine.domain.events import AlertEvent, DeliveryEvent
from engine.domain.orders import OrderSnapshot
from engine.domain.units import AccountId, LocationId, Sku
from engine.machines.alerts.storage import Room
from engine.ports import Clock, Frame, Notifier
from ops.node import Node
from ops.recovery import replay
from tests.fakes.alerts import FakeNotifier
from tests.fakes.clocks import NoonClock
from tests.fakes.feed import OrderFeed
from tests.fakes.orders import SHOP, order, order_line
from tests.fakes.running import SilentTelemetry, settings_for

KEY = Secret("k")
OPS = WebhookDestination(name="ops", url="https://ops.example", signing_secret=Secret("s3cret"))
DOWN = NotSent("ops", "send", "connection refused")


def settings(**alerts: Any) -> Settings:
    chosen: dict[str, Any] = {"destinations": (OPS,), "digest_seconds": 0.0, "low_stock_units": 0}
    account = WooCommerceAccount(
        id=SHOP,
        locations=("berlin", "hamburg"),
        url="https://shop.example",
        consumer_key=KEY,
        consumer_secret=KEY,
        push=Push(settle_seconds=0, verify_after_seconds=0.1),
        credentials_expire_on=alerts.pop("credentials_expire_on", None),
    )
    return settings_for(None, accounts=(account,), alerts=Alerts(**(chosen | alerts)))


class Disk:
    """What the journal lies on, for longer than one node lives."""

    def __init__(self) -> None:
        self.free_bytes = 100 * 10**9


class Life:
    """One node from its start to its death; the store is what is left of it."""

    def __init__(
        self,
        whole: Settings,
        store: MemoryStore,
        notifiers: Mapping[str, Notifier],
        feed: OrderFeed,
        clock: Clock,
        listener: Any,
        disk: Disk | None = None,
    ) -> None:
        self.store = store
        self.feed = feed
        self.disk = disk or Disk()
        self.node = Node(
            whole,
            store,
            clock=clock,
            rng=random.Random(1),
            channels={AccountId(account.id): ("fake", feed) for account in whole.accounts},
            listener=listener,
            version="test",
            metrics_text=lambda: "",
            notifiers=notifiers,
        )
        self.node.alerter.watch_room(lambda: Room("/data", self.disk.free_bytes))

    async def stock(self, sku: str, units: int) -> None:
        await self.node.router.ask(AddSku(sku=Sku(sku), name=sku))
        await self.node.router.ask(OpenStock(sku=Sku(sku), location=LocationId("berlin"), on_hand=units))

    async def sell(self, sku: str, units: int, order_id: str, *, cancelled: int = 0, second: float = 0) -> None:
        waiter = Waiter()
        await self.node.desk.tell(self.order(sku, units, order_id, cancelled=cancelled, second=second), waiter)
        assert await waiter.wait()

    def order(self, sku: str, units: int, order_id: str, *, cancelled: int = 0, second: float = 0) -> OrderSnapshot:
        return order(order_line(sku, units, cancelled=cancelled), order_id=order_id, account=SHOP, second=second)

    def open(self) -> list[tuple[str, str]]:
        return [(alert.raised.alert_kind, alert.raised.subject) for alert in self.node.alerter.alerts.open.values()]


@asynccontextmanager
async def living(
    store: MemoryStore,
    notifiers: Mapping[str, Notifier],
    whole: Settings | None = None,
    *,
    feed: OrderFeed | None = None,
    clock: Clock | None = None,
    listener: SilentTelemetry | None = None,
    disk: Disk | None = None,
) -> AsyncIterator[Life]:
    """Replay and run a node until the block ends; then every task of it is gone at once."""
    clock = clock or NoonClock()
    feed, listener = feed or OrderFeed(clock), listener or SilentTelemetry()
    life = Life(whole or settings(), store, notifiers, feed, clock, listener, disk)
    await replay(life.node, store)
    async with trio.open_nursery() as nursery:
        await nursery.start(life.node.run_journal)
        await nursery.start(life.node.run_actors)
        await nursery.start(life.node.run_accounts)
        yield life
        nursery.cancel_scope.cancel()


def events_of(frames: list[Frame]) -> list[AlertEvent | DeliveryEvent]:
    every = [event for frame in frames for event in decode_events(frame)]
    return [event for event in every if isinstance(event, AlertEvent | DeliveryEvent)]


def told(notifier: FakeNotifier) -> list[tuple[str, str, str]]:
    """Return what a destination was told: kind, subject, transition."""
    notices = [notice for message in notifier.messages for notice in message.notices]
    return [(notice.kind, notice.subject, notice.transition) for notice in notices]
