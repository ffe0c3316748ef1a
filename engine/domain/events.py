"""What has happened. The journal is made of these, so they are forever: new fields get defaults, none is renamed.

An event carries the instant of its decision (`at`), so that replay needs no clock.
"""

from typing import Annotated

import msgspec

from engine.domain.orders import OrderSnapshot
from engine.domain.units import (
    AccountId,
    HoldId,
    Instant,
    Key,
    LineId,
    ListingId,
    LocationId,
    OrderId,
    Sku,
    Total,
    Units,
)

Part = tuple[LocationId, int]
"""Units at one location."""
Line = tuple[Sku, int]
"""Units of one SKU, wherever they lie."""


class _Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", gc=False):
    at: Instant


# -- one book: the shard that owns the SKU decides and applies these -------------------------------------------------


class SkuAdded(_Event, frozen=True, kw_only=True, tag="sku_added", gc=False):
    """A SKU exists from now on; again, it has a new name or safety stock."""

    sku: Sku
    name: str = ""
    safety_stock: tuple[Part, ...] = ()


class UnitsHeld(_Event, frozen=True, kw_only=True, tag="units_held", gc=False):
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


class HoldRefused(_Event, frozen=True, kw_only=True, tag="hold_refused", gc=False):
    """A hold was not granted; kept by the first SKU that was short."""

    sku: Sku
    hold_id: HoldId
    requested: Units
    atp: int
    account: AccountId
    asked: tuple[Line, ...] = ()
    location: LocationId | None = None


class HoldCommitted(_Event, frozen=True, kw_only=True, tag="hold_committed", gc=False):
    """Held units became demand of an order."""

    sku: Sku
    hold_id: HoldId
    account: AccountId
    order_id: OrderId | None
    """None: nobody named one; the demand stands under the hold's own id."""
    owed: bool = True
    """False: the order's own snapshot already claims these units."""


class HoldReleased(_Event, frozen=True, kw_only=True, tag="hold_released", gc=False):
    """Given back on request."""

    sku: Sku
    hold_id: HoldId


class HoldExpired(_Event, frozen=True, kw_only=True, tag="hold_expired", gc=False):
    """Its time was over; the units were available from `expires_at` on, whenever this was noted."""

    sku: Sku
    hold_id: HoldId


class StockAdjusted(_Event, frozen=True, kw_only=True, tag="stock_adjusted", gc=False):
    """On hand changed by a correction."""

    sku: Sku
    key: Key
    location: LocationId
    delta: int
    on_hand: Total
    """At that location, afterwards."""
    reason: str


class StockReceived(_Event, frozen=True, kw_only=True, tag="stock_received", gc=False):
    """Units arrived."""

    sku: Sku
    key: Key
    location: LocationId
    quantity: Units
    on_hand: Total


class DemandSet(_Event, frozen=True, kw_only=True, tag="demand_set", gc=False):
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
    returned: tuple[Part, ...] = ()


class DemandLapsed(_Event, frozen=True, kw_only=True, tag="demand_lapsed", gc=False):
    """The reserved part of an unpaid order line ran out of time."""

    sku: Sku
    account: AccountId
    order_id: OrderId
    line_id: LineId


class OversellRecorded(_Event, frozen=True, kw_only=True, tag="oversell_recorded", gc=False):
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


class OversellCleared(_Event, frozen=True, kw_only=True, tag="oversell_cleared", gc=False):
    """All that is promised can be kept again."""

    sku: Sku


# -- the order desk ---------------------------------------------------------------------------------------------------


class OrderRecorded(_Event, frozen=True, kw_only=True, tag="order_recorded", gc=False):
    """The newest snapshot of an order, and which SKU each of its lines means (None: no listing matches)."""

    snapshot: OrderSnapshot
    skus: tuple[Sku | None, ...]
    packs: tuple[int, ...] = ()
    """Units of the SKU in one unit of each line; empty: one in each."""


# -- intake -----------------------------------------------------------------------------------------------------------


class WebhookStored(_Event, frozen=True, kw_only=True, tag="webhook_stored", gc=False):
    """A delivery is safe with us and may be acknowledged."""

    account: AccountId
    delivery_key: str
    headers: dict[str, str]
    body: bytes


class WebhookHandled(_Event, frozen=True, kw_only=True, tag="webhook_handled", gc=False):
    """All that the delivery told has been decided."""

    account: AccountId
    delivery_key: str
    outcome: str


class OrdersCaughtUp(_Event, frozen=True, kw_only=True, tag="orders_caught_up", gc=False):
    """Every order modified up to `through_at` (the channel's time) has been decided."""

    account: AccountId
    through_at: Instant


# -- listings and pushes: the pusher of the account -------------------------------------------------------------------


class ListingMapped(_Event, frozen=True, kw_only=True, tag="listing_mapped", gc=False):
    """This listing sells this SKU."""

    account: AccountId
    listing_id: ListingId
    sku: Sku
    pack_units: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Units of the SKU in one unit of the listing."""
    source: str = ""
    """`import` or `sku match`."""


class ListingDropped(_Event, frozen=True, kw_only=True, tag="listing_dropped", gc=False):
    """The mapping ended."""

    account: AccountId
    listing_id: ListingId


class PushPlanned(_Event, frozen=True, kw_only=True, tag="push_planned", gc=False):
    """This number is about to be sent. Journalled first, so that no number was ever sent without a reason on record."""

    account: AccountId
    listing_id: ListingId
    sku: Sku
    version: int
    quantity: Total
    basis: int
    """Journal position of the availability it was computed from."""
    terms: tuple[tuple[str, str, str], ...] = ()
    """The sum as `explain` prints it: term, value, rule."""


class PushSettled(_Event, frozen=True, kw_only=True, tag="push_settled", gc=False):
    """What the channel said of a push."""

    account: AccountId
    listing_id: ListingId
    version: int
    verdict: str
    reason: str = ""


class PushVerified(_Event, frozen=True, kw_only=True, tag="push_verified", gc=False):
    """The channel was read and shows what was pushed, less what it has sold since."""

    account: AccountId
    listing_id: ListingId
    version: int
    shown: int


class DriftFound(_Event, frozen=True, kw_only=True, tag="drift_found", gc=False):
    """The channel was read and shows something else."""

    account: AccountId
    listing_id: ListingId
    version: int
    shown: int | None
    expected: int


class AccountPaused(_Event, frozen=True, kw_only=True, tag="account_paused", gc=False):
    """Nothing is pushed until it is resumed."""

    account: AccountId
    reason: str


class AccountResumed(_Event, frozen=True, kw_only=True, tag="account_resumed", gc=False):
    """Pushing goes on."""

    account: AccountId


BookEvent = (
    SkuAdded
    | UnitsHeld
    | HoldRefused
    | HoldCommitted
    | HoldReleased
    | HoldExpired
    | StockAdjusted
    | StockReceived
    | DemandSet
    | DemandLapsed
    | OversellRecorded
    | OversellCleared
)
IntakeEvent = WebhookStored | WebhookHandled | OrdersCaughtUp
PushEvent = (
    ListingMapped
    | ListingDropped
    | PushPlanned
    | PushSettled
    | PushVerified
    | DriftFound
    | AccountPaused
    | AccountResumed
)
Event = BookEvent | OrderRecorded | IntakeEvent | PushEvent
