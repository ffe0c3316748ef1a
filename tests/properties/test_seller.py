"""The whole engine (router, shards, desk, recipes, journal) against a naive seller, through random histories.

Every step is answered as the naive model expects; after each, every figure of every SKU and the availability of every
bundle are compared; at the end a successor that replays the journal must know the same. Snapshots of orders arrive
late, twice and out of order, commands are repeated, recipes change while orders are under way.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from engine.actors.router import Waiter
from engine.domain.catalogue.making import count_available
from engine.domain.catalogue.recipes import Recipe
from engine.domain.commands import (
    Adjust,
    ChangeState,
    Command,
    CommitHold,
    Committed,
    EndPurchase,
    Granted,
    LoseTransfer,
    Moved,
    OrderPurchase,
    PlaceHold,
    Receive,
    ReceiveTransfer,
    Refusal,
    Released,
    ReleaseHold,
    SendTransfer,
)
from engine.domain.events import DemandLapsed, DemandSet, HoldCommitted, OrderRecorded, RecipeSet, StockAdjusted
from engine.domain.offers.demand import Demand
from engine.domain.orders import Freshness, OrderSnapshot
from engine.domain.states import State
from engine.domain.stock.book import hold_line_id, units_of
from engine.domain.stock.places import Kind, Pools
from engine.domain.units import DIRECT, AccountId, DocumentId, HoldId, Key, LocationId, OrderId, Sku
from tests.fakes.books import BOTH, HERE, THERE
from tests.fakes.clocks import HandClock
from tests.fakes.engine import Engine, FakeAccount
from tests.fakes.orders import SHOP, order, order_line
from tests.properties.naive_seller import Basket, Figures, Lines, NaiveSeller

LEAVES = (Sku("A"), Sku("B"), Sku("C"))
KITS = (Sku("KIT"), Sku("BOX"))
SKUS = (*LEAVES, *KITS)

STOREFRONT = "3"
"""The order that is placed at the seller's own shop; the others are a channel's."""
MARKETPLACE, ITS_PLACE = AccountId("marketplace"), LocationId("fba")
ITS_ORDER = "4"
"""The order of a marketplace that keeps units for the seller and ships them itself."""
POOLS = Pools({HERE: Kind.OWN, THERE: Kind.STORE, ITS_PLACE: Kind.CHANNEL_FULFILLED})

leaves, kits, skus = st.sampled_from(LEAVES), st.sampled_from(KITS), st.sampled_from(SKUS)
places = st.sampled_from(BOTH)
few = st.integers(1, 6)
edits = st.sampled_from(("cancel", "ship", "give_back", "pay"))
often = st.sampled_from((True, True, True, False))
made_of = st.dictionaries(leaves, st.integers(1, 3), max_size=2)
names = st.sampled_from("123")
orders = st.sampled_from("1234")

STEP = st.one_of(
    st.tuples(st.just("receive"), leaves, places, few),
    st.tuples(st.just("send_in"), leaves, few),
    st.tuples(st.just("adjust"), leaves, places, st.integers(-4, 4).filter(bool)),
    st.tuples(st.just("set_aside"), leaves, places, few),
    st.tuples(st.just("inspect"), leaves, places, few, st.booleans()),
    st.tuples(st.just("announce"), names, st.dictionaries(leaves, few, min_size=1)),
    st.tuples(st.just("arrive"), names, leaves, few),
    st.tuples(st.just("close"), names, st.booleans()),
    st.tuples(st.just("send"), names, st.dictionaries(leaves, few, min_size=1)),
    st.tuples(st.just("take_in"), names, leaves, few),
    st.tuples(st.just("lose"), names, leaves, few),
    st.tuples(st.just("hold"), names, st.dictionaries(skus, few, min_size=1, max_size=3), st.sampled_from((None, 60))),
    st.tuples(st.just("commit"), names, st.none() | names),
    st.tuples(st.just("release"), names),
    st.tuples(st.just("wait"), st.sampled_from((1, 50, 100))),
    st.tuples(st.just("order"), orders, st.lists(st.tuples(skus, few), min_size=1, max_size=3), st.booleans(), often),
    st.tuples(st.just("edit"), orders, st.integers(0, 2), edits, few, often),
    st.tuples(st.just("deliver"), orders, st.integers(0, 9)),
    st.tuples(st.just("recipe"), kits, st.dictionaries(skus, st.integers(1, 3), max_size=2)),
    st.tuples(st.just("again"), st.integers(0, 99)),
)
SALE = st.one_of(
    st.tuples(st.just("checkout"), names, st.dictionaries(skus, few, min_size=1, max_size=2), st.booleans()),
    st.tuples(st.just("hold"), names, st.dictionaries(skus, few, min_size=1, max_size=3), st.sampled_from((None, 60))),
    st.tuples(st.just("commit"), names, st.none() | names),
    st.tuples(st.just("edit"), orders, st.integers(0, 1), edits, few, often),
    st.tuples(st.just("deliver"), orders, st.integers(0, 9)),
    st.tuples(st.just("order"), orders, st.lists(st.tuples(skus, few), min_size=1, max_size=3), st.booleans(), often),
)
STEPS = st.lists(STEP | SALE, max_size=40)
"""Every kind of step, and those of sales more often."""


@dataclass
class Seller:
    """The engine, the naive model beside it, and a channel that has orders of its own."""

    engine: Engine
    clock: HandClock
    model: NaiveSeller = field(default_factory=lambda: NaiveSeller(MARKETPLACE))
    told: dict[str, list[OrderSnapshot]] = field(default_factory=dict)
    """Every state that an order of the channel ever had, the newest last."""
    asked: list[tuple[Command, object]] = field(default_factory=list)
    keys: int = 0
    found: int = 0
    """Events read so far, for units that left though nobody knew of them, and for what was sold."""
    demand: Demand = field(default_factory=Demand)

    def key(self) -> Key:
        self.keys += 1
        return Key(f"k{self.keys}")

    async def ask(self, command: Command) -> object:
        answer = await self.engine.ask(command)
        self.asked.append((command, answer))
        return answer

    async def move(self, command: Command, then: Callable[[], None]) -> None:
        """Ask for a movement; one that is refused changes nothing."""
        answer = await self.ask(command)
        if isinstance(answer, Moved):
            then()
        else:
            assert isinstance(answer, Refusal), answer
            assert answer.code in {"NEGATIVE", "EXCEEDS", "OUTOFSTOCK", "CONFLICT"}, answer

    # -- movements

    async def receive(self, sku: Sku, place: LocationId, units: int) -> None:
        command = Receive(key=self.key(), sku=sku, location=place, quantity=units)
        await self.move(command, lambda: self.model.came_in.update({sku: units}))

    async def send_in(self, sku: Sku, units: int) -> None:
        """The marketplace says that units have come in."""
        command = Receive(key=self.key(), sku=sku, location=ITS_PLACE, quantity=units)
        await self.move(command, lambda: self.model.kept_there.update({sku: units}))

    async def adjust(self, sku: Sku, place: LocationId, delta: int) -> None:
        command = Adjust(key=self.key(), sku=sku, location=place, delta=delta, reason="found")
        await self.move(command, lambda: self.model.came_in.update({sku: delta}))

    async def set_aside(self, sku: Sku, place: LocationId, units: int) -> None:
        command = ChangeState(
            key=self.key(),
            sku=sku,
            location=place,
            quantity=units,
            source=State.SELLABLE,
            target=State.QUALITY_HOLD,
        )
        await self.move(command, lambda: self.model.set_aside.update({sku: units}))

    async def inspect(self, sku: Sku, place: LocationId, units: int, good: bool) -> None:
        target = State.SELLABLE if good else State.WRITTEN_OFF
        command = ChangeState(
            key=self.key(), sku=sku, location=place, quantity=units, source=State.QUALITY_HOLD, target=target
        )

        def then() -> None:
            self.model.set_aside.subtract({sku: units})
            self.model.came_in.subtract({sku: 0 if good else units})

        await self.move(command, then)

    async def announce(self, name: str, lines: Lines) -> None:
        command = OrderPurchase(purchase_order=DocumentId(name), location=HERE, lines=tuple(sorted(lines.items())))
        before = self.model.announced.get(name)
        if before is None:
            await self.move(command, lambda: self.model.announced.update({name: dict(lines)}))

    async def arrive(self, name: str, sku: Sku, units: int) -> None:
        expected = self.model.announced.get(name, {})
        command = Receive(key=self.key(), sku=sku, location=HERE, quantity=units, purchase_order=DocumentId(name))

        def then() -> None:
            self.model.came_in[sku] += units
            expected[sku] -= units

        if sku in expected and expected[sku] > 0:
            await self.move(command, then)

    async def close(self, name: str, cancelled: bool) -> None:
        command = EndPurchase(purchase_order=DocumentId(name), cancelled=cancelled)
        if any(units > 0 for units in self.model.announced.get(name, {}).values()):
            await self.move(command, lambda: self.model.announced.update({name: {}}))

    async def send(self, name: str, lines: Lines) -> None:
        if name in self.model.travelling:
            return
        command = SendTransfer(transfer=DocumentId(name), source=HERE, target=THERE, lines=tuple(sorted(lines.items())))

        def then() -> None:
            self.model.travelling[name] = dict(lines)
            self.model.came_in.subtract(lines)

        await self.move(command, then)

    async def take_in(self, name: str, sku: Sku, units: int) -> None:
        under_way = self.model.travelling.get(name, {})
        command = ReceiveTransfer(key=self.key(), transfer=DocumentId(name), sku=sku, quantity=units)

        def then() -> None:
            under_way[sku] -= units
            self.model.came_in[sku] += units

        if under_way.get(sku, 0) >= units:
            await self.move(command, then)

    async def lose(self, name: str, sku: Sku, units: int) -> None:
        under_way = self.model.travelling.get(name, {})
        command = LoseTransfer(key=self.key(), transfer=DocumentId(name), sku=sku, quantity=units, reason="lorry")
        if under_way.get(sku, 0) >= units:
            await self.move(command, lambda: under_way.update({sku: under_way[sku] - units}))

    # -- baskets

    async def hold(self, name: str, wanted: Lines, seconds: int | None) -> None:
        hold_id = HoldId(name)
        if hold_id in self.model.baskets:
            return
        until = None if seconds is None else self.clock.now() + timedelta(seconds=seconds)
        asked = tuple(sorted(wanted.items()))
        lines, bundles = self.engine.recipes.explode(asked)
        command = PlaceHold(
            hold_id=hold_id,
            lines=lines,
            expires_at=until,
            account=DIRECT,
            locations=BOTH,
            wanted=asked if bundles else (),
            bundles=bundles,
        )
        fits = self.model.may_have(wanted, self.clock.now())
        known = any(isinstance(c, PlaceHold) and c.hold_id == hold_id for c, _ in self.asked)
        answer = await self.ask(command)
        if known:  # refused before, and refused the same way for ever
            assert isinstance(answer, Refusal), answer
            return
        assert isinstance(answer, Granted) == fits, (wanted, answer)
        if isinstance(answer, Granted):
            self.model.baskets[hold_id] = Basket(self.model.unpack_all(wanted), until)

    async def commit(self, name: str, into: str | None) -> None:
        basket = self.model.baskets.get(HoldId(name))
        if basket is None:
            return
        now = self.clock.now()
        is_open = basket.state == "open" and (basket.until is None or basket.until > now)
        if into is None:
            answer = await self.ask(CommitHold(hold_id=HoldId(name), order_id=None))
        else:
            answer = await self.engine.commit_into(name, into)
        if is_open:
            assert isinstance(answer, Committed), answer
            # holds are the storefront's: an order of that number at the channel is another one
            order_id = OrderId(STOREFRONT) if into == STOREFRONT else None
            self.model.baskets[HoldId(name)] = basket._replace(state="owed", order=order_id)

    async def checkout(self, name: str, wanted: Lines, late: bool) -> None:
        """Hold, pay, and tell of the order itself: all units are owed once, whichever comes first."""
        lines = list(wanted.items())
        await self.hold(name, wanted, 60)
        if not late:
            await self.order(STOREFRONT, lines, paid=True, told=True)
        await self.commit(name, STOREFRONT)
        await self.compare()
        await self.order(STOREFRONT, lines, paid=True, told=True)

    async def release(self, name: str) -> None:
        basket = self.model.baskets.get(HoldId(name))
        if basket is None:
            return
        answer = await self.ask(ReleaseHold(hold_id=HoldId(name)))
        if basket.state == "open":
            assert isinstance(answer, Released), answer
            self.model.baskets[HoldId(name)] = basket._replace(state="released")

    async def wait(self, seconds: int) -> None:
        self.clock.pass_seconds(seconds)

    # -- orders

    async def order(self, name: str, lines: list[tuple[Sku, int]], paid: bool, told: bool) -> None:
        """An order is placed at the channel, and told of at once, later or never."""
        if name not in self.told:
            account = {STOREFRONT: DIRECT, ITS_ORDER: MARKETPLACE}.get(name, SHOP)
            held_until = None if paid else self.clock.now() + timedelta(seconds=80)
            numbered = [order_line(sku, units, line=str(number)) for number, (sku, units) in enumerate(lines)]
            self.told[name] = [order(*numbered, order_id=name, account=account, held_until=held_until)]
            if told:
                await self.deliver(name, 0)

    async def edit(self, name: str, number: int, what: str, units: int, told: bool) -> None:
        """Something happens to an order at the channel; it is told of at once, later or never."""
        states = self.told.get(name)
        if states is None or number >= len(states[-1].lines):
            return
        newest = states[-1]
        line = newest.lines[number]
        units = min(units, line.shipped - line.returned if what == "give_back" else line.open_units)
        changed = {
            "cancel": {"cancelled": line.cancelled + units},
            "ship": {"shipped": line.shipped + units},
            "give_back": {"returned": line.returned + units},
            "pay": {},
        }[what]
        edited = (*newest.lines[:number], msgspec.structs.replace(line, **changed), *newest.lines[number + 1 :])
        states.append(
            msgspec.structs.replace(
                newest,
                lines=edited,
                modified_at=newest.modified_at + timedelta(seconds=1),
                held_until=newest.held_until if what == "cancel" else None,
            )
        )
        if told:
            await self.deliver(name, 0)

    async def deliver(self, name: str, back: int) -> None:
        """Tell a state of an order: mostly the newest, sometimes one that is old news (lessons C2, C9, D11, D15)."""
        states = self.told.get(name)
        if states is None:
            return
        snapshot = states[max(0, len(states) - 1 - (back if back < 3 else 0))]
        fresh = self.model.deliver(snapshot)
        answer = await self.engine.tell(snapshot)
        assert (answer is Freshness.NEWER) == fresh, (answer, snapshot)

    # -- recipes

    async def recipe(self, sku: Sku, components: Lines) -> None:
        lines = tuple(sorted(components.items()))
        circle = any(self.model.contains(part, sku) for part in components)
        answer = await self.engine.recipe_owner.set(sku, Recipe(lines))
        if isinstance(answer, RecipeSet):
            assert not circle
            self.model.recipes[sku] = dict(components)
            if not components:
                del self.model.recipes[sku]
        else:
            own = self.model.figures(sku, self.clock.now())
            pending = any(basket.lines.get(sku) and basket.state == "open" for basket in self.model.baskets.values())
            assert circle or any(own) or pending or not components, (sku, components, answer)

    async def again(self, number: int) -> None:
        """Ask once more what was asked before: answered the same, and nothing happens (lessons E8, B2)."""
        repeatable = [each for each in self.asked if not isinstance(each[0], ReleaseHold)]
        if not repeatable:
            return
        command, first = repeatable[number % len(repeatable)]
        if isinstance(first, Refusal) and not isinstance(command, PlaceHold):
            return  # it may be possible by now
        answer = await self.engine.ask(command)
        if isinstance(first, Granted | Moved):
            assert answer == first

    # -- comparing

    async def compare(self) -> None:
        """Bring both to one instant and look at every figure."""
        looked = Waiter()
        await self.engine.router.look_at(SKUS, lambda books, _now: books, looked)
        await looked.wait()  # the clock's part is decided and durable, too
        for _, event in self.engine.events[self.found :]:
            self.sell(event)
            if isinstance(event, StockAdjusted) and event.reason.startswith("count error"):
                heap = self.model.kept_there if event.location == ITS_PLACE else self.model.came_in
                heap[event.sku] += event.delta
        self.found = len(self.engine.events)
        now = self.clock.now()
        self.compare_demand(now)
        for sku in SKUS:
            assert self.figures(sku, *BOTH) == self.model.figures(sku, now), sku
            assert self.figures(sku, ITS_PLACE) == self.model.figures(sku, now, kept_there=True), sku
            positions = self.engine.book(sku).positions.values()
            assert all(units >= 0 for position in positions for units in _counts(position)), sku
        newest = {level.sku: level for level in self.engine.told}
        for kit in KITS:
            if kit in self.model.recipes and kit in newest and newest[kit].components:
                assert count_available(newest[kit], BOTH) == self.model.available(kit, now), kit
        for sku in LEAVES:
            short = {None: self.model.short(sku, now), ITS_PLACE: self.model.short(sku, now, kept_there=True)}
            told = self.engine.book(sku).records.oversells
            assert {place: event.open_units for place, event in told.items()} == {
                place: units for place, units in short.items() if units
            }
            assert {place for place in short if (sku, place) in self.engine.incidents.open} == set(told)

    def sell(self, event: object) -> None:
        """Let the projection of demand hear what the node tells it."""
        if isinstance(event, OrderRecorded | DemandSet | DemandLapsed):
            self.demand.apply(event)
        elif isinstance(event, HoldCommitted):
            order_id = event.order_id or OrderId(event.hold_id)
            line = self.engine.book(event.sku).demand.get((event.account, order_id, hold_line_id(event.hold_id)))
            self.demand.committed(event, units_of(line.committed) if line is not None else 0)

    def compare_demand(self, now: datetime) -> None:
        """What others sell of a SKU: all but what this listing sells, whichever way it went."""
        model, days = self.model, 86_400
        for account in (SHOP, DIRECT, MARKETPLACE):
            for sku in LEAVES:
                beside = model.sold_in_all(sku, now) - model.sold_as(sku, account, now)
                assert round(days * self.demand.rate_elsewhere(sku, account, now)) == beside, (sku, account)
            for kit, (leaf, units) in product(KITS, [(leaf, units) for leaf in LEAVES for units in (1, 3)]):
                beside = model.sold_in_all(leaf, now) - units * model.sold_as(kit, account, now)
                found = self.demand.rate_beside((leaf, units), kit, account, now)
                assert round(days * found) == max(0, beside), (kit, leaf, account)
        for kit in KITS:
            sold = sum(model.sold_as(kit, account, now) for account in (SHOP, DIRECT, MARKETPLACE))
            assert (self.demand.daily_sales_of_bundle(kit, (), now) or 0) * 28 == pytest.approx(sold)

    def figures(self, sku: Sku, *places: LocationId) -> Figures:
        known = self.engine.book(sku).positions
        positions = [known[place] for place in places if place in known]
        return Figures(*(sum(getattr(position, name) for position in positions) for name in Figures._fields))


def _counts(position: object) -> tuple[int, ...]:
    names = ("on_hand", "committed", "reserved", "unavailable", "incoming", "in_transit")
    return tuple(getattr(position, name) for name in names)


async def live(opening: int, kit: Lines, box: int, steps: list[tuple[Any, ...]]) -> None:
    clock = HandClock()
    accounts = {DIRECT: FakeAccount(), SHOP: FakeAccount(), MARKETPLACE: FakeAccount((ITS_PLACE,))}
    async with Engine(clock=clock, accounts=accounts, pools=POOLS).checked() as engine:
        await engine.stock(**dict.fromkeys(LEAVES, opening), **dict.fromkeys(KITS, 0))
        seller = Seller(engine, clock)
        seller.model.came_in.update(dict.fromkeys(LEAVES, opening))
        await seller.recipe(KITS[0], kit)
        await seller.recipe(KITS[1], {KITS[0]: box, LEAVES[0]: 1} if box else {})
        for what, *arguments in steps:
            await getattr(seller, what)(*arguments)
            await seller.compare()


@settings(max_examples=60, deadline=None)
@given(schedule=st.random_module(), opening=st.integers(0, 30), kit=made_of, box=st.integers(0, 2), steps=STEPS)
def test_the_engine_counts_as_a_naive_seller_does(
    schedule: object, opening: int, kit: Lines, box: int, steps: list[tuple[Any, ...]]
) -> None:
    """Lessons A10, B1 to B3, C1 to C9, E8, F1 to F5."""
    trio.run(live, opening, kit, box, steps, clock=MockClock(autojump_threshold=0))
