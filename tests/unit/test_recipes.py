"""The graph of recipes: what may be set, what a bundle comes to, and what is above a component (lessons F)."""

from collections.abc import Mapping

import pytest

from engine.domain.catalogue.making import count_makeable, find_binding
from engine.domain.catalogue.recipes import COMPONENTS_MAX, DEPTH_MAX, LEAVES_MAX, QUANTITY_MAX, Made, Recipe, Recipes
from engine.domain.commands import BundleLine
from engine.domain.units import LocationId, Sku
from tests.fakes.recipes import recipe, recipe_set, recipes_of

HERE, THERE = LocationId("here"), LocationId("there")
KIT, BOX, CASE = Sku("KIT"), Sku("BOX"), Sku("CASE")
BOLT, NUT = Sku("BOLT"), Sku("NUT")


def kits() -> Recipes:
    """A kit of bolts and nuts, a box of two kits and a nut, a case of twelve boxes."""
    return recipes_of({CASE: recipe(BOX=12), BOX: recipe(KIT=2, NUT=1), KIT: recipe(BOLT=4, NUT=4)})


def problems(recipes: Recipes, **changes: Recipe) -> list[tuple[str, str | None, str]]:
    found = recipes.find_problems({Sku(sku): made for sku, made in changes.items()}, lambda sku: not sku.islower())
    return [(each.sku, each.component, each.problem) for each in found]


def test_a_kit_of_kits_comes_to_what_has_stock() -> None:
    recipes = kits()
    assert recipes.made(KIT) == Made(((BOLT, 4), (NUT, 4)), together=False, depth=1)
    assert recipes.made(BOX) == Made(((BOLT, 8), (NUT, 9)), together=False, depth=2)
    assert recipes.made(CASE) == Made(((BOLT, 96), (NUT, 108)), together=False, depth=3)


def test_lessons_a10_f2_lines_and_bundles_that_share_a_component_are_summed() -> None:
    lines, bundles = kits().explode(((BOX, 1), (KIT, 2), (NUT, 5)))
    assert lines == ((BOLT, 16), (NUT, 22))
    assert bundles == (
        BundleLine(BOX, 1, ((BOLT, 8), (NUT, 9)), together=False),
        BundleLine(KIT, 2, ((BOLT, 4), (NUT, 4)), together=False),
    )


def test_a_bundle_around_one_that_stays_together_stays_together() -> None:
    recipes = recipes_of({KIT: recipe(BOLT=1, together=True), BOX: recipe(KIT=2, NUT=1)})
    assert recipes.made(BOX).together


def test_lesson_f4_everything_above_a_component_is_found_each_once_the_nearest_first() -> None:
    recipes = kits()
    assert recipes.bundles_above(NUT) == (BOX, KIT, CASE)
    assert recipes.bundles_above(BOLT) == (KIT, BOX, CASE)
    assert recipes.bundles_above(CASE) == recipes.bundles_above(Sku("SCREW")) == ()


def test_a_new_recipe_changes_what_is_above_it() -> None:
    recipes = kits()
    assert recipes.made(CASE).leaves == ((BOLT, 96), (NUT, 108))
    assert recipes.bundles_above(Sku("SCREW")) == ()
    recipes.apply(recipe_set(KIT, 2, SCREW=1))
    assert recipes.made(CASE).leaves == ((NUT, 12), (Sku("SCREW"), 24))
    assert recipes.bundles_above(BOLT) == ()
    assert recipes.bundles_above(Sku("SCREW")) == (KIT, BOX, CASE)


def test_a_recipe_that_ended_leaves_a_component_like_any_other() -> None:
    recipes = kits()
    recipes.apply(recipe_set(KIT, 2))
    assert KIT not in recipes
    assert recipes.made(BOX).leaves == ((KIT, 2), (NUT, 1))
    newest = recipes.newest(KIT)
    assert newest is not None
    assert (newest.version, newest.components) == (2, ())
    recipes.apply(recipe_set(KIT, 3, BOLT=1))
    assert recipes.made(BOX).leaves == ((BOLT, 2), (NUT, 1))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"KIT": recipe(KIT=1)}, [("KIT", "KIT", "a bundle cannot contain itself: KIT > KIT")]),
        ({"KIT": recipe(CASE=1)}, [("KIT", "CASE", "a bundle cannot contain itself: KIT > CASE > BOX > KIT")]),
        ({"KIT": recipe(none=1)}, [("KIT", "none", "no SKU 'none' for 'KIT' to be made of")]),
        ({"none": recipe(BOLT=1)}, [("none", None, "no SKU 'none'")]),
        ({"KIT": recipe(BOLT=0)}, [("KIT", "BOLT", f"0 of 'BOLT' in 'KIT': must be from 1 to {QUANTITY_MAX}")]),
        (
            {"KIT": recipe(BOLT=QUANTITY_MAX + 1)},
            [("KIT", "BOLT", f"{QUANTITY_MAX + 1} of 'BOLT' in 'KIT': must be from 1 to {QUANTITY_MAX}")],
        ),
        (
            {"KIT": Recipe(((BOLT, 1), (BOLT, 2)))},
            [("KIT", "BOLT", "component 'BOLT' of 'KIT' stands there twice")],
        ),
        (
            {"A": recipe(B=1), "B": recipe(C=1), "C": recipe(A=1, BOLT=1), "D": recipe(D2=1), "D2": recipe(D=1)},
            [
                ("A", "B", "a bundle cannot contain itself: A > B > C > A"),
                ("B", "C", "a bundle cannot contain itself: A > B > C > A"),
                ("C", "A", "a bundle cannot contain itself: A > B > C > A"),
                ("D", "D2", "a bundle cannot contain itself: D > D2 > D"),
                ("D2", "D", "a bundle cannot contain itself: D > D2 > D"),
            ],
        ),
    ],
    ids=["itself", "a cycle through what is there", "unknown part", "unknown", "none", "many", "twice", "two cycles"],
)
def test_what_cannot_be_made_is_named(changes: Mapping[str, Recipe], found: list[tuple[str, str | None, str]]) -> None:
    recipes = kits()
    assert sorted(problems(recipes, **changes)) == sorted(found)


def test_recipes_set_together_are_judged_together() -> None:
    """One turns the other round: each alone would be a cycle, both are none."""
    assert problems(kits(), KIT=recipe(BOX=1)) != []
    assert problems(kits(), KIT=recipe(BOX=1), BOX=recipe(NUT=3)) == []
    assert problems(kits(), KIT=Recipe(()), CASE=Recipe(())) == []


def test_recipes_are_not_endlessly_deep() -> None:
    """The one to blame is the recipe that is to be set, whatever above it becomes too deep."""
    chain = {f"B{n}": recipe({f"B{n + 1}": 1}) for n in range(DEPTH_MAX)}
    assert problems(Recipes(), **chain) == []
    deep = recipes_of({Sku(sku): each for sku, each in chain.items()})
    assert problems(deep, **{f"B{DEPTH_MAX}": recipe(BOLT=1)}) == [
        (f"B{DEPTH_MAX}", None, f"'B0' would be {DEPTH_MAX + 1} recipes deep: at most {DEPTH_MAX}")
    ]
    very_deep = {f"B{n}": recipe({f"B{n + 1}": 1}) for n in range(5000)}
    assert f"'B{5000 - DEPTH_MAX - 1}' would be 9 recipes deep: at most 8" in {
        text for _, _, text in problems(Recipes(), **very_deep)
    }


def test_bundles_are_not_endlessly_large() -> None:
    many = Recipe(tuple((Sku(f"S{n:03}"), 1) for n in range(COMPONENTS_MAX)))
    more = Recipe(tuple((Sku(f"T{n:03}"), 1) for n in range(COMPONENTS_MAX)))
    assert COMPONENTS_MAX * 2 == LEAVES_MAX
    assert problems(Recipes(), A=many, B=more, C=recipe(A=1, B=1)) == []
    assert problems(Recipes(), A=many, B=more, C=recipe(A=1, B=1, NUT=1)) == [
        ("C", None, f"'C' would come to {LEAVES_MAX + 1} SKUs: at most {LEAVES_MAX}")
    ]
    assert problems(Recipes(), A=Recipe((*many.components, (NUT, 1)))) == [
        ("A", None, f"{COMPONENTS_MAX + 1} components of 'A': at most {COMPONENTS_MAX} in one recipe")
    ]
    assert problems(Recipes(), A=recipe(BOLT=QUANTITY_MAX), B=recipe(A=QUANTITY_MAX)) == [
        ("B", None, f"one 'B' would come to {QUANTITY_MAX**2} of 'BOLT': at most 1000000000")
    ]


# -- how many there are


def count(here: Mapping[str, int], there: Mapping[str, int], *, together: bool = False) -> int:
    levels = {HERE: here, THERE: there}
    leaves = ((BOLT, 4), (NUT, 1))
    return count_makeable(leaves, (HERE, THERE), lambda sku, place: levels[place][sku], together=together)


def test_lesson_f1_a_component_that_is_owed_shows_through() -> None:
    """The minimum per component, never a difference of minimums: -3 kits are owed, and 33 is what was shown."""
    assert count({"BOLT": 36 * 4, "NUT": -3}, {"BOLT": 0, "NUT": 0}) == -3
    assert count({"BOLT": -9, "NUT": 50}, {"BOLT": 0, "NUT": 0}, together=True) == -3


def test_across_locations_what_lies_apart_makes_a_bundle() -> None:
    assert count({"BOLT": 7, "NUT": 0}, {"BOLT": 1, "NUT": 9}) == 2


def test_together_what_lies_apart_makes_none() -> None:
    assert count({"BOLT": 8, "NUT": 0}, {"BOLT": 0, "NUT": 9}, together=True) == 0
    assert count({"BOLT": 8, "NUT": 1}, {"BOLT": 4, "NUT": 9}, together=True) == 2


def test_together_is_never_more_than_across() -> None:
    """A location that is short counts against the others."""
    assert count({"BOLT": 8, "NUT": 2}, {"BOLT": -4, "NUT": 0}, together=True) == 1


def test_the_leaf_that_binds_is_the_one_there_is_least_of() -> None:
    levels = {(BOLT, HERE): 8, (NUT, HERE): 3, (BOLT, THERE): 0, (NUT, THERE): 0}
    leaves = ((BOLT, 4), (NUT, 1))
    assert find_binding(leaves, (HERE, THERE), lambda sku, place: levels[sku, place]) == BOLT
    levels[BOLT, THERE] = 4
    assert find_binding(leaves, (HERE, THERE), lambda sku, place: levels[sku, place]) == BOLT, "the first of equals"
    levels[BOLT, THERE] = 8
    assert find_binding(leaves, (HERE, THERE), lambda sku, place: levels[sku, place]) == NUT
