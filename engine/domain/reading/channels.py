"""What passed between us and channels, as rows: orders as they tell them, listings, and every number they were sent."""

from typing import Any, Final

import msgspec

from engine.domain.events import (
    DriftFound,
    ListingDropped,
    ListingMapped,
    OrderRecorded,
    PushPlanned,
    PushSettled,
    PushVerified,
)
from engine.domain.reading.rows import Changes, Load, Rows, Table, moment, moment_or_none

_TERMS: Final = msgspec.json.Encoder()


class Order(msgspec.Struct, gc=False):
    """The newest that a channel told of an order."""

    status: str
    channel_status: str
    placed_at: str
    modified_at: str
    recorded_at: str
    held_until: str | None
    lines: int
    position: int


class OrderLine(msgspec.Struct, gc=False):
    """One line of it, in units of the listing."""

    sku: str | None
    pack_units: int
    listing_id: str | None
    channel_sku: str | None
    ordered: int
    cancelled: int
    shipped: int
    returned: int
    pickup_location: str | None


class Listing(msgspec.Struct, gc=False):
    """What a listing sells."""

    sku: str
    pack_units: int
    source: str
    mapped_at: str
    dropped_at: str | None = None


class Push(msgspec.Struct, gc=False):
    """One number that was, or was about to be, sent."""

    sku: str
    quantity: int
    basis: int
    planned_at: str
    terms: str
    verdict: str | None = None
    reason: str | None = None
    settled_at: str | None = None
    verified_at: str | None = None
    verified_shown: int | None = None
    drifts: int = 0
    drift_at: str | None = None
    drift_shown: int | None = None
    drift_expected: int | None = None


ORDERS: Final = Table("orders", Order, ("account", "order_id"))
ORDER_LINES: Final = Table("order_lines", OrderLine, ("account", "order_id"), ("line_id",))
LISTINGS: Final = Table("listings", Listing, ("account", "listing_id"))
PUSHES: Final = Table("pushes", Push, ("account", "listing_id", "version"))


class Channels:
    """Keeps orders, listings and pushes."""

    def __init__(self, load: Load) -> None:
        """Know none yet."""
        self._orders = Rows(ORDERS, load)
        self._lines = Rows(ORDER_LINES, load)
        self._listings = Rows(LISTINGS, load)
        self._pushes = Rows(PUSHES, load)
        self.rows: tuple[Rows[Any], ...] = (self._orders, self._lines, self._listings, self._pushes)

    def take(self) -> list[Changes]:
        """Return what changed since the last time."""
        return [rows.take() for rows in self.rows]

    def record(self, position: int, event: OrderRecorded) -> None:
        """Keep the newest of an order, in place of all that was known of it."""
        order = event.snapshot
        key = (order.account, order.order_id)
        row = Order(
            order.status,
            order.channel_status,
            moment(order.placed_at),
            moment(order.modified_at),
            moment(event.at),
            moment_or_none(order.held_until),
            len(order.lines),
            position,
        )
        self._orders.begin(key, row)
        packs = event.packs or (1,) * len(order.lines)
        lines = {
            (line.line_id,): OrderLine(
                sku,
                pack,
                line.listing_id,
                line.sku,
                line.ordered,
                line.cancelled,
                line.shipped,
                line.returned,
                line.location,
            )
            for line, sku, pack in zip(order.lines, event.skus, packs, strict=True)
        }
        for tail in [tail for tail in self._lines.of(key) if tail not in lines]:
            self._lines.drop(key, tail)
        for tail, row_of_line in lines.items():
            self._lines.put(key, row_of_line, tail)

    def map(self, event: ListingMapped) -> None:
        """Let a listing sell a SKU."""
        row = Listing(event.sku, event.pack_units, event.source, moment(event.at))
        self._listings.begin((event.account, event.listing_id), row)

    def drop(self, event: ListingDropped) -> None:
        """End a mapping."""
        key = (event.account, event.listing_id)
        listing = self._listings.one(key)
        if listing is not None:
            listing.dropped_at = moment(event.at)
            self._listings.put(key, listing)

    def plan(self, event: PushPlanned) -> None:
        """Keep a number that is about to be sent, and why it is this one."""
        push = Push(event.sku, event.quantity, event.basis, moment(event.at), _TERMS.encode(event.terms).decode())
        self._pushes.begin((event.account, event.listing_id, event.version), push)

    def hear(self, event: PushSettled | PushVerified | DriftFound) -> None:
        """Keep what became of it; of a number that nobody planned, nothing is kept."""
        key = (event.account, event.listing_id, event.version)
        push = self._pushes.one(key)
        if push is None:
            return
        at = moment(event.at)
        match event:
            case PushSettled(verdict=verdict, reason=reason):
                push.verdict, push.reason, push.settled_at = verdict, reason, at
            case PushVerified(shown=shown):
                push.verified_at, push.verified_shown = at, shown
            case DriftFound(shown=drift_shown, expected=expected):
                push.drifts += 1
                push.drift_at, push.drift_shown, push.drift_expected = at, drift_shown, expected
        self._pushes.put(key, push)
