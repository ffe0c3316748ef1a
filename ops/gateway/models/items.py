"""Bodies and answers of the catalogue's routes."""

from typing import Annotated

import msgspec

from engine.domain.catalogue.items import Patch
from engine.domain.units import ID_BYTES_MAX, Instant
from ops.gateway.base import In, Out

Code = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_BYTES_MAX)]


class RenameRequest(In, frozen=True, kw_only=True):
    """What the SKU is to be called."""

    new: Code
    """A code that no other SKU has or ever had."""


class MergeRequest(In, frozen=True, kw_only=True):
    """What the SKU turned out to be."""

    into: Code
    """The SKU that gets its units, order lines, listings and barcodes."""


class Alias(Out, frozen=True, kw_only=True):
    """Another code that leads to the SKU."""

    code: str
    until: Instant | None = None
    """When it was given up; null: it is the code of a SKU that was merged, or the id."""


class Item(Out, frozen=True, kw_only=True):
    """All that is known of a SKU besides its stock. Null and empty: nobody has said."""

    sku: str
    """What it is called today."""
    id: str
    """What it was called first; never changes."""
    name: str
    retired: bool
    aliases: tuple[Alias, ...] = ()
    category: str = ""
    attributes: dict[str, str]
    barcodes: tuple[str, ...] = ()
    weight_grams: int | None = None
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None
    cost: str | None = None
    """As `12.50 EUR`."""
    prices: dict[str, str]
    """By account."""
    supplier: str = ""
    lead_days: int | None = None
    images: tuple[str, ...] = ()


class ItemSummary(Out, frozen=True, kw_only=True):
    """One row of a list of items."""

    sku: str
    name: str
    category: str = ""
    barcode: str | None = None
    """The first one."""
    retired: bool = False


class Items(Out, frozen=True, kw_only=True):
    """Items that fit, or a page of all of them in the order in which they were added."""

    items: tuple[ItemSummary, ...]
    cursor: str | None = None
    """Ask with this to go on; null: that was all."""


class ItemRequest(Patch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change: left out stays, null clears; attributes and prices are merged name by name (RFC 7396)."""
