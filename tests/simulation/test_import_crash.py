"""An import that is cut off anywhere has happened or has not: the successor finds nothing of it, or finishes it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from config.schema import Secret, Settings, WooCommerceAccount
from engine.actors.journal import decode_events, encode_events
from engine.domain.commands import Count, Granted, PlaceHold, Receive, Refusal
from engine.domain.events import (
    ImportAdvanced,
    ImportDecided,
    ImportStaged,
    ItemDescribed,
    SkuAdded,
    StockAdjusted,
    StockReceived,
)
from engine.domain.units import DIRECT, HoldId, Key, LocationId, Sku
from engine.ports import Frame
from ops.importer import Importer, Staged
from ops.node import Node
from tests.fakes.clocks import NoonClock
from tests.fakes.feed import OrderFeed
from tests.fakes.orders import SHOP
from tests.fakes.running import running_node, settings_for

KEY = Secret("k")
BERLIN, HAMBURG = LocationId("berlin"), LocationId("hamburg")
EAN, OTHER_EAN = "4006381333931", "96385074"
Row = dict[str, Any]

BEFORE: list[Row] = [
    {"kind": "sku", "sku": "OLD-1", "name": "Anvil", "barcodes": [EAN]},
    {"kind": "sku", "sku": "OLD-2", "name": "Bell"},
    {"kind": "stock", "sku": "OLD-1", "location": "berlin", "on_hand": 4},
    {"kind": "listing", "account": SHOP, "listing": "l/old-1", "sku": "OLD-1"},
]
ROWS: list[Row] = [
    {"kind": "sku", "sku": "NEW-1", "name": "Cup", "category": "kitchen", "barcodes": [EAN]},
    {"kind": "sku", "sku": "NEW-2", "name": "Dish", "safety_stock": {"berlin": 1}},
    {"kind": "sku", "sku": "OLD-1", "name": "Anvil, heavy", "barcodes": [OTHER_EAN]},
    {"kind": "sku", "sku": "SET", "name": "Cups"},
    {"kind": "stock", "sku": "NEW-1", "location": "berlin", "on_hand": 7},
    {"kind": "stock", "sku": "NEW-1", "location": "hamburg", "on_hand": 2},
    {"kind": "stock", "sku": "OLD-1", "location": "hamburg", "on_hand": 3},
    {"kind": "stock", "sku": "OLD-2", "location": "berlin", "on_hand": 5},
    {"kind": "listing", "account": SHOP, "listing": "l/new-1", "sku": "NEW-1", "pack_units": 2},
    {"kind": "listing", "account": SHOP, "listing": "l/old-1", "sku": "OLD-2"},
]
RECIPE: Row = {"kind": "recipe", "sku": "SET", "component": "NEW-1", "quantity": 6}


def shop_settings() -> Settings:
    account = WooCommerceAccount(
        id=SHOP, locations=("berlin", "hamburg"), url="https://shop.example", consumer_key=KEY, consumer_secret=KEY
    )
    return settings_for(None, accounts=(account,))


@asynccontextmanager
async def living(frames: Sequence[Frame] = ()) -> AsyncIterator[tuple[Node, MemoryStore]]:
    """Run a node on a copy of these frames; at the end every task of it is gone at once."""
    store = MemoryStore(list(frames))
    channels = {SHOP: ("fake", OrderFeed(NoonClock()))}
    async with running_node(shop_settings(), store, channels=channels, clock=NoonClock(), serve=False) as node:
        yield node, store


def importer_of(node: Node, events_max: int) -> Importer:
    """An importer that cuts this small."""
    return Importer(node.applier, locations=node.locations, recipe_owner=node.recipe_owner, piece_events_max=events_max)


def staged(rows: Sequence[Row]) -> Staged:
    made = Staged(by="ann")
    made.add(msgspec.json.encode(rows))
    return made


async def bring_in(node: Node, rows: Sequence[Row], events_max: int = 1000) -> dict[str, int]:
    answer = await importer_of(node, events_max).apply(staged(rows))
    assert isinstance(answer, dict), answer
    return answer


def facts(node: Node) -> dict[str, object]:
    """All that an import may change, without instants: how many steps it took must not show."""
    found: dict[str, object] = {}
    items, _ = node.catalogue.page(0, 100)
    for item in items:
        book = node.router.ledger_of(item.sku).books[item.sku]
        details = {name: value for name, value in msgspec.structs.asdict(item.details).items() if name != "at"}
        positions = {
            place: {name: getattr(figures, name) for name in figures.__slots__}
            for place, figures in sorted(book.positions.items())
        }
        found[item.sku] = (item.name, details, positions, book.is_bundle)
    for account in node.accounts.values():
        found[account.id] = sorted((each.listing_id, each.sku, each.pack_units) for each in account.pusher.listings())
    found["barcodes"] = {code: node.catalogue.find(code) for code in (EAN, OTHER_EAN)}
    recipes = [recipe for item in items if (recipe := node.recipes.newest(item.sku)) is not None]
    found["recipes"] = {recipe.sku: (recipe.components, recipe.together) for recipe in recipes}
    return found


def decided_at(frames: Sequence[Frame]) -> int:
    """Return how many frames there are up to the one that decides."""
    return next(
        frame.position for frame in frames if any(isinstance(each, ImportDecided) for each in decode_events(frame))
    )


def imported(frames: Sequence[Frame]) -> list[Frame]:
    """Leave out what the channel's own life adds: orders caught up, pushes."""
    kinds = ImportStaged | ImportDecided | ImportAdvanced | SkuAdded | ItemDescribed | StockAdjusted
    return [frame for frame in frames if any(isinstance(each, kinds) for each in decode_events(frame))]


async def test_a_crash_after_any_frame_leaves_nothing_or_all(autojump_clock: MockClock) -> None:
    """Also in the successor's own frames, and whoever comes after it finds nothing left to do."""
    async with living() as (node, store):
        await bring_in(node, BEFORE)
        nothing, start = facts(node), len(store.frames)
        counts = await bring_in(node, [*ROWS, RECIPE], events_max=2)
        assert counts == {"skus": 4, "items": 0, "listings": 2, "stock": 4, "recipes": 1}
        everything = facts(node)
        assert await bring_in(node, [*ROWS, RECIPE], events_max=2) == dict.fromkeys(counts, 0)
        frames = list(store.frames)
    assert nothing != everything
    decided = decided_at(frames)
    last = imported(frames)[-1].position
    assert start < decided < last - 3, "there are frames in front of the decision, and several behind it"
    for kept in range(start, last + 1):
        async with living(frames[:kept]) as (successor, store):
            assert facts(successor) == (nothing if kept < decided else everything), f"cut off behind frame {kept}"
            assert successor.applier.pieces_left == 0
            rolled = list(store.frames)
        added = imported(rolled[kept:])
        assert len(added) == (0 if kept < decided else len(imported(frames[kept:]))), f"after frame {kept}"
        if added:
            async with living(rolled[: added[0].position]) as (grandchild, _):
                assert facts(grandchild) == everything, f"cut off once more behind frame {added[0].position}"


async def test_what_was_staged_and_not_decided_is_no_obstacle_to_the_same_import(autojump_clock: MockClock) -> None:
    async with living() as (node, store):
        await bring_in(node, BEFORE)
        await bring_in(node, ROWS, events_max=2)
        everything, frames = facts(node), list(store.frames)
    async with living(frames[: decided_at(frames) - 1]) as (successor, _):
        await bring_in(successor, ROWS, events_max=3)
        assert facts(successor) == everything


SKUS = [Sku(name) for name in ("OLD-1", "OLD-2", "NEW-1", "NEW-2", "NEW-3")]
SKU_ROWS: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {"kind": st.just("sku"), "sku": st.sampled_from(SKUS)},
    optional={
        "name": st.sampled_from(["", "Anvil", "Cup"]),
        "category": st.sampled_from(["", "kitchen", "garden"]),
        "safety_stock": st.dictionaries(st.sampled_from([BERLIN, HAMBURG]), st.integers(0, 3)),
        "barcodes": st.sampled_from([[], [OTHER_EAN]]),
    },
)
STOCK_ROWS: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {
        "kind": st.just("stock"),
        "sku": st.sampled_from(SKUS[1:]),
        "location": st.sampled_from([BERLIN, HAMBURG]),
        "on_hand": st.integers(0, 9),
    }
)
LISTING_ROWS: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {
        "kind": st.just("listing"),
        "account": st.just(SHOP),
        "listing": st.sampled_from(["l/old-1", "l/2", "l/3"]),
        "sku": st.sampled_from(SKUS),
    }
)
IMPORTS = st.tuples(
    st.lists(SKU_ROWS, unique_by=lambda row: row["sku"], max_size=5),
    st.lists(STOCK_ROWS, unique_by=lambda row: (row["sku"], row["location"]), max_size=6),
    st.lists(LISTING_ROWS, unique_by=lambda row: row["listing"], max_size=3),
)


@hypothesis_settings(max_examples=25, deadline=None)
@given(IMPORTS, st.integers(1, 6), st.randoms(use_true_random=False))
def test_pieces_of_any_size_cut_off_anywhere_come_to_what_one_piece_comes_to(
    tables: tuple[list[Row], list[Row], list[Row]], events_max: int, rng: Any
) -> None:
    async def run() -> None:
        rows = [row for table in tables for row in table]
        async with living() as (node, store):
            await bring_in(node, BEFORE)
            base, nothing = list(store.frames), facts(node)
            in_one = await importer_of(node, 1000).apply(staged(rows))
            after_one = facts(node)
        async with living(base) as (node, store):
            in_pieces = await importer_of(node, events_max).apply(staged(rows))
            assert in_pieces == in_one if isinstance(in_one, dict) else isinstance(in_pieces, Refusal)
            assert facts(node) == after_one
            frames = list(store.frames)
        if isinstance(in_one, Refusal):
            assert after_one == nothing
            assert imported(frames[len(base) :]) == []
        async with living(frames[: rng.randint(len(base), len(frames))]) as (successor, _):
            assert facts(successor) in (nothing, after_one)

    trio.run(run, clock=MockClock(autojump_threshold=0))


async def test_what_moves_between_the_decision_and_its_piece_is_kept(autojump_clock: MockClock) -> None:
    """A delivery since then is added to the opening stock; the import neither undoes it nor is undone by it."""
    async with living() as (node, store):
        await bring_in(node, BEFORE)
        await bring_in(node, ROWS, events_max=2)
        frames = list(store.frames)
    decided = decided_at(frames)
    old = Sku("OLD-2")
    received = StockReceived(
        at=frames[decided - 1].written_at, sku=old, key=Key("d"), location=BERLIN, quantity=8, on_hand=8
    )
    payload = encode_events([received])
    frame = Frame(position=decided + 1, written_at=received.at, payload=payload)
    async with living([*frames[:decided], frame]) as (successor, _):
        assert successor.router.ledger_of(old).books[old].on_hand_at(BERLIN) == 8 + 5


async def test_holds_are_granted_and_stock_moves_while_an_import_is_carried_out(autojump_clock: MockClock) -> None:
    async with living() as (node, _store):
        await bring_in(node, BEFORE)
        old = Sku("OLD-2")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bring_in, node, ROWS, 1)
            while not node.applier.pieces_left:
                await trio.lowlevel.checkpoint()
            await node.router.ask(Receive(key=Key("d"), sku=old, location=BERLIN, quantity=8))
            left = node.applier.pieces_left
            hold = PlaceHold(
                hold_id=HoldId("h"), lines=((old, 8),), expires_at=None, account=DIRECT, locations=(BERLIN,)
            )
            assert isinstance(await node.router.ask(hold), Granted)
            assert left > node.applier.pieces_left > 0, "one was decided between two pieces, the other behind them"
        assert node.router.ledger_of(old).books[old].on_hand_at(BERLIN) == 8 + 5


async def test_a_client_that_goes_away_leaves_no_half_import(autojump_clock: MockClock) -> None:
    async with living() as (node, _store):
        await bring_in(node, BEFORE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bring_in, node, ROWS, 1)
            while not node.applier.pieces_left:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert node.applier.pieces_left > 0, "it is under way"
        renamed = await node.registrar.rename(Sku("NEW-2"), Sku("PLATE"), by="bob")
        assert not isinstance(renamed, Refusal), "a SKU of the last pieces was there: names waited for all of them"
        assert node.applier.pieces_left == 0
        assert node.router.ledger_of(Sku("OLD-2")).books[Sku("OLD-2")].on_hand_at(BERLIN) == 5


async def test_an_import_that_meets_another_one_is_planned_on_what_that_leaves(autojump_clock: MockClock) -> None:
    async with living() as (node, _store):
        await bring_in(node, BEFORE)
        answers: dict[str, dict[str, int]] = {}

        async def send(name: str, rows: Sequence[Row]) -> None:
            answers[name] = await bring_in(node, rows, 1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, "one", ROWS)
            nursery.start_soon(send, "other", ROWS)
        assert sorted(answer["stock"] for answer in answers.values()) == [0, 4]
        assert sorted(answer["skus"] for answer in answers.values()) == [0, 4]


async def test_what_is_wrong_only_while_another_import_is_under_way_is_not_wrong(autojump_clock: MockClock) -> None:
    async with living() as (node, _store):
        await bring_in(node, BEFORE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bring_in, node, ROWS, 1)
            while not node.applier.pieces_left:
                await trio.lowlevel.checkpoint()
            assert not node.router.knows(Sku("SET")), "its piece is not done"
            row = {"kind": "listing", "account": SHOP, "listing": "l/set", "sku": "SET"}
            assert (await bring_in(node, [row]))["listings"] == 1


async def test_a_bad_row_among_many_changes_nothing_and_leaves_no_trace(autojump_clock: MockClock) -> None:
    async with living() as (node, store):
        await bring_in(node, BEFORE)
        nothing, start = facts(node), len(imported(store.frames))
        bad = {"kind": "stock", "sku": "OLD-1", "location": "berlin", "on_hand": 9}
        refused = await importer_of(node, 1).apply(staged([*ROWS, bad, RECIPE]))
        assert isinstance(refused, Refusal)
        (problem,) = msgspec.json.decode(refused.text)
        assert (refused.code, problem["row"], problem["field"]) == ("BADROWS", len(ROWS), "on_hand")
        assert facts(node) == nothing
        assert len(imported(store.frames)) == start


async def test_a_count_since_the_decision_is_the_whole_truth(autojump_clock: MockClock) -> None:
    async with living() as (node, _store):
        await bring_in(node, BEFORE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bring_in, node, ROWS, 1)
            while not node.applier.pieces_left:
                await trio.lowlevel.checkpoint()
            old = Sku("OLD-2")
            book = node.router.ledger_of(old).books[old]
            assert book.on_hand_at(BERLIN) == 0, "its piece is not done"
            count = Count(
                key=Key("c"),
                sku=old,
                location=BERLIN,
                counted=0,
                taken_at=node.clock.now(),
                tolerance_percent=3.0,
                tolerance_units=1,
            )
            await node.router.ask(count)
        assert book.on_hand_at(BERLIN) == 0
