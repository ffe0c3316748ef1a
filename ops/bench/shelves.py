"""A daemon of a given size in this process: books, listings and verified pushes as after a month, channels in memory.

Real are the node, its actors, its store (SQLite) and its socket; the channels say yes at once: six emulated shops of
100,000 products would measure the emulator. `python -m ops.bench.shelves <folder> <skus> <locations> <accounts>`.
"""

import gc
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import trio
from prometheus_client import CollectorRegistry

from adapters.store.sqlite import open_store
from config.schema import Location, Offers, Orders, Push, Secret, Settings, Socket, WooCommerceAccount
from config.schema import Node as NodeSettings
from engine.domain.events import Event, ListingMapped, PushPlanned, PushSettled, PushVerified, SkuAdded, StockReceived
from engine.domain.orders import OrderSnapshot
from engine.domain.units import AccountId, Key, ListingId, LocationId, OrderId, Sku
from engine.ports import (
    ListingPage,
    NoHint,
    OrderPage,
    RowVerdict,
    SeenStock,
    StockWrite,
    Verdict,
    WebhookDelivery,
    WebhookHealth,
)
from ops.clock import SteadyClock
from ops.node import Node
from ops.recovery import apply_event
from ops.socket.server import CommandServer
from ops.telemetry.metrics import Telemetry

ON_HAND: Final = 40
"""At each location; holds take a unit each."""
_NEVER: Final = 86_400.0
_START: Final = datetime(2026, 11, 1, tzinfo=UTC)
_CALL_SECONDS: Final = 0.05


class MemoryChannel:
    """Takes every number at once and shows it."""

    batch_rows_max = 100
    subscribes = False

    def __init__(self, account: AccountId) -> None:
        """Show nothing yet."""
        self.account = account
        self._shown: dict[ListingId, int] = {}

    def batch_key(self, listing_id: ListingId) -> str:
        """All rows may share a call."""
        del listing_id
        return "all"

    async def read_listings(self, cursor: str | None) -> ListingPage:
        """Have no news; what a page lacks is not gone."""
        del cursor
        await trio.sleep(_CALL_SECONDS)
        return ListingPage(listings=(), cursor=None)

    async def write_stock(self, rows: Sequence[StockWrite]) -> tuple[RowVerdict, ...]:
        """Take all."""
        await trio.sleep(_CALL_SECONDS)
        self._shown.update((row.listing_id, row.quantity) for row in rows)
        return tuple(RowVerdict(listing_id=row.listing_id, verdict=Verdict.APPLIED) for row in rows)

    async def read_stock(self, listing_ids: Sequence[ListingId]) -> tuple[SeenStock, ...]:
        """Show what was written."""
        await trio.sleep(_CALL_SECONDS)
        return tuple(
            SeenStock(listing_id=listing_id, shown=self._shown[listing_id])
            for listing_id in listing_ids
            if listing_id in self._shown
        )

    async def read_orders(self, modified_after: datetime, cursor: str | None) -> OrderPage:
        """Have no orders."""
        del modified_after, cursor
        await trio.sleep(_CALL_SECONDS)
        return OrderPage(orders=(), cursor=None)

    async def read_order(self, order_id: OrderId) -> OrderSnapshot | None:
        """Know none."""
        del order_id
        await trio.lowlevel.checkpoint()
        return None

    async def ensure_webhooks(self) -> WebhookHealth:
        """Need none."""
        await trio.lowlevel.checkpoint()
        return WebhookHealth(active=0)

    def parse_webhook(self, delivery: WebhookDelivery) -> NoHint:
        """Get none."""
        del delivery
        return NoHint(reason="nobody sends any")

    async def aclose(self) -> None:
        """Have nothing to close."""
        await trio.lowlevel.checkpoint()


def settings_of(folder: Path, locations: int, accounts: int) -> Settings:
    """The settings of a daemon with so many of each."""
    secret = Secret("unused")
    places = tuple(f"place-{number}" for number in range(locations))
    return Settings(
        node=NodeSettings(data=folder, log_level="error"),
        socket=Socket(path=folder / "bench.sock"),
        locations=tuple(Location(id=place) for place in places),
        accounts=tuple(
            WooCommerceAccount(
                id=f"shop-{number}",
                locations=places,
                url=f"https://shop-{number}.example",
                consumer_key=secret,
                consumer_secret=secret,
                push=Push(resync_seconds=_NEVER),
                orders=Orders(poll_seconds=_NEVER),
            )
            for number in range(accounts)
        ),
        offers=Offers(),
    )


def tell_past(settings: Settings, skus: int) -> Iterator[Event]:
    """Yield what a journal would hold: stock at every location, and every listing verified at what there is."""
    places = [LocationId(place.id) for place in settings.locations]
    accounts = [AccountId(account.id) for account in settings.accounts]
    for number in range(skus):
        sku = Sku(f"SKU-{number:06}")
        yield SkuAdded(at=_START, sku=sku, name=f"Article {number}")
        for place in places:
            yield StockReceived(
                at=_START, sku=sku, key=Key(f"opening-{place}"), location=place, quantity=ON_HAND, on_hand=ON_HAND
            )
        shown = ON_HAND * len(places)
        for account in accounts:
            listing = ListingId(f"product:{1_000_000 + number}")
            yield ListingMapped(at=_START, account=account, listing_id=listing, sku=sku, source="sku match")
            yield PushPlanned(
                at=_START, account=account, listing_id=listing, sku=sku, version=1, quantity=shown, basis=1
            )
            yield PushSettled(at=_START, account=account, listing_id=listing, version=1, verdict="applied")
            yield PushVerified(at=_START, account=account, listing_id=listing, version=1, shown=shown)


async def serve(folder: Path, skus: int, locations: int, accounts: int, say: Callable[[str], None]) -> None:
    """Run until SHUTDOWN; says `ready` once commands are answered."""
    settings = settings_of(folder, locations, accounts)
    clock = SteadyClock()
    telemetry = Telemetry(CollectorRegistry(), clock=clock)
    channels = {AccountId(each.id): ("memory", MemoryChannel(AccountId(each.id))) for each in settings.accounts}
    store = await open_store(folder / "journal.sqlite3", inline_seconds_max=0.001)
    await store.claim("bench")
    node = Node(
        settings,
        store,
        clock=clock,
        rng=random.Random(1),  # jitter
        channels=channels,
        listener=telemetry,
        version="bench",
        metrics_text=telemetry.exposition,
    )
    for event in tell_past(settings, skus):
        apply_event(node, event)
        node.projections.replay(1, event)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(0.0005)
    async with trio.open_nursery() as core:
        await core.start(node.run_journal)
        async with trio.open_nursery() as actors:
            await actors.start(node.run_actors)
            server = CommandServer(node, settings.socket, version="bench", listener=telemetry)
            await actors.start(server.run)
            await actors.start(node.run_accounts)
            say("ready")
            await node.shutdown_wanted.wait()
            actors.cancel_scope.cancel()
        node.journal.close()
    store.close()


if __name__ == "__main__":
    size = [int(argument) for argument in sys.argv[2:5]]
    trio.run(partial(serve, Path(sys.argv[1]), size[0], size[1], size[2], partial(print, flush=True)))
