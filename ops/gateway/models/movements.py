"""Movements over REST: what goes in and out. Answers mirror `docs/socket.md`."""

from typing import Annotated, Literal

import msgspec

from engine.domain.units import Instant, SignedUnits
from ops.gateway.base import Identifier, In, Level, Out, Quantity, Text
from ops.sizes import SNAPSHOT_ROWS_MAX

OnHandState = Literal["sellable", "quality_hold", "damaged", "display"]
Outcome = Literal["restock", "damaged", "writeoff", "display", "hold"]


class AdjustmentRequest(In, frozen=True, kw_only=True):
    """A correction with a reason."""

    key: Identifier | None = None
    """Your id of this correction; or send it as Idempotency-Key."""
    sku: Identifier
    location: Identifier
    delta: SignedUnits
    reason: Text
    """One of `stock.reasons`, details after a colon: `damaged: fell off the pallet`."""
    reference: Text | None = None
    """The paper it belongs to."""


class Adjustment(Out, frozen=True, kw_only=True):
    """The correction is on disk."""

    key: str
    sku: str
    location: str
    delta: int
    on_hand: int
    """After it."""


class ReceiptRequest(In, frozen=True, kw_only=True):
    """Units that arrived."""

    key: Identifier | None = None
    """Your id of this receipt; or send it as Idempotency-Key."""
    sku: Identifier
    location: Identifier
    quantity: Quantity
    purchase_order: Identifier | None = None
    """The purchase order that announced them; null: nobody had."""
    reference: Text | None = None
    """The paper it belongs to."""


class Receipt(Out, frozen=True, kw_only=True, omit_defaults=True):
    """The receipt is on disk."""

    key: str
    sku: str
    location: str
    quantity: int
    on_hand: int
    """After it."""
    purchase_order: str | None = None
    ordered: int | None = None
    """Of this SKU on the purchase order; null: no purchase order."""
    received: int | None = None
    """On it so far, this receipt included."""
    over: int | None = None
    """Received beyond what was ordered."""


class _Keyed(In, frozen=True, kw_only=True):
    """One movement of one SKU."""

    key: Identifier | None = None
    """Your id of this movement; or send it as Idempotency-Key. Repeating it answers as the first time."""
    sku: Identifier
    location: Identifier
    reference: Text | None = None
    """The paper it belongs to."""


class ReturnRequest(_Keyed, frozen=True, kw_only=True):
    """A buyer's units that came back, to any location."""

    quantity: Quantity
    state: OnHandState = "quality_hold"
    """What state they are in; nobody has looked at them yet unless you say so."""
    account: Identifier | None = None
    """With `order`: where they were sold, so that a restock the channel reports counts no second time."""
    order: Identifier | None = None
    line: Identifier | None = None
    """Needed only when several lines of the order have this SKU."""
    reason: Text | None = None


class Returned(Out, frozen=True, kw_only=True):
    """The return is on disk."""

    key: str
    sku: str
    location: str
    quantity: int
    on_hand: int
    """After it."""
    state: str
    account: str | None = None
    order: str | None = None
    line: str | None = None
    taken_back: int
    """Units that the channel had reported as restocked, and that this return is."""


class InspectionRequest(_Keyed, frozen=True, kw_only=True):
    """What somebody found who looked at units."""

    quantity: Quantity
    outcome: Outcome
    source: OnHandState | None = None
    """What they were; null: `quality_hold` for restock, damaged and writeoff, `sellable` for display and hold."""
    reason: Text | None = None


class Inspected(Out, frozen=True, kw_only=True):
    """The change of state is on disk."""

    key: str
    sku: str
    location: str
    quantity: int
    source: str
    target: str
    on_hand: int
    """After it; lower only when units were written off."""


class CountRequest(_Keyed, frozen=True, kw_only=True):
    """What somebody counted, and when: what was sold and received since is not lost."""

    counted: Level
    """Units at the location in whatever state."""
    taken_at: Instant
    """When they were counted, not when it was entered."""
    blind: bool = False
    """Do not tell what was expected unless the count was applied: who is to count again must not know."""


class Counted(Out, frozen=True, kw_only=True, omit_defaults=True):
    """The count is on disk; whether it changed anything says `applied`."""

    key: str
    sku: str
    location: str
    counted: int
    taken_at: Instant
    applied: bool
    recount: bool
    """The variance is beyond the tolerance: a second count has to confirm it."""
    confirms: str | None = None
    """The key of the earlier count that this one agrees with."""
    expected: int | None = None
    """On hand at `taken_at` by the books; absent when blind and not applied, as are the following."""
    variance: int | None = None
    percent: float | None = None
    """The variance in percent of what was expected; null when that was 0."""
    on_hand: int | None = None
    """Now."""


class SnapshotRow(In, frozen=True, kw_only=True):
    """What a partner has of one SKU."""

    sku: Identifier
    quantity: Level


class SnapshotRequest(In, frozen=True, kw_only=True):
    """What a partner (3PL, ERP, FBA) says it has of ours. A SKU that is not mentioned is not touched."""

    key: Identifier | None = None
    """Your id of this snapshot; or send it as Idempotency-Key."""
    location: Identifier
    source: Identifier
    """Who says so; an older snapshot of the same source never replaces a newer one."""
    as_of: Instant
    """When it was so."""
    nets_open_orders: bool
    """Whether the partner has taken our open orders off already."""
    force: bool = False
    """Apply it although much falls to zero."""
    reference: Text | None = None
    rows: Annotated[tuple[SnapshotRow, ...], msgspec.Meta(min_length=1, max_length=SNAPSHOT_ROWS_MAX)]


class RowVerdict(Out, frozen=True, kw_only=True):
    """What became of one row."""

    sku: str
    outcome: str
    """`applied`, `stale` (a newer snapshot is known), `unknown_sku` or `refused`."""
    quantity: int
    delta: int | None = None
    """What on hand changed by; null: it was not applied, as below."""
    on_hand: int | None = None
    problem: str | None = None
    """Why not."""


class SnapshotTaken(Out, frozen=True, kw_only=True):
    """Each row has its own verdict, in the order of the rows."""

    key: str
    location: str
    source: str
    as_of: Instant
    applied: int
    """Rows, as below."""
    stale: int
    unknown_sku: int
    refused: int
    rows: tuple[RowVerdict, ...]


class AllocationRequest(In, frozen=True, kw_only=True):
    """Where the open units of an order line shall come from."""

    line: Identifier
    sku: Identifier
    location: Identifier
    reason: Text | None = None
    reference: Text | None = None


class Allocated(Out, frozen=True, kw_only=True):
    """The line is owed from there now."""

    account: str
    order: str
    line: str
    sku: str
    location: str
