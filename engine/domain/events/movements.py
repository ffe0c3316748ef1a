"""Movements of one SKU: units that come, go, change state or are counted. Each has its caller's key.

Who (`by`), why (`reason`) and what paper it belongs to (`reference`) stand on every one of them.
"""

from engine.domain.events.base import BaseEvent, Line, Part
from engine.domain.states import State
from engine.domain.units import AccountId, DocumentId, Instant, Key, LineId, LocationId, OrderId, Sku, Total, Units


class StockAdjusted(BaseEvent, frozen=True, kw_only=True, tag="stock_adjusted", gc=False):
    """On hand changed by a correction."""

    sku: Sku
    key: Key
    location: LocationId
    delta: int
    on_hand: Total
    """At that location, afterwards."""
    reason: str
    by: str = ""
    reference: str = ""


class StockReceived(BaseEvent, frozen=True, kw_only=True, tag="stock_received", gc=False):
    """Units arrived."""

    sku: Sku
    key: Key
    location: LocationId
    quantity: Units
    on_hand: Total
    purchase_order: DocumentId | None = None
    """None: nobody had announced them."""
    ordered: Total | None = None
    """Of this SKU on that purchase order..."""
    received: Total | None = None
    """...and received on it so far, these units included; None: no purchase order."""
    by: str = ""
    reference: str = ""


class StockReturned(BaseEvent, frozen=True, kw_only=True, tag="stock_returned", gc=False):
    """A buyer's units came back, to whichever location; they wait in a state until somebody has looked at them."""

    sku: Sku
    key: Key
    location: LocationId
    quantity: Units
    on_hand: Total
    state: State = State.QUALITY_HOLD
    account: AccountId | None = None
    order_id: OrderId | None = None
    line_id: LineId | None = None
    """The order line they were sold on, where known: what its channel says was restocked counts no second time."""
    taken_back: tuple[Part, ...] = ()
    """What the channel's word had put on the shelf for these very units, taken off it again."""
    reason: str = ""
    by: str = ""
    reference: str = ""


class StateChanged(BaseEvent, frozen=True, kw_only=True, tag="state_changed", gc=False):
    """Units at a location changed state: inspected, damaged, put on show, written off."""

    sku: Sku
    key: Key
    location: LocationId
    quantity: Units
    source: State
    target: State
    on_hand: Total
    reason: str = ""
    by: str = ""
    reference: str = ""


class StockCounted(BaseEvent, frozen=True, kw_only=True, tag="stock_counted", gc=False):
    """Somebody counted the units at a location at an instant; what moved since then is not lost."""

    sku: Sku
    key: Key
    location: LocationId
    counted: Total
    taken_at: Instant
    expected: int
    """On hand at `taken_at`, as the books had it; negative where another count took away what had not come by then."""
    delta: int
    """`counted - expected`; what on hand changes by when the count is applied."""
    applied: bool
    """False: the variance is too large, a recount has to confirm it."""
    confirms: Key | None = None
    """The earlier count that this one agrees with."""
    on_hand: Total
    """Now, afterwards."""
    by: str = ""
    reference: str = ""


class StockObserved(BaseEvent, frozen=True, kw_only=True, tag="stock_observed", gc=False):
    """A partner who keeps our units (3PL, ERP, FBA) told its figure as of an instant."""

    sku: Sku
    key: Key
    location: LocationId
    source: str
    quantity: Total
    as_of: Instant
    nets_open_orders: bool
    """Whether the partner has taken our open orders off already."""
    delta: int
    """What on hand changes by."""
    on_hand: Total
    by: str = ""
    reference: str = ""


class PurchaseOrdered(BaseEvent, frozen=True, kw_only=True, tag="purchase_ordered", gc=False):
    """A line of a purchase order stands at this quantity; again, it was amended. 0: the line was taken out."""

    sku: Sku
    purchase_order: DocumentId
    location: LocationId
    quantity: Units
    expected_at: Instant | None = None
    supplier: str = ""
    by: str = ""
    reference: str = ""


class PurchaseOrderEnded(BaseEvent, frozen=True, kw_only=True, tag="purchase_order_ended", gc=False):
    """Nothing more is expected on this line."""

    sku: Sku
    purchase_order: DocumentId
    cancelled: bool
    """True: cancelled; False: closed, with or without all of it received."""
    reason: str = ""
    by: str = ""


class TransferSent(BaseEvent, frozen=True, kw_only=True, tag="transfer_sent", gc=False):
    """Units left one of our locations for another; sellable nowhere until they arrive."""

    sku: Sku
    transfer: DocumentId
    source: LocationId
    target: LocationId
    quantity: Units
    on_hand: Total
    """At the source, afterwards."""
    asked: tuple[Line, ...] = ()
    """All lines of a transfer of several SKUs; empty when this SKU is the only one."""
    expected_at: Instant | None = None
    reason: str = ""
    by: str = ""
    reference: str = ""


class TransferArrived(BaseEvent, frozen=True, kw_only=True, tag="transfer_arrived", gc=False):
    """Units of a transfer arrived at its target."""

    sku: Sku
    key: Key
    transfer: DocumentId
    location: LocationId
    """The transfer's target."""
    quantity: Units
    on_hand: Total
    """At the target, afterwards."""
    by: str = ""
    reference: str = ""


class TransferLost(BaseEvent, frozen=True, kw_only=True, tag="transfer_lost", gc=False):
    """Units of a transfer will not arrive."""

    sku: Sku
    key: Key
    transfer: DocumentId
    location: LocationId
    """The target that they will not reach."""
    quantity: Units
    reason: str = ""
    by: str = ""
    reference: str = ""


class PaperForgotten(BaseEvent, frozen=True, kw_only=True, tag="paper_forgotten", gc=False):
    """A paper that was done long ago means nothing to a SKU's book any more; who names it again means a new one.

    A purchase order, a transfer, or the units of an order line that came back.
    """

    sku: Sku
    purchase_order: DocumentId | None = None
    transfer: DocumentId | None = None
    account: AccountId | None = None
    """Of the order line, as are the two that follow."""
    order_id: OrderId | None = None
    line_id: LineId | None = None


Movement = (
    StockAdjusted
    | StockReceived
    | StockReturned
    | StateChanged
    | StockCounted
    | StockObserved
    | PurchaseOrdered
    | PurchaseOrderEnded
    | TransferSent
    | TransferArrived
    | TransferLost
)
