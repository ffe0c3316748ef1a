"""Recipes of bundles over REST: what goes in and out. Answers mirror `docs/socket.md`."""

from typing import Annotated

import msgspec

from engine.domain.catalogue.recipes import COMPONENTS_MAX, QUANTITY_MAX
from engine.domain.units import Instant
from ops.gateway.base import Identifier, In, Out


class ComponentRequest(In, frozen=True, kw_only=True):
    """Units of a component in one unit of the bundle."""

    sku: Identifier
    quantity: Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_MAX)]


class RecipeRequest(In, frozen=True, kw_only=True):
    """What one unit of a bundle is made of from now on. The same again changes nothing."""

    components: Annotated[tuple[ComponentRequest, ...], msgspec.Meta(min_length=1, max_length=COMPONENTS_MAX)]
    together: bool = False
    """Whether all components of one unit must come from one location."""


class Component(Out, frozen=True, kw_only=True):
    """Units of a SKU in one unit of the bundle."""

    sku: str
    quantity: int


class BundleRef(Out, frozen=True, kw_only=True):
    """A bundle, by its SKU."""

    sku: str


class RecipeRow(Out, frozen=True, kw_only=True):
    """What a bundle is made of."""

    sku: str
    version: int
    together: bool
    components: tuple[Component, ...]


class Recipe(RecipeRow, frozen=True, kw_only=True):
    """What a bundle is made of, and what that comes to."""

    leaves: tuple[Component, ...]
    """SKUs with stock, bundles in it unpacked; empty: it is no bundle any more."""
    one_location: bool
    """Whether the leaves of one unit must come from one location: its recipe says so, or that of a bundle in it."""
    bundles_above: tuple[BundleRef, ...] = msgspec.field(name="in")
    """Every bundle that has this one in it."""
    set_at: Instant
    by: str


class Recipes(Out, frozen=True, kw_only=True):
    """In the order of their SKUs."""

    recipes: tuple[RecipeRow, ...]
    after: str | None = None
    """Ask with this to go on; null: that was all."""
