"""Several bundles in one hold, each unit from one location: the search against trying everything."""

from collections.abc import Iterator, Sequence
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.domain.commands import BundleLine, Granted
from engine.domain.events import Part
from engine.domain.stock import together
from engine.domain.stock.together import spread_together
from engine.domain.units import LocationId, Sku
from tests.fakes.books import HERE, THERE, A, B
from tests.fakes.recipes import recipe, recipes_of
from tests.unit.test_bundle_holds import Shop

LEAVES = (Sku("A"), Sku("B"), Sku("C"))
PLACES = (HERE, THERE, LocationId("yonder"))
Rooms = dict[tuple[Sku, LocationId], int]

bundle_lines = st.builds(
    lambda units, leaves: BundleLine(Sku("K"), units, tuple(sorted(leaves.items())), together=True),
    st.integers(1, 3),
    st.dictionaries(st.sampled_from(LEAVES), st.integers(1, 2), min_size=1, max_size=3),
)
rooms = st.fixed_dictionaries(dict.fromkeys(product(LEAVES, PLACES), st.integers(-1, 4)))


def ways(units: int, places: Sequence[LocationId]) -> Iterator[tuple[Part, ...]]:
    """Every way to take units of a bundle from some places."""
    for counts in product(range(units + 1), repeat=len(places)):
        if sum(counts) == units:
            yield tuple(zip(places, counts, strict=True))


def fits(bundles: Sequence[BundleLine], spread: Sequence[Sequence[Part]], room: Rooms) -> bool:
    """Whether each place has what is taken there."""
    taken = dict.fromkeys(room, 0)
    for bundle, parts in zip(bundles, spread, strict=True):
        for (place, units), (leaf, each) in product(parts, bundle.leaves):
            taken[leaf, place] += units * each
    return all(units == 0 or units <= room[where] for where, units in taken.items())


@settings(max_examples=300, deadline=None)
@given(bundles=st.lists(bundle_lines, min_size=2, max_size=3), places=st.integers(1, 3), room=rooms)
def test_it_is_found_exactly_where_there_is_a_way(bundles: list[BundleLine], places: int, room: Rooms) -> None:
    """Lesson A10, and what a naive seller would try with pencil and paper."""
    where = PLACES[:places]
    found = spread_together(bundles, where, lambda sku, place: room[sku, place])
    some = any(fits(bundles, spread, room) for spread in product(*(list(ways(b.units, where)) for b in bundles)))
    assert (found is not None) == some
    if found is not None:
        assert fits(bundles, found, room)
        for bundle, parts in zip(bundles, found, strict=True):
            assert sum(units for _, units in parts) == bundle.units
            assert [place for place, _ in parts] == [place for place in where if place in dict(parts)]


stock = st.tuples(st.integers(0, 5), st.integers(0, 5))


@settings(max_examples=100, deadline=None)
@given(here=stock, there=stock, kits=st.integers(1, 3), boxes=st.integers(1, 3), loose=st.integers(0, 2))
def test_a_hold_is_granted_exactly_where_its_bundles_and_lines_fit(
    here: tuple[int, int], there: tuple[int, int], kits: int, boxes: int, loose: int
) -> None:
    """A loose line takes what is left, wherever that lies; it never stands in the way of a bundle."""
    recipes = recipes_of({Sku("K"): recipe(A=1, B=1, together=True), Sku("L"): recipe(A=2, B=1, together=True)})
    wanted = tuple((sku, units) for sku, units in ((Sku("K"), kits), (Sku("L"), boxes), (A, loose)) if units)
    room = {(A, HERE): here[0], (B, HERE): here[1], (A, THERE): there[0], (B, THERE): there[1]}
    assume(any(room.values()))
    lines, bundles = recipes.explode(wanted)
    some = any(fits(bundles, spread, room) for spread in product(*(ways(b.units, (HERE, THERE)) for b in bundles)))
    enough = all(room[sku, HERE] + room[sku, THERE] >= units for sku, units in lines)
    answer = Shop(recipes, here, there).ask("h", *wanted)
    assert isinstance(answer, Granted) == (some and enough)


def test_a_search_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard does not stand still over it: the hold is refused, as if nobody had looked."""
    bundles = [
        BundleLine(Sku(f"K{number}"), 4, ((Sku("A"), 1 + number % 2), (Sku("B"), 2)), together=True)
        for number in range(3)
    ]

    def room(sku: Sku, place: LocationId) -> int:
        return 2 + len(sku) + 3 * PLACES.index(place) + 4 * (sku == "B")

    assert spread_together(bundles, PLACES, room) is not None
    monkeypatch.setattr(together, "LOOKS_MAX", 30)
    assert spread_together(bundles, PLACES, room) is None
