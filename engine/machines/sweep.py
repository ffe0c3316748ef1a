"""Walk an account's catalogue page by page, and decide which SKU a listing sells."""

import random
from collections.abc import Callable

from engine.domain.events import ListingMapped
from engine.domain.units import AccountId, Instant, Sku
from engine.machines.backoff import Backoff
from engine.machines.listings import SKU_MATCH, Unmatched
from engine.ports import ListingPage, SeenListing


class Sweep:
    """Where the walk stands. What a walk does not show is not gone: pages only ever add (lesson E9)."""

    def __init__(self, every_seconds: float, backoff: Backoff, rng: random.Random) -> None:
        """Start with a walk that is due at once."""
        self.cursor: str | None = None
        self.under_way = False
        """A page is being read."""
        self.walking = True
        self.problems: tuple[str, ...] = ()
        """Rows of the last walk that could not be read; a hundred at most."""
        self._due = float("-inf")
        self._every_seconds = every_seconds
        self._backoff = backoff
        self._rng = rng
        self._tries = 0
        self._again = False

    def start(self, now: float) -> None:
        """Walk from the beginning, after the walk under way if there is one."""
        if self.under_way or self.cursor is not None:
            self._again = True
            return
        self.walking, self._due = True, now

    def due_seconds(self) -> float:
        """Return when the next page may be read; infinity while one is."""
        return float("inf") if self.under_way else self._due

    def page_asked(self, now: float) -> str | None:
        """Take the place of the reader; returns the page's cursor."""
        assert not self.under_way, "two pages of one walk at once"
        self.under_way = True
        if not self.walking and self._due <= now:
            self.walking = True
        return self.cursor

    def page_read(self, page: ListingPage, now: float) -> None:
        """Go on, or rest until the next walk is due."""
        self.under_way, self._tries = False, 0
        if not self.walking and not self._again:
            return  # a page out of turn, to see whether the account answers
        seen = () if self.cursor is None else self.problems
        self.problems = (*seen, *page.problems)[:100]
        self.cursor, self._due = page.cursor, now
        if page.cursor is None:
            self.walking, self._again = self._again, False
            self._due = now if self.walking else now + self._every_seconds

    def page_failed(self, now: float) -> None:
        """Ask for the same page again after a while."""
        self.under_way = False
        if self.walking:
            self._tries += 1
            self._due = now + self._backoff.wait_seconds(self._tries, self._rng)


def match_listing(
    account: AccountId, seen: SeenListing, known_sku: Callable[[Sku], bool], at: Instant
) -> ListingMapped | Unmatched:
    """Decide by its SKU what a listing sells that nobody mapped. Two listings may sell one SKU."""
    if not seen.managed:
        reason = "its stock is managed elsewhere at the channel"
    elif seen.sku is None:
        reason = "no SKU"
    elif not known_sku(seen.sku):
        reason = "unknown SKU"
    else:
        return ListingMapped(at=at, account=account, listing_id=seen.listing_id, sku=seen.sku, source=SKU_MATCH)
    return Unmatched(listing_id=seen.listing_id, sku=seen.sku, title=seen.title, reason=reason)
