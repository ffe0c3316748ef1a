"""Examples of the catalogue's bodies and answers."""

from datetime import UTC, datetime

import msgspec

from engine.domain.units import AccountId
from ops.gateway.models import items as m

_MUG = m.ItemSummary(sku="MUG-BLUE", name="Mug, blue", category="Mugs", barcode="4006381333931")

STRUCTS: tuple[msgspec.Struct, ...] = (
    m.RenameRequest(new="MUG-BLUE"),
    m.MergeRequest(into="MUG-BLUE"),
    m.ItemRequest(
        category="Mugs",
        attributes={"colour": "blue", "size": None},
        barcodes=("4006381333931",),
        weight_grams=350,
        cost="2.50 EUR",
        prices={AccountId("shop-de"): "9.99 EUR"},
    ),
    m.Alias(code="A-1", until=datetime(2026, 11, 11, 12, 0, tzinfo=UTC)),
    m.Item(
        sku="MUG-BLUE",
        id="A-1",
        name="Mug, blue",
        retired=False,
        aliases=(m.Alias(code="A-1", until=datetime(2026, 11, 11, 12, 0, tzinfo=UTC)),),
        category="Mugs",
        attributes={"colour": "blue"},
        barcodes=("4006381333931",),
        weight_grams=350,
        length_mm=90,
        width_mm=80,
        height_mm=100,
        cost="2.50 EUR",
        prices={"shop-de": "9.99 EUR"},
        supplier="Potter & Sons",
        lead_days=14,
        images=("https://images.example/mug.jpg",),
    ),
    _MUG,
    m.Items(items=(_MUG,), cursor="100"),
)
