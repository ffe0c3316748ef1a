"""What the socket says about recipes and about what there is of a bundle."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.domain.catalogue.making import count_makeable, find_binding
from engine.domain.catalogue.recipes import Made, Recipes
from engine.domain.events import Line, RecipeSet
from engine.domain.stock.book import Book
from engine.domain.units import LocationId, Sku

View = dict[str, Any]


def recipe_view(event: RecipeSet, recipes: Recipes) -> View:
    """RECIPE GET, SET and DROP: the recipe as written, and what it comes to."""
    made = recipes.made(event.sku) if event.sku in recipes else None
    return {
        "sku": event.sku,
        "version": event.version,
        "together": event.together,
        "components": lines_view(event.components),
        "leaves": lines_view(made.leaves) if made is not None else [],
        "one_location": made is not None and made.together,
        "in": [{"sku": bundle} for bundle in recipes.bundles_above(event.sku)],
        "set_at": event.at,
        "by": event.by,
    }


def recipe_row(event: RecipeSet) -> View:
    """One row of RECIPE LIST."""
    return {
        "sku": event.sku,
        "version": event.version,
        "together": event.together,
        "components": lines_view(event.components),
    }


def lines_view(lines: Sequence[Line]) -> list[View]:
    """Units of SKUs."""
    return [{"sku": sku, "quantity": units} for sku, units in lines]


def bundle_view(version: int, made: Made, books: Mapping[Sku, Book], locations: Sequence[LocationId]) -> View:
    """What STOCK and EXPLAIN tell of a bundle besides the figures of its own book, which are zeros.

    Args:
        version: of its recipe.
        made: what that comes to.
        books: those of its leaves at least.
        locations: where it may be made.
    """

    def room(leaf: Sku, location: LocationId) -> int:
        return books[leaf].atp_at(location)

    binding = find_binding(made.leaves, locations, room)
    components: list[View] = []
    for leaf, units in made.leaves:
        atp = books[leaf].atp_over(locations)
        figures = {"quantity": units, "atp": atp, "makes": atp // units, "binds": leaf == binding}
        components.append({"sku": leaf, **figures})
    return {
        "atp": count_makeable(made.leaves, locations, room, together=made.together),
        "bundle": {
            "version": version,
            "one_location": made.together,
            "components": components,
        },
    }
