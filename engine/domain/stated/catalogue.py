"""What the catalogue and whoever derives the levels of bundles know of items."""

from engine.domain.catalogue.items import NO_DETAILS, Barcode, Details
from engine.domain.stated.base import BaseStatement
from engine.domain.units import Instant, Sku


class ItemStated(BaseStatement, frozen=True, kw_only=True, tag="item_stated", gc=False):
    """An item; they stand in the order in which they were added."""

    sku: Sku
    name: str = ""
    retired: bool = False
    details: Details = NO_DETAILS
    led_away: tuple[Barcode, ...] = ()
    """Barcodes among its details by which it is not found: an import under way has given them to another item."""


class NamesStated(BaseStatement, frozen=True, kw_only=True, tag="names_stated", gc=False):
    """The codes of a SKU that was renamed or that another one was merged into."""

    sku: Sku
    code: Sku | None = None
    """What it is called; None: as its id."""
    others: tuple[Sku, ...] = ()
    """Every code that means it, but its id; the oldest first."""
    inherited: tuple[Sku, ...] = ()
    """Those of the others that came with a SKU which was merged into this one."""
    ended: tuple[tuple[Sku, Instant], ...] = ()
    """Its codes that were given up, and when."""
    merged: tuple[Sku, ...] = ()
    """Ids that went into this one."""


class RetiredStated(BaseStatement, frozen=True, kw_only=True, tag="retired_stated", gc=False):
    """A SKU of which nothing more may be shown."""

    sku: Sku
