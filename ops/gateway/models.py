"""What goes in and out over REST. Answers mirror `docs/socket.md`; quantities are base units, instants aware UTC."""

from typing import Annotated, Any, Literal

import msgspec

from engine.domain.orders import OrderLine, OrderStatus
from engine.domain.units import Instant
from ops.gateway.base import Identifier, In, Out, Quantity

BATCH_HOLDS_MAX = 500


class Line(In, frozen=True, kw_only=True):
    """Units of one SKU to hold."""

    sku: Identifier
    quantity: Quantity


class HoldRequest(In, frozen=True, kw_only=True):
    """A promise to a basket or draft: all lines or none."""

    hold: Identifier | None = None
    """Your id, new for each basket; or send it as Idempotency-Key. Repeating it answers as the first time."""
    ttl_seconds: Annotated[int, msgspec.Meta(ge=1)] | Literal["never"]
    """How long the units stay held; `never` for payments that settle later."""
    lines: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=1000)]
    account: Identifier | None = None
    """Whose sale it will be; null: your own storefront."""
    location: Identifier | None = None
    """Hold here only; null: as the account's locations are ordered."""


class HoldBatch(In, frozen=True, kw_only=True):
    """Many holds in one round trip; each stands for itself."""

    holds: Annotated[tuple[HoldRequest, ...], msgspec.Meta(min_length=1, max_length=BATCH_HOLDS_MAX)]


class CommitRequest(In, frozen=True, kw_only=True):
    """What became of a hold."""

    order: Identifier | None = None
    """Your order's id, so that the order and the hold are not counted twice."""


class HeldLine(Out, frozen=True, kw_only=True):
    """Units held at one location."""

    sku: str
    location: str | None = None
    quantity: int


class Hold(Out, frozen=True, kw_only=True):
    """Units are yours until then."""

    hold: str
    expires_at: Instant | None = None
    """Null: never."""
    lines: tuple[HeldLine, ...]


class HoldResult(Out, frozen=True, kw_only=True, omit_defaults=True):
    """One item of a batch: `hold` or `problem`."""

    status: int
    """As the hold would have been answered alone."""
    hold: Hold | None = None
    problem: dict[str, Any] | None = None
    """A problem document."""


class HoldResults(Out, frozen=True, kw_only=True):
    """In the order of the batch."""

    results: tuple[HoldResult, ...]


class Committed(Out, frozen=True, kw_only=True):
    """The hold has become demand."""

    hold: str
    order: str | None = None
    committed_at: Instant


class Released(Out, frozen=True, kw_only=True):
    """The units are available again."""

    hold: str
    released_at: Instant


class HoldState(Out, frozen=True, kw_only=True):
    """What is known of a hold."""

    hold: str
    state: str
    """`held`, `committed`, `released`, `expired` or `refused`."""
    expires_at: Instant | None = None
    account: str | None = None
    order: str | None = None
    lines: tuple[HeldLine, ...] = ()


class Figures(Out, frozen=True, kw_only=True):
    """The words of the ledger: `docs/glossary.md`."""

    on_hand: int
    committed: int
    reserved: int
    unavailable: int
    """On hand and not for sale: the three that follow."""
    quality_hold: int
    damaged: int
    display: int
    safety_stock: int
    incoming: int
    in_transit: int
    atp: int
    """Available to promise; negative means oversold."""


class LocationStock(Figures, frozen=True, kw_only=True):
    """The figures at one location."""

    location: str
    kind: str | None = None
    """`own`, `store`, `third_party`, `channel_fulfilled`, `consignment`, `in_transit`; null: not configured."""


class ExpectedUnits(Out, frozen=True, kw_only=True):
    """Units to come, and on which paper."""

    kind: str
    """`purchase_order` or `transfer`."""
    document: str
    location: str
    """Where they are to arrive."""
    quantity: int
    expected_at: Instant | None = None


class BundleComponent(Out, frozen=True, kw_only=True):
    """One SKU with stock of which a bundle is made."""

    sku: str
    quantity: int
    """Units in one unit of the bundle."""
    atp: int
    makes: int
    """Units of the bundle that these would do for."""
    binds: bool
    """Whether there is least of this one."""


class Bundle(Out, frozen=True, kw_only=True):
    """What a bundle is made of, and what there is of that."""

    version: int
    one_location: bool
    """Whether the components of one unit must come from one location."""
    components: tuple[BundleComponent, ...]


class Stock(Figures, frozen=True, kw_only=True):
    """The figures of one SKU over all locations."""

    sku: str
    name: str | None = None
    oversold: int
    """Units promised beyond what there is: open incidents."""
    holds: int
    """Open holds."""
    locations: tuple[LocationStock, ...]
    documents: tuple[ExpectedUnits, ...]
    """What makes up `incoming` and `in_transit`, the soonest first."""
    bundle: Bundle | None = None
    """Of a bundle: what it is made of, which `atp` follows; the other figures are those of its own book, zeros."""


class Offer(Out, frozen=True, kw_only=True):
    """What one listing is told and what it shows."""

    account: str
    listing: str
    offer: int | None = None
    shown: int | None = None
    """As last read; null: unknown."""
    state: str
    version: int | None = None
    sent_at: Instant | None = None
    accepted_at: Instant | None = None
    verified_at: Instant | None = None
    reason: str | None = None


class Offers(Out, frozen=True, kw_only=True):
    """Every listing of one SKU."""

    sku: str
    offers: tuple[Offer, ...]


class Allocation(Out, frozen=True, kw_only=True):
    """Units of an order line bound to a location."""

    location: str
    quantity: int


class OrderedComponent(Out, frozen=True, kw_only=True):
    """A component of a line of a bundle, as it was sold."""

    sku: str
    quantity: int
    """Units in one unit of the line."""
    allocation: tuple[Allocation, ...] = ()


class OrderedLine(Out, frozen=True, kw_only=True):
    """One line of an order as it stands."""

    line: str
    sku: str | None = None
    listing: str | None = None
    matched: bool | str | None = None
    ordered: int
    cancelled: int
    shipped: int
    returned: int
    open: int
    """Still owed to the buyer."""
    allocation: tuple[Allocation, ...] = ()
    components: tuple[OrderedComponent, ...] = ()
    """Of a bundle: what it is owed in."""


class Order(Out, frozen=True, kw_only=True):
    """The newest snapshot of an order."""

    account: str
    order: str
    status: str
    channel_status: str | None = None
    placed_at: Instant | None = None
    modified_at: Instant | None = None
    held_until: Instant | None = None
    lines: tuple[OrderedLine, ...]


class OrderSummary(Out, frozen=True, kw_only=True):
    """One row of the list of orders."""

    account: str
    order: str
    status: str
    placed_at: Instant | None = None
    modified_at: Instant | None = None
    units_open: int | None = None
    """Null: known only from its hold."""


class Orders(Out, frozen=True, kw_only=True):
    """Newest first."""

    orders: tuple[OrderSummary, ...]


class OrderRequest(In, frozen=True, kw_only=True):
    """All that you know of one order at one instant: levels, never increments."""

    account: Identifier | None = None
    """If given, as in the path."""
    order_id: Identifier | None = None
    """If given, as in the path."""
    status: OrderStatus
    channel_status: str = ""
    placed_at: Instant
    modified_at: Instant
    """The order's version: an older snapshot never replaces a newer one."""
    held_until: Instant | None = None
    lines: Annotated[tuple[OrderLine, ...], msgspec.Meta(max_length=10_000)]


class Recorded(Out, frozen=True, kw_only=True):
    """What the snapshot changed."""

    account: str
    order: str
    outcome: str
    """`newer`, `repeat`, `stale`, or `unsure`: same `modified_at`, other content; send it with a later one."""


class Incident(Out, frozen=True, kw_only=True):
    """An oversell, with its cause."""

    sku: str
    units: int
    account: str | None = None
    order: str | None = None
    cause: str
    detail: str | None = None
    at: Instant
    cleared_at: Instant | None = None


class Incidents(Out, frozen=True, kw_only=True):
    """Newest first."""

    incidents: tuple[Incident, ...]


class Channel(Out, frozen=True, kw_only=True):
    """One account and how far it is in step."""

    account: str
    channel: str
    mode: str
    state: str
    """`live`, `shadow`, `off`, `paused`, `catching_up` or `unreachable`."""
    reason: str | None = None
    listings: int
    dirty: int
    in_flight: int
    accepted: int
    drifted: int
    refused: int
    unmatched: int
    orders_through: Instant | None = None
    lag_seconds: float | None = None


class Channels(Out, frozen=True, kw_only=True):
    """Every configured account."""

    channels: tuple[Channel, ...]


class ChannelDone(Out, frozen=True, kw_only=True):
    """The command was taken."""

    account: str
    action: str


class Ready(Out, frozen=True, kw_only=True):
    """The daemon is in business."""

    ready: bool
    journal: Any = None
    accounts: tuple[dict[str, Any], ...] = ()


class Alive(Out, frozen=True, kw_only=True):
    """This process is up; nothing is said of the daemon."""

    alive: bool = True
