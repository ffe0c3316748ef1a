"""Papers of one shard that are done, and when each may be forgotten: purchase orders, transfers, returns of orders.

They are kept far longer than keys: whoever sends all of its open orders every night must find that this one has come.
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from engine.domain.events import PurchaseOrdered, StockReturned, TransferSent
from engine.domain.stock.book import Book
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
    """What may be forgotten some day, in the order in which it is to be looked at."""

    def __init__(self, keep: timedelta, papers_max: int) -> None:
        """Keep what is done for `keep` at least and twice that at most; beyond `papers_max` it goes sooner."""
        self._keep = keep
        self._max = papers_max
        self._waiting: deque[tuple[datetime, Sku, DocumentKey | DemandKey]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, book: Book, event: PurchaseOrdered | TransferSent | StockReturned) -> None:
        """Take in a paper that an event has just made."""
        match event:
            case PurchaseOrdered(purchase_order=document):
                if book.records.purchases[document].made_at == event.at:
                    self._waiting.append((event.at, event.sku, (Paper.PURCHASE, document)))
            case TransferSent(transfer=document):
                self._waiting.append((event.at, event.sku, (Paper.TRANSFER, document)))
            case StockReturned(account=account, order_id=order_id, line_id=line_id):
                if account is None or order_id is None or line_id is None:
                    return
                key = (account, order_id, line_id)
                if book.records.returns[key] == event.quantity:  # the first one
                    self._waiting.append((event.at, event.sku, key))

    def forget(self, books: Mapping[Sku, Book], now: datetime) -> list[DocumentKey]:
        """Drop what was done long enough ago; return the documents that mean nothing to their book any more."""
        gone: list[DocumentKey] = []
        waiting, horizon = self._waiting, now - self._keep
        for _ in range(min(_LOOKED_AT_PER_STEP, len(waiting))):
            if waiting[0][0] >= horizon and len(waiting) <= self._max:
                break
            _, sku, key = waiting.popleft()
            if not _is_done(books[sku], key, now if len(waiting) >= self._max else horizon):
                waiting.append((now, sku, key))
            elif (document := _drop(books[sku], key)) is not None:
                gone.append(document)
        return gone


def _is_done(book: Book, key: DocumentKey | DemandKey, horizon: datetime) -> bool:
    """Whether nothing will come of a paper, and nothing has since `horizon`."""
    match key:
        case (Paper.PURCHASE, document):
            purchase = book.records.purchases.get(document)
            return purchase is None or (purchase.expected == 0 and purchase.touched_at <= horizon)
        case (Paper.TRANSFER, document):
            transfer = book.records.transfers.get(document)
            return transfer is None or (transfer.under_way == 0 and transfer.touched_at <= horizon)
        case (account, order_id, line_id):
            # as long as the order's line is known its channel may tell of these units
            return (account, order_id, line_id) not in book.demand


def _drop(book: Book, key: DocumentKey | DemandKey) -> DocumentKey | None:
    match key:
        case (Paper.PURCHASE, document):
            book.own_records().purchases.pop(document, None)
            return key
        case (Paper.TRANSFER, document):
            book.own_records().transfers.pop(document, None)
            return key
        case (account, order_id, line_id):
            book.own_records().returns.pop((account, order_id, line_id), None)
            return None
