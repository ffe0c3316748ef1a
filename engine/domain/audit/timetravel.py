"""One SKU as it was at an instant of the past: what live running applied until then, applied again. Pure."""

from datetime import datetime
from typing import Final, get_args

from engine.domain.events import BookEvent, Event, RecipeSet, RulesSet, SkuAdded, StockConfirmed, StockObserved
from engine.domain.stock.book import Book
from engine.domain.stock.ledger import Ledger
from engine.domain.stock.snapshots import read_row
from engine.domain.units import Sku

BOOK_EVENTS: Final = frozenset(get_args(BookEvent))
_DAY_SECONDS: Final = 86_400.0


class PastBook:
    """Tells the book of one SKU, event by event, at any instant that is not before the last one told."""

    def __init__(self, sku: Sku) -> None:
        """Begin before the SKU existed."""
        self.sku = sku
        # What repeats were recognised by says nothing of the figures: nothing of it need be remembered.
        self._ledger = Ledger(remembered_seconds=_DAY_SECONDS, remembered_max=1)

    @property
    def book(self) -> Book | None:
        """The book as the events told so far left it; None: the SKU did not exist."""
        return self._ledger.books.get(self.sku)

    def apply(self, event: Event) -> bool:
        """Take in an event; False: it changed nothing here, being another SKU's or no book's."""
        if type(event) not in BOOK_EVENTS or getattr(event, "sku", None) != self.sku:
            return False
        if self.book is None and not isinstance(event, SkuAdded):
            return False
        self._ledger.apply(event)  # type: ignore[arg-type]  # one of BOOK_EVENTS
        self._ledger.forget(event.at)
        return True

    def row_of(self, event: StockConfirmed) -> StockObserved | None:
        """Return what an event of many SKUs says of this one, as it stands in its book; None: nothing."""
        quantity = next((units for sku, units in event.rows if sku == self.sku), None)
        if self.book is None or quantity is None:
            return None
        return read_row(event, self.sku, quantity, self.book.on_hand_at(event.location))

    def lapse(self, now: datetime) -> None:
        """Let the clock run on to an instant: what had run out by then was over, whenever that was noted."""
        self._ledger.lapse(now)


class Moment:
    """One SKU as of one instant. Events may be told to the journal's end: later ones are passed over."""

    def __init__(self, sku: Sku, at: datetime) -> None:
        """Begin with nothing."""
        self.sku = sku
        self.at = at
        self.position = 0
        """Of the last frame that told anything of it by then; 0: none had."""
        self.added_at: datetime | None = None
        """When the SKU came to be, be it after that instant; None: it never did."""
        self.rules_version = 0
        """Of the rules of what channels may show; 0: nobody had set any."""
        self.recipe: RecipeSet | None = None
        """What one unit was made of; None: it was no bundle."""
        self._past = PastBook(sku)

    def apply(self, position: int, event: Event) -> bool:
        """Take in an event of the past; False: it is another SKU's, no book's, or of a later instant."""
        if self.added_at is None and isinstance(event, SkuAdded) and event.sku == self.sku:
            self.added_at = event.at
        if event.at > self.at:
            return False
        if isinstance(event, RulesSet):
            self.rules_version = event.version
        told = self._past.row_of(event) if isinstance(event, StockConfirmed) else event
        if told is None or not self._past.apply(told):
            return False
        if isinstance(event, RecipeSet):
            self.recipe = event if event.components else None
        self.position = position
        return True

    def book(self) -> Book | None:
        """Return the book as anyone who had looked at that instant would have seen it; None: there was none."""
        self._past.lapse(self.at)
        return self._past.book
