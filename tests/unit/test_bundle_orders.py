"""Orders of bundles: owed in components, by the recipe they were sold under (lessons B, C and F)."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.actors.router import Waiter
from engine.domain.catalogue.recipes import Recipe
from engine.domain.catalogue.sold import UNKNOWN, list_levels, pin_recipes
from engine.domain.commands import Adjust, CommitHold, Moved, Receive, Refusal
from engine.domain.events import DemandSet, RecipeSet
from engine.domain.orders import Freshness, OrderSnapshot, OrderStatus
from engine.domain.stock.book import units_of
from engine.domain.units import UNITS_MAX, HoldId, Key, LineId, ListingId, OrderId, Sku
from tests.fakes.books import HERE, THERE, place_hold
from tests.fakes.clocks import START
from tests.fakes.engine import Engine
from tests.fakes.orders import SHOP, order, order_line
from tests.fakes.recipes import recipe, recipe_set, recipes_of
from tests.fakes.stores import SlowStore

NEWER, REPEAT = Freshness.NEWER, Freshness.REPEAT
KIT, BOLT, NUT = Sku("KIT"), Sku("BOLT"), Sku("NUT")


async def kits(engine: Engine, *, together: bool = False) -> None:
    """A hundred bolts and nuts; a kit of four bolts and a nut, a box of two kits and a nut."""
    await engine.stock(BOLT=100, NUT=100, KIT=0, BOX=0)
    assert isinstance(await engine.recipe("KIT", BOLT=4, NUT=1, together=together), RecipeSet)
    assert isinstance(await engine.recipe("BOX", KIT=2, NUT=1), RecipeSet)


def kit(
    ordered: int, *, sku: str = "KIT", line: str = "1", cancelled: int = 0, shipped: int = 0, returned: int = 0
) -> OrderSnapshot:
    return order(order_line(sku, ordered, line=line, cancelled=cancelled, shipped=shipped, returned=returned))


def at(second: int, snapshot: OrderSnapshot, **changes: object) -> OrderSnapshot:
    (line,) = snapshot.lines
    return order(line, second=second, **changes)  # type: ignore[arg-type]  # a short call for tables


@pytest.mark.parametrize(
    ("snapshots", "bolts", "nuts"),
    [
        ([kit(3)], (100, 12), (100, 3)),
        ([kit(3), at(1, kit(5))], (100, 20), (100, 5)),
        ([kit(3), at(1, kit(3, cancelled=1))], (100, 8), (100, 2)),
        ([kit(3), at(1, kit(3, shipped=1))], (96, 8), (99, 2)),
        ([kit(3), at(1, kit(3, shipped=1)), at(2, kit(3, shipped=1, cancelled=2))], (96, 0), (99, 0)),
        ([kit(3, shipped=3), at(1, kit(3, shipped=3, returned=2))], (96, 0), (99, 0)),
        ([kit(3, shipped=3), at(1, kit(3, shipped=3), status=OrderStatus.REFUNDED)], (88, 0), (97, 0)),
        ([kit(3), at(1, kit(3, cancelled=3)), at(2, kit(3))], (100, 12), (100, 3)),
        ([kit(3), order(second=1)], (100, 0), (100, 0)),
        ([kit(3, shipped=2), order(second=1)], (100, 0), (100, 0)),
        ([kit(3), at(1, kit(3, sku="BOLT"))], (100, 3), (100, 0)),
        ([kit(2, sku="BOX")], (100, 16), (100, 6)),
    ],
    ids=[
        "ordered",
        "changed upwards",
        "C4 partly cancelled",
        "partly shipped",
        "C4 rest of a part shipment cancelled",
        "partly refunded with restock",
        "C8 refunded without restock",
        "C2 cancelled and taken up again",
        "C1 line deleted",
        "C1 shipped line deleted",
        "C6 another SKU",
        "F4 kit of kits",
    ],
)
async def test_every_life_of_a_bundle_line_nets_in_components(
    autojump_clock: MockClock, snapshots: Sequence[OrderSnapshot], bolts: tuple[int, int], nuts: tuple[int, int]
) -> None:
    """Each again as a repeat or a late arrival: compensation counts once (C3, F5)."""
    async with Engine().checked() as engine:
        await kits(engine)
        for snapshot in (*snapshots, *snapshots):
            await engine.tell(snapshot)
        assert engine.figures("BOLT") == (*bolts, 0)
        assert engine.figures("NUT") == (*nuts, 0)
        assert engine.figures("KIT") == engine.figures("BOX") == (0, 0, 0)


async def test_lesson_f2_a_bundle_its_component_and_another_bundle_in_one_order(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await kits(engine)
        lines = (order_line("KIT", 2), order_line("NUT", 5, line="2"), order_line("BOX", 1, line="3"))
        await engine.tell(order(*lines))
        assert engine.figures("BOLT") == (100, 8 + 8, 0)
        assert engine.figures("NUT") == (100, 2 + 5 + 3, 0)


async def test_an_old_order_keeps_the_recipe_it_was_sold_under(autojump_clock: MockClock) -> None:
    """Lessons C3, C4: what is cancelled, shipped and returned later is what was taken; a new line takes today's."""
    async with Engine().checked() as engine:
        await kits(engine)
        await engine.tell(kit(3))
        await engine.recipe("KIT", BOLT=1)
        assert await engine.tell(kit(3)) is REPEAT, "nothing is new of it"
        assert engine.figures("BOLT") == (100, 12, 0)
        await engine.tell(at(1, kit(3, cancelled=1, shipped=2, returned=1)))
        assert engine.figures("BOLT") == (96, 0, 0)
        assert engine.figures("NUT") == (99, 0, 0)
        both = (order_line("KIT", 3, cancelled=3), order_line("KIT", 2, line="2"))
        await engine.tell(order(*both, second=2))
        assert engine.figures("BOLT") == (100, 2, 0)
        assert engine.figures("NUT") == (100, 0, 0)


async def test_an_order_outlives_the_recipe(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await kits(engine)
        await engine.tell(kit(3))
        await engine.recipe("KIT")
        await engine.tell(at(1, kit(3, shipped=3)))
        assert engine.figures("BOLT") == (88, 0, 0)
        await engine.tell(order(order_line("KIT", 1), order_id="2"))
        assert engine.figures("KIT") == (0, 1, 0), "an ordinary SKU now"


async def test_a_line_sold_before_its_sku_was_a_bundle_counts_as_one_unless_units_have_left(
    autojump_clock: MockClock,
) -> None:
    async with Engine().checked() as engine:
        await kits(engine)
        await engine.recipe("KIT")
        unpaid = {"status": OrderStatus.PENDING, "held_until": START + timedelta(seconds=60)}
        await engine.tell(order(order_line("KIT", 2), order_id="lapses", **unpaid))  # type: ignore[arg-type]
        await engine.ask(Receive(key=Key("kits"), sku=KIT, location=HERE, quantity=1))
        await engine.tell(order(order_line("KIT", 1, shipped=1), order_id="gone"))
        autojump_clock.jump(61)
        await engine.ask(Adjust(key=Key("due"), sku=BOLT, location=HERE, delta=1, reason="found"))
        await engine.ask(Receive(key=Key("look"), sku=KIT, location=HERE, quantity=1))
        await engine.ask(Adjust(key=Key("gone"), sku=KIT, location=HERE, delta=-1, reason="sold elsewhere"))
        assert isinstance(await engine.recipe("KIT", BOLT=4), RecipeSet)
        await engine.tell(order(order_line("KIT", 2), order_id="lapses", second=90))
        assert engine.figures("BOLT") == (101, 8, 0), "paid after all"
        await engine.tell(order(order_line("KIT", 1, shipped=1), order_id="gone", second=80))
        assert (engine.figures("KIT"), engine.figures("BOLT")) == ((0, 0, 0), (101, 8, 0)), "it left as one piece"
        await engine.tell(order(order_line("KIT", 1, shipped=1, returned=1), order_id="gone", second=90))
        assert engine.figures("KIT") == (1, 0, 0), "what left as one piece comes back as one"
        apart = Adjust(key=Key("apart"), sku=KIT, location=HERE, delta=-1, reason="taken apart")
        assert isinstance(await engine.ask(apart), Moved)
        assert engine.figures("KIT") == (0, 0, 0)
        assert isinstance(await engine.ask(msgspec.structs.replace(apart, key=Key("more"))), Refusal)


async def test_packs_of_bundles_are_owed_in_components(autojump_clock: MockClock) -> None:
    """Lesson F3."""
    async with Engine().checked() as engine:
        await kits(engine)
        engine.account.listings[ListingId("six")] = KIT
        engine.account.packs[ListingId("six")] = 6
        await engine.tell(order(order_line("KIT", 2, listing="six")))
        assert engine.figures("BOLT") == (100, 48, 0)
        engine.account.packs[ListingId("six")] = 1
        assert await engine.tell(order(order_line("KIT", 2, listing="six"))) is NEWER
        assert engine.figures("BOLT") == (100, 8, 0)


async def test_an_unmatched_line_is_exploded_when_a_listing_matches_it(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await kits(engine)
        line = order_line("typo", 3, listing="l1")
        await engine.tell(order(line))
        engine.account.listings[ListingId("l1")] = KIT
        await engine.desk.rematch(SHOP)
        await engine.desk.wait_passed_on()
        assert await engine.tell(order(line)) is REPEAT
        assert engine.figures("BOLT") == (100, 12, 0)


async def test_a_hold_committed_into_an_order_is_replaced_by_the_orders_own_lines(autojump_clock: MockClock) -> None:
    """Lesson D14."""
    async with Engine().checked() as engine:
        await kits(engine)
        await engine.ask(place_hold("h", (BOLT, 12), (NUT, 3), seconds=None, account=SHOP))
        await engine.commit_into("h", "1")
        assert engine.figures("BOLT") == (100, 12, 0)
        await engine.tell(kit(3))
        assert engine.figures("BOLT") == (100, 12, 0)
        await engine.tell(at(1, kit(3, cancelled=3)))
        assert engine.figures("BOLT") == engine.figures("NUT") == (100, 0, 0)


async def test_the_channel_has_sold_the_bundle_it_lists(autojump_clock: MockClock) -> None:
    """Lesson F6: an oversell names the bundle's listing at that account, and it is that which is written again."""
    async with Engine().checked() as engine:
        await kits(engine)
        await engine.tell(kit(26))
        assert [(sale.sku, sale.units) for sale in engine.account.sales] == [(KIT, 26)]
        incident = engine.incidents.newest[0].recorded
        assert (incident.sku, incident.units, incident.order_id) == (BOLT, 4, "1")
        assert (incident.cause, incident.detail) == ("lag", "sold as KIT: KIT was shown at 12:00:00")


async def test_a_line_that_comes_to_more_than_can_be_counted_is_refused(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await kits(engine)
        assert isinstance(await engine.recipe("BOX", KIT=1_000_000), RecipeSet)
        answer = await engine.tell(kit(UNITS_MAX, sku="BOX"))
        text = "order=1 line 1: 1000000000 of BOX are 4000000000000000 of BOLT: too many"
        assert answer == Refusal(code="BADARG", text=text)
        assert engine.desk.orders == {}


# -- together


def parts(engine: Engine, sku: str, line: str = "1", order_id: str = "1") -> dict[str, int]:
    demand = engine.book(sku).demand[SHOP, OrderId(order_id), LineId(line)]
    assert isinstance(demand, DemandSet)
    return dict(demand.committed)


async def test_a_together_bundle_is_owed_from_the_first_location_that_has_all_of_it(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(BOLT=100, NUT=1, KIT=0)
        await engine.ask(Receive(key=Key("n"), sku=NUT, location=THERE, quantity=5))
        await engine.ask(Receive(key=Key("b"), sku=BOLT, location=THERE, quantity=8))
        await engine.recipe("KIT", BOLT=4, NUT=1, together=True)
        await engine.tell(kit(2))
        assert (parts(engine, "BOLT"), parts(engine, "NUT")) == ({"there": 8}, {"there": 2})
        await engine.tell(at(1, kit(3)))
        assert (parts(engine, "BOLT"), parts(engine, "NUT")) == ({"there": 8, "here": 4}, {"there": 2, "here": 1})


async def test_an_order_that_no_location_has_together_is_owed_all_the_same(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(BOLT=100, NUT=0, KIT=0)
        await engine.ask(Receive(key=Key("n"), sku=NUT, location=THERE, quantity=5))
        await engine.recipe("KIT", BOLT=4, NUT=1, together=True)
        await engine.tell(kit(2))
        assert (parts(engine, "BOLT"), parts(engine, "NUT")) == ({"here": 8}, {"there": 2})
        assert engine.incidents.open == {}


# -- what may become a bundle


async def test_a_sku_with_units_of_its_own_is_not_made_a_bundle(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=3, B=10)
        await engine.ask(place_hold("h", (Sku("A"), 2), seconds=None))
        text = "'A' has 1 open holds; on_hand 3, reserved 2 at here of its own; a bundle has none"
        assert await engine.recipe("A", B=1) == Refusal(code="BADRECIPE", text=text)
        await engine.ask(CommitHold(hold_id=HoldId("h"), order_id=None))
        await engine.ask(Adjust(key=Key("k"), sku=Sku("A"), location=HERE, delta=-3, reason="lost"))
        answer = await engine.recipe("A", B=1)
        assert answer == Refusal(code="BADRECIPE", text="'A' has committed 2 at here of its own; a bundle has none")
        assert engine.recipes.current == {}


async def test_units_of_a_bundle_cannot_be_moved(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await kits(engine)
        answer = await engine.ask(Receive(key=Key("k"), sku=KIT, location=HERE, quantity=1))
        assert answer == Refusal(code="BUNDLE", text="sku=KIT has no stock of its own: move its components")


async def test_recipes_are_versions_and_the_same_again_is_none(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=3, B=10, KIT=0)
        versions = []
        changes: tuple[dict[str, int], ...] = (
            {"A": 1, "B": 2},
            {"B": 2, "A": 1},
            {"A": 2, "B": 2},
            {},
            {},
            {"A": 2, "B": 2},
        )
        for each in changes:
            answer = await engine.recipe("KIT", each)
            assert isinstance(answer, RecipeSet)
            versions.append(answer.version)
        assert versions == [1, 1, 2, 3, 3, 4]
        assert [event.version for _, event in engine.events if isinstance(event, RecipeSet)] == [1, 2, 3, 4]
        assert await engine.recipe("A") == Refusal(code="NOSUCHRECIPE", text="sku=A never was a bundle")
        cycle = "a bundle cannot contain itself: KIT > KIT"
        assert await engine.recipe("KIT", KIT=1) == Refusal(code="BADRECIPE", text=cycle)


async def test_no_order_is_read_by_one_recipe_and_decided_under_another(autojump_clock: MockClock) -> None:
    """While a recipe changes the desk rests; what waited is read by the new one."""
    async with Engine().checked() as engine:
        await engine.stock(BOLT=100, KIT=0)
        waiter = Waiter()
        async with engine.desk.at_rest():
            await engine.desk.tell(kit(3), waiter)
            await wait_all_tasks_blocked()
            assert engine.figures("KIT") == (0, 0, 0)

            def run(now: object) -> tuple[Sequence[RecipeSet], object]:
                decided = engine.recipe_owner.decide({KIT: Recipe(((BOLT, 4),))}, START)
                for event in decided.events:
                    engine.recipe_owner.apply(event)
                return decided.events, None

            await engine.router.together(run)
        assert await waiter.wait() is NEWER
        assert (engine.figures("KIT"), engine.figures("BOLT")) == ((0, 0, 0), (100, 12, 0))


async def test_a_sale_of_a_component_and_a_recipe_tell_every_bundle_above(autojump_clock: MockClock) -> None:
    """Lesson F4. A recipe's components are told again with it: nobody kept their levels before."""
    async with Engine().checked() as engine:
        await engine.stock(BOLT=100, NUT=100, KIT=0, BOX=0)
        engine.told.clear()
        await engine.recipe("KIT", BOLT=4, NUT=1)
        assert {level.sku: units_of(level.atp) for level in engine.told} == {"BOLT": 100, "NUT": 100, "KIT": 25}
        await engine.recipe("BOX", KIT=2, NUT=1)
        engine.told.clear()
        await engine.tell(order(order_line("NUT", 90)))
        assert {level.sku: units_of(level.atp) for level in engine.told} == {"NUT": 10, "KIT": 10, "BOX": 3}
        engine.told.clear()
        await engine.recipe("KIT", BOLT=1)
        assert {level.sku: units_of(level.atp) for level in engine.told} == {"BOLT": 100, "KIT": 100, "BOX": 10}


async def test_a_recipe_is_durable_before_anybody_is_told_of_it(autojump_clock: MockClock) -> None:
    """Decisions go by it at once, for they stand behind it in the journal; what channels show does not (law 2)."""
    store = SlowStore()
    store.open()
    async with Engine(store).checked() as engine:
        await engine.stock(BOLT=100, KIT=0)
        engine.told.clear()
        store.shut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: engine.recipe("KIT", BOLT=4))
            await wait_all_tasks_blocked()
            assert KIT in engine.recipes
            assert KIT not in engine.fanout.recipes
            assert engine.told == []
            store.open()
        assert KIT in engine.fanout.recipes
        assert {level.sku: units_of(level.atp) for level in engine.told} == {"BOLT": 100, "KIT": 25}


def test_a_component_that_was_merged_into_another_is_owed_as_that_one() -> None:
    """Lesson C6: two components that turned out to be one are summed."""
    recipes = recipes_of({KIT: recipe(BOLT=4, NUT=1)})
    snapshot = kit(3)
    made_of = pin_recipes(UNKNOWN, snapshot, (KIT,), recipes)
    known = UNKNOWN._replace(snapshot=snapshot, skus=(KIT,), components=made_of)
    recipes.apply(recipe_set("KIT", 2, SCREW=1))
    heirs = {BOLT: Sku("PIN"), NUT: Sku("PIN")}
    later = at(1, kit(3, cancelled=1))
    made_of = pin_recipes(known, later, (KIT,), recipes, lambda sku: heirs.get(sku, sku))
    assert made_of == (((Sku("PIN"), 5),),)
    order_now = known._replace(snapshot=later, components=made_of)
    assert [(level.sku, level.open_units) for level in list_levels(known, order_now, recipes)] == [
        ("BOLT", 0),
        ("NUT", 0),
        ("PIN", 10),
    ]


@given(schedule=st.random_module(), orders=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_a_recipe_and_orders_at_the_same_moment_leave_no_bundle_that_owes_units_itself(
    schedule: object, orders: int
) -> None:
    """Whoever is first: the orders are of an ordinary SKU and the recipe is refused, or they are of its components."""

    async def main() -> None:
        async with Engine().checked() as engine:
            await engine.stock(BOLT=100, KIT=0)
            async with trio.open_nursery() as nursery:
                for number in range(orders):
                    nursery.start_soon(engine.tell, order(order_line("KIT", 1), order_id=str(number)))
                nursery.start_soon(lambda: engine.recipe("KIT", BOLT=4))
            if KIT in engine.recipes:
                assert (engine.figures("KIT"), engine.figures("BOLT")) == ((0, 0, 0), (100, 4 * orders, 0))
            else:
                assert (engine.figures("KIT"), engine.figures("BOLT")) == ((0, orders, 0), (100, 0, 0))

    trio.run(main, clock=MockClock(autojump_threshold=0))
