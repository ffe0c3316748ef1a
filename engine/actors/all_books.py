"""The books of all shards as one: what they state does not tell how many shards there were."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from engine.actors.directory import Directory, placed_on
from engine.actors.documents import Documents
from engine.domain.events import HoldRefused, UnitsHeld
from engine.domain.partition import shard_of
from engine.domain.stated.stock import BookContinued, BooksStated, BookStated, EndedStated
from engine.domain.stock.filing import Paper
from engine.domain.stock.ledger import Ledger
from engine.domain.stock.stating import Forgotten, state_book
from engine.domain.units import Sku


class AllBooks:
    """Owner of all stock towards snapshots (`engine.domain.stated.Stateful`). Holds nothing of its own."""

    def __init__(self, ledgers: Sequence[Ledger], directory: Directory, documents: Documents) -> None:
        """Join `ledgers`, one per shard in their order, and what their books are found by."""
        self._ledgers = ledgers
        self._directory = directory
        self._documents = documents

    def state(self, as_of: datetime) -> Iterator[BookStated | BookContinued | BooksStated]:
        """State every book, in SKU order; nothing may change meanwhile."""
        forgotten: dict[Sku, Forgotten] = {}
        for ledger in self._ledgers:
            forgotten |= ledger.forgettable(as_of)
        skus = sorted(sku for ledger in self._ledgers for sku in ledger.books)
        for sku in skus:
            yield from state_book(self._ledger_of(sku).books[sku], as_of, forgotten.get(sku, ()))
        yield BooksStated(books=len(skus))

    def restore(self, statement: BookStated | BookContinued | BooksStated) -> None:
        """Take in a book, or that this was all of them."""
        if isinstance(statement, BooksStated):
            books = sum(len(ledger.books) for ledger in self._ledgers)
            assert books == statement.books, f"{statement.books} books were stated, {books} are restored"
            for ledger in self._ledgers:
                ledger.restored()
            return
        self._ledger_of(statement.sku).restore(statement)
        promised: Sequence[UnitsHeld | HoldRefused | EndedStated] = (
            *statement.holds,
            *statement.refused,
            *statement.ended,
        )
        for known in promised:
            skus = tuple([sku for sku, _ in known.asked]) if known.asked else (statement.sku,)
            self._directory[known.hold_id] = placed_on(skus, known.account)
        if isinstance(statement, BookStated):
            for purchase in statement.purchases:
                self._documents.note((Paper.PURCHASE, purchase.ordered.purchase_order), (statement.sku,))
            for transfer in statement.transfers:
                self._documents.note((Paper.TRANSFER, transfer.sent.transfer), (statement.sku,))

    def _ledger_of(self, sku: Sku) -> Ledger:
        return self._ledgers[shard_of(sku, len(self._ledgers))]
