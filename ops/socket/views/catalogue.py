"""What the socket says about items: maps as ITEM GET and EXPORT answer them."""

from typing import Any

from engine.domain.catalogue.catalogue import Catalogue, Item
from engine.domain.catalogue.items import Details

View = dict[str, Any]


def item_view(catalogue: Catalogue, item: Item) -> View:
    """ITEM GET: all that is known, with every code that leads to it."""
    codes = catalogue.codes
    return {
        "sku": codes.code_of(item.sku),
        "id": item.sku,
        "name": item.name,
        "retired": item.retired,
        "aliases": [{"code": code, "until": codes.ended_at(code)} for code in codes.aliases_of(item.sku)],
        **details_view(item.details),
    }


def details_view(details: Details) -> View:
    """The details; null and empty: nobody has said."""
    return {
        "category": details.category,
        "attributes": dict(details.attributes),
        "barcodes": list(details.barcodes),
        "weight_grams": details.weight_grams,
        "length_mm": details.length_mm,
        "width_mm": details.width_mm,
        "height_mm": details.height_mm,
        "cost": details.cost,
        "prices": dict(details.prices),
        "supplier": details.supplier,
        "lead_days": details.lead_days,
        "images": list(details.images),
    }


def item_summary(catalogue: Catalogue, item: Item) -> View:
    """One row of ITEM FIND."""
    details = item.details
    return {
        "sku": catalogue.codes.code_of(item.sku),
        "name": item.name,
        "category": details.category,
        "barcode": details.barcodes[0] if details.barcodes else None,
        "retired": item.retired,
    }
