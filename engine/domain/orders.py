"""Orders as channels tell them: whole snapshots, compared by version, never as increments."""

from enum import StrEnum
from typing import Annotated

import msgspec

from engine.domain.units import UNITS_MAX, AccountId, Instant, LineId, ListingId, LocationId, OrderId, Sku, Units

LINES_MAX = 10_000
NOTES_MAX = 100


class OrderStatus(StrEnum):
    """Where an order stands, in our words. Stock follows the counts on its lines, not this word."""

    DRAFT = "draft"
    """Being filled or at the checkout; units are held for a moment."""
    PENDING = "pending"
    """Placed, payment outstanding; units are held until the channel gives up on it."""
    ON_HOLD = "on_hold"
    """Placed, settles later (bank transfer, cash on delivery): committed, never expires."""
    ACCEPTED = "accepted"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class OrderLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of an order: how many units ever, and what became of them.

    `ordered >= cancelled + shipped`; `returned <= shipped`. What is neither cancelled nor shipped is owed.
    """

    line_id: LineId
    sku: Sku | None
    """As the channel names it; None when it names none. The listing map decides where the two disagree."""
    listing_id: ListingId | None = None
    ordered: Units
    cancelled: Units = 0
    """Will not leave: cancelled, or refunded with restock before it was shipped."""
    shipped: Units = 0
    """Left the building for good or until returned; a refund of unshipped units without restock counts here too."""
    returned: Units = 0
    """Of the shipped, back on the shelf and sellable."""
    location: LocationId | None = None
    """Where the buyer picks the units up: owed from there and nowhere else; None: the policy chooses."""

    @property
    def open_units(self) -> int:
        """Units still owed to the buyer."""
        return self.ordered - self.cancelled - self.shipped


class OrderSnapshot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a channel says about one order at one instant."""

    account: AccountId
    order_id: OrderId
    status: OrderStatus
    channel_status: str = ""
    """The channel's own word, for people."""
    placed_at: Instant
    modified_at: Instant
    """The channel's version of the order; often whole seconds only."""
    read_at: Instant | None = None
    """When we asked the channel for it, its state is at least that new. None: it was sent to us, age unknown."""
    held_until: Instant | None = None
    """Open units are only held, until then; None: they are committed."""
    lines: Annotated[tuple[OrderLine, ...], msgspec.Meta(max_length=LINES_MAX)]
    notes: Annotated[tuple[str, ...], msgspec.Meta(max_length=NOTES_MAX)] = ()
    """What the channel leaves open or contradicts, in words: settled the careful way, and for a person to look at."""


class Freshness(StrEnum):
    """How a snapshot stands to the newest one known of the same order."""

    NEWER = "newer"
    REPEAT = "repeat"
    STALE = "stale"
    UNSURE = "unsure"
    """Same second, other content, and nothing says which is later: ask the channel again."""


def judge_freshness(known: OrderSnapshot | None, candidate: OrderSnapshot) -> Freshness:
    """Decide whether `candidate` replaces `known`; lessons C2, C9, D11, D15.

    Channels stamp orders with whole seconds, so two states can share one stamp. A snapshot that we read beats one
    that was sent to us, and a later read beats an earlier one.
    """
    if known is None or candidate.modified_at > known.modified_at:
        return Freshness.NEWER
    if candidate.modified_at < known.modified_at:
        return Freshness.STALE
    if msgspec.structs.replace(candidate, read_at=known.read_at) == known:
        return Freshness.REPEAT
    if candidate.read_at is None:
        return Freshness.UNSURE
    if known.read_at is None or candidate.read_at > known.read_at:
        return Freshness.NEWER
    return Freshness.STALE


def check_snapshot(snapshot: OrderSnapshot) -> str | None:
    """Name the first line whose counts contradict each other, or None when all add up.

    Bounds too: adapters build snapshots without decoding them, and the journal must not hold what replay would refuse.
    """
    if len(snapshot.lines) > LINES_MAX:
        return f"{len(snapshot.lines)} lines: at most {LINES_MAX}"
    seen: set[LineId] = set()
    for line in snapshot.lines:
        if line.line_id in seen:
            return f"line {line.line_id} appears twice"
        seen.add(line.line_id)
        for what in ("ordered", "cancelled", "shipped", "returned"):
            if not 0 <= getattr(line, what) <= UNITS_MAX:
                return f"line {line.line_id}: {what} {getattr(line, what)} is not from 0 to {UNITS_MAX}"
        if line.open_units < 0:
            return f"line {line.line_id}: cancelled {line.cancelled} + shipped {line.shipped} > ordered {line.ordered}"
        if line.returned > line.shipped:
            return f"line {line.line_id}: returned {line.returned} > shipped {line.shipped}"
    return None
