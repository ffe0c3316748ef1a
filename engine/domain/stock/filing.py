"""Papers of one shard that are done, and when each may be forgotten: purchase orders, transfers, returns of orders.

They are kept far longer than keys: whoever sends all of its open orders every night must find that this one has come.
That one is forgotten is an event, for its number may be used again: replay must not take the new paper for the old one.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from operator import itemgetter
from typing import Final

from engine.domain.events import (
    DemandSet,
    PaperForgotten,
    PurchaseOrdered,
    PurchaseOrderEnded,
    StockReceived,
    StockReturned,
    TransferArrived,
    TransferLost,
)
from engine.domain.stock.book import Book, demand_key
from engine.domain.stock.records import DemandKey
from engine.domain.units import DocumentId, Sku

DOCUMENTS_SECONDS: Final = 180 * 86_400.0
"""Half a year, unless told: longer than a supplier's or an auditor's question takes."""
_LOOKED_AT_PER_STEP: Final = 64


class Paper(StrEnum):
    """Kinds of documents; each numbers its own."""

    PURCHASE = "purchase"
    TRANSFER = "transfer"


DocumentKey = tuple[Paper, DocumentId]


class Filing:
    """What is done and may be forgotten some day, in the order in which it was done.

    A paper is in it once for every event that left it done; the last one counts.
    """

    def __init__(self, keep: timedelta, papers_max: int) -> None:
        """Keep what is done for `keep`; beyond `papers_max` the oldest goes sooner."""
        self._keep = keep
        self._max = papers_max
        self._done: deque[tuple[datetime, Sku, DocumentKey | DemandKey]] = deque()

    def __len__(self) -> int:
        return len(self._done)

    def note(
        self,
        book: Book,
        event: PurchaseOrdered
        | PurchaseOrderEnded
        | StockReceived
        | StockReturned
        | TransferArrived
        | TransferLost
        | DemandSet,
    ) -> None:
        """Hear of an event that was applied to the book and may have left a paper done."""
        key: DocumentKey | DemandKey
        match event:
            case PurchaseOrdered(purchase_order=str() as number) | PurchaseOrderEnded(purchase_order=number):
                key = (Paper.PURCHASE, number)
            case StockReceived(purchase_order=str() as number):
                key = (Paper.PURCHASE, number)
            case TransferArrived(transfer=number) | TransferLost(transfer=number):
                key = (Paper.TRANSFER, number)
            case StockReturned(account=str() as account, order_id=str() as order_id, line_id=str() as line_id):
                key = (account, order_id, line_id)
            case DemandSet():
                key = demand_key(event)
            case _:
                return
        if _done_at(book, key) == event.at:
            self._done.append((event.at, book.sku, key))

    def restore(self, book: Book) -> None:
        """Take in the papers of a book that was restored; `restored` follows the last one."""
        records = book.records
        keys: Sequence[DocumentKey | DemandKey] = (
            *[(Paper.PURCHASE, number) for number in records.purchases],
            *[(Paper.TRANSFER, number) for number in records.transfers],
            *records.returns,
        )
        for key in keys:
            if (at := _done_at(book, key)) is not None:
                self._done.append((at, book.sku, key))

    def restored(self) -> None:
        """Bring them into the order in which they were done."""
        self._done = deque(sorted(self._done, key=itemgetter(0)))

    def forget(self, books: Mapping[Sku, Book], now: datetime) -> Iterator[PaperForgotten]:
        """Say of some papers that they were done long enough ago; apply each before asking for the next."""
        done, horizon = self._done, now - self._keep
        for _ in range(min(_LOOKED_AT_PER_STEP, len(done))):
            if done[0][0] >= horizon and len(done) <= self._max:
                break
            at, sku, key = done.popleft()
            if _done_at(books[sku], key) == at:
                yield _forgotten(now, sku, key)


def _done_at(book: Book, key: DocumentKey | DemandKey) -> datetime | None:
    """Return since when nothing will come of a paper; None: something may, or the book does not know it."""
    records = book.records
    match key:
        case (Paper.PURCHASE, document):
            purchase = records.purchases.get(document)
            return purchase.touched_at if purchase is not None and purchase.expected == 0 else None
        case (Paper.TRANSFER, document):
            transfer = records.transfers.get(document)
            return transfer.touched_at if transfer is not None and transfer.under_way == 0 else None
        case (account, order_id, line_id):
            line = (account, order_id, line_id)
            # as long as the order's line is known its channel may tell of these units
            return records.returned_at.get(line) if line not in book.demand else None


def _forgotten(now: datetime, sku: Sku, key: DocumentKey | DemandKey) -> PaperForgotten:
    match key:
        case (Paper.PURCHASE, document):
            return PaperForgotten(at=now, sku=sku, purchase_order=document)
        case (Paper.TRANSFER, document):
            return PaperForgotten(at=now, sku=sku, transfer=document)
        case (account, order_id, line_id):
            return PaperForgotten(at=now, sku=sku, account=account, order_id=order_id, line_id=line_id)


def document_of_forgotten(event: PaperForgotten) -> DocumentKey | None:
    """Return the document that a book has forgotten; None: it was an order line's return."""
    if event.purchase_order is not None:
        return (Paper.PURCHASE, event.purchase_order)
    return (Paper.TRANSFER, event.transfer) if event.transfer is not None else None
