"""Units that come, go, change state or are counted, and what is answered.

Each is recognised by its key within its SKU: the same key with the same content is answered as the first time, with
other content it is a CONFLICT.
"""

from datetime import datetime

from engine.domain.commands.answers import Refusal
from engine.domain.commands.base import Message
from engine.domain.events import Movement, Part
from engine.domain.states import State
from engine.domain.units import AccountId, DocumentId, Key, LineId, LocationId, OrderId, Sku


class AddSku(Message, frozen=True, kw_only=True, gc=False):
    """Make a SKU exist, or give it a new name or safety stock."""

    sku: Sku
    name: str
    safety_stock: tuple[Part, ...] = ()


class OpenStock(Message, frozen=True, kw_only=True, gc=False):
    """Opening stock of a SKU at a location that never moved."""

    sku: Sku
    location: LocationId
    on_hand: int


class Adjust(Message, frozen=True, kw_only=True, gc=False):
    """Correct on hand by a delta."""

    key: Key
    sku: Sku
    location: LocationId
    delta: int
    reason: str
    by: str = ""
    reference: str = ""


class Receive(Message, frozen=True, kw_only=True, gc=False):
    """Take in units, announced by a purchase order or not."""

    key: Key
    sku: Sku
    location: LocationId
    quantity: int
    purchase_order: DocumentId | None = None
    by: str = ""
    reference: str = ""


class Return(Message, frozen=True, kw_only=True, gc=False):
    """Take back a buyer's units, into any state but `written_off`.

    `account`, `order_id` and `line_id` are all three given or none: whoever builds it finds the line.
    """

    key: Key
    sku: Sku
    location: LocationId
    quantity: int
    state: State = State.QUALITY_HOLD
    account: AccountId | None = None
    order_id: OrderId | None = None
    line_id: LineId | None = None
    reason: str = ""
    by: str = ""
    reference: str = ""


class ChangeState(Message, frozen=True, kw_only=True, gc=False):
    """Inspect, set aside, put on show or write off units at a location."""

    key: Key
    sku: Sku
    location: LocationId
    quantity: int
    source: State
    target: State
    reason: str = ""
    by: str = ""
    reference: str = ""


class Count(Message, frozen=True, kw_only=True, gc=False):
    """Tell what was counted at a location at an instant."""

    key: Key
    sku: Sku
    location: LocationId
    counted: int
    taken_at: datetime
    tolerance_percent: float
    """A variance of more than this share of what was expected..."""
    tolerance_units: int
    """...and of more than this many units has to be confirmed by a recount."""
    by: str = ""
    reference: str = ""


class Observe(Message, frozen=True, kw_only=True, gc=False):
    """One row of a partner's snapshot: what it says it has of ours."""

    key: Key
    sku: Sku
    location: LocationId
    source: str
    quantity: int
    as_of: datetime
    nets_open_orders: bool
    by: str = ""
    reference: str = ""


class TakeSnapshot(Message, frozen=True, kw_only=True, gc=False):
    """Take in rows of one partner's snapshot: equal in all but SKU and quantity. Each has a verdict of its own."""

    rows: tuple[Observe, ...]

    @property
    def skus(self) -> tuple[Sku, ...]:
        """SKUs of the rows, sorted."""
        return tuple(sorted({row.sku for row in self.rows}))


class OrderPurchase(Message, frozen=True, kw_only=True, gc=False):
    """Bring a purchase order to these lines: a new one, an amended one, or (the same again) nothing."""

    purchase_order: DocumentId
    location: LocationId
    lines: tuple[tuple[Sku, int], ...]
    """One per SKU, sorted; a SKU that an earlier version had and this one has not stands at 0 here."""
    expected_at: datetime | None = None
    supplier: str = ""
    by: str = ""
    reference: str = ""

    @property
    def skus(self) -> tuple[Sku, ...]:
        """SKUs of the order, sorted."""
        return tuple(sku for sku, _ in self.lines)


class EndPurchase(Message, frozen=True, kw_only=True, gc=False):
    """Close or cancel a purchase order: nothing more is expected on it."""

    purchase_order: DocumentId
    cancelled: bool
    reason: str = ""
    by: str = ""


class SendTransfer(Message, frozen=True, kw_only=True, gc=False):
    """Send units from one of our locations to another; all lines or none."""

    transfer: DocumentId
    source: LocationId
    target: LocationId
    lines: tuple[tuple[Sku, int], ...]
    """One per SKU, sorted."""
    expected_at: datetime | None = None
    reason: str = ""
    by: str = ""
    reference: str = ""

    @property
    def skus(self) -> tuple[Sku, ...]:
        """SKUs of the transfer, sorted."""
        return tuple(sku for sku, _ in self.lines)


class ReceiveTransfer(Message, frozen=True, kw_only=True, gc=False):
    """Take in units of a transfer at its target."""

    key: Key
    transfer: DocumentId
    sku: Sku
    quantity: int
    by: str = ""
    reference: str = ""


class LoseTransfer(Message, frozen=True, kw_only=True, gc=False):
    """Give up on units of a transfer."""

    key: Key
    transfer: DocumentId
    sku: Sku
    quantity: int
    reason: str = ""
    by: str = ""
    reference: str = ""


class Moved(Message, frozen=True, kw_only=True, gc=False):
    """What was recorded, now or the first time it was asked: one event per SKU, in SKU order."""

    movements: tuple[Movement, ...]


class Observed(Message, frozen=True, kw_only=True, gc=False):
    """What became of a snapshot's rows, in their order."""

    verdicts: tuple[Moved | Refusal, ...]
