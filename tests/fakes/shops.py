"""A node with several fake shops on one virtual clock: what happens at one account may change what another shows."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from adapters.store.memory import MemoryStore
from config.schema import Location, Offers, Orders, Push, Secret, Settings, WooCommerceAccount
from config.schema import Node as NodeSettings
from engine.actors.router import Waiter
from engine.domain.commands import AddSku, Receive
from engine.domain.offers.rules import RuleBook
from engine.domain.orders import OrderSnapshot
from engine.domain.units import AccountId, Key, LocationId, Sku
from engine.ports import Frame
from ops.node import Node
from tests.fakes.books import BOTH, HERE
from tests.fakes.channel import FakeChannel
from tests.fakes.clocks import NoonClock
from tests.fakes.orders import order, order_line
from tests.fakes.running import running_node

KEY = Secret("k")


class Shops:
    """The node of one life, and what a test asks of it."""

    def __init__(self, node: Node, shops: dict[AccountId, FakeChannel]) -> None:
        self.node = node
        self.shops = shops

    async def stock(self, **on_hand: int) -> None:
        """Make SKUs exist with units here, each with a listing of its name at every shop."""
        for name, units in on_hand.items():
            await self.node.router.ask(AddSku(sku=Sku(name), name=name))
            await self.receive(name, units, key="first")
        for account in self.node.accounts.values():
            for name in on_hand:
                self.shops[account.id].add(f"{account.id}/{name}", name)
            account.pusher.resync()

    async def receive(self, name: str, units: int, key: str, location: LocationId = HERE) -> None:
        if units:
            await self.node.router.ask(Receive(key=Key(key), sku=Sku(name), location=location, quantity=units))

    def shown(self, name: str = "A") -> tuple[int | None, ...]:
        """Return what each shop shows."""
        return tuple(shop.shown(f"{account}/{name}") for account, shop in self.shops.items())

    async def sold(self, account: str, order_id: str, units: int, sku: str = "A", second: float = 0) -> None:
        """Let a shop sell, and the desk hear of the order, as if a poll had brought it."""
        listing = f"{account}/{sku}"
        self.shops[AccountId(account)].sell(listing, units)
        snapshot: OrderSnapshot = order(
            order_line(None, units, listing=listing), order_id=order_id, account=AccountId(account), second=second
        )
        snapshot = msgspec.structs.replace(snapshot, placed_at=self.node.clock.now())
        told = Waiter()
        await self.node.desk.tell(snapshot, told)
        await told.wait()

    async def set(self, book: RuleBook) -> None:
        assert self.node.offers.check(book) == []
        await self.node.offers.set(book)

    async def quiet(self, seconds: float = 30) -> None:
        """Let everything settle, be pushed and be verified."""
        await trio.sleep(seconds)


def settings_of(accounts: Sequence[str], offers: Offers | None = None, **changes: Any) -> Settings:
    """The settings of several shops that sell from the same two places."""
    return Settings(
        node=NodeSettings(shards=2),
        locations=tuple(Location(id=location) for location in BOTH),
        accounts=tuple(
            WooCommerceAccount(
                id=account,
                locations=BOTH,
                url=f"https://{account}.example",
                consumer_key=KEY,
                consumer_secret=KEY,
                push=Push(resync_seconds=86_400.0),
                orders=Orders(poll_seconds=3600.0),
                **changes,
            )
            for account in accounts
        ),
        offers=offers or Offers(),
    )


@asynccontextmanager
async def running_shops(
    *accounts: str, offers: Offers | None = None, frames: list[Frame] | None = None, **changes: Any
) -> AsyncIterator[Shops]:
    """Run a node with these accounts; `frames` is the journal, to be run again."""
    shops = {
        AccountId(account): FakeChannel(random.Random(seed), account=account, batch_rows_max=100)
        for seed, account in enumerate(accounts)
    }
    store = MemoryStore(frames if frames is not None else [])
    channels = {account: ("fake", shop) for account, shop in shops.items()}
    settings = settings_of(accounts, offers, **changes)
    async with running_node(settings, store, channels=channels, clock=NoonClock(), serve=False) as node:
        yield Shops(node, shops)
