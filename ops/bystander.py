"""A node that runs nothing: it is told the journal, and asked what it knows. For tools beside a daemon."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NoReturn

from adapters.store.memory import MemoryStore
from config.schema import Settings
from engine.domain.orders import OrderSnapshot
from engine.domain.units import AccountId, ListingId, OrderId
from engine.ports import (
    Channel,
    Clock,
    ListingPage,
    OrderPage,
    RowVerdict,
    SeenStock,
    StockWrite,
    WebhookDelivery,
    WebhookHealth,
    WebhookHint,
)
from ops.channels import KINDS
from ops.node import Node
from ops.version import installed_version


def build_bystander(settings: Settings, clock: Clock) -> Node:
    """Make a node of these settings that needs no secret of them; `ops.recovery.catch_up` tells it a journal."""
    accounts = {AccountId(each.id): KINDS[type(each)] for each in settings.accounts}
    return Node(
        settings,
        MemoryStore(),
        clock=clock,
        rng=random.Random(0),  # noqa: S311  # nobody jitters
        channels={account: (kind, UncalledChannel(account)) for account, kind in accounts.items()},
        listener=Unheard(),
        version=installed_version(),
        metrics_text=str,
    )


class Unheard:
    """Telemetry of a node that does nothing (`ops.node.NodeListener`)."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return _ignore


def _ignore(*_: object, **__: object) -> None:
    """Hear nothing."""


class UncalledChannel:
    """An account's channel where its actors never run (`engine.ports.Channel`)."""

    def __init__(self, account: AccountId) -> None:
        """Stand for this account."""
        self.account = account
        self.batch_rows_max = 1
        self.subscribes = False

    def batch_key(self, listing_id: ListingId) -> str:
        """No call is ever made."""
        self._refuse(f"batch_key of {listing_id}")

    async def read_listings(self, cursor: str | None) -> ListingPage:
        """No call is ever made."""
        self._refuse(f"read_listings from {cursor}")

    async def write_stock(self, rows: Sequence[StockWrite]) -> tuple[RowVerdict, ...]:
        """No call is ever made."""
        self._refuse(f"write_stock of {len(rows)} rows")

    async def read_stock(self, listing_ids: Sequence[ListingId]) -> tuple[SeenStock, ...]:
        """No call is ever made."""
        self._refuse(f"read_stock of {len(listing_ids)} listings")

    async def read_orders(self, modified_after: datetime, cursor: str | None) -> OrderPage:
        """No call is ever made."""
        self._refuse(f"read_orders after {modified_after} from {cursor}")

    async def read_order(self, order_id: OrderId) -> OrderSnapshot | None:
        """No call is ever made."""
        self._refuse(f"read_order {order_id}")

    async def ensure_webhooks(self) -> WebhookHealth:
        """No call is ever made."""
        self._refuse("ensure_webhooks")

    def parse_webhook(self, delivery: WebhookDelivery) -> WebhookHint:
        """No call is ever made."""
        self._refuse(f"parse_webhook of {delivery.received_at}")

    async def aclose(self) -> None:
        """Nothing is open."""

    def _refuse(self, call: str) -> NoReturn:
        raise AssertionError(f"{self.account}: {call}: a bystander calls no channel")


_: type[Channel] = UncalledChannel
