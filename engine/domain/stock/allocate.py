"""Which location a line's units come from, and how that follows when the line changes. Pure arithmetic on parts.

The policy, for holds and for order lines alike: the first location of the account's list that has all units; where none
has, the location with most of them first, then the next, so that a line is split over as few as can be (lesson H1).
Equals go by the list. What is already placed stays where it is.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from engine.domain.events import Part
from engine.domain.units import LocationId


def place(units: int, locations: Sequence[LocationId], room: Callable[[LocationId], int]) -> tuple[Part, ...] | None:
    """Find units: the first location that has them all, else those that have most, each giving what it has.

    Args:
        units: at least 1.
        locations: in order of preference.
        room: units available at a location; may be negative.

    Returns:
        Parts in the order of `locations`, or None when all locations together have too few. A location that is short
        counts against the others: its missing units must come from somewhere.
    """
    rooms: list[Part] = []
    total, whole = 0, None
    for location in locations:
        has = room(location)
        rooms.append((location, has))
        total += has
        if has >= units and whole is None:
            whole = location
    if total < units:
        return None
    if whole is not None:
        return at_one(whole, units)
    return _split(units, rooms)


def _split(units: int, rooms: Sequence[Part]) -> tuple[Part, ...]:
    """Take units where most are, equals in order; return parts in the order of `rooms`, short if there are too few."""
    taken: dict[LocationId, int] = {}
    for location, has in sorted(rooms, key=_most_first):
        if has <= 0 or units == 0:
            break
        taken[location] = min(has, units)
        units -= taken[location]
    return tuple([(location, taken[location]) for location, _ in rooms if location in taken])


def _most_first(room: Part) -> int:
    return -room[1]


@lru_cache(maxsize=1024)
def at_one(location: LocationId, units: int) -> tuple[Part, ...]:
    """Units of one place. Most holds have such parts, and all that are alike share them: books keep millions."""
    return ((location, units),)


def place_all(units: int, locations: Sequence[LocationId], room: Callable[[LocationId], int]) -> tuple[Part, ...]:
    """Place units that cannot be refused: what no location has falls to the first one, which is then short."""
    if units == 0:
        return ()
    placed = place(units, locations, room)
    if placed is not None:
        return placed
    parts = _split(units, [(location, room(location)) for location in locations])
    missing = units - sum(has for _, has in parts)
    return merge(((locations[0], missing),), parts)


def take(parts: Sequence[Part], units: int) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Split parts into the first `units` of them and the rest; short when there are fewer."""
    taken: list[Part] = []
    rest: list[Part] = []
    for location, has in parts:
        first = min(has, units)
        units -= first
        if first:
            taken.append((location, first))
        if has > first:
            rest.append((location, has - first))
    return tuple(taken), tuple(rest)


def merge(*groups: Sequence[Part]) -> tuple[Part, ...]:
    """Add parts up by location, in order of first mention, without zeros."""
    total: dict[LocationId, int] = {}
    for group in groups:
        for location, units in group:
            total[location] = total.get(location, 0) + units
    return tuple((location, units) for location, units in total.items() if units)
