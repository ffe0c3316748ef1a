"""Examples of the past of a SKU."""

from datetime import UTC, datetime

import msgspec

from ops.gateway.models import past as m

_NOON = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)

STRUCTS: tuple[msgspec.Struct, ...] = (
    m.History(
        sku="A-1",
        lines=(
            m.HistoryLine(
                place="4711-1",
                at=_NOON,
                kind="stock_received",
                text="24 received at main on purchase order PO-12",
                key="po-12-line-3",
                by="ann",
                reference="delivery 9",
                delta=24,
                on_hand=65,
                committed=5,
                reserved=2,
                atp=53,
            ),
            m.HistoryLine(
                place="4712-1",
                at=_NOON,
                kind="push_planned",
                text="shop is told to show 51 on listing product:17 (v10) because atp 53, buffer 2",
                account="shop",
                listing="product:17",
                delta=0,
                on_hand=65,
                committed=5,
                reserved=2,
                atp=53,
            ),
        ),
        older="4711-1",
    ),
)
