"""Which listings wait to be written, and since when: settling, put off, ready, or held until orders are caught up."""

from collections import OrderedDict
from collections.abc import Callable

from engine.domain.units import ListingId
from engine.machines.agenda import Agenda, BatchQueue, Rank
from engine.machines.listing import Listing
from engine.machines.listings import Listings
from engine.machines.pushing import Candidate, Priority, PushTerms

LOOK_MAX = 100
"""Listings moved at one go: a millisecond, so that a hundred thousand changes do not stop the daemon."""

READY_MIN = 100
"""Bulk work is ranked when fewer than this are ready: a call or two ahead, not a hundred thousand heap entries."""


class Outbox:
    """Listings that want a write, each in one place. Bounded by the number of listings (law 10)."""

    def __init__(
        self, listings: Listings, terms: PushTerms, batch_of: Callable[[ListingId], str], priority: Priority
    ) -> None:
        """Start empty."""
        self._listings = listings
        self._terms = terms
        self._batch_of = batch_of
        self._priority = priority
        self._settling: Agenda[ListingId] = Agenda()
        self._later: Agenda[ListingId] = Agenda()
        self._ready = BatchQueue()
        self._held = BatchQueue()
        self._falling: OrderedDict[ListingId, None] = OrderedDict()
        self._rising: OrderedDict[ListingId, None] = OrderedDict()
        """Bulk work, first come first: what an edit of the rules has changed."""
        self._flushing = False

    def __contains__(self, listing_id: ListingId) -> bool:
        return self._waits_alone(listing_id) or listing_id in self._falling or listing_id in self._rising

    def _waits_alone(self, listing_id: ListingId) -> bool:
        return (
            listing_id in self._ready
            or listing_id in self._settling
            or listing_id in self._later
            or listing_id in self._held
        )

    def put(self, listing: Listing, now: float) -> None:
        """Let a listing wait for company, for the end of its punishment, or, if it need not wait, for a call."""
        listing_id = listing.listing_id
        first = now if listing.touched_seconds is None else listing.touched_seconds
        due = min(now + self._terms.settle_seconds, first + self._terms.staleness_seconds_max)
        # Zero is the last number of a run: there is nothing to wait for. Who waits for a call already has settled.
        if listing.offer == 0 or listing_id in self._ready:
            due = now
        self.discard(listing_id)
        if listing.not_before > max(due, now):
            self._later.put(listing_id, (listing.not_before,))
        elif due > now:
            self._settling.put(listing_id, (due,))
        else:
            self._ready.put(listing_id, self._batch(listing), self._rank(listing, first))

    def put_bulk(self, listing: Listing, now: float) -> None:
        """Let a listing that changed with many others wait behind single changes; zero is never bulk (lesson D1)."""
        listing_id = listing.listing_id
        if listing.offer == 0 or listing.not_before > now or self._waits_alone(listing_id):
            self.put(listing, now)
            return
        falls = listing.pushed is None or (listing.offer is not None and listing.offer < listing.pushed)
        queue, other = (self._falling, self._rising) if falls else (self._rising, self._falling)
        other.pop(listing_id, None)
        queue[listing_id] = None

    def put_off(self, listing: Listing, until: float) -> None:
        """Let a listing wait until then, unless it is put again."""
        self.discard(listing.listing_id)
        self._later.put(listing.listing_id, (until,))

    def hold(self, listing: Listing, now: float) -> None:
        """Let a listing wait until numbers may rise."""
        first = now if listing.touched_seconds is None else listing.touched_seconds
        self._held.put(listing.listing_id, self._batch(listing), self._rank(listing, first))

    def discard(self, listing_id: ListingId) -> None:
        """Forget a listing."""
        for queue in (self._settling, self._later, self._ready, self._held):
            queue.discard(listing_id)
        self._falling.pop(listing_id, None)
        self._rising.pop(listing_id, None)

    def flush(self) -> None:
        """Settle nothing that waits now any longer."""
        self._flushing = True

    def look(self, now: float) -> bool:
        """Make ready whose time has come; True when more are due than one look takes."""
        for _ in range(LOOK_MAX):
            listing_id = self._settling.pop() if self._flushing else self._settling.pop((now,))
            if listing_id is None:
                self._flushing = False
                listing_id = self._later.pop((now,))
            if listing_id is None:
                return self._look_at_bulk(now)
            self._make_ready(listing_id, now)
        return True

    def _look_at_bulk(self, now: float) -> bool:
        for queue in (self._falling, self._rising):
            while queue:
                if len(self._ready) >= READY_MIN:
                    return False  # whoever takes some looks again
                listing_id, _ = queue.popitem(last=False)
                self._make_ready(listing_id, now)
        return False

    @property
    def hungry(self) -> bool:
        """Whether bulk work waits and there is room for it."""
        return bool(self._falling or self._rising) and len(self._ready) < READY_MIN

    def _make_ready(self, listing_id: ListingId, now: float) -> None:
        listing = self._listings.get(listing_id)
        if listing is not None and listing.wants_write:
            first = now if listing.touched_seconds is None else listing.touched_seconds
            self._ready.put(listing_id, self._batch(listing), self._rank(listing, first))

    def look_at_seconds(self) -> float:
        """Return when the next look is due."""
        firsts = (self._settling.first(), self._later.first())
        return min((first[0][0] for first in firsts if first is not None), default=float("inf"))

    def first(self, *, rises: bool) -> Rank | None:
        """Return the rank of the most urgent listing; `rises`: held ones may go, too."""
        ready, held = self._ready.first(), self._held.first() if rises else None
        return min((rank for rank in (ready, held) if rank is not None), default=None)

    def take(self, rows_max: int, *, rises: bool) -> list[ListingId]:
        """Take the most urgent listing and those that may share its call."""
        first = self.first(rises=rises)
        if first is None:
            return []
        return (self._ready if first == self._ready.first() else self._held).take(rows_max)

    def _batch(self, listing: Listing) -> str:
        return f"solo {listing.listing_id}" if listing.solo else self._batch_of(listing.listing_id)

    def _rank(self, listing: Listing, first: float) -> Rank:
        assert listing.offer is not None, "a listing without an offer wants no write"
        return self._priority(Candidate(believed=listing.pushed, offer=listing.offer, waiting_since=first))
