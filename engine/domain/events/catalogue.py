"""What a SKU is, is called and has become: decided while all shards lend their books, one decision at a time."""

from engine.domain.catalogue.items import NO_DETAILS, Details
from engine.domain.events.base import BaseEvent
from engine.domain.units import Sku


class ItemDescribed(BaseEvent, frozen=True, kw_only=True, tag="item_described", gc=False):
    """These are an item's details now, whatever they were. Its name is told by `SkuAdded`."""

    sku: Sku
    details: Details = NO_DETAILS
    by: str = ""


class SkuRenamed(BaseEvent, frozen=True, kw_only=True, tag="sku_renamed", gc=False):
    """People call the SKU something else from now on; its id, under which its history stands, stays."""

    sku: Sku
    """The id: the first code it had."""
    code: Sku
    """The new one."""
    was: Sku
    by: str = ""


class SkuMerged(BaseEvent, frozen=True, kw_only=True, tag="sku_merged", gc=False):
    """The SKU turned out to be another one. Its units, order lines and listings moved there in the same frame."""

    sku: Sku
    into: Sku
    by: str = ""


class SkuRetired(BaseEvent, frozen=True, kw_only=True, tag="sku_retired", gc=False):
    """Nothing more is promised of it to baskets or shown on channels; orders of it count as ever."""

    sku: Sku
    by: str = ""


class SkuRevived(BaseEvent, frozen=True, kw_only=True, tag="sku_revived", gc=False):
    """A retired SKU is sold again."""

    sku: Sku
    by: str = ""


CatalogueEvent = ItemDescribed | SkuRenamed
"""What the books do not hear of."""
