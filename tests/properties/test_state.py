"""State as statements: what owners say of themselves makes an owner that is the same, now and for ever after.

After any story and at any point of it: restored, they say the same; asked the same further on, both answer the same and
say the same; and a successor that replays the whole journal says it, too. Nothing of that depends on how many shards
there are.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from engine.actors.router import Waiter
from engine.domain.catalogue.recipes import Recipe
from engine.domain.commands import (
    AddSku,
    Adjust,
    Command,
    CommitHold,
    Count,
    Observe,
    OrderPurchase,
    PlaceHold,
    Receive,
    ReceiveTransfer,
    ReleaseHold,
    Return,
    SendTransfer,
    TakeSnapshot,
)
from engine.domain.orders import OrderSnapshot
from engine.domain.stated import BookContinued, BooksStated, BookStated
from engine.domain.stock.book import Book
from engine.domain.units import DIRECT, DocumentId, HoldId, Key, LineId, OrderId, Sku
from tests.fakes.books import BOTH, HERE, THERE
from tests.fakes.clocks import HandClock
from tests.fakes.engine import READ, Engine, FakeAccount
from tests.fakes.orders import SHOP, order, order_line
from tests.properties.naive_seller import Lines
from tests.properties.test_seller import (
    ITS_PLACE,
    KITS,
    LEAVES,
    MARKETPLACE,
    POOLS,
    STEPS,
    Seller,
    few,
    leaves,
    made_of,
    names,
    places,
)

Steps = list[tuple[Any, ...]]


class Twins:
    """An engine and one that was restored from what it said: asked the same, they answer the same."""

    def __init__(self, first: Engine, second: Engine) -> None:
        self.first, self.second = first, second
        self.recipe_owner = self
        self.router = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.first, name)

    async def both(self, ask: Callable[[Engine], Awaitable[object]]) -> object:
        answer = await ask(self.first)
        assert await ask(self.second) == answer
        return answer

    async def ask(self, command: Command) -> object:
        return await self.both(lambda engine: engine.ask(command))

    async def tell(self, snapshot: OrderSnapshot) -> object:
        return await self.both(lambda engine: engine.tell(snapshot))

    async def commit_into(self, hold: str, order_id: str) -> object:
        return await self.both(lambda engine: engine.commit_into(hold, order_id))

    async def set(self, sku: Sku, recipe: Recipe) -> object:
        return await self.both(lambda engine: engine.recipe_owner.set(sku, recipe))

    async def look_at(
        self, skus: Sequence[Sku], read: Callable[[dict[Sku, Book], datetime], object], slot: Waiter
    ) -> None:
        seen = Waiter()
        await self.second.router.look_at(skus, lambda _books, _now: None, seen)
        await seen.wait()
        await self.first.router.look_at(skus, read, slot)


def makes_engines(clock: HandClock, **options: Any) -> Callable[[int], Engine]:
    """Return a function that makes engines of so many shards, alike but for that."""

    def make(shards: int) -> Engine:
        accounts = {DIRECT: FakeAccount(), SHOP: FakeAccount(), MARKETPLACE: FakeAccount((ITS_PLACE,))}
        return Engine(clock=clock, shards=shards, accounts=accounts, pools=POOLS, **options)

    return make


def restored(engine: Engine, make: Callable[[int], Engine], shards: int) -> Engine:
    """Return an engine that was told what this one says; it says the same."""
    said = engine.statements()
    again = make(shards)
    again.restore(said)
    assert again.statements() == said
    assert again.directory == engine.directory
    assert again.documents == engine.documents
    assert again.books() == engine.books()
    return again


async def sell(opening: int, kit: Lines, before: Steps, after: Steps, shards: int) -> None:
    clock = HandClock()
    make = makes_engines(clock)
    async with make(3).checked() as engine:
        await engine.stock(**dict.fromkeys(LEAVES, opening), **dict.fromkeys(KITS, 0))
        seller = Seller(engine, clock)
        seller.model.came_in.update(dict.fromkeys(LEAVES, opening))
        await seller.recipe(KITS[0], kit)
        for what, *arguments in before:
            await getattr(seller, what)(*arguments)
            await seller.compare()
        async with restored(engine, make, shards).running() as second:
            seller.engine = Twins(engine, second)  # type: ignore[assignment]
            for what, *arguments in (*after, ("wait", 100)):
                await getattr(seller, what)(*arguments)
                await seller.compare()
            assert second.statements() == engine.statements()


@settings(max_examples=40, deadline=None)
@given(
    schedule=st.random_module(),
    opening=st.integers(0, 30),
    kit=made_of,
    before=STEPS,
    after=STEPS,
    shards=st.integers(1, 4),
)
def test_a_restored_engine_sells_on_as_the_first_one_would_have(
    schedule: object, opening: int, kit: Lines, before: Steps, after: Steps, shards: int
) -> None:
    """Holds, orders, papers, bundles, late and repeated snapshots; a naive seller counts beside them."""
    trio.run(sell, opening, kit, before, after, shards, clock=MockClock(autojump_threshold=0))


# -- what is forgotten

seconds_ago = st.integers(0, 40)
keys = st.sampled_from([Key(f"k{number}") for number in range(6)])
FORGETFUL = st.one_of(
    st.builds(lambda key, sku, at, units: ("receive", key, sku, at, units), keys, leaves, places, few),
    st.tuples(st.just("adjust"), keys, leaves, places, st.integers(-3, 3)),
    st.tuples(st.just("count"), keys, leaves, places, st.integers(0, 9), seconds_ago),
    st.tuples(st.just("observe"), keys, st.lists(leaves, min_size=1, unique=True), st.integers(0, 9), seconds_ago),
    st.tuples(st.just("take_back"), keys, leaves, few),
    st.tuples(st.just("hold"), names, st.dictionaries(leaves, few, min_size=1), st.sampled_from((None, 5, 25))),
    st.tuples(st.just("commit"), names),
    st.tuples(st.just("release"), names),
    st.tuples(st.just("receive_ordered"), keys, names, leaves, few),
    st.tuples(st.just("purchase"), names, st.dictionaries(leaves, few, min_size=1)),
    st.tuples(st.just("send"), names, leaves, few),
    st.tuples(st.just("arrive"), keys, names, leaves, few),
    st.tuples(st.just("wait"), st.integers(1, 15)),
    st.tuples(st.just("wait"), st.integers(1, 15)),
)


def build_command(step: tuple[Any, ...], now: datetime) -> Command:
    """Return what a step asks: ids and keys are few, so much of it was asked before, and some of that is forgotten."""
    match step:
        case ("receive", key, sku, at, units):
            return Receive(key=key, sku=sku, location=at, quantity=units)
        case ("receive_ordered", key, number, sku, units):
            return Receive(key=key, sku=sku, location=HERE, quantity=units, purchase_order=DocumentId(number))
        case ("adjust", key, sku, at, delta):
            return Adjust(key=key, sku=sku, location=at, delta=delta, reason="found")
        case ("count", key, sku, at, units, ago):
            taken_at = now - timedelta(seconds=ago)
            return Count(
                key=key,
                sku=sku,
                location=at,
                counted=units,
                taken_at=taken_at,
                tolerance_percent=30.0,
                tolerance_units=1,
            )
        case ("observe", key, skus, units, ago):
            rows = [
                Observe(
                    key=key,
                    sku=sku,
                    location=THERE,
                    source="3pl",
                    quantity=units,
                    as_of=now - timedelta(seconds=ago),
                    nets_open_orders=units % 2 == 0,
                )
                for sku in skus
            ]
            return TakeSnapshot(rows=tuple(rows))
        case ("take_back", key, sku, units):
            line = (SHOP, OrderId("9"), LineId("1")) if units % 2 else (None, None, None)
            return Return(
                key=key, sku=sku, location=HERE, quantity=units, account=line[0], order_id=line[1], line_id=line[2]
            )
        case ("hold", name, lines, seconds):
            until = None if seconds is None else now + timedelta(seconds=seconds)
            return PlaceHold(
                hold_id=HoldId(name), lines=tuple(sorted(lines.items())), expires_at=until, account=SHOP, locations=BOTH
            )
        case ("commit", name):
            return CommitHold(hold_id=HoldId(name), order_id=None)
        case ("release", name):
            return ReleaseHold(hold_id=HoldId(name))
        case ("purchase", number, lines):
            return OrderPurchase(purchase_order=DocumentId(number), location=HERE, lines=tuple(sorted(lines.items())))
        case ("send", number, sku, units):
            return SendTransfer(transfer=DocumentId(number), source=HERE, target=THERE, lines=((sku, units),))
        case ("arrive", key, number, sku, units):
            return ReceiveTransfer(key=key, transfer=DocumentId(number), sku=sku, quantity=units)
    raise AssertionError(step)


async def forget(before: Steps, after: Steps, shards: int, options: dict[str, Any]) -> None:
    """Let `before` happen to one engine, `after` to both; then all of it again, and at last the clock alone."""
    clock = HandClock()
    make = makes_engines(clock, **options)

    async def do(engine: Engine | Twins, step: tuple[Any, ...]) -> None:
        clock.pass_seconds(step[1] if step[0] == "wait" else 0.001)  # of what came in one instant, any may go first
        if step[0] != "wait":
            await engine.ask(build_command(step, clock.now()))
        looked = Waiter()  # the clock's part is decided
        await engine.router.look_at(LEAVES, lambda _books, _now: None, looked)
        await looked.wait()

    async with make(3).running() as engine:
        await engine.stock(**dict.fromkeys(LEAVES, 9))
        for step in before:
            await do(engine, step)
        again = make(shards)
        again.restore(engine.statements())
        assert again.statements() == engine.statements()
        async with again.running():
            for step in (*after, *before, *after, ("wait", 40)):
                await do(Twins(engine, again), step)
                assert again.incidents.open.keys() == engine.incidents.open.keys()
            assert again.statements() == engine.statements()
        successor = Engine(engine.store, clock=clock, shards=3, pools=POOLS, **options)
        await successor.replay()
        assert successor.statements() == engine.statements(), "a replay forgets nothing by itself, and says the same"


@settings(max_examples=60, deadline=None)
@given(
    schedule=st.random_module(),
    before=st.lists(FORGETFUL, max_size=30),
    after=st.lists(FORGETFUL, max_size=15),
    shards=st.integers(1, 4),
)
def test_what_was_forgotten_by_the_clock_is_forgotten_by_both_and_nothing_else(
    schedule: object, before: Steps, after: Steps, shards: int
) -> None:
    """Keys and holds that are repeated, counts of instants before the statements were made, holds that run out."""
    options = {"remembered_seconds": 30, "history_seconds": 25, "documents_seconds": 20}
    trio.run(forget, before, after, shards, options, clock=MockClock(autojump_threshold=0))


@settings(max_examples=30, deadline=None)
@given(
    schedule=st.random_module(),
    before=st.lists(FORGETFUL, max_size=30),
    after=st.lists(FORGETFUL, max_size=15),
)
def test_what_was_forgotten_for_want_of_room_is_forgotten_by_both(
    schedule: object, before: Steps, after: Steps
) -> None:
    """Room is per shard, so there are as many of them."""
    trio.run(forget, before, after, 3, {"remembered_max": 3}, clock=MockClock(autojump_threshold=0))


async def test_a_hold_that_was_committed_before_the_order_was_told_is_owed_once(autojump_clock: MockClock) -> None:
    """The order comes when the desk has been restored: its lines take the place of the hold's."""
    clock = HandClock()
    make = makes_engines(clock)
    async with make(3).running() as engine:
        await engine.stock(A=9)
        await engine.ask(
            PlaceHold(hold_id=HoldId("h"), lines=((Sku("A"), 2),), expires_at=None, account=DIRECT, locations=BOTH)
        )
        await engine.commit_into("h", "77")
        again = restored(engine, make, 2)
    async with again.running():
        assert again.figures("A") == (9, 2, 0)
        await again.tell(order(order_line(Sku("A"), 2), order_id="77", account=DIRECT))
        assert again.figures("A") == (9, 2, 0)


async def test_a_book_of_thousands_is_stated_in_pieces(autojump_clock: MockClock) -> None:
    clock = HandClock()
    make = makes_engines(clock)
    async with make(2).running() as engine:
        await engine.ask(AddSku(sku=Sku("A"), name="Anvil"))
        await engine.ask(Receive(key=Key("first"), sku=Sku("A"), location=HERE, quantity=9000))
        for number in range(1200):
            hold = HoldId(f"h{number}")
            await engine.ask(
                PlaceHold(hold_id=hold, lines=((Sku("A"), 1),), expires_at=None, account=DIRECT, locations=BOTH)
            )
            if number % 2:
                await engine.ask(CommitHold(hold_id=hold, order_id=None))
        again = restored(engine, make, 5)
    said = [READ.decode(statement) for statement in again.statements()["books"]]
    assert [(type(each), len(getattr(each, "holds", ())), len(getattr(each, "ended", ()))) for each in said] == [
        (BookStated, 500, 500),
        (BookContinued, 100, 100),
        (BooksStated, 0, 0),
    ]
