"""What a shop consists of. Mutable state that one `Shop` owns; the rules live there."""

from datetime import datetime
from typing import Literal

import msgspec

Kind = Literal["simple", "variable", "variation"]


class Item(msgspec.Struct, kw_only=True):
    """A product or a variation, with at most one stock pool.

    `stock_quantity` is None while stock is not managed here. A variation that does not manage its own stock shares its
    parent's pool when the parent has one. The last three fields are the truth that the control API reports.
    """

    id: int
    sku: str
    name: str
    created_at: datetime
    modified_at: datetime
    parent_id: int = 0
    kind: Kind = "simple"
    status: str = "publish"
    price_cents: int = 1000
    manage_stock: bool = True
    stock_quantity: int | None = 0
    stock_status: str = "outofstock"
    backorders: str = "no"
    low_stock_amount: int | None = None
    writes: int = 0
    units_sold: int = 0
    units_returned: int = 0


class Line(msgspec.Struct, kw_only=True):
    """One order line. `reduced_stock` is core's `_reduced_stock`: units that it has taken from stock, None for none."""

    id: int
    item_id: int
    product_id: int
    variation_id: int
    sku: str
    name: str
    quantity: int
    price_cents: int
    reduced_stock: int | None = None
    restocked: int = 0


class RefundLine(msgspec.Struct, kw_only=True):
    """Units (positive) and money of one order line that went back."""

    id: int
    line: Line
    quantity: int
    amount_cents: int


class Refund(msgspec.Struct, kw_only=True):
    """Money back, and units if some were named."""

    id: int
    created_at: datetime
    reason: str
    amount_cents: int
    lines: list[RefundLine]


class Pickup(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How a buyer means to come for an order: to a place of the checkout block, or by the classic checkout's method."""

    place: str = ""
    """The place's name; empty: the classic checkout, which names none."""
    instance_id: int = 0
    """Of the classic checkout's method in its zone."""


class Order(msgspec.Struct, kw_only=True):
    """A sale. `created_at` is its instant, to the microsecond."""

    id: int
    status: str
    created_at: datetime
    modified_at: datetime
    lines: list[Line]
    refunds: list[Refund] = []
    pickup: Pickup | None = None
    stock_reduced: bool = False
    paid_at: datetime | None = None
    completed_at: datetime | None = None
    """When it last entered `completed`; leaving that status keeps it, as in core (`maybe_set_date_completed`)."""

    @property
    def total_cents(self) -> int:
        """What the buyer owes."""
        return sum(line.price_cents * line.quantity for line in self.lines)


class StockHold(msgspec.Struct, kw_only=True):
    """Units of one pool promised to an unpaid order; core's `wc_reserved_stock`."""

    quantity: int
    expires_at: datetime


class Wanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a buyer puts into the basket: by sku, by product id, or by variation id."""

    quantity: int = 1
    sku: str = ""
    product_id: int = 0
    variation_id: int = 0


class Change(msgspec.Struct, frozen=True):
    """Something webhooks may want to hear of. The payload is not here: it is built when it is delivered."""

    topic: str
    resource_id: int
