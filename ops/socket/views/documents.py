"""What the socket says about purchase orders and transfers."""

from datetime import UTC, datetime
from typing import Any, Final

from engine.domain.stock.book import Book
from engine.domain.stock.papers import PurchaseOrder, Transfer

View = dict[str, Any]

_EXPECTED_MAX: Final = 100
"""Papers that STOCK lists, the soonest first."""
_SOMEDAY: Final = datetime.max.replace(tzinfo=UTC)


def expected_view(book: Book) -> list[View]:
    """What makes up `incoming` and `in_transit`: each paper with units to come, the soonest first."""
    found = [
        ("purchase_order", line.ordered.location, line.expected, line.ordered.expected_at, document)
        for document, line in book.records.purchases.items()
        if line.expected
    ]
    found += [
        ("transfer", line.sent.target, line.under_way, line.sent.expected_at, document)
        for document, line in book.records.transfers.items()
        if line.under_way
    ]
    found.sort(key=lambda paper: (paper[3] or _SOMEDAY, paper[0], paper[4]))
    names = ("kind", "location", "quantity", "expected_at", "document")
    return [dict(zip(names, paper, strict=True)) for paper in found[:_EXPECTED_MAX]]


def purchase_view(paper: PurchaseOrder) -> View:
    """PO GET: the header, then each SKU with what was ordered, has come, and is still expected."""
    return {
        **purchase_summary(paper),
        "reference": paper.reference,
        "by": paper.by,
        "reason": paper.ended.reason if paper.ended is not None else "",
        "ended_by": paper.ended.by if paper.ended is not None else "",
        "lines": [
            {"sku": sku, "ordered": line.ordered, "received": line.received, "open": line.open, "over": line.over}
            for sku, line in sorted(paper.lines.items())
        ],
    }


def purchase_summary(paper: PurchaseOrder) -> View:
    """One row of PO LIST."""
    return {
        "purchase_order": paper.id,
        "state": paper.state,
        "location": paper.location,
        "supplier": paper.supplier,
        "expected_at": paper.expected_at,
        "ordered_at": paper.ordered_at,
        "changed_at": paper.changed_at,
        "units_ordered": paper.units_ordered,
        "units_received": paper.units_received,
        "units_open": paper.units_open,
        "units_over": paper.units_over,
    }


def transfer_view(paper: Transfer) -> View:
    """TRANSFER GET: the header, then each SKU with what was sent, has arrived, is lost, and is under way."""
    return {
        **transfer_summary(paper),
        "reason": paper.reason,
        "reference": paper.reference,
        "by": paper.by,
        "lines": [
            {"sku": sku, "sent": line.sent, "arrived": line.arrived, "lost": line.lost, "open": line.open}
            for sku, line in sorted(paper.lines.items())
        ],
    }


def transfer_summary(paper: Transfer) -> View:
    """One row of TRANSFER LIST."""
    return {
        "transfer": paper.id,
        "state": paper.state,
        "source": paper.source,
        "target": paper.target,
        "expected_at": paper.expected_at,
        "sent_at": paper.sent_at,
        "changed_at": paper.changed_at,
        "units_sent": paper.units_sent,
        "units_arrived": paper.units_arrived,
        "units_lost": paper.units_lost,
        "units_open": paper.units_sent - paper.units_arrived - paper.units_lost,
    }
