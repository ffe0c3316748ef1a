"""Which SKUs a purchase order or a transfer has lines of: its id alone, in a later command, says nothing."""

from collections.abc import Callable, Iterable
from typing import Final

from engine.domain.commands import OrderPurchase, SendTransfer
from engine.domain.stock.book import Book
from engine.domain.stock.filing import DocumentKey, Paper
from engine.domain.units import Sku

_NONE: Final[frozenset[Sku]] = frozenset()


class Documents:
    """Noted when a command is routed, so that the next one of the same client finds it, decided or not."""

    def __init__(self) -> None:
        """Start without documents; replay brings them."""
        self._skus: dict[DocumentKey, frozenset[Sku]] = {}

    def __len__(self) -> int:
        return len(self._skus)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Documents) and other._skus == self._skus

    __hash__ = None  # type: ignore[assignment]

    def note(self, document: DocumentKey, skus: Iterable[Sku]) -> tuple[Sku, ...]:
        """Add lines to a document; return the SKUs of all it has, sorted."""
        known = self._skus[document] = self._skus.get(document, _NONE).union(skus)
        return tuple(sorted(known))

    def skus_of(self, document: DocumentKey) -> tuple[Sku, ...]:
        """Return the SKUs of a document, sorted; empty for one that nobody has heard of."""
        return tuple(sorted(self._skus.get(document, _NONE)))

    def settle(self, document: DocumentKey, book_of: Callable[[Sku], Book | None]) -> None:
        """Keep those SKUs whose books know the document: it was refused, or forgotten by one of them."""
        known = frozenset(
            sku
            for sku in self._skus.get(document, _NONE)
            if (book := book_of(sku)) is not None and knows_document(book, document)
        )
        if known:
            self._skus[document] = known
        else:
            self._skus.pop(document, None)


def knows_document(book: Book, document: DocumentKey) -> bool:
    """Whether a book has a line of a document."""
    match document:
        case (Paper.PURCHASE, number):
            return number in book.records.purchases
        case (Paper.TRANSFER, number):
            return number in book.records.transfers
    return False


def document_of(command: OrderPurchase | SendTransfer) -> DocumentKey:
    """Return the document that a command makes."""
    match command:
        case OrderPurchase(purchase_order=number):
            return (Paper.PURCHASE, number)
        case SendTransfer(transfer=number):
            return (Paper.TRANSFER, number)
