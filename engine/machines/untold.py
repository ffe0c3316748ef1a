"""Which books plain holds have changed, and when their levels are to be told.

A level that may soon be zero is told with the commit that changed it. Of the others, of which there is plenty, the
newest is told now and then: at once after a rest, and under load once for all the holds of some time. Telling a level
to offers, accounts and alerts costs more than granting the hold.
"""

from datetime import datetime, timedelta
from typing import Final

from engine.domain.stock.book import Book
from engine.domain.units import EPOCH, Sku

PLENTY_UNITS: Final = 64
"""What a hold must leave at its place for the level to wait. No level that crosses zero is ever late: it was below this
before, or the hold took it there. An offer that crosses zero while so much is left has as much withheld from it."""
TOLD_WITHIN: Final = timedelta(milliseconds=250)
"""How long a level of which there is plenty may wait. Pushers let one settle for nearly as long."""
TOLD_MAX: Final = 128
"""Of those that have waited so many are told in one step..."""
TOLD_PAUSE: Final = timedelta(milliseconds=100)
"""...and the next ones so much later: holds come in between, and what is sold meanwhile is told once..."""
_HURRY_FROM: Final = 20 * TOLD_MAX
_HURRY_PAUSE: Final = timedelta(milliseconds=5)
"""...or so much, while there are so many left that the last of them would wait longer than two seconds."""


class Untold:
    """Bounded by the number of SKUs: each is in it with its book, once for a step and once until later."""

    __slots__ = ("_at_once", "_last", "_plenty", "_since", "_tell_at", "_telling", "_telling_since")

    def __init__(self) -> None:
        """Start with nothing to tell."""
        self._at_once: dict[Sku, tuple[Book, datetime]] = {}
        self._plenty: dict[Sku, Book] = {}
        self._last: Book | None = None
        """The one that came to `_plenty` last, as long as it is there."""
        self._since = EPOCH
        """When the first of `_plenty` changed."""
        self._telling: dict[Sku, Book] = {}
        """What is left of those that have waited long enough..."""
        self._telling_since = EPOCH
        """...and when the first of them changed."""
        self._tell_at = EPOCH
        """Before then no level is told of which there is plenty."""

    def hold(self, book: Book, left: int, now: datetime) -> None:
        """Note that a plain hold has just taken units at a place where so many are left to promise."""
        if left < PLENTY_UNITS:
            self.change(book, now)
        elif book is not self._last:
            if not self._plenty:
                self._since = now
            self._plenty[book.sku] = self._last = book

    def change(self, book: Book, now: datetime) -> None:
        """Note a change that is told with its commit, and with it all that waits of this SKU."""
        sku = book.sku
        if sku in self._at_once:
            return
        since = now
        if self._plenty.pop(sku, None) is not None:
            since, self._last = self._since, None
        if self._telling.pop(sku, None) is not None:
            since = self._telling_since
        self._at_once[sku] = (book, since)

    @property
    def due_at(self) -> datetime | None:
        """When levels have waited long enough, those that are told at once aside; None: none waits."""
        return self._tell_at if self._plenty or self._telling else None

    def take(self, now: datetime) -> dict[Sku, tuple[Book, datetime]]:
        """Take out the books whose levels are to be told now, with an instant before which nobody missed a change."""
        taken, self._at_once = self._at_once, {}
        if now >= self._tell_at and (self._plenty or self._telling):
            if not self._telling:
                self._telling, self._telling_since, self._plenty = self._plenty, self._since, {}
                self._last = None
            for _ in range(min(TOLD_MAX, len(self._telling))):
                sku, book = self._telling.popitem()
                taken[sku] = (book, self._telling_since)
            self._tell_at = now + self._pause()
        return taken

    def _pause(self) -> timedelta:
        if not self._telling:
            return TOLD_WITHIN
        return TOLD_PAUSE if len(self._telling) <= _HURRY_FROM else _HURRY_PAUSE
