"""Recovery: a successor knows exactly what its predecessor had made durable."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import get_args

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from config.schema import Limits, Location, Secret, Settings, WooCommerceAccount
from config.schema import Node as NodeSettings
from engine.actors.journal import encode_events
from engine.actors.order_desk import CommitInto
from engine.actors.router import Waiter
from engine.domain.catalogue.importing_rows import ListingRow, Row, SkuRow, StockRow
from engine.domain.commands import (
    Adjust,
    Command,
    CommitHold,
    Committed,
    Granted,
    Receive,
    Refusal,
    ReleaseHold,
)
from engine.domain.errors import StoreCorrupt
from engine.domain.events import (
    AccountPaused,
    Event,
    HoldReleased,
    ListingMapped,
    OrdersCaughtUp,
    SkuAdded,
    UnitsHeld,
    WebhookStored,
)
from engine.domain.orders import OrderSnapshot
from engine.domain.units import DIRECT, EPOCH, AccountId, HoldId, Key, ListingId, LocationId, OrderId, Sku
from engine.ports import Frame, SeenListing
from ops.importer import Staged
from ops.node import Node
from ops.recovery import OWNERS, replay
from tests.fakes.books import BOTH, HERE, place_hold
from tests.fakes.clocks import PATIENCE_SECONDS, START, NoonClock
from tests.fakes.engine import skus_apart
from tests.fakes.feed import OrderFeed, webhook_of
from tests.fakes.orders import SHOP, order, order_line
from tests.fakes.running import SilentTelemetry

SKUS = skus_apart(3)
KEY = Secret("k")
SETTINGS = Settings(
    node=NodeSettings(shards=3),
    locations=tuple(Location(id=location) for location in BOTH),
    accounts=(
        WooCommerceAccount(id=SHOP, locations=BOTH, url="https://shop.example", consumer_key=KEY, consumer_secret=KEY),
    ),
    limits=Limits(remembered_seconds=200),
)


def make_node(store: MemoryStore, feed: OrderFeed) -> Node:
    return Node(
        SETTINGS,
        store,
        clock=NoonClock(),
        rng=random.Random(1),
        channels={SHOP: ("fake", feed)},
        listener=SilentTelemetry(),
        version="test",
        metrics_text=lambda: "",
    )


@asynccontextmanager
async def living(node: Node) -> AsyncIterator[Node]:
    """Run a node until the block ends; then every task of it is gone at once."""
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            await nursery.start(node.run_journal)
            await nursery.start(node.run_actors)
            await nursery.start(node.run_accounts)
            yield node
            nursery.cancel_scope.cancel()


async def import_catalogue(node: Node) -> None:
    rows: list[Row] = []
    for sku in SKUS:
        rows += (
            SkuRow(sku=sku, name=f"name of {sku}", safety_stock={HERE: 1}),
            StockRow(sku=sku, location=HERE, on_hand=20),
            ListingRow(account=SHOP, listing=ListingId(f"l/{sku}"), sku=sku, pack_units=2),
        )
    staged = Staged()
    staged.add(msgspec.json.encode(rows))
    answer = await node.importer.apply(staged)
    assert not isinstance(answer, Refusal), answer


class Customer:
    """Does one random thing after the other, and keeps what was answered."""

    def __init__(self, node: Node, feed: OrderFeed, rng: random.Random) -> None:
        self.node = node
        self.feed = feed
        self.rng = rng
        self.granted: list[HoldId] = []
        self.committed: set[HoldId] = set()
        self._count = 0

    async def act(self) -> None:
        rng = self.rng
        self._count += 1
        name = str(self._count)
        some = rng.sample(SKUS, rng.randint(1, 3))
        match rng.randrange(10):
            case 0 | 1 | 2:
                lines = tuple((sku, rng.randint(1, 4)) for sku in some)
                account = rng.choice((DIRECT, SHOP))
                seconds = rng.choice((None, 5, 100))
                now = self.node.clock.now()
                answer = await self.ask(place_hold(name, *lines, seconds=seconds, now=now, account=account))
                if isinstance(answer, Granted):
                    self.granted.append(answer.hold_id)
            case 3 if self.granted:
                await self.ask(ReleaseHold(hold_id=rng.choice(self.granted)))
            case 4 if self.granted:
                hold_id = rng.choice(self.granted)
                if isinstance(await self.ask(CommitHold(hold_id=hold_id, order_id=None)), Committed):
                    self.committed.add(hold_id)
            case 5 if self.granted:
                waiter = Waiter()
                into = CommitInto(rng.choice(self.granted), OrderId(str(rng.randint(1, 9))), waiter)
                await self.node.desk.inbox.put(into)
                await waiter.wait()
            case 6:
                location = rng.choice(BOTH)
                await self.ask(Receive(key=Key(name), sku=some[0], location=location, quantity=rng.randint(1, 5)))
                await self.ask(Adjust(key=Key(f"a{name}"), sku=some[0], location=location, delta=-2, reason="count"))
            case 7:
                waiter = Waiter()
                await self.node.desk.tell(self.snapshot(DIRECT), waiter)
                await waiter.wait()
            case 8:
                snapshot = self.snapshot(SHOP)
                self.feed.put(snapshot)
                waiter = Waiter()
                self.node.accounts[SHOP].intake.store(f"d{name}", {}, webhook_of(snapshot), waiter)
                assert await waiter.wait() == "STORED"
            case _:
                await trio.sleep(rng.choice((0.1, 5, 70)))

    async def ask(self, command: Command) -> object:
        return await self.node.router.ask(command)

    def snapshot(self, account: AccountId) -> OrderSnapshot:
        rng = self.rng
        lines = []
        for number, sku in enumerate(rng.sample(SKUS, rng.randint(0, 3))):
            ordered = rng.randint(0, 5)
            shipped = rng.randint(0, ordered)
            lines.append(
                order_line(
                    rng.choice((sku, None)),
                    ordered,
                    line=str(number),
                    listing=rng.choice((None, f"l/{sku}", "gone")),
                    shipped=shipped,
                    returned=rng.randint(0, shipped),
                )
            )
        held_until = rng.choice((None, None, self.node.clock.now() + timedelta(seconds=30)))
        second = int(trio.current_time()) - rng.choice((0, 0, 5))
        return order(*lines, second=second, order_id=str(rng.randint(1, 9)), account=account, held_until=held_until)


def known_to(node: Node) -> dict[str, object]:
    """All that the engine of a node knows, but for what its pushers do just now."""
    now = node.clock.now()
    for shard in node.shards:  # each forgets when it wakes; by now both have
        shard.ledger.lapse(now)
        shard.forget(now)
    account = node.accounts[SHOP]
    return {
        "books": {sku: book for shard in node.shards for sku, book in shard.ledger.books.items()},
        "directory": node.directory,
        "orders": {
            key: known._replace(hold_lines=tuple(sorted(known.hold_lines))) for key, known in node.desk.orders.items()
        },
        "incidents": list(node.incidents.newest),
        "short": {sku: len(incidents) for sku, incidents in node.incidents.open.items()},
        "oversold": node.incidents.units_total,
        "watermark": account.intake.through_at,
        "deliveries": account.intake.arrivals.seen,
        "listings": [
            (account.pusher.sku_of(line), account.pusher.pack_units_of(line))
            for line in (order_line(None, 1, listing=f"l/{sku}") for sku in SKUS)
        ],
        "alerts": list(node.alerter.alerts.open.values()),
        "alerts_resolved": list(node.alerter.alerts.history),
        "position": node.journal.position,
    }


async def live_die_and_recover(seed: int, actions: int) -> None:
    rng = random.Random(seed)
    store = MemoryStore()
    feed = OrderFeed(NoonClock())
    for sku in SKUS:
        feed.add(f"l/{sku}", sku)
    node = make_node(store, feed)
    async with living(node):
        await import_catalogue(node)
        customer = Customer(node, feed, rng)
        for _ in range(actions):
            await customer.act()
        await trio.sleep(130)  # two polls: webhooks are handled, orders are known, everything is durable
    successor = make_node(store, feed)
    assert await replay(successor, store) == store.frames[-1].written_at
    mine, theirs = known_to(node), known_to(successor)
    for what, value in mine.items():
        assert theirs[what] == value, what


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(schedule=st.random_module(), seed=st.integers(0, 2**32))
def test_replay_of_a_whole_node_equals_live(schedule: object, seed: int) -> None:
    trio.run(live_die_and_recover, seed, 60, clock=MockClock(autojump_threshold=0))


async def die_at_once(seed: int, frames: int) -> None:
    """Kill a node as soon as its store has so many frames, then look for what it had answered."""
    rng = random.Random(seed)
    store = MemoryStore()
    feed = OrderFeed(NoonClock())
    node = make_node(store, feed)
    customers: list[Customer] = []
    async with living(node):
        await import_catalogue(node)

        async def live(customer: Customer) -> None:
            while len(store.frames) < frames:
                await customer.act()
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for number in range(4):
                customer = Customer(node, feed, random.Random(rng.random()))
                customer._count = number * 1_000_000
                customers.append(customer)
                nursery.start_soon(live, customer)
    successor = make_node(store, feed)
    await replay(successor, store)
    for customer in customers:
        for hold_id in customer.granted:
            known = [successor.router.ledger_of(sku).books[sku] for sku in successor.router.skus_of(hold_id)]
            assert known or trio.current_time() > 200, "forgotten after its time only"
            assert all(book.knows_hold(hold_id) for book in known)
            if hold_id in customer.committed:
                assert not any(hold_id in book.holds for book in known)


@settings(max_examples=12, deadline=None)
@given(schedule=st.random_module(), seed=st.integers(0, 2**32), frames=st.integers(2, 60))
def test_what_was_answered_survives_a_kill_at_any_frame(schedule: object, seed: int, frames: int) -> None:
    """Law 2."""
    trio.run(die_at_once, seed, frames, clock=MockClock(autojump_threshold=0))


# -- frames


def frame(position: int, *events: Event) -> Frame:
    return Frame(position=position, written_at=START + timedelta(seconds=position), payload=encode_events(events))


def held(number: int, location: LocationId = HERE) -> UnitsHeld:
    parts = ((location, 1),)
    hold_id = HoldId(str(number))
    return UnitsHeld(at=START, sku=Sku("A"), hold_id=hold_id, parts=parts, expires_at=None, account=DIRECT)


async def recover(frames: Sequence[Frame]) -> Node:
    store = MemoryStore(list(frames))
    node = make_node(store, OrderFeed(NoonClock()))
    await replay(node, store)
    return node


async def test_an_empty_store_is_a_new_node(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    node = make_node(store, OrderFeed(NoonClock()))
    assert await replay(node, store) == EPOCH
    assert (node.journal.position, node.directory) == (0, {})


async def test_a_long_journal_is_read_page_by_page(autojump_clock: MockClock) -> None:
    frames = [frame(1, SkuAdded(at=START, sku=Sku("A"))), *(frame(n, held(n)) for n in range(2, 1203))]
    node = await recover(frames)
    assert node.journal.position == 1202
    assert len(node.router.ledger_of(Sku("A")).books[Sku("A")].holds) == 1201


async def test_a_frame_of_a_newer_program_stops_recovery_and_is_named(autojump_clock: MockClock) -> None:
    payload = msgspec.msgpack.encode([{"kind": "units_teleported", "at": START}])
    frames = [frame(1, SkuAdded(at=START, sku=Sku("A"))), Frame(position=2, written_at=START, payload=payload)]
    with pytest.raises(StoreCorrupt, match=r"frame 2 holds what this version cannot read.*units_teleported"):
        await recover(frames)


async def test_facts_of_an_account_that_is_gone_are_left_alone(autojump_clock: MockClock) -> None:
    gone = AccountId("closed")
    node = await recover(
        [
            frame(
                1,
                WebhookStored(at=START, account=gone, delivery_key="d", headers={}, body=b""),
                OrdersCaughtUp(at=START, account=gone, through_at=START),
                ListingMapped(at=START, account=gone, listing_id=ListingId("l"), sku=Sku("A")),
                AccountPaused(at=START, account=gone, reason="sold"),
            )
        ]
    )
    assert node.journal.position == 1
    assert node.accounts[SHOP].intake.through_at is None


async def test_what_the_predecessor_had_forgotten_does_not_come_back(autojump_clock: MockClock) -> None:
    """Law 10: memory follows `limits.remembered_seconds`, not the length of the journal."""
    sku = Sku("A")
    later = START + timedelta(days=30)
    node = await recover(
        [
            frame(1, SkuAdded(at=START, sku=sku), held(1), HoldReleased(at=START, sku=sku, hold_id=HoldId("1"))),
            Frame(position=2, written_at=later, payload=encode_events([held(2)])),
        ]
    )
    assert node.directory.keys() == {"2"}
    assert node.router.ledger_of(sku).books[sku].ended == {}


async def test_a_listing_hint_after_recovery_finds_its_listing(autojump_clock: MockClock) -> None:
    mapped = ListingMapped(at=START, account=SHOP, listing_id=ListingId("l"), sku=Sku("A"), pack_units=6)
    node = await recover([frame(1, SkuAdded(at=START, sku=Sku("A")), mapped)])
    node.accounts[SHOP].pusher.listing_hint(SeenListing(listing_id=ListingId("l"), sku=None, shown=3))
    line = order_line(None, 1, listing="l")
    assert node.accounts[SHOP].pusher.sku_of(line) == "A"
    assert node.accounts[SHOP].pusher.pack_units_of(line) == 6


def test_every_kind_of_event_has_an_owner_or_is_left_to_projections() -> None:
    assert set(OWNERS) == set(get_args(Event))
