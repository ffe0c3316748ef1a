"""One book: the shard that owns the SKU decides and applies these."""

from engine.domain.events.base import BaseEvent, Line, Part
from engine.domain.events.catalogue import SkuMerged, SkuRetired, SkuRevived
from engine.domain.events.movements import Movement, PaperForgotten
from engine.domain.events.recipes import RecipeSet
from engine.domain.units import (
    AccountId,
    HoldId,
    Instant,
    LineId,
    LocationId,
    OrderId,
    Sku,
    Total,
    Units,
)


class SkuAdded(BaseEvent, frozen=True, kw_only=True, tag="sku_added", gc=False):
    """A SKU exists from now on; again, it has a new name or safety stock."""

    sku: Sku
    name: str = ""
    safety_stock: tuple[Part, ...] = ()


class UnitsHeld(BaseEvent, frozen=True, kw_only=True, tag="units_held", gc=False):
    """A hold was granted; one event per SKU of the hold, all in one frame."""

    sku: Sku
    hold_id: HoldId
    parts: tuple[Part, ...]
    expires_at: Instant | None
    account: AccountId
    asked: tuple[Line, ...] = ()
    """All lines of a hold over several SKUs; empty when this SKU is the only one."""
    location: LocationId | None = None
    """Where the caller insisted on; None: the policy chose."""
    wanted: tuple[Line, ...] = ()
    """What the caller named when a bundle was among it; `asked` is what that came to. Empty: the same."""


class HoldRefused(BaseEvent, frozen=True, kw_only=True, tag="hold_refused", gc=False):
    """A hold was not granted; kept by the first SKU that was short."""

    sku: Sku
    hold_id: HoldId
    requested: Units
    atp: int
    account: AccountId
    asked: tuple[Line, ...] = ()
    location: LocationId | None = None
    wanted: tuple[Line, ...] = ()
    bundle: tuple[Sku, int, int] | None = None
    """The bundle that this SKU was wanted for: its units wanted, and how many of them there were."""


class HoldCommitted(BaseEvent, frozen=True, kw_only=True, tag="hold_committed", gc=False):
    """Held units became demand of an order."""

    sku: Sku
    hold_id: HoldId
    account: AccountId
    order_id: OrderId | None
    """None: nobody named one; the demand stands under the hold's own id."""
    owed: bool = True
    """False: the order's own snapshot already claims these units."""


class HoldReleased(BaseEvent, frozen=True, kw_only=True, tag="hold_released", gc=False):
    """Given back on request."""

    sku: Sku
    hold_id: HoldId


class HoldExpired(BaseEvent, frozen=True, kw_only=True, tag="hold_expired", gc=False):
    """Its time was over; the units were available from `expires_at` on, whenever this was noted."""

    sku: Sku
    hold_id: HoldId


class DemandSet(BaseEvent, frozen=True, kw_only=True, tag="demand_set", gc=False):
    """An order line stands at these levels now, whatever it stood at before."""

    sku: Sku
    account: AccountId
    order_id: OrderId
    line_id: LineId
    committed: tuple[Part, ...] = ()
    reserved: tuple[Part, ...] = ()
    expires_at: Instant | None = None
    """When the reserved part lapses."""
    shipped: tuple[Part, ...] = ()
    """No fewer than came back physically: those must have left."""
    returned: tuple[Part, ...] = ()
    """Said by the channel to be on the shelf again, beyond what came back physically (`StockReturned`)."""
    bound: bool = False
    """Its open units are owed from this place and no other: a buyer picks them up there."""
    by: str = ""
    """Who moved its open units to where they are owed from now; empty here and below: no person did, an order told."""
    reason: str = ""
    reference: str = ""


class DemandLapsed(BaseEvent, frozen=True, kw_only=True, tag="demand_lapsed", gc=False):
    """The reserved part of an unpaid order line ran out of time."""

    sku: Sku
    account: AccountId
    order_id: OrderId
    line_id: LineId


class OversellRecorded(BaseEvent, frozen=True, kw_only=True, tag="oversell_recorded", gc=False):
    """More is promised than there is."""

    sku: Sku
    units: Total
    """More than before; 0 where a shortage shrank without ending."""
    open_units: Total
    """In all, now."""
    account: AccountId | None
    order_id: OrderId | None
    cause: str
    detail: str = ""
    location: LocationId | None = None
    """The location that is short and that no other makes good; None: those that stand in for one another.

    Journals of before this was told apart have none: they speak of all locations.
    """


class OversellCleared(BaseEvent, frozen=True, kw_only=True, tag="oversell_cleared", gc=False):
    """All that is promised can be kept again."""

    sku: Sku
    location: LocationId | None = None
    """Whose incident it ends, as in `OversellRecorded`."""


BookEvent = (
    SkuAdded
    | UnitsHeld
    | HoldRefused
    | HoldCommitted
    | HoldReleased
    | HoldExpired
    | Movement
    | DemandSet
    | DemandLapsed
    | OversellRecorded
    | OversellCleared
    | PaperForgotten
    | RecipeSet
    | SkuMerged
    | SkuRetired
    | SkuRevived
)
