"""Journal, shards, router and order desk on a store of the test's: the engine without its channels."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from typing import get_args

import msgspec
import trio

from adapters.store.memory import MemoryStore
from engine.actors.all_books import AllBooks
from engine.actors.directory import Directory
from engine.actors.documents import Documents
from engine.actors.fanout import Fanout
from engine.actors.journal import Journal, decode_events
from engine.actors.order_desk import CommitInto, OrderDesk
from engine.actors.projections import Projections
from engine.actors.recipe_owner import RecipeOwner
from engine.actors.router import Router, Waiter
from engine.actors.shard import Shard
from engine.domain.availability import Availability, ChannelSale
from engine.domain.catalogue.recipes import Recipe, Recipes
from engine.domain.commands import AddSku, Command, Receive
from engine.domain.events import BookEvent, Event, HoldCommitted, OrderRecorded, RecipeSet, StockConfirmed
from engine.domain.orders import OrderLine, OrderSnapshot
from engine.domain.partition import shard_of
from engine.domain.stated import Stateful, Statement
from engine.domain.stock.book import Book, Position
from engine.domain.stock.filing import DOCUMENTS_SECONDS
from engine.domain.stock.incidents import Incidents
from engine.domain.stock.ledger import Ledger
from engine.domain.stock.places import ONE_POOL, Pools
from engine.domain.stock.records import HISTORY_SECONDS
from engine.domain.units import DIRECT, AccountId, HoldId, Key, ListingId, LocationId, OrderId, Sku
from engine.ports import Clock, Store
from tests.fakes.books import BOTH, HERE
from tests.fakes.clocks import PATIENCE_SECONDS, NoonClock
from tests.fakes.orders import SHOP
from tests.fakes.running import SilentTelemetry

STATED = msgspec.msgpack.Encoder()
READ = msgspec.msgpack.Decoder(Statement)


class FakeAccount:
    """An account without a channel: maps listings as told, keeps the sales it hears of."""

    def __init__(self, locations: tuple[LocationId, ...] = BOTH) -> None:
        self.locations = locations
        self.listings: dict[ListingId, Sku] = {}
        self.packs: dict[ListingId, int] = {}
        self.sales: list[ChannelSale] = []

    def sku_of(self, line: OrderLine) -> Sku | None:
        return line.sku if line.listing_id is None else self.listings.get(line.listing_id)

    def pack_units_of(self, line: OrderLine) -> int:
        return self.packs.get(line.listing_id, 1) if line.listing_id is not None else 1

    def cause_of_oversell(self, sku: Sku, placed_at: datetime) -> tuple[str, str]:
        return "lag", f"{sku} was shown at {placed_at:%H:%M:%S}"

    def channel_sale(self, sale: ChannelSale) -> None:
        self.sales.append(sale)


class Engine:
    """Real actors; `committed` and `availability` keep what pushers would hear."""

    def __init__(
        self,
        store: Store | None = None,
        *,
        shards: int = 3,
        clock: Clock | None = None,
        accounts: Mapping[AccountId, FakeAccount] | None = None,
        pools: Pools = ONE_POOL,
        mailbox_max: int = 1000,
        entries_max: int = 1000,
        stall_seconds_max: float = 60,
        remembered_seconds: float = 3600,
        remembered_max: int = 100_000,
        history_seconds: float = HISTORY_SECONDS,
        documents_seconds: float = DOCUMENTS_SECONDS,
    ) -> None:
        """Make it; `replay` and `running` do the rest."""
        self.store = store or MemoryStore()
        self.clock = clock or NoonClock()
        listener = SilentTelemetry()
        self.events: list[tuple[int, Event]] = []
        self.told: list[Availability] = []
        self.incidents = Incidents()
        projections = Projections()
        projections.add(get_args(Event), self._keep)
        self.journal = Journal(
            self.store,
            self.clock,
            entries_max=entries_max,
            waiting_max=2 * entries_max,
            stall_seconds_max=stall_seconds_max,
            listener=listener,
            projections=projections,
        )
        self.directory: Directory = {}
        self.documents = Documents()
        ledgers = [
            Ledger(
                remembered_seconds=remembered_seconds,
                remembered_max=remembered_max,
                history_seconds=history_seconds,
                documents_seconds=documents_seconds,
                pools=pools,
            )
            for _ in range(shards)
        ]
        self.shards = [
            Shard(
                index,
                ledger=ledger,
                owner=lambda sku: ledgers[shard_of(sku, shards)],
                directory=self.directory,
                documents=self.documents,
                journal=self.journal,
                clock=self.clock,
                outlet=self,
                listener=listener,
                mailbox_max=mailbox_max,
            )
            for index, ledger in enumerate(ledgers)
        ]
        self.router = Router(self.shards, self.directory, self.documents, self.journal)
        self.account = FakeAccount()
        self.recipes = Recipes()
        self.fanout = Fanout(self.told.append)
        projections.add((RecipeSet,), self.fanout.keep_recipe)
        self.desk = OrderDesk(
            router=self.router,
            journal=self.journal,
            clock=self.clock,
            accounts=accounts or {SHOP: self.account, DIRECT: FakeAccount()},
            recipes=self.recipes,
            listener=listener,
            mailbox_max=mailbox_max,
        )
        self.recipe_owner = RecipeOwner(
            self.recipes, router=self.router, desk=self.desk, journal=self.journal, alone=nullcontext
        )

    def _keep(self, position: int, event: Event) -> None:
        self.events.append((position, event))
        if isinstance(event, BookEvent):
            self.incidents.apply(event)

    # -- `engine.actors.shard.Outlet`

    def availability(self, availability: Availability) -> None:
        self.fanout.availability(availability)

    # -- running

    async def replay(self) -> None:
        """Come to where the store's last owner was."""
        for frame in await self.store.read(0, 1_000_000):
            for event in decode_events(frame):
                if isinstance(event, OrderRecorded | HoldCommitted):
                    self.desk.apply(event)
                if isinstance(event, RecipeSet):
                    self.recipe_owner.apply(event)
                    self.fanout.keep_recipe(frame.position, event)
                elif isinstance(event, StockConfirmed):
                    self.router.confirm(event)
                elif isinstance(event, BookEvent):
                    self.router.apply(event)
                    self.incidents.apply(event)
            self.journal.position = frame.position

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Engine"]:
        """Run until the block ends, then stop at once, as a crash would."""
        # under a virtual clock a deadlock is an error at once, not a run that never ends
        with trio.fail_after(PATIENCE_SECONDS):
            async with trio.open_nursery() as nursery:
                await nursery.start(self.journal.run)
                for shard in self.shards:
                    await nursery.start(shard.run)
                await nursery.start(self.desk.run)
                yield self
                nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def checked(self) -> AsyncIterator["Engine"]:
        """Run; at the end, a successor on the same frames must know the same (replay equals live)."""
        async with self.running():
            yield self
        successor = Engine(self.store, clock=self.clock, shards=len(self.shards))
        await successor.replay()
        assert successor.books() == self.books()
        assert successor.desk.orders == self.desk.orders
        assert successor.incidents.open.keys() == self.incidents.open.keys()
        assert successor.directory == self.directory
        assert successor.documents == self.documents
        assert successor.recipes == self.recipes
        assert successor.statements() == self.statements()

    # -- as statements

    def sections(self) -> dict[str, Stateful]:
        """Return the owners of state, as `ops.state.sections` does for a whole node."""
        return {
            "recipes": self.recipes,
            "fanout": self.fanout,
            "books": AllBooks([shard.ledger for shard in self.shards], self.directory, self.documents),
            "orders": self.desk.orders,
            "incidents": self.incidents,
        }

    def statements(self) -> dict[str, list[bytes]]:
        """Return what every owner says of itself now, as a snapshot would hold it."""
        now = self.clock.now()
        return {name: [STATED.encode(each) for each in owner.state(now)] for name, owner in self.sections().items()}

    def restore(self, statements: Mapping[str, Sequence[bytes]]) -> None:
        """Take in what another engine said of itself."""
        for name, owner in self.sections().items():
            for statement in statements[name]:
                owner.restore(READ.decode(statement))

    # -- asking

    async def stock(self, **on_hand: int) -> None:
        """Make SKUs exist, with units at the first location."""
        for name, units in on_hand.items():
            await self.ask(AddSku(sku=Sku(name), name=name))
            if units:
                await self.ask(Receive(key=Key(f"first-{name}"), sku=Sku(name), location=HERE, quantity=units))

    async def ask(self, command: Command) -> object:
        return await self.router.ask(command)

    async def recipe(
        self, sku: str, made_of: Mapping[str, int] | None = None, /, *, together: bool = False, **components: int
    ) -> object:
        """Set a recipe; without components, end it."""
        lines = tuple((Sku(each), units) for each, units in (*(made_of or {}).items(), *components.items()))
        return await self.recipe_owner.set(Sku(sku), Recipe(lines, together))

    async def tell(self, snapshot: OrderSnapshot) -> object:
        """Hand a snapshot to the desk; return what it said once that was durable."""
        waiter = Waiter()
        await self.desk.tell(snapshot, waiter)
        return await waiter.wait()

    async def commit_into(self, hold: str, order_id: str) -> object:
        waiter = Waiter()
        await self.desk.inbox.put(CommitInto(HoldId(hold), OrderId(order_id), waiter))
        return await waiter.wait()

    # -- looking

    def book(self, sku: str) -> Book:
        return self.router.ledger_of(Sku(sku)).books[Sku(sku)]

    def figures(self, sku: str) -> tuple[int, int, int]:
        """Return on hand, committed and reserved over all locations."""
        positions: Sequence[Position] = tuple(self.book(sku).positions.values())
        return (
            sum(position.on_hand for position in positions),
            sum(position.committed for position in positions),
            sum(position.reserved for position in positions),
        )

    def books(self) -> dict[Sku, Book]:
        return {sku: book for shard in self.shards for sku, book in shard.ledger.books.items()}


def is_answered(waiter: Waiter) -> bool:
    """Whether somebody who waits on it would go on."""
    return waiter._event.is_set()


def skus_apart(shards: int) -> list[Sku]:
    """Return one SKU for each shard, in SKU order."""
    found: dict[int, Sku] = {}
    number = 0
    while len(found) < shards:
        sku = Sku(f"S{number:03}")
        found.setdefault(shard_of(sku, shards), sku)
        number += 1
    return sorted(found.values())
