"""What goes in and out about orders."""

from typing import Annotated

import msgspec

from engine.domain.orders import OrderLine, OrderStatus
from engine.domain.units import Instant
from ops.gateway.base import Identifier, In, Out


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
    pickup: str | None = None
    """Where the buyer picks it up: owed from there alone; null: it is sent, from wherever there is room."""
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
    notes: tuple[str, ...] = ()
    """What the channel leaves open or contradicts: settled the careful way, for a person to look at."""
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
