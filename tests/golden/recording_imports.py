"""The imports' part of the recorded story: one that was given up, and one whose daemon died behind its first piece."""

from typing import Any

from engine.domain.catalogue.items import Details
from engine.domain.catalogue.pieces import Pieces, unpack
from engine.domain.events import (
    Event,
    ImportAdvanced,
    ImportDecided,
    ImportStaged,
    ItemDescribed,
    ListingMapped,
    SkuAdded,
    StockAdjusted,
)
from engine.domain.units import Key, ListingId, Sku
from ops.node import Node
from tests.fakes.books import HERE
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP


def tell_imports() -> list[Event]:
    """Return what a daemon had journalled when it died in the middle."""
    skus = [Sku("I-1"), Sku("I-2"), Sku("I-3")]
    pieces = Pieces()
    for number, sku in enumerate(skus):
        pieces.add(SkuAdded(at=START, sku=sku, name=f"Import {number}", safety_stock=((HERE, 1),)))
        pieces.add(ItemDescribed(at=START, sku=sku, details=Details(category="Imports"), by="ann"))
        key = Key(f"opening:{sku}:{HERE}")
        pieces.add(StockAdjusted(at=START, sku=sku, key=key, location=HERE, delta=5, on_hand=5, reason="opening stock"))
    pieces.add_listing(
        ListingMapped(at=START, account=SHOP, listing_id=ListingId("l/i"), sku=skus[0], pack_units=2, source="import")
    )
    packed = list(pieces.cut(3))
    return [
        ImportStaged(at=START, number=3, piece=0, packed=packed[0]),
        *(ImportStaged(at=START, number=4, piece=piece, packed=each) for piece, each in enumerate(packed)),
        ImportDecided(at=START, number=4, pieces=len(packed), by="ann"),
        *(event for event in unpack(packed[0]) if not isinstance(event, ListingMapped)),
        ImportAdvanced(at=START, number=4, applied=1),
    ]


def describe_imports(node: Node) -> dict[str, Any]:
    """Say what a successor has to do first, if there is anything."""
    applier = node.applier
    if not applier.pieces_left:
        return {}
    return {"import": {"number": applier.number, "pieces": applier.pieces, "left": applier.pieces_left}}
