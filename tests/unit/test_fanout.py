"""A change of a component is told for every bundle above it, once and only with what is known (lessons F)."""

from collections.abc import Mapping
from datetime import timedelta

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.actors.fanout import AT_ONCE_MAX, Fanout
from engine.domain.availability import Availability
from engine.domain.catalogue.making import count_available
from engine.domain.catalogue.recipes import Recipe
from engine.domain.events import SkuRetired, SkuRevived
from engine.domain.units import LocationId, Sku
from tests.fakes.clocks import START
from tests.fakes.recipes import graphs, naive_count, recipe_set

HERE, THERE = BOTH = (LocationId("here"), LocationId("there"))
KIT, BOX, BOLT, NUT = Sku("KIT"), Sku("BOX"), Sku("BOLT"), Sku("NUT")


class Heard:
    """Keeps what pushers would hear."""

    def __init__(self) -> None:
        self.levels: list[Availability] = []
        self.fanout = Fanout(self.levels.append)
        self.position = 0

    def recipe(
        self, sku: str, made_of: Mapping[str, int] | None = None, /, *, together: bool = False, **components: int
    ) -> None:
        """Let a recipe be durable, then what a shard tells after it: the bundle's own book and its components."""
        self.position += 1
        event = recipe_set(sku, self.position, made_of, together=together, **components)
        self.fanout.keep_recipe(self.position, event)

    def level(self, sku: str, here: int | None = None, there: int | None = None, position: int | None = None) -> None:
        """Tell what there is, or nothing at all: a book without positions."""
        if position is None:
            self.position += 1
        atp = [(place, units) for place, units in ((HERE, here), (THERE, there)) if units is not None]
        self.fanout.availability(
            Availability(
                sku=Sku(sku),
                position=self.position if position is None else position,
                atp=tuple(atp),
                changed_at=START + timedelta(seconds=self.position),
            )
        )

    def take(self) -> dict[Sku, int]:
        """Return what was told since, in units over both locations; the newest of each SKU."""
        told = {level.sku: count_available(level, BOTH) for level in self.levels}
        self.levels.clear()
        return told


def test_a_sku_that_no_recipe_names_is_passed_on_and_not_kept() -> None:
    heard = Heard()
    heard.recipe("KIT", BOLT=2)
    heard.level("SCREW", 5)
    assert [level.sku for level in heard.levels] == ["SCREW"]
    assert heard.levels[0].components == ()
    assert heard.fanout._levels == {}


def test_lesson_f4_a_component_tells_every_bundle_above_it() -> None:
    heard = Heard()
    heard.recipe("KIT", BOLT=2, NUT=1)
    heard.recipe("BOX", KIT=3)
    heard.level("BOLT", 20)
    assert heard.take() == {BOLT: 20}, "of nuts nobody has told anything, which is not zero"
    heard.level("NUT", 7)
    assert heard.take() == {NUT: 7, KIT: 7, BOX: 2}
    heard.level("BOLT", 9, 2)
    assert heard.take() == {BOLT: 11, KIT: 5, BOX: 1}


def test_a_bundle_is_told_at_the_position_and_instant_of_what_changed_it() -> None:
    heard = Heard()
    heard.recipe("KIT", BOLT=2, NUT=1)
    heard.level("BOLT", 20)
    heard.level("NUT", 7)
    kit = heard.levels[-1]
    assert (kit.sku, kit.position, kit.changed_at) == (KIT, 3, START + timedelta(seconds=3))
    assert [(units, level.sku, level.position) for units, level in kit.components] == [(2, BOLT, 2), (1, NUT, 3)]


def test_an_older_level_of_a_component_changes_nothing() -> None:
    heard = Heard()
    heard.recipe("KIT", BOLT=2)
    heard.level("BOLT", 20)
    heard.level("BOLT", 2, position=1)
    assert heard.take()[KIT] == 10
    assert heard.levels == []


def test_the_own_book_of_a_bundle_is_not_what_there_is_of_it() -> None:
    heard = Heard()
    heard.recipe("KIT", BOLT=2)
    heard.level("BOLT", 20)
    heard.take()
    heard.level("KIT")
    assert heard.take() == {KIT: 10}


def test_a_new_recipe_tells_the_bundle_and_those_above_it() -> None:
    heard = Heard()
    heard.recipe("BOX", KIT=2)
    heard.level("KIT", 8)
    assert heard.take() == {KIT: 8, BOX: 4}
    heard.recipe("KIT", BOLT=1)
    heard.level("KIT")
    assert heard.take() == {}, "nobody knows of bolts yet"
    heard.level("BOLT", 6)
    assert heard.take() == {BOLT: 6, KIT: 6, BOX: 3}
    heard.recipe("KIT")
    heard.level("KIT", 4)
    assert heard.take() == {KIT: 4, BOX: 2}


def test_levels_are_kept_only_of_what_a_recipe_names() -> None:
    heard = Heard()
    heard.recipe("KIT", BOLT=2, NUT=1)
    heard.level("BOLT", 20)
    heard.level("NUT", 20)
    assert set(heard.fanout._levels) == {BOLT, NUT}
    heard.recipe("KIT", BOLT=2)
    assert set(heard.fanout._levels) == {BOLT}
    heard.recipe("BOLT", NUT=1)
    assert heard.fanout._levels == {}, "a bundle has no level of its own"
    heard.recipe("KIT")
    heard.recipe("BOLT")
    assert heard.fanout._levels == {}


def test_a_location_alone_never_promises_more_than_all_make() -> None:
    """Whoever sums the figures by location is on the safe side."""
    heard = Heard()
    heard.recipe("KIT", BOLT=2, NUT=1)
    heard.level("BOLT", 9, -4)
    heard.level("NUT", 1, 9)
    kit = heard.levels[-1]
    assert kit.atp == ((HERE, 1), (THERE, -2))
    assert count_available(kit, BOTH) == 2
    assert count_available(kit, (HERE,)) == 1
    assert count_available(kit, (THERE,)) == -2, "F1"


def test_a_retired_bundle_is_shown_at_nothing() -> None:
    heard = Heard()
    heard.recipe("KIT", BOLT=2)
    heard.level("BOLT", 9)
    heard.fanout.keep_retired(3, SkuRetired(at=START, sku=KIT))
    heard.level("KIT")
    assert heard.take()[KIT] == 0
    heard.level("BOLT", 8)
    assert heard.take() == {BOLT: 8, KIT: 0}
    heard.fanout.keep_retired(5, SkuRevived(at=START, sku=KIT))
    heard.level("KIT")
    assert heard.take() == {KIT: 4}


@given(
    graph=graphs(),
    told=st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(-4, 12), st.integers(-4, 12)), min_size=1, max_size=12
    ),
    split=st.integers(0, 12),
)
def test_whatever_comes_first_the_last_word_on_a_bundle_is_what_its_components_make(
    graph: dict[Sku, Recipe], told: list[tuple[str, int, int]], split: int
) -> None:
    """Levels before the recipes, between them, after them; a shard tells a recipe's components again with it."""
    heard = Heard()
    newest: dict[str, tuple[int, int]] = {}
    last: dict[Sku, int] = {}
    for number, (sku, here, there) in enumerate(told):
        if number == split:
            last |= _set_all(heard, graph, newest)
        newest[sku] = (here, there)
        heard.level(sku, here, there)
        last |= heard.take()
    if split >= len(told):
        last |= _set_all(heard, graph, newest)
    levels = {(Sku(sku), place): units for sku, pair in newest.items() for place, units in zip(BOTH, pair, strict=True)}
    for bundle in graph:
        leaves = heard.fanout.recipes.made(bundle).leaves
        known = all(leaf in newest for leaf, _ in leaves)
        assert last.get(bundle) == (naive_count(graph, bundle, levels, BOTH) if known else None)


def _set_all(heard: Heard, graph: Mapping[Sku, Recipe], newest: Mapping[str, tuple[int, int]]) -> dict[Sku, int]:
    for sku, each in graph.items():
        heard.recipe(sku, dict(each.components), together=each.together)
        for name in (sku, *(component for component, _ in each.components)):
            if name in newest:
                heard.level(name, *newest[name])
            elif name in heard.fanout.recipes:
                heard.level(name)
    return heard.take()


async def test_very_many_bundles_are_told_in_slices(autojump_clock: MockClock) -> None:
    """What the carton is short of is told by and by; the newest level replaces what was not told yet."""
    heard = Heard()
    many = 4 * AT_ONCE_MAX + 1
    for number in range(many):
        heard.recipe(f"KIT{number}", CARTON=1)
    async with trio.open_nursery() as nursery:
        await nursery.start(heard.fanout.run)
        heard.level("CARTON", 9)
        heard.level("CARTON", 8)
        assert heard.take() == {"CARTON": 8}, "nothing but the carton itself within the commit"
        await wait_all_tasks_blocked()
        assert len(heard.levels) == many, "each once, though the carton changed twice"
        assert heard.take() == dict.fromkeys((f"KIT{number}" for number in range(many)), 8)
        heard.level("CARTON", 7)
        while len(heard.levels) == 1:
            await trio.lowlevel.checkpoint()
        assert len(heard.levels) <= 1 + 2 * AT_ONCE_MAX < many, "others have their turn between two slices"
        heard.recipe("KIT0")
        heard.level("KIT0", 3)
        await wait_all_tasks_blocked()
        assert heard.take() == {"CARTON": 7, "KIT0": 3} | {Sku(f"KIT{n}"): 7 for n in range(1, many)}
        nursery.cancel_scope.cancel()


def test_a_location_that_an_account_does_not_sell_from_is_not_its_business() -> None:
    heard = Heard()
    heard.recipe("KIT", BOLT=1)
    heard.level("BOLT", 5, -3)
    assert count_available(heard.levels[-1], (HERE,)) == 5
    assert count_available(heard.levels[-1], (LocationId("elsewhere"),)) == 0
