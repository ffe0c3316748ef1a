"""What books say of themselves, in a few digits each: two that know the same have the same ones."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from engine.domain.stock.book import Book
from engine.domain.stock.ledger import Ledger
from engine.domain.stock.stating import state_book
from engine.domain.units import Sku

RECORDS_MAX: Final = 2000
"""Holds, order lines and movements that are gone through at once: some milliseconds, in which nobody else is served."""
_DIGITS: Final = 16
"""Of SHA-256: it is to find mistakes, and nobody gains by making one."""
_ENCODER: Final = msgspec.msgpack.Encoder()


def fingerprint(ledger: Ledger, skus: Sequence[Sku], as_of: datetime) -> tuple[tuple[Sku, str], ...]:
    """Return SKU and fingerprint of some books, as many as may be gone through at once: busy ones are left out.

    Args:
        ledger: has books of all these SKUs.
        skus: in any order, which is kept.
        as_of: what may be forgotten by then does not count.
    """
    forgotten, left = ledger.forgettable(as_of), RECORDS_MAX
    found: list[tuple[Sku, str]] = []
    for sku in skus:
        book = ledger.books[sku]
        records = count_records(book)
        if records > left:
            continue
        left -= records
        sha256 = hashlib.sha256()
        for statement in state_book(book, as_of, forgotten.get(sku, ())):
            sha256.update(_ENCODER.encode(statement))
        found.append((sku, sha256.hexdigest()[:_DIGITS]))
    return tuple(found)


def count_records(book: Book) -> int:
    """Count what a book remembers one by one."""
    return len(book.holds) + len(book.ended) + len(book.refused) + len(book.demand) + len(book.movements)
