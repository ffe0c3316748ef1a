"""Which event made a book wrong: the events of one SKU, applied again beside plain sums, until the two part. Pure."""

from collections import deque
from datetime import datetime
from typing import Final, NamedTuple

from engine.domain.audit.laws import Violation, check_book
from engine.domain.audit.naive import NaiveLedger
from engine.domain.audit.narrate import narrate
from engine.domain.audit.timetravel import BOOK_EVENTS, PastBook
from engine.domain.events import Event
from engine.domain.units import Sku

_LAST: Final = 10
"""Events that a report shows at the end."""


class Told(NamedTuple):
    """One event in a report."""

    position: int
    at: datetime
    kind: str
    text: str


class Origin:
    """Hears the events of one SKU from the first on. What it says is of the journal, not of the book in memory."""

    def __init__(self, sku: Sku) -> None:
        """Begin before the SKU existed."""
        self.sku = sku
        self.first: tuple[int, Event] | None = None
        """Frame and event after which the journal does not add up; None: all of it does."""
        self.violation: Violation | None = None
        """What broke there; None: the event cannot be applied at all."""
        self._past = PastBook(sku)
        self._naive = NaiveLedger()
        self._last: deque[tuple[int, Event]] = deque(maxlen=_LAST)

    def apply(self, position: int, event: Event) -> None:
        """Take in an event; those of other SKUs and what the scanner itself recorded mean nothing here."""
        if type(event) not in BOOK_EVENTS or getattr(event, "sku", None) != self.sku:
            return
        self._last.append((position, event))
        if self.first is not None:
            return
        self._naive.apply(event)
        try:
            self._past.apply(event)
        except (AssertionError, KeyError):
            self.first = (position, event)
            return
        book = self._past.book
        if book is None:
            return
        # Incidents follow the shortage with an event of their own, a moment later: the laws of the sums come first.
        for violation in (*self._naive.compare(book), *check_book(book, settled=False)):
            self.first, self.violation = (position, event), violation
            return

    @property
    def told(self) -> tuple[Told, ...]:
        """The last events that touched the SKU, the newest last."""
        return tuple(tell(position, event) for position, event in self._last)

    @property
    def positions(self) -> tuple[int, ...]:
        """Frames of those."""
        return tuple(position for position, _ in self._last)


def tell(position: int, event: Event) -> Told:
    """Put an event in words."""
    return Told(position, event.at, str(type(event).__struct_config__.tag), narrate(event))
