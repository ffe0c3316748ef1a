"""Purchase orders and transfers as people see them; `engine.domain.stock.papers` says what the fields mean."""

from datetime import datetime

import msgspec

from engine.domain.events import PurchaseOrderEnded
from engine.domain.stated.base import BaseStatement
from engine.domain.units import DocumentId, Instant, LocationId, Sku


class OrderedStated(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One SKU of a purchase order."""

    sku: Sku
    ordered: int
    received: int
    ended: bool
    forgotten: bool = False


class SentStated(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One SKU of a transfer."""

    sku: Sku
    sent: int
    arrived: int
    lost: int


class PurchaseStated(BaseStatement, frozen=True, kw_only=True, tag="purchase_stated", gc=False):
    """A purchase order; they stand in the order in which they were touched last."""

    id: DocumentId
    number: int
    location: LocationId
    ordered_at: Instant
    changed_at: Instant
    expected_at: datetime | None = None
    supplier: str = ""
    by: str = ""
    reference: str = ""
    lines: tuple[OrderedStated, ...] = ()
    ended: PurchaseOrderEnded | None = None


class TransferStated(BaseStatement, frozen=True, kw_only=True, tag="transfer_stated", gc=False):
    """A transfer, likewise."""

    id: DocumentId
    number: int
    source: LocationId
    target: LocationId
    sent_at: Instant
    changed_at: Instant
    expected_at: datetime | None = None
    reason: str = ""
    by: str = ""
    reference: str = ""
    lines: tuple[SentStated, ...] = ()


class PapersStated(BaseStatement, frozen=True, kw_only=True, tag="papers_stated", gc=False):
    """How many documents were numbered."""

    purchases: int = 0
    transfers: int = 0
