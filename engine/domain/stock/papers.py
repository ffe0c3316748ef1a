"""Purchase orders and transfers as people see them, over all of their SKUs: a projection of the journal.

The books decide on the lines, each SKU in its own; this puts the lines of a document together for reading. Nothing is
decided on it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import nlargest
from itertools import chain
from typing import Final, Generic, TypeVar

import msgspec

from engine.domain.events import (
    Event,
    PaperForgotten,
    PurchaseOrdered,
    PurchaseOrderEnded,
    StockReceived,
    TransferArrived,
    TransferLost,
    TransferSent,
)
from engine.domain.stock.filing import DOCUMENTS_SECONDS
from engine.domain.units import DocumentId, LocationId, Sku

PAPER_EVENTS: Final[tuple[type[Event], ...]] = (
    PurchaseOrdered,
    PurchaseOrderEnded,
    StockReceived,
    TransferSent,
    TransferArrived,
    TransferLost,
    PaperForgotten,
)
"""What `Papers.apply` wants to hear of."""

FINISHED_MAX: Final = 50_000
"""Finished documents of a kind kept for reading; the journal has them all."""
_READABLE: Final = 2
"""Times as long as the books know them, at most: whoever asks again finds what was done."""


class PurchaseState(StrEnum):
    """How far a purchase order is."""

    OPEN = "open"
    PARTLY_RECEIVED = "partly_received"
    RECEIVED = "received"
    """All of it has come."""
    CLOSED = "closed"
    """Nothing more is expected, though not all of it has come."""
    CANCELLED = "cancelled"


class TransferState(StrEnum):
    """How far a transfer is."""

    IN_TRANSIT = "in_transit"
    PARTLY_ARRIVED = "partly_arrived"
    ARRIVED = "arrived"
    """Nothing is under way any more: it came, or it was given up as lost."""


class PurchaseLine(msgspec.Struct, kw_only=True):
    """One SKU of a purchase order."""

    ordered: int = 0
    received: int = 0
    ended: bool = False
    forgotten: bool = False
    """By its book: ordered again, it is another line."""

    @property
    def open(self) -> int:
        """Units still expected."""
        return 0 if self.ended else max(0, self.ordered - self.received)

    @property
    def over(self) -> int:
        """Units received beyond what was ordered."""
        return max(0, self.received - self.ordered)


class TransferLine(msgspec.Struct, kw_only=True):
    """One SKU of a transfer."""

    sent: int = 0
    arrived: int = 0
    lost: int = 0

    @property
    def open(self) -> int:
        """Units under way."""
        return self.sent - self.arrived - self.lost


class PurchaseOrder(msgspec.Struct, kw_only=True):
    """A purchase order: what is expected at a location, from whom and when."""

    id: DocumentId
    number: int
    """Rises with every new document: newer ones have higher numbers."""
    location: LocationId
    ordered_at: datetime
    changed_at: datetime
    expected_at: datetime | None = None
    supplier: str = ""
    by: str = ""
    reference: str = ""
    lines: dict[Sku, PurchaseLine] = {}
    lines_open: int = 0
    lines_forgotten: int = 0
    units_ordered: int = 0
    """Over all lines, as are the three that follow."""
    units_received: int = 0
    units_open: int = 0
    units_over: int = 0
    ended: PurchaseOrderEnded | None = None

    @property
    def is_forgotten(self) -> bool:
        """Whether no book knows it any more: who names its number means a new one."""
        return self.lines_forgotten == len(self.lines)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more is expected."""
        return self.lines_open == 0

    @property
    def state(self) -> PurchaseState:
        """How far it is, in a word."""
        if self.ended is not None:
            return PurchaseState.CANCELLED if self.ended.cancelled else PurchaseState.CLOSED
        if self.lines_open == 0:
            return PurchaseState.RECEIVED if self.units_received else PurchaseState.CLOSED
        return PurchaseState.PARTLY_RECEIVED if self.units_received else PurchaseState.OPEN


class Transfer(msgspec.Struct, kw_only=True):
    """Units on their way between two of our locations."""

    id: DocumentId
    number: int
    source: LocationId
    target: LocationId
    sent_at: datetime
    changed_at: datetime
    expected_at: datetime | None = None
    reason: str = ""
    by: str = ""
    reference: str = ""
    lines: dict[Sku, TransferLine] = {}
    lines_open: int = 0
    units_sent: int = 0
    """Over all lines, as are the two that follow."""
    units_arrived: int = 0
    units_lost: int = 0

    @property
    def is_finished(self) -> bool:
        """Whether nothing is under way any more."""
        return self.lines_open == 0

    @property
    def state(self) -> TransferState:
        """How far it is, in a word."""
        if self.lines_open == 0:
            return TransferState.ARRIVED
        return TransferState.PARTLY_ARRIVED if self.units_arrived or self.units_lost else TransferState.IN_TRANSIT


Paper = TypeVar("Paper", PurchaseOrder, Transfer)


class Shelf(Generic[Paper]):
    """The documents of one kind: all that are open, and the newest of the finished ones."""

    def __init__(self, finished_for: timedelta) -> None:
        """Start empty; finished ones are kept for so long at most."""
        self._finished_for = finished_for
        self.open: dict[DocumentId, Paper] = {}
        self.finished: dict[DocumentId, Paper] = {}
        """In the order in which they were last touched."""
        self.numbered = 0
        """Documents ever."""

    def next_number(self) -> int:
        """Number a new document."""
        self.numbered += 1
        return self.numbered

    def find(self, document: DocumentId) -> Paper | None:
        """Return a document, open or finished and not forgotten yet."""
        return self.open.get(document) or self.finished.get(document)

    def newest(self, limit: int, *, also_finished: bool) -> list[Paper]:
        """Return documents, the newest first."""
        papers: Iterator[Paper] = chain(self.open.values(), self.finished.values() if also_finished else ())
        return nlargest(limit, papers, key=_number)

    def restore(self, paper: Paper) -> None:
        """Take in a document that was touched after all those before it."""
        (self.finished if paper.is_finished else self.open)[paper.id] = paper

    def put(self, paper: Paper, at: datetime) -> None:
        """Take a changed document back, and forget finished ones beyond the limits: O(1) but for those forgotten."""
        self.open.pop(paper.id, None)
        self.finished.pop(paper.id, None)
        (self.finished if paper.is_finished else self.open)[paper.id] = paper
        while self.finished:
            oldest = next(iter(self.finished.values()))
            if len(self.finished) <= FINISHED_MAX and oldest.changed_at > at - self._finished_for:
                return
            del self.finished[oldest.id]


def _number(paper: PurchaseOrder | Transfer) -> int:
    return paper.number


class Papers:
    """Every purchase order and transfer that is open, and the finished ones of late.

    What the books have forgotten can be read until its time is over, or its number is used again.
    """

    def __init__(self, documents_seconds: float = DOCUMENTS_SECONDS) -> None:
        """Start without any; `documents_seconds` is how long books know one of which all is done, at least."""
        finished_for = timedelta(seconds=_READABLE * documents_seconds)
        self.purchases: Shelf[PurchaseOrder] = Shelf(finished_for)
        self.transfers: Shelf[Transfer] = Shelf(finished_for)

    def apply(self, event: Event) -> None:
        """Take one event of `PAPER_EVENTS` into the document it belongs to."""
        match event:
            case PurchaseOrdered():
                self._order(event)
            case StockReceived(purchase_order=str()):
                self._receive(event)
            case PurchaseOrderEnded():
                self._end(event)
            case TransferSent():
                self._send(event)
            case TransferArrived():
                self._settle(event, arrived=event.quantity, lost=0)
            case TransferLost():
                self._settle(event, arrived=0, lost=event.quantity)
            case PaperForgotten():
                self._forget(event)
            case _:
                pass

    def _order(self, event: PurchaseOrdered) -> None:
        paper = self.purchases.find(event.purchase_order)
        # nobody amends what has ended: a program that did not say so has forgotten it
        if paper is None or paper.is_forgotten or paper.ended is not None:
            paper = PurchaseOrder(
                id=event.purchase_order,
                number=self.purchases.next_number(),
                location=event.location,
                ordered_at=event.at,
                changed_at=event.at,
            )
        paper.expected_at, paper.supplier = event.expected_at, event.supplier
        paper.by, paper.reference = event.by, event.reference
        self._set_line(paper, event.sku, event.at, ordered=event.quantity)

    def _receive(self, event: StockReceived) -> None:
        paper = self.purchases.find(event.purchase_order) if event.purchase_order is not None else None
        if paper is not None:  # else: over-received long after the last unit that was ordered had come
            self._set_line(paper, event.sku, event.at, received=event.quantity)

    def _end(self, event: PurchaseOrderEnded) -> None:
        paper = self.purchases.find(event.purchase_order)
        if paper is not None:
            paper.ended = event
            self._set_line(paper, event.sku, event.at, ended=True)

    def _set_line(
        self,
        paper: PurchaseOrder,
        sku: Sku,
        at: datetime,
        *,
        ordered: int | None = None,
        received: int = 0,
        ended: bool = False,
    ) -> None:
        line = paper.lines.setdefault(sku, PurchaseLine())
        add_purchase_line(paper, line, -1)
        if line.forgotten:  # others of the order are known still
            line = paper.lines[sku] = PurchaseLine()
            paper.lines_forgotten -= 1
        line.ordered = line.ordered if ordered is None else ordered
        line.received += received
        line.ended = line.ended or ended
        add_purchase_line(paper, line, 1)
        paper.changed_at = at
        self.purchases.put(paper, at)

    def _send(self, event: TransferSent) -> None:
        paper = self.transfers.find(event.transfer)
        if paper is None or paper.is_finished:  # the number is used again: a transfer is never added to
            paper = Transfer(
                id=event.transfer,
                number=self.transfers.next_number(),
                source=event.source,
                target=event.target,
                sent_at=event.at,
                changed_at=event.at,
                expected_at=event.expected_at,
                reason=event.reason,
                by=event.by,
                reference=event.reference,
            )
        self._set_transfer_line(paper, event.sku, event.at, sent=event.quantity)

    def _settle(self, event: TransferArrived | TransferLost, *, arrived: int, lost: int) -> None:
        paper = self.transfers.find(event.transfer)
        assert paper is not None, event  # what is under way is open, and open ones are never forgotten
        self._set_transfer_line(paper, event.sku, event.at, arrived=arrived, lost=lost)

    def _set_transfer_line(
        self, paper: Transfer, sku: Sku, at: datetime, *, sent: int = 0, arrived: int = 0, lost: int = 0
    ) -> None:
        line = paper.lines.setdefault(sku, TransferLine())
        was_open = line.open > 0
        line.sent += sent
        line.arrived += arrived
        line.lost += lost
        paper.lines_open += (line.open > 0) - was_open
        paper.units_sent += sent
        paper.units_arrived += arrived
        paper.units_lost += lost
        paper.changed_at = at
        self.transfers.put(paper, at)

    def _forget(self, event: PaperForgotten) -> None:
        """Note that a book knows its line no more. A transfer's say so by themselves: none is under way."""
        paper = self.purchases.find(event.purchase_order) if event.purchase_order is not None else None
        line = paper.lines.get(event.sku) if paper is not None else None
        if paper is not None and line is not None:  # else it is not kept any more
            line.forgotten = True
            paper.lines_forgotten += 1


def add_purchase_line(paper: PurchaseOrder, line: PurchaseLine, sign: int) -> None:
    """Count a line in what its order comes to (`sign` 1), or no more (-1)."""
    paper.lines_open += sign * (line.open > 0)
    paper.units_ordered += sign * line.ordered
    paper.units_received += sign * line.received
    paper.units_open += sign * line.open
    paper.units_over += sign * line.over
