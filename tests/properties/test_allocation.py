"""Laws of the allocation policy, for all rooms and needs."""

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.stock.allocate import merge, place, place_all, take
from engine.domain.stock.book import units_of
from engine.domain.units import LocationId

LOCATIONS = tuple(LocationId(name) for name in "abcdef")
rooms = st.dictionaries(st.sampled_from(LOCATIONS), st.integers(-5, 12), min_size=1)
needs = st.integers(1, 40)


@given(room=rooms, units=needs, priority=st.permutations(LOCATIONS))
def test_what_is_placed_is_what_is_needed_and_nobody_gives_more_than_it_has(
    room: dict[LocationId, int], units: int, priority: list[LocationId]
) -> None:
    order = [location for location in priority if location in room]
    parts = place(units, order, room.__getitem__)
    assert (parts is None) == (sum(room.values()) < units)
    if parts is not None:
        assert units_of(parts) == units
        assert all(0 < given <= room[location] for location, given in parts)
        assert [location for location, _ in parts] == [location for location in order if location in dict(parts)]


@given(room=rooms, units=needs, priority=st.permutations(LOCATIONS))
def test_the_first_place_that_has_all_gives_all_else_as_few_places_as_can_be(
    room: dict[LocationId, int], units: int, priority: list[LocationId]
) -> None:
    """Lesson H1: fewer parcels."""
    order = [location for location in priority if location in room]
    parts = place(units, order, room.__getitem__)
    if parts is None:
        return
    whole = [location for location in order if room[location] >= units]
    if whole:
        assert parts == ((whole[0], units),)
        return
    fewest, total = 0, 0
    for has in sorted(room.values(), reverse=True):
        total, fewest = total + has, fewest + 1
        if total >= units:
            break
    assert len(parts) == fewest
    left = {location: has for location, has in room.items() if location not in dict(parts)}
    assert max(left.values(), default=0) <= min(room[location] for location, _ in parts)


@given(room=rooms, units=needs, priority=st.permutations(LOCATIONS), shuffled=st.permutations(LOCATIONS))
def test_only_the_priority_list_and_the_rooms_decide(
    room: dict[LocationId, int], units: int, priority: list[LocationId], shuffled: list[LocationId]
) -> None:
    """Not the order in which a book has met its locations."""
    order = [location for location in priority if location in room]
    again = {location: room[location] for location in shuffled if location in room}
    assert place(units, order, room.__getitem__) == place(units, order, again.__getitem__)
    assert place_all(units, order, room.__getitem__) == place_all(units, order, again.__getitem__)


@given(room=rooms, units=st.integers(0, 60), priority=st.permutations(LOCATIONS))
def test_what_cannot_be_refused_is_placed_whole_and_only_the_first_place_owes_what_is_not_there(
    room: dict[LocationId, int], units: int, priority: list[LocationId]
) -> None:
    order = [location for location in priority if location in room]
    parts = place_all(units, order, room.__getitem__)
    assert units_of(parts) == units
    assert all(given > 0 for _, given in parts)
    assert all(given <= room[location] for location, given in parts if location != order[0])
    if place(units, order, room.__getitem__) is not None and units:
        assert parts == place(units, order, room.__getitem__)


@given(
    parts=st.lists(st.tuples(st.sampled_from(LOCATIONS), st.integers(1, 9)), max_size=6),
    units=st.integers(0, 40),
)
def test_taking_and_merging_lose_no_unit(parts: list[tuple[LocationId, int]], units: int) -> None:
    taken, rest = take(parts, units)
    assert units_of(taken) == min(units, units_of(parts))
    assert merge(taken, rest) == merge(parts)
