"""The rows of an import, as they come over the socket, and what can be wrong with one."""

from typing import Annotated

import msgspec

from engine.domain.catalogue.items import Patch
from engine.domain.catalogue.recipes import QUANTITY_MAX
from engine.domain.units import AccountId, ListingId, LocationId, Sku, Units


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class SkuRow(Patch, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="sku"):
    """A SKU to exist, and what is to change of its item."""

    sku: Sku
    """Any code of it."""
    safety_stock: dict[LocationId, Units] | None = None
    """Locations left out keep theirs."""


class ListingRow(_Row, frozen=True, kw_only=True, tag="listing"):
    """A listing to map by hand."""

    account: AccountId
    listing: ListingId
    sku: Sku
    pack_units: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1


class StockRow(_Row, frozen=True, kw_only=True, tag="stock"):
    """Opening stock."""

    sku: Sku
    location: LocationId
    on_hand: Units


class RecipeRow(_Row, frozen=True, kw_only=True, tag="recipe"):
    """One component of a bundle; all rows of a bundle together are its recipe."""

    sku: Sku
    component: Sku
    quantity: Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_MAX)]
    together: bool = False
    """Whether all components of one unit must come from one location; the same in all rows of a bundle."""


Row = SkuRow | ListingRow | StockRow | RecipeRow


class RowProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one row."""

    row: int
    """From 0, over the whole import."""
    field: str
    problem: str
