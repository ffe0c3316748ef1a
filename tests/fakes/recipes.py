"""Recipes of a test's own, and what they come to by the longest way round: the naive model."""

from collections import Counter
from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

from engine.domain.catalogue.recipes import Recipe, Recipes
from engine.domain.events import Line, RecipeSet
from engine.domain.units import LocationId, Sku
from tests.fakes.clocks import START

Graph = Mapping[Sku, Recipe]
Levels = Mapping[tuple[Sku, LocationId], int]


def recipe(made_of: Mapping[str, int] | None = None, /, *, together: bool = False, **components: int) -> Recipe:
    """Return a recipe: `recipe(BOLT=4, NUT=4)`, or of a mapping."""
    lines = ((Sku(sku), units) for sku, units in (*(made_of or {}).items(), *components.items()))
    return Recipe(tuple(sorted(lines)), together)


def recipe_set(
    sku: str,
    version: int = 1,
    made_of: Mapping[str, int] | None = None,
    /,
    *,
    together: bool = False,
    **components: int,
) -> RecipeSet:
    """Return the event of a recipe; without components, of its end."""
    made = recipe(made_of, together=together, **components)
    return RecipeSet(at=START, sku=Sku(sku), version=version, components=made.components, together=together)


def recipes_of(graph: Graph) -> Recipes:
    """Return the graph with these recipes set one after the other, components first or last: it must not matter."""
    recipes = Recipes()
    for sku, each in graph.items():
        recipes.apply(recipe_set(sku, 1, dict(each.components), together=each.together))
    return recipes


@st.composite
def graphs(draw: st.DrawFn, *, leaves: str = "abcd", bundles: str = "KLMN") -> dict[Sku, Recipe]:
    """Draw bundles of leaves and of bundles named before them, in any order."""
    graph: dict[Sku, Recipe] = {}
    for name in draw(st.lists(st.sampled_from(bundles), unique=True, min_size=1)):
        below = [*leaves, *graph]
        parts = draw(st.dictionaries(st.sampled_from(below), st.integers(1, 3), min_size=1, max_size=3))
        graph[Sku(name)] = recipe(parts, together=draw(st.booleans()))
    order = draw(st.permutations(list(graph)))
    return {sku: graph[sku] for sku in order}


def naive_leaves(graph: Graph, sku: Sku, units: int = 1) -> Counter[Sku]:
    """Unpack one box after the other."""
    if sku not in graph:
        return Counter({sku: units})
    found: Counter[Sku] = Counter()
    for _ in range(units):
        for component, each in graph[sku].components:
            found += naive_leaves(graph, component, each)
    return found


def naive_together(graph: Graph, sku: Sku) -> bool:
    """Whether it or anything in it must lie at one place."""
    if sku not in graph:
        return False
    return graph[sku].together or any(naive_together(graph, component) for component, _ in graph[sku].components)


def naive_count(graph: Graph, sku: Sku, levels: Levels, locations: Sequence[LocationId]) -> int:
    """Make units one by one for as long as it goes; or owe them one by one until nothing is short any more."""
    leaves = naive_leaves(graph, sku)
    stock = {leaf: sum(levels.get((leaf, place), 0) for place in locations) for leaf in leaves}
    count = 0
    while all(stock[leaf] >= each for leaf, each in leaves.items()):
        stock = {leaf: stock[leaf] - each for leaf, each in leaves.items()}
        count += 1
    while any(units < 0 for units in stock.values()):
        stock = {leaf: stock[leaf] + each for leaf, each in leaves.items()}
        count -= 1
    if count <= 0 or not naive_together(graph, sku):
        return count
    made = 0
    for place in locations:
        here = {leaf: levels.get((leaf, place), 0) for leaf in leaves}
        while all(here[leaf] >= each for leaf, each in leaves.items()):
            here = {leaf: here[leaf] - each for leaf, each in leaves.items()}
            made += 1
    return min(count, made)


def lines_of(counted: Mapping[Sku, int]) -> tuple[Line, ...]:
    return tuple(sorted(counted.items()))
