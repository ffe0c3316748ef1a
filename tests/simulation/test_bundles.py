"""Two shops and one stock: one sells the kit, the other a part of it; a sale of either re-offers both (lessons F)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trio.testing import MockClock

from engine.actors.router import Waiter
from engine.domain.catalogue.recipes import Recipe
from engine.domain.commands import AddSku, Adjust
from engine.domain.events import RecipeSet
from engine.domain.offers.rules import OfferTerms, RuleBook
from engine.domain.stock.book import Book
from engine.domain.units import AccountId, Key, Sku
from engine.ports import Frame
from ops.node import Node
from tests.fakes.books import HERE, THERE, place_hold
from tests.fakes.orders import order, order_line
from tests.fakes.shops import Shops, running_shops

KIT, BOLT, NUT = Sku("KIT"), Sku("BOLT"), Sku("NUT")
KITS, PARTS = AccountId("kits"), AccountId("parts")


@asynccontextmanager
async def shops_of(*, together: bool = False, frames: list[Frame] | None = None) -> AsyncIterator[Shops]:
    """A shop that lists the kit (four bolts, a nut) and one that lists the parts; twenty bolts, nine nuts."""
    async with running_shops("kits", "parts", frames=frames) as shops:
        if shops.node.journal.position == 0:
            await shops.stock(BOLT=20, NUT=9, KIT=0)
            await set_recipe(shops.node, together=together, BOLT=4, NUT=1)
        shops.shops[KITS].listings = {key: each for key, each in shops.shops[KITS].listings.items() if each.sku == KIT}
        yield shops


async def set_recipe(node: Node, *, together: bool = False, **components: int) -> RecipeSet:
    lines = tuple((Sku(sku), units) for sku, units in components.items())
    answer = await node.recipe_owner.set(KIT, Recipe(lines, together))
    assert isinstance(answer, RecipeSet), answer
    return answer


def shown(shops: Shops) -> tuple[int | None, ...]:
    """Kits at the one shop, bolts and nuts at the other."""
    parts = shops.shops[PARTS]
    return (shops.shops[KITS].shown("kits/KIT"), parts.shown("parts/BOLT"), parts.shown("parts/NUT"))


async def test_a_sale_of_the_kit_or_of_a_part_re_offers_both(autojump_clock: MockClock) -> None:
    """Lessons F4, F6: bundles take part in sharing, and every bundle above a changed component is told."""
    async with shops_of() as shops:
        await shops.quiet()
        assert shown(shops) == (5, 20, 9)
        await shops.sold("kits", "1", 2, sku="KIT")
        await shops.quiet()
        assert shown(shops) == (3, 12, 7)
        await shops.sold("parts", "2", 5, sku="BOLT")
        await shops.quiet()
        assert shown(shops) == (1, 7, 7)
        assert shops.node.incidents.open == {}
        assert not any(row.quantity > 5 for _, row in shops.shops[KITS].writes)


async def test_no_older_number_of_the_bundle_is_written_after_its_sale(autojump_clock: MockClock) -> None:
    """The level of the kit is told before the sale of it, in the same step: nothing puts the sold unit back."""
    async with shops_of() as shops:
        await shops.quiet()
        before = len(shops.shops[KITS].writes)
        await shops.sold("kits", "1", 3, sku="KIT")
        await shops.quiet()
        assert [row.quantity for _, row in shops.shops[KITS].writes[before:]] == [2]


async def test_an_oversold_component_names_the_bundle_that_oversold_it(autojump_clock: MockClock) -> None:
    async with shops_of() as shops:
        await shops.quiet()
        await shops.node.router.ask(Adjust(key=Key("lost"), sku=BOLT, location=HERE, delta=-18, reason="lost"))
        await shops.sold("kits", "1", 1, sku="KIT")
        await shops.quiet()
        incident = shops.node.incidents.newest[0].recorded
        assert (incident.sku, incident.units, incident.account, incident.order_id) == ("BOLT", 2, "kits", "1")
        assert incident.detail.startswith("sold as KIT: ")
        assert incident.cause in {"lag", "race"}
        assert shown(shops) == (0, 0, 8)


async def test_a_new_recipe_and_its_end_are_offered(autojump_clock: MockClock) -> None:
    async with shops_of() as shops:
        await shops.quiet()
        await set_recipe(shops.node, NUT=1)
        await shops.quiet()
        assert shown(shops) == (9, 20, 9)
        await set_recipe(shops.node)
        await shops.quiet()
        assert shown(shops) == (0, 20, 9), "an ordinary SKU without stock"


async def test_together_what_lies_apart_is_not_offered(autojump_clock: MockClock) -> None:
    async with shops_of(together=True) as shops:
        await shops.receive("NUT", 20, "nuts", THERE)
        await shops.receive("BOLT", 9, "bolts", THERE)
        await shops.node.router.ask(Adjust(key=Key("k"), sku=NUT, location=HERE, delta=-8, reason="moved"))
        await shops.quiet()
        assert shown(shops) == (1 + 2, 29, 21), "one here, two there"


async def test_a_quota_on_a_component_is_not_shown_as_part_of_a_kit(autojump_clock: MockClock) -> None:
    async with shops_of() as shops:
        await shops.set(RuleBook(skus={BOLT: OfferTerms(quotas={PARTS: 13})}))
        await shops.quiet()
        assert shown(shops) == (1, 20, 9), "seven bolts are not ring-fenced"
        (offer,) = shops.node.accounts[KITS].pusher.offers_of(KIT)
        terms = {term: (value, rule) for term, value, rule in offer.terms}
        assert terms["component BOLT"] == ("7", "4 in one: makes 1 without 13 ring-fenced for others, which binds")
        assert terms["component NUT"] == ("9", "1 in one: makes 9")
        assert terms["atp"] == ("1", "what the components make over the account's locations")


def books_of(node: Node) -> dict[Sku, Book]:
    return {sku: book for shard in node.shards for sku, book in shard.ledger.books.items()}


async def test_a_successor_knows_recipes_and_orders_and_offers_the_same(autojump_clock: MockClock) -> None:
    frames: list[Frame] = []
    async with shops_of(frames=frames) as shops:
        await shops.quiet()
        await shops.sold("kits", "1", 2, sku="KIT")
        await set_recipe(shops.node, BOLT=2)
        exploded, bundles = shops.node.recipes.explode(((KIT, 1),))
        assert (exploded, bundles[0].units) == (((BOLT, 2),), 1)
        await shops.node.router.ask(place_hold("h", *exploded, seconds=None))
        await shops.quiet()
        assert shown(shops) == (5, 10, 7)
        first, desk, recipes = books_of(shops.node), shops.node.desk.orders, shops.node.recipes
    async with shops_of(frames=frames) as successor:
        node = successor.node
        assert books_of(node) == first
        assert node.desk.orders == desk
        assert node.recipes == node.fanout.recipes == recipes
        for name, shop in successor.shops.items():
            for sku in ("BOLT", "NUT", "KIT") if name == PARTS else ("KIT",):
                shop.add(f"{name}/{sku}", sku, shown=99)
            node.accounts[name].pusher.resync()
        await successor.quiet()
        assert shown(successor) == (5, 10, 7)
        told = Waiter()
        cancelled = order_line(None, 2, listing="kits/KIT", cancelled=2)
        await node.desk.tell(order(cancelled, order_id="1", account=KITS, second=9), told)
        await told.wait()
        await successor.quiet()
        assert shown(successor) == (9, 18, 9), "given back as it was sold: four bolts and a nut each"


async def test_a_sku_that_a_recipe_names_later_was_known_all_the_time(autojump_clock: MockClock) -> None:
    """Its level is told with the recipe: nobody had kept it."""
    async with shops_of() as shops:
        await shops.node.router.ask(AddSku(sku=Sku("SCREW"), name="screw"))
        await shops.receive("SCREW", 4, "screws")
        await shops.quiet()
        await set_recipe(shops.node, SCREW=2)
        await shops.quiet()
        assert shown(shops) == (2, 20, 9)


async def test_units_that_another_shop_may_sell_in_a_kit_are_never_the_last_ones(autojump_clock: MockClock) -> None:
    """One shop's bolts are verified at zero, but not its kits of bolts: the other one keeps its buffer."""
    async with running_shops("kits", "parts") as shops:
        await shops.stock(BOLT=8, NUT=8, KIT=0)
        await set_recipe(shops.node, BOLT=1)
        await shops.set(RuleBook(default=OfferTerms(buffer=3, last_units=True)))
        await shops.quiet()
        assert shops.shown("BOLT") == shops.shown("KIT") == shops.shown("NUT") == (5, 5)
        await shops.sold("kits", "1", 5, sku="BOLT")
        await shops.sold("kits", "2", 5, sku="NUT")
        await shops.quiet()
        assert shops.shown("NUT") == (0, 3), "nothing is made of these"
        assert shops.shown("BOLT") == shops.shown("KIT") == (0, 0)


async def test_a_computed_buffer_of_a_kit_covers_what_others_sell_of_its_parts(autojump_clock: MockClock) -> None:
    async with shops_of() as shops:
        await shops.quiet()
        for number in range(4):
            await shops.sold("parts", str(number), 1, sku="BOLT", second=number)
        now, facts = shops.node.clock.now(), shops.node.offers.facts
        bolts = facts.rate_elsewhere(BOLT, KITS, now)
        assert bolts > 0
        assert facts.rate_beside((BOLT, 4), KIT, KITS, now) == bolts
        assert facts.rate_beside((BOLT, 4), KIT, PARTS, now) == bolts, "its bolts are another listing than its kits"
        await shops.sold("kits", "k", 1, sku="KIT", second=9)
        assert facts.daily_sales(KIT, now) == 1
        assert facts.rate_beside((BOLT, 4), KIT, KITS, now) == bolts, "what it sells of kits is its own listing's"
        assert facts.rate_beside((BOLT, 4), KIT, PARTS, now) == 2 * bolts
        assert facts.rate_elsewhere(BOLT, PARTS, now) == bolts, "four went into a kit elsewhere"
        assert facts.rate_elsewhere(BOLT, KITS, now) == 2 * bolts, "and its listing of bolts does not know of them"
