"""Names on a whole node: what people and channels call a SKU changes, what is recorded of it does not."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from config.schema import Secret, WooCommerceAccount
from engine.actors.router import Waiter
from engine.domain.commands import Granted, PlaceHold, Receive, Refusal, ReleaseHold
from engine.domain.events import SkuMerged, SkuRenamed
from engine.domain.offers.rules import OfferTerms, RuleBook
from engine.domain.orders import OrderSnapshot
from engine.domain.units import DIRECT, HoldId, Key, ListingId, LocationId, Sku
from engine.ports import SeenListing
from ops.importer import Staged
from ops.node import Node
from tests.fakes.clocks import NoonClock
from tests.fakes.feed import OrderFeed
from tests.fakes.orders import SHOP, order, order_line
from tests.fakes.running import running_node, settings_for

A, B = Sku("A"), Sku("B")
BERLIN, HAMBURG = LocationId("berlin"), LocationId("hamburg")
ROWS = [
    {"kind": "sku", "sku": "A", "name": "Anvil", "barcodes": ["4006381333931"]},
    {"kind": "sku", "sku": "B", "name": "Bell"},
    {"kind": "stock", "sku": "A", "location": "berlin", "on_hand": 10},
    {"kind": "stock", "sku": "B", "location": "berlin", "on_hand": 4},
]


def shop() -> WooCommerceAccount:
    return WooCommerceAccount(
        id=SHOP,
        locations=(BERLIN,),
        url="http://shop.test",
        consumer_key=Secret("x"),
        consumer_secret=Secret("x"),
        mode="off",
    )


@asynccontextmanager
async def node_with_stock(store: MemoryStore | None = None) -> AsyncIterator[Node]:
    store = store or MemoryStore()
    async with running_node(settings_for(None), store, clock=NoonClock(), serve=False) as node:
        if not store.frames:
            await bring_in(node, ROWS)
        yield node


async def bring_in(node: Node, rows: Sequence[object]) -> object:
    staged = Staged()
    staged.add(msgspec.json.encode(rows))
    return await node.importer.apply(staged)


async def tell(node: Node, snapshot: OrderSnapshot) -> None:
    waiter = Waiter()
    await node.desk.tell(snapshot, waiter)
    await waiter.wait()


def hold(name: str, sku: str, units: int = 1) -> PlaceHold:
    return PlaceHold(
        hold_id=HoldId(name), lines=((Sku(sku), units),), expires_at=None, account=DIRECT, locations=(BERLIN, HAMBURG)
    )


def figures(node: Node, sku: Sku) -> tuple[int, int, int]:
    positions = node.router.ledger_of(sku).books[sku].positions.values()
    return (
        sum(each.on_hand for each in positions),
        sum(each.committed for each in positions),
        sum(each.reserved for each in positions),
    )


async def test_an_order_under_the_old_name_is_refunded_under_the_new_one_and_nets_to_zero(
    autojump_clock: MockClock,
) -> None:
    """Lesson C6: renaming a SKU must not break netting."""
    async with node_with_stock() as node:
        await tell(node, order(order_line("A", 3), account=DIRECT))
        assert figures(node, A) == (10, 3, 0)
        assert isinstance(await node.registrar.rename(A, Sku("MUG"), by="ann"), SkuRenamed)
        await tell(node, order(order_line("MUG", 3, shipped=3), account=DIRECT, second=1))
        assert figures(node, A) == (7, 0, 0)
        await tell(node, order(order_line("MUG", 3, shipped=3, returned=3), account=DIRECT, second=2))
        assert figures(node, A) == (10, 0, 0)
        await tell(node, order(order_line("A", 2), account=DIRECT, order_id="2"))
        await tell(node, order(order_line("MUG", 2, cancelled=2), account=DIRECT, order_id="2", second=1))
        assert figures(node, A) == (10, 0, 0)


async def test_any_name_will_do_for_any_command(autojump_clock: MockClock) -> None:
    async with node_with_stock() as node:
        await node.registrar.rename(A, Sku("MUG"), by="ann")
        granted = await node.router.ask(hold("h1", "MUG", 2))
        assert isinstance(granted, Granted)
        assert await node.router.ask(hold("h1", "A", 2)) == granted
        await node.router.ask(Receive(key=Key("r"), sku=Sku("MUG"), location=BERLIN, quantity=5))
        assert figures(node, A) == (15, 0, 2)
        await node.router.ask(ReleaseHold(hold_id=HoldId("h1")))
        assert node.catalogue.find("MUG") == node.catalogue.find("A") == node.catalogue.find("4006381333931") == A
        assert await bring_in(node, [{"kind": "sku", "sku": "MUG", "category": "Mugs"}]) == {
            "skus": 0, "items": 1, "listings": 0, "stock": 0, "recipes": 0,
        }  # fmt: skip
        assert node.catalogue.category_of(A) == "Mugs"


async def test_a_name_that_another_sku_had_is_refused(autojump_clock: MockClock) -> None:
    async with node_with_stock() as node:
        await node.registrar.rename(A, Sku("MUG"), by="ann")
        refused = await node.registrar.rename(B, A, by="ann")
        assert isinstance(refused, Refusal)
        assert (refused.code, refused.text.startswith("code=A was MUG until")) == ("CONFLICT", True)
        answer = await bring_in(node, [{"kind": "sku", "sku": "A", "name": "x"}, {"kind": "sku", "sku": "MUG"}])
        assert isinstance(answer, Refusal)
        assert "row 0 says it already" in answer.text


async def test_a_retired_sku_is_promised_to_nobody_and_still_owed(autojump_clock: MockClock) -> None:
    async with node_with_stock() as node:
        await node.router.ask(hold("before", "A"))
        await node.registrar.set_standing(A, retired=True, by="ann")
        assert await node.router.ask(hold("after", "A")) == Refusal(code="RETIRED", text="sku=A")
        assert isinstance(await node.router.ask(hold("before", "A")), Granted)
        book = node.router.ledger_of(A).books[A]
        assert book.levels() == ((BERLIN, 0),)
        await tell(node, order(order_line("A", 3), account=DIRECT))
        assert figures(node, A) == (10, 3, 1)
        await node.registrar.set_standing(A, retired=False, by="ann")
        assert isinstance(await node.router.ask(hold("after", "A")), Granted)
        assert book.levels() == ((BERLIN, 5),)


async def test_a_merge_takes_everything_along_and_survives_a_restart(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    async with node_with_stock(store) as node:
        await tell(node, order(order_line("A", 3, shipped=3), account=DIRECT))
        await node.registrar.rename(A, Sku("MUG"), by="ann")
        await node.router.ask(hold("open", "A"))
        refused = await node.registrar.merge(A, B, by="ann")
        assert refused == Refusal(code="INUSE", text="sku=A cannot be merged while there are open holds open")
        await node.router.ask(ReleaseHold(hold_id=HoldId("open")))
        assert isinstance(await node.registrar.merge(A, B, by="ann"), SkuMerged)
        assert (figures(node, A), figures(node, B)) == ((0, 0, 0), (11, 0, 0))
        await tell(node, order(order_line("MUG", 3, shipped=3), account=DIRECT, second=1))
        assert (figures(node, A), figures(node, B)) == ((0, 0, 0), (11, 0, 0))
        await tell(node, order(order_line("A", 3, shipped=3, returned=1), account=DIRECT, second=2))
        assert (figures(node, A), figures(node, B)) == ((0, 0, 0), (12, 0, 0))
        assert node.catalogue.find("4006381333931") == node.catalogue.find("MUG") == B
        books = {sku: node.router.ledger_of(sku).books[sku] for sku in (A, B)}
        demand, now = node.offers.demand, node.clock.now()
        assert (demand.daily_sales(A, now), demand.daily_sales(B, now), demand.sold_by(B, DIRECT, now)) == (None, 3, 3)
        await tell(node, order(order_line("A", 3, shipped=3, cancelled=1), account=DIRECT, second=3))
        assert demand.sold_by(B, DIRECT, now) == 3, "what was shipped was wanted"
    async with node_with_stock(store) as successor:
        assert successor.offers.demand == demand
        books[B] = successor.router.ledger_of(B).books[B]
        assert {sku: successor.router.ledger_of(sku).books[sku] for sku in (A, B)} == books
        assert successor.catalogue.find("MUG") == B
        assert successor.catalogue.version == node.catalogue.version
        assert successor.catalogue.page(0, 9) == node.catalogue.page(0, 9)
        assert isinstance(await successor.router.ask(hold("new", "MUG")), Granted)


async def test_a_rule_goes_on_meaning_its_sku_under_any_name(autojump_clock: MockClock) -> None:
    """Lesson C6. After a merge the heir's own rule wins; where it has none, that of the other one stays in force."""
    store, settings = MemoryStore(), settings_for(None, accounts=(shop(),))
    channels = {SHOP: ("fake", OrderFeed(NoonClock()))}

    def buffers(node: Node) -> list[int]:
        offering = node.offers.offerings[SHOP]
        return [rule.fixed or 0 for rule in map(offering.rule, (A, B))]

    async with running_node(settings, store, channels=channels, clock=NoonClock(), serve=False) as node:
        await bring_in(node, ROWS)
        book = RuleBook(skus={Sku("MUG"): OfferTerms(buffer=3)})
        assert list(node.offers.notes(book)) == ["skus.MUG: no SKU has this code yet"]
        await node.offers.set(book)
        assert buffers(node) == [0, 0]
        await node.registrar.rename(A, Sku("MUG"), by="ann")
        assert buffers(node) == [3, 0]
        await node.registrar.rename(A, Sku("CUP"), by="ann")
        assert buffers(node) == [3, 0]
        assert list(node.offers.notes(book)) == []
        await node.registrar.merge(A, B, by="ann")
        assert buffers(node)[1] == 3
        await node.offers.set(RuleBook(skus={A: OfferTerms(buffer=3), B: OfferTerms(buffer=1)}))
        assert buffers(node)[1] == 1
    async with running_node(settings, store, channels=channels, clock=NoonClock(), serve=False) as successor:
        assert buffers(successor)[1] == 1


@pytest.mark.parametrize(("gone", "into"), [("A", "A"), ("A", "GONE"), ("GONE", "A")])
async def test_a_merge_that_makes_no_sense_is_refused(autojump_clock: MockClock, gone: str, into: str) -> None:
    async with node_with_stock() as node:
        before = len(node.catalogue), node.journal.position
        assert isinstance(await node.registrar.merge(Sku(gone), Sku(into), by="ann"), Refusal)
        assert (len(node.catalogue), node.journal.position) == before


async def test_the_listings_of_a_merged_sku_sell_the_other_one(autojump_clock: MockClock) -> None:
    """Lesson E11: the shop goes on calling it by the old name, and is understood."""
    store, clock = MemoryStore(), NoonClock()
    settings = settings_for(None, accounts=(shop(),))
    channels = {SHOP: ("fake", OrderFeed(clock))}
    async with running_node(settings, store, channels=channels, clock=clock, serve=False) as node:
        pusher = node.accounts[SHOP].pusher
        await bring_in(
            node, [*ROWS, {"kind": "listing", "account": SHOP, "listing": "l/1", "sku": "A", "pack_units": 6}]
        )
        pusher.listing_hint(SeenListing(listing_id=ListingId("l/2"), sku=A, title="", managed=True, shown=1))
        await node.registrar.rename(A, Sku("MUG"), by="ann")
        pusher.listing_hint(SeenListing(listing_id=ListingId("l/3"), sku=Sku("MUG"), title="", managed=True, shown=1))
        assert [each.listing_id for each in pusher.listings_of(A)] == ["l/1", "l/2", "l/3"]
        assert isinstance(await node.registrar.merge(A, B, by="ann"), SkuMerged)
        assert [(each.listing_id, each.pack_units) for each in pusher.listings_of(B)] == [
            ("l/1", 6),
            ("l/2", 1),
            ("l/3", 1),
        ]
        pusher.listing_hint(SeenListing(listing_id=ListingId("l/3"), sku=A, title="", managed=True, shown=1))
        pusher.listing_hint(SeenListing(listing_id=ListingId("l/4"), sku=Sku("MUG"), title="", managed=True, shown=1))
        assert len(pusher.listings_of(B)) == 4
        assert pusher.listings_of(A) == ()
        line = order_line("MUG", 1, listing="l/gone")
        assert pusher.sku_of(line) == B
