"""Recipes: what bundles are made of. Decided while all shards lend their books."""

from engine.domain.events.base import BaseEvent, Line
from engine.domain.units import Sku


class RecipeSet(BaseEvent, frozen=True, kw_only=True, tag="recipe_set", gc=False):
    """One unit of this SKU is made of these from now on; what was sold before keeps the recipe it was sold under."""

    sku: Sku
    version: int
    """1, 2, 3, ... for ever, over the end of a recipe too."""
    components: tuple[Line, ...]
    """One per SKU, in SKU order; a component may be a bundle itself. Empty: it is no bundle any more."""
    together: bool = False
    """Whether all components of one unit must come from one location."""
    by: str = ""
    """Who asked, if that is known."""
