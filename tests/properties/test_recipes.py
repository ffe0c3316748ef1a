"""The graph against the naive model of `tests/fakes/recipes.py`: unpack box after box, make one after the other."""

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.catalogue.making import count_makeable
from engine.domain.catalogue.recipes import Recipe, Recipes
from engine.domain.units import LocationId, Sku
from tests.fakes.recipes import (
    graphs,
    lines_of,
    naive_count,
    naive_leaves,
    naive_together,
    recipe,
    recipe_set,
    recipes_of,
)

PLACES = (LocationId("p"), LocationId("q"), LocationId("r"))
NAMES = "KLMN"


@given(graph=graphs(), wanted=st.dictionaries(st.sampled_from("KLMNab"), st.integers(1, 4), min_size=1))
def test_what_bundles_come_to_does_not_depend_on_the_way(graph: dict[Sku, Recipe], wanted: dict[Sku, int]) -> None:
    recipes = recipes_of(graph)
    lines, bundles = recipes.explode(wanted.items())
    assert lines == lines_of(sum((naive_leaves(graph, sku, units) for sku, units in wanted.items()), start=_NOTHING))
    for bundle in bundles:
        assert bundle.together == naive_together(graph, bundle.sku)
    assert [bundle.sku for bundle in bundles] == [sku for sku in wanted if sku in graph]


@given(graph=graphs())
def test_what_is_above_is_what_has_it_in_it(graph: dict[Sku, Recipe]) -> None:
    recipes = recipes_of(graph)
    for leaf in "abcd":
        above = recipes.bundles_above(Sku(leaf))
        assert len(set(above)) == len(above)
        assert set(above) == {sku for sku in graph if leaf in naive_leaves(graph, sku)}


@given(
    graph=graphs(),
    levels=st.dictionaries(st.tuples(st.sampled_from("abcd"), st.sampled_from(PLACES)), st.integers(-5, 12)),
    places=st.lists(st.sampled_from(PLACES), unique=True, min_size=1),
)
def test_lesson_f1_as_many_as_can_be_made_one_by_one(
    graph: dict[Sku, Recipe], levels: dict[tuple[Sku, LocationId], int], places: list[LocationId]
) -> None:
    recipes = recipes_of(graph)
    for sku in graph:
        made = recipes.made(sku)
        counted = count_makeable(
            made.leaves, places, lambda leaf, place: levels.get((leaf, place), 0), together=made.together
        )
        assert counted == naive_count(graph, sku, levels, places)


_CHANGES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.dictionaries(st.sampled_from("ab" + NAMES), st.integers(1, 2), max_size=3)),
    max_size=12,
)


@given(changes=_CHANGES, together=st.booleans())
def test_changes_one_after_the_other_leave_what_they_would_leave_at_once(
    changes: list[tuple[str, dict[str, int]]], *, together: bool
) -> None:
    """What was asked meanwhile and memoised does not show; a cycle is refused exactly where there would be one."""
    recipes, graph = Recipes(), dict[Sku, Recipe]()
    for version, (name, parts) in enumerate(changes, start=1):
        sku, wanted = Sku(name), recipe(parts, together=together)
        after = {key: each for key, each in (graph | {sku: wanted}).items() if each.components}
        problems = recipes.find_problems({sku: wanted}, lambda _: True)
        assert bool(problems) == any(_reaches(after, each, each) for each in after)
        if problems:
            continue
        graph = after
        recipes.apply(recipe_set(sku, version, parts, together=together))
        fresh = recipes_of(graph)
        for each in graph:
            assert recipes.made(each) == fresh.made(each)
        for every in map(Sku, "ab" + NAMES):
            assert set(recipes.bundles_above(every)) == set(fresh.bundles_above(every))
            assert recipes.is_component(every) == fresh.is_component(every)


def _reaches(graph: dict[Sku, Recipe], start: Sku, wanted: Sku) -> bool:
    """Whether `wanted` is in `start`, by walking every way that is not longer than there are recipes."""
    ways = [start]
    for _ in range(len(graph)):
        ways = [part for sku in ways if sku in graph for part, _ in graph[sku].components]
        if wanted in ways:
            return True
    return False


_NOTHING = naive_leaves({}, Sku("nothing"), 0)
