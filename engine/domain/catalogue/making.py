"""How many of a bundle there are, and where: exact arithmetic over its leaves, the same for offers and for holds."""

from collections.abc import Callable, Collection, Sequence

from engine.domain.availability import Availability
from engine.domain.events import Line
from engine.domain.units import LocationId, Sku

Room = Callable[[Sku, LocationId], int]
"""Units of a SKU that are available at a location; may be negative."""


def count_makeable(leaves: Sequence[Line], locations: Collection[LocationId], room: Room, *, together: bool) -> int:
    """Return how many units of a bundle can be made.

    Each leaf is summed over the locations with its sign, and the least decides: never a difference of minimums (lesson
    F1). Negative: so many units of the bundle are owed beyond what there is.

    Args:
        leaves: units of each SKU in one unit of the bundle, at least 1 each.
        locations: where they may come from, each once.
        room: what there is.
        together: whether the leaves of one unit must come from one location.
    """
    most = min([sum([room(sku, location) for location in locations]) // units for sku, units in leaves])
    if together and most > 0:
        most = min(most, sum([makeable_at(leaves, location, room) for location in locations]))
    return most


def makeable_at(leaves: Sequence[Line], location: LocationId, room: Room) -> int:
    """Return how many units of a bundle can be made of what lies at one location; never negative."""
    return max(0, min([room(sku, location) // units for sku, units in leaves]))


def find_binding(leaves: Sequence[Line], locations: Collection[LocationId], room: Room) -> Sku:
    """Return the leaf that there is least of: the one to buy. Among equals, the first in SKU order."""
    return min(leaves, key=lambda line: (sum(room(line[0], place) for place in locations) // line[1], line[0]))[0]


def count_available(
    level: Availability, where: Collection[LocationId], fenced: Callable[[Availability], int] = lambda _: 0
) -> int:
    """Return the units of a SKU, bundle or not, that may be shown of what lies at some locations.

    Args:
        level: what there is.
        where: each location once.
        fenced: units of a bundle's component that are not to be shown, and of the bundle itself where its components
            must lie together; of what has stock itself nothing is taken off.
    """
    if not level.components:
        return sum([units for place, units in level.atp if place in where])
    most = min([_left(component, where, fenced) // units for units, component in level.components])
    if level.together and most > 0:
        atp = {component.sku: dict(component.atp) for _, component in level.components}
        leaves = [(component.sku, units) for units, component in level.components]
        apart = sum([makeable_at(leaves, place, lambda sku, at: atp[sku].get(at, 0)) for place in where])
        most = min(most, apart - fenced(level))
    return most


def explain_components(
    level: Availability, where: Collection[LocationId], fenced: Callable[[Availability], int] = lambda _: 0
) -> list[tuple[str, str, str]]:
    """Return the terms of a bundle's availability: component, units that may be shown of it, what that makes."""
    left = [(units, component, _left(component, where, fenced)) for units, component in level.components]
    least = min((atp // units for units, _, atp in left), default=0)
    terms: list[tuple[str, str, str]] = []
    for units, component, atp in left:
        binds = ", which binds" if atp // units == least else ""
        held_back = fenced(component)
        without = f" without {held_back} ring-fenced for others" if held_back else ""
        terms.append((f"component {component.sku}", str(atp), f"{units} in one: makes {atp // units}{without}{binds}"))
    if level.together:
        total = count_available(level, where, fenced)
        terms.append(("together", str(total), "each unit from one location, where all components lie"))
    return terms


def count_spare(
    level: Availability, where: Collection[LocationId], fenced: Callable[[Availability], int], made: int
) -> list[int]:
    """Return for each component of a bundle how many more of it that one alone would make, beyond `made`."""
    return [_left(component, where, fenced) // units - made for units, component in level.components]


def _left(level: Availability, where: Collection[LocationId], fenced: Callable[[Availability], int]) -> int:
    return sum([units for place, units in level.atp if place in where]) - fenced(level)
