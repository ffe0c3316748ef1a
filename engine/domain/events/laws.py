"""What the scanner found: laws of the ledger that did not hold. It tells, and repairs nothing."""

from engine.domain.events.base import BaseEvent
from engine.domain.units import LocationId, Sku


class ViolationFound(BaseEvent, frozen=True, kw_only=True, tag="violation_found", gc=False):
    """A law does not hold for a SKU, or by another amount than before. Open until `ViolationCleared`."""

    law: str
    sku: Sku
    location: LocationId | None
    """None: the law is about the SKU as a whole."""
    expected: int
    found: int
    detail: str = ""
    positions: tuple[int, ...] = ()
    """Frames of the last events that touched the SKU, the newest last; empty: not looked for, there were too many."""
    origin: int | None = None
    """Frame of the first event after which the journal itself does not add up; None: it does, or was not asked."""


class ViolationCleared(BaseEvent, frozen=True, kw_only=True, tag="violation_cleared", gc=False):
    """A later scan found that the law holds again; nobody has repaired it but a movement or a restart."""

    law: str
    sku: Sku
    location: LocationId | None


class BooksCompared(BaseEvent, frozen=True, kw_only=True, tag="books_compared", gc=False):
    """Some books were copied between the events before this one and those after it, to be compared with the journal."""

    part: int
    """Which part of the books, from 0."""
    books: tuple[tuple[Sku, str], ...] = ()
    """SKU and fingerprint (`engine.domain.audit.fingerprints`) of books as they were in memory, but for busy ones."""


LawEvent = ViolationFound | ViolationCleared | BooksCompared
