"""Places for several bundles of one hold whose components must lie together: exact search, bounded. Pure.

Placed one after the other, the first of them may take the only location that the next one could have come from. So
where that fails, ways to spread them over the locations are tried until one fits all. Whether there is one is a hard
question in general and an easy one for baskets: some bundles over some locations. What is hard all the same is given
up after `LOOKS_MAX` looks at a location, and the hold is refused, as if nobody had looked.
"""

from collections.abc import Sequence
from typing import Final

from engine.domain.catalogue.making import Room, makeable_at
from engine.domain.commands import BundleLine
from engine.domain.events import Part
from engine.domain.units import LocationId, Sku

LOOKS_MAX: Final = 10_000
"""Times that one search counts a bundle at a location: about 10 ms, in which a shard does nothing else.

It bounds the depth, too: a step looks at all locations of all bundles behind it, so 150 steps down there are none left.
"""


def spread_together(
    bundles: Sequence[BundleLine], locations: Sequence[LocationId], room: Room
) -> list[tuple[Part, ...]] | None:
    """Find locations for all of some bundles, each unit of which comes from one.

    Args:
        bundles: what is wanted, at least one unit of each.
        locations: where it may come from, in order of preference, each once.
        room: what there is; may be negative, which is as good as nothing.

    Returns:
        Of each bundle, units by location in the order of `locations`; None when no way fits, or none was found in time.
    """
    search = _Search(bundles, locations, room)
    if not search.run():
        return None
    return [tuple([(place, units) for place, units in counts.items() if units]) for counts in search.counts]


class _Search:
    """Depth first: so many of a bundle from a location, most first, then the next location, then the next bundle."""

    def __init__(self, bundles: Sequence[BundleLine], locations: Sequence[LocationId], room: Room) -> None:
        self._bundles = bundles
        self._locations = locations
        self._left = {
            (sku, place): room(sku, place) for bundle in bundles for sku, _ in bundle.leaves for place in locations
        }
        self._looks = 0
        self.counts: list[dict[LocationId, int]] = [dict.fromkeys(locations, 0) for _ in bundles]

    def run(self) -> bool:
        return self._could_be(0) and self._spread(0, 0, self._bundles[0].units)

    def _spread(self, number: int, place: int, units: int) -> bool:
        """Find places for `units` of a bundle from a location on, and for all bundles behind it."""
        while not units:
            number, place = number + 1, 0
            if number == len(self._bundles):
                return True
            units = self._bundles[number].units
        location = self._locations[place]
        most = min(units, self._makeable(number, location))
        least = max(0, units - sum([self._makeable(number, other) for other in self._locations[place + 1 :]]))
        for count in range(most, least - 1, -1):
            self._take(number, location, count)
            if self._looks > LOOKS_MAX:
                return False
            if self._could_be(number + 1) and self._spread(number, place + 1, units - count):
                return True
            self._take(number, location, -count)
        return False

    def _could_be(self, first: int) -> bool:
        """Whether each bundle from `first` on could be made of what is left, if it were the only one."""
        return all(
            sum([self._makeable(number, place) for place in self._locations]) >= self._bundles[number].units
            for number in range(first, len(self._bundles))
        )

    def _makeable(self, number: int, location: LocationId) -> int:
        self._looks += 1
        return makeable_at(self._bundles[number].leaves, location, self._room)

    def _room(self, sku: Sku, location: LocationId) -> int:
        return self._left[sku, location]

    def _take(self, number: int, location: LocationId, count: int) -> None:
        self.counts[number][location] += count
        for sku, each in self._bundles[number].leaves:
            self._left[sku, location] -= count * each
