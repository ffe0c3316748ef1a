"""Purchase orders and transfers over REST: what goes in and out. Answers mirror `docs/socket.md`."""

from typing import Annotated

import msgspec

from engine.domain.units import Instant
from ops.gateway.base import Identifier, In, Level, Out, Quantity, Text
from ops.sizes import DOCUMENT_LINES_MAX


class PurchaseLineRequest(In, frozen=True, kw_only=True):
    """How many of one SKU are ordered."""

    sku: Identifier
    quantity: Level


class PurchaseRequest(In, frozen=True, kw_only=True):
    """The whole purchase order as it stands: a new one, or an amended one. The same again changes nothing."""

    location: Identifier
    """Where the units are to arrive."""
    lines: Annotated[tuple[PurchaseLineRequest, ...], msgspec.Meta(min_length=1, max_length=DOCUMENT_LINES_MAX)]
    """A SKU that stood here before and does not now is expected no more."""
    expected_at: Instant | None = None
    supplier: Text | None = None
    reference: Text | None = None


class EndRequest(In, frozen=True, kw_only=True):
    """Why nothing more is expected."""

    reason: Text | None = None


class PurchaseLine(Out, frozen=True, kw_only=True):
    """One SKU of a purchase order."""

    sku: str
    ordered: int
    received: int
    open: int
    """Still expected."""
    over: int
    """Received beyond what was ordered."""


class PurchaseSummary(Out, frozen=True, kw_only=True):
    """One row of the list of purchase orders."""

    purchase_order: str
    state: str
    """`open`, `partly_received`, `received`, `closed` or `cancelled`."""
    location: str
    supplier: str
    expected_at: Instant | None = None
    ordered_at: Instant
    changed_at: Instant
    units_ordered: int
    units_received: int
    units_open: int
    units_over: int


class Purchase(PurchaseSummary, frozen=True, kw_only=True):
    """A purchase order with its lines."""

    reference: str
    by: str
    """Who ordered or amended it last."""
    reason: str
    """Why it was closed or cancelled..."""
    ended_by: str
    """...and by whom."""
    lines: tuple[PurchaseLine, ...]


class Purchases(Out, frozen=True, kw_only=True):
    """Newest first."""

    purchase_orders: tuple[PurchaseSummary, ...]


class TransferLineRequest(In, frozen=True, kw_only=True):
    """Units of one SKU to send."""

    sku: Identifier
    quantity: Quantity


class TransferRequest(In, frozen=True, kw_only=True):
    """Units that leave one of your locations for another: all lines or none."""

    source: Identifier
    target: Identifier
    lines: Annotated[tuple[TransferLineRequest, ...], msgspec.Meta(min_length=1, max_length=DOCUMENT_LINES_MAX)]
    expected_at: Instant | None = None
    reason: Text | None = None
    reference: Text | None = None


class TransferLine(Out, frozen=True, kw_only=True):
    """One SKU of a transfer."""

    sku: str
    sent: int
    arrived: int
    lost: int
    open: int
    """Under way, sellable nowhere."""


class TransferSummary(Out, frozen=True, kw_only=True):
    """One row of the list of transfers."""

    transfer: str
    state: str
    """`in_transit`, `partly_arrived` or `arrived` (nothing is under way any more)."""
    source: str
    target: str
    expected_at: Instant | None = None
    sent_at: Instant
    changed_at: Instant
    units_sent: int
    units_arrived: int
    units_lost: int
    units_open: int


class Transfer(TransferSummary, frozen=True, kw_only=True):
    """A transfer with its lines."""

    reason: str
    reference: str
    by: str
    lines: tuple[TransferLine, ...]


class Transfers(Out, frozen=True, kw_only=True):
    """Newest first."""

    transfers: tuple[TransferSummary, ...]


class _Settled(In, frozen=True, kw_only=True):
    """Units of a transfer."""

    key: Identifier | None = None
    """Your id of this arrival or loss; or send it as Idempotency-Key."""
    sku: Identifier
    quantity: Quantity
    reference: Text | None = None


class ArrivalRequest(_Settled, frozen=True, kw_only=True):
    """Units that arrived."""


class LossRequest(_Settled, frozen=True, kw_only=True):
    """Units that will not arrive."""

    reason: Text


class Arrival(Out, frozen=True, kw_only=True):
    """The arrival is on disk."""

    key: str
    transfer: str
    sku: str
    location: str
    """The target."""
    quantity: int
    on_hand: int
    """There, after it."""


class Loss(Out, frozen=True, kw_only=True):
    """The loss is on disk."""

    key: str
    transfer: str
    sku: str
    location: str
    """The target."""
    quantity: int
