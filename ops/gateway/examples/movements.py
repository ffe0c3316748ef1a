"""Examples of movements, purchase orders and transfers, one per body and answer."""

from datetime import UTC, datetime

import msgspec

from ops.gateway.models import documents as d
from ops.gateway.models import movements as m

_MORNING = datetime(2026, 11, 11, 9, 0, tzinfo=UTC)
_NOON = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)
_FRIDAY = datetime(2026, 11, 13, 8, 0, tzinfo=UTC)

_PURCHASE = d.PurchaseSummary(
    purchase_order="PO-12",
    state="partly_received",
    location="main",
    supplier="Mug Works",
    expected_at=_FRIDAY,
    ordered_at=_MORNING,
    changed_at=_NOON,
    units_ordered=48,
    units_received=24,
    units_open=24,
    units_over=0,
)
_TRANSFER = d.TransferSummary(
    transfer="T-7",
    state="partly_arrived",
    source="main",
    target="store",
    expected_at=_FRIDAY,
    sent_at=_MORNING,
    changed_at=_NOON,
    units_sent=12,
    units_arrived=10,
    units_lost=1,
    units_open=1,
)

STRUCTS: tuple[msgspec.Struct, ...] = (
    m.AdjustmentRequest(key="count-7", sku="A-1", location="main", delta=-1, reason="damaged"),
    m.Adjustment(key="count-7", sku="A-1", location="main", delta=-1, on_hand=41),
    m.ReceiptRequest(key="po-12-line-3", sku="A-1", location="main", quantity=24),
    m.Receipt(key="po-12-line-3", sku="A-1", location="main", quantity=24, on_hand=65),
    m.ReturnRequest(key="rma-31", sku="A-1", location="store", quantity=1, account="shop", order="1001", line="1"),
    m.Returned(
        key="rma-31",
        sku="A-1",
        location="store",
        quantity=1,
        on_hand=7,
        state="quality_hold",
        account="shop",
        order="1001",
        line="1",
        taken_back=0,
    ),
    m.InspectionRequest(key="rma-31-a", sku="A-1", location="store", quantity=1, outcome="restock", reason="as new"),
    m.Inspected(
        key="rma-31-a", sku="A-1", location="store", quantity=1, source="quality_hold", target="sellable", on_hand=7
    ),
    m.CountRequest(key="count-7-A-1", sku="A-1", location="main", counted=41, taken_at=_MORNING, blind=True),
    m.Counted(
        key="count-7-A-1",
        sku="A-1",
        location="main",
        counted=41,
        taken_at=_MORNING,
        applied=True,
        recount=False,
        expected=42,
        variance=-1,
        percent=-2.4,
        on_hand=38,
    ),
    m.SnapshotRequest(
        key="3pl-2026-11-11T09",
        location="main",
        source="3pl",
        as_of=_MORNING,
        nets_open_orders=True,
        rows=(m.SnapshotRow(sku="A-1", quantity=36), m.SnapshotRow(sku="A-9", quantity=4)),
    ),
    m.SnapshotTaken(
        key="3pl-2026-11-11T09",
        location="main",
        source="3pl",
        as_of=_MORNING,
        applied=1,
        stale=0,
        unknown_sku=1,
        refused=0,
        rows=(
            m.RowVerdict(sku="A-1", outcome="applied", quantity=36, delta=-1, on_hand=41),
            m.RowVerdict(sku="A-9", outcome="unknown_sku", quantity=4, problem="NOSUCHSKU sku=A-9"),
        ),
    ),
    m.AllocationRequest(line="1", sku="A-1", location="store", reason="the buyer lives next door"),
    m.Allocated(account="shop", order="1001", line="1", sku="A-1", location="store"),
    d.PurchaseRequest(
        location="main",
        lines=(d.PurchaseLineRequest(sku="A-1", quantity=48),),
        expected_at=_FRIDAY,
        supplier="Mug Works",
    ),
    d.EndRequest(reason="the rest is sold out at the supplier"),
    d.Purchase(
        **msgspec.structs.asdict(_PURCHASE),
        reference="",
        by="erp",
        reason="",
        ended_by="",
        lines=(d.PurchaseLine(sku="A-1", ordered=48, received=24, open=24, over=0),),
    ),
    d.Purchases(purchase_orders=(_PURCHASE,)),
    d.TransferRequest(source="main", target="store", lines=(d.TransferLineRequest(sku="A-1", quantity=12),)),
    d.Transfer(
        **msgspec.structs.asdict(_TRANSFER),
        reason="",
        reference="",
        by="erp",
        lines=(d.TransferLine(sku="A-1", sent=12, arrived=10, lost=1, open=1),),
    ),
    d.Transfers(transfers=(_TRANSFER,)),
    d.ArrivalRequest(key="T-7-pallet-1", sku="A-1", quantity=10),
    d.Arrival(key="T-7-pallet-1", transfer="T-7", sku="A-1", location="store", quantity=10, on_hand=17),
    d.LossRequest(key="T-7-claim-1", sku="A-1", quantity=1, reason="crushed by the carrier"),
    d.Loss(key="T-7-claim-1", transfer="T-7", sku="A-1", location="store", quantity=1),
)
