"""Holds that name bundles: all components or none, remembered as they were asked (lessons A10, F)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.catalogue.making import count_makeable
from engine.domain.catalogue.recipes import Recipe, Recipes
from engine.domain.commands import Answer, Committed, Granted, Refusal, Released
from engine.domain.events import HoldRefused, UnitsHeld
from engine.domain.stock.book import units_of
from engine.domain.stock.bundle_holds import Placing
from engine.domain.units import LocationId, Sku
from tests.fakes.books import BOTH, HERE, THERE, A, B, Shelf, place_hold
from tests.fakes.recipes import graphs, lines_of, recipe, recipe_set, recipes_of

KIT, BOX = Sku("KIT"), Sku("BOX")


class Shop(Shelf):
    """Two SKUs at two locations, and what is made of them."""

    def __init__(self, recipes: Recipes, here: tuple[int, int], there: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self.recipes = recipes
        for location, stock in ((HERE, here), (THERE, there)):
            for sku, units in zip((A, B), stock, strict=True):
                if units:
                    self.receive(sku, units, location)

    def ask(
        self, hold: str, *lines: tuple[Sku, int], at: LocationId | None = None, retired: Sku | None = None
    ) -> Answer:
        command = place_hold(hold, *lines, seconds=None, at=at)
        exploded, bundles = self.recipes.explode(command.lines)
        if bundles:
            wanted = command.lines
            command = msgspec.structs.replace(command, lines=exploded, wanted=wanted, bundles=bundles, retired=retired)
        return self.do(command)


def kits(*, together: bool = False) -> Recipes:
    """A kit of two A and one B; a box of a kit and one B."""
    return recipes_of({KIT: recipe(A=2, B=1, together=together), BOX: recipe(KIT=1, B=1)})


def out(sku: str, requested: int, atp: int, component: str | None = None) -> Refusal:
    named = f" component={component}" if component else ""
    return Refusal(code="OUTOFSTOCK", text=f"sku={sku} requested={requested} atp={atp}{named}")


def held(answer: Answer) -> dict[tuple[str, str], int]:
    assert isinstance(answer, Granted), answer
    return {(sku, location): units for sku, location, units in answer.lines}


def test_a_hold_of_a_bundle_holds_its_components() -> None:
    shop = Shop(kits(), (10, 10))
    assert held(shop.ask("h", (KIT, 3))) == {("A", "here"): 6, ("B", "here"): 3}
    assert (shop.atp(A), shop.atp(B)) == (4, 7)
    assert isinstance(shop.release("h"), Released)
    assert (shop.atp(A), shop.atp(B)) == (10, 10)


def test_lesson_a10_lines_and_bundles_that_share_a_component_do_not_pass_one_by_one() -> None:
    shop = Shop(kits(), (6, 10))
    assert shop.ask("h", (KIT, 2), (A, 3)) == out("KIT", 2, 1, "A")
    assert shop.ask("i", (KIT, 2), (A, 2), (BOX, 1)) == out("BOX", 1, 0, "A")
    assert held(shop.ask("j", (KIT, 2), (A, 2))) == {("A", "here"): 6, ("B", "here"): 2}


def test_a_refusal_names_the_bundle_and_the_component_that_was_short() -> None:
    shop = Shop(kits(), (9, 3))
    assert shop.ask("h", (KIT, 5)) == out("KIT", 5, 3, "B")
    assert shop.ask("i", (BOX, 3)) == out("BOX", 3, 1, "B")
    assert shop.ask("j", (KIT, 1), (A, 9)) == out("KIT", 1, 0, "A")
    assert (shop.atp(A), shop.atp(B)) == (9, 3)


def test_lesson_f1_a_component_that_is_owed_shows_through() -> None:
    shop = Shop(kits(), (36, 0))
    shop.record(3, sku=B)
    assert shop.ask("h", (KIT, 1)) == out("KIT", 1, -3, "B")


def test_across_locations_components_come_from_wherever_they_lie() -> None:
    shop = Shop(kits(), (4, 0), (1, 5))
    assert held(shop.ask("h", (KIT, 2))) == {("A", "here"): 4, ("B", "there"): 2}


def test_together_each_bundle_comes_from_one_location() -> None:
    shop = Shop(kits(together=True), (4, 0), (1, 5))
    assert shop.ask("h", (KIT, 1)) == out("KIT", 1, 0, "A"), "two A lie here, where no B is; one lies there"
    shop.receive(B, 1, HERE)
    shop.receive(A, 5, THERE)
    assert held(shop.ask("i", (KIT, 3))) == {("A", "there"): 6, ("B", "there"): 3}, "the first that has all"
    shop.receive(A, 2, THERE)
    assert held(shop.ask("j", (KIT, 2))) == {
        ("A", "here"): 2,
        ("A", "there"): 2,
        ("B", "here"): 1,
        ("B", "there"): 1,
    }


def test_a_location_that_is_short_counts_against_the_others() -> None:
    shop = Shop(kits(together=True), (6, 6))
    shop.record(2, sku=A, locations=(THERE,))
    assert shop.ask("h", (KIT, 3)) == out("KIT", 3, 2, "A")
    assert held(shop.ask("i", (KIT, 2))) == {("A", "here"): 4, ("B", "here"): 2}


def test_a_hold_at_one_location_takes_all_of_a_bundle_from_there() -> None:
    shop = Shop(kits(), (4, 1), (0, 5))
    assert shop.ask("h", (KIT, 2), at=HERE) == out("KIT", 2, 1, "B")
    assert held(shop.ask("i", (KIT, 1), at=HERE)) == {("A", "here"): 2, ("B", "here"): 1}


def test_a_repeat_is_answered_as_the_first_time_whatever_the_recipe_is_by_now() -> None:
    """Refusals too; and a hold of the same id for anything else is a CONFLICT that names what was asked."""
    shop = Shop(kits(), (10, 10))
    first = shop.ask("h", (KIT, 3))
    refused = shop.ask("r", (KIT, 9))
    before = len(shop.events)
    for changed in (recipe_set(KIT, 2, B=1), recipe_set(KIT, 3, A=1, B=5), recipe_set(KIT, 4)):
        shop.recipes.apply(changed)
        assert shop.ask("h", (KIT, 3)) == first
        assert shop.ask("r", (KIT, 9)) == refused == out("KIT", 9, 2, "A")
        conflict = Refusal(code="CONFLICT", text="hold=h was asked for KIT 3 at direct before")
        assert shop.ask("h", (KIT, 2)) == conflict
        assert shop.ask("h", (A, 6), (B, 3)) == conflict, "what it came to is not what was asked"
    assert len(shop.events) == before


def test_a_repeat_of_a_hold_over_one_component_finds_it_under_another_recipe() -> None:
    shop = Shop(recipes_of({KIT: recipe(A=2)}), (10, 10))
    first = shop.ask("h", (KIT, 3))
    shop.recipes.apply(recipe_set(KIT, 2, B=1))
    assert shop.ask("h", (KIT, 3)) == first
    assert isinstance(shop.commit("h"), Committed)
    assert shop.ask("h", (KIT, 3)) == first


def test_the_journal_knows_what_was_asked() -> None:
    shop = Shop(kits(), (10, 10))
    shop.ask("h", (KIT, 3), (B, 1))
    for event in shop.new:
        assert isinstance(event, UnitsHeld)
        assert (event.asked, event.wanted) == (((A, 6), (B, 4)), ((B, 1), (KIT, 3)))
    shop.ask("r", (KIT, 3))
    (refused,) = shop.new
    assert isinstance(refused, HoldRefused)
    assert (refused.sku, refused.requested, refused.atp, refused.bundle) == ("A", 6, 4, ("KIT", 3, 2))
    shop.ask("plain", (A, 1))
    (plain,) = shop.new
    assert isinstance(plain, UnitsHeld)
    assert plain.wanted == ()


def test_a_retired_bundle_is_promised_to_nobody_and_a_repeat_is_answered() -> None:
    shop = Shop(kits(), (10, 10))
    first = shop.ask("h", (KIT, 1))
    assert shop.ask("h", (KIT, 1), retired=KIT) == first
    assert shop.ask("i", (KIT, 1), retired=KIT) == Refusal(code="RETIRED", text="sku=KIT")


def test_a_sku_that_became_a_bundle_while_its_hold_waited_is_asked_for_again() -> None:
    """Not remembered: the same hold is granted once it is exploded."""
    shop = Shop(Recipes(), (0, 5))
    shop.ledgers[A].apply(recipe_set(A, 1, B=1))
    answer = shop.ask("h", (A, 1))
    assert answer == Refusal(code="BUSY", text="sku=A has become a bundle this moment: ask again")
    assert not shop.book(A).knows_hold(shop_hold := place_hold("h").hold_id), shop_hold


# -- laws


STOCK = st.tuples(st.integers(0, 9), st.integers(0, 9))


@given(graph=graphs(leaves="AB"), here=STOCK, there=STOCK, owed=st.integers(0, 4), units=st.integers(1, 6))
def test_as_many_of_a_bundle_are_granted_as_can_be_made(
    graph: dict[Sku, Recipe], here: tuple[int, int], there: tuple[int, int], owed: int, units: int
) -> None:
    """What a channel may be shown is what a basket would get: one arithmetic for both."""
    shop = Shop(recipes_of(graph), here, there)
    if owed:
        shop.record(owed, locations=(THERE, HERE))
    for sku in graph:
        made = shop.recipes.made(sku)
        most = count_makeable(made.leaves, BOTH, lambda leaf, at: shop.book(leaf).atp_at(at), together=made.together)
        answer = shop.ask(f"{sku}-{units}", (sku, units))
        if units > most:
            assert isinstance(answer, Refusal)
            assert f"sku={sku} requested={units} atp={most} component=" in answer.text
            continue
        granted = held(answer)
        assert lines_of({leaf: units * each for leaf, each in made.leaves}) == lines_of(
            {leaf: sum(n for (name, _), n in granted.items() if name == leaf) for leaf, _ in made.leaves}
        )
        if made.together:
            for place in BOTH:
                here_of = [granted.get((leaf, place), 0) / each for leaf, each in made.leaves]
                assert len(set(here_of)) == 1, "as many of each as go into whole bundles"
                assert here_of[0] == int(here_of[0])
        shop.release(f"{sku}-{units}")


@given(
    graph=graphs(leaves="AB"),
    here=STOCK,
    there=STOCK,
    asks=st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from("KLMNAB"), st.integers(1, 4), min_size=1, max_size=4),
            st.sampled_from((None, HERE, THERE)),
        ),
        max_size=5,
    ),
)
def test_whatever_is_asked_together_nothing_is_promised_twice(
    graph: dict[Sku, Recipe],
    here: tuple[int, int],
    there: tuple[int, int],
    asks: list[tuple[dict[str, int], LocationId | None]],
) -> None:
    """Lessons A10, F2, F3: each location gives what it has at most, and each hold gets what its lines come to."""
    shop = Shop(recipes_of(graph), here, there)
    for number, (wanted, at) in enumerate(asks):
        lines = tuple((Sku(sku), units) for sku, units in wanted.items() if sku in graph or sku in "AB")
        if not lines:
            continue
        before = shop.atp(A), shop.atp(B)
        answer = shop.ask(str(number), *lines, at=at)
        exploded, _ = shop.recipes.explode(lines)
        if isinstance(answer, Granted):
            got = held(answer)
            assert all(at in {None, place} for _, place in got)
            assert lines_of({sku: sum(n for (s, _), n in got.items() if s == sku) for sku, _ in exploded}) == exploded
        else:
            assert (shop.atp(A), shop.atp(B)) == before
        for sku in (A, B):
            assert shop.book(sku).oversold == 0
            assert all(position.free >= 0 for position in shop.book(sku).positions.values())


@pytest.mark.parametrize("at", [None, HERE])
def test_bundles_that_stay_together_choose_first(at: LocationId | None) -> None:
    """A line that could come from anywhere leaves them what they need."""
    shop = Shop(recipes_of({KIT: recipe(A=1, B=1, together=True)}), (2, 2), (2, 0))
    wanted = ((A, 2), (KIT, 2)) if at is None else ((KIT, 2),)
    assert held(shop.ask("h", *wanted, at=at)).items() >= {("A", "here"): 2, ("B", "here"): 2}.items()
    assert shop.atp(A) == (0 if at is None else 2)


def test_two_bundles_of_one_hold_may_lie_apart() -> None:
    recipes = recipes_of({KIT: recipe(A=1, B=1, together=True), BOX: recipe(A=2, B=1, together=True)})
    shop = Shop(recipes, (2, 1), (1, 1))
    command = place_hold("h", (KIT, 1), (BOX, 1), seconds=None)
    lines, bundles = recipes.explode(command.lines)
    placing = Placing(
        {A: shop.book(A), B: shop.book(B)}, msgspec.structs.replace(command, lines=lines, bundles=bundles)
    )
    assert placing.find() is None
    assert {sku: units_of(parts) for sku, parts in placing.parts.items()} == {"A": 3, "B": 2}
    assert dict(placing.parts[A]) == {HERE: 2, THERE: 1}
