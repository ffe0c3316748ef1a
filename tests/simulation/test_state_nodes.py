"""A whole node says what it knows: lived, replayed and restored it is the same, and goes on the same."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest
import trio
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from engine.actors.projections import DERIVED, LAST_MINUTE
from engine.actors.router import Waiter
from engine.domain.alerts import AlertId
from engine.domain.catalogue.importing_rows import SkuRow
from engine.domain.commands import Adjust, CommitHold, Count, PlaceHold, Refusal
from engine.domain.errors import StoreCorrupt
from engine.domain.events import CampaignSet, Event, LetterKept, SnapshotFused, ViolationFound
from engine.domain.offers.rules import OfferTerms, RuleBook
from engine.domain.units import DIRECT, AccountId, HoldId, Key, LetterId, ListingId, OrderId, Sku
from engine.ports import Frame
from ops.importer import Staged
from ops.node import Node
from ops.recovery import recall, replay
from ops.state import Restorer, digests, sections
from tests.fakes.books import BOTH, HERE
from tests.fakes.channel import FakeChannel
from tests.fakes.clocks import NoonClock
from tests.fakes.running import SilentTelemetry
from tests.fakes.shops import Shops, running_shops, settings_of
from tests.fakes.stated import assert_alike, said_by, tell_node

A, SHOP, MARKET = Sku("A"), AccountId("shop"), AccountId("market")


def node_of(
    accounts: tuple[str, ...], store: MemoryStore | None = None, shops: Mapping[AccountId, FakeChannel] | None = None
) -> Node:
    """A node of these accounts that does not run."""
    shops = shops or {AccountId(each): FakeChannel(random.Random(1), account=each) for each in accounts}
    return Node(
        settings_of(accounts),
        store or MemoryStore(),
        clock=NoonClock(),
        rng=random.Random(1),
        channels={account: ("fake", shop) for account, shop in shops.items()},
        listener=SilentTelemetry(),
        version="test",
        metrics_text=lambda: "",
    )


@asynccontextmanager
async def going(node: Node) -> AsyncIterator[None]:
    """Run a node, and stop it in order."""
    async with trio.open_nursery() as core:
        await core.start(node.run_journal)
        async with trio.open_nursery() as actors:
            await actors.start(node.run_actors)
            await actors.start(node.run_accounts)
            yield
            actors.cancel_scope.cancel()
        node.journal.close()


async def replayed(frames: list[Frame], *accounts: str) -> Node:
    store = MemoryStore(frames)
    node = node_of(accounts, store)
    await replay(node, store)
    return node


def restored(node: Node, *accounts: str) -> Node:
    again = node_of(accounts)
    tell_node(again, said_by(node, again.clock.now()), node.journal.position)
    return again


async def trade(shops: Shops) -> None:
    """Bring about some of everything that accounts, offers, alerts and scans remember."""
    node, journal = shops.node, shops.node.journal
    staged = Staged()
    rows = [SkuRow(sku=Sku(sku), name=sku) for sku in "ABC"]
    staged.add(msgspec.json.encode(rows))
    assert not isinstance(await node.importer.apply(staged), Refusal)
    await shops.stock(A=40, B=9, C=3)
    await shops.quiet()
    await shops.set(RuleBook(default=OfferTerms(buffer=1)))
    book = RuleBook(
        default=OfferTerms(buffer_from="computed", epsilon=0.01), skus={A: OfferTerms(quotas={SHOP: 6, MARKET: 4})}
    )
    await shops.set(book)
    at = node.clock.now()
    for key, ends in (("sale", 1), ("sale-2", 90)):
        terms = CampaignSet(
            at=at,
            key=Key(key),
            account=MARKET if ends > 1 else SHOP,
            sku=A,
            quota=3,
            starts_at=at,
            ends_at=at + timedelta(hours=ends),
            return_hours=1.0,
        )
        assert not isinstance(await node.offers.set_campaign(terms), tuple)
    await shops.quiet()
    for number in range(4):
        await shops.sold("market", f"m{number}", 1, second=number)
    await shops.sold("shop", "s1", 2, "B")
    await shops.sold("shop", "s2", 9, "C")
    hold = PlaceHold(hold_id=HoldId("h"), lines=((A, 2),), expires_at=None, account=DIRECT, locations=BOTH)
    await node.router.ask(hold)
    await node.router.ask(CommitHold(hold_id=HoldId("h"), order_id=None))
    count = Count(
        key=Key("c"),
        sku=Sku("B"),
        location=HERE,
        counted=2,
        taken_at=node.clock.now(),
        tolerance_percent=100,
        tolerance_units=100,
    )
    await node.router.ask(count)
    shops.shops[SHOP].grudges.swallowed = 1.0
    await node.router.ask(Adjust(key=Key("a"), sku=A, location=HERE, delta=-7, reason="damaged"))
    await shops.quiet(120)
    shops.shops[SHOP].refused.add(ListingId("shop/B"))
    shops.shops[SHOP].grudges.swallowed = 0.0
    await node.router.ask(Adjust(key=Key("b"), sku=Sku("B"), location=HERE, delta=3, reason="found"))
    await shops.quiet(20)
    at = node.clock.now()
    letter = LetterKept(
        at=at, account=SHOP, letter_id=LetterId("order-7"), reason="odd", headers={}, body=b"?", order_id=OrderId("7")
    )
    recorded: list[Event] = [
        letter,
        ViolationFound(at=at, law="sum", sku=A, location=HERE, expected=1, found=2),
        SnapshotFused(
            at=at,
            key=Key("k"),
            location=HERE,
            source="3pl",
            as_of=at,
            rows=9,
            falling=9,
            share_max=0.5,
            rows_min=1,
        ),
    ]
    await journal.record(recorded)
    node.accounts[SHOP].intake.letters.apply(letter)
    heard = Waiter()
    node.accounts[SHOP].intake.store("d1", {"x": "y"}, b"{", heard)
    await heard.wait()
    await node.accounts[MARKET].pusher.pause("fuse: too many zeros")
    await shops.quiet(60)
    await node.alerter.acknowledge(AlertId(1), "ann")
    await node.alerter.resolve(AlertId(2), "bob")
    await node.accounts[MARKET].pusher.resume()
    await node.accounts[MARKET].pusher.pause("by hand")
    await shops.quiet(4000)
    await shops.sold("market", "m9", 2)
    await trio.sleep(0.3)


async def test_lived_replayed_and_restored_a_node_says_the_same(autojump_clock: MockClock) -> None:
    frames: list[Frame] = []
    async with running_shops("shop", "market", frames=frames) as shops:
        await trade(shops)
    lived, as_of = shops.node, shops.node.clock.now()
    second = await replayed(frames, "shop", "market")
    said = said_by(second, as_of)
    assert_alike(said_by(lived, as_of), said)
    third = restored(second, "shop", "market")
    assert_alike(said_by(third, as_of), said)
    assert digests(third, as_of) == digests(second, as_of) == digests(lived, as_of)
    assert third.offers.demand == second.offers.demand == lived.offers.demand
    silent = sections(lived).keys() - {name for name, _ in said}
    assert silent == {"recipes", "fanout", "order_notes"}, "the story brings about all the others"


async def test_a_snapshot_at_any_point_and_the_rest_of_the_journal_are_the_whole_journal(
    autojump_clock: MockClock,
) -> None:
    frames: list[Frame] = []
    async with running_shops("shop", "market", frames=frames) as shops:
        await trade(shops)
    as_of = shops.node.clock.now()
    whole = said_by(await replayed(frames, "shop", "market"), as_of)
    for position in range(1, len(frames), len(frames) // 12):
        first = await replayed(frames[:position], "shop", "market")
        second = node_of(("shop", "market"))
        said = said_by(first, frames[position - 1].written_at)
        tell_node(second, said, position)
        assert_alike(said_by(second, frames[position - 1].written_at), said)
        await replay(second, MemoryStore(frames))
        assert_alike(said_by(second, as_of), whole)


async def test_a_node_that_came_from_a_snapshot_lives_as_one_that_was_told_all(autojump_clock: MockClock) -> None:
    frames: list[Frame] = []
    async with running_shops("shop", "market", frames=frames) as shops:
        await trade(shops)
    shown = {each: shops.shown(each) for each in "ABC"}
    store = MemoryStore(frames)
    node = node_of(("shop", "market"), store, shops.shops)
    tell_node(node, said_by(shops.node, shops.node.clock.now()), len(frames))
    await recall(node, store)
    async with going(node):
        await Shops(node, shops.shops).quiet()
        assert {each: shops.shown(each) for each in "ABC"} == shown, "it knows what it had told the shops"
        heard = Waiter()
        node.accounts[SHOP].intake.store("d1", {"x": "y"}, b"{", heard)
        assert await heard.wait() == "REPEAT"
        await node.accounts[MARKET].pusher.resume()
        await Shops(node, shops.shops).sold("shop", "s3", 1)
        await Shops(node, shops.shops).quiet(4000)
    as_of = node.clock.now()
    assert_alike(said_by(node, as_of), said_by(await replayed(frames, "shop", "market"), as_of))


async def test_an_account_that_was_away_is_as_if_it_had_never_been(autojump_clock: MockClock) -> None:
    """Its sections stand in every snapshot meanwhile; what the journal still tells of it is added to them."""
    frames: list[Frame] = []
    async with running_shops("shop", "market", frames=frames) as shops:
        await trade(shops)
    as_of, cut = shops.node.clock.now(), len(frames) // 2
    whole = said_by(await replayed(frames, "shop", "market"), as_of)
    assert {"listings:market", "quotas"} <= {section for section, _ in whole}
    first = await replayed(frames[:cut], "shop", "market")
    away = node_of(("shop",))
    tell_node(away, said_by(first, frames[cut - 1].written_at), cut)
    await replay(away, MemoryStore(frames))
    said = said_by(away, as_of)
    assert_alike(said, whole)
    back = node_of(("shop", "market"))
    tell_node(back, said, len(frames))
    assert_alike(said_by(back, as_of), whole)
    assert back.accounts[MARKET].pusher.status().reason == "by hand"


async def test_a_section_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(StoreCorrupt, match="'tea:shop'"):
        Restorer(node_of(("shop",))).restore("tea:shop", [])


async def test_who_keeps_what_of_the_past_says_where_a_snapshot_has_it() -> None:
    """Whoever adds a keeper adds its section, or says that it needs none."""
    node = node_of(("shop",))
    for keeper, section in node.projections.said_in.items():
        assert section in {DERIVED, LAST_MINUTE, *sections(node)}, f"{keeper}: {section!r}"


async def test_what_moved_in_the_last_minute_is_known_from_the_journal(autojump_clock: MockClock) -> None:
    """A predecessor that died at once had no time to say that the last unit was gone."""
    frames: list[Frame] = []
    async with running_shops("shop", frames=frames) as shops:
        await shops.stock(A=4, B=2)
        await shops.quiet(100)
        await shops.sold("shop", "1", 2, "B")
    store = MemoryStore(frames)
    whole, partly = await replayed(frames, "shop"), node_of(("shop",), store)
    tell_node(partly, said_by(whole, shops.node.clock.now()), len(frames))
    assert not partly.alerter._stock._moved
    await recall(partly, store)
    assert partly.alerter._stock._moved == whole.alerter._stock._moved == {"B": shops.node.clock.now()}
    assert partly.alerter._stock.levels.judged_until == whole.alerter._stock.levels.judged_until is not None
